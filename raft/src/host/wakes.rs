//! Counts why groups that slept are in use again.
//!
//! Owns: the causes and the counts. Must never: count a follower that hears its leader: whatever woke the leader is the cause,
//! and it is counted there.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a sleeping group was wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WakeCause {
    /// A caller: a read, or a write.
    Request,
    /// A frame of a peer that has the group open.
    Peer,
    /// Its leader was lost.
    Takeover,
    /// A node that was away while the group fell asleep is heard again and has to catch up.
    Returned,
    /// Its leadership is handed over on purpose.
    Move,
    /// Its members change.
    Membership,
    /// Its log is long and has to be cut.
    Compaction,
}

impl WakeCause {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Request,
        Self::Peer,
        Self::Takeover,
        Self::Returned,
        Self::Move,
        Self::Membership,
        Self::Compaction,
    ];

    /// Name for labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Peer => "peer",
            Self::Takeover => "takeover",
            Self::Returned => "returned",
            Self::Move => "move",
            Self::Membership => "membership",
            Self::Compaction => "compaction",
        }
    }
}

/// Totals since the process started, in the order of [`WakeCause::ALL`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WakeTotals {
    /// Leaders in memory that hibernated.
    pub hibernating: [u64; WakeCause::ALL.len()],
    /// Replicas that were read from disk.
    pub unloaded: [u64; WakeCause::ALL.len()],
}

/// The counts.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    hibernating: [AtomicU64; WakeCause::ALL.len()],
    unloaded: [AtomicU64; WakeCause::ALL.len()],
}

impl Wakes {
    /// A leader in memory stops hibernating.
    pub(crate) fn woken(&self, cause: WakeCause) {
        self.hibernating[cause as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A replica was read from disk.
    pub(crate) fn opened(&self, cause: WakeCause) {
        self.unloaded[cause as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn totals(&self) -> WakeTotals {
        let read = |counts: &[AtomicU64; WakeCause::ALL.len()]| {
            std::array::from_fn(|at| counts[at].load(Ordering::Relaxed))
        };
        WakeTotals {
            hibernating: read(&self.hibernating),
            unloaded: read(&self.unloaded),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_place_of_its_own() {
        let wakes = Wakes::default();
        for (at, cause) in WakeCause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, at);
            wakes.woken(cause);
            for _ in 0..=at {
                wakes.opened(cause);
            }
        }
        assert_eq!(wakes.totals().hibernating, [1; 7]);
        assert_eq!(wakes.totals().unloaded, [1, 2, 3, 4, 5, 6, 7]);
    }
}
