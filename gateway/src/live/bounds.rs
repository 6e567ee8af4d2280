//! Every bound of live maps, each with the reason for its value.
//!
//! Owns: numbers. Must never: read configuration (`settings.rs` starts from these).

use std::time::Duration;

/// Viewers of one gateway; a viewer costs a connection and a position, about 20 KiB together.
pub const VIEWERS_MAX: usize = 20_000;
/// Shows followed at once. Each is one stream to a node and a copy of a byte a seat.
pub const SHOWS_MAX: usize = 1_024;
/// A show that nobody looked at or asked for is not followed any more after this.
pub const IDLE_MAX: Duration = Duration::from_secs(30);
/// A show that is asked for the first time is waited for this long.
pub const FIRST_STATE_WAIT: Duration = Duration::from_secs(4);

/// A node is probed this often: the age of the copy is known to about as much, plus a round trip.
pub const PROBE_INTERVAL: Duration = Duration::from_millis(500);
/// A node that answers no probe for this long, beyond the round trip, is left for another one.
pub const SILENCE_MAX: Duration = Duration::from_millis(1_500);
/// A replica that says that it is older than this is left for another one, while there is another one: by those who follow it
/// and by each read (`upstream/read.rs`).
pub const REPLICA_AGE_MAX: Duration = Duration::from_secs(3);
/// From a replica that is not the nearest, the nearest is tried again after this.
pub const RETURN_AFTER: Duration = Duration::from_secs(30);
/// First pause after every replica failed; doubles, with jitter.
pub const RETRY_MIN: Duration = Duration::from_millis(50);
/// Longest pause after every replica failed.
pub const RETRY_MAX: Duration = Duration::from_secs(2);

/// A copy older than this is called stale.
pub const STALE_AFTER: Duration = Duration::from_secs(2);
/// Viewers hear something at least this often.
pub const PULSE_INTERVAL: Duration = Duration::from_secs(5);
/// How often it is looked whether a copy has become stale, or a show idle.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// A delta that names more than one seat in this many is sent as a snapshot, which is shorter then.
pub const DELTA_PART_MAX: usize = 16;

/// Seats held or free may change at any moment: what the copy says of them is used while it is younger than this.
pub const HELD_AGE_MAX: Duration = Duration::from_secs(2);
/// Sold seats come back by refund only.
pub const SOLD_AGE_MAX: Duration = Duration::from_secs(10);
/// Requests with an effect that are known by their prints, at most; a show with more is not answered for here.
pub const PRINTS_MAX: usize = 1 << 19;
/// Requests whose outcome this gateway does not know, remembered so that they are never answered from the copy.
pub const UNSURE_MAX: usize = 65_536;
/// Clocks of gateway and shard differ by less than this; within it of the sale's opening or close, the shard decides.
pub const CLOCK_MARGIN: Duration = Duration::from_secs(2);

const _: () = assert!(
    SILENCE_MAX.as_millis() > 2 * PROBE_INTERVAL.as_millis(),
    "one lost answer is no silence"
);
const _: () = assert!(
    HELD_AGE_MAX.as_millis() <= SOLD_AGE_MAX.as_millis(),
    "what can change sooner is believed for a shorter time"
);
