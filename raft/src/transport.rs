//! The fabric between nodes: one connection per ordered pair carries the frames of all groups.
//!
//! ```text
//!  node 1                                             node 2
//!  group 0 ─┐                                       ┌─ group 0
//!  group 4 ─┼─ Link(2) ══ HTTP/2, one bidi stream ══┼─ group 4      replies come back on the same stream
//!  group 9 ─┘           └─ InstallSnapshot, own call ┘─ group 9
//! ```
//!
//! Owns: dialling, framing, deadlines, what a peer may queue here. May drop anything; must never reorder the appends of
//! one session, and must never let one group's backlog hold up another's vote.

pub(crate) mod client;
pub(crate) mod dial;
pub(crate) mod grpc;
pub(crate) mod link;
pub(crate) mod network;
pub(crate) mod server;
pub(crate) mod wire;

use std::time::Duration;

use holdfast_region_config::{GroupId, NodeId};
use tokio::time::Instant;

/// What the links tell about the peers, and what they say about this node.
pub(crate) trait Pulses: Send + Sync + 'static {
    /// The ping to send now.
    fn ping(&self, nonce: u64) -> wire::pb::Ping;
    /// A ping sent at `sent` was answered; false when whoever answers is not to be listened to.
    fn answered(&self, from: NodeId, sent: Instant, answer: &wire::pb::Ping) -> bool;
    /// A peer pings; returns the answer.
    fn pinged(&self, from: NodeId, ping: &wire::pb::Ping) -> wire::pb::Ping;
    /// The earliest moment at which process `incarnation` of a peer can have stamped a message so; `None` = not known.
    fn stamped(&self, from: NodeId, incarnation: u64, stamp_ms: u64) -> Option<Instant>;
    /// A peer opened a connection: what it said on an earlier one may have been lost half-way.
    fn greeted(&self, from: NodeId);
    /// A peer says what it leads.
    fn claimed(&self, from: NodeId, claims: wire::pb::Claims);
    /// A peer wants the group led.
    fn nudged(&self, group: GroupId, in_vain: bool);
}

/// Version of the peer protocol; a different one is refused at the first frame.
pub(crate) const PROTOCOL: u32 = 2;

/// Frames waiting to be sent to one peer. Beyond it a sender is told the peer is unreachable: openraft backs off and
/// sends the same entries later, so nothing is lost by refusing early.
pub(crate) const OUTBOUND_FRAMES_MAX: usize = 4096;

/// Appends in flight on one pipelined session. At 229 ms of round trip and 1 MiB an append this is 140 MB/s, beyond
/// what one disk here takes; it also bounds what a follower has to hold in memory for one group.
pub(crate) const STREAM_APPENDS_IN_FLIGHT_MAX: usize = 32;

/// What the server will queue for one session. Larger than what an honest client has in flight, so it is never met by one.
pub(crate) const SESSION_QUEUE_MAX: usize = 64;

const _: () = assert!(
    STREAM_APPENDS_IN_FLIGHT_MAX < SESSION_QUEUE_MAX,
    "an honest client must never be refused for its window"
);

/// Calls waiting for an answer from one peer.
pub(crate) const CALLS_IN_FLIGHT_MAX: usize = 16_384;

/// Sessions one connection may open at a peer: appends of every group the peer follows, and calls.
pub(crate) const SESSIONS_MAX: usize = 65_536;

/// Largest frame. An entry that sets up a hall of 100,000 seats takes about 8 MiB.
pub(crate) const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Flow-control windows. With the default 64 KiB one round trip of 229 ms would allow 280 KB/s.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 16 * 1024 * 1024;
/// Shared by all streams of a connection.
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 32 * 1024 * 1024;

/// A snapshot travels in pieces of this size.
pub(crate) const SNAPSHOT_PIECE_BYTES: usize = 256 * 1024;

/// Largest snapshot accepted from a peer, held in memory while it arrives: what the store would take.
pub(crate) const SNAPSHOT_BYTES_MAX: u64 = crate::snapshot_store::SNAPSHOT_BYTES_MAX as u64;

/// Snapshots that a node takes in at once: four of the largest are 1 GiB.
pub(crate) const SNAPSHOTS_ARRIVING_MAX: usize = 4;

/// Nodes say that they live, and who leads what, this often.
pub(crate) const PING_INTERVAL: Duration = Duration::from_millis(100);

/// A link that has heard nothing for this long plus three round trips is torn down and dialled anew: a cut
/// network does not close connections, it only stops answering.
pub(crate) const SILENCE_MAX: Duration = Duration::from_millis(2_000);

/// Between attempts to reach a peer that does not answer.
pub(crate) const REDIAL_DELAY_MIN: Duration = Duration::from_millis(50);
/// The delay doubles up to this.
pub(crate) const REDIAL_DELAY_MAX: Duration = Duration::from_millis(1_000);

const _: () = assert!(
    PING_INTERVAL.as_millis() * 3 < SILENCE_MAX.as_millis(),
    "one lost ping is not a dead peer"
);
