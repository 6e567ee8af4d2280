//! The newest entries of one group, in memory.
//!
//! Owns: which entries are kept and for how long. Must never: give up an entry that is not durable yet, because until
//! then it can be read nowhere else; hold a gap.

use std::collections::VecDeque;

use openraft::EntryPayload;

use crate::types::Entry;

/// Memory of an entry apart from its payload, roughly.
const ENTRY_OVERHEAD_BYTES: usize = 96;

struct Kept {
    entry: Entry,
    /// The write that makes this entry durable.
    write_no: u64,
    bytes: usize,
}

/// A run of entries without gap that ends with the last entry of the log.
#[derive(Default)]
pub(super) struct Tail {
    kept: VecDeque<Kept>,
    bytes: usize,
}

impl Tail {
    /// Index of the oldest kept entry.
    pub(super) fn first_index(&self) -> Option<u64> {
        self.kept.front().map(|kept| kept.entry.log_id.index())
    }

    /// Bytes kept.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds the next entry; write `write_no` will make it durable.
    pub(super) fn push(&mut self, entry: Entry, write_no: u64) {
        debug_assert!(
            self.kept
                .back()
                .is_none_or(|last| last.entry.log_id.index() + 1 == entry.log_id.index()),
            "the tail has no gap"
        );
        let bytes = entry_bytes(&entry);
        self.bytes += bytes;
        self.kept.push_back(Kept {
            entry,
            write_no,
            bytes,
        });
    }

    /// The kept entries `[from, to)`, the first of them whatever its size, then as many as fit in `bytes_max`.
    /// `from` must not be before [`Tail::first_index`].
    pub(super) fn range(&self, from: u64, to: u64, bytes_max: Option<usize>) -> Vec<Entry> {
        let Some(first) = self.first_index() else {
            return Vec::new();
        };
        debug_assert!(from >= first, "entries before the tail are on disk");
        let skip = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        let mut room = bytes_max.unwrap_or(usize::MAX);
        let mut found = Vec::new();
        for kept in self.kept.iter().skip(skip) {
            if kept.entry.log_id.index() >= to || (kept.bytes > room && !found.is_empty()) {
                break;
            }
            room = room.saturating_sub(kept.bytes);
            found.push(kept.entry.clone());
        }
        found
    }

    /// Drops every entry from `index` on.
    pub(super) fn cut_from(&mut self, index: u64) {
        while self
            .kept
            .back()
            .is_some_and(|kept| kept.entry.log_id.index() >= index)
        {
            self.bytes -= self.kept.pop_back().map_or(0, |kept| kept.bytes);
        }
    }

    /// Drops every entry up to and including `index`.
    pub(super) fn purge_to(&mut self, index: u64) {
        while self
            .kept
            .front()
            .is_some_and(|kept| kept.entry.log_id.index() <= index)
        {
            self.pop_front();
        }
    }

    /// Drops the oldest entries that writes up to `durable_write_no` made durable, until at most `bytes_max` are kept.
    pub(super) fn shrink(&mut self, durable_write_no: u64, bytes_max: usize) {
        while self.bytes > bytes_max
            && self
                .kept
                .front()
                .is_some_and(|kept| kept.write_no <= durable_write_no)
        {
            self.pop_front();
        }
    }

    fn pop_front(&mut self) {
        self.bytes -= self.kept.pop_front().map_or(0, |kept| kept.bytes);
    }
}

/// Memory of an entry, roughly.
fn entry_bytes(entry: &Entry) -> usize {
    let payload = match &entry.payload {
        EntryPayload::Normal(data) => data.bytes.len(),
        EntryPayload::Blank | EntryPayload::Membership(_) => 0,
    };
    ENTRY_OVERHEAD_BYTES + payload
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::types::{AppData, log_id};

    fn entry(index: u64, payload_bytes: usize) -> Entry {
        let data = AppData {
            bytes: Bytes::from(vec![7; payload_bytes]),
        };
        Entry {
            log_id: log_id(1, index),
            payload: EntryPayload::Normal(data),
        }
    }

    fn indexes(entries: &[Entry]) -> Vec<u64> {
        entries.iter().map(|entry| entry.log_id.index()).collect()
    }

    fn tail(range: std::ops::Range<u64>) -> Tail {
        let mut tail = Tail::default();
        for index in range {
            tail.push(entry(index, 100), index);
        }
        tail
    }

    #[test]
    fn a_range_gives_at_least_one_entry_whatever_the_cap() {
        let tail = tail(5..10);
        assert_eq!(indexes(&tail.range(6, 9, None)), [6, 7, 8]);
        assert_eq!(indexes(&tail.range(6, 9, Some(1))), [6]);
        assert_eq!(indexes(&tail.range(6, 9, Some(400))), [6, 7]);
        assert!(tail.range(10, 12, None).is_empty());
    }

    #[test]
    fn entries_that_are_not_durable_stay_however_large() {
        let mut tail = tail(1..11);
        tail.shrink(4, 0);
        assert_eq!(tail.first_index(), Some(5));
        tail.shrink(10, 2 * (ENTRY_OVERHEAD_BYTES + 100));
        assert_eq!(indexes(&tail.range(9, 20, None)), [9, 10]);
    }

    #[test]
    fn bytes_follow_every_removal() {
        let mut tail = tail(1..11);
        tail.purge_to(3);
        tail.cut_from(9);
        assert_eq!(tail.bytes(), 5 * (ENTRY_OVERHEAD_BYTES + 100));
        assert_eq!(indexes(&tail.range(4, 100, None)), [4, 5, 6, 7, 8]);
        tail.cut_from(0);
        assert_eq!((tail.bytes(), tail.first_index()), (0, None));
    }
}
