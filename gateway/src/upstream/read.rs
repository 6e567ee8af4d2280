//! One read, from the best node that answers.
//!
//! ```text
//!   best node ──────────(no answer after what few answers exceed)──► the next one as well; the first answer counts
//!       └─(trouble)─► the next one, while the budget for extra tries lasts
//! ```
//!
//! Owns: the order of nodes for reads, the time each gets, and the second question. Must never: hide how old an answer is, or
//! ask a write twice: that is `write.rs`, which waits.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use holdfast_node_api::client::NodeClient;
use holdfast_node_api::codes;
use tonic::{Code, Response, Status};

use super::{Peer, ShowPlace, Upstream, UpstreamError};
use crate::footprint::{self, Dated};
use crate::{clock, limits};

/// From whom a read may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// The nearest replica, whatever its age.
    Near,
    /// The nearest replica once it has seen a log index; the leader when it does not see it soon. Being behind is no fault
    /// of the node's health.
    Seen,
    /// The leader, after asking its quorum.
    Linearizable,
}

/// How a try ended.
type Ended<T> = (
    Arc<Peer>,
    Instant,
    Result<Result<Response<T>, Status>, tokio::time::error::Elapsed>,
);

impl Upstream {
    /// Asks nodes until one decides. A node that says "there is none" decides.
    ///
    /// # Errors
    /// The node's code when it decided; `unavailable` or `deadline` when none answered.
    pub async fn read<T, F, Fut>(
        &self,
        place: &ShowPlace,
        freshness: Freshness,
        call: F,
    ) -> Result<T, UpstreamError>
    where
        T: Dated,
        F: Fn(NodeClient) -> Fut + Send,
        Fut: Future<Output = Result<Response<T>, Status>> + Send,
    {
        let started = clock::now();
        self.read_retries.request(started);
        self.hedges.request(started);
        let mut tries = 0;
        let decided = self
            .ask_until(place, freshness, call, started, &mut tries)
            .await;
        footprint::waited(started.elapsed(), tries);
        footprint::led_by(self.leader_known(place).map(|(peer, _)| peer));
        decided
    }

    async fn ask_until<T, F, Fut>(
        &self,
        place: &ShowPlace,
        freshness: Freshness,
        call: F,
        started: Instant,
        tries: &mut u32,
    ) -> Result<T, UpstreamError>
    where
        T: Dated,
        F: Fn(NodeClient) -> Fut + Send,
        Fut: Future<Output = Result<Response<T>, Status>> + Send,
    {
        let mut order = self.order(place, freshness).into_iter();
        let mut running = FuturesUnordered::new();
        let mut last = UpstreamError::new("unavailable", "no node can be reached");
        let mut hedge_at = None;
        loop {
            if running.is_empty() {
                let left = self.read_budget.saturating_sub(started.elapsed());
                let Some(peer) = order.next().filter(|_| !left.is_zero()) else {
                    return Err(last);
                };
                // Going to the leader after a wait for a session's index is the plan, not a repeat.
                let planned = *tries == 0 || (*tries == 1 && freshness == Freshness::Seen);
                if !planned && !self.read_retries.take(clock::now()) {
                    self.count_read("over_budget");
                    return Err(last);
                }
                hedge_at =
                    (*tries == 0 && freshness == Freshness::Near).then(|| hedge_delay(&peer));
                running.push(one(
                    peer.clone(),
                    left.min(patience(&peer, freshness, *tries)),
                    &call,
                ));
                *tries += 1;
            }
            let ended: Ended<T> = tokio::select! {
                Some(ended) = running.next() => ended,
                () = late(hedge_at) => {
                    hedge_at = None;
                    let second = order.as_slice().first().filter(|peer| peer.health.is_well(clock::now()));
                    if second.is_some() && self.hedges.take(clock::now()) && let Some(peer) = order.next() {
                        self.count_read("hedged");
                        running.push(one(peer.clone(), patience(&peer, freshness, *tries), &call));
                        *tries += 1;
                    }
                    continue;
                }
            };
            match self.judged(place, freshness, ended) {
                Verdict::Answered(answer) => return Ok(answer),
                Verdict::Decided(error) => return Err(error),
                Verdict::Elsewhere(error) => last = error,
                Verdict::Unreachable => {}
            }
        }
    }

    /// The nodes in the order in which they are asked.
    fn order(&self, place: &ShowPlace, freshness: Freshness) -> Vec<Arc<Peer>> {
        let mut order = self.near();
        // A node without a replica can only say so.
        order.sort_by_key(|id| !place.may_be_at(*id));
        if freshness == Freshness::Near {
            self.spill(&mut order);
        } else if let Some(leader) = self.leader_guess(place) {
            // Whoever waits for an index asks near home once, then where it was written.
            let at = usize::from(freshness == Freshness::Seen && order.first() != Some(&leader));
            order.retain(|id| *id != leader);
            order.insert(at.min(order.len()), leader);
        }
        order.into_iter().filter_map(|id| self.peer(id)).collect()
    }

    /// Moves the nodes of the region that takes this request ahead, when the first one is full.
    fn spill(&self, order: &mut [u64]) {
        let choice = self.router.choice();
        let Some(region) = self.router.spills_to(&choice, clock::now()) else {
            return;
        };
        self.count_read("spilled");
        let peers = self.peers();
        let there = |id: u64| {
            peers
                .iter()
                .any(|peer| peer.id == id && peer.region == region)
        };
        order.sort_by_key(|id| !there(*id));
    }

    fn judged<T: Dated>(
        &self,
        place: &ShowPlace,
        freshness: Freshness,
        (peer, asked_at, ended): Ended<T>,
    ) -> Verdict<T> {
        let now = clock::now();
        let Ok(answer) = ended else {
            // Only a plain read says something about the node; the others may wait for a quorum or for an index.
            if freshness == Freshness::Near {
                peer.health.failed(now);
            }
            self.count_read("deadline");
            return Verdict::Elsewhere(UpstreamError::new(
                "unavailable",
                "no node answered in time",
            ));
        };
        if freshness == Freshness::Near && answer.is_ok() {
            peer.latency.took(now.saturating_duration_since(asked_at));
        }
        let verdict = match answer {
            Ok(response) => {
                let answer = response.into_inner();
                footprint::served(&peer, place.show_id, answer.as_of());
                Verdict::Answered(answer)
            }
            Err(status) => {
                if status.code() == Code::ResourceExhausted {
                    self.router.saturated(&peer.region, now);
                }
                judge(&status)
            }
        };
        match &verdict {
            Verdict::Answered(_) | Verdict::Decided(_) => peer.health.answered(),
            Verdict::Elsewhere(_) => {}
            Verdict::Unreachable => {
                peer.health.failed(now);
            }
        }
        self.count_read(verdict.as_str());
        verdict
    }

    fn count_read(&self, result: &str) {
        self.metrics.read_tries.with_label_values(&[result]).inc();
    }
}

async fn one<T, F, Fut>(peer: Arc<Peer>, timeout: Duration, call: &F) -> Ended<T>
where
    F: Fn(NodeClient) -> Fut + Send,
    Fut: Future<Output = Result<Response<T>, Status>> + Send,
{
    let asked_at = clock::now();
    let ended = tokio::time::timeout(timeout, call(peer.client.clone())).await;
    (peer, asked_at, ended)
}

/// How long `peer` may take for the try after `before` others.
fn patience(peer: &Peer, freshness: Freshness, before: u32) -> Duration {
    peer.rtt
        + match freshness {
            Freshness::Linearizable => limits::LINEARIZABLE_TRY_TIMEOUT,
            Freshness::Seen if before == 0 => peer.rtt + limits::SESSION_WAIT,
            Freshness::Near | Freshness::Seen => limits::READ_TRY_TIMEOUT,
        }
}

/// How long an answer of `peer` is waited for before somebody else is asked too.
fn hedge_delay(peer: &Peer) -> Duration {
    let usual = peer.latency.slow().unwrap_or(peer.rtt * 2);
    usual.clamp(limits::HEDGE_DELAY_MIN, limits::HEDGE_DELAY_MAX)
}

async fn late(after: Option<Duration>) {
    match after {
        Some(after) => tokio::time::sleep(after).await,
        None => std::future::pending().await,
    }
}

enum Verdict<T> {
    Answered(T),
    Decided(UpstreamError),
    /// This node cannot, another may.
    Elsewhere(UpstreamError),
    Unreachable,
}

impl<T> Verdict<T> {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Answered(_) => "answered",
            Self::Decided(_) => "refused",
            Self::Elsewhere(_) => "elsewhere",
            Self::Unreachable => "unreachable",
        }
    }
}

fn judge<T>(status: &Status) -> Verdict<T> {
    let message = status.message();
    if let Some(row) = codes::of_status(status) {
        let error = |code| UpstreamError {
            retry_after: row.retryable.then_some(Duration::from_secs(1)),
            ..UpstreamError::new(code, message)
        };
        return match row.code {
            // A replica that has not heard of the show yet; the catalogue has.
            "unknown_show" | "not_leader" | "stopped" => Verdict::Elsewhere(error("unavailable")),
            code if row.retryable || row.http_status >= 500 => Verdict::Elsewhere(error(code)),
            code => Verdict::Decided(error(code)),
        };
    }
    match status.code() {
        Code::NotFound => Verdict::Decided(UpstreamError::new("not_found", message)),
        Code::InvalidArgument => Verdict::Decided(UpstreamError::new("invalid", message)),
        _ => Verdict::Unreachable,
    }
}
