//! What one group's log holds, as the owner of the group sees it: what was asked for, durable or not.
//!
//! Owns: the rules of append, truncate and purge, and what each becomes on disk. Must never: wait or do I/O; the disk
//! is passed in only to load.
//!
//! ```text
//!   purged │ on disk only      │ tail: in memory (and on disk once durable) │
//!          first ............ tail.first ............................... last
//! ```

use std::collections::VecDeque;

use super::disk::{Change, EncodedEntry, LogDisk, Mark};
use super::failure::LogError;
use super::ledger::Acknowledged;
use super::record;
use super::tail::Tail;
use crate::types::{Entry, LogId, Vote};

/// See the module's head.
#[derive(Default)]
pub(super) struct GroupState {
    pub(super) vote: Option<Vote>,
    pub(super) purged: Option<LogId>,
    pub(super) committed: Option<LogId>,
    /// A note of `committed` waits for the committer, which will take the newest value.
    pub(super) committed_queued: bool,
    /// Index of the first entry; one past `last` when there is none.
    first: u64,
    /// The last entry, or `purged` when there is none.
    last: Option<LogId>,
    /// Entries behind `last` may still be on disk; the mark that hides them is set.
    cut: bool,
    pub(super) tail: Tail,
    /// Number of the last write asked for.
    write_no: u64,
    /// Appends that are not durable yet: the number of the write and its last entry.
    in_flight: VecDeque<(u64, LogId)>,
    /// What was durable when the group was loaded or became so since, less what was removed.
    pub(super) acknowledged: Acknowledged,
    /// Raised by whatever removes entries; a read that spans such a change plans again.
    pub(super) removals: u64,
    /// Handles given out since the group is in use; the last one writes.
    pub(super) handles: u64,
}

/// Where a read finds its entries.
#[derive(Debug)]
pub(super) struct ReadPlan {
    /// Entries to fetch from disk, `[from, to)`.
    pub(super) disk: Option<(u64, u64)>,
    /// Entries that follow them, from memory.
    pub(super) memory: Vec<Entry>,
    /// [`GroupState::removals`] when planned.
    pub(super) removals: u64,
}

/// What purging up to an index comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PurgePlan {
    /// Nothing may or need be removed.
    Nothing,
    /// Remove up to this log id.
    To(LogId),
    /// Remove up to this index; its term has to be looked up.
    Look(u64),
}

impl GroupState {
    /// Reads the state of `group` from disk.
    pub(super) fn load(disk: &dyn LogDisk, group: u64) -> Result<Self, LogError> {
        let undecodable = |source| LogError::Undecodable { group, source };
        let log_id_mark = |mark: Mark| {
            disk.mark(group, mark).map_or(Ok(None), |bytes| {
                record::decode_log_id(&bytes).map_err(undecodable)
            })
        };
        let vote = disk
            .mark(group, Mark::Vote)
            .map(|bytes| record::decode_vote(&bytes).map_err(undecodable))
            .transpose()?;
        #[cfg(feature = "simulation")]
        let vote =
            vote.filter(|_| !crate::simulation::sabotaged(crate::simulation::Sabotage::ForgetVote));
        let purged = log_id_mark(Mark::Purged)?;
        let keep_to = disk
            .mark(group, Mark::KeepTo)
            .map_or(Ok(KeepTo::All), |bytes| {
                KeepTo::decode(&bytes).map_err(undecodable)
            })?;
        let (first, last) = Self::load_span(disk, group, purged, keep_to)?;
        // A note of `committed` can be newer than the last durable entry only if the log was damaged; believing it
        // would make the state machine ask for entries that are not there.
        let committed = log_id_mark(Mark::Committed)?.min(last);
        let cut = keep_to != KeepTo::All;
        Ok(Self {
            acknowledged: Acknowledged { vote, last },
            vote,
            purged,
            committed,
            first,
            last,
            cut,
            ..Self::default()
        })
    }

    fn load_span(
        disk: &dyn LogDisk,
        group: u64,
        purged: Option<LogId>,
        keep_to: KeepTo,
    ) -> Result<(u64, Option<LogId>), LogError> {
        let after_purged = purged.map_or(0, |id| id.index() + 1);
        let empty = Ok((after_purged, purged));
        let Some((disk_first, disk_last)) = disk.span(group) else {
            return empty;
        };
        let end = match keep_to {
            KeepTo::All => disk_last + 1,
            KeepTo::Index(index) => (index + 1).min(disk_last + 1),
            KeepTo::Nothing => 0,
        };
        // The engine may forget that it removed a prefix, never our mark of it.
        let first = disk_first.max(after_purged);
        if first >= end {
            return empty;
        }
        if purged.is_some() && first > after_purged {
            return Err(LogError::Missing {
                group,
                index: after_purged,
            });
        }
        let last = disk.read(group, end - 1, end, None)?;
        let last = last
            .first()
            .ok_or(LogError::Missing {
                group,
                index: end - 1,
            })?
            .log_id;
        Ok((first, Some(last)))
    }

    /// The last entry, or the last purged one.
    pub(super) fn last(&self) -> Option<LogId> {
        self.last
    }

    /// Takes the next `entries`; returns what to write and the number of that write.
    pub(super) fn append(
        &mut self,
        entries: Vec<Entry>,
        encoded: Vec<EncodedEntry>,
    ) -> Result<(Vec<Change>, u64), LogError> {
        let Some(first) = entries.first().map(|entry| entry.log_id.index()) else {
            return Ok((Vec::new(), self.write_no));
        };
        let due = self.last.map_or(first, |last| last.index() + 1);
        for (entry, expected) in entries.iter().zip(due..) {
            let found = entry.log_id.index();
            if found != expected {
                return Err(LogError::Hole { found, expected });
            }
        }
        if self.is_empty() {
            self.first = first;
        }
        self.write_no += 1;
        for entry in entries {
            self.last = Some(entry.log_id);
            self.tail.push(entry, self.write_no);
        }
        self.in_flight
            .extend(self.last.map(|last| (self.write_no, last)));
        let mut changes = vec![Change::Entries(encoded)];
        if std::mem::take(&mut self.cut) {
            changes.push(Change::Mark(Mark::KeepTo, KeepTo::All.encode()));
        }
        Ok((changes, self.write_no))
    }

    /// Writes up to `write_no` are durable.
    pub(super) fn durable_up_to(&mut self, write_no: u64) {
        while let Some((_, last)) = self.in_flight.pop_front_if(|(no, _)| *no <= write_no) {
            self.acknowledged.last = self.acknowledged.last.max(Some(last));
        }
    }

    /// Sets the vote; returns what to write.
    pub(super) fn set_vote(&mut self, vote: Vote) -> Vec<Change> {
        self.vote = Some(vote);
        vec![Change::Mark(Mark::Vote, record::encode_vote(&vote))]
    }

    /// Removes every entry behind `keep`; returns what to write.
    pub(super) fn truncate_after(&mut self, keep: Option<LogId>) -> Vec<Change> {
        let keep = keep.max(self.purged);
        if keep.map(|id| id.index()) >= self.last.map(|id| id.index()) {
            return Vec::new();
        }
        self.removals += 1;
        self.last = keep;
        self.cut = true;
        self.committed = self.committed.min(keep);
        self.acknowledged.last = self.acknowledged.last.min(keep);
        self.in_flight.retain(|(_, last)| Some(*last) <= keep);
        let next = keep.map_or(0, |id| id.index() + 1);
        self.tail.cut_from(next);
        self.first = self.first.min(next);
        let mark = keep.map_or(KeepTo::Nothing, |id| KeepTo::Index(id.index()));
        vec![Change::Mark(Mark::KeepTo, mark.encode())]
    }

    /// How far a purge up to `upto` may go when entries behind `floor` must stay (`None`: nothing may go).
    ///
    /// A purge past the end of the log means that a snapshot replaced it. There is then no chain of entries left that a
    /// floor could protect, so all of it goes.
    pub(super) fn plan_purge(&self, upto: LogId, floor: Option<u64>) -> PurgePlan {
        if Some(upto) <= self.purged {
            return PurgePlan::Nothing;
        }
        if self.last.is_none_or(|last| upto.index() > last.index()) {
            return PurgePlan::To(upto);
        }
        match floor {
            Some(floor) if floor >= upto.index() => PurgePlan::To(upto),
            Some(floor) if floor >= self.first => PurgePlan::Look(floor),
            Some(_) | None => PurgePlan::Nothing,
        }
    }

    /// Removes entries up to and including `upto`; returns what to write.
    pub(super) fn purge_to(&mut self, upto: LogId) -> Vec<Change> {
        if Some(upto) <= self.purged {
            return Vec::new();
        }
        self.removals += 1;
        self.purged = Some(upto);
        self.first = upto.index() + 1;
        self.tail.purge_to(upto.index());
        if self.last.is_none_or(|last| last.index() <= upto.index()) {
            self.last = Some(upto);
        }
        vec![
            Change::PurgeTo(upto.index()),
            Change::Mark(Mark::Purged, record::encode_log_id(Some(&upto))),
        ]
    }

    /// Empties the log and keeps the vote, not as a leader's; returns what to write.
    pub(super) fn clear_keeping_vote(&mut self) -> Vec<Change> {
        self.removals += 1;
        self.vote = self
            .vote
            .map(|vote| Vote::new(vote.leader_id.term, vote.leader_id.voted_for));
        (self.purged, self.committed, self.last, self.first) = (None, None, None, 0);
        self.tail.cut_from(0);
        self.in_flight.clear();
        self.acknowledged = Acknowledged {
            vote: self.vote,
            last: None,
        };
        self.cut = false;
        let mut changes = vec![Change::Forget];
        let vote = self.vote.as_ref().map(record::encode_vote);
        changes.extend(vote.map(|vote| Change::Mark(Mark::Vote, vote)));
        changes
    }

    /// Where to find entries `[from, to)` that the log has; fewer from memory when `bytes_max` says so.
    pub(super) fn plan_read(&self, from: u64, to: u64, bytes_max: Option<usize>) -> ReadPlan {
        let from = from.max(self.first);
        let to = if self.is_empty() {
            0
        } else {
            to.min(self.end())
        };
        let removals = self.removals;
        if from >= to {
            return ReadPlan {
                disk: None,
                memory: Vec::new(),
                removals,
            };
        }
        let tail_first = self.tail.first_index().unwrap_or_else(|| self.end());
        if from >= tail_first {
            return ReadPlan {
                disk: None,
                memory: self.tail.range(from, to, bytes_max),
                removals,
            };
        }
        let disk = Some((from, to.min(tail_first)));
        // A capped read is content with what the disk gives.
        let memory = if bytes_max.is_none() && to > tail_first {
            self.tail.range(tail_first, to, None)
        } else {
            Vec::new()
        };
        ReadPlan {
            disk,
            memory,
            removals,
        }
    }

    fn is_empty(&self) -> bool {
        self.last.is_none_or(|last| last.index() < self.first)
    }

    fn end(&self) -> u64 {
        self.last.map_or(0, |last| last.index() + 1)
    }
}

/// The mark of a truncation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeepTo {
    /// No truncation is pending.
    All,
    /// Entries behind this index are cut.
    Index(u64),
    /// Every entry is cut.
    Nothing,
}

impl KeepTo {
    fn encode(self) -> Vec<u8> {
        let mut out = vec![record::MARK_VERSION];
        match self {
            Self::All => out.push(0),
            Self::Index(index) => {
                out.push(1);
                super::bytes::put_uvarint(&mut out, index);
            }
            Self::Nothing => out.push(2),
        }
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, super::bytes::DecodeError> {
        let mut reader = super::bytes::ByteReader::new(bytes);
        record::check_version(
            "a truncation mark",
            reader.u8("mark version")?,
            record::MARK_VERSION,
        )?;
        let mark = match reader.u8("truncation kind")? {
            0 => Self::All,
            1 => Self::Index(reader.uvarint("truncation index")?),
            2 => Self::Nothing,
            found => {
                let field = "truncation kind";
                return Err(super::bytes::DecodeError::OutOfRange {
                    field,
                    found: u64::from(found),
                });
            }
        };
        reader.finish("a truncation mark")?;
        Ok(mark)
    }
}

#[cfg(test)]
mod tests;
