//! A seat has at most one owner: between two effects that give it away lies one that gives it back.

use std::collections::BTreeMap;

use holdfast_inventory::ids::{HoldId, SeatNo};
use holdfast_inventory::outcome::{Effect, HoldState, OrderState, Outcome};
use holdfast_region_config::GroupId;

use super::first_seen::FirstSeen;
use super::{Fact, Invariant};

#[derive(Default)]
pub(super) struct OneOwnerPerSeat {
    owners: BTreeMap<(GroupId, SeatNo), HoldId>,
    entries: FirstSeen,
}

impl OneOwnerPerSeat {
    fn take(
        &mut self,
        group: GroupId,
        index: u64,
        seats: &[SeatNo],
        hold: HoldId,
    ) -> Result<(), String> {
        for seat in seats {
            let owner = *self.owners.entry((group, *seat)).or_insert(hold);
            if owner != hold {
                return Err(format!(
                    "entry {index} of {group} gives seat {seat:?} to {hold:?}, but {owner:?} has it"
                ));
            }
        }
        Ok(())
    }

    fn give_back(&mut self, group: GroupId, seats: &[SeatNo], hold: HoldId) {
        for seat in seats {
            if self.owners.get(&(group, *seat)) == Some(&hold) {
                self.owners.remove(&(group, *seat));
            }
        }
    }
}

impl Invariant for OneOwnerPerSeat {
    fn name(&self) -> &'static str {
        "one_owner_per_seat"
    }

    fn see(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        let Some((group, index, judged)) = self.entries.of(fact) else {
            return Ok(());
        };
        for one in judged {
            // Nothing expires here: a simulated sale is shorter than a hold.
            match &one.outcome {
                Outcome::Done(Effect::Hold(view)) => match view.state {
                    HoldState::Active | HoldState::Ordered => {
                        self.take(group, index, &view.seats, view.hold)?;
                    }
                    HoldState::Released | HoldState::Expired => {
                        self.give_back(group, &view.seats, view.hold);
                    }
                },
                Outcome::Done(Effect::Order(view)) => match view.state {
                    OrderState::Cancelled | OrderState::Expired => {
                        self.give_back(group, &view.seats, view.hold);
                    }
                    OrderState::Open
                    | OrderState::Paying
                    | OrderState::Paid
                    | OrderState::Confirmed => {
                        self.take(group, index, &view.seats, view.hold)?;
                    }
                },
                _ => {}
            }
        }
        Ok(())
    }
}
