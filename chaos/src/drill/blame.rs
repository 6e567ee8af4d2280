//! Who was affected by what: leader changes with their reasons, and the observed blast radius.
//!
//! Owns: what counts as a reason. Must never: find a reason for a change that the faults do not explain.

use std::collections::{BTreeSet, HashMap};

use holdfast_region_config::{NodeId, Topology};

use super::measure::{Facts, ratio};
use super::result::{Blast, CommandRun, FaultSpan, LeaderChange, Quantiles};
use super::tries::{End, Wish};
use super::watch::{Change, Seen, show_name};
use crate::history::Op;
use crate::workload::scene::Stall;

/// A fault is a reason for so long after it was healed: nodes come back, leaders settle.
const SETTLE_S: f64 = 10.0;
/// A request was kept waiting when it took longer than this, s, and longer by this factor than its kind used to take, median.
const WAIT_S: f64 = 0.75;
const WAIT_FACTOR: f64 = 3.0;
/// Fewer affected requests of a region than this are no pattern.
const NOTICED_MIN: usize = 2;

/// Adds the reason to every change.
pub(super) fn reasons(
    seen: &Seen,
    faults: &[FaultSpan],
    commands: &[CommandRun],
    stalls: &[Stall],
    topology: &Topology,
) -> Vec<LeaderChange> {
    let name = |node: u64| NodeId::new(node).to_string();
    let changes = seen.changes.iter();
    changes
        .map(|change| LeaderChange {
            at_s: change.at_s,
            show: show_name(change.show_id),
            from: name(change.from),
            to: name(change.to),
            term: change.term,
            because: reason(change, faults, commands, stalls, topology),
        })
        .collect()
}

fn reason(
    change: &Change,
    faults: &[FaultSpan],
    commands: &[CommandRun],
    stalls: &[Stall],
    topology: &Topology,
) -> String {
    let node = NodeId::new(change.from).to_string();
    // Newest first: of two that fit the later one is more likely the reason.
    for fault in faults.iter().rev() {
        let lasts = fault.from_s - 0.5..=fault.to_s + SETTLE_S;
        if lasts.contains(&change.at_s) && fault.nodes.contains(&node) {
            return fault.text.clone();
        }
    }
    for run in commands.iter().rev() {
        let lasts = run.at_s..=run.at_s + run.took_s + SETTLE_S;
        if lasts.contains(&change.at_s) {
            return run.text.clone();
        }
    }
    let show = show_name(change.show_id);
    let home = stalls.iter().find(|stall| stall.show == show);
    let to = topology.region_of(NodeId::new(change.to));
    let returns = home
        .zip(to)
        .is_some_and(|(stall, to)| stall.home == to.as_str());
    if returns && change.from != change.to {
        return "return to the home region".to_owned();
    }
    String::new()
}

/// What was affected, beside what was predicted.
pub(super) fn blast(facts: &Facts<'_>, changes: &[LeaderChange], predicted: Blast) -> Blast {
    let first_s = facts
        .faults
        .iter()
        .map(|fault| fault.from_s)
        .reduce(f64::min);
    let Some(first_s) = first_s else {
        return predicted;
    };
    let patience_s = patience_s(facts);
    let users = facts.wishes.iter().filter(|wish| !wish.is_probe);
    let users: Vec<&Wish> = users.filter(|wish| wish.began_s() <= facts.end_s).collect();
    let affected: Vec<&Wish> = users
        .iter()
        .filter(|wish| {
            let patience_s = patience_s.get(&wish.op).copied().unwrap_or(WAIT_S);
            is_affected(wish, first_s, patience_s, facts.end_s)
        })
        .copied()
        .collect();
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    Blast {
        observed_regions: regions(facts, &affected),
        observed_shows_ratio: ratio(
            shows_hit(facts, changes, first_s),
            count(facts.stalls.len()),
        ),
        observed_requests_ratio: ratio(count(affected.len()), count(users.len())),
        observed_for_s: noticed_for_s(facts, &affected),
        ..predicted
    }
}

/// From when on a request of each kind was kept waiting, s.
fn patience_s(facts: &Facts<'_>) -> HashMap<Op, f64> {
    let (from, to) = facts.steady_s;
    let mut waits: HashMap<Op, Vec<Option<f64>>> = HashMap::new();
    let calm = facts.wishes.iter().filter(|wish| !wish.is_probe);
    for wish in calm.filter(|wish| (from..to).contains(&wish.began_s())) {
        let wait = wish.wait_s(facts.end_s);
        waits.entry(wish.op).or_default().push(wait);
    }
    let each = waits.into_iter().map(|(op, waits)| {
        let usual = Quantiles::of(waits).p50_s.unwrap_or(0.0);
        (op, (usual * WAIT_FACTOR).max(WAIT_S))
    });
    each.collect()
}

fn is_affected(wish: &Wish, first_s: f64, patience_s: f64, end_s: f64) -> bool {
    let felt = wish.tries.iter().any(|one| {
        let when = one.done_s.unwrap_or(f64::INFINITY);
        one.end == End::Failed && when >= first_s
    });
    // Who gives up early on purpose does not notice more than a second try.
    let wait = wish.wait_s(end_s);
    let waited = match wait {
        Some(wait) => wait > patience_s && wish.began_s() + wait >= first_s,
        None => wish.began_s() + patience_s < end_s,
    };
    felt || waited
}

fn regions(facts: &Facts<'_>, affected: &[&Wish]) -> Vec<String> {
    let doors = facts.doors.iter().enumerate();
    doors
        .filter(|(at, _)| {
            let here = affected.iter().filter(|wish| wish.door() == *at);
            here.count() >= NOTICED_MIN
        })
        .map(|(_, door)| door.region.to_string())
        .collect()
}

/// Shows that had no leader for a while, or another one because of a fault.
fn shows_hit(facts: &Facts<'_>, changes: &[LeaderChange], first_s: f64) -> u64 {
    let moved = changes
        .iter()
        .filter(|change| change.at_s >= first_s && change.because != "return to the home region")
        .map(|change| change.show.clone());
    let leaderless = facts.seen.leaderless.iter();
    let leaderless = leaderless
        .filter(|(at_s, _)| *at_s >= first_s && *at_s <= facts.end_s)
        .map(|(_, show_id)| show_name(*show_id));
    let hit: BTreeSet<String> = moved.chain(leaderless).collect();
    u64::try_from(hit.len()).unwrap_or(u64::MAX)
}

/// From the newest start or heal of a fault to the end of the wait, the longest.
fn noticed_for_s(facts: &Facts<'_>, affected: &[&Wish]) -> f64 {
    let longest = affected.iter().filter_map(|wish| {
        let end_s = wish.began_s() + wish.wait_s(facts.end_s).unwrap_or(0.0);
        Some(end_s - turn_behind(facts.faults, wish.began_s(), end_s)?)
    });
    longest.fold(0.0, f64::max)
}

/// The start or heal of a fault that a wait is put down to, if any came before its end. A fault that hits a request on its way
/// counts, however long that was under way: a payment takes several trips. A wait that a heal ended was the fault's, not the heal's.
fn turn_behind(faults: &[FaultSpan], began_s: f64, end_s: f64) -> Option<f64> {
    let starts = faults.iter().map(|fault| fault.from_s);
    let starts = starts.filter(|at| *at <= end_s);
    let heals = faults.iter().map(|fault| fault.to_s);
    let heals = heals.filter(|at| *at <= began_s + 0.5);
    starts.chain(heals).reduce(f64::max)
}

#[cfg(test)]
mod tests;
