//! Where a client and a show would be served, and why.
//!
//! Owns: `GET /v1/route/explain`. Must never: choose anything itself, or ask a node; it says what the choice is made of.

mod entry;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use holdfast_node_api::refs::ShowRef;
use serde_json::{Value, json};

use super::events::place;
use super::request::{id, parameter, query};
use crate::app::App;
use crate::client_address::Client;
use crate::clock;
use crate::network::Network;
use crate::problem::Problem;
use crate::routing::score::{Candidate, Ranked};
use crate::upstream::{Peer, ShowPlace};

/// Only without the server that says who is at the other end.
const NOBODY: Client = Client {
    addr: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    country: None,
};

pub(super) async fn explain(
    State(app): State<Arc<App>>,
    own: Option<Extension<Client>>,
    uri: Uri,
) -> Result<Response, Problem> {
    let pairs = query(&uri, &["client", "show"])?;
    let client = match parameter(&pairs, "client") {
        Some(text) => Client {
            addr: text.parse().map_err(|_| {
                let reason = "must be an IP address";
                Problem::field("invalid_parameter", "client", reason)
            })?,
            country: None,
        },
        None => own.map_or(NOBODY, |Extension(client)| client),
    };
    let show = match parameter(&pairs, "show") {
        Some(show) => {
            let ShowRef(show_id) = id(show)?;
            Some(place(&app, show_id)?)
        }
        None => None,
    };
    let now = clock::now();
    let (nearest, entry) = entry::entry(&app, client, now);
    let body = json!({
        "gateway": app.config.region.as_str(),
        "client": {
            "address": client.addr.to_string(),
            "range": Network::of(client.addr, nearest.prefix_len).to_string(),
            "known_by": nearest.source.as_str(),
            "country": nearest.country.map(|country| country.to_string()),
        },
        "entry": entry,
        "serving": serving(&app, show.as_ref(), now),
        "show": show.as_ref().map(|show| of_show(&app, show, now)),
        "database": app.geo.database(),
    });
    Ok(Json(body).into_response())
}

fn candidate(one: &Ranked, chosen: bool) -> Value {
    let Candidate {
        region,
        health,
        measured,
        expected,
        drained,
    } = &one.candidate;
    json!({
        "region": region.as_str(),
        "chosen": chosen,
        "reason": one.tier.reason(),
        "health": health.as_str(),
        "drained": drained,
        "cost_ms": ms(one.cost),
        "measured_ms": measured.map(ms),
        "expected_ms": ms(*expected),
    })
}

/// To the hundredth, so that people can read it.
pub(super) fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 100_000.0).round() / 100.0
}

/// The region and the nodes that this gateway asks first.
fn serving(app: &App, show: Option<&ShowPlace>, now: Instant) -> Value {
    let router = app.upstream.router();
    let choice = router.choice();
    let peers = app.upstream.peers();
    let node = |peer: &Arc<Peer>| {
        let of_show = show.map(|show| app.upstream.show_health(show.show_id, peer.id, now));
        json!({
            "node": peer.id,
            "circuit": peer.health.circuit(now).as_str(),
            "round_trip_ms": peer.latency.mean().map(ms),
            "slow_ms": peer.latency.slow().map(ms),
            "directory_age_ms": peer.health.directory_age().map(ms),
            "replica": show.map(|show| replica(show, peer.id)),
            "show_health": of_show.map(|(health, _)| health.as_str()),
            "show_health_age_ms": of_show.and_then(|(_, since)| since).map(ms),
        })
    };
    let regions = choice.ranked.iter().map(|one| {
        let region = &one.candidate.region;
        let here = peers.iter().filter(|peer| peer.region == *region);
        let mut body = candidate(one, Some(region) == choice.region.as_ref());
        body["passes_on_ratio"] = json!(router.spilling(region, now));
        body["nodes"] = here.map(node).collect();
        body
    });
    json!({
        "region": choice.region.as_ref().map(|region| region.as_str()),
        "fail_open": choice.fail_open,
        "candidates": regions.collect::<Vec<_>>(),
    })
}

fn replica(show: &ShowPlace, node: u64) -> &'static str {
    if show.voters.contains(&node) {
        "voter"
    } else if show.learners.contains(&node) {
        "learner"
    } else {
        "none"
    }
}

fn of_show(app: &App, show: &ShowPlace, now: Instant) -> Value {
    let leader = app.upstream.leader_known(show);
    let peers = app.upstream.peers();
    let near = app.upstream.near(show.show_id).into_iter();
    let mut near = near.filter_map(|node| peers.iter().find(|peer| peer.id == node));
    let reads = near.find(|peer| peer.health.is_well(now) && replica(show, peer.id) != "none");
    json!({
        "show": ShowRef(show.show_id).to_string(),
        "home_region": show.home_region,
        "reads_from": reads.map(|peer| json!({ "region": peer.region.as_str(), "node": peer.id })),
        "writes_to": leader.map(|(peer, confirmed)| json!({
            "region": peer.region.as_str(),
            "node": peer.id,
            // Otherwise it is where the leader should be; nobody wrote to this show through this gateway yet.
            "confirmed": confirmed,
        })),
    })
}
