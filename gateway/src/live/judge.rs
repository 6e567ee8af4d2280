//! Holds that the live copy dooms, answered here as the shard would have at the copy's index.
//!
//! Owns: what may be concluded from the copy at which age. Must never: say no about a place that is free in the copy, or when the
//! request's own time, size or limits would be judged first: those are the shard's to name.

use std::time::Duration;

use holdfast_node_api::v1::place_hold::What;
use holdfast_node_api::v1::{BestAvailable, GeneralAdmission, Layout, Rejection};

use super::bounds;
use super::seats::{AVAILABLE, BLOCKED, SOLD, Seats};
use super::settings::LiveSettings;
use super::show::Known;

/// Up to which age the copy is believed.
#[derive(Debug, Clone, Copy)]
pub struct Belief {
    /// About held and free places.
    pub held: Duration,
    /// About sold seats.
    pub sold: Duration,
}

impl From<&LiveSettings> for Belief {
    fn from(settings: &LiveSettings) -> Self {
        Self {
            held: Duration::from_millis(settings.held_age_ms_max),
            sold: Duration::from_millis(settings.sold_age_ms_max),
        }
    }
}

/// Why the shard would have refused `what` at the copy's index; `None` = ask the shard. `unix_ms` is this machine's clock.
#[must_use]
pub fn doomed(known: &Known, what: &What, belief: Belief, unix_ms: u64) -> Option<Rejection> {
    let layout = &known.layout.layout;
    if known.age > belief.sold || !is_on_sale(layout, unix_ms) {
        return None;
    }
    let sure = known.age <= belief.held;
    let seats = &known.state.seats;
    match what {
        What::Seats(named) => named_seats(seats, &named.seats, layout, sure),
        What::BestAvailable(best) if sure => best_available(seats, best, layout),
        What::GeneralAdmission(places) if sure => general_admission(seats, places, layout),
        What::BestAvailable(_) | What::GeneralAdmission(_) => None,
    }
}

/// Surely on sale, whichever clock is asked: else the shard has another reason to give.
fn is_on_sale(layout: &Layout, unix_ms: u64) -> bool {
    let margin_ms = u64::try_from(bounds::CLOCK_MARGIN.as_millis()).unwrap_or(u64::MAX);
    unix_ms >= layout.sale_opens_at_ms.saturating_add(margin_ms)
        && unix_ms.saturating_add(margin_ms) < layout.sale_closes_at_ms
}

fn fits_an_order(quantity: usize, layout: &Layout) -> bool {
    let max = usize::try_from(layout.seats_per_order_max).unwrap_or(usize::MAX);
    (1..=max).contains(&quantity)
}

fn rejection(code: &str, message: String, seats: Vec<u32>, limit: Option<u64>) -> Rejection {
    Rejection {
        code: code.to_owned(),
        message,
        seats,
        limit,
    }
}

fn named_seats(seats: &Seats, named: &[u32], layout: &Layout, sure: bool) -> Option<Rejection> {
    let mut distinct = named.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() != named.len() || !fits_an_order(named.len(), layout) {
        return None;
    }
    let mut taken = Vec::new();
    let mut blocked = Vec::new();
    for seat in distinct {
        match *seats.states.get(usize::try_from(seat).ok()?)? {
            AVAILABLE => {}
            SOLD => taken.push(seat),
            BLOCKED if sure => blocked.push(seat),
            _ if sure => taken.push(seat),
            _ => {}
        }
    }
    let count = |n: usize| {
        if n == 1 {
            "1 seat is".to_owned()
        } else {
            format!("{n} seats are")
        }
    };
    if !taken.is_empty() {
        let message = format!("{} already taken", count(taken.len()));
        return Some(rejection("seats_taken", message, taken, None));
    }
    (!blocked.is_empty()).then(|| {
        let message = format!("{} not on sale", count(blocked.len()));
        rejection("seats_blocked", message, blocked, None)
    })
}

fn best_available(seats: &Seats, wish: &BestAvailable, layout: &Layout) -> Option<Rejection> {
    let quantity = usize::try_from(wish.quantity).ok()?;
    if !fits_an_order(quantity, layout) || wish.accessible > wish.quantity {
        return None;
    }
    let left = match wish.category {
        Some(category) => u64::from(*seats.seats_left.get(usize::try_from(category).ok()?)?),
        None => seats.seats_left.iter().map(|left| u64::from(*left)).sum(),
    };
    // More than enough may still not suit; that is the shard's to say.
    (left < u64::from(wish.quantity)).then(|| {
        let message = "not so many suitable seats are free".to_owned();
        rejection("not_enough_seats", message, vec![], None)
    })
}

fn general_admission(seats: &Seats, wish: &GeneralAdmission, layout: &Layout) -> Option<Rejection> {
    if !fits_an_order(usize::try_from(wish.quantity).ok()?, layout) {
        return None;
    }
    let available = seats.areas.get(usize::try_from(wish.area).ok()?)?.available;
    (available < wish.quantity).then(|| {
        let message = format!("the area has only {available} free places");
        rejection("area_full", message, vec![], Some(u64::from(available)))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use holdfast_node_api::v1::NamedSeats;

    use super::super::seats::State;
    use super::super::seats::tests::{hall, seats};
    use super::*;

    const BELIEF: Belief = Belief {
        held: Duration::from_secs(2),
        sold: Duration::from_secs(10),
    };
    const NOW_MS: u64 = 1_000_000;

    fn known(states: &[u8], places: u32, age: Duration) -> Known {
        let seats = Arc::new(seats(5, states, places));
        Known {
            state: State {
                index: 5,
                time_ms: 1,
                seats,
            },
            age,
            layout: Arc::new(hall(u32::try_from(states.len()).unwrap())),
        }
    }

    fn named(seats: &[u32]) -> What {
        What::Seats(NamedSeats {
            seats: seats.to_vec(),
        })
    }

    fn code(known: &Known, what: &What) -> Option<(String, Vec<u32>)> {
        let no = doomed(known, what, BELIEF, NOW_MS)?;
        Some((no.code, no.seats))
    }

    #[test]
    fn taken_seats_are_named_and_free_ones_go_to_the_shard() {
        let fresh = known(&[0, 1, 2, 3], 9, Duration::from_millis(10));
        assert_eq!(code(&fresh, &named(&[0])), None);
        let taken = |seats: &[u32]| Some(("seats_taken".to_owned(), seats.to_vec()));
        assert_eq!(code(&fresh, &named(&[2, 0, 1])), taken(&[1, 2]));
        assert_eq!(
            code(&fresh, &named(&[3, 1])),
            taken(&[1]),
            "the order of the codes"
        );
        let blocked = Some(("seats_blocked".to_owned(), vec![3]));
        assert_eq!(code(&fresh, &named(&[3, 0])), blocked);
    }

    #[test]
    fn an_older_copy_is_believed_about_sold_seats_only_and_an_old_one_about_nothing() {
        let older = known(&[0, 1, 2, 3], 0, Duration::from_secs(5));
        assert_eq!(code(&older, &named(&[1])), None);
        assert_eq!(code(&older, &named(&[3])), None);
        let sold = Some(("seats_taken".to_owned(), vec![2]));
        assert_eq!(code(&older, &named(&[1, 2])), sold);
        let places = What::GeneralAdmission(GeneralAdmission {
            area: 0,
            quantity: 1,
        });
        assert_eq!(code(&older, &places), None);
        let old = known(&[2], 0, Duration::from_secs(11));
        assert_eq!(code(&old, &named(&[0])), None);
        let unknown = known(&[2], 0, Duration::MAX);
        assert_eq!(code(&unknown, &named(&[0])), None);
    }

    #[test]
    fn what_the_shard_would_judge_first_goes_to_the_shard() {
        let fresh = known(&[2; 12], 0, Duration::ZERO);
        assert_eq!(code(&fresh, &named(&[1, 1])), None, "twice");
        assert_eq!(code(&fresh, &named(&[99])), None, "no such seat");
        let many: Vec<u32> = (0..9).collect();
        assert_eq!(
            code(&fresh, &named(&many)),
            None,
            "more than an order may have"
        );
        let mut closing = known(&[2], 0, Duration::ZERO);
        let mut layout = hall(1).layout.clone();
        layout.sale_closes_at_ms = NOW_MS + 1_000;
        closing.layout = Arc::new(crate::layouts::ShowLayout::new(layout));
        assert_eq!(code(&closing, &named(&[0])), None, "about to close");
        assert!(doomed(&closing, &named(&[0]), BELIEF, NOW_MS - 60_000).is_some());
        let early = doomed(&known(&[2], 0, Duration::ZERO), &named(&[0]), BELIEF, 0);
        assert_eq!(early, None, "not open for sure");
    }

    #[test]
    fn nothing_left_is_said_for_best_available_and_for_areas() {
        let fresh = known(&[0, 0, 1], 3, Duration::ZERO);
        let best = |quantity| {
            What::BestAvailable(BestAvailable {
                quantity,
                category: Some(0),
                accessible: 0,
            })
        };
        assert_eq!(code(&fresh, &best(2)), None);
        let none = Some(("not_enough_seats".to_owned(), vec![]));
        assert_eq!(code(&fresh, &best(3)), none);
        let places = |quantity| What::GeneralAdmission(GeneralAdmission { area: 0, quantity });
        assert_eq!(code(&fresh, &places(3)), None);
        let no = doomed(&fresh, &places(4), BELIEF, NOW_MS).unwrap();
        assert_eq!((no.code.as_str(), no.limit), ("area_full", Some(3)));
    }
}
