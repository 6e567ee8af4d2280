//! Many idle shows, and now and then somebody touches one: it must wake and take the write.
//!
//! Owns: which show is woken. Must never: come back to the same one while others were not touched for longer.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use rand::Rng;

use super::Workload;
use super::client::Client;
use super::request::Request;
use super::scene::Stall;

#[derive(Debug)]
pub(super) struct WakeUps {
    stalls: Vec<Stall>,
    next: AtomicUsize,
    woken: AtomicU64,
}

impl WakeUps {
    pub(super) fn set_up(stalls: Vec<Stall>) -> Self {
        Self {
            stalls,
            next: AtomicUsize::new(0),
            woken: AtomicU64::new(0),
        }
    }

    async fn one(&self, client: &mut Client) {
        client.go_home();
        let at = self.next.fetch_add(1, Ordering::Relaxed) % self.stalls.len();
        let stall = &self.stalls[at];
        let seat = client.random.random_range(0..stall.seats.len());
        let hold = Request::Hold {
            show: stall.show.clone(),
            seats: vec![stall.seats[seat].clone()],
        };
        if let Some(hold) = client.done(hold).await {
            self.woken.fetch_add(1, Ordering::Relaxed);
            client.write(Request::Release { hold }).await;
        }
    }
}

impl Workload for WakeUps {
    fn turn<'a>(&'a self, client: &'a mut Client) -> BoxFuture<'a, ()> {
        Box::pin(self.one(client))
    }

    /// A show that does not wake leaves its request open, and that is resolved or counted in the end.
    fn check(&self) -> (u64, Vec<String>) {
        (self.woken.load(Ordering::Relaxed), Vec::new())
    }
}
