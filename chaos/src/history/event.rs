//! One line of a history.
//!
//! Owns: names and meaning of every field. Must never: change the meaning of a field without a new [`VERSION`].

use serde::{Deserialize, Serialize};

use super::observation::{Mark, MoneyMoved, Notice, Replica};

/// Format of the histories that this release writes and reads.
pub const VERSION: u32 = 2;

/// What is not said is not written.
fn none<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Event {
    /// The first line, once.
    Header(Header),
    /// A show on sale; before the first call about it.
    Show(Show),
    /// A request is about to leave.
    Invoke(Invoke),
    /// It was answered: it happened.
    Ok(Answer),
    /// It was answered: it did not happen and never will.
    Rejected(Answer),
    /// It may have happened, or may yet, or never.
    Unknown(Answer),
    /// What one replica said of itself.
    Replica(Replica),
    /// Money that a payment provider was seen to move.
    Money(MoneyMoved),
    /// A notice that was seen to be delivered.
    Notice(Notice),
    /// Something that was done to the system, for pictures and reports.
    Mark(Mark),
    /// The last line of a history that was written to its end.
    End {
        /// ns since the origin.
        t_ns: u64,
        /// Lines before this one.
        events: u64,
    },
}

/// What holds for the whole history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`VERSION`].
    pub version: u32,
    /// What was done, for people.
    pub title: String,
    /// Time zero of every `t_ns`, ms since the Unix epoch, by the clock of the machine that recorded.
    pub wall_origin_ms: u64,
    /// How far any shard's clock may be from the recorder's, ms, either way; a node's wrong clock that the others out-vote is not
    /// the shard's.
    pub clock_bound_ms: u64,
    /// Seed of the run, when it has one.
    #[serde(default, skip_serializing_if = "none")]
    pub seed: Option<u64>,
    /// Commit of the code under test.
    #[serde(default, skip_serializing_if = "none")]
    pub commit: String,
    /// Hash of the topology.
    #[serde(default, skip_serializing_if = "none")]
    pub topology: String,
    /// Whether every confirmed order must have a [`Notice`] in the history: somebody watched the far side of the outbox.
    #[serde(default, skip_serializing_if = "none")]
    pub notices_watched: bool,
    /// Whether every movement of money is in the history as [`MoneyMoved`]: somebody watched the payment provider.
    #[serde(default, skip_serializing_if = "none")]
    pub money_watched: bool,
}

impl Header {
    /// Clock bound where the run does not say: processes of one machine share its clock, and a busy machine stalls them.
    pub const CLOCK_BOUND_MS_DEFAULT: u64 = 1_000;

    /// A header with defaults; the recorder fills in the origin.
    #[must_use]
    pub fn new(title: &str) -> Self {
        Self {
            version: VERSION,
            title: title.to_owned(),
            wall_origin_ms: 0,
            clock_bound_ms: Self::CLOCK_BOUND_MS_DEFAULT,
            seed: None,
            commit: String::new(),
            topology: String::new(),
            notices_watched: false,
            money_watched: false,
        }
    }
}

/// A show on sale.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// `s1`.
    pub show: String,
    /// Every seat by its plan id, in the order of the show's layout; the letters of [`Answer::states`] follow it.
    pub seats: Vec<String>,
    /// Price of each seat in that order, minor units; empty = not known.
    #[serde(default, skip_serializing_if = "none")]
    pub price_minor: Vec<u64>,
    /// How long a hold lasts at first, ms; 0 = not known.
    #[serde(default, skip_serializing_if = "none")]
    pub hold_ttl_ms: u64,
    /// How long a hold can last with every extension, ms; 0 = not known.
    #[serde(default, skip_serializing_if = "none")]
    pub hold_ttl_max_ms: u64,
}

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// Hold seats of a show.
    Hold,
    /// More time for a hold.
    Extend,
    /// Give a hold back.
    Release,
    /// Open an order from a hold.
    Order,
    /// Pay an order.
    Pay,
    /// Cancel an unpaid order.
    Cancel,
    /// Give the money of a confirmed order back and put its seats on sale again.
    Refund,
    /// Take seats off sale.
    Block,
    /// Put blocked seats on sale again.
    Unblock,
    /// Look at all seats of a show.
    ReadSeats,
    /// Look at a hold.
    ReadHold,
    /// Look at an order.
    ReadOrder,
}

impl Op {
    /// Whether it changes nothing.
    #[must_use]
    pub const fn is_read(self) -> bool {
        matches!(self, Self::ReadSeats | Self::ReadHold | Self::ReadOrder)
    }
}

/// How fresh a read was asked to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// From any replica; the answer says how old it is.
    #[default]
    Near,
    /// From any replica that has seen `at_least`, and nothing older than what the process saw before.
    Session,
    /// As of some moment between question and answer.
    Linearizable,
}

/// A request, written down before it leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invoke {
    /// ns since the origin; the recorder fills it in.
    pub t_ns: u64,
    /// Names this call in the history; its answer repeats it. The recorder fills it in.
    pub call: u64,
    /// Who asks: one client, which waits for its answer before it asks again. A lane in the picture.
    pub process: String,
    /// What.
    pub op: Op,
    /// Of which show: `s1`.
    pub show: String,
    /// The buyer's opaque id.
    #[serde(default, skip_serializing_if = "none")]
    pub buyer: String,
    /// Idempotency key of a write; with the buyer it names the request, and calls that repeat it are tries of one request.
    #[serde(default, skip_serializing_if = "none")]
    pub key: String,
    /// Region that was asked.
    #[serde(default, skip_serializing_if = "none")]
    pub region: String,
    /// Gateway or node that was asked.
    #[serde(default, skip_serializing_if = "none")]
    pub at: String,
    /// Seats named, by plan id.
    #[serde(default, skip_serializing_if = "none")]
    pub seats: Vec<String>,
    /// Seats asked for by number (best available), when none is named; 0 = not so.
    #[serde(default, skip_serializing_if = "none")]
    pub quantity: u32,
    /// The hold that it is about.
    #[serde(default, skip_serializing_if = "none")]
    pub hold: String,
    /// The order that it is about.
    #[serde(default, skip_serializing_if = "none")]
    pub order: String,
    /// Of a read: how fresh.
    #[serde(default, skip_serializing_if = "none")]
    pub reading: Reading,
    /// Of a read: log index that the answer must have seen; 0 = any.
    #[serde(default, skip_serializing_if = "none")]
    pub at_least: u64,
}

impl Invoke {
    /// A request of `process` of which nothing else is said yet.
    #[must_use]
    pub fn new(process: impl Into<String>, op: Op) -> Self {
        Self {
            t_ns: 0,
            call: 0,
            process: process.into(),
            op,
            show: String::new(),
            buyer: String::new(),
            key: String::new(),
            region: String::new(),
            at: String::new(),
            seats: Vec::new(),
            quantity: 0,
            hold: String::new(),
            order: String::new(),
            reading: Reading::Near,
            at_least: 0,
        }
    }
}

/// An answer, or the lack of one, written down after it came. What the system did not say stays empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// ns since the origin; the recorder fills it in.
    pub t_ns: u64,
    /// The call that it answers; the recorder fills it in.
    pub call: u64,
    /// Stable error code of a rejection or failure.
    #[serde(default, skip_serializing_if = "none")]
    pub code: String,
    /// For people: why the outcome is unknown, what the server wrote.
    #[serde(default, skip_serializing_if = "none")]
    pub why: String,
    /// The system says that this is the remembered answer of an earlier try. Index, times and states are that try's.
    #[serde(default, skip_serializing_if = "none")]
    pub replayed: bool,
    /// Id of the hold in the answer.
    #[serde(default, skip_serializing_if = "none")]
    pub hold: String,
    /// Id of the order in the answer.
    #[serde(default, skip_serializing_if = "none")]
    pub order: String,
    /// State of the hold or order: `active`, `released`, `expired`, `ordered`; `open`, `paying`, `paid`, `confirmed`,
    /// `cancelled`, `expired`, `refunded`.
    #[serde(default, skip_serializing_if = "none")]
    pub state: String,
    /// Seats of the hold or order; of a rejection the seats that caused it.
    #[serde(default, skip_serializing_if = "none")]
    pub seats: Vec<String>,
    /// When the hold or order lapses, ms of the shard's clock; 0 = never or not said.
    #[serde(default, skip_serializing_if = "none")]
    pub expires_ms: u64,
    /// The shard's clock when this was true, ms since the Unix epoch; 0 = not said.
    #[serde(default, skip_serializing_if = "none")]
    pub now_ms: u64,
    /// Log index at which this was true; 0 = not said.
    #[serde(default, skip_serializing_if = "none")]
    pub index: u64,
    /// Of a read: how old the replica said its state was, ms. Of a refusal: it was judged by a copy that old.
    #[serde(default, skip_serializing_if = "none")]
    pub age_ms: Option<u64>,
    /// Of a read of seats: one letter each, in the order of [`Show::seats`]: `a`vailable, `h`eld, `s`old, `b`locked.
    #[serde(default, skip_serializing_if = "none")]
    pub states: String,
    /// Price of the whole, minor units.
    #[serde(default, skip_serializing_if = "none")]
    pub total_minor: Option<u64>,
    /// Tickets of the order.
    #[serde(default, skip_serializing_if = "none")]
    pub tickets: Vec<String>,
}
