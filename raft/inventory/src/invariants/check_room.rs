//! The waiting room: who is inside, whose passes are whose, how far the line has come.

use std::collections::BTreeSet;

use super::{InvariantId, Report};
use crate::ids::BuyerId;
use crate::state::InventoryState;
use crate::state::expiry::is_unpaid;
use crate::state::room::{PassStanding, Room};
use crate::state::{Expiring, HoldStanding};

pub(super) fn room(state: &InventoryState, report: &mut Report) {
    let Some(room) = state.room.as_deref() else {
        return;
    };
    let inside = state.derived.room.inside;
    let allowed = u64::from(room.config.capacity).max(room.inside_excused);
    report.expect(inside <= allowed, InvariantId::Room1, || {
        format!("{inside} are inside, {allowed} may be")
    });
    passes(state, room, report);
    let passed = room.passed.iter();
    let ascends = passed
        .clone()
        .zip(passed.skip(1))
        .all(|(a, b)| a.0 <= b.0 && a.1 < b.1);
    let first = room.passed.front().map_or(room.threshold, |(_, key)| *key);
    let last = room
        .passed
        .back()
        .map_or(room.passed_before, |(_, key)| *key);
    report.expect(
        ascends && last == room.threshold && room.passed_before <= first,
        InvariantId::Room3,
        || {
            format!(
                "the threshold is {:?}, its record {:?}",
                room.threshold, room.passed
            )
        },
    );
}

fn passes(state: &InventoryState, room: &Room, report: &mut Report) {
    let mut living = BTreeSet::<BuyerId>::new();
    for (id, pass) in &room.passes {
        if pass.standing.is_inside() {
            report.expect(living.insert(pass.buyer), InvariantId::Room2, || {
                format!("{} has {id} and another pass", pass.buyer)
            });
        }
        let sound = match pass.standing {
            PassStanding::Unspent => {
                let due = (pass.expires_at_ms, Expiring::Pass(*id));
                state.derived.expiring.contains(&due)
            }
            PassStanding::Spent(hold) => state.holds.get(&hold).is_some_and(|record| {
                let stands = match record.standing {
                    HoldStanding::Active => true,
                    HoldStanding::Ordered(order) => {
                        state.orders.get(&order).is_some_and(|o| is_unpaid(o.state))
                    }
                    HoldStanding::Released | HoldStanding::Expired => false,
                };
                stands && record.buyer == pass.buyer
            }),
            PassStanding::Used | PassStanding::Lapsed => true,
        };
        report.expect(sound, InvariantId::Room2, || {
            format!("{id} is {:?} and cannot be", pass.standing)
        });
    }
}
