//! Requests that went to the shard from here and whose outcome nobody here knows.
//!
//! A repeat of such a request is never answered from a copy: what the first try did may not be in it yet.
//!
//! Owns: a bounded memory of their prints. Must never: forget a try that is still under way.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::bounds;

#[derive(Debug, Default)]
struct Memory {
    prints: HashSet<u32>,
    oldest_first: VecDeque<u32>,
}

/// See the module's head.
#[derive(Debug, Default)]
pub struct Unsure {
    /// Never held over an await.
    memory: Mutex<Memory>,
}

/// A try under way. Dropped without [`Try::answered`], its outcome is not known.
#[derive(Debug)]
pub struct Try<'a> {
    unsure: &'a Unsure,
    print: Option<u32>,
}

impl Unsure {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the outcome of an earlier try is not known.
    #[must_use]
    pub fn contains(&self, print: u32) -> bool {
        self.memory().prints.contains(&print)
    }

    /// A request with this print is about to leave for the shard.
    pub fn begin(&self, print: u32) -> Try<'_> {
        Try {
            unsure: self,
            print: Some(print),
        }
    }
}

impl Try<'_> {
    /// The shard answered: it happened (and is remembered there), or it did not.
    pub fn answered(mut self) {
        self.print = None;
    }
}

impl Drop for Try<'_> {
    fn drop(&mut self) {
        let Some(print) = self.print else { return };
        let mut memory = self.unsure.memory();
        if memory.prints.insert(print) {
            memory.oldest_first.push_back(print);
        }
        if memory.oldest_first.len() > bounds::UNSURE_MAX
            && let Some(oldest) = memory.oldest_first.pop_front()
        {
            memory.prints.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tries_without_an_answer_are_remembered() {
        let unsure = Unsure::default();
        unsure.begin(1).answered();
        drop(unsure.begin(2));
        assert!(!unsure.contains(1) && unsure.contains(2));
    }

    #[test]
    fn the_memory_is_bounded() {
        let unsure = Unsure::default();
        for print in 0..=u32::try_from(bounds::UNSURE_MAX).unwrap() {
            drop(unsure.begin(print));
        }
        assert_eq!(unsure.memory().prints.len(), bounds::UNSURE_MAX);
        assert!(!unsure.contains(0) && unsure.contains(1));
    }
}
