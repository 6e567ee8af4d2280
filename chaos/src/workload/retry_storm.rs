//! Clients that give up early and ask again with the same key, over and over: a slow answer makes more load.
//!
//! Owns: its own record of what each key was answered. Must never: use another key for the same wish.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use rand::Rng;
use rand::seq::IndexedRandom;

use super::Workload;
use super::client::Client;
use super::request::Request;
use super::scene::Stall;
use crate::history::Outcome;

/// Shorter than many commits over an ocean: most first tries are abandoned while they are being done.
const TRY_MAX: Duration = Duration::from_millis(250);
/// After a definite answer so many more tries come late, as from a queue that was held up.
const LATE_TRIES: usize = 2;

#[derive(Debug)]
pub(super) struct RetryStorm {
    stalls: Vec<Stall>,
    /// Never held over an await.
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    wishes: u64,
    problems: Vec<String>,
}

impl RetryStorm {
    pub(super) fn set_up(stalls: Vec<Stall>) -> Self {
        Self {
            stalls,
            seen: Mutex::default(),
        }
    }

    async fn one(&self, client: &mut Client) {
        client.go_home();
        client.try_max = TRY_MAX;
        let at = client.random.random_range(0..self.stalls.len());
        let stall = &self.stalls[at];
        let seat = stall.seats.choose(&mut client.random).cloned();
        let request = Request::Hold {
            show: stall.show.clone(),
            seats: seat.into_iter().collect(),
        };
        let Some(first) = client.write(request.clone()).await else {
            return;
        };
        if first.outcome() != Outcome::Ok {
            return;
        }
        for _ in 0..LATE_TRIES {
            let Some(again) = client.repeat(&request).await else {
                continue;
            };
            if again.outcome() == Outcome::Ok && again.id() != first.id() {
                self.found(format!(
                    "one key made {} and then {}",
                    first.id(),
                    again.id()
                ));
            }
        }
        self.count();
        client.buy(first.id()).await;
    }

    fn found(&self, problem: String) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.problems.push(problem);
    }

    fn count(&self) {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .wishes += 1;
    }
}

impl Workload for RetryStorm {
    fn turn<'a>(&'a self, client: &'a mut Client) -> BoxFuture<'a, ()> {
        Box::pin(self.one(client))
    }

    fn check(&self) -> (u64, Vec<String>) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.wishes, seen.problems.clone())
    }
}
