//! The expectations a drill can have: a name, a sentence, and where its figure comes from.
//!
//! Owns: the list. Must never: take a figure that was not measured for a good one.

use super::measure::figure;
use super::promise::Promise;
use super::result::{DrillResult, Expectation, SpikeSeen};

/// One kind of expectation.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// As in drill files. Ends in `_max` or `_min`.
    pub name: &'static str,
    /// In words, without the bound.
    pub text: &'static str,
    /// Which promise it tells about.
    pub promise: Promise,
    /// The bound that holds in every drill that names no other; `None` = only where asked for.
    pub always: Option<f64>,
    measure: fn(&DrillResult) -> Option<f64>,
}

const fn rule(
    name: &'static str,
    text: &'static str,
    promise: Promise,
    measure: fn(&DrillResult) -> Option<f64>,
) -> Rule {
    Rule {
        name,
        text,
        promise,
        always: None,
        measure,
    }
}

const fn always(bound: f64, rule: Rule) -> Rule {
    Rule {
        always: Some(bound),
        ..rule
    }
}

/// All of them, in the order of reports.
pub const RULES: &[Rule] = &[
    always(
        0.0,
        rule(
            "violations_max",
            "violations that the checker found",
            Promise::NoDoubleSale,
            violations,
        ),
    ),
    always(
        0.0,
        rule(
            "unchecked_max",
            "checks that did not come to their end",
            Promise::NoDoubleSale,
            |r| Some(count(r.checks.iter().filter(|check| !check.complete))),
        ),
    ),
    always(
        0.0,
        rule(
            "lost_max",
            "acknowledged operations lost",
            Promise::NothingLost,
            |r| Some(count(r.rpo.lost.iter())),
        ),
    ),
    always(
        0.0,
        rule(
            "unread_max",
            "acknowledged operations that could not be looked up",
            Promise::NothingLost,
            |r| Some(figure(r.rpo.unread)),
        ),
    ),
    always(
        0.0,
        rule(
            "unresolved_max",
            "open outcomes not resolved",
            Promise::AmbiguousResolved,
            |r| {
                Some(count(
                    r.ambiguous.iter().filter(|one| one.resolution.is_empty()),
                ))
            },
        ),
    ),
    always(
        0.0,
        rule(
            "disagreeing_shows_max",
            "shows whose replicas differ at the end",
            Promise::ReplicasAgree,
            |r| Some(figure(r.replicas.shows.saturating_sub(r.replicas.agreed))),
        ),
    ),
    always(
        0.0,
        rule(
            "invariant_violations_max",
            "broken invariants that replicas counted",
            Promise::ReplicasAgree,
            |r| Some(figure(r.replicas.invariant_violations)),
        ),
    ),
    always(
        0.0,
        rule(
            "blast_excess_max",
            "predictions of the blast radius exceeded",
            Promise::BlastRadius,
            |r| Some(count(r.blast.excesses().iter())),
        ),
    ),
    always(
        0.0,
        rule(
            "never_recovered_max",
            "shows that never took a write again",
            Promise::Recovery,
            |r| Some(figure_of(r.rto_hot.never + r.rto_idle.never)),
        ),
    ),
    rule(
        "rto_p50_s_max",
        "recovery time of a show, median, s",
        Promise::Recovery,
        |r| r.rto_all().p50_s,
    ),
    rule(
        "rto_max_s_max",
        "recovery time of a show, greatest, s",
        Promise::Recovery,
        |r| r.rto_all().max_s,
    ),
    rule(
        "rto_hot_p50_s_max",
        "recovery time of a hot show, median, s",
        Promise::Recovery,
        |r| r.rto_hot.p50_s,
    ),
    rule(
        "rto_hot_max_s_max",
        "recovery time of a hot show, greatest, s",
        Promise::Recovery,
        |r| r.rto_hot.max_s,
    ),
    rule(
        "rto_idle_p50_s_max",
        "recovery time of an idle show, median, s",
        Promise::Wake,
        |r| r.rto_idle.p50_s,
    ),
    rule(
        "rto_idle_max_s_max",
        "recovery time of an idle show, greatest, s",
        Promise::Wake,
        |r| r.rto_idle.max_s,
    ),
    rule(
        "user_visible_p99_s_max",
        "time until a user has a definite answer around the faults, 99th percentile, s",
        Promise::UserVisible,
        |r| r.users.wait.p99_s,
    ),
    rule(
        "error_ratio_max",
        "share of tries that failed over the whole run",
        Promise::UserVisible,
        |r| Some(r.users.error_ratio),
    ),
    rule(
        "failed_tries_max",
        "tries that failed over the whole run",
        Promise::PlannedMove,
        |r| Some(figure(r.users.failed_tries.values().sum())),
    ),
    rule(
        "command_s_max",
        "time of the slowest operator command, s",
        Promise::PlannedMove,
        |r| r.commands.iter().map(|run| run.took_s).reduce(f64::max),
    ),
    rule(
        "false_failovers_max",
        "leader changes without a cause",
        Promise::NoFalseFailover,
        |r| {
            Some(count(
                r.leader_changes
                    .iter()
                    .filter(|change| change.because.is_empty()),
            ))
        },
    ),
    rule(
        "steady_floor_ratio_p50_max",
        "undisturbed hold ÷ floor, median",
        Promise::HoldLatency,
        |r| r.steady.hold_floor_ratio_p50,
    ),
    rule(
        "steady_floor_ratio_p99_max",
        "undisturbed hold ÷ floor, 99th percentile",
        Promise::HoldLatency,
        |r| r.steady.hold_floor_ratio_p99,
    ),
    rule(
        "back_s_max",
        "time until all processes were ready again after the last heal, s",
        Promise::Restart,
        |r| r.replicas.back_s,
    ),
    rule(
        "converged_s_max",
        "time until all replicas agreed, s",
        Promise::ReplicasAgree,
        |r| r.replicas.took_s,
    ),
    rule(
        "sales_min",
        "sales acknowledged during the drill",
        Promise::UserVisible,
        |r| Some(figure(r.rpo.acknowledged_sales)),
    ),
    rule(
        "dns_out_s_max",
        "time until no DNS answer has a lost region's addresses, s",
        Promise::Steering,
        |r| worst(&r.dns.as_ref()?.lost, |lost| lost.out_s),
    ),
    rule(
        "dns_back_s_max",
        "time until DNS answers have them again after the heal, s",
        Promise::Steering,
        |r| worst(&r.dns.as_ref()?.lost, |lost| lost.back_s),
    ),
    rule(
        "dns_unanswered_max",
        "questions that servers in regions without a fault did not answer",
        Promise::Steering,
        |r| r.dns.as_ref().map(|dns| figure(dns.unanswered)),
    ),
    rule(
        "room_over_capacity_max",
        "people too many in a waiting room's show at the worst moment",
        Promise::FairLine,
        |r| worst(&r.rooms, |room| Some(figure(room.over_capacity()))),
    ),
    rule(
        "room_unserved_max",
        "people who stayed in line and did not get in",
        Promise::FairLine,
        |r| worst(&r.rooms, |room| Some(figure(room.unserved))),
    ),
    rule(
        "room_unproven_max",
        "places in line that the published seed does not make",
        Promise::FairLine,
        |r| worst(&r.rooms, |room| Some(figure(room.unproven))),
    ),
    rule(
        "room_threshold_falls_max",
        "answers with a lower threshold than the one before",
        Promise::FairLine,
        |r| worst(&r.rooms, |room| Some(figure(room.threshold_falls))),
    ),
    rule(
        "room_draw_chi_square_max",
        "χ² of the draw over equal parts (5 degrees of freedom)",
        Promise::FairLine,
        |r| worst(&r.rooms, |room| room.draw_chi_square),
    ),
    rule(
        "room_draw_rank_max",
        "rank correlation of arrival and place drawn, without its sign",
        Promise::FairLine,
        |r| worst(&r.rooms, |room| room.draw_rank.map(f64::abs)),
    ),
    rule(
        "room_order_rank_min",
        "rank correlation of place in line and time of the turn",
        Promise::FairLine,
        |r| worst(&r.rooms, |room| room.order_rank.map(|rank| -rank)).map(|worst| -worst),
    ),
    rule(
        "room_standstill_s_max",
        "longest time in which somebody waited and nobody got in, s",
        Promise::FairLine,
        |r| worst(&r.rooms, |room| room.standstill_s),
    ),
    rule(
        "room_came_in_min",
        "people who got in",
        Promise::FairLine,
        |r| worst(&r.rooms, |room| Some(-figure(room.came_in))).map(|worst| -worst),
    ),
    rule(
        "money_refused_max",
        "tries of orders and payments in a load spike that were refused at the door or failed",
        Promise::PaidFirst,
        |r| worst(&r.spikes, |spike| Some(figure(spike.money_refused))),
    ),
    rule(
        "spike_paid_min",
        "payments confirmed in a load spike",
        Promise::PaidFirst,
        |r| worst(&r.spikes, |spike| Some(-figure(spike.paid))).map(|worst| -worst),
    ),
    rule(
        "spike_shed_min",
        "onlookers' questions turned away in a load spike",
        Promise::PaidFirst,
        |r| worst(&r.spikes, |spike| Some(-figure(spike.spike.shed))).map(|worst| -worst),
    ),
    rule(
        "spike_shed_silently_max",
        "of those, without the time to come back",
        Promise::PaidFirst,
        |r| worst(&r.spikes, |spike| Some(figure(spike.spike.shed_silently))),
    ),
    rule(
        "calm_shed_max",
        "onlookers' questions turned away before the spike",
        Promise::PaidFirst,
        |r| {
            let shed = |spike: &SpikeSeen| spike.calm.shed + spike.calm.shed_silently;
            worst(&r.spikes, |spike| Some(figure(shed(spike))))
        },
    ),
];

/// The greatest of these figures; `None` when there is none, or one was not measured.
fn worst<T>(all: &[T], figure: impl Fn(&T) -> Option<f64>) -> Option<f64> {
    let figures: Option<Vec<f64>> = all.iter().map(figure).collect();
    figures?.into_iter().reduce(f64::max)
}

/// The rule of a name.
#[must_use]
pub fn rule_of(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == name)
}

/// All names, for a message.
#[must_use]
pub fn names() -> String {
    let names: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
    names.join(", ")
}

impl Rule {
    /// Whether more is better.
    #[must_use]
    pub fn at_least(&self) -> bool {
        self.name.ends_with("_min")
    }

    /// Sets what was measured against a bound.
    #[must_use]
    pub fn judge(&self, bound: f64, result: &DrillResult) -> Expectation {
        let measured = (self.measure)(result);
        let held = measured.is_some_and(|measured| {
            if self.at_least() {
                measured >= bound
            } else {
                measured <= bound
            }
        });
        Expectation {
            name: self.name.to_owned(),
            text: self.text.to_owned(),
            promise: self.promise,
            bound,
            at_least: self.at_least(),
            measured,
            held,
        }
    }
}

fn violations(result: &DrillResult) -> Option<f64> {
    if result.checks.is_empty() {
        return None;
    }
    Some(figure_of(
        result
            .checks
            .iter()
            .map(|check| check.violations.len())
            .sum(),
    ))
}

fn count<T>(of: impl Iterator<Item = T>) -> f64 {
    figure_of(of.count())
}

fn figure_of(count: usize) -> f64 {
    figure(u64::try_from(count).unwrap_or(u64::MAX))
}
