//! Random lives of a waiting room against a naive account of who is inside.
//!
//! The account is kept from outcomes and views alone, the way a doorman with a notebook would: who was given a pass, what they
//! held with it, and what became of that.
#![expect(clippy::unwrap_used, reason = "a broken test must stop")]

#[path = "model/plan.rs"]
mod plan;

use std::collections::BTreeMap;

use holdfast_inventory::command::{PaymentFact, PlaceHold, RecordPayment, Wanted};
use holdfast_inventory::ids::{
    AttemptNo, BuyerId, HoldId, OrderId, PassId, RequestId, RequestKey, SeatNo,
};
use holdfast_inventory::outcome::{HoldState, OrderState};
use holdfast_inventory::room::{
    ClaimPass, LineKey, OpenRoom, Raise, RoomChange, RoomConfig, RoomSeed,
};
use holdfast_inventory::show::SingleSeatRule;
use holdfast_inventory::{
    Command, Effect, Entry, Envelope, InventoryState, Outcome, apply, codec, invariants,
};
use proptest::prelude::*;

const BUYERS: u8 = 8;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Wait { seconds: u64 },
    Claim { buyer: u8, ticket: u8, key: u8 },
    Hold { buyer: u8, ticket: u8, seat: u32 },
    Release { buyer: u8 },
    Order { buyer: u8 },
    Pay { buyer: u8 },
    Cancel { buyer: u8 },
    Raise { to: u8 },
    Change(RoomChange),
    Snapshot,
}

fn step() -> impl Strategy<Value = Step> {
    let buyer = 0..BUYERS;
    prop_oneof![
        3 => (0_u64..400).prop_map(|seconds| Step::Wait { seconds }),
        8 => (buyer.clone(), 0..12_u8, any::<u8>())
            .prop_map(|(buyer, ticket, key)| Step::Claim { buyer, ticket, key }),
        8 => (buyer.clone(), 0..12_u8, 0..6_u32)
            .prop_map(|(buyer, ticket, seat)| Step::Hold { buyer, ticket, seat }),
        2 => buyer.clone().prop_map(|buyer| Step::Release { buyer }),
        3 => buyer.clone().prop_map(|buyer| Step::Order { buyer }),
        2 => buyer.clone().prop_map(|buyer| Step::Pay { buyer }),
        1 => buyer.prop_map(|buyer| Step::Cancel { buyer }),
        3 => any::<u8>().prop_map(|to| Step::Raise { to }),
        1 => prop_oneof![
            Just(RoomChange::Pause),
            Just(RoomChange::Resume),
            (1..5_u32).prop_map(|people| RoomChange::Capacity { people }),
        ].prop_map(Step::Change),
        1 => Just(Step::Snapshot),
    ]
}

/// The doorman's notebook and the shard.
struct Door {
    state: InventoryState,
    now_ms: u64,
    requests: u64,
    /// By pass: whose, until when, and what was held with it last.
    notes: BTreeMap<PassId, (BuyerId, u64, Option<HoldId>)>,
    orders: BTreeMap<BuyerId, OrderId>,
    threshold: u8,
    /// The most that may be inside: falls only as people leave.
    allowed: u64,
}

impl Door {
    fn new() -> Self {
        let mut door = Self {
            state: InventoryState::new(),
            now_ms: 90 * plan::MINUTE_MS,
            requests: 0,
            notes: BTreeMap::new(),
            orders: BTreeMap::new(),
            threshold: 0,
            allowed: 3,
        };
        let config = RoomConfig {
            opens_at_ms: 0,
            sale_at_ms: 0,
            capacity: 3,
            rate_per_min: 100,
            claim_window_ms: 5 * plan::MINUTE_MS,
            pass_ttl_ms: 3 * plan::MINUTE_MS,
        };
        let opened = OpenRoom {
            config,
            commit: [0; 32],
            seed: RoomSeed([0; 32]),
        };
        for command in [
            Command::SetUpShow(Box::new(plan::set_up(SingleSeatRule::Off))),
            Command::OpenRoom(Box::new(opened)),
            Command::RevealSeed,
        ] {
            assert!(matches!(
                door.ask(BuyerId::SYSTEM, command),
                Outcome::Done(_)
            ));
        }
        door
    }

    fn ask(&mut self, caller: BuyerId, command: Command) -> Outcome {
        self.requests += 1;
        let key = RequestKey::from_text(&self.requests.to_string());
        let request = RequestId { caller, key };
        let envelope = Envelope { request, command };
        let doomed = self.state.would_reject(&envelope, self.now_ms);
        let entry = Entry {
            now_ms: self.now_ms,
            commands: vec![envelope],
        };
        let outcome = apply(&mut self.state, &entry).remove(0);
        if let Some(doomed) = doomed {
            assert_eq!(outcome.rejection(), Some(&doomed));
        }
        outcome
    }

    /// Who is inside, from the notebook and what buyers can see.
    fn inside(&self) -> u64 {
        let is_inside = |(_, until_ms, hold): &(BuyerId, u64, Option<HoldId>)| {
            let in_time = *until_ms > self.now_ms;
            let Some(view) = hold.and_then(|hold| self.state.hold_view(hold)) else {
                return in_time;
            };
            match view.state {
                HoldState::Active => true,
                HoldState::Released => in_time,
                HoldState::Expired => false,
                HoldState::Ordered => {
                    let order = self.state.order_view(view.order.unwrap()).unwrap();
                    matches!(order.state, OrderState::Open | OrderState::Paying)
                }
            }
        };
        let inside = self.notes.values().filter(|note| is_inside(note)).count();
        u64::try_from(inside).unwrap()
    }

    fn hold_of(&self, buyer: BuyerId) -> HoldId {
        let mut notes = self.notes.values().rev();
        let hold = notes.find_map(|(of, _, hold)| hold.filter(|_| *of == buyer));
        hold.unwrap_or(HoldId(0))
    }

    fn play(&mut self, step: &Step) {
        match *step {
            Step::Wait { seconds } => {
                self.now_ms += seconds * 1_000;
                self.ask(BuyerId::SYSTEM, Command::Tick);
            }
            Step::Claim { buyer, ticket, key } => self.claim(buyer, ticket, key),
            Step::Hold {
                buyer,
                ticket,
                seat,
            } => self.hold(buyer, ticket, seat),
            Step::Release { buyer } => {
                let hold = self.hold_of(buyer_id(buyer));
                self.ask(buyer_id(buyer), Command::ReleaseHold { hold });
            }
            Step::Order { buyer } => {
                let hold = self.hold_of(buyer_id(buyer));
                let answer = self.ask(buyer_id(buyer), Command::OpenOrder { hold });
                if let Some(Effect::Order(view)) = answer.effect() {
                    self.orders.insert(buyer_id(buyer), view.order);
                }
            }
            Step::Pay { buyer } => self.pay(buyer_id(buyer)),
            Step::Cancel { buyer } => {
                if let Some(order) = self.orders.get(&buyer_id(buyer)).copied() {
                    self.ask(buyer_id(buyer), Command::CancelOrder { order });
                }
            }
            Step::Raise { to } => {
                let raise = Raise {
                    threshold: LineKey(u128::from(to)),
                    waiting: 1,
                    per_min: 1,
                    line: Vec::new(),
                };
                self.ask(BuyerId::SYSTEM, Command::RaiseThreshold(raise));
                let stands = self.state.room_view().unwrap().threshold;
                assert!(stands >= LineKey(u128::from(self.threshold)), "it fell");
                self.threshold = u8::try_from(stands.0).unwrap();
            }
            Step::Change(change) => {
                self.ask(BuyerId::SYSTEM, Command::ChangeRoom(change));
                if let RoomChange::Capacity { people } = change {
                    self.allowed = u64::from(people).max(self.inside());
                }
            }
            Step::Snapshot => {
                let bytes = codec::encode_snapshot(&self.state);
                self.state = codec::decode_snapshot(&bytes).unwrap();
            }
        }
    }

    fn claim(&mut self, buyer: u8, ticket: u8, key: u8) {
        let before = self.inside();
        let claim = ClaimPass {
            pass: PassId([ticket; 16]),
            key: LineKey(u128::from(key)),
        };
        let answer = self.ask(buyer_id(buyer), Command::ClaimPass(claim));
        let Some(Effect::Pass(view)) = answer.effect() else {
            return;
        };
        assert_eq!(view.buyer, buyer_id(buyer));
        if !self.notes.contains_key(&view.pass) {
            let room = self.state.room_view().unwrap();
            assert!(key <= self.threshold, "let in before the line came");
            assert!(
                before < u64::from(room.config.capacity),
                "let in over the cap"
            );
            assert!(!room.paused, "let in while paused");
            let note = (view.buyer, view.expires_at_ms, None);
            self.notes.insert(view.pass, note);
        }
    }

    fn hold(&mut self, buyer: u8, ticket: u8, seat: u32) {
        let pass = PassId([ticket; 16]);
        let what = Wanted::Named(vec![SeatNo(seat)]);
        let hold = PlaceHold { what, ttl_ms: 0 };
        let bare = self.ask(buyer_id(buyer), Command::PlaceHold(hold.clone()));
        assert_eq!(bare.rejection().unwrap().code(), "pass_required");
        let answer = self.ask(buyer_id(buyer), Command::PlaceHoldWithPass { hold, pass });
        if let Some(Effect::Hold(view)) = answer.effect() {
            let state = &self.state;
            let now_ms = self.now_ms;
            let (of, until_ms, spent) = self.notes.get_mut(&pass).unwrap();
            assert_eq!((*of, *until_ms > now_ms), (buyer_id(buyer), true));
            let released = |hold| state.hold_view(hold).unwrap().state == HoldState::Released;
            assert!(spent.is_none_or(released), "a pass made two holds");
            *spent = Some(view.hold);
        }
    }

    fn pay(&mut self, buyer: BuyerId) {
        let Some(order) = self.orders.get(&buyer).copied() else {
            return;
        };
        let payment_token = "tok".to_owned();
        let pay = Command::PayOrder {
            order,
            payment_token,
        };
        self.ask(buyer, pay);
        let said = RecordPayment {
            order,
            attempt: AttemptNo(1),
            fact: PaymentFact::Authorised,
        };
        self.ask(BuyerId::SYSTEM, Command::RecordPayment(said));
    }
}

fn buyer_id(buyer: u8) -> BuyerId {
    BuyerId([buyer + 1; 16])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn never_more_inside_than_allowed_and_the_doorman_agrees(steps in prop::collection::vec(step(), 1..120)) {
        let mut door = Door::new();
        for step in &steps {
            door.play(step);
            let room = door.state.room_view().unwrap();
            let inside = door.inside();
            prop_assert_eq!(room.inside, inside, "after {:?}", step);
            door.allowed = door.allowed.min(u64::from(room.config.capacity).max(inside));
            prop_assert!(inside <= door.allowed, "{} are inside, {} may be", inside, door.allowed);
            prop_assert_eq!(invariants::check(&door.state), Vec::new());
        }
    }
}
