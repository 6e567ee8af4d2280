//! Random commands, judged by a naive model of its own; and sameness: the same entries give the same bytes.
#![expect(clippy::unwrap_used, reason = "a broken test must stop")]

#[path = "model/model.rs"]
mod model;
#[path = "model/plan.rs"]
mod plan;
#[path = "model/said.rs"]
mod said;

use holdfast_inventory::command::{PaymentFact, PlaceHold, RecordPayment, Wanted};
use holdfast_inventory::ids::{
    AreaNo, AttemptNo, BuyerId, CategoryNo, HoldId, OrderId, OutboxSeq, RequestId, RequestKey,
    SeatNo,
};
use holdfast_inventory::show::SingleSeatRule;
use holdfast_inventory::state::Bounds;
use holdfast_inventory::{Command, Entry, Envelope, InventoryState, apply, codec, invariants};
use model::Model;
use proptest::prelude::*;

/// Everything a random sequence is made of.
#[derive(Clone, Debug)]
struct Story {
    rule: SingleSeatRule,
    expired_per_entry_max: usize,
    entries: Vec<Entry>,
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let seat = (0..plan::SEATS + 1).prop_map(SeatNo);
    let category = prop::option::weighted(0.3, (0..4_u16).prop_map(CategoryNo));
    prop_oneof![
        4 => prop::collection::vec(seat, 0..4).prop_map(Wanted::Named),
        // Neighbours, so that pairs without a gap are not rare.
        4 => (0..plan::SEATS - 1, 1..4_u32).prop_map(|(from, n)| {
            Wanted::Named((from..(from + n).min(plan::SEATS)).map(SeatNo).collect())
        }),
        3 => (0..6_u32, category, prop_oneof![4 => Just(0_u32), 1 => 0..3_u32]).prop_map(
            |(quantity, category, accessible)| {
                Wanted::BestAvailable { quantity, category, accessible }
            }
        ),
        3 => (0..3_u16, 0..4_u32).prop_map(|(area, quantity)| {
            Wanted::GeneralAdmission { area: AreaNo(area), quantity }
        }),
    ]
}

fn fact() -> impl Strategy<Value = PaymentFact> {
    prop_oneof![
        4 => Just(PaymentFact::Authorised),
        1 => Just(PaymentFact::Declined),
        1 => Just(PaymentFact::TimedOut),
        3 => Just(PaymentFact::Captured),
        1 => Just(PaymentFact::CaptureFailed),
        2 => Just(PaymentFact::Voided),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let hold = || (1..12_u64).prop_map(HoldId);
    let order = || (1..7_u64).prop_map(OrderId);
    let seats = || prop::collection::vec((0..plan::SEATS + 1).prop_map(SeatNo), 0..3);
    let token = || prop_oneof![8 => Just("tok".to_owned()), 1 => Just(String::new())];
    let ttl_ms = prop_oneof![3 => Just(0), 1 => 0..40 * plan::MINUTE_MS];
    prop_oneof![
        12 => (wanted(), ttl_ms).prop_map(|(what, ttl_ms)| Command::PlaceHold(PlaceHold { what, ttl_ms })),
        2 => hold().prop_map(|hold| Command::ExtendHold { hold }),
        2 => hold().prop_map(|hold| Command::ReleaseHold { hold }),
        6 => hold().prop_map(|hold| Command::OpenOrder { hold }),
        6 => (order(), token())
            .prop_map(|(order, payment_token)| Command::PayOrder { order, payment_token }),
        10 => (order(), 1..3_u32, fact()).prop_map(|(order, attempt, fact)| {
            Command::RecordPayment(RecordPayment { order, attempt: AttemptNo(attempt), fact })
        }),
        1 => order().prop_map(|order| Command::CancelOrder { order }),
        1 => seats().prop_map(|seats| Command::BlockSeats { seats, reason: String::new() }),
        1 => seats().prop_map(|seats| Command::UnblockSeats { seats }),
        1 => Just(Command::Tick),
        1 => prop::collection::vec((1..20_u64).prop_map(OutboxSeq), 0..4)
            .prop_map(|seqs| Command::AcknowledgeOutbox { seqs }),
    ]
}

fn envelope() -> impl Strategy<Value = Envelope> {
    let key = prop_oneof![3 => 1_000..u64::MAX, 1 => 0..8_u64];
    (0..3_u8, key, command()).prop_map(|(who, key, command)| Envelope {
        request: RequestId {
            caller: BuyerId([who + 1; 16]),
            key: RequestKey::internal("story", key),
        },
        command,
    })
}

fn story() -> impl Strategy<Value = Story> {
    let step_ms = prop_oneof![
        6 => 0..plan::MINUTE_MS,
        2 => 0..9 * plan::MINUTE_MS,
        1 => Just(0_u64),
        1 => prop_oneof![4 => Just(plan::TTL_MS), 1 => Just(24 * 60 * plan::MINUTE_MS)],
    ];
    let entry = (step_ms, prop::collection::vec(envelope(), 1..6));
    let rule = prop_oneof![
        Just(SingleSeatRule::Strict),
        Just(SingleSeatRule::Lenient),
        Just(SingleSeatRule::Off)
    ];
    (
        rule,
        prop_oneof![Just(1_usize), Just(4_096)],
        prop::collection::vec(entry, 1..60),
    )
        .prop_map(|(rule, expired_per_entry_max, steps)| {
            let mut now_ms = 0;
            let mut entries = vec![Entry {
                now_ms,
                commands: vec![Envelope {
                    request: RequestId::internal("set up", 0),
                    command: Command::SetUpShow(Box::new(plan::set_up(rule))),
                }],
            }];
            // Stories begin at the opening, give or take.
            now_ms += plan::OPENS_MS - 1_000;
            for (step_ms, commands) in steps {
                // What is swept late is remembered longer: a model without sweeping cannot say how much.
                let step_ms = if expired_per_entry_max == 1 {
                    step_ms.min(9 * plan::MINUTE_MS)
                } else {
                    step_ms
                };
                now_ms += step_ms;
                // A leader whose clock is behind: the shard's clock must not follow it.
                let stamped = if step_ms % 7 == 3 {
                    now_ms.saturating_sub(5_000)
                } else {
                    now_ms
                };
                entries.push(Entry {
                    now_ms: stamped,
                    commands,
                });
            }
            Story {
                rule,
                expired_per_entry_max,
                entries,
            }
        })
}

fn fresh(story: &Story) -> InventoryState {
    let bounds = Bounds {
        expired_per_entry_max: story.expired_per_entry_max,
        ..Bounds::default()
    };
    InventoryState::with_bounds(bounds)
}

fn compare_reads(state: &InventoryState, model: &Model) -> Result<(), TestCaseError> {
    prop_assert_eq!(state.seat_codes().collect::<Vec<_>>(), model.seat_codes());
    let areas: Vec<_> = state
        .area_states()
        .map(|a| (a.available, a.held, a.sold))
        .collect();
    prop_assert_eq!(areas, model.areas());
    for (i, expected) in model.holds().into_iter().enumerate() {
        let seen = state
            .hold_view(HoldId(i as u64 + 1))
            .map(|view| said::hold(&view));
        prop_assert_eq!(seen, expected);
    }
    for (i, expected) in model.orders().into_iter().enumerate() {
        let seen = state
            .order_view(OrderId(i as u64 + 1))
            .map(|view| said::order(&view));
        prop_assert_eq!(seen, expected);
    }
    Ok(())
}

/// 300 stories, or as many as `PROPTEST_CASES` says.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() {
        default.cases
    } else {
        300
    };
    ProptestConfig {
        cases,
        max_shrink_iters: 4_000,
        ..default
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_answer_is_the_naive_models_answer(story in story()) {
        let mut state = fresh(&story);
        let mut model = Model::new(story.rule);
        for entry in &story.entries {
            let doomed = state.would_reject(&entry.commands[0], entry.now_ms);
            let outcomes = apply(&mut state, entry);
            prop_assert_eq!(outcomes.len(), entry.commands.len());
            if let Some(doomed) = doomed {
                prop_assert_eq!(outcomes[0].rejection(), Some(&doomed));
            }
            model.advance(entry.now_ms);
            for (envelope, outcome) in entry.commands.iter().zip(&outcomes) {
                if let Err(wrong) = model.command(envelope, outcome) {
                    prop_assert!(false, "{:?}: {}", envelope.command, wrong);
                }
            }
            prop_assert_eq!(invariants::check(&state), Vec::new());
            compare_reads(&state, &model)?;
        }
    }

    #[test]
    fn the_same_entries_give_the_same_bytes_also_through_log_and_snapshot(
        story in story(),
        cut in any::<prop::sample::Index>(),
    ) {
        let cut = cut.index(story.entries.len());
        let (mut one, mut other) = (fresh(&story), fresh(&story));
        for (i, entry) in story.entries.iter().enumerate() {
            let first = apply(&mut one, entry);
            if i == cut {
                other = codec::decode_snapshot(&codec::encode_snapshot(&other)).unwrap();
            }
            let logged = codec::encode_entry(entry).unwrap();
            let second = apply(&mut other, &codec::decode_entry(&logged).unwrap());
            prop_assert_eq!(first, second);
        }
        prop_assert_eq!(one.state_hash(), other.state_hash());
        prop_assert_eq!(codec::encode_snapshot(&one), codec::encode_snapshot(&other));
    }
}
