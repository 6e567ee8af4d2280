//! A bug put in on purpose: a state that does not add up, so that somebody is paged for it (`cargo xtask sabotage`, docs/drills.md).
//!
//! Behind the feature `sabotage`, which no ordinary build has. Owns: that bug. Must never: harm anything before [`begin`] was called.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::state::InventoryState;

static BEGUN: AtomicBool = AtomicBool::new(false);

/// From now on this process counts one free seat too many with every entry that it applies.
pub fn begin() {
    BEGUN.store(true, Ordering::Relaxed);
}

pub(crate) fn harm(state: &mut InventoryState) {
    if BEGUN.load(Ordering::Relaxed) {
        state.derived.counts.available += 1;
    }
}
