//! Asking every node how it is, and making the choice of region from the answers.
//!
//! ```text
//!   every second, each node  ─► probe ─► latency, breaker, age of its directory
//!   twice a second           ─► regions from their nodes ─► router ─► order of the nodes
//! ```
//!
//! Owns: the probes and what a region's health is made of. Must never: count an answer as good because a port is open.

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_node_api::v1;
use holdfast_region_config::ids::RegionId;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::health::Circuit;
use super::{Peer, Upstream};
use crate::app::App;
use crate::catalogue::Catalogue;
use crate::routing::score::{Candidate, Health};
use crate::{clock, limits};

/// Probes every node and reviews the choice of region until `stop`.
pub async fn keep_surveyed(app: Arc<App>, stop: CancellationToken) {
    let mut review = tokio::time::interval(limits::REVIEW_INTERVAL);
    review.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut probed_at: Option<Instant> = None;
    let mut probes = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = review.tick() => {}
            Some(_) = probes.join_next() => continue,
        }
        let now = clock::now();
        let due = |at| now.saturating_duration_since(at) >= limits::PROBE_INTERVAL;
        // One round at a time: a node that does not answer must not gather probes.
        if probed_at.is_none_or(due) && probes.is_empty() {
            probed_at = Some(now);
            for peer in app.upstream.peers().iter() {
                probes.spawn(probe(Arc::clone(peer)));
            }
        }
        app.upstream.review(&app.catalogue);
    }
}

impl Upstream {
    /// Makes the choice of region anew.
    pub fn review(&self, catalogue: &Catalogue) {
        let now = clock::now();
        let candidates = self.candidates(catalogue, now);
        if let Some((from, to)) = self.router.review(candidates, now) {
            let from = from.as_ref().map_or("none", RegionId::as_str);
            tracing::info!(from, to = %to, "region chosen");
        }
        let choice = self.router.choice();
        self.peers.reorder(|peer| {
            let latency = peer.latency.mean().unwrap_or(peer.rtt);
            (choice.position(&peer.region), latency)
        });
    }

    /// Every region with nodes, as it looks from here.
    pub(crate) fn candidates(&self, catalogue: &Catalogue, now: Instant) -> Vec<Candidate> {
        let catalogue = catalogue.current();
        let peers = self.peers();
        let mut candidates: Vec<Candidate> = Vec::new();
        for region in &self.topology().regions {
            let here: Vec<&Arc<Peer>> = peers.iter().filter(|p| p.region == region.id).collect();
            let Some(expected) = here.iter().map(|peer| peer.rtt).min() else {
                continue;
            };
            let (health, measured) = health_of(&here, now);
            let drained = catalogue
                .as_ref()
                .is_some_and(|known| known.is_drained(region.id.as_str()));
            candidates.push(Candidate {
                region: region.id.clone(),
                health,
                measured,
                expected,
                drained,
            });
        }
        candidates
    }
}

/// A region is as good as its best node; its round trip is that of the nearest one that is as good.
fn health_of(nodes: &[&Arc<Peer>], now: Instant) -> (Health, Option<Duration>) {
    let health = |peer: &Peer| match peer.health.circuit(now) {
        Circuit::Open | Circuit::HalfOpen => Health::Dead,
        Circuit::Closed if peer.health.is_cut_off() => Health::CutOff,
        Circuit::Closed if peer.health.has_answered() => Health::Commits,
        Circuit::Closed => Health::Unknown,
    };
    for wanted in [Health::Commits, Health::Unknown, Health::CutOff] {
        let mut such = nodes
            .iter()
            .filter(|peer| health(peer) == wanted)
            .peekable();
        if such.peek().is_some() {
            return (wanted, such.filter_map(|peer| peer.latency.mean()).min());
        }
    }
    (Health::Dead, None)
}

async fn probe(peer: Arc<Peer>) {
    let asked_at = clock::now();
    let mut operator = peer.client.operator();
    let asking = operator.probe(v1::ProbeRequest {});
    let answer = tokio::time::timeout(peer.rtt + limits::PROBE_TIMEOUT, asking).await;
    let now = clock::now();
    let age = match answer {
        Ok(Ok(reply)) => reply
            .into_inner()
            .directory
            .map(|as_of| Duration::from_millis(as_of.age_ms)),
        // An older node answers, if not this question.
        Ok(Err(status)) if status.code() == Code::Unimplemented => None,
        _ => {
            if peer.health.failed(now) {
                tracing::info!(node = peer.id, region = %peer.region, "node does not answer probes");
            }
            return;
        }
    };
    peer.latency.took(now.saturating_duration_since(asked_at));
    peer.health.probed(age, now);
}

#[cfg(test)]
pub(super) mod tests;
