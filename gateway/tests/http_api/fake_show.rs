//! A naive show of six seats and one area, with request ids, shared by the scripted nodes.
//!
//! Owns: just enough behaviour for the gateway to be tested against. Must never: be taken for the real state machine.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_node_api::print;
use holdfast_node_api::v1::submit_reply::Result as Outcome;
use holdfast_node_api::v1::submit_request::Command;
use holdfast_node_api::v1::{self, FailureCode, HoldState, OrderState, place_hold::What};
use tokio::sync::watch;

pub(crate) const SEATS: u32 = 6;

/// What a node does with the next command, before its usual behaviour.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Fail with this code; nothing happened.
    Fail(FailureCode),
    /// Do it and never answer.
    DoAndKeepSilent,
    /// Neither do it nor answer.
    KeepSilent,
}

/// What both nodes share.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) leader: u64,
    pub(crate) steps: VecDeque<Step>,
    /// Nodes that the directory knows; who watches the catalogue hears of them.
    pub(crate) announced: watch::Sender<Vec<v1::CatalogueNode>>,
    /// Commands that reached a node, with the node, their caller and their key.
    pub(crate) seen: Vec<(u64, Vec<u8>, String)>,
    /// What reads say of their age, ms.
    pub(crate) age_ms: u64,
    /// The same of seat maps of nodes whose replica is older than the others'.
    pub(crate) old_replicas: HashMap<u64, u64>,
    /// Seat map reads are refused.
    pub(crate) reads_down: bool,
    /// The index of buyers does not answer.
    pub(crate) index_down: bool,
    /// Watches of seats end, and none is begun.
    pub(crate) watches_down: bool,
    /// Watches of seats say nothing.
    pub(crate) watches_silent: bool,
    /// Watches of seats that were begun.
    pub(crate) watches_begun: u64,
    /// Seats that a watch says are sold.
    pub(crate) sold: HashSet<u32>,
    /// How long a node takes for a seat map.
    pub(crate) map_delays: HashMap<u64, Duration>,
    /// Nodes that have applied less than the others, with the index up to which they have.
    pub(crate) behind: HashMap<u64, u64>,
    pub(crate) index: u64,
    /// The show's waiting room; none as it begins.
    pub(crate) room: v1::Room,
    /// What claims and joining the waitlist are answered.
    pub(crate) door: Option<Outcome>,
    /// What the gateway said about who waits.
    pub(crate) reports: Vec<v1::QueueReport>,
    /// Passes that came with holds.
    pub(crate) passes: Vec<Vec<u8>>,
    pub(crate) taken: HashMap<u32, u64>,
    pub(crate) holds: Vec<(Vec<u8>, v1::Hold)>,
    pub(crate) orders: Vec<(Vec<u8>, v1::Order)>,
    pub(crate) remembered: HashMap<(Vec<u8>, String), (String, v1::SubmitReply)>,
}

pub(crate) type Shared = Arc<Mutex<World>>;

pub(crate) fn rejected(code: &str, seats: Vec<u32>) -> Outcome {
    let message = format!("no: {code}");
    Outcome::Rejection(v1::Rejection {
        code: code.to_owned(),
        message,
        seats,
        limit: None,
    })
}

pub(crate) fn failure(code: FailureCode, leader_node_id: u64) -> Outcome {
    let field = if code == FailureCode::Invalid {
        "place_hold.seats"
    } else {
        ""
    };
    Outcome::Failure(v1::Failure {
        code: code.into(),
        message: "scripted".to_owned(),
        retry_after_ms: 20,
        leader_node_id,
        field: field.to_owned(),
        maybe_happened: code == FailureCode::Deadline,
    })
}

impl World {
    pub(crate) fn led_by(leader: u64) -> Self {
        Self {
            leader,
            ..Self::default()
        }
    }

    pub(crate) fn apply(&mut self, request: &v1::SubmitRequest) -> v1::SubmitReply {
        let id = (request.caller.to_vec(), request.idempotency_key.clone());
        let digest = format!("{:?}", request.command);
        if let Some((first, reply)) = self.remembered.get(&id) {
            let replayed = v1::SubmitReply {
                replayed: true,
                ..reply.clone()
            };
            let reused = Some(rejected("request_reused", vec![]));
            return if *first == digest {
                replayed
            } else {
                v1::SubmitReply {
                    result: reused,
                    ..replayed
                }
            };
        }
        self.index += 1;
        let result = self.decide(request);
        let effect = !matches!(result, Outcome::Rejection(_));
        let reply = v1::SubmitReply {
            tag: 0,
            index: self.index,
            result: Some(result),
            replayed: false,
        };
        if effect {
            self.remembered.insert(id, (digest, reply.clone()));
        }
        reply
    }

    fn decide(&mut self, request: &v1::SubmitRequest) -> Outcome {
        let caller = request.caller.to_vec();
        match request.command.clone().expect("a command") {
            Command::PlaceHold(place) => {
                self.passes.push(place.pass.to_vec());
                self.place(caller, place.what.expect("what"))
            }
            Command::ExtendHold(c) => self.hold(c.hold_id, |hold| hold.expires_at_ms += 1_000),
            Command::ReleaseHold(c) => {
                self.taken.retain(|_, by| *by != c.hold_id);
                self.hold(c.hold_id, |hold| hold.set_state(HoldState::HoldReleased))
            }
            Command::OpenOrder(c) => self.open(caller, c.hold_id),
            Command::PayOrder(c) => self.order(c.order_id, |order| pay(order, &c.payment_token)),
            Command::CancelOrder(c) => self.order(c.order_id, |order| {
                order.set_state(OrderState::OrderCancelled)
            }),
            Command::ClaimPass(_) | Command::JoinWaitlist(_) => {
                let door = self.door.clone();
                door.unwrap_or_else(|| rejected("queue_none", vec![]))
            }
            Command::OpenRoom(_) | Command::ChangeRoom(_) => rejected("queue_exists", vec![]),
            Command::BlockSeats(_) | Command::UnblockSeats(_) => {
                rejected("seats_not_blocked", vec![])
            }
        }
    }

    fn place(&mut self, caller: Vec<u8>, what: What) -> Outcome {
        let hold_id = self.holds.len() as u64 + 1;
        let mut hold = v1::Hold {
            hold_id,
            state: HoldState::HoldActive.into(),
            expires_at_ms: 60_000,
            expires_at_max_ms: 120_000,
            currency: "EUR".to_owned(),
            now_ms: 1,
            ..v1::Hold::default()
        };
        match what {
            What::Seats(named) => hold.seats = named.seats,
            What::BestAvailable(best) => {
                let free = (0..SEATS).filter(|seat| !self.taken.contains_key(seat));
                hold.seats = free.take(best.quantity as usize).collect();
            }
            What::GeneralAdmission(ga) => (hold.area, hold.quantity) = (Some(ga.area), ga.quantity),
        }
        let gone: Vec<u32> = hold
            .seats
            .iter()
            .copied()
            .filter(|s| self.taken.contains_key(s))
            .collect();
        if !gone.is_empty() {
            return rejected("seats_taken", gone);
        }
        self.taken
            .extend(hold.seats.iter().map(|seat| (*seat, hold_id)));
        self.holds.push((caller, hold.clone()));
        Outcome::Hold(hold)
    }

    fn hold(&mut self, hold_id: u64, change: impl FnOnce(&mut v1::Hold)) -> Outcome {
        match self
            .holds
            .iter_mut()
            .find(|(_, hold)| hold.hold_id == hold_id)
        {
            Some((_, hold)) => {
                change(hold);
                Outcome::Hold(hold.clone())
            }
            None => rejected("hold_unknown", vec![]),
        }
    }

    fn open(&mut self, caller: Vec<u8>, hold_id: u64) -> Outcome {
        let order_id = self.orders.len() as u64 + 1;
        let Outcome::Hold(hold) = self.hold(hold_id, |hold| hold.order_id = Some(order_id)) else {
            return rejected("hold_unknown", vec![]);
        };
        let order = v1::Order {
            order_id,
            hold_id,
            state: OrderState::OrderOpen.into(),
            seats: hold.seats,
            currency: hold.currency,
            ..v1::Order::default()
        };
        self.orders.push((caller, order.clone()));
        Outcome::Order(order)
    }

    fn order(&mut self, order_id: u64, change: impl FnOnce(&mut v1::Order)) -> Outcome {
        match self
            .orders
            .iter_mut()
            .find(|(_, order)| order.order_id == order_id)
        {
            Some((_, order)) => {
                change(order);
                let mut told = order.clone();
                // Like the real one: the command's own answer is "paying"; what came of it is read later.
                if order.state() == OrderState::OrderConfirmed || !order.payment_problem.is_empty()
                {
                    told.set_state(OrderState::OrderPaying);
                }
                Outcome::Order(told)
            }
            None => rejected("order_unknown", vec![]),
        }
    }

    /// All of the show, as a watch tells it.
    pub(crate) fn everything(&self) -> v1::SeatsUpdate {
        let code = |seat| match (self.sold.contains(&seat), self.taken.contains_key(&seat)) {
            (true, _) => 2,
            (false, taken) => u8::from(taken),
        };
        let prints = self.remembered.keys().map(|(caller, key)| {
            print::of_text(caller.as_slice().try_into().expect("16 bytes"), key)
        });
        v1::SeatsUpdate {
            as_of: self.as_of(None),
            now_ms: 1,
            seats: (0..SEATS).map(code).collect::<Vec<u8>>().into(),
            areas: vec![v1::AreaState {
                available: 50,
                ..v1::AreaState::default()
            }],
            everything: true,
            prints: prints.collect(),
            ..v1::SeatsUpdate::default()
        }
    }

    pub(crate) fn as_of(&self, read: Option<v1::ReadOptions>) -> Option<v1::AsOf> {
        let linearizable = read.is_some_and(|read| read.linearizable);
        Some(v1::AsOf {
            index: self.index,
            age_ms: self.age_ms,
            linearizable,
        })
    }
}

fn pay(order: &mut v1::Order, token: &str) {
    match token {
        "tok_approve" => {
            order.set_state(OrderState::OrderConfirmed);
            order.ticket_ids = (1..).take(order.seats.len()).collect();
        }
        "tok_decline" => "declined".clone_into(&mut order.payment_problem),
        "tok_timeout" => "provider_timeout".clone_into(&mut order.payment_problem),
        _ => order.set_state(OrderState::OrderPaying),
    }
}
