//! Who is inside a replica, and since when nobody was.
//!
//! Owns: that a replica is put away only when nobody uses it, and that nobody enters one that is being put away. Must never:
//! be held across a wait for another replica.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug, Default)]
struct Inside {
    users: usize,
    closed: bool,
}

/// The door of one replica.
#[derive(Debug)]
pub(crate) struct Gate {
    inside: Mutex<Inside>,
    opened: Instant,
    /// ms after `opened`.
    used_ms: AtomicU64,
    written_ms: AtomicU64,
    /// Counts writes, so that one between two looks is noticed whatever the clock says.
    writes: AtomicU64,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            inside: Mutex::default(),
            opened: Instant::now(),
            used_ms: AtomicU64::new(0),
            written_ms: AtomicU64::new(0),
            writes: AtomicU64::new(0),
        }
    }
}

impl Gate {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// ms since the replica was opened.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Enters; `None` = the replica is being put away, open it again.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Inhabitant> {
        let inhabitant = self.enter_quietly()?;
        self.touch();
        Some(inhabitant)
    }

    /// [`Gate::enter`] for the host's own work, which is no use of the replica.
    pub(crate) fn enter_quietly(self: &Arc<Self>) -> Option<Inhabitant> {
        let mut inside = self.inside();
        if inside.closed {
            return None;
        }
        inside.users += 1;
        Some(Inhabitant {
            gate: Arc::clone(self),
        })
    }

    /// Somebody looked at the state.
    pub(crate) fn touch(&self) {
        self.used_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// Something is being appended here.
    pub(crate) fn wrote(&self) {
        let now_ms = self.now_ms();
        self.used_ms.store(now_ms, Ordering::Relaxed);
        self.written_ms.store(now_ms, Ordering::Relaxed);
        self.writes.fetch_add(1, Ordering::SeqCst);
    }

    /// How many writes there were.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// Time since the last write, or since the replica was opened.
    pub(crate) fn unwritten_for(&self) -> Duration {
        let ms = self.written_ms.load(Ordering::Relaxed);
        Duration::from_millis(self.now_ms().saturating_sub(ms))
    }

    /// Time since the last use of any kind; zero while somebody is inside.
    pub(crate) fn unused_for(&self) -> Duration {
        if self.inside().users > 0 {
            return Duration::ZERO;
        }
        self.untouched_for()
    }

    fn untouched_for(&self) -> Duration {
        let ms = self.used_ms.load(Ordering::Relaxed);
        Duration::from_millis(self.now_ms().saturating_sub(ms))
    }

    /// Closes if nobody is inside and nobody has used the replica for `limit`; true when this call closed it. Who is told twice
    /// would put the replica away twice.
    pub(crate) fn close_if_unused(&self, limit: Duration) -> bool {
        let mut inside = self.inside();
        if inside.closed || inside.users > 0 || self.untouched_for() < limit {
            return false;
        }
        inside.closed = true;
        true
    }

    /// Closes whoever is inside.
    pub(crate) fn close(&self) {
        self.inside().closed = true;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inside().closed
    }
}

/// While it lives the replica stays in memory.
#[derive(Debug)]
pub struct Inhabitant {
    gate: Arc<Gate>,
}

impl Drop for Inhabitant {
    fn drop(&mut self) {
        self.gate.inside().users -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gate_closes_only_behind_the_last_one() {
        let gate = Arc::new(Gate::default());
        let first = gate.enter().expect("open");
        let second = gate.enter_quietly().expect("open");
        drop(first);
        assert!(!gate.close_if_unused(Duration::ZERO));
        assert_eq!(gate.unused_for(), Duration::ZERO, "somebody is inside");
        drop(second);
        assert!(gate.close_if_unused(Duration::ZERO));
        assert!(
            !gate.close_if_unused(Duration::ZERO),
            "it was closed before"
        );
        assert!(gate.enter().is_none() && gate.is_closed());
    }

    #[test]
    fn reading_is_not_writing() {
        let gate = Arc::new(Gate::default());
        drop(gate.enter());
        gate.touch();
        assert_eq!(gate.writes(), 0);
        gate.wrote();
        assert_eq!(gate.writes(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn gate_stays_open_behind_one_who_was_there_a_moment_ago() {
        let gate = Arc::new(Gate::default());
        let limit = Duration::from_secs(6);
        tokio::time::advance(limit).await;
        gate.touch();
        tokio::time::advance(limit / 2).await;
        assert!(!gate.close_if_unused(limit), "found due before it was used");
        tokio::time::advance(limit / 2).await;
        assert!(gate.close_if_unused(limit));
    }
}
