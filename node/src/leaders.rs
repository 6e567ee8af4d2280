//! Who leads what: every node looks at the groups that it leads, and moves those that should be led elsewhere.
//!
//! ```text
//!  directory · liveness · claims ─► look: conditions ─► wanted_leader per led group ─► moves, bounded ─► host
//!        ▲                                                                                │
//!        └────────────────────────────── something changed ◄──────────────────────────────┘
//! ```
//!
//! There is no coordinator: an operator's wish is a record of the directory, and each node acts on its own part of it. What a node
//! decides follows from what it sees alone, so a restart loses nothing. Owns: when to look, and the moves under way. Must never:
//! move a leader to a node that cannot take it at once; that would stop the show for an election.

pub mod conditions;
pub mod demand;
pub mod fleet;
pub mod look;
pub mod moves;
pub mod steady;
pub mod survey;
pub mod wanted;

use std::time::Duration;

use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use self::{
    fleet::Fleet,
    look::Lookout,
    moves::{Moves, Wish},
};
use crate::metrics::Metrics;

/// News that come together are looked at together: a look walks over every group, and a lost node is a thousand pieces of news.
const LOOK_PAUSE: Duration = Duration::from_millis(150);
/// Without any news, a look after this long: it costs a walk over what is led here, and forgives a lost wake-up.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// The duty as the rest of the node sees it.
#[derive(Debug, Clone)]
pub struct Leaders {
    leaving: watch::Sender<bool>,
    /// Moves that wait or are under way since the last look; `None` until one was made while leaving.
    left_to_move: watch::Sender<Option<usize>>,
}

impl Default for Leaders {
    fn default() -> Self {
        Self::new()
    }
}

impl Leaders {
    /// A handle; its loop is [`Leaders::run`].
    #[must_use]
    pub fn new() -> Self {
        Self {
            leaving: watch::Sender::new(false),
            left_to_move: watch::Sender::new(None),
        }
    }

    /// Gives every leadership away, for at most `limit`; true when none is left that another node could take.
    pub async fn leave(&self, limit: Duration) -> bool {
        self.leaving.send_replace(true);
        let mut left = self.left_to_move.subscribe();
        let gone = left.wait_for(|left| *left == Some(0));
        tokio::time::timeout(limit, gone).await.is_ok()
    }

    /// Looks and moves until `stop`.
    pub async fn run<F: Fleet>(self, fleet: F, metrics: Metrics, stop: CancellationToken) {
        let mut duty = Duty {
            lookout: Lookout::default(),
            moves: Moves::default(),
            under_way: JoinSet::new(),
            moved: 0,
            fleet,
            metrics,
        };
        let mut leaving = self.leaving.subscribe();
        loop {
            let left = *leaving.borrow_and_update();
            if left && self.left_to_move.borrow().is_none() {
                duty.fleet.announce_leaving();
            }
            let wishes = duty.lookout.look(Instant::now(), &duty.fleet, left);
            duty.moves.wish(wishes);
            let until = duty.next_look();
            let news = async {
                tokio::select! {
                    () = duty.fleet.changed() => tokio::time::sleep(LOOK_PAUSE).await,
                    () = tokio::time::sleep_until(until) => {}
                    // The sender lives as long as this loop.
                    _ = leaving.changed() => {}
                }
            };
            let mut news = std::pin::pin!(news);
            loop {
                start(&mut duty.moves, &mut duty.under_way, &duty.fleet);
                let waiting = duty.moves.len();
                duty.metrics.leaders_to_move.set(as_gauge(waiting));
                if left {
                    self.left_to_move.send_replace(Some(waiting));
                }
                tokio::select! {
                    () = stop.cancelled() => {
                        duty.under_way.shutdown().await;
                        return;
                    }
                    () = &mut news => break,
                    Some(ended) = duty.under_way.join_next() => {
                        note(&mut duty.moves, &duty.metrics, &mut duty.moved, ended);
                        start(&mut duty.moves, &mut duty.under_way, &duty.fleet);
                        // What is left waits after a failure: who should lead it may be another by now.
                        if duty.moves.is_idle() {
                            all_ended(&duty.moves, &mut duty.moved);
                            break;
                        }
                    }
                }
            }
        }
    }
}

/// What the loop works on.
struct Duty<F> {
    lookout: Lookout,
    moves: Moves,
    under_way: JoinSet<Ended>,
    /// Moves that went well since nothing was left to move.
    moved: u64,
    fleet: F,
    metrics: Metrics,
}

/// How a move ended.
struct Ended {
    wish: Wish,
    well: bool,
}

impl<F: Fleet> Duty<F> {
    fn next_look(&self) -> Instant {
        let now = Instant::now();
        let dues = [self.lookout.next_look(now), self.moves.next_try(now)];
        let soonest = dues.into_iter().flatten().min();
        let latest = now + LOOK_INTERVAL;
        soonest.map_or(latest, |at| at.min(latest))
    }
}

fn start<F: Fleet>(moves: &mut Moves, under_way: &mut JoinSet<Ended>, fleet: &F) {
    while let Some(wish) = moves.start(Instant::now()) {
        let fleet = fleet.clone();
        under_way.spawn(async move {
            let Wish { group, to, reason } = wish;
            let moved = fleet.move_leader(group, to).await;
            if let Err(error) = &moved {
                let reason = reason.as_str();
                tracing::debug!(%group, %to, reason, %error, "leadership stays for now");
            }
            Ended {
                wish,
                well: moved.is_ok(),
            }
        });
    }
}

fn note(moves: &mut Moves, metrics: &Metrics, moved: &mut u64, ended: Result<Ended, JoinError>) {
    let Ended { wish, well } = match ended {
        Ok(ended) => ended,
        Err(error) => {
            // A task that panicked took its group's name with it; the next look finds the group again.
            tracing::error!(%error, "a move of a leadership ended badly");
            moves.forget_under_way();
            return;
        }
    };
    let label = [wish.reason.as_str()];
    if well {
        *moved += 1;
        metrics.leader_moves.with_label_values(&label).inc();
    } else {
        metrics.leader_moves_failed.with_label_values(&label).inc();
    }
    moves.ended(Instant::now(), wish, well);
}

/// Nothing is under way: says what was moved since the last time.
fn all_ended(moves: &Moves, moved: &mut u64) {
    if *moved > 0 {
        let waiting = moves.len();
        tracing::info!(moved, waiting, "leaderships handed over");
    }
    *moved = 0;
}

fn as_gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
