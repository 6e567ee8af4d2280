//! What onlookers and buyers were answered in a load spike.
//!
//! Owns: which of their requests count. Must never: count a request that began before the spike was fully on.

use super::measure::{Facts, figure};
use super::result::{Looking, Quantiles, SpikeSeen};
use super::tries::End;
use super::watch::seconds;
use crate::history::Op;
use crate::workload::look::Looked;

/// Turned away at the door.
const OVERLOADED: u16 = 503;

/// The spikes of a drill, each a place among its faults with the factor.
pub(super) fn seen(facts: &Facts<'_>, spikes: &[(usize, f64)], looks: &[Looked]) -> Vec<SpikeSeen> {
    let each = spikes.iter().map(|(at, factor)| {
        let fault = &facts.faults[*at];
        let during = (fault.on_s, fault.to_s);
        SpikeSeen {
            factor: *factor,
            calm: looking(looks, facts.steady_s),
            spike: looking(looks, during),
            ..money(facts, during)
        }
    });
    each.collect()
}

fn looking(looks: &[Looked], (from_s, to_s): (f64, f64)) -> Looking {
    let within = |look: &&Looked| (from_s..to_s).contains(&seconds(look.sent_ns));
    let mut seen = Looking::default();
    let mut served = Vec::new();
    for look in looks.iter().filter(within) {
        seen.asked += 1;
        match look.status {
            200..=499 => served.push(Some(look.took.as_secs_f64())),
            OVERLOADED if look.told_when => seen.shed += 1,
            OVERLOADED => seen.shed_silently += 1,
            _ => seen.failed += 1,
        }
    }
    seen.rate = figure(seen.asked) / (to_s - from_s).max(0.001);
    seen.served = Quantiles::of(served);
    seen
}

/// Orders and payments that were begun in the spike.
fn money(facts: &Facts<'_>, (from_s, to_s): (f64, f64)) -> SpikeSeen {
    let mut seen = SpikeSeen::default();
    let mut waits = Vec::new();
    let wishes = facts.wishes.iter().filter(|wish| {
        matches!(wish.op, Op::Order | Op::Pay) && (from_s..to_s).contains(&wish.began_s())
    });
    for wish in wishes {
        waits.push(wish.wait_s(facts.end_s));
        let ends = wish.tries.iter().map(|one| one.end);
        for end in ends {
            seen.money_tries += 1;
            seen.money_refused += u64::from(matches!(end, End::Failed | End::Abandoned));
        }
        let paid = wish.answer().is_some_and(|answer| answer.end == End::Yes);
        seen.paid += u64::from(wish.op == Op::Pay && paid);
    }
    seen.money_wait = Quantiles::of(waits);
    seen
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn look(at_s: u64, status: u16, told_when: bool) -> Looked {
        Looked {
            sent_ns: at_s * 1_000_000_000,
            status,
            told_when,
            took: Duration::from_millis(20),
        }
    }

    #[test]
    fn onlookers_are_served_shed_or_failed() {
        let looks = [
            look(1, 200, false),
            look(5, 200, false),
            look(5, 503, true),
            look(6, 503, false),
            look(6, 0, false),
            look(6, 504, false),
            look(7, 404, false),
            look(20, 503, true),
        ];
        let seen = looking(&looks, (5.0, 15.0));
        assert_eq!(
            (seen.asked, seen.shed, seen.shed_silently, seen.failed),
            (6, 1, 1, 2)
        );
        assert_eq!((seen.served.count, seen.rate), (2, 0.6));
    }
}
