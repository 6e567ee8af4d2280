//! How many entries of one show are worth having in flight.
//!
//! Every entry costs each voter a few wake-ups, a write and an fsync, however many commands it carries. Where a commit
//! takes half a millisecond, a second entry in flight gains next to nothing and halves the batch; where it takes ninety,
//! one at a time would make a command wait for a whole ocean crossing. So: as many as make one entry start each
//! [`SPACING`], and never less than one.
//!
//! The time counted is that of the *quickest* recent commit: what the way takes when nothing waits in it. Under
//! overload commits slow down because of the queue; an average would answer with more entries, and so with more queue.
//!
//! Owns: that number. Must never: wait.

use std::time::Duration;

use tokio::time::Instant;

/// Time between the starts of two entries under steady load: about what a write on a near quorum takes.
const SPACING: Duration = Duration::from_millis(1);
/// A quickest commit counts for this long, and up to twice as long: the way changes with the leader's neighbours only.
const REMEMBERED: Duration = Duration::from_secs(5);

/// See the module's head.
#[derive(Debug)]
pub(super) struct Depth {
    entries_max: usize,
    /// Quickest commit of this period and of the one before.
    quickest: [Option<Duration>; 2],
    period_ends: Instant,
}

impl Depth {
    /// At most `entries_max`, however long a commit takes.
    pub(super) fn new(entries_max: usize) -> Self {
        Self {
            entries_max,
            quickest: [None; 2],
            period_ends: Instant::now() + REMEMBERED,
        }
    }

    /// An entry was committed `took` after it was proposed.
    pub(super) fn committed(&mut self, took: Duration) {
        let now = Instant::now();
        if now >= self.period_ends {
            self.period_ends = now + REMEMBERED;
            self.quickest = [None, self.quickest[0]];
        }
        let quickest = self.quickest[0].map_or(took, |quickest| quickest.min(took));
        self.quickest[0] = Some(quickest);
    }

    /// Entries that may be in flight now. Before the first commit: all, for the way may be long.
    pub(super) fn entries(&self) -> usize {
        let quickest = self.quickest.iter().flatten().min();
        let wanted = quickest.map_or(usize::MAX, |took| {
            usize::try_from(took.as_micros().div_ceil(SPACING.as_micros())).unwrap_or(usize::MAX)
        });
        wanted.clamp(1, self.entries_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_near_quorum_gets_one_entry_at_a_time_and_a_far_one_many() {
        let mut depth = Depth::new(32);
        assert_eq!(depth.entries(), 32);
        depth.committed(Duration::from_millis(90));
        assert_eq!(depth.entries(), 32);
        depth.committed(Duration::from_micros(7_500));
        assert_eq!(depth.entries(), 8);
        depth.committed(Duration::from_micros(400));
        assert_eq!(depth.entries(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn commits_that_queue_do_not_add_entries_but_a_way_that_grew_does() {
        let mut depth = Depth::new(32);
        depth.committed(Duration::from_millis(1));
        depth.committed(Duration::from_millis(50));
        assert_eq!(depth.entries(), 1);
        for _ in 0..3 {
            tokio::time::advance(REMEMBERED).await;
            depth.committed(Duration::from_millis(20));
        }
        assert_eq!(depth.entries(), 20);
    }
}
