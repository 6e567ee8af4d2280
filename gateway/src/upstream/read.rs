//! One read, from the best node that answers.
//!
//! ```text
//!   best node ──────────(no answer after what few answers exceed)──► the next one as well; the first answer counts
//!       └─(trouble, or an answer that is too old)─► the next one, while the budget for extra tries lasts
//! ```
//!
//! When all answers are too old, the freshest is given, and says how old it is.
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
use crate::live::bounds::REPLICA_AGE_MAX;
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

/// An answer, and who gave it.
struct Given<T> {
    peer: Arc<Peer>,
    answer: T,
}

impl<T: Dated> Given<T> {
    /// How long ago its replica last knew itself to be current. What has no age never changes.
    fn age(&self) -> Duration {
        let as_of = self.answer.as_of();
        as_of.map_or(Duration::ZERO, |as_of| Duration::from_millis(as_of.age_ms))
    }

    /// This is the one that is handed out.
    fn take(self, place: &ShowPlace) -> T {
        footprint::served(&self.peer, place.show_id, self.answer.as_of());
        self.answer
    }
}

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
        // The freshest of the answers that were too old, else the last error.
        let mut best: Result<Given<T>, UpstreamError> =
            Err(UpstreamError::new("unavailable", "no node can be reached"));
        let mut hedge_at = None;
        loop {
            if running.is_empty() {
                let left = self.read_budget.saturating_sub(started.elapsed());
                let worth = |peer: &Arc<Peer>| best.is_err() || self.may_be_fresher(place, peer);
                let Some(peer) = order.find(worth).filter(|_| !left.is_zero()) else {
                    return best.map(|given| given.take(place));
                };
                // Going to the leader after a wait for a session's index is the plan, not a repeat.
                let waited = *tries == 1 && freshness == Freshness::Seen && best.is_err();
                if *tries > 0 && !waited && !self.read_retries.take(clock::now()) {
                    self.count_read("over_budget");
                    return best.map(|given| given.take(place));
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
                Verdict::Answered(given) => return Ok(given.take(place)),
                // What a refusal is based on may be older still: it does not say.
                Verdict::Decided(error) => {
                    return best.or(Err(error)).map(|given| given.take(place));
                }
                Verdict::TooOld(given) => best = Ok(fresher(best, given)),
                Verdict::Elsewhere(error) => best = best.or(Err(error)),
                Verdict::Unreachable => {}
            }
        }
    }

    /// The nodes in the order in which they are asked.
    fn order(&self, place: &ShowPlace, freshness: Freshness) -> Vec<Arc<Peer>> {
        let mut order = self.near(place.show_id);
        // A node without a replica can only say so.
        order.sort_by_key(|id| !place.may_be_at(*id));
        if freshness == Freshness::Near {
            self.spill(place, &mut order);
        } else if let Some(leader) = self.leader_guess(place) {
            // Whoever waits for an index asks near home once, then where it was written.
            let at = usize::from(freshness == Freshness::Seen && order.first() != Some(&leader));
            order.retain(|id| *id != leader);
            order.insert(at.min(order.len()), leader);
        }
        order.into_iter().filter_map(|id| self.peer(id)).collect()
    }

    /// Moves the nodes of the region that takes this request ahead, when the first one is full; but none that cannot serve the
    /// show.
    fn spill(&self, place: &ShowPlace, order: &mut [u64]) {
        let choice = self.router.choice();
        let now = clock::now();
        let Some(region) = self.router.spills_to(&choice, now) else {
            return;
        };
        self.count_read("spilled");
        let peers = self.peers();
        let there = |id: u64| {
            let mut all = peers.iter();
            all.any(|peer| peer.id == id && peer.region == region)
                && place.may_be_at(id)
                && self.is_good_for(place.show_id, id, now)
        };
        order.sort_by_key(|id| !there(*id));
    }

    /// Whether `peer` has a replica that may be younger than one that was too old, and answers.
    fn may_be_fresher(&self, place: &ShowPlace, peer: &Peer) -> bool {
        let now = clock::now();
        place.may_be_at(peer.id)
            && peer.health.commits(now)
            && self.is_good_for(place.show_id, peer.id, now)
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
                let given = Given {
                    peer: Arc::clone(&peer),
                    answer: response.into_inner(),
                };
                self.weighed(place, given, now)
            }
            Err(status) => {
                if status.code() == Code::ResourceExhausted {
                    self.router.saturated(&peer.region, now);
                }
                self.refused(place.show_id, peer.id, &status, now);
                judge(&status)
            }
        };
        match &verdict {
            Verdict::Answered(_) | Verdict::TooOld(_) | Verdict::Decided(_) => {
                peer.health.answered();
            }
            Verdict::Elsewhere(_) => {}
            Verdict::Unreachable => {
                peer.health.failed(now);
            }
        }
        self.count_read(verdict.as_str());
        verdict
    }

    /// What the age of an answer says of its replica.
    fn weighed<T: Dated>(&self, place: &ShowPlace, given: Given<T>, now: Instant) -> Verdict<T> {
        let Some(as_of) = given.answer.as_of() else {
            return Verdict::Answered(given);
        };
        let (show_id, node) = (place.show_id, given.peer.id);
        if as_of.linearizable {
            self.show_troubles.commits(show_id, node);
        } else if given.age() > REPLICA_AGE_MAX {
            self.show_troubles.behind(show_id, node, now);
            return Verdict::TooOld(given);
        } else {
            self.show_troubles.fresh(show_id, node);
        }
        Verdict::Answered(given)
    }

    /// What a refusal says of the node's replica of one show: the node itself is well enough to refuse.
    fn refused(&self, show_id: u64, node: u64, status: &Status, now: Instant) {
        match codes::of_status(status).map(|row| row.code) {
            Some("unavailable") => self.show_troubles.unable(show_id, node, now),
            // It did not reach the index that was asked for.
            Some("deadline") => self.show_troubles.behind(show_id, node, now),
            _ => {}
        }
    }

    fn count_read(&self, result: &str) {
        self.metrics.read_tries.with_label_values(&[result]).inc();
    }
}

/// The younger of two answers; the first of equals.
fn fresher<T: Dated>(best: Result<Given<T>, UpstreamError>, given: Given<T>) -> Given<T> {
    match best {
        Ok(before) if before.age() <= given.age() => before,
        _ => given,
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
    Answered(Given<T>),
    /// An answer, older than is handed out while there may be a fresher one.
    TooOld(Given<T>),
    Decided(UpstreamError),
    /// This node cannot, another may.
    Elsewhere(UpstreamError),
    Unreachable,
}

impl<T> Verdict<T> {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Answered(_) => "answered",
            Self::TooOld(_) => "too_old",
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

#[cfg(test)]
mod tests;
