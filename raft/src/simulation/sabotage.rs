//! Bugs put in on purpose, to see that the simulation finds them.
//!
//! Owns: which one is in force. Must never: be reachable in a build without the feature `simulation`.

use std::sync::atomic::{AtomicU8, Ordering};

use holdfast_inventory::command::Entry;
use holdfast_inventory::ids::RequestKey;

use super::witness;
use crate::state_machine::Machine;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Sabotage {
    /// The log says "durable" without fsync.
    AckBeforeFsync = 1,
    /// A vote is acknowledged before it is on disk.
    VoteBeforeFsync,
    /// A restarted node does not know how it voted.
    ForgetVote,
    /// One machine applies an entry twice now and then.
    ApplyTwice,
    /// A repeated request is taken for a new one.
    SkipIdempotency,
    /// A membership that comes over the wire or from disk counts its learners as voters.
    LearnerVotes,
    /// A leader trusts its lease for ever.
    LeaseForEver,
    /// A snapshot counts as stored before it is on disk.
    SnapshotBeforeFsync,
    /// A learner is given a vote before it has caught up.
    PromoteEarly,
    /// A replica is deleted as soon as its node shall not be a member, before the group has settled without it.
    DeleteEarly,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::AckBeforeFsync,
        Self::VoteBeforeFsync,
        Self::ForgetVote,
        Self::ApplyTwice,
        Self::SkipIdempotency,
        Self::LearnerVotes,
        Self::LeaseForEver,
        Self::SnapshotBeforeFsync,
        Self::PromoteEarly,
        Self::DeleteEarly,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AckBeforeFsync => "ack-before-fsync",
            Self::VoteBeforeFsync => "vote-before-fsync",
            Self::ForgetVote => "forget-vote",
            Self::ApplyTwice => "apply-twice",
            Self::SkipIdempotency => "skip-idempotency",
            Self::LearnerVotes => "learner-votes",
            Self::LeaseForEver => "lease-for-ever",
            Self::SnapshotBeforeFsync => "snapshot-before-fsync",
            Self::PromoteEarly => "promote-early",
            Self::DeleteEarly => "delete-early",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// The bug in force; 0 = none.
static IN_FORCE: AtomicU8 = AtomicU8::new(0);

pub(super) fn put_in_force(sabotage: Option<Sabotage>) {
    IN_FORCE.store(sabotage.map_or(0, |one| one as u8), Ordering::Relaxed);
}

/// Whether this bug is in force.
pub(crate) fn is(sabotage: Sabotage) -> bool {
    IN_FORCE.load(Ordering::Relaxed) == sabotage as u8
}

/// [`Sabotage::SkipIdempotency`]: every request gets a name of its own, so that no repeat is known for one.
pub(crate) fn renamed(mut entry: Entry, applied: u64) -> Entry {
    if is(Sabotage::SkipIdempotency) {
        for (number, envelope) in (0_u64..).zip(&mut entry.commands) {
            envelope.request.key = RequestKey::internal("sabotage", applied << 16 | number);
        }
    }
    entry
}

/// [`Sabotage::ApplyTwice`]: now and then, on one machine.
pub(crate) fn applies_twice(machine: &Machine) -> bool {
    let due = match machine {
        Machine::Show(state) => state.entries_applied() % 50 == 49,
        Machine::Directory(_) | Machine::BuyerIndex(_) => false,
    };
    due && is(Sabotage::ApplyTwice) && witness::machine().get() == 2
}
