//! Watches which processes are ready, from outside: `/readyz` of each.
//!
//! Owns: when each came and went. Must never: wait for one that does not answer while others could.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::result::Moment;
use super::watch::seconds;
use crate::history::Recorder;
use crate::lab::Lab;

/// Between two looks at one process; nobody announces it.
const TICK: Duration = Duration::from_millis(200);
/// A process on this machine answers at once or not at all.
const ASK_MAX: Duration = Duration::from_millis(800);

/// Name → every change of its readiness.
type Changes = BTreeMap<String, Vec<(f64, bool)>>;

/// A running watch over all processes.
#[derive(Debug)]
pub(super) struct Readiness {
    stop: CancellationToken,
    tasks: JoinSet<()>,
    changes: Arc<Mutex<Changes>>,
}

impl Readiness {
    pub(super) fn start(lab: &Lab, recorder: &Recorder) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(ASK_MAX)
            .no_proxy()
            .build()?;
        let stop = CancellationToken::new();
        let changes = Arc::new(Mutex::new(Changes::new()));
        let mut tasks = JoinSet::new();
        for name in lab.cluster.names() {
            let url = format!("http://{}/readyz", lab.cluster.member(&name)?.http);
            let (http, stop) = (http.clone(), stop.clone());
            let (changes, recorder) = (Arc::clone(&changes), recorder.clone());
            tasks.spawn(async move {
                let mut ticks = interval(TICK);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    tokio::select! {
                        () = stop.cancelled() => return,
                        _ = ticks.tick() => {}
                    }
                    let answer = http.get(&url).send().await;
                    let ready = answer.is_ok_and(|answer| answer.status().is_success());
                    let at_s = seconds(recorder.now_ns());
                    let mut changes = changes.lock().unwrap_or_else(PoisonError::into_inner);
                    let mine = changes.entry(name.clone()).or_default();
                    if mine.last().is_none_or(|(_, before)| *before != ready) {
                        mine.push((at_s, ready));
                    }
                }
            });
        }
        Ok(Self {
            stop,
            tasks,
            changes,
        })
    }

    /// Whether every process is ready.
    pub(super) fn all(&self) -> bool {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes
            .values()
            .all(|mine| mine.last().is_some_and(|(_, ready)| *ready))
    }

    pub(super) async fn end(mut self) -> Came {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        Came(std::mem::take(&mut *changes))
    }
}

/// When each process came and went.
#[derive(Debug)]
pub(super) struct Came(Changes);

impl Came {
    /// Every change, for the timeline; that all were ready at first says nothing.
    pub(super) fn moments(&self) -> Vec<Moment> {
        let mut moments = Vec::new();
        for (name, changes) in &self.0 {
            for (at_s, ready) in changes.iter().skip(1) {
                let what = if *ready { "is ready" } else { "is not ready" };
                moments.push(Moment {
                    at_s: *at_s,
                    text: format!("{name} {what}"),
                });
            }
        }
        moments
    }

    /// From `healed_s` until all were ready again; `None` when one never was.
    pub(super) fn back_s(&self, healed_s: f64) -> Option<f64> {
        let mut last = healed_s;
        for changes in self.0.values() {
            let (at_s, ready) = changes.last()?;
            if !ready {
                return None;
            }
            last = last.max(*at_s);
        }
        Some(last - healed_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_to_come_back_counts_and_who_stays_away_is_never_back() {
        let ups = |changes: &[(f64, bool)]| changes.to_vec();
        let mut came = Came(BTreeMap::from([
            ("n1".to_owned(), ups(&[(0.0, true)])),
            (
                "n2".to_owned(),
                ups(&[(0.0, true), (5.0, false), (12.5, true)]),
            ),
        ]));
        assert_eq!(came.back_s(10.0), Some(2.5));
        assert_eq!(came.moments().len(), 2);
        came.0
            .insert("n3".to_owned(), ups(&[(0.0, true), (6.0, false)]));
        assert_eq!(came.back_s(10.0), None);
    }
}
