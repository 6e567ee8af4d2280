//! What happened in a waiting room while a drill ran.
//!
//! Owns: the form of it in `report.json`. Must never: judge.

use serde::{Deserialize, Serialize};

/// One show's room.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RoomSeen {
    /// `s1`.
    pub show: String,
    /// Most people who may be inside at once.
    pub capacity: u64,
    /// People who joined before the sale.
    pub early: u64,
    /// People who joined afterwards.
    pub late: u64,
    /// Those of both who never came back.
    pub absent: u64,
    /// People who missed their turn and joined again.
    pub missed: u64,
    /// People who got in.
    pub came_in: u64,
    /// People who paid.
    pub bought: u64,
    /// People who stayed in line and were not in at the end, those who missed their turn included.
    pub unserved: u64,
    /// The most that any gateway ever said to be inside.
    pub most_inside_said: u64,
    /// The most who were inside for certain at one moment, by people's own word: they had a pass and had not sent their payment.
    pub most_inside_sure: u64,
    /// χ² of the early people's keys over equal parts of the draw; absent with too few people.
    pub draw_chi_square: Option<f64>,
    /// Its degrees of freedom.
    pub draw_degrees: u64,
    /// Rank correlation of when the early came and the place that they drew: near 0 when coming early did not help.
    pub draw_rank: Option<f64>,
    /// Rank correlation of place in line and time of the turn: near 1 when people were let in as drawn.
    pub order_rank: Option<f64>,
    /// Answers of a gateway that said a lower threshold than before.
    pub threshold_falls: u64,
    /// Keys that are not what seed and ticket make them, and promises that were not kept.
    pub unproven: u64,
    /// Longest time in which nobody got in although somebody waited, s.
    pub standstill_s: Option<f64>,
}

impl RoomSeen {
    /// People too many at the worst moment.
    #[must_use]
    pub fn over_capacity(&self) -> u64 {
        let most = self.most_inside_said.max(self.most_inside_sure);
        most.saturating_sub(self.capacity)
    }
}
