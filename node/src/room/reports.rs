//! What gateways last reported about the lines of the shows that this node leads.
//!
//! Owns: that table, bounded in shows, reporters and age. Must never: keep two reports of one gateway, or an older one over a
//! newer one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_inventory::ids::ShowId;
use holdfast_node_api::queue::{GRACE_MS, Line, Lines};
use tokio::time::Instant;

/// Shows with reports, at most; those beyond have rooms that let nobody in, and say so.
const SHOWS_MAX: usize = 4_096;
/// Gateways that report on one show, at most.
const REPORTERS_MAX: usize = 256;
/// A gateway that is silent for so long is gone or cut off, and nobody can claim through it: its tickets do not count until a gateway
/// hears of them again. Six times the longest pause between two reports. People who are reached there and cannot come would
/// otherwise fill the door, and the line would stand for everybody else.
pub const SILENCE_MAX: Duration = Duration::from_secs(30);

const _: () = assert!(
    SILENCE_MAX.as_millis() < GRACE_MS as u128,
    "a gateway is given up before the people who wait there are"
);

/// One gateway's report.
#[derive(Debug, Clone)]
pub struct Report {
    /// Grows with every report.
    pub seq: u64,
    /// Tickets whose keys are known and that are not inside.
    pub line: Line,
    /// Tickets that wait for the draw.
    pub undrawn: u64,
}

#[derive(Debug, Clone)]
struct Kept {
    report: Report,
    at: Instant,
}

/// All gateways' reports on one show.
#[derive(Debug, Clone, Default)]
pub struct Reported {
    /// Where people stand.
    pub lines: Lines,
    /// How many wait for the draw.
    pub undrawn: u64,
    /// Gateways that have been heard of.
    pub reporters: usize,
}

/// The table; a cheap handle.
#[derive(Debug, Clone, Default)]
pub struct Reports {
    /// Guards the table; never held over an await.
    table: Arc<Mutex<BTreeMap<ShowId, BTreeMap<u64, Kept>>>>,
}

impl Reports {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ShowId, BTreeMap<u64, Kept>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a report; an older one than is known is dropped. Says whether there was room for it.
    #[must_use]
    pub fn take(&self, show: ShowId, reporter: u64, report: Report) -> bool {
        let mut table = self.lock();
        if table.len() >= SHOWS_MAX && !table.contains_key(&show) {
            return false;
        }
        let of_show = table.entry(show).or_default();
        of_show.retain(|_, kept| kept.at.elapsed() < SILENCE_MAX);
        if of_show.len() >= REPORTERS_MAX && !of_show.contains_key(&reporter) {
            return false;
        }
        let newer = |kept: &Kept| kept.report.seq < report.seq;
        if of_show.get(&reporter).is_none_or(newer) {
            let at = Instant::now();
            of_show.insert(reporter, Kept { report, at });
        }
        true
    }

    /// What is known of a show.
    #[must_use]
    pub fn of(&self, show: ShowId) -> Reported {
        let mut table = self.lock();
        let Some(of_show) = table.get_mut(&show) else {
            return Reported::default();
        };
        of_show.retain(|_, kept| kept.at.elapsed() < SILENCE_MAX);
        let reports = of_show.values().map(|kept| &kept.report);
        Reported {
            lines: reports.clone().map(|report| report.line.clone()).collect(),
            undrawn: reports.map(|report| report.undrawn).sum(),
            reporters: of_show.len(),
        }
    }

    /// Forgets a show that this node leads no more.
    pub fn forget(&self, show: ShowId) {
        self.lock().remove(&show);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(seq: u64, people: u64) -> Report {
        let keys = (0..people).map(u128::from).collect();
        Report {
            seq,
            line: Line::of(keys, 8),
            undrawn: 1,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_newer_report_replaces_an_older_one_and_silence_ends_both() {
        let reports = Reports::default();
        let show = ShowId(7);
        assert!(reports.take(show, 1, report(2, 20)));
        assert!(reports.take(show, 1, report(1, 99)));
        assert!(reports.take(show, 2, report(1, 5)));
        let known = reports.of(show);
        assert_eq!(
            (known.lines.total(), known.undrawn, known.reporters),
            (25, 2, 2)
        );
        tokio::time::advance(SILENCE_MAX / 2).await;
        assert!(reports.take(show, 2, report(2, 6)));
        tokio::time::advance(SILENCE_MAX / 2).await;
        assert_eq!(reports.of(show).lines.total(), 6);
        reports.forget(show);
        assert_eq!(reports.of(show).reporters, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn shows_and_reporters_are_bounded() {
        let reports = Reports::default();
        for reporter in 0..REPORTERS_MAX as u64 {
            assert!(reports.take(ShowId(1), reporter, report(1, 1)));
        }
        assert!(!reports.take(ShowId(1), u64::MAX, report(1, 1)));
        for show in 2..=SHOWS_MAX as u64 {
            assert!(reports.take(ShowId(show), 1, report(1, 1)));
        }
        assert!(!reports.take(ShowId(u64::MAX), 1, report(1, 1)));
    }
}
