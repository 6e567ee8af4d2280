//! The smallest part of a seat's story that no order explains.
//!
//! Leaving an operation out of a story can make a good one bad: without the release, the next hold looks wrong. So only that
//! is left out which could not have made it good: what begins later, looks, whole lives of owners that no remaining look
//! can have seen, and the last steps of a life. Whatever remains unexplained is unexplained in the whole story too.
//!
//! Owns: those rules and the halving search (delta debugging) over them. Must never: return a part that can be explained.

use super::search::SeatOp;
use super::seat::{Action, Owner};

/// Trials of one shrinking, at most; each is a search.
const TRIALS_MAX: usize = 3_000;

/// A part and when it was cut: what had not ended by then counts as unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// By start.
    pub(super) ops: Vec<SeatOp>,
    /// ns since the origin.
    pub(super) until_ns: u64,
}

/// Shrinks a story that `unexplained` holds of; it is asked for every candidate.
pub(super) fn shrink(ops: &[SeatOp], mut unexplained: impl FnMut(&[SeatOp]) -> bool) -> Part {
    let (mut ops, until_ns) = shortest_prefix(ops, &mut unexplained);
    let mut trials = 0;
    loop {
        let before = ops.len();
        for kind in [Kind::Looks, Kind::Lives, Kind::Steps] {
            ops = without_units(ops, kind, &mut trials, &mut unexplained);
        }
        if ops.len() == before || trials >= TRIALS_MAX {
            return Part { ops, until_ns };
        }
    }
}

/// The story as it was known at a time: what had begun by then; what had not ended by then may or may not have happened.
fn known_at(ops: &[SeatOp], t_ns: u64) -> Vec<SeatOp> {
    let begun = ops.iter().filter(|op| op.start_ns <= t_ns);
    let known = begun.filter(|op| op.end_ns <= t_ns || !op.action.is_look());
    let known = known.map(|op| {
        if op.end_ns <= t_ns {
            return *op;
        }
        SeatOp {
            end_ns: u64::MAX,
            optional: true,
            ..*op
        }
    });
    known.collect()
}

/// What is unexplained stays so as more becomes known, so the earliest time can be found by halving.
fn shortest_prefix(
    ops: &[SeatOp],
    unexplained: &mut impl FnMut(&[SeatOp]) -> bool,
) -> (Vec<SeatOp>, u64) {
    let mut ends: Vec<u64> = ops
        .iter()
        .filter(|op| !op.optional)
        .map(|op| op.end_ns)
        .collect();
    ends.sort_unstable();
    ends.dedup();
    let first_bad = ends.partition_point(|end_ns| !unexplained(&known_at(ops, *end_ns)));
    match ends.get(first_bad) {
        Some(end_ns) => (known_at(ops, *end_ns), *end_ns),
        None => (ops.to_vec(), u64::MAX),
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Looks,
    Lives,
    Steps,
}

/// Tries to leave out units of a kind, many at a time at first, then fewer.
fn without_units(
    mut ops: Vec<SeatOp>,
    kind: Kind,
    trials: &mut usize,
    unexplained: &mut impl FnMut(&[SeatOp]) -> bool,
) -> Vec<SeatOp> {
    let mut size = units(&ops, kind).len().max(1);
    loop {
        let mut at = 0;
        loop {
            let units = units(&ops, kind);
            if at >= units.len() || *trials >= TRIALS_MAX {
                break;
            }
            let chosen: Vec<usize> = units[at..units.len().min(at + size)].concat();
            let rest = without(&ops, &chosen);
            if may_leave_out(&ops, &chosen, &rest) {
                *trials += 1;
                if unexplained(&rest) {
                    ops = rest;
                    continue;
                }
            }
            at += size;
        }
        if size == 1 {
            return ops;
        }
        size = size.div_ceil(2);
    }
}

fn without(ops: &[SeatOp], places: &[usize]) -> Vec<SeatOp> {
    let kept = ops
        .iter()
        .enumerate()
        .filter(|(at, _)| !places.contains(at));
    kept.map(|(_, op)| *op).collect()
}

/// Places of what can be left out together.
fn units(ops: &[SeatOp], kind: Kind) -> Vec<Vec<usize>> {
    let places = ops.iter().enumerate();
    match kind {
        Kind::Looks => places
            .filter(|(_, op)| op.action.is_look())
            .map(|(at, _)| vec![at])
            .collect(),
        Kind::Lives => owners(ops)
            .into_iter()
            .map(|owner| life(ops, owner))
            .collect(),
        Kind::Steps => {
            let last = |owner: &Owner| {
                life(ops, *owner)
                    .into_iter()
                    .rfind(|at| !ops[*at].action.is_look())
            };
            let last = owners(ops).iter().filter_map(last).collect::<Vec<usize>>();
            let tail = |at: &usize| {
                matches!(
                    ops[*at].action,
                    Action::Extend(..) | Action::Open(..) | Action::Sell(_)
                )
            };
            last.into_iter().filter(tail).map(|at| vec![at]).collect()
        }
    }
}

fn owners(ops: &[SeatOp]) -> Vec<Owner> {
    let mut owners = Vec::new();
    for op in ops {
        if let Action::Take(owner, _) = op.action
            && !owners.contains(&owner)
        {
            owners.push(owner);
        }
    }
    owners
}

/// Everything that an owner did and was told about the seat as its owner.
fn life(ops: &[SeatOp], owner: Owner) -> Vec<usize> {
    let of =
        |op: &SeatOp| op.action.owner() == Some(owner) && !matches!(op.action, Action::Refused(_));
    ops.iter()
        .enumerate()
        .filter(|(_, op)| of(op))
        .map(|(at, _)| at)
        .collect()
}

/// Whether leaving these out cannot make a good story bad: no look that stays may have seen them.
fn may_leave_out(ops: &[SeatOp], chosen: &[usize], rest: &[SeatOp]) -> bool {
    chosen.iter().map(|at| &ops[*at]).all(|op| {
        let Some(owner) = op.action.owner().filter(|_| !op.action.is_look()) else {
            return true;
        };
        let until_ns = over_by(ops, owner);
        let saw = |look: &SeatOp| {
            let sees = match look.action {
                Action::Refused(asking) => asking != owner,
                Action::SawTaken | Action::SawGone => true,
                Action::SawHeld(who) | Action::SawSold(who) | Action::SawLapsed(who) => {
                    who == owner
                }
                _ => false,
            };
            sees && look.end_ns >= op.start_ns && look.start_ns <= until_ns
        };
        !rest.iter().any(saw)
    })
}

/// When an owner surely has the seat no more, ns since the origin.
fn over_by(ops: &[SeatOp], owner: Owner) -> u64 {
    let ended = ops.iter().filter(|op| {
        let ends = matches!(op.action, Action::Release(who) | Action::Cancel(who) | Action::Refund(who) if who == owner);
        ends && !op.optional
    });
    ended.map(|op| op.end_ns).min().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::search::{Found, search};
    use super::super::seat::Span;
    use super::*;

    fn op(start_ns: u64, action: Action) -> SeatOp {
        SeatOp {
            start_ns,
            end_ns: start_ns + 5,
            action,
            clock: Span::exactly(start_ns),
            optional: false,
            call: usize::try_from(start_ns).unwrap(),
        }
    }

    fn unexplained(ops: &[SeatOp]) -> bool {
        matches!(search(ops, 10_000), Found::None { .. })
    }

    const LATER: Span = Span::exactly(1_000_000);

    #[test]
    fn two_sales_remain_of_a_long_story() {
        let mut ops = Vec::new();
        for round in 0..50 {
            let t = u64::from(round) * 100;
            ops.push(op(t, Action::Take(round, LATER)));
            ops.push(op(t + 10, Action::Refused(1_000 + round)));
            ops.push(op(t + 20, Action::SawTaken));
            ops.push(op(t + 30, Action::Release(round)));
            ops.push(op(t + 40, Action::SawFree));
        }
        for owner in [500, 501] {
            let t = 6_000 + u64::from(owner) * 100;
            ops.push(op(t, Action::Take(owner, LATER)));
            ops.push(op(t + 10, Action::Open(owner, None, true)));
            ops.push(op(t + 20, Action::Sell(owner)));
        }
        ops.push(op(90_000, Action::SawGone));
        let part = shrink(&ops, unexplained);
        let actions: Vec<_> = part.ops.iter().map(|op| op.action).collect();
        assert_eq!(
            actions,
            [Action::Take(500, LATER), Action::Take(501, LATER)]
        );
        assert!(unexplained(&part.ops));
    }

    #[test]
    fn the_release_that_makes_a_hold_right_is_not_left_out() {
        let good = [
            op(0, Action::Take(1, LATER)),
            op(10, Action::Release(1)),
            op(20, Action::Take(2, LATER)),
            op(30, Action::SawTaken),
        ];
        assert!(!unexplained(&good));
        let bad = [&good[..], &[op(40, Action::SawFree)]].concat();
        let part = shrink(&bad, unexplained);
        let actions: Vec<_> = part.ops.iter().map(|op| op.action).collect();
        assert_eq!(actions, [Action::Take(2, LATER), Action::SawFree]);
    }
}
