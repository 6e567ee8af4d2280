//! The only door through which the gateway learns what time it is.
//!
//! Owns: reading the machine's clocks. Must never: decide when a hold expires (only the shard's clock does).

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch by this machine's clock; 0 for a clock set before 1970.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this module is the door")]
pub fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}

/// Monotonic now, for deadlines and ages.
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}
