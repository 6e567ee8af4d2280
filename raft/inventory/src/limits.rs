//! Every bound of the inventory, with how it was chosen.
//!
//! Owns: the numbers and the relations between them. Must never: depend on anything else in the crate.

/// Seats of one show, at most. The largest stadiums seat about 115,000.
pub const SEATS_MAX: usize = 200_000;
/// Seats of one row, at most: neighbour search sorts a row, and no real row is near this.
pub const ROW_SEATS_MAX: usize = 2_000;
/// General-admission areas of one show, at most.
pub const AREAS_MAX: usize = 1_000;
/// Places in one general-admission area, at most.
pub const AREA_CAPACITY_MAX: u32 = 1_000_000;
/// Price categories of one show, at most.
pub const CATEGORIES_MAX: usize = 256;
/// Bytes of any name in a layout, at most.
pub const NAME_BYTES_MAX: usize = 256;
/// Largest coordinate of a seat, either sign: keeps squared distances within `i64`.
pub const COORDINATE_MAX: i32 = 1 << 28;
/// Largest price of one place, minor units: keeps the total of any order within `u64`.
pub const PRICE_MINOR_MAX: u64 = 1_000_000_000_000;

/// Seats in one order where the show does not say; what most sellers use.
pub const SEATS_PER_ORDER_DEFAULT: u32 = 10;
/// Seats in one order, at most, whatever a show says: bounds the work of one command.
pub const SEATS_PER_ORDER_MAX: u32 = 1_000;
/// Seats of one buyer (held and bought together) where the show does not say.
pub const SEATS_PER_BUYER_DEFAULT: u32 = 20;
/// Seats in one block or unblock command, at most.
pub const SEATS_PER_BLOCK_MAX: usize = 10_000;
/// Bytes of the reason given for blocking seats, at most.
pub const REASON_BYTES_MAX: usize = 256;

/// How long a hold lasts where the show does not say.
pub const HOLD_TTL_MS_DEFAULT: u64 = 8 * 60_000;
/// How long a hold can be drawn out by extending, since it was placed, where the show does not say.
pub const HOLD_TTL_MAX_MS_DEFAULT: u64 = 30 * 60_000;
/// What a show may set as that cap, at most (two hours, as seats.io allows).
pub const HOLD_TTL_MS_MAX: u64 = 2 * 3_600_000;
/// Shortest hold that can be asked for: shorter ones would lapse on the way to a far buyer.
pub const HOLD_TTL_MS_MIN: u64 = 1_000;

/// A payment attempt gets at least this long before its order lapses, so that seats do not vanish under
/// an ordinary payment. Longer than a provider's usual timeout of 30 s.
pub const PAYING_GRACE_MS: u64 = 60_000;
/// Payment attempts of one order, at most: bounds how far the grace can draw an order out.
pub const PAYMENT_ATTEMPTS_MAX: u32 = 5;
/// Bytes of a payment token, at most.
pub const PAYMENT_TOKEN_BYTES_MAX: usize = 512;

/// How long a request's outcome is remembered, shard time.
pub const REMEMBERED_MS: u64 = 24 * 3_600_000;
/// Requests remembered at once, at most (about 150 MB). When full, nothing still owed is forgotten:
/// new commands are refused with `table_full` instead.
pub const REMEMBERED_MAX: usize = 1 << 20;
/// How long a hold or order that came to nothing is kept for its buyer to read. At least as long as
/// requests are remembered, because a remembered outcome names them.
pub const ENDED_KEPT_MS: u64 = REMEMBERED_MS;
/// Holds on record at once (active and ended), at most.
pub const HOLDS_MAX: usize = 1 << 20;
/// Orders on record at once, at most.
pub const ORDERS_MAX: usize = 1 << 20;

/// Holds and orders expired at the start of one entry, at most; bounds the pause when a whole sale's
/// first holds lapse together. The rest are due but not swept: they never count as taken.
pub const EXPIRED_PER_ENTRY_MAX: usize = 4_096;
/// Remembered requests and ended records dropped in one entry, at most. More than the commands an entry
/// can carry, so that forgetting keeps up with remembering.
pub const FORGOTTEN_PER_ENTRY_MAX: usize = 32_768;

/// Outbox records waiting, at most, before new payments are refused with `table_full`. Facts about
/// payments already begun are always taken.
pub const OUTBOX_OPEN_MAX: usize = 1 << 18;

/// People inside a waiting room at once, at most: more than any sale needs, and what bounds the tables of the living passes.
pub const ROOM_CAPACITY_MAX: u32 = 1_000_000;
/// People let in per minute, at most.
pub const ROOM_RATE_PER_MIN_MAX: u32 = 6_000_000;
/// How long a place in the line that was reached can be claimed, where the room does not say.
pub const CLAIM_WINDOW_MS_DEFAULT: u64 = 10 * 60_000;
/// How long a pass is good for its hold, where the room does not say.
pub const PASS_TTL_MS_DEFAULT: u64 = 10 * 60_000;
/// Shortest claim window and pass: shorter ones would lapse on the way to a far buyer.
pub const ROOM_SPAN_MS_MIN: u64 = 1_000;
/// Longest claim window and pass.
pub const ROOM_SPAN_MS_MAX: u64 = 3_600_000;
/// Moves of a room's threshold on record, at most: one a second for the longest claim window, with room.
pub const PASSED_MAX: usize = 4_096;
/// Points in a room's summary of its line, at most: fine enough to tell a buyer about how many are ahead.
pub const LINE_POINTS_MAX: usize = 64;
/// Passes of one room, at most; none is forgotten while the show lives, because a ticket is good for one.
pub const PASSES_MAX: usize = 1 << 20;
/// Buyers on a waitlist, at most.
pub const WAITLIST_MAX: usize = 1 << 20;

/// Commands in one entry, at most.
pub const COMMANDS_PER_ENTRY_MAX: usize = 16_384;
/// Bytes of an encoded entry, at most: the set-up of the largest layout fits.
pub const ENTRY_BYTES_MAX: usize = 64 << 20;
/// Bytes of an encoded snapshot, at most.
pub const SNAPSHOT_BYTES_MAX: usize = 1 << 30;

const _: () = assert!(
    REMEMBERED_MS > HOLD_TTL_MS_MAX + PAYING_GRACE_MS * PAYMENT_ATTEMPTS_MAX as u64,
    "or a late retry of a hold would be taken for a new one"
);
const _: () = assert!(
    ENDED_KEPT_MS >= REMEMBERED_MS,
    "a remembered outcome names its hold or order"
);
const _: () = assert!(
    HOLD_TTL_MS_DEFAULT <= HOLD_TTL_MAX_MS_DEFAULT,
    "the default hold fits under its cap"
);
const _: () = assert!(
    HOLD_TTL_MAX_MS_DEFAULT <= HOLD_TTL_MS_MAX,
    "the default cap is an allowed cap"
);
const _: () = assert!(
    HOLD_TTL_MS_MIN <= HOLD_TTL_MS_DEFAULT,
    "the default hold is an allowed hold"
);
const _: () = assert!(
    SEATS_PER_ORDER_DEFAULT <= SEATS_PER_BUYER_DEFAULT,
    "one order fits one buyer"
);
const _: () = assert!(
    PASSED_MAX as u64 > ROOM_SPAN_MS_MAX.div_ceil(1_000),
    "a claim window's worth of moves is on record"
);
const _: () = assert!(
    PASSES_MAX as u64 >= ROOM_CAPACITY_MAX as u64,
    "everybody inside has a pass on record"
);
const _: () = assert!(
    FORGOTTEN_PER_ENTRY_MAX >= 2 * COMMANDS_PER_ENTRY_MAX,
    "forgetting keeps up with remembering"
);
const _: () = assert!(
    PRICE_MINOR_MAX
        .checked_mul(SEATS_PER_ORDER_MAX as u64)
        .is_some(),
    "the total of an order fits in 64 bits"
);
