//! What is always true, by number. Each has its words in `docs/INVARIANTS.md`.
//!
//! Owns: the checks. Must never: mend what is broken, or be part of the replicated state.
//!
//! Debug builds check after every entry and panic; release builds check what is cheap and count, see
//! [`violations_total`].

mod check_money;
mod check_places;
mod check_room;
mod check_tables;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::state::InventoryState;

macro_rules! invariants {
    ($($variant:ident = $id:literal : $words:literal,)*) => {
        /// A numbered invariant.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum InvariantId {
            $(#[doc = $words] $variant,)*
        }

        impl InvariantId {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The number, as in `docs/INVARIANTS.md`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $id,)* }
            }

            /// The statement in one sentence.
            #[must_use]
            pub const fn statement(self) -> &'static str {
                match self { $(Self::$variant => $words,)* }
            }
        }
    };
}

invariants! {
    Clock1 = "INV-CLOCK-1": "The shard's clock never goes back.",
    Seat1 = "INV-SEAT-1": "A seat has at most one owner, and seat and owner name each other.",
    Seat2 = "INV-SEAT-2": "Available, held, sold and blocked seats add up to the layout's seats.",
    Area1 = "INV-AREA-1": "Held and sold places of an area are those of its owners and fit its capacity.",
    Hold1 = "INV-HOLD-1": "An active hold lapses at a known time, not after its cap.",
    Order1 = "INV-ORDER-1": "An order and the hold that it was opened from name each other and the same places.",
    Order2 = "INV-ORDER-2": "An unpaid order lapses at a known time; a paid one never does.",
    Buyer1 = "INV-BUYER-1": "A buyer's counted places are those of their holds and orders, within the limit.",
    Idem1 = "INV-IDEM-1": "A request acts once: remembered requests are distinct, in order of time, bounded.",
    Money1 = "INV-MONEY-1": "The ledger of every order balances.",
    Money2 = "INV-MONEY-2": "The ledger's balances say what the order's state says.",
    Outbox1 = "INV-OUTBOX-1": "A payment attempt that is not settled has exactly one outbox record moving it on.",
    Ticket1 = "INV-TICKET-1": "Confirmed orders, and only they, have tickets: one a place, none twice.",
    Room1 = "INV-ROOM-1": "No more people are inside a waiting room than its capacity allows.",
    Room2 = "INV-ROOM-2": "A buyer has at most one living pass, and a spent pass names a living hold of its buyer.",
    Room3 = "INV-ROOM-3": "A waiting room's threshold only grows, and its record ends with it.",
    Index1 = "INV-INDEX-1": "Every derived index is what a rebuild would give.",
}

impl fmt::Display for InvariantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A broken invariant and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant.
    pub invariant: InvariantId,
    /// The seat, hold or order at fault.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.detail)
    }
}

/// Broken invariants seen by this process, over all shards. Not replicated.
static VIOLATIONS: AtomicU64 = AtomicU64::new(0);

/// Broken invariants that this process has seen since it started, over all shards. Anything but 0 is a
/// defect: take the replica's state aside and compare it with another's.
#[must_use]
pub fn violations_total() -> u64 {
    VIOLATIONS.load(Ordering::Relaxed)
}

/// Debug: panics when the condition does not hold. Release: counts.
macro_rules! check_invariant {
    ($id:expr, $holds:expr) => {
        if !$holds {
            $crate::invariants::violated($id);
        }
    };
}

/// Whether a broken invariant ends the process. Not where one is broken on purpose, to see that it is counted.
const PANICS: bool = cfg!(debug_assertions) && !cfg!(feature = "sabotage");

/// Counts a broken invariant, and in debug builds panics.
pub(crate) fn violated(invariant: InvariantId) {
    VIOLATIONS.fetch_add(1, Ordering::Relaxed);
    if PANICS {
        panic!("{invariant}: {}", invariant.statement());
    }
}

/// States with more records than this are checked as a whole only every [`FULL_CHECK_EVERY`] entries, also
/// in debug builds: a full check walks everything.
const FULL_CHECK_RECORDS_MAX: usize = 1_000;
/// See [`FULL_CHECK_RECORDS_MAX`].
const FULL_CHECK_EVERY: u64 = 256;

/// The checks after every entry.
pub(crate) fn after_apply(state: &InventoryState, clock_before_ms: u64) {
    check_invariant!(InvariantId::Clock1, state.clock_ms >= clock_before_ms);
    let counts = state.derived.counts;
    let seats = counts.available + counts.held + counts.sold + counts.blocked;
    check_invariant!(InvariantId::Seat2, seats == state.seats.len() as u64);
    check_invariant!(
        InvariantId::Idem1,
        state.idempotency.len() <= state.bounds.remembered_max
    );
    if let Some(room) = state.room.as_deref() {
        let allowed = u64::from(room.config.capacity).max(room.inside_excused);
        check_invariant!(InvariantId::Room1, state.derived.room.inside <= allowed);
    }
    if PANICS {
        let passes = state.room.as_deref().map_or(0, |room| room.passes.len());
        let records = state.seats.len() + state.holds.len() + state.orders.len() + passes;
        if records <= FULL_CHECK_RECORDS_MAX
            || state.entries_applied.is_multiple_of(FULL_CHECK_EVERY)
        {
            let broken = check(state);
            assert!(broken.is_empty(), "{broken:?}");
        }
    }
}

/// Checks everything that one state can show; costs a walk over all of it. Empty = sound.
#[must_use]
pub fn check(state: &InventoryState) -> Vec<Violation> {
    let mut report = Report::default();
    check_places::seats(state, &mut report);
    check_places::areas(state, &mut report);
    check_tables::holds(state, &mut report);
    check_tables::orders(state, &mut report);
    check_tables::indexes(state, &mut report);
    check_money::ledgers(state, &mut report);
    check_money::outbox(state, &mut report);
    check_money::tickets(state, &mut report);
    check_room::room(state, &mut report);
    report.violations
}

/// Violations as they are found.
#[derive(Debug, Default)]
struct Report {
    violations: Vec<Violation>,
}

impl Report {
    fn expect(&mut self, holds: bool, invariant: InvariantId, detail: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(Violation {
                invariant,
                detail: detail(),
            });
        }
    }
}

#[cfg(test)]
#[path = "invariants/tests.rs"]
pub(crate) mod tests;
