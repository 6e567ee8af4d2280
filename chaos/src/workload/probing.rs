//! A client that only wants to know whether a show takes a write.
//!
//! Owns: what it writes: a hold of a seat of its own, and its release. Must never: take a seat that buyers want.

use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::watch;

use super::client::Client;
use super::request::Request;
use super::scene::Scene;
use crate::history::Outcome;

/// Between two writes to a hot show through one gateway.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a probe insists: longer than any outage that a drill forgives.
const PATIENCE: Duration = Duration::from_secs(60);

impl Client {
    /// A prober at one gateway. It draws nothing by lot.
    pub(crate) fn prober(
        scene: Arc<Scene>,
        name: String,
        door: usize,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let mut client = Self::new(scene, name, door, StdRng::seed_from_u64(0), stop);
        client.patience = PATIENCE;
        client.counted = false;
        client
    }

    /// Writes to the show at this place until it is told to stop; `lane` chooses its seats.
    pub(crate) async fn probe_on(mut self, stall: usize, lane: usize) {
        let seats = self.scene.stalls[stall].probe_seats.clone();
        let lanes = self.scene.doors.len();
        let mine: Vec<String> = seats.into_iter().skip(lane).step_by(lanes).collect();
        if mine.is_empty() {
            return;
        }
        for round in 0_usize.. {
            if self.is_stopped() {
                return;
            }
            let seat = mine[round % mine.len()].clone();
            self.hold_and_release(stall, seat).await;
            self.think(PAUSE).await;
        }
    }

    /// Writes to the show once, however long it takes.
    pub(crate) async fn probe_once(mut self, stall: usize, seat: usize) {
        let seat = self.scene.stalls[stall].probe_seats[seat].clone();
        self.hold_and_release(stall, seat).await;
    }

    async fn hold_and_release(&mut self, stall: usize, seat: String) {
        let hold = Request::Hold {
            show: self.scene.stalls[stall].show.clone(),
            seats: vec![seat],
        };
        let Some(held) = self.write(hold).await else {
            return;
        };
        if held.outcome() == Outcome::Ok {
            self.write(Request::Release { hold: held.id() }).await;
        }
    }
}
