//! One read, from the nearest node that answers.
//!
//! Owns: the order of nodes for reads and the time each gets. Must never: hide how old an answer is.

use std::future::Future;
use std::time::Duration;

use holdfast_node_api::client::NodeClient;
use holdfast_node_api::codes;
use tonic::{Code, Response, Status};

use super::{ShowPlace, Upstream, UpstreamError};
use crate::{clock, limits};

/// From whom a read may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// The nearest replica, whatever its age.
    Near,
    /// The nearest replica once it has seen a log index. Being behind is no fault of the node's health.
    Seen,
    /// The leader, after asking its quorum.
    Linearizable,
}

impl Upstream {
    /// Asks nodes one after the other until one decides. A node that says "there is none" decides.
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
        F: Fn(NodeClient) -> Fut + Send,
        Fut: Future<Output = Result<Response<T>, Status>> + Send,
    {
        let started = clock::now();
        let mut order = self.near();
        let mut try_timeout = limits::READ_TRY_TIMEOUT;
        if freshness == Freshness::Linearizable {
            try_timeout = limits::LINEARIZABLE_TRY_TIMEOUT;
            if let Some(leader) = self.leader_guess(place) {
                order.retain(|id| *id != leader);
                order.insert(0, leader);
            }
        }
        let mut last = UpstreamError::new("unavailable", "no node can be reached");
        for peer in order.into_iter().filter_map(|id| self.peer(id)) {
            let left = self.read_budget.saturating_sub(started.elapsed());
            if left.is_zero() {
                break;
            }
            let timeout = left.min(try_timeout + peer.rtt);
            match tokio::time::timeout(timeout, call(peer.client.clone())).await {
                Ok(Ok(response)) => {
                    peer.health.answered();
                    self.count_read("answered");
                    return Ok(response.into_inner());
                }
                Ok(Err(status)) => match judge(&status) {
                    Verdict::Decided(error) => {
                        peer.health.answered();
                        self.count_read("refused");
                        return Err(error);
                    }
                    Verdict::Elsewhere(error) => {
                        self.count_read("elsewhere");
                        last = error;
                    }
                    Verdict::Unreachable => {
                        peer.health.failed(clock::now());
                        self.count_read("unreachable");
                    }
                },
                Err(_) => {
                    // Only a plain read says something about the node; the others may wait for a quorum.
                    if freshness == Freshness::Near {
                        peer.health.failed(clock::now());
                    }
                    self.count_read("deadline");
                    last = UpstreamError::new("unavailable", "no node answered in time");
                }
            }
        }
        Err(last)
    }

    fn count_read(&self, result: &str) {
        self.metrics.read_tries.with_label_values(&[result]).inc();
    }
}

enum Verdict {
    Decided(UpstreamError),
    /// This node cannot, another may.
    Elsewhere(UpstreamError),
    Unreachable,
}

fn judge(status: &Status) -> Verdict {
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
