//! Bytes that were once written are read for ever, and no bytes whatever make the decoders panic.
//!
//! `tests/golden/*.bin` were written by the release that introduced the format. They are never changed;
//! `HOLDFAST_WRITE_GOLDEN=1 cargo test -p holdfast-inventory --test codec_compat` writes those that do not
//! exist yet, for a new format version.
#![expect(clippy::unwrap_used, reason = "a broken test must stop")]

#[path = "model/plan.rs"]
mod plan;

use std::path::PathBuf;

use holdfast_inventory::codec::{
    CodecError, decode_entry, decode_snapshot, encode_entry, encode_snapshot,
};
use holdfast_inventory::command::{PaymentFact, PlaceHold, RecordPayment, Wanted};
use holdfast_inventory::ids::{
    AreaNo, AttemptNo, BuyerId, CategoryNo, HoldId, OrderId, OutboxSeq, PassId, RequestId,
    RequestKey, SeatNo,
};
use holdfast_inventory::room::{
    ClaimPass, LineKey, LinePoint, OpenRoom, Raise, RoomChange, RoomConfig, RoomSeed,
};
use holdfast_inventory::show::SingleSeatRule;
use holdfast_inventory::{Command, Entry, Envelope, InventoryState, Outcome, apply};
use proptest::prelude::*;

/// One command of every kind, in an order in which each has an effect.
fn one_of_each() -> Entry {
    let hold = |what| Command::PlaceHold(PlaceHold { what, ttl_ms: 0 });
    let fact = |order, fact| {
        Command::RecordPayment(RecordPayment {
            order: OrderId(order),
            attempt: AttemptNo(1),
            fact,
        })
    };
    let pay = |order| Command::PayOrder {
        order: OrderId(order),
        payment_token: "tok".to_owned(),
    };
    let commands = vec![
        Command::SetUpShow(Box::new(plan::set_up(SingleSeatRule::Lenient))),
        hold(Wanted::Named(vec![SeatNo(1), SeatNo(0)])),
        hold(Wanted::BestAvailable {
            quantity: 2,
            category: Some(CategoryNo(1)),
            accessible: 0,
        }),
        hold(Wanted::GeneralAdmission {
            area: AreaNo(1),
            quantity: 1,
        }),
        Command::ExtendHold { hold: HoldId(1) },
        Command::OpenOrder { hold: HoldId(1) },
        Command::OpenOrder { hold: HoldId(2) },
        Command::ReleaseHold { hold: HoldId(3) },
        pay(1),
        pay(2),
        fact(1, PaymentFact::Authorised),
        fact(1, PaymentFact::Captured),
        fact(2, PaymentFact::TimedOut),
        Command::CancelOrder { order: OrderId(2) },
        Command::BlockSeats {
            seats: vec![SeatNo(4), SeatNo(5)],
            reason: "camera".to_owned(),
        },
        Command::UnblockSeats {
            seats: vec![SeatNo(5)],
        },
        Command::AcknowledgeOutbox {
            seqs: vec![OutboxSeq(4)],
        },
        Command::Tick,
    ];
    entry(90 * plan::MINUTE_MS, commands)
}

fn entry(now_ms: u64, commands: Vec<Command>) -> Entry {
    let envelope = |(n, command)| Envelope {
        request: RequestId {
            caller: BuyerId([7; 16]),
            key: RequestKey::from_text(&format!("request {n}")),
        },
        command,
    };
    Entry {
        now_ms,
        commands: commands.into_iter().enumerate().map(envelope).collect(),
    }
}

/// One command of every kind that version 2 brought, in an order in which each has an effect.
fn one_of_each_of_a_room() -> Entry {
    let places = |what| PlaceHold { what, ttl_ms: 0 };
    let key = LineKey(1 << 100);
    let commands = vec![
        Command::SetUpShow(Box::new(plan::set_up(SingleSeatRule::Lenient))),
        Command::OpenRoom(Box::new(OpenRoom {
            config: RoomConfig {
                opens_at_ms: plan::MINUTE_MS,
                sale_at_ms: 2 * plan::MINUTE_MS,
                capacity: 3,
                rate_per_min: 60,
                claim_window_ms: 0,
                pass_ttl_ms: 5 * plan::MINUTE_MS,
            },
            commit: [1; 32],
            seed: RoomSeed([2; 32]),
        })),
        Command::ChangeRoom(RoomChange::Pause),
        Command::ChangeRoom(RoomChange::Resume),
        Command::ChangeRoom(RoomChange::Rate { per_min: 600 }),
        Command::ChangeRoom(RoomChange::Capacity { people: 2 }),
        Command::RevealSeed,
        Command::RaiseThreshold(Raise {
            threshold: key,
            waiting: 5,
            per_min: 7,
            line: vec![LinePoint { key, count: 5 }],
        }),
        Command::ClaimPass(ClaimPass {
            pass: PassId([3; 16]),
            key: LineKey(77),
        }),
        Command::PlaceHoldWithPass {
            hold: places(Wanted::Named(vec![SeatNo(0), SeatNo(1)])),
            pass: PassId([3; 16]),
        },
    ];
    entry(90 * plan::MINUTE_MS, commands)
}

fn after_one_of_each() -> InventoryState {
    after(&one_of_each())
}

fn after(entry: &Entry) -> InventoryState {
    let mut state = InventoryState::new();
    let outcomes = apply(&mut state, entry);
    assert!(
        outcomes.iter().all(|o| matches!(o, Outcome::Done(_))),
        "{outcomes:?}"
    );
    state
}

fn golden(name: &str, now: &[u8]) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("HOLDFAST_WRITE_GOLDEN").is_some() && !path.exists() {
        std::fs::write(&path, now).unwrap();
    }
    std::fs::read(path).unwrap()
}

#[test]
fn an_entry_written_by_version_1_is_still_read() {
    let now = encode_entry(&one_of_each()).unwrap();
    assert_eq!(
        decode_entry(&golden("entry_v1.bin", &now)).unwrap(),
        one_of_each()
    );
}

#[test]
fn a_snapshot_written_by_version_1_is_still_read() {
    let state = after_one_of_each();
    let old = decode_snapshot(&golden("snapshot_v1.bin", &encode_snapshot(&state))).unwrap();
    assert_eq!(old.state_hash(), state.state_hash());
    assert_eq!(old.order_view(OrderId(1)), state.order_view(OrderId(1)));
}

#[test]
fn what_version_2_wrote_is_still_read_and_written_the_same() {
    let now = encode_entry(&one_of_each_of_a_room()).unwrap();
    let old = golden("entry_v2.bin", &now);
    assert_eq!(decode_entry(&old).unwrap(), one_of_each_of_a_room());
    assert_eq!(now, old);
    let state = after(&one_of_each_of_a_room());
    let now = encode_snapshot(&state);
    let old = golden("snapshot_v2.bin", &now);
    let read = decode_snapshot(&old).unwrap();
    assert_eq!(read.state_hash(), state.state_hash());
    assert_eq!(read.room_view(), state.room_view());
    assert_eq!(now, old);
}

#[test]
fn only_what_has_to_do_with_a_room_is_written_as_version_2() {
    let version = |bytes: &[u8]| u16::from_le_bytes([bytes[4], bytes[5]]);
    assert_eq!(version(&encode_entry(&one_of_each()).unwrap()), 1);
    assert_eq!(version(&encode_snapshot(&after_one_of_each())), 1);
    assert_eq!(version(&encode_entry(&one_of_each_of_a_room()).unwrap()), 2);
    let state = after(&one_of_each_of_a_room());
    assert_eq!(version(&encode_snapshot(&state)), 2);
}

#[test]
fn a_seed_is_in_no_view_and_no_log_line_before_it_is_revealed() {
    let mut opened = one_of_each_of_a_room();
    opened.commands.truncate(2);
    let state = after(&opened);
    assert_eq!(state.room_view().unwrap().seed, None);
    for text in [format!("{opened:?}"), format!("{state:?}")] {
        assert!(
            text.contains("RoomSeed(..)") && !text.contains("2, 2, 2, 2"),
            "{text}"
        );
    }
    let state = after(&one_of_each_of_a_room());
    assert_eq!(state.room_view().unwrap().seed, Some(RoomSeed([2; 32])));
}

/// While version 1 is the one that is written, its bytes do not drift either: replicas of two releases
/// compare hashes.
#[test]
fn version_1_is_written_as_it_always_was() {
    let entry = encode_entry(&one_of_each()).unwrap();
    assert_eq!(entry, golden("entry_v1.bin", &entry));
    let snapshot = encode_snapshot(&after_one_of_each());
    assert_eq!(snapshot, golden("snapshot_v1.bin", &snapshot));
}

#[test]
fn every_way_of_being_wrong_has_its_error() {
    let good = encode_entry(&one_of_each()).unwrap();
    assert_eq!(
        decode_entry(&good[..9]),
        Err(CodecError::TooShort { found: 9 })
    );
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        decode_entry(&bytes)
    };
    assert!(matches!(with(0, b'X'), Err(CodecError::WrongMagic { .. })));
    assert_eq!(
        with(4, 3),
        Err(CodecError::UnknownVersion { found: 3, known: 2 })
    );
    assert_eq!(
        with(4, 0),
        Err(CodecError::UnknownVersion { found: 0, known: 2 })
    );
    assert!(matches!(
        with(40, good[40] ^ 1),
        Err(CodecError::BadChecksum { .. })
    ));
    let snapshot = encode_snapshot(&after_one_of_each());
    assert!(matches!(
        decode_entry(&snapshot),
        Err(CodecError::WrongMagic { .. })
    ));
    assert!(matches!(
        decode_snapshot(&good),
        Err(CodecError::WrongMagic { .. })
    ));
    assert!(matches!(
        decode_entry(&sealed(b"HFIE", &[1, 9])),
        Err(CodecError::BadBody { .. })
    ));
    let mut longer = good[14..].to_vec();
    longer.push(0);
    assert!(matches!(
        decode_entry(&sealed(b"HFIE", &longer)),
        Err(CodecError::BadBody { .. })
    ));
}

#[test]
fn an_entry_with_too_many_commands_is_not_written() {
    let tick = Envelope {
        request: RequestId::internal("tick", 0),
        command: Command::Tick,
    };
    let entry = Entry {
        now_ms: 0,
        commands: vec![tick; 16_385],
    };
    assert_eq!(
        encode_entry(&entry),
        Err(CodecError::TooLarge {
            found: 16_385,
            max: 16_384
        })
    );
}

#[test]
fn the_state_before_the_first_entry_survives_a_snapshot() {
    let state = decode_snapshot(&encode_snapshot(&InventoryState::new())).unwrap();
    assert!(!state.is_set_up());
    assert_eq!(state.state_hash(), InventoryState::new().state_hash());
}

/// A header with a right checksum before any body.
fn sealed(magic: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = magic.to_vec();
    bytes.extend_from_slice(&1_u16.to_le_bytes());
    bytes.extend_from_slice(&xxhash_rust::xxh3::xxh3_64(body).to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(decode_entry(&bytes).is_err());
        prop_assert!(decode_snapshot(&bytes).is_err());
        // Behind a right header the body decoder itself is reached.
        let _ = decode_entry(&sealed(b"HFIE", &bytes));
        prop_assert!(decode_snapshot(&sealed(b"HFIS", &bytes)).is_err());
    }

    #[test]
    fn a_damaged_body_behind_a_right_checksum_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut snapshot = encode_snapshot(&after_one_of_each())[14..].to_vec();
        let mut entry = encode_entry(&one_of_each()).unwrap()[14..].to_vec();
        for (at, byte) in changes {
            let (i, j) = (at.index(snapshot.len()), at.index(entry.len()));
            snapshot[i] = byte;
            entry[j] = byte;
        }
        if let Ok(entry) = decode_entry(&sealed(b"HFIE", &entry)) {
            apply(&mut InventoryState::new(), &entry);
        }
        if let Ok(mut state) = decode_snapshot(&sealed(b"HFIS", &snapshot)) {
            // Whatever is let in is sound, so it can be worked with.
            apply(&mut state, &one_of_each());
        }
    }
}
