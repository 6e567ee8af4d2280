//! Spreads the ends of holds before they are judged and written.
//!
//! Owns: that it is done once for each command. Must never: decide by how much; the rule is the show's, see
//! [`holdfast_inventory::spread`].

use holdfast_inventory::{InventoryState, command::Command};

use crate::submission::Item;

/// Gives every hold among `items` its time. Before the show is known here it stays as it was asked for, to be done later.
///
/// It comes before any look at the table of requests: what is remembered there of a hold is the command as it was written.
pub(super) fn spread_ends(state: &InventoryState, items: &mut [Item]) {
    for item in items.iter_mut().filter(|item| !item.end_is_spread) {
        let request = item.envelope.request;
        let (Command::PlaceHold(hold) | Command::PlaceHoldWithPass { hold, .. }) =
            &mut item.envelope.command
        else {
            continue;
        };
        if let Some(ttl_ms) = state.spread_ttl_ms(&request, hold.ttl_ms) {
            hold.ttl_ms = ttl_ms;
            item.end_is_spread = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use holdfast_inventory::{
        apply,
        command::{Entry, Envelope, PlaceHold, Wanted},
        ids::{AreaNo, BuyerId, CategoryNo, Currency, RequestId, RequestKey, ShowId},
        show::{Area, Category, SaleRules, ShowSetUp},
        spread::SPREAD_MAX_MS,
    };
    use tokio::time::Instant;

    use super::*;

    fn set_up() -> Command {
        Command::SetUpShow(Box::new(ShowSetUp {
            show: ShowId(1),
            currency: Currency::parse("EUR").unwrap(),
            categories: vec![Category {
                name: "c".to_owned(),
                color: String::new(),
                price_minor: 9,
            }],
            seats: Vec::new(),
            areas: vec![Area {
                id: "floor".to_owned(),
                name: String::new(),
                category: CategoryNo(0),
                capacity: 5,
                x: 0,
                y: 0,
            }],
            width: 0,
            height: 0,
            rules: SaleRules::default(),
        }))
    }

    fn item(command: Command) -> Item {
        let request = RequestId {
            caller: BuyerId([1; 16]),
            key: RequestKey::from_text("k"),
        };
        Item {
            tag: 0,
            envelope: Envelope { request, command },
            give_up_at: Instant::now(),
            through_log: false,
            end_is_spread: false,
            bytes: 0,
        }
    }

    fn hold() -> Item {
        let what = Wanted::GeneralAdmission {
            area: AreaNo(0),
            quantity: 1,
        };
        item(Command::PlaceHold(PlaceHold { what, ttl_ms: 0 }))
    }

    fn ttl_ms(item: &Item) -> u64 {
        match &item.envelope.command {
            Command::PlaceHold(hold) => hold.ttl_ms,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_end_is_spread_once_and_a_repeat_is_known_for_what_it_is() {
        let mut state = InventoryState::new();
        let mut items = vec![hold()];
        spread_ends(&state, &mut items);
        assert_eq!(ttl_ms(&items[0]), 0, "the show is not known yet");
        let commands = vec![item(set_up()).envelope];
        apply(
            &mut state,
            &Entry {
                now_ms: 1,
                commands,
            },
        );
        spread_ends(&state, &mut items);
        let first_ms = ttl_ms(&items[0]);
        let default_ms = SaleRules::default().hold_ttl_ms;
        assert!((default_ms..=default_ms + SPREAD_MAX_MS).contains(&first_ms));
        spread_ends(&state, &mut items);
        assert_eq!(ttl_ms(&items[0]), first_ms, "not twice");

        let commands = vec![items.remove(0).envelope];
        apply(
            &mut state,
            &Entry {
                now_ms: 2,
                commands,
            },
        );
        let mut repeat = hold();
        let plain = state.would_reject(&repeat.envelope, 3);
        assert!(plain.is_some(), "as it was asked for it is another request");
        spread_ends(&state, std::slice::from_mut(&mut repeat));
        assert_eq!(state.would_reject(&repeat.envelope, 3), None);
    }
}
