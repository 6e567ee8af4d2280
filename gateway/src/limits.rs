//! Every bound of the gateway in one place, each with the reason for its value.
//!
//! Owns: numbers. Must never: read configuration (`config.rs` starts from these and lets an operator tighten them).

use std::time::Duration;

/// Largest request body, bytes. The largest honest request is a hold naming a few hundred seats.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Most seats one request may name; the shard's own per-order limit is lower and decides.
pub const SEATS_PER_REQUEST_MAX: usize = 256;
/// Longest `Idempotency-Key`, bytes, as the wire contract has it.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// Longest payment token, bytes.
pub const PAYMENT_TOKEN_BYTES_MAX: usize = 255;
/// Longest search text of any one query parameter, bytes.
pub const QUERY_VALUE_BYTES_MAX: usize = 200;
/// Events on one page of a listing.
pub const PAGE_SIZE_MAX: usize = 100;
/// Events on a page when the caller does not say.
pub const PAGE_SIZE_DEFAULT: usize = 20;

/// Requests in work at once; more are refused at the door, since a queue in front of a full house only adds delay.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 4096;
/// Writes in work at once. Lower than all requests, so that writes waiting out a lost quorum cannot starve map reads.
pub const WRITES_IN_FLIGHT_MAX: usize = 2048;
/// Connections open at once: as many viewers of live maps as there may be, and room for those who buy.
pub const CONNECTIONS_MAX: usize = 32_768;
/// A client that has not sent its headers by then is cut off.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Most request headers.
pub const HEADERS_MAX: usize = 64;
/// A client that has not sent its body by then is cut off.
pub const BODY_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes a connection buffers while reading a request head.
pub const CONNECTION_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// How long requests in work may take to finish once the process was told to stop.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// The whole time a write may spend looking for a leader: an election takes two to three seconds between
/// far regions, and two in a row must fit.
pub const WRITE_BUDGET: Duration = Duration::from_secs(8);
/// One try of a write, beyond the round trip to the node. Far above what a commit takes between any two regions, and
/// short enough that a leader lost in silence costs less than the election that follows.
pub const WRITE_TRY_TIMEOUT: Duration = Duration::from_millis(1_500);
/// The same for the nodes that are asked after the first: they wait for a leader themselves, up to 2.5 s, and know it sooner
/// than anybody who asks around.
pub const WRITE_NEXT_TRY_TIMEOUT: Duration = Duration::from_millis(2_700);
/// The whole time a read may take over all the nodes it tries.
pub const READ_BUDGET: Duration = Duration::from_secs(4);
/// One try of a read from one node.
pub const READ_TRY_TIMEOUT: Duration = Duration::from_millis(1_200);
/// One try of a linearizable read, which may cross an ocean twice.
pub const LINEARIZABLE_TRY_TIMEOUT: Duration = Duration::from_millis(2_500);
/// How long `POST /orders/{id}/pay` waits for the payment before it answers 202.
pub const PAYMENT_WAIT: Duration = Duration::from_secs(6);
/// A request that took this long is given up, whatever it waits for.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(20);
/// First pause between two tries of a write; doubles, with jitter.
pub const RETRY_BACKOFF_MIN: Duration = Duration::from_millis(25);
/// Longest pause between two tries of a write.
pub const RETRY_BACKOFF_MAX: Duration = Duration::from_millis(400);
/// A node that failed is passed over for this long while others answer.
pub const NODE_COOL_DOWN: Duration = Duration::from_millis(1_500);
/// The same for a node that keeps failing. Short enough that one that came back is not waited for by an operator.
pub const NODE_COOL_DOWN_MAX: Duration = Duration::from_secs(12);
/// A node whose directory is older than this has lost the majority: several heartbeats between the farthest regions.
pub const NODE_CUT_OFF_AGE: Duration = Duration::from_secs(4);
/// A node that said that it cannot serve a show is asked last for that show for this long: about as long as an election takes,
/// so that one that is well again is found out soon, and one that is not costs a try every other second.
pub const SHOW_COOL_DOWN: Duration = Duration::from_secs(2);
/// Such words remembered, one a show and node, of about 60 bytes: as many as shows that a lost region may leave behind at once.
pub const SHOW_TROUBLES_MAX: usize = 32_768;
/// How often each node is asked how it is.
pub const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// How long a probe waits beyond the round trip that the topology promises.
pub const PROBE_TIMEOUT: Duration = Duration::from_millis(900);
/// How often the choice of region is made anew.
pub const REVIEW_INTERVAL: Duration = Duration::from_millis(500);
/// A read is asked a second time elsewhere no sooner than this …
pub const HEDGE_DELAY_MIN: Duration = Duration::from_millis(10);
/// … and no later, however slow the node has become.
pub const HEDGE_DELAY_MAX: Duration = Duration::from_millis(400);
/// How long a replica that is behind a session is waited for beyond one round trip, before the leader is asked.
pub const SESSION_WAIT: Duration = Duration::from_millis(150);

/// A node tells at least every two seconds how old its catalogue is; one that is silent for longer is not followed any more.
pub const CATALOGUE_SILENCE_MAX: Duration = Duration::from_secs(6);
/// Taken for the round trip to a region that the topology file does not know: as far as the Earth is wide.
pub const RTT_UNKNOWN: Duration = Duration::from_millis(300);
/// Pause after every node failed to give the catalogue.
pub const CATALOGUE_RETRY: Duration = Duration::from_millis(300);
/// Seats and areas of all the layouts kept in memory together (about 300 bytes each).
pub const LAYOUT_PLACES_CACHED_MAX: usize = 1_000_000;
/// Final answers of writes remembered for replay at this gateway; the shard remembers them for 24 h anyway.
pub const ANSWERS_REMEMBERED_MAX: usize = 16_384;
/// Leaders remembered; one entry a show.
pub const LEADERS_REMEMBERED_MAX: usize = 65_536;
/// How often the streams to the nodes are looked at; a broken one is opened again without a buyer waiting for it.
pub const STREAM_LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// How long a guest identity is good for.
pub const GUEST_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

const _: () = assert!(
    WRITE_BUDGET.as_millis() > 2 * WRITE_TRY_TIMEOUT.as_millis(),
    "a write must survive one stalled leader and still have a full try left"
);
const _: () = assert!(
    WRITE_BUDGET.as_millis() + PAYMENT_WAIT.as_millis() < REQUEST_DEADLINE.as_millis(),
    "a payment is a write and a wait; the deadline is for what neither explains"
);
const _: () = assert!(
    WRITES_IN_FLIGHT_MAX < REQUESTS_IN_FLIGHT_MAX,
    "or writes could take every place"
);
