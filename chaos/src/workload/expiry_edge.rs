//! Buyers who pay at the last moment: a hold is ordered, and the payment arrives about when the order lapses.
//!
//! Owns: when they pay. Must never: look at a clock of its own for what is due; it waits as long as the answer said.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use rand::Rng;
use rand::seq::IndexedRandom;

use super::Workload;
use super::client::Client;
use super::request::Request;
use super::scene::Stall;
use crate::buyer::Answer;
use crate::history::Outcome;

/// They pay within this time before or after the end, ms.
const EDGE_MS: i64 = 400;
/// Nobody waits longer than this for an edge.
const WAIT_MS_MAX: u64 = 30_000;

#[derive(Debug)]
pub(super) struct ExpiryEdge {
    stalls: Vec<Stall>,
    /// Never held over an await.
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    in_time: u64,
    late: u64,
    problems: Vec<String>,
}

impl ExpiryEdge {
    pub(super) fn set_up(stalls: Vec<Stall>) -> Self {
        Self {
            stalls,
            seen: Mutex::default(),
        }
    }

    async fn one(&self, client: &mut Client) {
        client.go_home();
        let at = client.random.random_range(0..self.stalls.len());
        let stall = &self.stalls[at];
        let seat = stall.seats.choose(&mut client.random).cloned();
        let hold = Request::Hold {
            show: stall.show.clone(),
            seats: seat.into_iter().collect(),
        };
        let held = client.write(hold).await;
        let Some(held) = held.filter(|held| held.outcome() == Outcome::Ok) else {
            return;
        };
        let edge = client.random.random_range(-EDGE_MS..=EDGE_MS);
        client.think(until_edge(&held, edge)).await;
        let Some(order) = client.write(Request::Order { hold: held.id() }).await else {
            return;
        };
        if order.outcome() != Outcome::Ok {
            self.judge(&order, "order");
            return;
        }
        let pay = Request::Pay { order: order.id() };
        if let Some(paid) = client.write(pay).await {
            self.judge(&paid, "payment");
        }
    }

    /// Whoever is late is told that it was the time, or that somebody else has the seats; anything else is wrong.
    fn judge(&self, answer: &Answer, what: &str) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match answer.outcome() {
            Outcome::Ok => seen.in_time += 1,
            Outcome::Unknown => {}
            Outcome::Rejected => {
                seen.late += 1;
                let fair = [
                    "hold_expired",
                    "order_expired",
                    "seats_taken",
                    "payment_timeout",
                ];
                if !fair.contains(&answer.code()) {
                    let problem = format!("a late {what} was refused with {}", answer.code());
                    seen.problems.push(problem);
                }
            }
        }
    }
}

/// From now to `edge_ms` after the hold's end, by the shard's clock in the answer.
fn until_edge(held: &Answer, edge_ms: i64) -> Duration {
    let number = |key: &str| held.body[key].as_u64().unwrap_or(0);
    let left = number("expires_at_ms").saturating_sub(number("now_ms"));
    let wait = left.saturating_add_signed(edge_ms);
    Duration::from_millis(wait.min(WAIT_MS_MAX))
}

impl Workload for ExpiryEdge {
    fn turn<'a>(&'a self, client: &'a mut Client) -> BoxFuture<'a, ()> {
        Box::pin(self.one(client))
    }

    fn check(&self) -> (u64, Vec<String>) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.in_time + seen.late, seen.problems.clone())
    }
}
