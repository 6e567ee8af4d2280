//! The highest log index that had been shown to somebody by any time.
//!
//! Owns: that lookup. Must never: count an answer before it came.

use std::collections::HashMap;
use std::hash::Hash;

use super::dossier::Dossier;
use crate::history::Call;

/// By whatever the answers are told apart by: the show, or the process and the show.
#[derive(Debug)]
pub(super) struct Seen<K> {
    /// When, the highest index until then, the call that showed it.
    answers: HashMap<K, Vec<(u64, u64, usize)>>,
}

impl<K: Eq + Hash> Seen<K> {
    /// Every acknowledged answer with an index, under its key.
    pub(super) fn of(dossier: &Dossier<'_>, key: impl Fn(&Call) -> K) -> Self {
        let mut answers: HashMap<K, Vec<(u64, u64, usize)>> = HashMap::new();
        for (at, call) in dossier.history.calls.iter().enumerate() {
            if call.is_ok() && call.end.index != 0 {
                let shown = (call.end.at_ns, call.end.index, at);
                answers.entry(key(call)).or_default().push(shown);
            }
        }
        for answers in answers.values_mut() {
            answers.sort_unstable();
            let mut highest = (0, 0);
            for (_, index, at) in answers {
                highest = highest.max((*index, *at));
                (*index, *at) = highest;
            }
        }
        Self { answers }
    }

    /// The highest index of the answers that came before a time, and the call that showed it.
    pub(super) fn before(&self, key: &K, t_ns: u64) -> Option<(u64, usize)> {
        let answers = self.answers.get(key)?;
        let earlier = answers.partition_point(|(ended_ns, _, _)| *ended_ns < t_ns);
        let (_, index, by) = answers[earlier.checked_sub(1)?];
        Some((index, by))
    }
}
