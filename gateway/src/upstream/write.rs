//! One write, taken to the leader of its show wherever that is, with the one safe retry.
//!
//! Owns: tries, pauses, and whether the end is definite. Every try carries the same caller and idempotency key, so that a
//! try which happened after all answers the next one. Tries beyond the first are paid from a budget, except that to where a
//! node points; without budget a write waits, it does not give up. Must never: retry a decision, or ask two nodes at once.

use std::sync::Arc;
use std::time::Duration;

use holdfast_node_api::codes;
use holdfast_node_api::pipe::SubmitError;
use holdfast_node_api::v1::{Failure, FailureCode, SubmitReply, SubmitRequest, submit_reply};

use super::route::{Next, Route};
use super::{Peer, ShowPlace, Upstream, UpstreamError};
use crate::chance::jittered;
use crate::{clock, footprint, limits};

/// With less left than this, another try could not be answered.
const TRY_TIME_MIN: Duration = Duration::from_millis(50);
/// A leader with full queues is asked again this often at most: more would feed the overload.
const OVERLOADED_TRIES_MAX: u32 = 2;

/// What is known after some tries.
struct Progress {
    /// The first node has been asked.
    begun: bool,
    may_have_happened: bool,
    last: UpstreamError,
    overloaded: u32,
    tries: u32,
}

enum Tried {
    Decided(Box<SubmitReply>),
    /// Give up now, with this.
    Final(UpstreamError),
    Again,
}

impl Upstream {
    /// Takes `request` to the leader of `place` and returns its decision: an effect or a rejection.
    ///
    /// # Errors
    /// `outcome_unknown` when a try may have happened and none was answered; else the last failure's code. `invalid` names
    /// the field.
    pub async fn submit(
        &self,
        request: SubmitRequest,
        place: &ShowPlace,
    ) -> Result<SubmitReply, UpstreamError> {
        let started = clock::now();
        self.write_retries.request(started);
        let mut progress = Progress {
            begun: false,
            may_have_happened: false,
            last: UpstreamError::new("unavailable", "no node of this show can be reached"),
            overloaded: 0,
            tries: 0,
        };
        let result = self
            .submit_within(request, place, started, &mut progress)
            .await;
        let took = started.elapsed();
        self.metrics.write_seconds.observe(took.as_secs_f64());
        footprint::waited(took, progress.tries);
        footprint::led_by(self.leader_known(place).map(|(peer, _)| peer));
        result
    }

    async fn submit_within(
        &self,
        request: SubmitRequest,
        place: &ShowPlace,
        started: std::time::Instant,
        progress: &mut Progress,
    ) -> Result<SubmitReply, UpstreamError> {
        let mut route = Route::new(
            self.leader_guess(place),
            &place.voters,
            &self.near(place.show_id),
        );
        let mut pause = limits::RETRY_BACKOFF_MIN;
        loop {
            let left = self.write_budget.saturating_sub(started.elapsed());
            if left < TRY_TIME_MIN {
                return Err(progress.end());
            }
            let free = !progress.begun || route.has_hint();
            if !free && !self.write_retries.take(clock::now()) {
                self.count("over_budget");
                tokio::time::sleep(jittered(limits::RETRY_BACKOFF_MAX).min(left)).await;
                continue;
            }
            match route.next() {
                Next::Pause => {
                    tokio::time::sleep(jittered(pause).min(left)).await;
                    pause = (pause * 2).min(limits::RETRY_BACKOFF_MAX);
                }
                Next::Ask(id) => {
                    let Some(peer) = self.peer(id) else { continue };
                    let timeout = left.min(progress.patience() + peer.rtt);
                    progress.tries += 1;
                    match self
                        .try_once(&peer, &request, timeout, &mut route, progress)
                        .await
                    {
                        Tried::Decided(reply) => return Ok(*reply),
                        Tried::Final(error) => return Err(error),
                        Tried::Again => {}
                    }
                }
            }
        }
    }

    async fn try_once(
        &self,
        peer: &Arc<Peer>,
        request: &SubmitRequest,
        timeout: Duration,
        route: &mut Route,
        progress: &mut Progress,
    ) -> Tried {
        let show_id = request.show_id;
        let request = SubmitRequest {
            through_log: progress.may_have_happened,
            ..request.clone()
        };
        match peer.client.pipe().submit(request, timeout).await {
            Ok(SubmitReply {
                result: Some(submit_reply::Result::Failure(failure)),
                ..
            }) => {
                peer.health.answered();
                let code = failure.code();
                self.count(codes::of_failure(code));
                self.learn(peer, show_id, code, &failure);
                if code == FailureCode::NotLeader {
                    if self.peer(failure.leader_node_id).is_some() {
                        route.admit(failure.leader_node_id);
                    }
                    route.hint(failure.leader_node_id);
                }
                progress.failed(code, failure).await
            }
            Ok(reply) if reply.result.is_some() => {
                peer.health.answered();
                self.count("decided");
                self.show_troubles.commits(show_id, peer.id);
                self.remember_leader(show_id, peer.id);
                self.remember_written(show_id, reply.index);
                footprint::served(peer, show_id, None);
                footprint::seen(show_id, reply.index);
                Tried::Decided(Box::new(reply))
            }
            Ok(_) => {
                self.count("empty");
                progress.may_have_happened = true;
                Tried::Again
            }
            Err(error) => {
                if error != SubmitError::Full {
                    peer.health.failed(clock::now());
                    self.forget_leader(show_id, peer.id);
                    route.silent(peer.id);
                }
                self.count(match error {
                    SubmitError::Full => "full",
                    SubmitError::Unreachable => "unreachable",
                    SubmitError::Deadline => "deadline",
                    SubmitError::Lost => "lost",
                });
                progress.may_have_happened |= error.maybe_happened();
                progress.last = match error {
                    SubmitError::Full => UpstreamError::new("overloaded", error.to_string()),
                    _ => UpstreamError::new("unavailable", "the show's leader cannot be reached"),
                };
                Tried::Again
            }
        }
    }

    /// What a failure says of `peer`, to those who come later.
    fn learn(&self, peer: &Peer, show_id: u64, code: FailureCode, failure: &Failure) {
        let now = clock::now();
        match code {
            FailureCode::Overloaded => self.router.saturated(&peer.region, now),
            FailureCode::NotLeader => self.forget_leader(show_id, peer.id),
            FailureCode::Unavailable => self.show_troubles.unable(show_id, peer.id, now),
            // It was written and nobody confirmed it. A queue that was too long says "deadline" too: and that nothing happened.
            FailureCode::Deadline if failure.maybe_happened => {
                self.show_troubles.unable(show_id, peer.id, now);
            }
            _ => {}
        }
    }

    fn count(&self, result: &str) {
        self.metrics.write_tries.with_label_values(&[result]).inc();
    }
}

impl Progress {
    /// How long the next node is waited for, beyond the round trip.
    fn patience(&mut self) -> Duration {
        if std::mem::replace(&mut self.begun, true) {
            limits::WRITE_NEXT_TRY_TIMEOUT
        } else {
            limits::WRITE_TRY_TIMEOUT
        }
    }

    async fn failed(&mut self, code: FailureCode, failure: Failure) -> Tried {
        self.may_have_happened |= failure.maybe_happened;
        let retry_after =
            (failure.retry_after_ms > 0).then(|| Duration::from_millis(failure.retry_after_ms));
        let error = UpstreamError {
            code: codes::of_failure(code),
            message: failure.message,
            retry_after,
            field: failure.field,
        };
        match code {
            // A node finds the same fault in the same request each time.
            FailureCode::Invalid if self.may_have_happened => return Tried::Final(self.end()),
            FailureCode::Invalid => return Tried::Final(error),
            FailureCode::Overloaded => {
                self.overloaded += 1;
                let pause = retry_after.unwrap_or(limits::RETRY_BACKOFF_MIN);
                self.last = error;
                if self.overloaded > OVERLOADED_TRIES_MAX {
                    return Tried::Final(self.end());
                }
                tokio::time::sleep(jittered(pause.min(limits::RETRY_BACKOFF_MAX))).await;
            }
            // To the caller it is all one: nobody leads just now.
            FailureCode::NotLeader | FailureCode::Stopped => {
                self.last = UpstreamError::new("unavailable", "the show has no leader now");
            }
            // Known to the catalogue, so a node that does not know it is behind.
            FailureCode::UnknownShow => {
                self.last = UpstreamError::new("not_ready", "the show is being set up");
            }
            FailureCode::Unspecified
            | FailureCode::Unavailable
            | FailureCode::Deadline
            | FailureCode::NotReady => self.last = error,
        }
        Tried::Again
    }

    fn end(&self) -> UpstreamError {
        if self.may_have_happened {
            return UpstreamError::new(
                "outcome_unknown",
                "no answer in time; repeat the request with the same Idempotency-Key to learn what happened",
            );
        }
        self.last.clone()
    }
}
