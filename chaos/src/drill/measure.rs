//! From wishes to figures: per second, around the faults, per show.
//!
//! Owns: the windows that are looked at. Must never: look at what the system said of itself; only at what users were told.

use std::collections::BTreeMap;

use holdfast_node_api::refs::ShowRef;
use holdfast_region_config::{NodeId, Topology};

use super::result::{Ambiguous, Bucket, FaultSpan, Quantiles, Recovery, Steady, Users, rank};
use super::tries::{End, Try, Wish};
use super::watch::Seen;
use crate::history::Op;
use crate::workload::scene::{Door, Stall};

/// Requests that began so long before a fault may feel it.
const BEFORE_S: f64 = 0.5;
/// Requests that begin so long after a fault still count as "around" it.
const AFTER_S: f64 = 5.0;
/// Open outcomes in the report; the history has all.
const AMBIGUOUS_MAX: usize = 2_000;

/// Everything that figures are made from.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) wishes: &'a [Wish],
    pub(super) doors: &'a [Door],
    pub(super) stalls: &'a [Stall],
    pub(super) faults: &'a [FaultSpan],
    pub(super) seen: &'a Seen,
    pub(super) topology: &'a Topology,
    pub(super) wan: bool,
    /// From when to when the steady state counts, s.
    pub(super) steady_s: (f64, f64),
    /// End of the workloads, s.
    pub(super) end_s: f64,
}

impl Facts<'_> {
    fn users(&self) -> impl Iterator<Item = &Wish> {
        self.wishes.iter().filter(|wish| !wish.is_probe)
    }

    fn user_tries(&self) -> impl Iterator<Item = (&Wish, &Try)> {
        self.users()
            .flat_map(|wish| wish.tries.iter().map(move |one| (wish, one)))
    }

    /// Whether something that began then is around a fault.
    fn is_around(&self, at_s: f64) -> bool {
        let around = |fault: &FaultSpan| {
            let until = (fault.from_s + AFTER_S).max(fault.on_s);
            (fault.from_s - BEFORE_S..=until).contains(&at_s)
        };
        self.faults.iter().any(around)
    }

    /// What physics asks of a hold, ms: to the leader of that moment, and its commit. `None` without a network.
    fn floor_ms(&self, show: &str, door: usize, at_s: f64) -> Option<f64> {
        if !self.wan {
            return None;
        }
        let ShowRef(show_id) = show.parse().ok()?;
        let led = self.seen.leader_at(show_id, at_s)?;
        let leader = self.topology.region_of(NodeId::new(led.leader))?;
        let others = led.voters.iter().filter(|voter| **voter != led.leader);
        let others = others.filter_map(|voter| self.topology.region_of(NodeId::new(*voter)));
        let rtt = &self.topology.rtt;
        let user = &self.doors.get(door)?.region;
        let way = if user == leader {
            std::time::Duration::ZERO
        } else {
            rtt.between(user, leader)
        };
        let floor = way + rtt.commit_floor(leader, others);
        let floor_ms = floor.as_secs_f64() * 1_000.0;
        (floor_ms > 0.0).then_some(floor_ms)
    }

    /// Per second and region.
    pub(super) fn series(&self) -> Vec<Bucket> {
        let mut buckets: BTreeMap<(u32, usize), Cell> = BTreeMap::new();
        let last = second(self.end_s);
        for at in 0..=last {
            for door in 0..self.doors.len() {
                buckets.entry((at, door)).or_default();
            }
        }
        for (wish, one) in self.user_tries() {
            let Some(done_s) = one.done_s.filter(|done| *done <= self.end_s) else {
                continue;
            };
            let cell = buckets.entry((second(done_s), one.door)).or_default();
            match one.end {
                End::Yes | End::No => cell.answered += 1,
                End::Failed => cell.failed += 1,
                End::Pending | End::Abandoned => {}
            }
            if wish.op == Op::Hold && one.end == End::Yes {
                cell.holds_ms.push((done_s - one.sent_s) * 1_000.0);
                cell.floors_ms
                    .extend(self.floor_ms(&wish.show, one.door, one.sent_s));
            }
        }
        let each = buckets.into_iter();
        each.map(|((at_s, door), cell)| cell.bucket(at_s, self.doors[door].region.to_string()))
            .collect()
    }

    /// Before anything was broken.
    pub(super) fn steady(&self) -> Steady {
        let (from, to) = self.steady_s;
        let (mut answered, mut failed) = (0_u32, 0_u32);
        let mut ratios = Vec::new();
        for (wish, one) in self.user_tries() {
            let Some(done_s) = one.done_s.filter(|done| (from..to).contains(done)) else {
                continue;
            };
            match one.end {
                End::Yes | End::No => answered += 1,
                End::Failed => failed += 1,
                End::Pending | End::Abandoned => {}
            }
            let floor = self.floor_ms(&wish.show, one.door, one.sent_s);
            if wish.op == Op::Hold && one.end == End::Yes && wish.tries.len() == 1 {
                let took_ms = (done_s - one.sent_s) * 1_000.0;
                ratios.extend(floor.map(|floor| took_ms / floor));
            }
        }
        ratios.sort_by(f64::total_cmp);
        let at = |share| rank(ratios.len(), share).map(|rank| ratios[rank]);
        Steady {
            for_s: to - from,
            ops_rate: f64::from(answered) / (to - from),
            error_ratio: f64::from(failed) / f64::from((answered + failed).max(1)),
            hold_floor_ratio_p50: at(0.5),
            hold_floor_ratio_p99: at(0.99),
            false_failovers: 0,
        }
    }

    /// What users noticed; those of the regions `stranded` could not be served for a while.
    pub(super) fn users_saw(&self, stranded: &[String]) -> Users {
        let mut users = Users::default();
        let (mut waits, mut waits_stranded) = (Vec::new(), Vec::new());
        for wish in self.users() {
            users.requests += 1;
            let wait = wish.wait_s(self.end_s);
            // A wish that was abandoned on purpose never had a caller who waited.
            users.unanswered += u64::from(wait.is_none());
            if self.is_around(wish.began_s()) {
                users.around_faults += 1;
                let region = self.doors[wish.door()].region.as_str();
                if stranded.iter().any(|stranded| stranded == region) {
                    waits_stranded.push(wait);
                } else {
                    waits.push(wait);
                }
            }
        }
        let mut tries = 0_u64;
        let in_time = |one: &Try| one.done_s.is_some_and(|done| done <= self.end_s);
        for (_, one) in self.user_tries().filter(|(_, one)| in_time(one)) {
            tries += 1;
            if one.end == End::Failed {
                *users.failed_tries.entry(one.code.clone()).or_default() += 1;
            }
        }
        let failed: u64 = users.failed_tries.values().sum();
        users.error_ratio = ratio(failed, tries);
        users.wait = Quantiles::of(waits);
        users.wait_stranded = Quantiles::of(waits_stranded);
        users
    }

    /// When each show took a write again, after each fault.
    pub(super) fn recovery(&self) -> Vec<Recovery> {
        let mut all = Vec::new();
        for (fault, span) in self.faults.iter().enumerate() {
            // Load and gateways do not stop a show; what they do to users is measured elsewhere.
            if span.nodes.is_empty() {
                continue;
            }
            for stall in self.stalls.iter().filter(|stall| stall.room.is_none()) {
                let tries = self
                    .wishes
                    .iter()
                    .filter(|wish| wish.is_probe && wish.show == stall.show)
                    .flat_map(|wish| &wish.tries);
                let acknowledged = tries
                    .filter(|one| one.end == End::Yes && one.sent_s >= span.on_s)
                    .filter_map(|one| one.done_s)
                    .reduce(f64::min);
                all.push(Recovery {
                    show: stall.show.clone(),
                    hot: !stall.idle,
                    fault,
                    rto_s: acknowledged.map(|at| at - span.from_s),
                });
            }
        }
        all
    }

    /// Writes whose callers did not learn the outcome at once, and what came of them.
    pub(super) fn ambiguous(&self) -> Vec<Ambiguous> {
        let open = |wish: &&Wish| {
            let ends = wish.tries.iter().map(|one| one.end);
            ends.clone()
                .any(|end| matches!(end, End::Failed | End::Abandoned))
        };
        // Those that nobody resolved come first: they must not be cut off.
        let (mut unresolved, resolved): (Vec<_>, Vec<_>) = self
            .wishes
            .iter()
            .filter(open)
            .map(|wish| self.resolution(wish))
            .partition(|one| one.resolution.is_empty());
        unresolved.extend(resolved.into_iter().take(AMBIGUOUS_MAX));
        unresolved
    }

    fn resolution(&self, wish: &Wish) -> Ambiguous {
        let first = wish
            .tries
            .iter()
            .find(|one| matches!(one.end, End::Failed | End::Abandoned));
        let why = first.map_or("", |one| match one.end {
            End::Abandoned => "gave_up_waiting",
            _ => one.code.as_str(),
        });
        let resolution = wish.answer().map_or_else(String::new, |answer| {
            let what = if answer.end == End::Yes {
                "done".to_owned()
            } else {
                format!("refused, {}", answer.code)
            };
            let when = if answer.sent_s > self.end_s {
                "after the drill".to_owned()
            } else {
                let after = answer.done_s.unwrap_or(answer.sent_s) - wish.began_s();
                format!("after {after:.1} s")
            };
            format!("asked again with the same key {when}: {what}")
        });
        Ambiguous {
            at_s: wish.began_s(),
            op: format!("{:?}", wish.op).to_lowercase(),
            subject: wish.subject.clone(),
            key: wish.key.clone(),
            why: why.to_owned(),
            resolution,
        }
    }
}

/// What is counted in one second of one region.
#[derive(Debug, Default)]
struct Cell {
    answered: u32,
    failed: u32,
    holds_ms: Vec<f64>,
    floors_ms: Vec<f64>,
}

impl Cell {
    fn bucket(mut self, at_s: u32, region: String) -> Bucket {
        self.holds_ms.sort_by(f64::total_cmp);
        let at = |share| rank(self.holds_ms.len(), share).map(|rank| self.holds_ms[rank]);
        let floors = u32::try_from(self.floors_ms.len()).unwrap_or(u32::MAX);
        let floor_ms = self.floors_ms.iter().sum::<f64>() / f64::from(floors);
        Bucket {
            at_s,
            region,
            answered: self.answered,
            failed: self.failed,
            hold_p50_ms: at(0.5),
            hold_p99_ms: at(0.99),
            floor_ms: (floors > 0).then_some(floor_ms),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds of a drill"
)]
fn second(at_s: f64) -> u32 {
    at_s.max(0.0) as u32
}

pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    figure(part) / figure(whole.max(1))
}

/// A count as a figure.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a drill are far below 2^53"
)]
pub(super) fn figure(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
