//! The handles that the node works with: a show's group, a buyer index, the directory.
//!
//! Owns: typed entries in, typed outcomes out. Must never: batch, retry or forward; that is the proposer's.

use std::sync::Arc;
use std::time::Duration;

use holdfast_inventory::command::Entry;
use holdfast_inventory::ids::ShowId;
use holdfast_inventory::outcome::Outcome;
use holdfast_inventory::state::InventoryState;
use holdfast_region_config::{GroupId, NodeId};
use tokio::sync::watch;

use crate::applied::Applied;
use crate::buyer_index::{self, BuyerIndexState, IndexEntry, Recorded};
use crate::directory::{self, DirectoryCommand, DirectoryOutcome, DirectoryState};
use crate::error::{ProposeError, ReadError, TransferError};
use crate::group::gate::Inhabitant;
use crate::group::{AsOf, Committed, GroupCore, GroupStatus, Leadership};
use crate::host::directory_slot::DirectorySlot;
use crate::state_machine::Machine;

macro_rules! common {
    ($handle:ident) => {
        impl $handle {
            /// The group.
            #[must_use]
            pub fn group_id(&self) -> GroupId {
                self.core().group
            }

            /// Confirms with a quorum that this replica leads and is current; read afterwards.
            ///
            /// # Errors
            /// [`ReadError`]; all of them are worth another try elsewhere or later.
            pub async fn read_linearizable(&self) -> Result<(), ReadError> {
                self.core().confirm().await
            }

            /// Waits until log index `wanted` is applied here, for at most `limit`.
            ///
            /// # Errors
            /// [`ReadError::Behind`] when the time is up.
            pub async fn wait_applied(
                &self,
                wanted: u64,
                limit: Duration,
            ) -> Result<(), ReadError> {
                self.core().wait_applied(wanted, limit).await
            }

            /// What this replica is doing.
            #[must_use]
            pub fn status(&self) -> GroupStatus {
                self.core().status()
            }

            /// Whether this replica leads and a quorum has confirmed it within the lease: no other can lead now.
            #[must_use]
            pub fn has_lease(&self) -> bool {
                self.core().has_lease()
            }

            /// Keeps the replica in memory while the answer lives; `None` = it is being put away, open it again.
            #[must_use]
            pub fn pin(&self) -> Option<Inhabitant> {
                self.core().gate.enter()
            }

            /// Ends when the replica is put away or has stopped: let go of every handle then.
            pub async fn closed(&self) {
                self.core().closed.cancelled().await;
            }

            /// Hands leadership to `target` if it is live and caught up.
            ///
            /// # Errors
            /// [`TransferError`]; nothing has changed then.
            pub async fn transfer_leader(&self, target: NodeId) -> Result<(), TransferError> {
                self.core().transfer_leader(target).await
            }

            /// Whether [`Self::transfer_leader`] would be tried now.
            #[must_use]
            pub fn caught_up(&self, target: NodeId) -> bool {
                self.core().ready_to_lead(target).is_ok()
            }
        }
    };
}

/// This node's replica of one show's inventory.
#[derive(Clone)]
pub struct ShowGroup {
    pub(crate) core: Arc<GroupCore>,
}

common!(ShowGroup);

impl ShowGroup {
    pub(crate) fn core(&self) -> &Arc<GroupCore> {
        &self.core
    }

    /// Follows leadership. Workers exist exactly while it says `leads`.
    #[must_use]
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.core.leadership.clone()
    }

    /// Follows the number of applied entries (last applied index plus one).
    #[must_use]
    pub fn applied(&self) -> watch::Receiver<u64> {
        self.core.shared.watch_applied()
    }

    /// The show; its number is its group's.
    #[must_use]
    pub fn show_id(&self) -> ShowId {
        ShowId(self.core.group.get())
    }

    /// Commits one batch and applies it. The first poll submits; dropping the future afterwards does not take it back.
    ///
    /// # Errors
    /// [`ProposeError`], which says whether the batch may have happened all the same.
    pub async fn propose(&self, entry: &Entry) -> Result<Committed<Outcome>, ProposeError> {
        let too_large = |bytes| ProposeError::TooLarge {
            group: self.core.group,
            bytes,
            bytes_max: crate::group::ENTRY_BYTES_MAX,
        };
        let bytes =
            holdfast_inventory::codec::encode_entry(entry).map_err(|_| too_large(usize::MAX))?;
        let (index, applied) = self.core.propose(bytes.into()).await?;
        let Applied::Show(outcomes) = applied else {
            return Err(ProposeError::Stopped {
                group: self.core.group,
            });
        };
        Ok(Committed { index, outcomes })
    }

    /// Reads the state as applied here. `f` runs under the lock that apply needs: keep it short.
    pub fn read<R>(&self, f: impl FnOnce(&InventoryState) -> R) -> (R, AsOf) {
        self.core.read(|position| match &position.machine {
            Machine::Show(state) => f(state),
            Machine::Directory(_) | Machine::BuyerIndex(_) => f(&InventoryState::default()),
        })
    }

    /// [`Self::read`] for whoever only watches: a replica that nobody else uses still leaves memory.
    pub fn peek<R>(&self, f: impl FnOnce(&InventoryState) -> R) -> R {
        match &self.core.shared.read().machine {
            Machine::Show(state) => f(state),
            Machine::Directory(_) | Machine::BuyerIndex(_) => f(&InventoryState::default()),
        }
    }
}

/// This node's replica of one buyer index.
#[derive(Clone)]
pub struct BuyerIndexGroup {
    pub(crate) core: Arc<GroupCore>,
}

common!(BuyerIndexGroup);

impl BuyerIndexGroup {
    pub(crate) fn core(&self) -> &Arc<GroupCore> {
        &self.core
    }

    /// Commits one entry and applies it; its log index and what it came to. The first poll submits; dropping the future
    /// afterwards does not take it back.
    ///
    /// # Errors
    /// [`ProposeError`], which says whether it may have happened all the same; every entry can be repeated.
    pub async fn propose(&self, entry: &IndexEntry) -> Result<(u64, Recorded), ProposeError> {
        let group = self.core.group;
        let too_large = |_| ProposeError::TooLarge {
            group,
            bytes: usize::MAX,
            bytes_max: crate::group::ENTRY_BYTES_MAX,
        };
        let bytes = buyer_index::encode_entry(entry).map_err(too_large)?;
        let (index, applied) = self.core.propose(bytes).await?;
        let Applied::BuyerIndex(recorded) = applied else {
            return Err(ProposeError::Stopped { group });
        };
        Ok((index, recorded))
    }

    /// Reads the index as applied here. `f` runs under the lock that apply needs: keep it short.
    pub fn read<R>(&self, f: impl FnOnce(&BuyerIndexState) -> R) -> (R, AsOf) {
        self.core.read(|position| match &position.machine {
            Machine::BuyerIndex(state) => f(state),
            Machine::Show(_) | Machine::Directory(_) => f(&BuyerIndexState::default()),
        })
    }
}

/// This node's replica of the directory.
#[derive(Clone)]
pub struct DirectoryGroup {
    pub(crate) slot: Arc<DirectorySlot>,
}

common!(DirectoryGroup);

impl DirectoryGroup {
    pub(crate) fn core(&self) -> Arc<GroupCore> {
        self.slot.core()
    }

    /// Follows leadership. Workers exist exactly while it says `leads`.
    #[must_use]
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.slot.leadership()
    }

    /// Follows the number of applied entries (last applied index plus one).
    #[must_use]
    pub fn applied(&self) -> watch::Receiver<u64> {
        self.slot.applied()
    }

    /// Commits one command and applies it.
    ///
    /// # Errors
    /// [`ProposeError`], which says whether it may have happened all the same; every command can be repeated.
    pub async fn propose(
        &self,
        command: DirectoryCommand,
    ) -> Result<(u64, DirectoryOutcome), ProposeError> {
        let (index, outcomes) = self.propose_all(&[command]).await?;
        let outcome = outcomes.into_iter().next();
        outcome
            .map(|outcome| (index, outcome))
            .ok_or(ProposeError::Stopped {
                group: self.core().group,
            })
    }

    /// Commits several commands as one entry and applies them in order; one outcome each.
    ///
    /// # Errors
    /// [`ProposeError`], which says whether it may have happened all the same; every command can be repeated.
    pub async fn propose_all(
        &self,
        commands: &[DirectoryCommand],
    ) -> Result<(u64, Vec<DirectoryOutcome>), ProposeError> {
        let too_large = |_| ProposeError::TooLarge {
            group: self.core().group,
            bytes: usize::MAX,
            bytes_max: crate::group::ENTRY_BYTES_MAX,
        };
        let bytes = directory::encode_commands(commands).map_err(too_large)?;
        let (index, applied) = self.core().propose(bytes).await?;
        let Applied::Directory(outcomes) = applied else {
            return Err(ProposeError::Stopped {
                group: self.core().group,
            });
        };
        Ok((index, outcomes))
    }

    /// Reads the directory as applied here.
    pub fn read<R>(&self, f: impl FnOnce(&DirectoryState) -> R) -> (R, AsOf) {
        self.core().read(|position| match &position.machine {
            Machine::Directory(state) => f(state),
            Machine::Show(_) | Machine::BuyerIndex(_) => f(&DirectoryState::default()),
        })
    }
}
