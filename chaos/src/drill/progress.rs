//! What is said in the terminal while a drill runs: a moving line on a terminal, plain lines elsewhere.
//!
//! Owns: the wording. Must never: write to standard output; results go there.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::result::LeaderSample;
use crate::demo::status::Status;
use crate::workload::scene::Counted;

/// Between two lines about how it goes, where there is no moving line.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Progress of one drill.
#[derive(Debug)]
pub(super) struct Progress {
    status: Status,
    began: Instant,
    /// When the last plain line was written, and the counts of it. Never held over an await.
    last: Mutex<(Instant, Counted)>,
}

impl Progress {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            status: Status::new(),
            began: now,
            last: Mutex::new((now, Counted::default())),
        }
    }

    /// Something is being done.
    pub(super) fn step(&self, what: &str) {
        self.status.begin(what);
    }

    /// Something happened and stays to be read.
    pub(super) fn happened(&self, what: &str) {
        let at_s = self.began.elapsed().as_secs_f64();
        self.status.line(&format!("{at_s:7.1} s  {what}"));
    }

    /// How it goes.
    pub(super) fn counts(&self, counted: Counted, leaders: Option<&LeaderSample>) {
        let mut last = self
            .last
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let (when, before) = *last;
        let since = when.elapsed();
        let every = if self.status.moves() {
            Duration::from_millis(900)
        } else {
            PLAIN_EVERY
        };
        if since < every {
            return;
        }
        *last = (Instant::now(), counted);
        let answered = counted.answered.saturating_sub(before.answered);
        let rate = super::measure::ratio(
            answered * 1_000,
            u64::try_from(since.as_millis()).unwrap_or(1),
        );
        let failed = counted.failed.saturating_sub(before.failed);
        let leaders = leaders.map_or_else(String::new, led);
        self.status.begin(&format!(
            "{rate:.0} answers/s, {failed} failed, {} sold; {leaders}",
            counted.sold
        ));
    }
}

fn led(sample: &LeaderSample) -> String {
    let regions = sample.by_region.iter();
    let mut parts: Vec<String> = regions
        .map(|(region, count)| format!("{region} {count}"))
        .collect();
    if sample.leaderless > 0 {
        parts.push(format!("nobody {}", sample.leaderless));
    }
    format!("leaders: {}", parts.join(", "))
}
