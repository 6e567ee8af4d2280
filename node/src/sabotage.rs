//! Bugs put in on purpose, to see that drills and the checker find them: `cargo xtask sabotage`, docs/drills.md.
//!
//! Behind the feature `sabotage`, which no ordinary build has; in a build that has it, `HOLDFAST_SABOTAGE` names the bug in force.
//! Owns: which one is. Must never: be reachable without the feature.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use holdfast_inventory::{
    apply,
    command::Entry,
    ids::RequestKey,
    outbox::{Job, OutboxRecord},
    outcome::Outcome,
};
use holdfast_raft::{AsOf, Committed, ShowGroup};
use tokio::time::Instant;

/// Environment variable that names the bug in force.
pub const VARIABLE: &str = "HOLDFAST_SABOTAGE";
/// How far the clock of a node jumps ahead when it comes to lead after another one, ms.
const JUMP_MS: u64 = 45_000;
/// One notice in this many orders is dropped.
const DROPPED_PART: u64 = 4;

/// One bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// The leader answers before its entry is on any other node.
    AcknowledgeBeforeCommit,
    /// A replica says that its map is as new as asked for, however old it is.
    StaleMapAsFresh,
    /// A notice is acknowledged and not delivered.
    DropOutboxRecord,
    /// A repeat is taken for a new request.
    IgnoreIdempotencyKey,
    /// A new leader's clock is ahead: holds lapse early.
    ExpireEarly,
    /// Counts of seats do not add up, from [`MISCOUNTS_AFTER`] on.
    Miscount,
}

static IN_FORCE: LazyLock<Option<Sabotage>> = LazyLock::new(|| {
    let named = std::env::var(VARIABLE).unwrap_or_default();
    let bug = match named.as_str() {
        "acknowledge-before-commit" => Sabotage::AcknowledgeBeforeCommit,
        "stale-map-as-fresh" => Sabotage::StaleMapAsFresh,
        "drop-outbox-record" => Sabotage::DropOutboxRecord,
        "ignore-idempotency-key" => Sabotage::IgnoreIdempotencyKey,
        "expire-early" => Sabotage::ExpireEarly,
        "miscount" => Sabotage::Miscount,
        _ => return None,
    };
    tracing::error!(?bug, "this node is broken on purpose");
    Some(bug)
});
/// Whoever watches first sees that all is well.
const MISCOUNTS_AFTER: Duration = Duration::from_secs(30);
static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
static AHEAD_MS: AtomicU64 = AtomicU64::new(0);
static RENAMED: AtomicU64 = AtomicU64::new(0);

/// Whether this bug is in force.
pub(crate) fn is(bug: Sabotage) -> bool {
    *IN_FORCE == Some(bug)
}

/// This node leads `term`. The first term of a show has no leader before it.
pub(crate) fn leads(term: u64) {
    if term > 1 && is(Sabotage::ExpireEarly) {
        AHEAD_MS.store(JUMP_MS, Ordering::Relaxed);
    }
}

/// What an entry becomes before it is proposed.
pub(crate) fn tampered(mut entry: Entry) -> Entry {
    if is(Sabotage::Miscount) && STARTED.elapsed() >= MISCOUNTS_AFTER {
        holdfast_inventory::sabotage::begin();
    }
    entry.now_ms += AHEAD_MS.load(Ordering::Relaxed);
    if is(Sabotage::IgnoreIdempotencyKey) {
        for envelope in &mut entry.commands {
            let number = RENAMED.fetch_add(1, Ordering::Relaxed);
            let own = u64::from(std::process::id()) << 32 | number;
            envelope.request.key = RequestKey::internal("sabotage", own);
        }
    }
    entry
}

/// The answer to an entry that nobody has yet; `None` where this replica does not lead.
pub(crate) fn acknowledged_at_once(group: &ShowGroup, entry: &Entry) -> Option<Committed<Outcome>> {
    if !is(Sabotage::AcknowledgeBeforeCommit) || !group.leadership().borrow().leads {
        return None;
    }
    let (mut state, as_of) = group.read(Clone::clone);
    let outcomes = apply(&mut state, entry);
    Some(Committed {
        index: as_of.index + 1,
        outcomes,
    })
}

/// A map's age as this node says it.
pub(crate) fn as_if_fresh(mut as_of: AsOf) -> AsOf {
    if is(Sabotage::StaleMapAsFresh) {
        as_of.age_ms = 0;
    }
    as_of
}

/// Whether this notice is dropped on the floor.
pub(crate) fn drops(record: &OutboxRecord) -> bool {
    let Job::Notify { order, .. } = &record.job else {
        return false;
    };
    is(Sabotage::DropOutboxRecord) && order.0 % DROPPED_PART == 0
}
