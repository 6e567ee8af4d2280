//! The open append pipelines of one connection.
//!
//! Owns: how many there are, and that ended ones go. Must never: look at all of them for each new one: with ten thousand groups that
//! keeps a connection from its pings.

use std::collections::BTreeMap;

use tokio::sync::mpsc;

use super::super::SESSIONS_MAX;
use super::Append;

/// Fewer than this are not worth a sweep.
const SWEEP_MIN: usize = 64;

/// Queues into the pipelines, by session.
#[derive(Default)]
pub(super) struct Sessions {
    queues: BTreeMap<u64, mpsc::Sender<Append>>,
    sweep_at: usize,
}

impl Sessions {
    pub(super) fn get(&self, session: u64) -> Option<&mpsc::Sender<Append>> {
        self.queues.get(&session)
    }

    /// Whether one more may be opened.
    pub(super) fn has_room(&mut self) -> bool {
        if self.queues.len() >= self.sweep_at.clamp(SWEEP_MIN, SESSIONS_MAX) {
            self.queues.retain(|_, queue| !queue.is_closed());
            // Twice what is open, so that a sweep is paid for by as many new ones.
            self.sweep_at = 2 * self.queues.len();
        }
        self.queues.len() < SESSIONS_MAX
    }

    pub(super) fn insert(&mut self, session: u64, queue: mpsc::Sender<Append>) {
        self.queues.insert(session, queue);
    }

    pub(super) fn remove(&mut self, session: u64) {
        self.queues.remove(&session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(sessions: &mut Sessions, numbers: std::ops::Range<u64>) -> Vec<mpsc::Receiver<Append>> {
        let open = |number| {
            let (queue, pipeline) = mpsc::channel(1);
            assert!(sessions.has_room());
            sessions.insert(number, queue);
            pipeline
        };
        numbers.map(open).collect()
    }

    #[test]
    fn pipelines_that_ended_are_forgotten_and_the_others_kept() {
        let mut sessions = Sessions::default();
        let kept = fill(&mut sessions, 0..10);
        for round in 1..100 {
            // These end at once.
            fill(&mut sessions, round * 100..round * 100 + 10);
        }
        assert!(
            sessions.queues.len() <= SWEEP_MIN,
            "{}",
            sessions.queues.len()
        );
        assert!((0..10).all(|number| sessions.get(number).is_some()));
        drop(kept);
    }

    #[test]
    fn there_is_no_room_beyond_the_most_and_again_when_some_have_ended() {
        let mut sessions = Sessions::default();
        let mut pipelines = fill(&mut sessions, 0..SESSIONS_MAX as u64);
        assert!(!sessions.has_room());
        pipelines.truncate(SESSIONS_MAX / 2);
        assert!(sessions.has_room());
    }
}
