//! When a hold ends is spread, so that strangers cannot time the moment at which its seats come back.
//!
//! Owns: by how much. Must never: end a hold sooner than was asked for, or later than the show allows; depend on anything but
//! the request and the show's rules: the same request gets the same end from whichever leader it reaches.
//!
//! Everybody can see when a seat was taken, and most holds are asked for with the show's own time. Were the time exact, a robot
//! would ask again to the millisecond. The moment follows from the buyer's id and the request's key, which nobody else knows; its
//! own buyer is told the moment, as ever. The leader asks the log for the longer time: what is in the log is exact, and no
//! replica has to know of this.

use crate::ids::RequestId;
use crate::layout::Layout;
use crate::state::InventoryState;
use crate::state::lookup::hold_ttl_ms;

/// A hold lasts longer than asked for by this at most, ms.
pub const SPREAD_MAX_MS: u64 = 5_000;
/// And by this part of its time at most.
pub const SPREAD_PART: u64 = 20;

impl InventoryState {
    /// For how long the hold of `request` is to be written to the log, ms; `asked_ms` as in
    /// [`PlaceHold::ttl_ms`](crate::command::PlaceHold::ttl_ms). `None` before the show is set up.
    #[must_use]
    pub fn spread_ttl_ms(&self, request: &RequestId, asked_ms: u64) -> Option<u64> {
        let layout = self.layout.as_deref()?;
        Some(spread(layout, request, asked_ms))
    }
}

fn spread(layout: &Layout, request: &RequestId, asked_ms: u64) -> u64 {
    let ttl_ms = hold_ttl_ms(layout, asked_ms);
    let left_ms = layout.rules().hold_ttl_max_ms.saturating_sub(ttl_ms);
    let part_ms = ttl_ms.checked_div(SPREAD_PART).unwrap_or_default();
    let room_ms = SPREAD_MAX_MS.min(part_ms).min(left_ms);
    let mut bytes = [0; 32];
    let (caller, key) = bytes.split_at_mut(16);
    caller.copy_from_slice(&request.caller.0);
    key.copy_from_slice(&request.key.0);
    ttl_ms + xxhash_rust::xxh3::xxh3_64(&bytes) % (room_ms + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::apply::apply;
    use crate::command::{Command, Entry, Envelope};
    use crate::ids::{BuyerId, RequestKey};
    use crate::invariants::tests::set_up;
    use crate::show::{SaleRules, ShowSetUp};

    fn show(rules: SaleRules) -> InventoryState {
        let set_up = ShowSetUp { rules, ..set_up() };
        let mut state = InventoryState::new();
        let commands = vec![Envelope {
            request: RequestId::internal("set up", 1),
            command: Command::SetUpShow(Box::new(set_up)),
        }];
        apply(
            &mut state,
            &Entry {
                now_ms: 1,
                commands,
            },
        );
        assert!(state.layout().is_some());
        state
    }

    fn request(caller: u8, key: u64) -> RequestId {
        RequestId {
            caller: BuyerId([caller; 16]),
            key: RequestKey::internal("hold", key),
        }
    }

    #[test]
    fn a_hold_lasts_as_long_as_asked_and_a_little_more_and_the_same_request_as_long_again() {
        let state = show(SaleRules::default());
        let cases = [
            (0, 480_000, SPREAD_MAX_MS),
            (2_000, 2_000, 100),
            (60_000, 60_000, 3_000),
        ];
        for (asked_ms, ttl_ms, more_ms) in cases {
            let mut seen = BTreeSet::new();
            for n in 0..500 {
                let request = request(1, n);
                let spread_ms = state.spread_ttl_ms(&request, asked_ms).unwrap();
                assert!((ttl_ms..=ttl_ms + more_ms).contains(&spread_ms));
                assert_eq!(state.spread_ttl_ms(&request, asked_ms), Some(spread_ms));
                seen.insert(spread_ms);
            }
            // Of a hundred and one milliseconds five hundred requests meet nearly all.
            assert!(seen.len() > 90, "{asked_ms}: {}", seen.len());
        }
        let of = |caller| state.spread_ttl_ms(&request(caller, 1), 0);
        assert_ne!(of(1), of(2), "another buyer, another end");
    }

    #[test]
    fn no_hold_lasts_longer_than_the_show_allows() {
        let state = show(SaleRules {
            hold_ttl_ms: 60_000,
            hold_ttl_max_ms: 60_500,
            ..SaleRules::default()
        });
        let longest = (0..500).filter_map(|n| state.spread_ttl_ms(&request(1, n), 0));
        assert!(longest.max().is_some_and(|ms| ms <= 60_500));
        assert_eq!(state.spread_ttl_ms(&request(1, 1), 3_600_000), Some(60_500));
        assert_eq!(InventoryState::new().spread_ttl_ms(&request(1, 1), 0), None);
    }
}
