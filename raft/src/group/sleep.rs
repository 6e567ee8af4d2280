//! How one replica falls asleep and wakes.
//!
//! Owns: openraft's ticker of this replica. Must never: let a follower's timer run before it has heard its leader: after a long
//! sleep its lease has run out and it would stand at once.
//!
//! ```text
//!                 Park{term, index} accepted by every live replica
//!   awake leader ─────────────────────────────────────────────────► parked leader
//!        ▲                                                              │ a write
//!        └──── quorum answers the heartbeat ◄── heartbeat, ticker on ◄──┘
//!
//!   follower: parked when opened or asked to; any append of its leader starts its ticker again
//! ```

use std::sync::atomic::Ordering;
use std::time::Duration;

use openraft::ServerState;
use openraft::async_runtime::{Instant as _, WatchReceiver as _};
use tokio::time::Instant;

use super::GroupCore;
use crate::error::ProposeError;
use crate::host::wakes::WakeCause;

impl GroupCore {
    pub(crate) fn is_parked(&self) -> bool {
        self.parked.load(Ordering::SeqCst)
    }

    /// A leader has appended here, were it only a heartbeat.
    pub(crate) fn appended(&self) {
        self.appended_ms
            .store(self.gate.now_ms().max(1), Ordering::Relaxed);
        self.unpark();
    }

    /// Time since a leader last appended here; `None` = not since this replica was opened.
    pub(crate) fn since_append(&self) -> Option<Duration> {
        let at_ms = self.appended_ms.load(Ordering::Relaxed);
        (at_ms > 0).then(|| Duration::from_millis(self.gate.now_ms().saturating_sub(at_ms)))
    }

    /// Stops the ticker.
    pub(crate) fn park(&self) {
        self.parked.store(true, Ordering::SeqCst);
        self.raft.runtime_config().tick(false);
        self.parking.notify_waiters();
    }

    /// Until the ticker stands.
    pub(crate) async fn until_parked(&self) {
        loop {
            // From here on no parking is missed.
            let parking = self.parking.notified();
            if self.is_parked() {
                return;
            }
            parking.await;
        }
    }

    /// Starts the ticker; a leader must have renewed its claim before.
    pub(crate) fn unpark(&self) {
        if self.parked.swap(false, Ordering::SeqCst) {
            self.raft.runtime_config().tick(true);
        }
    }

    /// The leader asks this replica to sleep; it does when it has exactly the leader's log and has applied all of it.
    pub(crate) fn park_as_follower(&self, term: u64, index: u64) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let same = metrics.state != ServerState::Leader
            && metrics.current_term == term
            && metrics.last_log_index.unwrap_or_default() == index
            && metrics.last_applied.map_or(0, |id| id.index()) == index;
        if same {
            self.park();
        }
        same
    }

    /// Wakes a sleeping leader: a round of heartbeats renews its lease, without which openraft refuses writes. Without a
    /// `cause` it had not slept yet, and is not counted.
    pub(crate) async fn wake(&self, cause: Option<WakeCause>) -> Result<(), ProposeError> {
        if !self.is_parked() {
            return Ok(());
        }
        let group = self.group;
        let _one_at_a_time = self.waking.lock().await;
        let leadership = *self.leadership.borrow();
        if !leadership.leads {
            return Err(self.not_led_here(None));
        }
        if !self.is_parked() {
            return Ok(());
        }
        // The others hear of it before they can hear anything else: a map read elsewhere is not called current any more.
        self.fabric.claim_awake(group, leadership.term);
        let since = Instant::now();
        self.unpark();
        if let Some(cause) = cause {
            self.wakes.woken(cause);
        }
        if self.voters() == [self.node] {
            // Its word alone is a quorum, and openraft takes its writes as it is. A heartbeat has nobody to answer it.
            return Ok(());
        }
        let stopped = ProposeError::Stopped { group };
        let limit = Duration::from_millis(self.timing.election_timeout_max_ms * 2);
        let acknowledged = async {
            self.raft.trigger().heartbeat().await.map_err(|_| stopped)?;
            let mut metrics = self.raft.metrics();
            loop {
                let acked = {
                    let metrics = metrics.borrow_watched();
                    metrics
                        .last_quorum_acked
                        .is_some_and(|at| at.elapsed() <= since.elapsed())
                };
                if acked {
                    return Ok(());
                }
                let gone = metrics.changed().await.is_err();
                if gone {
                    return Err(ProposeError::Stopped { group });
                }
            }
        };
        match tokio::time::timeout(limit, acknowledged).await {
            Ok(woken) => woken,
            Err(_) => {
                if self.handing_over.load(Ordering::SeqCst) == leadership.term {
                    // It was to be handed over and nobody took it. The others sleep and will not stand: only a new term of its
                    // own lets this leader speak again. A group that has stopped is found by the tending loop.
                    let _ = self.raft.trigger().elect(false).await;
                }
                Err(ProposeError::NoQuorum { group })
            }
        }
    }
}
