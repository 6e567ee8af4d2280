//! Events may come twice, late and in any order; what is listed is the same, within the bounds. Bytes survive.

use std::collections::BTreeMap;

use holdfast_inventory::ids::{BuyerId, OrderId, OutboxSeq, ShowId};
use proptest::prelude::*;

use super::state::Bounds;
use super::*;

const ENTRY_V1: &[u8] = include_bytes!("../../tests/golden/buyer-index-v1-entry.bin");
const SNAPSHOT_V1: &[u8] = include_bytes!("../../tests/golden/buyer-index-v1-snapshot.bin");

fn buyer(number: u8) -> BuyerId {
    BuyerId([number; 16])
}

fn event(who: u8, show: u64, order: u64, seq: u64, at_ms: u64) -> OrderEvent {
    OrderEvent {
        buyer: buyer(who),
        show: ShowId(show),
        order: OrderId(order),
        seq: OutboxSeq(seq),
        at_ms,
        state: LastState::ALL[usize::try_from(seq % 3).unwrap()],
    }
}

fn entry(now_ms: u64, events: &[OrderEvent]) -> IndexEntry {
    IndexEntry {
        now_ms,
        events: events.to_vec(),
    }
}

fn listed(state: &BuyerIndexState, who: u8) -> Vec<(u64, u64, u64)> {
    let orders = state.orders(buyer(who), None, usize::MAX, 0);
    let flat = orders.map(|o| (o.show.get(), o.order.get(), o.seq.get()));
    flat.collect()
}

#[test]
fn a_buyer_sees_the_last_event_of_each_order_the_latest_order_first() {
    let mut state = BuyerIndexState::default();
    let first = [event(1, 7, 1, 5, 100), event(2, 7, 2, 6, 110)];
    assert_eq!(state.apply(&entry(200, &first)), Recorded { news: 2 });
    let later = [event(1, 9, 1, 1, 105), event(1, 7, 1, 8, 120)];
    assert_eq!(state.apply(&entry(201, &later)), Recorded { news: 2 });
    assert_eq!(
        state.apply(&entry(202, &first)),
        Recorded { news: 0 },
        "repeats"
    );
    assert_eq!(listed(&state, 1), [(7, 1, 8), (9, 1, 1)]);
    assert_eq!(listed(&state, 2), [(7, 2, 6)]);
    assert_eq!(listed(&state, 3), []);
    assert_eq!((state.buyers_len(), state.orders_len()), (2, 3));
}

#[test]
fn a_list_is_read_in_pages_that_neither_repeat_nor_leave_out() {
    let mut state = BuyerIndexState::default();
    let events: Vec<_> = (1..=5).map(|n| event(1, n, 1, 1, 100)).collect();
    state.apply(&entry(200, &events));
    let mut after = None;
    let mut seen = Vec::new();
    loop {
        let page: Vec<_> = state.orders(buyer(1), after, 2, 0).copied().collect();
        let Some(last) = page.last() else { break };
        after = Some(last.place());
        seen.extend(page.iter().map(|order| order.show.get()));
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
}

#[test]
fn what_is_too_old_is_neither_kept_nor_listed() {
    let mut state = BuyerIndexState::default();
    state.apply(&entry(
        10,
        &[event(1, 1, 1, 1, 10), event(1, 2, 1, 1, 5_000)],
    ));
    let at = |now_ms| state.orders(buyer(1), None, 10, now_ms).count();
    assert_eq!((at(KEPT_MS + 9), at(KEPT_MS + 10)), (2, 1));
    state.apply(&entry(KEPT_MS + 10, &[event(1, 3, 1, 1, 10)]));
    assert_eq!(listed(&state, 1), [(2, 1, 1)]);
    assert!(state.is_sound());
    state.apply(&entry(2 * KEPT_MS, &[]));
    assert_eq!((state.buyers_len(), state.orders_len()), (0, 0));
}

/// Entries and the state that they make, for the golden files.
fn sample() -> (IndexEntry, BuyerIndexState) {
    let events = [
        event(1, 7, 1, 3, 1_795_273_041_000),
        event(2, 7, 300, 4, 1_795_273_041_001),
        event(1, 1 << 20, 70_000, 5, 1_795_273_042_247),
    ];
    let entry = entry(1_795_273_042_300, &events);
    let mut state = BuyerIndexState::default();
    state.apply(&super::tests::entry(1_795_273_041_500, &events[..2]));
    state.apply(&entry);
    (entry, state)
}

#[test]
fn what_format_1_wrote_is_read() {
    let (entry, state) = sample();
    assert_eq!(decode_entry(ENTRY_V1), Ok(entry.clone()));
    assert_eq!(decode_snapshot(SNAPSHOT_V1), Ok(state.clone()));
    assert_eq!(encode_entry(&entry).unwrap(), ENTRY_V1);
    assert_eq!(encode_snapshot(&state).unwrap(), SNAPSHOT_V1);
}

#[test]
#[ignore = "writes the golden files of the format that is written now: only for a new format"]
fn write_golden_files() {
    let (entry, state) = sample();
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/");
    std::fs::write(
        format!("{dir}buyer-index-v1-entry.bin"),
        encode_entry(&entry).unwrap(),
    )
    .unwrap();
    std::fs::write(
        format!("{dir}buyer-index-v1-snapshot.bin"),
        encode_snapshot(&state).unwrap(),
    )
    .unwrap();
}

#[test]
fn damaged_bytes_are_refused_by_name() {
    for at in 0..SNAPSHOT_V1.len() {
        let mut bytes = SNAPSHOT_V1.to_vec();
        bytes[at] ^= 0x40;
        assert!(decode_snapshot(&bytes).is_err(), "byte {at}");
        assert!(decode_snapshot(&SNAPSHOT_V1[..at]).is_err(), "cut at {at}");
    }
    assert_eq!(decode_entry(SNAPSHOT_V1), Err(IndexCodecError::Magic));
    let mut newer = ENTRY_V1.to_vec();
    newer[4] = 2;
    assert_eq!(
        decode_entry(&newer),
        Err(IndexCodecError::Version { found: 2 })
    );
}

const SMALL: Bounds = Bounds {
    orders_per_buyer_max: 3,
    orders_max: 6,
};

/// What shows say one after the other: show, order, ms since the show's last event.
fn told() -> impl Strategy<Value = Vec<OrderEvent>> {
    let said = (1..4_u64, 1..4_u64, 0..3_u64);
    prop::collection::vec(said, 1..40).prop_map(|said| {
        let mut shows: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        let events = said.into_iter().map(|(show, order, later_ms)| {
            let (seq, at_ms) = shows.entry(show).or_default();
            *seq += 1;
            *at_ms += later_ms;
            let who = u8::try_from((show * order) % 4).unwrap();
            event(who, show, order, *seq, *at_ms)
        });
        events.collect()
    })
}

/// The same events in any order, some of them twice, cut into entries.
fn deliveries() -> impl Strategy<Value = (Vec<OrderEvent>, Vec<Vec<OrderEvent>>)> {
    told().prop_flat_map(|events| {
        let count = events.len();
        let twice = prop::collection::vec(0..count, 0..10);
        (Just(events), twice, 1..6_usize).prop_flat_map(|(events, twice, size)| {
            let mut all = events.clone();
            all.extend(twice.into_iter().map(|at| events[at]));
            let cut = move |all: Vec<OrderEvent>| all.chunks(size).map(<[_]>::to_vec).collect();
            (Just(events), Just(all).prop_shuffle().prop_map(cut))
        })
    })
}

/// What an index must come to, by looking at everything at once.
fn naive(events: &[OrderEvent], now_ms: u64) -> BTreeMap<BuyerId, Vec<OrderEvent>> {
    let mut last: BTreeMap<(ShowId, OrderId), OrderEvent> = BTreeMap::new();
    for event in events {
        let known = last.entry((event.show, event.order)).or_insert(*event);
        if known.seq < event.seq {
            *known = *event;
        }
    }
    let mut kept: Vec<_> = last.into_values().collect();
    kept.retain(|event| event.at_ms + KEPT_MS > now_ms);
    kept.sort_by_key(|event| std::cmp::Reverse((event.at_ms, event.show, event.order)));
    let mut buyers: BTreeMap<BuyerId, usize> = BTreeMap::new();
    kept.retain(|event| {
        let count = buyers.entry(event.buyer).or_default();
        *count += 1;
        *count <= SMALL.orders_per_buyer_max
    });
    kept.truncate(SMALL.orders_max);
    let mut listed: BTreeMap<BuyerId, Vec<OrderEvent>> = BTreeMap::new();
    for event in kept {
        listed.entry(event.buyer).or_default().push(event);
    }
    listed
}

proptest! {
    #[test]
    fn any_order_of_events_comes_to_what_all_of_them_say((events, entries) in deliveries(), late_ms in 0..20_u64) {
        let now_ms = KEPT_MS + late_ms;
        let mut state = BuyerIndexState { bounds: SMALL, ..BuyerIndexState::default() };
        for (number, events) in (0_u64..).zip(&entries) {
            // Clocks of proposers differ: some entries come with an early time.
            let now_ms = if number % 2 == 0 { number } else { now_ms };
            state.apply(&entry(now_ms, events));
            prop_assert!(state.is_sound());
        }
        state.apply(&entry(now_ms, &[]));
        prop_assert!(state.is_sound());
        let found: BTreeMap<BuyerId, Vec<OrderEvent>> = state.buyers.iter().map(|(buyer, orders)| {
            let event = |o: &OrderSeen| OrderEvent {
                buyer: *buyer, show: o.show, order: o.order, seq: o.seq, at_ms: o.at_ms, state: o.state,
            };
            (*buyer, orders.iter().map(event).collect())
        }).collect();
        prop_assert_eq!(found, naive(&events, now_ms));
        let copy = decode_snapshot(&encode_snapshot(&state).unwrap()).unwrap();
        prop_assert_eq!(BuyerIndexState { bounds: SMALL, ..copy }, state);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        prop_assert!(decode_entry(&bytes).is_err());
        prop_assert!(decode_snapshot(&bytes).is_err());
    }
}
