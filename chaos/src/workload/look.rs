//! Onlookers: they look at events and maps as fast as they are answered, and never buy.
//!
//! Half of what they ask is what a gateway knows by itself (`browse` in `docs/limits.md`), half a map that the leader is to confirm
//! (`map`): such a question keeps its place at the gateway for a round trip, so that many of them fill the house.
//!
//! Owns: what they were answered. Must never: count as a buyer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use rand::Rng;
use tokio::time::{Instant, timeout};

use super::Workload;
use super::client::Client;
use super::scene::Stall;
use crate::history::Reading;

/// Looks kept; further ones are not.
const LOOKS_MAX: usize = 500_000;
/// An onlooker who is turned away waits at most so long, whatever it was told: a spike is impatient.
const PATIENCE_S_MAX: u64 = 1;

/// One question and its answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Looked {
    /// When it was sent, ns on the history's clock.
    pub(crate) sent_ns: u64,
    /// 0 = no answer.
    pub(crate) status: u16,
    /// Whether it was told when to come back.
    pub(crate) told_when: bool,
    /// Until the answer was there.
    pub(crate) took: Duration,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Looks(Mutex<Vec<Looked>>);

impl Looks {
    fn add(&self, looked: Looked) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < LOOKS_MAX {
            all.push(looked);
        }
    }

    /// Takes them out.
    pub(crate) fn take(&self) -> Vec<Looked> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[cfg(test)]
    fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[derive(Debug)]
pub(super) struct Look {
    stalls: Vec<Stall>,
    looked: AtomicU64,
}

impl Look {
    pub(super) fn set_up(stalls: Vec<Stall>) -> Self {
        Self {
            stalls,
            looked: AtomicU64::new(0),
        }
    }

    async fn one(&self, client: &mut Client) {
        client.go_home();
        let Some(buyer) = client.guest().await else {
            return;
        };
        let at = client.random.random_range(0..self.stalls.len());
        let stall = &self.stalls[at];
        let began = Instant::now();
        let sent_ns = client.scene.recorder.now_ns();
        let answer = if client.random.random_bool(0.5) {
            timeout(client.try_max, buyer.get("/v1/events")).await
        } else {
            let path = format!("/v1/shows/{}/seats?fields=state", stall.show);
            timeout(client.try_max, buyer.get_as(&path, Reading::Linearizable)).await
        };
        let answer = answer.ok();
        let status = answer.as_ref().map_or(0, |answer| answer.status);
        let retry_after_s = answer.and_then(|answer| answer.retry_after_s);
        client.scene.looks.add(Looked {
            sent_ns,
            status,
            told_when: retry_after_s.is_some(),
            took: began.elapsed(),
        });
        self.looked.fetch_add(1, Ordering::Relaxed);
        if let Some(wait_s) = retry_after_s {
            let wait_s = wait_s.min(PATIENCE_S_MAX);
            client.think(Duration::from_secs(wait_s)).await;
        }
    }
}

impl Workload for Look {
    fn turn<'a>(&'a self, client: &'a mut Client) -> BoxFuture<'a, ()> {
        Box::pin(self.one(client))
    }

    /// Nothing of its own: what became of their questions is measured.
    fn check(&self) -> (u64, Vec<String>) {
        (self.looked.load(Ordering::Relaxed), Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_taken_out_once() {
        let looks = Looks::default();
        let looked = Looked {
            sent_ns: 1,
            status: 503,
            told_when: true,
            took: Duration::ZERO,
        };
        looks.add(looked);
        assert_eq!(looks.count(), 1);
        assert_eq!(looks.take(), [looked]);
        assert_eq!(looks.count(), 0);
    }
}
