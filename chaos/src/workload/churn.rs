//! Buyers who cannot decide: they hold, ask for more time, order, call off, give back. Nearly nothing is bought, so the
//! same seats change hands all the time.
//!
//! Owns: who changes their mind when. Must never: leave more behind than it says.

use std::sync::{Mutex, PoisonError};

use futures_util::future::BoxFuture;
use rand::Rng;

use super::Workload;
use super::client::Client;
use super::request::Request;
use super::scene::Stall;
use crate::history::Outcome;

/// So many seats are fought over: few, so that each changes hands often.
const SEATS: usize = 60;

#[derive(Debug)]
pub(super) struct Churn {
    stalls: Vec<Stall>,
    /// Never held over an await.
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    ended: u64,
    problems: Vec<String>,
}

impl Churn {
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
        let first = client.random.random_range(0..stall.seats.len().min(SEATS));
        let hold = Request::Hold {
            show: stall.show.clone(),
            seats: stall.seats[first..].iter().take(2).cloned().collect(),
        };
        let Some(hold) = client.done(hold).await else {
            return;
        };
        match client.random.random_range(0..3) {
            0 => self.end(client, Request::Release { hold }).await,
            1 => {
                client.write(Request::Extend { hold: hold.clone() }).await;
                self.end(client, Request::Release { hold }).await;
            }
            _ => {
                if let Some(order) = client.done(Request::Order { hold }).await {
                    self.end(client, Request::Cancel { order }).await;
                }
            }
        }
    }

    /// Ends what the client has; that is refused only when its time was up.
    async fn end(&self, client: &mut Client, request: Request) {
        let verb = request.verb();
        let Some(answer) = client.write(request).await else {
            return;
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.ended += 1;
        let fair = ["hold_expired", "order_expired"];
        if answer.outcome() == Outcome::Rejected && !fair.contains(&answer.code()) {
            let problem = format!("{verb} of one's own was refused with {}", answer.code());
            seen.problems.push(problem);
        }
    }
}

impl Workload for Churn {
    fn turn<'a>(&'a self, client: &'a mut Client) -> BoxFuture<'a, ()> {
        Box::pin(self.one(client))
    }

    fn check(&self) -> (u64, Vec<String>) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.ended, seen.problems.clone())
    }
}
