//! Looks for an order of one seat's operations in which each does what it was said to have done.
//!
//! The algorithm is Wing and Gong's with Lowe's memory: take any operation that no other must precede, try it, and come
//! back when that leads nowhere; never try the same set of operations with the same seat twice. Two things keep it near
//! linear for real histories. An operation that fits now and leaves the seat as it is can be taken at once: whatever
//! order works, it still works with that one moved to the front. And sets are remembered as 128-bit sums, not as lists.
//!
//! Owns: the search and its bound. Must never: say "none" when it only ran out of steps.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};

use super::seat::{Action, Seat, Span};

/// One operation on one seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SeatOp {
    /// It happened at this time or later, ns since the origin.
    pub(super) start_ns: u64,
    /// And at this time or earlier.
    pub(super) end_ns: u64,
    pub(super) action: Action,
    /// What the shard's clock may have been.
    pub(super) clock: Span,
    /// It may never have happened.
    pub(super) optional: bool,
    /// Place of its call in the history.
    pub(super) call: usize,
}

/// What the search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// There is an order.
    Order,
    /// There is none. At best it comes to a seat of which none of these operations is possible.
    None {
        /// Places of the operations that wait, in the sorted list.
        stuck: Vec<usize>,
        /// The seat there.
        seat: Seat,
    },
    /// Out of steps.
    OutOfSteps,
}

/// Operations that are not yet placed, by start; place 0 is the head.
struct Waiting {
    next: Vec<u32>,
    before: Vec<u32>,
}

impl Waiting {
    fn new(count: usize) -> Self {
        let count = u32::try_from(count).unwrap_or(u32::MAX - 1);
        Self {
            next: (1..=count + 1).collect(),
            before: (0..=count + 1).map(|at| at.saturating_sub(1)).collect(),
        }
    }

    fn lift(&mut self, at: u32) {
        let (before, next) = (self.before[at as usize], self.next[at as usize]);
        self.next[before as usize] = next;
        self.before[next as usize] = before;
    }

    /// Undoes the last lift that is not undone.
    fn put_back(&mut self, at: u32) {
        let (before, next) = (self.before[at as usize], self.next[at as usize]);
        self.next[before as usize] = at;
        self.before[next as usize] = at;
    }
}

/// One choice that was made, and those that are left.
struct Frame {
    placed: u128,
    /// Latest start of what is placed: an optional operation that ended before has missed its time.
    reached_ns: u64,
    /// Taken because they changed nothing.
    looks: Vec<u32>,
    choices: Vec<(u32, Seat)>,
    chosen: Option<u32>,
}

struct Search<'o> {
    ops: &'o [SeatOp],
    waiting: Waiting,
    /// Definite operations not yet placed.
    left: usize,
    seen: HashSet<u128>,
    best_left: usize,
    stuck: Vec<usize>,
    stuck_seat: Seat,
}

/// Looks for an order. `ops` are sorted by start.
pub(super) fn search(ops: &[SeatOp], steps_max: u64) -> Found {
    debug_assert!(
        ops.is_sorted_by_key(|op| op.start_ns),
        "the search walks by start"
    );
    let mut search = Search {
        ops,
        waiting: Waiting::new(ops.len()),
        left: ops.iter().filter(|op| !op.optional).count(),
        seen: HashSet::new(),
        best_left: usize::MAX,
        stuck: Vec::new(),
        stuck_seat: Seat::default(),
    };
    search.run(steps_max)
}

impl Search<'_> {
    fn op(&self, at: u32) -> &SeatOp {
        &self.ops[at as usize - 1]
    }

    fn run(&mut self, steps_max: u64) -> Found {
        let mut steps = 0;
        let mut frames = vec![self.enter(Seat::default(), 0, 0)];
        while let Some(frame) = frames.last_mut() {
            if self.left == 0 {
                return Found::Order;
            }
            if let Some(chosen) = frame.chosen.take() {
                self.waiting.put_back(chosen);
                self.left += usize::from(!self.op(chosen).optional);
            }
            steps += 1;
            if steps > steps_max {
                return Found::OutOfSteps;
            }
            let Some((at, seat)) = frame.choices.pop() else {
                for &look in frame.looks.iter().rev() {
                    self.waiting.put_back(look);
                    self.left += usize::from(!self.op(look).optional);
                }
                frames.pop();
                continue;
            };
            let placed = frame.placed ^ mark(at);
            if !self.seen.insert(placed ^ sum(&seat)) {
                continue;
            }
            frame.chosen = Some(at);
            let reached_ns = frame.reached_ns.max(self.op(at).start_ns);
            self.waiting.lift(at);
            self.left -= usize::from(!self.op(at).optional);
            let entered = self.enter(seat, placed, reached_ns);
            frames.push(entered);
        }
        Found::None {
            stuck: std::mem::take(&mut self.stuck),
            seat: self.stuck_seat.clone(),
        }
    }

    /// Places everything that fits as the seat is, and lists what could come next.
    fn enter(&mut self, seat: Seat, mut placed: u128, mut reached_ns: u64) -> Frame {
        let (mut looks, mut choices, mut waits) = (Vec::new(), Vec::new(), Vec::new());
        let mut first_end_ns = u64::MAX;
        let mut at = self.waiting.next[0];
        while (at as usize) <= self.ops.len() {
            let op = *self.op(at);
            if op.start_ns > first_end_ns {
                break;
            }
            let after = seat.after(op.action, op.clock);
            if !op.optional && after.as_ref() == Some(&seat) {
                looks.push(at);
                placed ^= mark(at);
                reached_ns = reached_ns.max(op.start_ns);
                self.waiting.lift(at);
                self.left -= 1;
            } else {
                if !op.optional {
                    first_end_ns = first_end_ns.min(op.end_ns);
                    waits.push(at as usize - 1);
                }
                if let Some(after) = after {
                    choices.push((at, after));
                }
            }
            at = self.waiting.next[at as usize];
        }
        // An optional operation is of use only while nothing that began after its end is placed.
        choices.retain(|(at, after)| {
            let op = self.op(*at);
            !op.optional || (op.end_ns >= reached_ns && *after != seat)
        });
        // The last one is tried first: definite before optional, and those that must come first before others.
        let ops = self.ops;
        choices.sort_by_key(|(at, _)| {
            let op = &ops[*at as usize - 1];
            (!op.optional, std::cmp::Reverse(op.end_ns))
        });
        if self.left < self.best_left {
            self.best_left = self.left;
            self.stuck = waits;
            self.stuck_seat = seat.clone();
        }
        Frame {
            placed,
            reached_ns,
            looks,
            choices,
            chosen: None,
        }
    }
}

/// A number for an operation, so that a set of them has a sum.
fn mark(at: u32) -> u128 {
    let half = |salt: u64| {
        let mut mixed = (u64::from(at) ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    u128::from(half(0x5eed_0001_0000_0000)) << 64 | u128::from(half(0x5eed_0002_0000_0000))
}

fn sum(seat: &Seat) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, seat).hash(&mut hasher);
        hasher.finish()
    };
    u128::from(half(1)) << 64 | u128::from(half(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(start_ns: u64, end_ns: u64, action: Action) -> SeatOp {
        let clock = Span {
            lo: start_ns,
            hi: end_ns,
        };
        let call = 0;
        let optional = end_ns == u64::MAX;
        SeatOp {
            start_ns,
            end_ns,
            action,
            clock,
            optional,
            call,
        }
    }

    const LATER: Span = Span::exactly(1_000_000);

    #[test]
    fn operations_that_overlap_may_have_happened_in_either_order() {
        let ops = [
            op(0, 10, Action::Take(1, LATER)),
            op(20, 50, Action::Take(2, LATER)),
            op(30, 40, Action::Release(1)),
        ];
        assert_eq!(search(&ops, 100), Found::Order);
        let ops = [ops[0], op(20, 25, Action::Take(2, LATER)), ops[2]];
        assert!(matches!(search(&ops, 100), Found::None { stuck, .. } if stuck == [1]));
    }

    #[test]
    fn an_unknown_operation_may_explain_what_is_seen_later_or_nothing() {
        let unknown = op(0, u64::MAX, Action::Take(1, Span::ANY));
        assert_eq!(search(&[unknown], 100), Found::Order);
        let seen = [
            unknown,
            op(5, 6, Action::SawFree),
            op(10, 20, Action::SawTaken),
        ];
        assert_eq!(search(&seen, 100), Found::Order);
        assert!(matches!(search(&seen[1..], 100), Found::None { .. }));
    }

    #[test]
    fn the_seat_is_never_free_between_two_looks_that_find_it_sold() {
        let ops = [
            op(0, 10, Action::Take(1, LATER)),
            op(11, 12, Action::Open(1, None, true)),
            op(20, 90, Action::Sell(1)),
            op(30, 40, Action::SawGone),
            op(50, 60, Action::SawTaken),
        ];
        assert!(matches!(search(&ops, 1_000), Found::None { .. }));
        assert_eq!(search(&ops[..4], 1_000), Found::Order);
    }

    #[test]
    fn running_out_of_steps_is_not_an_answer() {
        let mut ops: Vec<SeatOp> = (0..12)
            .map(|n| op(0, u64::MAX, Action::Take(n, Span::ANY)))
            .collect();
        ops.push(op(1, 2, Action::SawGone));
        assert_eq!(search(&ops, 3), Found::OutOfSteps);
    }
}
