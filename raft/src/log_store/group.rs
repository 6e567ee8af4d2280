//! One group's view of the node's log, as the consensus library wants it.
//!
//! Owns: the translation between openraft's log traits and the state, queue and disk behind them. Must never: say that
//! something is durable itself; only the committer does.
//!
//! The state's lock guards [`GroupState`] only, is held for microseconds and never over an await. Room in the queue is
//! reserved first, then state and queue change under that lock, so writes reach the committer in the order in which
//! the state took them, also when a caller is cancelled half-way.
//!
//! Only the newest handle to a group writes. Two cores of one replica that both went on would each vote once in a term, and so
//! twice together; whoever opens replicas sees to it that there is one, and here the older one ends should that ever fail.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_region_config::GroupId;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::{OptionalSend, RaftTypeConfig};
use tokio::sync::oneshot;

use super::PurgeFloor;
use super::committer::LogParts;
use super::disk::{Change, EncodedEntry};
use super::failure::{HealthFlag, LogError};
use super::group_state::{GroupState, PurgePlan};
use super::ledger::Ledger;
use super::limits::{
    LIMITED_READ_BYTES_MAX, READ_ATTEMPTS_MAX, TAIL_BYTES_MAX, TAIL_BYTES_TOTAL_MAX,
};
use super::record;
use super::request::{Done, Submitter, Work};
use super::stats::{Counters, add};
use crate::types::{Entry, LogId, TypeConfig, Vote};

/// The state of one group, shared by its handles and by its requests on the way.
pub(super) struct GroupCell {
    group: GroupId,
    /// Guards the state; see the module's head.
    state: Mutex<GroupState>,
    counters: Arc<Counters>,
    health: Arc<HealthFlag>,
    ledger: Arc<Ledger>,
}

impl GroupCell {
    pub(super) fn new(group: GroupId, state: GroupState, parts: &LogParts) -> Self {
        Self {
            group,
            state: Mutex::new(state),
            counters: Arc::clone(&parts.counters),
            health: Arc::clone(&parts.health),
            ledger: Arc::clone(&parts.ledger),
        }
    }

    fn lock(&self) -> MutexGuard<'_, GroupState> {
        // Every change of the state is complete before anything in it can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `change` on the state and keeps the node-wide count of kept bytes in step.
    fn change<T>(&self, change: impl FnOnce(&mut GroupState) -> T) -> T {
        let mut state = self.lock();
        let before = state.tail.bytes() as u64;
        let result = change(&mut state);
        let after = state.tail.bytes() as u64;
        let total = &self.counters.tail_bytes;
        if after >= before {
            total.fetch_add(after - before, Ordering::Relaxed);
        } else {
            total.fetch_sub(before - after, Ordering::Relaxed);
        }
        result
    }

    /// Writes up to `write_no` are on disk and readable there, so memory need not keep them all.
    pub(super) fn durable_up_to(&self, write_no: u64) {
        let crowded =
            self.counters.tail_bytes.load(Ordering::Relaxed) > TAIL_BYTES_TOTAL_MAX as u64;
        let bytes_max = if crowded { 0 } else { TAIL_BYTES_MAX };
        self.change(|state| {
            state.durable_up_to(write_no);
            state.tail.shrink(write_no, bytes_max);
        });
    }

    /// The newest committed log id, encoded; the next note may be queued from now on.
    pub(super) fn take_committed_note(&self) -> Vec<u8> {
        let mut state = self.lock();
        state.committed_queued = false;
        record::encode_log_id(state.committed.as_ref())
    }
}

impl Drop for GroupCell {
    fn drop(&mut self) {
        let acknowledged = self.change(|state| {
            state.tail.cut_from(0);
            state.acknowledged
        });
        // A log that failed is compared with this when it is opened again.
        if self.health.check().is_err() {
            self.ledger.note(self.group, acknowledged);
        }
    }
}

/// A handle to one group's log; clones share it. It stays usable, for reading, after the log was closed, and after a newer one
/// was taken.
#[derive(Clone)]
pub(crate) struct GroupLog {
    group: GroupId,
    /// Which handle of the group this is: 1 for the first since it is in use.
    handle: u64,
    cell: Arc<GroupCell>,
    submitter: Submitter,
    parts: LogParts,
    floor: Option<Arc<dyn PurgeFloor>>,
}

impl Debug for GroupLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupLog")
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

impl GroupLog {
    pub(super) fn new(
        group: GroupId,
        cell: Arc<GroupCell>,
        submitter: Submitter,
        parts: LogParts,
        floor: Option<Arc<dyn PurgeFloor>>,
    ) -> Self {
        let handle = cell.change(|state| {
            state.handles += 1;
            state.handles
        });
        Self {
            group,
            handle,
            cell,
            submitter,
            parts,
            floor,
        }
    }

    /// Whether this handle may still change `state`.
    fn check_newest(&self, state: &GroupState) -> Result<(), LogError> {
        if state.handles == self.handle {
            return Ok(());
        }
        let group = self.group.get();
        Err(LogError::Superseded { group })
    }

    /// Waits until all that was asked for through earlier handles is durable; an error when it never will be. Entries on their way
    /// to the disk are in the group's state already, and a core that begins takes what it finds there for durable: it would answer
    /// for entries that a crash may still take.
    pub(crate) async fn settled(&self) -> Result<(), LogError> {
        if self.handle == 1 {
            return Ok(());
        }
        self.parts.health.check()?;
        let slot = self.submitter.slot(0).await?;
        let (tell, told) = oneshot::channel();
        let nothing = Work::Durably(Vec::new());
        slot.send(self.group.get(), nothing, 0, Done::Waiter(tell));
        told.await.unwrap_or(Err(LogError::Closed))
    }

    /// Writes what `change` asks for and waits until it is durable.
    async fn durably(
        &self,
        change: impl FnOnce(&mut GroupState) -> Vec<Change> + Send,
    ) -> Result<(), LogError> {
        self.parts.health.check()?;
        let slot = self.submitter.slot(0).await?;
        let (tell, told) = oneshot::channel();
        let sent = self.cell.change(|state| {
            self.check_newest(state)?;
            let changes = change(state);
            if changes.is_empty() {
                return Ok(false);
            }
            slot.send(
                self.group.get(),
                Work::Durably(changes),
                0,
                Done::Waiter(tell),
            );
            Ok(true)
        });
        if !sent? {
            return Ok(());
        }
        told.await.unwrap_or(Err(LogError::Closed))
    }

    async fn append_entries(
        &self,
        entries: Vec<Entry>,
        callback: IOFlushed<TypeConfig>,
    ) -> Result<(), LogError> {
        self.parts.health.check()?;
        let encoded: Vec<EncodedEntry> = entries.iter().map(EncodedEntry::new).collect();
        let bytes = encoded.iter().map(EncodedEntry::len).sum();
        let slot = self.submitter.slot(bytes).await?;
        self.cell.change(|state| {
            self.check_newest(state)?;
            let count = entries.len();
            let (changes, write_no) = state.append(entries, encoded)?;
            let cell = Arc::clone(&self.cell);
            let done = Done::Appended {
                cell,
                write_no,
                entries: count,
                callback,
            };
            slot.send(self.group.get(), Work::Durably(changes), bytes, done);
            Ok(())
        })
    }

    /// Entries `[from, to)` that the log has, all of them or as many as fit in `bytes_max` but at least one.
    async fn read(
        &self,
        from: u64,
        to: u64,
        bytes_max: Option<usize>,
    ) -> Result<Vec<Entry>, LogError> {
        let mut last_error = LogError::Missing {
            group: self.group.get(),
            index: from,
        };
        for _ in 0..READ_ATTEMPTS_MAX {
            let plan = self.cell.lock().plan_read(from, to, bytes_max);
            let Some((disk_from, disk_to)) = plan.disk else {
                return Ok(plan.memory);
            };
            let read = self.read_disk(disk_from, disk_to, bytes_max).await;
            if self.cell.lock().removals != plan.removals {
                // Entries went away while they were read: what came back may be of two logs.
                continue;
            }
            let mut entries = match read {
                Ok(entries) => entries,
                // The entries may just have been moved out of a file that was freed; then the next attempt finds them.
                Err(error) => {
                    last_error = error;
                    continue;
                }
            };
            let whole = disk_to - disk_from;
            let count = bytes_max.map_or(whole, |_| (entries.len() as u64).max(1));
            check_run(self.group, disk_from, count, &entries)?;
            entries.extend(plan.memory);
            return Ok(entries);
        }
        Err(last_error)
    }

    /// Reads from disk off the async workers, for the disk may be slow.
    async fn read_disk(
        &self,
        from: u64,
        to: u64,
        bytes_max: Option<usize>,
    ) -> Result<Vec<Entry>, LogError> {
        let disk = Arc::clone(&self.parts.disk);
        let group = self.group.get();
        let read = move || disk.read(group, from, to, bytes_max);
        let lost = |_| LogError::Unreadable {
            group,
            reason: "the reading task ended".into(),
        };
        crate::blocking::run(read).await.map_err(lost)?
    }

    /// The last purged entry: where the log begins.
    pub(crate) fn purged(&self) -> Option<LogId> {
        self.cell.lock().purged
    }

    /// Cuts the log off when its entry at the index of `committed` is another: what a snapshot covers is committed, so this
    /// entry and all behind it never were. A snapshot from the leader, and a crash before the log followed, leave that.
    pub(crate) async fn cut_conflict_with(&self, committed: LogId) -> Result<(), LogError> {
        let index = committed.index();
        let found = self.read(index, index.saturating_add(1), None).await?;
        if found.first().is_none_or(|entry| entry.log_id == committed) {
            return Ok(());
        }
        tracing::warn!(group = %self.group, %committed, "log contradicts the snapshot and is cut off");
        self.durably(|state| state.truncate_after(state.purged))
            .await
    }

    /// Empties the log and keeps the vote, not as a leader's. For a replica that was removed from its group and is to be
    /// added again: it may forget what it held, since nobody counts on it any more, never whom it voted for.
    pub(crate) async fn clear_keeping_vote(&self) -> Result<(), LogError> {
        self.durably(GroupState::clear_keeping_vote).await
    }

    /// Decides how far a purge up to `upto` may go, or that it may not.
    async fn allowed_purge(&self, upto: LogId) -> Result<Option<LogId>, LogError> {
        let floor = match &self.floor {
            Some(floors) => floors.floor(self.group),
            None => Some(u64::MAX),
        };
        let plan = self.cell.lock().plan_purge(upto, floor);
        let allowed = match plan {
            PurgePlan::Nothing => None,
            PurgePlan::To(id) => Some(id),
            PurgePlan::Look(index) => {
                let entries = self.read(index, index + 1, None).await?;
                entries.first().map(|entry| entry.log_id)
            }
        };
        if allowed != Some(upto) {
            add(&self.parts.counters.clamped_purges, 1);
        }
        Ok(allowed)
    }
}

/// Checks that `entries` are `count` entries from index `from` on.
fn check_run(group: GroupId, from: u64, count: u64, entries: &[Entry]) -> Result<(), LogError> {
    let group = group.get();
    for (index, at) in (from..from + count).zip(0_usize..) {
        if entries
            .get(at)
            .is_none_or(|entry| entry.log_id.index() != index)
        {
            return Err(LogError::Missing { group, index });
        }
    }
    Ok(())
}

fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let from = match range.start_bound() {
        Bound::Included(index) => *index,
        Bound::Excluded(index) => index.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(index) => index.saturating_add(1),
        Bound::Excluded(index) => *index,
        Bound::Unbounded => u64::MAX,
    };
    (from, to)
}

impl RaftLogReader<TypeConfig> for GroupLog {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        let (from, to) = bounds(&range);
        Ok(self.read(from, to, None).await?)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.cell.lock().vote)
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry>, io::Error> {
        Ok(self.read(start, end, Some(LIMITED_READ_BYTES_MAX)).await?)
    }
}

impl RaftLogStorage<TypeConfig> for GroupLog {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let state = self.cell.lock();
        Ok(LogState {
            last_purged_log_id: state.purged,
            last_log_id: state.last(),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let vote = *vote;
        #[cfg(feature = "simulation")]
        if crate::simulation::sabotaged(crate::simulation::Sabotage::VoteBeforeFsync) {
            let this = self.clone();
            tokio::spawn(async move { this.durably(move |state| state.set_vote(vote)).await });
            return Ok(());
        }
        self.durably(move |state| state.set_vote(vote)).await?;
        self.cell
            .change(|state| state.acknowledged.vote = Some(vote));
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        let mut state = self.cell.lock();
        self.check_newest(&state)?;
        state.committed = committed;
        // A note that finds no room is not worth waiting for: the next one carries the newer value.
        if !state.committed_queued
            && let Some(slot) = self.submitter.slot_now()
        {
            state.committed_queued = true;
            let work = Work::NoteCommitted(Arc::clone(&self.cell));
            slot.send(self.group.get(), work, 0, Done::Nobody);
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.cell.lock().committed)
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: IOFlushed<TypeConfig>,
    ) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = <TypeConfig as RaftTypeConfig>::Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        Ok(self.append_entries(entries, callback).await?)
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        Ok(self
            .durably(move |state| state.truncate_after(last_log_id))
            .await?)
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        let Some(allowed) = self.allowed_purge(log_id).await? else {
            return Ok(());
        };
        Ok(self.durably(move |state| state.purge_to(allowed)).await?)
    }
}
