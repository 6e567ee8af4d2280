//! The waiting room's part of the state: its passes, and the only moves that change them.
//!
//! Owns: who is inside. Must never: let a pass end without its place becoming free (INV-ROOM-2), or the threshold fall.
//!
//! ```text
//!  claim            hold with it              paid, or hold or order run out or cancelled
//! ───────► Unspent ─────────────► Spent(hold) ───────────────────────────────────────────► Used
//!             │  ▲   released in time  │
//!             │  └─────────────────────┘            inside = Unspent + Spent
//!             └── time is up ──► Lapsed
//! ```

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::{Expiring, InventoryState, SeatCounts};
use crate::ids::{BuyerId, HoldId, PassId};
use crate::limits;
use crate::outcome::Rejection;
use crate::room::{LineKey, LinePoint, OpenRoom, PassView, RoomConfig, RoomSeed, RoomView};

/// A waiting room on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Room {
    /// Defaults filled in.
    pub(crate) config: RoomConfig,
    pub(crate) commit: [u8; 32],
    pub(crate) seed: RoomSeed,
    pub(crate) revealed: bool,
    pub(crate) paused: bool,
    pub(crate) ended: bool,
    pub(crate) seq: u64,
    pub(crate) threshold: LineKey,
    /// When the threshold came how far; times and keys ascend. What is older than a claim window is dropped.
    pub(crate) passed: VecDeque<(u64, LineKey)>,
    /// What lies at or below this was reached longer than a claim window ago.
    pub(crate) passed_before: LineKey,
    /// See [`RoomView::stalled_until_ms`].
    pub(crate) stalled_until_ms: u64,
    /// As many were inside when an operator lowered the capacity.
    pub(crate) inside_excused: u64,
    pub(crate) waiting: u64,
    pub(crate) per_min: u32,
    pub(crate) line: Vec<LinePoint>,
    /// Every pass ever given: a ticket is good for one.
    pub(crate) passes: BTreeMap<PassId, Pass>,
    /// By buyer, the place in order of asking, from 1.
    pub(crate) waitlist: BTreeMap<BuyerId, u64>,
}

/// A pass on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pass {
    pub(crate) buyer: BuyerId,
    pub(crate) expires_at_ms: u64,
    pub(crate) standing: PassStanding,
}

/// Where a pass stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum PassStanding {
    Unspent,
    Spent(HoldId),
    Used,
    Lapsed,
}

impl PassStanding {
    /// Whether its buyer is inside.
    pub(crate) const fn is_inside(self) -> bool {
        match self {
            Self::Unspent | Self::Spent(_) => true,
            Self::Used | Self::Lapsed => false,
        }
    }
}

/// Indexes over the passes; rebuilt from them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RoomIndex {
    /// Passes whose buyers are inside.
    pub(crate) inside: u64,
    /// The pass that a living hold, or the unpaid order opened from it, was made with.
    pub(crate) of_hold: BTreeMap<HoldId, PassId>,
    /// The one living pass of a buyer.
    pub(crate) of_buyer: BTreeMap<BuyerId, PassId>,
}

impl RoomIndex {
    fn add(&mut self, id: PassId, pass: &Pass) {
        if pass.standing.is_inside() {
            self.inside = self.inside.saturating_add(1);
            self.of_buyer.insert(pass.buyer, id);
        }
        if let PassStanding::Spent(hold) = pass.standing {
            self.of_hold.insert(hold, id);
        }
    }

    fn remove(&mut self, pass: &Pass) {
        if pass.standing.is_inside() {
            self.inside = self.inside.saturating_sub(1);
            self.of_buyer.remove(&pass.buyer);
        }
        if let PassStanding::Spent(hold) = pass.standing {
            self.of_hold.remove(&hold);
        }
    }

    /// The indexes of a room.
    pub(crate) fn of(room: Option<&Room>) -> Self {
        let mut index = Self::default();
        for (id, pass) in room.iter().flat_map(|room| &room.passes) {
            index.add(*id, pass);
        }
        index
    }
}

impl Room {
    pub(crate) fn new(opened: &OpenRoom) -> Self {
        Self {
            config: opened.config.with_defaults(),
            commit: opened.commit,
            seed: opened.seed,
            revealed: false,
            paused: false,
            ended: false,
            seq: 1,
            threshold: LineKey(0),
            passed: VecDeque::new(),
            passed_before: LineKey(0),
            stalled_until_ms: 0,
            inside_excused: 0,
            waiting: 0,
            per_min: 0,
            line: Vec::new(),
            passes: BTreeMap::new(),
            waitlist: BTreeMap::new(),
        }
    }

    /// Notes a change.
    pub(crate) fn touch(&mut self) {
        self.seq = self.seq.saturating_add(1);
    }

    /// Lets everybody up to `to` come; never back.
    pub(crate) fn raise(&mut self, to: LineKey, now_ms: u64) {
        if to <= self.threshold {
            return;
        }
        self.threshold = to;
        let window_ms = self.config.claim_window_ms;
        while let Some((at_ms, _)) = self.passed.front()
            && (at_ms.saturating_add(window_ms) < now_ms || self.passed.len() >= limits::PASSED_MAX)
        {
            if let Some((_, key)) = self.passed.pop_front() {
                self.passed_before = key;
            }
        }
        self.passed.push_back((now_ms, to));
    }

    /// Until when a key that the threshold has reached can be claimed, ms since the Unix epoch.
    pub(crate) fn claim_before_ms(&self, key: LineKey) -> u64 {
        let reached = self.passed.iter().find(|(_, to)| key <= *to);
        let at_ms = match reached {
            Some((at_ms, _)) if key > self.passed_before => *at_ms,
            Some(_) | None => 0,
        };
        at_ms
            .max(self.stalled_until_ms)
            .saturating_add(self.config.claim_window_ms)
    }
}

impl InventoryState {
    /// The room, while it decides who may hold.
    pub(crate) fn open_room(&self) -> Option<&Room> {
        self.room.as_deref().filter(|room| !room.ended)
    }

    /// The room, or the rejection that everything about it gets without one.
    pub(crate) fn require_room(&self) -> Result<&Room, Rejection> {
        self.open_room().ok_or(Rejection::QueueNone)
    }

    /// Adds a pass, or moves one on, with every index in step.
    pub(crate) fn set_pass(&mut self, id: PassId, pass: Pass) {
        let clock_ms = self.clock_ms;
        let Some(room) = self.room.as_deref_mut() else {
            return;
        };
        let index = &mut self.derived.room;
        let before = index.inside;
        if let Some(old) = room.passes.insert(id, pass) {
            index.remove(&old);
            if old.standing == PassStanding::Unspent {
                let due = (old.expires_at_ms, Expiring::Pass(id));
                self.derived.expiring.remove(&due);
            }
        }
        index.add(id, &pass);
        if pass.standing == PassStanding::Unspent {
            let due = (pass.expires_at_ms, Expiring::Pass(id));
            self.derived.expiring.insert(due);
        }
        if index.inside < before {
            room.inside_excused = room.inside_excused.min(index.inside);
            if before >= u64::from(room.config.capacity) {
                // Those at the door could not come in until now.
                room.stalled_until_ms = clock_ms;
            }
        }
        room.touch();
    }

    fn move_pass(&mut self, id: PassId, standing: PassStanding) {
        let pass = self.room.as_deref().and_then(|room| room.passes.get(&id));
        if let Some(pass) = pass.copied() {
            self.set_pass(id, Pass { standing, ..pass });
        }
    }

    /// A pass made this hold.
    pub(crate) fn spend_pass(&mut self, id: PassId, hold: HoldId) {
        self.move_pass(id, PassStanding::Spent(hold));
    }

    /// The time of an unspent pass is up.
    pub(crate) fn expire_pass(&mut self, id: PassId) {
        self.move_pass(id, PassStanding::Lapsed);
    }

    /// A hold has ended without an order. Released in time, it gives its pass back.
    pub(crate) fn give_pass_back(&mut self, hold: HoldId, released: bool) {
        let Some(id) = self.derived.room.of_hold.get(&hold).copied() else {
            return;
        };
        let room = self.room.as_deref();
        let good = room
            .and_then(|room| room.passes.get(&id))
            .is_some_and(|pass| released && pass.expires_at_ms > self.clock_ms);
        let standing = if good {
            PassStanding::Unspent
        } else {
            PassStanding::Used
        };
        self.move_pass(id, standing);
    }

    /// What the pass of this hold was for is over: its order is paid, or came to nothing.
    pub(crate) fn use_pass_up(&mut self, hold: HoldId) {
        if let Some(id) = self.derived.room.of_hold.get(&hold).copied() {
            self.move_pass(id, PassStanding::Used);
        }
    }

    /// Places of the whole show; what is due counts as held.
    pub(crate) fn places(&self) -> SeatCounts {
        let mut all = self.derived.counts;
        let areas = self.layout.iter().flat_map(|l| l.set_up().areas.iter());
        for (area, used) in areas.zip(&self.areas) {
            let taken = used.held.saturating_add(used.sold);
            all.available += u64::from(area.capacity.saturating_sub(taken));
            all.held += u64::from(used.held);
            all.sold += u64::from(used.sold);
        }
        all
    }

    /// The pass's view; `None` for one that was never given.
    pub(crate) fn pass_view(&self, id: PassId) -> Option<PassView> {
        let pass = self.room.as_deref()?.passes.get(&id)?;
        Some(PassView {
            pass: id,
            buyer: pass.buyer,
            expires_at_ms: pass.expires_at_ms,
            now_ms: self.clock_ms,
        })
    }

    /// The show's waiting room as anybody may see it; `None` for a show without.
    #[must_use]
    pub fn room_view(&self) -> Option<RoomView> {
        let room = self.room.as_deref()?;
        let places = self.places();
        Some(RoomView {
            config: room.config.clone(),
            commit: room.commit,
            seed: room.revealed.then_some(room.seed),
            seq: room.seq,
            paused: room.paused,
            ended: room.ended,
            threshold: room.threshold,
            passed: room.passed.iter().copied().collect(),
            passed_before: room.passed_before,
            stalled_until_ms: room.stalled_until_ms,
            waiting: room.waiting,
            per_min: room.per_min,
            line: room.line.clone(),
            inside: self.derived.room.inside,
            claimed: room.passes.len() as u64,
            waitlisted: room.waitlist.len() as u64,
            places_free: places.available,
            places_held: places.held,
        })
    }

    /// The room's configuration while it is open, and whether its seed is revealed; `None` when there is nothing for the
    /// leader to look after.
    #[must_use]
    pub fn room_to_run(&self) -> Option<(RoomConfig, bool)> {
        let room = self.open_room()?;
        Some((room.config.clone(), room.revealed))
    }
}
