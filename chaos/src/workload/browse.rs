//! Steady browsing and buying: looks at the map, takes something that is shown as free, buys it.
//!
//! Owns: what a calm buyer does. Must never: treat a stale map as wrong; a seat shown as free may be gone, and then
//! the buyer is told so.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use rand::Rng;
use rand::seq::IndexedRandom;

use super::Workload;
use super::client::Client;
use super::request::Request;
use super::scene::Stall;
use crate::history::Reading;

#[derive(Debug)]
pub(super) struct Browse {
    stalls: Vec<Stall>,
    looks: AtomicU64,
}

impl Browse {
    pub(super) fn set_up(stalls: Vec<Stall>) -> Self {
        Self {
            stalls,
            looks: AtomicU64::new(0),
        }
    }

    async fn one(&self, client: &mut Client) {
        client.go_home();
        let at = client.random.random_range(0..self.stalls.len());
        let stall = &self.stalls[at];
        // Some look at the page's own map, some at the document that other programs read, and some at that document as of no earlier
        // than what they bought and saw before: the nearest replica may be behind it.
        let how = client.random.random_range(0..3_u8);
        let free = match how {
            0 => client.free_seats_live(stall).await,
            1 => client.free_seats(stall, Reading::Near).await,
            _ => client.free_seats(stall, Reading::Session).await,
        };
        let Some(free) = free else {
            return;
        };
        self.looks.fetch_add(1, Ordering::Relaxed);
        let Some(seat) = free.choose(&mut client.random).cloned() else {
            return;
        };
        let hold = Request::Hold {
            show: stall.show.clone(),
            seats: vec![seat],
        };
        if let Some(hold) = client.done(hold).await {
            client.buy(hold).await;
        }
    }
}

impl Workload for Browse {
    fn turn<'a>(&'a self, client: &'a mut Client) -> BoxFuture<'a, ()> {
        Box::pin(self.one(client))
    }

    /// Nothing of its own: what a map may show is the checker's to judge.
    fn check(&self) -> (u64, Vec<String>) {
        (self.looks.load(Ordering::Relaxed), Vec::new())
    }
}
