//! Deterministic simulation of this crate: real hosts on a simulated network, disk and clock.
//!
//! Owns: everything of the feature `simulation`. Must never: be part of a production build.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether this process is a simulation: set once, before the first host starts.
static RUNNING: AtomicBool = AtomicBool::new(false);

/// Whether work that would block runs in place.
pub(crate) fn is_running() -> bool {
    RUNNING.load(Ordering::Relaxed)
}
