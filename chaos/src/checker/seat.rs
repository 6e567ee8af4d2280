//! What a seat may do, written from the design: the checker's own idea, one seat at a time.
//!
//! ```text
//!            hold                order              paid
//!   free ───────────► held ───────────► ordered ───────────► sold
//!     ▲ ◄── release ────┘                 │ │                  │
//!     │ ◄── time up ────┘                 │ │                  │
//!     └──── cancel, time up ──────────────┘ └── refund, undone ┘
//! ```
//!
//! A hold lapses by the shard's clock, which is known only within a span for most calls. So nothing lapses by itself
//! here: an operation that finds a seat held may take it for lapsed when the clock may have reached the expiry, and must
//! take it for lapsed when the clock has surely passed it.
//!
//! Owns: states and steps. Must never: import the inventory, or know what a call is.

/// Who owns a seat: the number of the request that placed the hold.
pub(super) type Owner = u32;

/// From when to when, both included; ms of the shard's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Span {
    pub(super) lo: u64,
    pub(super) hi: u64,
}

impl Span {
    /// Nothing is known.
    pub(super) const ANY: Self = Self {
        lo: 0,
        hi: u64::MAX,
    };

    pub(super) const fn exactly(at: u64) -> Self {
        Self { lo: at, hi: at }
    }

    /// The later of two times; a time that a buyer was told is never shortened.
    fn later(self, other: Self) -> Self {
        Self {
            lo: self.lo.max(other.lo),
            hi: self.hi.max(other.hi),
        }
    }
}

/// Where a seat is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Standing {
    /// On sale.
    Free,
    /// Set aside until the time.
    Held(Owner, Span),
    /// Being bought until the time.
    Ordered(Owner, Span),
    /// Bought.
    Sold(Owner),
    /// Off sale.
    Blocked,
}

/// A seat.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Seat {
    pub(super) standing: Standing,
    /// Orders that lapsed while a payment was under way: money that comes late may take the seat again.
    lapsed: Vec<Owner>,
}

impl Default for Seat {
    fn default() -> Self {
        Self {
            standing: Standing::Free,
            lapsed: Vec::new(),
        }
    }
}

/// What an operation did to a seat, or saw of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// A hold until the time.
    Take(Owner, Span),
    /// A hold of this owner was refused because somebody else has the seat.
    Refused(Owner),
    /// The hold lasts until this time now.
    Extend(Owner, Span),
    /// The hold is given back.
    Release(Owner),
    /// An order takes the hold over, until the time; `may_be_paid` when a payment was ever asked for.
    Open(Owner, Option<Span>, bool),
    /// The order's money is set aside: the seat is sold.
    Sell(Owner),
    /// The money could not be moved: the sale is undone.
    Undo(Owner),
    /// The order is cancelled.
    Cancel(Owner),
    /// The sale is given back.
    Refund(Owner),
    /// Taken off sale.
    Block,
    /// Put on sale again.
    Unblock,
    /// The owner was told that the hold or order has lapsed.
    SawLapsed(Owner),
    /// The owner was told that the hold is active.
    SawHeld(Owner),
    /// The owner was told that the order is paid.
    SawSold(Owner),
    /// A look found it available.
    SawFree,
    /// A look found it held.
    SawTaken,
    /// A look found it sold.
    SawGone,
    /// A look found it blocked.
    SawBlocked,
}

impl Action {
    /// Whether it changes nothing by itself.
    pub(super) const fn is_look(self) -> bool {
        matches!(
            self,
            Self::Refused(_)
                | Self::SawLapsed(_)
                | Self::SawHeld(_)
                | Self::SawSold(_)
                | Self::SawFree
                | Self::SawTaken
                | Self::SawGone
                | Self::SawBlocked
        )
    }

    /// For people.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Take(..) => "hold",
            Self::Refused(_) => "refused as taken",
            Self::Extend(..) => "extend",
            Self::Release(_) => "release",
            Self::Open(..) => "order",
            Self::Sell(_) => "sold",
            Self::Undo(_) => "sale undone",
            Self::Cancel(_) => "cancel",
            Self::Refund(_) => "refund",
            Self::Block => "block",
            Self::Unblock => "unblock",
            Self::SawLapsed(_) => "told it lapsed",
            Self::SawHeld(_) => "told it is held",
            Self::SawSold(_) => "told it is paid",
            Self::SawFree => "seen available",
            Self::SawTaken => "seen held",
            Self::SawGone => "seen sold",
            Self::SawBlocked => "seen blocked",
        }
    }

    /// Whom it is about.
    pub(super) const fn owner(self) -> Option<Owner> {
        match self {
            Self::Take(owner, _)
            | Self::Refused(owner)
            | Self::Extend(owner, _)
            | Self::Release(owner)
            | Self::Open(owner, _, _)
            | Self::Sell(owner)
            | Self::Undo(owner)
            | Self::Cancel(owner)
            | Self::Refund(owner)
            | Self::SawLapsed(owner)
            | Self::SawHeld(owner)
            | Self::SawSold(owner) => Some(owner),
            Self::Block
            | Self::Unblock
            | Self::SawFree
            | Self::SawTaken
            | Self::SawGone
            | Self::SawBlocked => None,
        }
    }
}

impl Seat {
    /// The seat after an operation that the shard carried out when its clock was somewhere in `clock`; none when that
    /// cannot be.
    pub(super) fn after(&self, action: Action, clock: Span) -> Option<Self> {
        use Standing::{Blocked, Free, Held, Ordered, Sold};
        let standing = match (action, self.standing) {
            (Action::Take(owner, until), _) => {
                let free = self.freed(clock)?;
                return Some(free.becoming(Held(owner, until)));
            }
            (Action::Block, _) => return Some(self.freed(clock)?.becoming(Blocked)),
            (Action::SawFree, _) => return self.freed(clock),
            (Action::Refused(asking), Held(owner, until) | Ordered(owner, until)) => {
                (owner != asking && clock.lo < until.hi).then_some(self.standing)?
            }
            (Action::Refused(asking), Sold(owner)) => (owner != asking).then_some(self.standing)?,
            (Action::SawTaken, Held(_, until) | Ordered(_, until)) => {
                (clock.lo < until.hi).then_some(self.standing)?
            }
            (Action::SawGone, Sold(_)) | (Action::SawBlocked, Blocked) => self.standing,
            (Action::Unblock, Blocked) => Free,
            (Action::Extend(who, anew), Held(owner, until))
                if who == owner && clock.lo < until.hi =>
            {
                Held(owner, anew)
            }
            (Action::SawHeld(who), Held(owner, until)) if who == owner && clock.lo < until.hi => {
                self.standing
            }
            (Action::Release(who), Held(owner, until)) if who == owner && clock.lo < until.hi => {
                Free
            }
            (Action::Open(who, anew, may_be_paid), Held(owner, until))
                if who == owner && clock.lo < until.hi =>
            {
                let mut opened =
                    self.becoming(Ordered(owner, anew.map_or(until, |anew| until.later(anew))));
                if may_be_paid {
                    opened.lapsed.push(owner);
                }
                return Some(opened);
            }
            (Action::Cancel(who), Ordered(owner, until)) if who == owner && clock.lo < until.hi => {
                return Some(self.without(owner).becoming(Free));
            }
            (Action::Sell(who), Ordered(owner, _)) if who == owner => {
                return Some(self.without(owner).becoming(Sold(owner)));
            }
            (Action::Sell(who), _) if self.lapsed.contains(&who) => {
                return Some(self.freed(clock)?.without(who).becoming(Sold(who)));
            }
            (Action::Undo(who) | Action::Refund(who), Sold(owner)) if who == owner => Free,
            (Action::SawSold(who), Sold(owner)) if who == owner => self.standing,
            // A refusal is judged by the leader's clock and is not in the log: looks at the shard go by the shard's own
            // clock, and may find the seat held until that has moved as well.
            (Action::SawLapsed(who), Held(owner, until) | Ordered(owner, until))
                if who == owner =>
            {
                (clock.hi >= until.lo).then_some(self.standing)?
            }
            (Action::SawLapsed(_), _) => self.standing,
            _ => return None,
        };
        Some(self.becoming(standing))
    }

    fn becoming(&self, standing: Standing) -> Self {
        Self {
            standing,
            lapsed: self.lapsed.clone(),
        }
    }

    /// Without the right of a late payment to take the seat again.
    fn without(&self, owner: Owner) -> Self {
        let lapsed = self.lapsed.iter().copied().filter(|o| *o != owner);
        Self {
            standing: self.standing,
            lapsed: lapsed.collect(),
        }
    }

    /// The seat when nobody has it, which it may have to lapse for.
    fn freed(&self, clock: Span) -> Option<Self> {
        match self.standing {
            Standing::Free => Some(self.clone()),
            Standing::Held(_, until) | Standing::Ordered(_, until) => {
                (clock.hi >= until.lo).then(|| self.becoming(Standing::Free))
            }
            Standing::Sold(_) | Standing::Blocked => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Span {
        Span::exactly(ms)
    }

    fn seat_after(steps: &[(Action, Span)]) -> Option<Seat> {
        steps
            .iter()
            .try_fold(Seat::default(), |seat, (action, clock)| {
                seat.after(*action, *clock)
            })
    }

    #[test]
    fn a_seat_goes_from_free_to_sold_for_one_owner_only() {
        let sold = [
            (Action::Take(1, at(100)), at(0)),
            (Action::Open(1, None, true), at(10)),
            (Action::Sell(1), at(20)),
        ];
        assert_eq!(seat_after(&sold).unwrap().standing, Standing::Sold(1));
        for other in [
            Action::Take(2, at(200)),
            Action::Sell(2),
            Action::Release(1),
            Action::SawTaken,
        ] {
            let steps = [sold.as_slice(), &[(other, at(500))]].concat();
            assert_eq!(seat_after(&steps), None, "{other:?}");
        }
    }

    #[test]
    fn a_hold_lapses_when_the_clock_says_so_and_not_before() {
        let held = (Action::Take(1, at(100)), at(0));
        assert_eq!(
            seat_after(&[held, (Action::Take(2, at(300)), at(99))]),
            None
        );
        assert!(seat_after(&[held, (Action::Take(2, at(300)), at(100))]).is_some());
        assert!(seat_after(&[held, (Action::Open(1, None, false), at(99))]).is_some());
        assert_eq!(
            seat_after(&[held, (Action::Open(1, None, false), at(100))]),
            None
        );
        assert_eq!(seat_after(&[held, (Action::Refused(2), at(100))]), None);
        assert!(seat_after(&[held, (Action::Refused(2), at(99))]).is_some());
    }

    #[test]
    fn what_the_clock_leaves_open_may_be_either() {
        let held = (Action::Take(1, at(100)), at(0));
        let around = Span { lo: 90, hi: 110 };
        assert!(seat_after(&[held, (Action::Take(2, at(300)), around)]).is_some());
        assert!(seat_after(&[held, (Action::Refused(2), around)]).is_some());
    }

    #[test]
    fn nobody_is_refused_for_their_own_seat() {
        let held = (Action::Take(1, at(100)), at(0));
        assert_eq!(seat_after(&[held, (Action::Refused(1), at(10))]), None);
    }

    #[test]
    fn money_that_comes_late_takes_a_free_seat_again_but_not_a_cancelled_one() {
        let ordered = [
            (Action::Take(1, at(100)), at(0)),
            (Action::Open(1, None, true), at(10)),
        ];
        let lapsed = [
            ordered.as_slice(),
            &[(Action::SawFree, at(150)), (Action::Sell(1), at(200))],
        ]
        .concat();
        assert_eq!(seat_after(&lapsed).unwrap().standing, Standing::Sold(1));
        let cancelled = [
            ordered.as_slice(),
            &[(Action::Cancel(1), at(50)), (Action::Sell(1), at(60))],
        ]
        .concat();
        assert_eq!(seat_after(&cancelled), None);
    }
}
