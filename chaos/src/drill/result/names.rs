//! What DNS servers answered while a drill ran.
//!
//! Owns: the form of it in `report.json`. Must never: judge.

use serde::{Deserialize, Serialize};

/// All that was asked and learned.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DnsSeen {
    /// Questions sent to servers in regions that no fault touched at that moment.
    pub questions: u64,
    /// Those of them that got no answer within a second, or one that is none.
    pub unanswered: u64,
    /// Per lost region and server elsewhere.
    pub lost: Vec<DnsLost>,
    /// Every answer that differed from the one before it, by server and asker, in order of time.
    pub answers: Vec<DnsAnswer>,
}

/// How long one server's answers followed the loss and the return of a region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DnsLost {
    /// Place in [`super::DrillResult::faults`].
    pub fault: usize,
    /// The lost region.
    pub region: String,
    /// Region of the server.
    pub server: String,
    /// From the fault's start until no asker is told the lost region's addresses, s; absent when one still was at the end.
    pub out_s: Option<f64>,
    /// From the heal until everybody who was told them before is told them again, s; absent when that was not seen.
    pub back_s: Option<f64>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DnsAnswer {
    /// When it was asked for.
    pub at_s: f64,
    /// Region of the server.
    pub server: String,
    /// Region near which the asker says to be (EDNS Client Subnet); empty = a resolver that says nothing.
    pub near: String,
    /// Regions whose addresses are in the answer, in its order.
    pub regions: Vec<String>,
    /// How long it may be kept, s.
    pub ttl_s: Option<u32>,
}
