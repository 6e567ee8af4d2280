//! Asking the gateways of all regions, once a second, what they see.
//!
//! Owns: connections, time limits, and what this region itself sees. Must never: wait for one gateway longer than a round,
//! or believe more of an answer than fits into a page.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use holdfast_region_config::Topology;
use holdfast_region_config::ids::RegionId;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Observations, POLL_INTERVAL, Sight};
use crate::app::App;
use crate::clock;

/// Where a gateway tells what it sees.
pub(crate) const PATH: &str = "/v1/route/observations";
/// Beyond the round trips: a gateway that takes longer for a few hundred bytes from memory is not well.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Largest answer, bytes: 32 regions with all that is said about each.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Asks and judges every second until `stop`.
pub async fn keep_watching(app: Arc<App>, stop: CancellationToken) {
    let mut round = tokio::time::interval(POLL_INTERVAL);
    round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = round.tick() => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = look_around(&app) => {}
        }
    }
}

async fn look_around(app: &App) {
    let topology = app.upstream.topology();
    let own_region = &app.config.region;
    let ready = ask_all(&topology, own_region, app).await;
    let nodes = regions_that_commit(app);
    let gateways = app.gateways.known(&topology);
    let sees = topology.regions.iter().map(|region| {
        let here = region.id == *own_region;
        // A region without a gateway of its own is served by the others'.
        let none = !gateways.contains_key(&region.id);
        let sight = Sight {
            nodes: nodes.contains(&region.id),
            gateways: none || ready.contains(&region.id) || (here && !app.draining()),
        };
        (region.id.clone(), sight)
    });
    let sees: BTreeMap<RegionId, Sight> = sees.collect();
    for (region, up) in app.observatory.judge(own_region, sees, clock::now()) {
        if up {
            tracing::info!(%region, "region is up again, by what most regions see");
        } else {
            tracing::warn!(%region, "region is down, by what most regions see");
        }
    }
}

/// Regions with a node that answers and is in touch with a majority.
fn regions_that_commit(app: &App) -> BTreeSet<RegionId> {
    let now = clock::now();
    let peers = app.upstream.peers();
    let well = peers.iter().filter(|peer| peer.health.commits(now));
    well.map(|peer| peer.region.clone()).collect()
}

/// Regions other than `own` of which a gateway answered and is ready; what it sees is taken note of.
async fn ask_all(topology: &Topology, own: &RegionId, app: &App) -> BTreeSet<RegionId> {
    let mut asking = JoinSet::new();
    for (region, addr) in app.gateways.elsewhere(topology, own) {
        let rtt = topology.rtt.get(own, &region).unwrap_or_default();
        asking.spawn(async move {
            // Two round trips: one to connect, one to ask.
            let answer = tokio::time::timeout(ANSWER_TIMEOUT + 2 * rtt, ask(&addr)).await;
            (region, answer.ok().flatten())
        });
    }
    let mut ready = BTreeSet::new();
    while let Some(asked) = asking.join_next().await {
        let Ok((region, Some(said))) = asked else {
            continue;
        };
        // An address that leads to another region's gateway is a mistake in a file, and nobody's word.
        if said.region != region {
            continue;
        }
        if said.ready {
            ready.insert(region.clone());
        }
        app.observatory.heard(region, said.sees, clock::now());
    }
    ready
}

/// What the gateway at `addr` sees; `None` when it does not answer, or not in our words.
async fn ask(addr: &str) -> Option<Observations> {
    fetch(addr, PATH, None, ANSWER_BYTES_MAX).await
}

/// What the gateway at `addr` has at `path` for whoever shows `token`, in at most `bytes_max`; `None` when it does not answer, or
/// not in our words.
pub(crate) async fn fetch<T: DeserializeOwned>(
    addr: &str,
    path: &str,
    token: Option<&str>,
    bytes_max: usize,
) -> Option<T> {
    let stream = TcpStream::connect(addr).await.ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let mut request = Request::get(path)
        .header(header::HOST, addr)
        .header(header::CONNECTION, "close");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Body::empty()).ok()?;
    let answered = async {
        let response = sender.send_request(request).await.ok()?;
        if response.status() != StatusCode::OK {
            return None;
        }
        let body = Body::new(response.into_body());
        let bytes = axum::body::to_bytes(body, bytes_max).await.ok()?;
        serde_json::from_slice(&bytes).ok()
    };
    let mut answered = std::pin::pin!(answered);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        answer = &mut answered => answer,
        // Its end may come together with the last of the answer.
        _ = &mut connection => answered.await,
    }
}
