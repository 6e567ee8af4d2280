//! Buyers: each does one thing at a time and asks again, with the same request id, until it is told what came of it.
//!
//! Owns: what is asked, of whom, and what was told. Must never: take a silence for a no.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_inventory::command::{Command, Entry, Envelope, PlaceHold, Wanted};
use holdfast_inventory::ids::{
    AreaNo, BuyerId, HoldId, OrderId, RequestId, RequestKey, SeatNo, ShowId,
};
use holdfast_inventory::outcome::{Effect, HoldState, Outcome};
use holdfast_region_config::{GroupId, NodeId};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::doors;
use super::fact::Fact;
use super::machine::Machine;
use super::stage::SEATS;
use super::witness::Witness;

/// Buyers per show.
const PER_SHOW: u8 = 3;
/// A buyer that was told nothing for this long asks another node, ms.
const ATTEMPT_MS: u64 = 1_500;
/// And does something else after so long, ms; what it asked for may still happen.
const GIVE_UP_MS: u64 = 25_000;
/// The shard's time begins here, ms.
const EPOCH_MS: u64 = 1_000_000;

/// What came of an attempt.
struct Answer {
    attempt: u64,
    /// The entry's index and the outcome, or who might know better and what was said.
    outcome: Result<(u64, Outcome), (Option<NodeId>, String)>,
}

type Answers = Arc<Mutex<Vec<Answer>>>;

struct Operation {
    envelope: Envelope,
    began_ms: u64,
    attempt: u64,
    /// Another attempt at this time.
    next_ms: u64,
    /// Asked once more after it was answered, as a careless client would.
    repeat: bool,
}

struct Buyer {
    id: BuyerId,
    show: ShowId,
    requests: u64,
    holds: Vec<HoldId>,
    orders: Vec<OrderId>,
    asks: NodeId,
    idle_until_ms: u64,
    operation: Option<Operation>,
}

/// All buyers.
pub(super) struct Clients {
    random: StdRng,
    nodes: Vec<NodeId>,
    buyers: Vec<Buyer>,
    answers: Answers,
    next_attempt: u64,
    /// Wall-clock error of each node's proposer, ms.
    skew_ms: BTreeMap<NodeId, u64>,
    /// (when, highest index acknowledged until then), per group, in order.
    acknowledged: BTreeMap<GroupId, Vec<(u64, u64)>>,
    /// When the last acknowledged operation of each group began, ms.
    newest_write_ms: BTreeMap<GroupId, u64>,
    pub(super) acknowledged_total: u64,
    pub(super) given_up_total: u64,
    /// No new operations are begun.
    pub(super) paused: bool,
}

impl Clients {
    pub(super) fn new(seed: u64, nodes: &[NodeId], shows: &[ShowId]) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut buyers = Vec::new();
        for show in shows {
            for _ in 0..PER_SHOW {
                let number = u8::try_from(buyers.len() + 1).unwrap_or(u8::MAX);
                buyers.push(Buyer {
                    id: BuyerId([number; 16]),
                    show: *show,
                    requests: 0,
                    holds: Vec::new(),
                    orders: Vec::new(),
                    asks: *nodes.choose(&mut random).unwrap_or(&NodeId::new(1)),
                    idle_until_ms: 0,
                    operation: None,
                });
            }
        }
        let skew_ms = nodes
            .iter()
            .map(|node| (*node, random.random_range(0..3_000)))
            .collect();
        Self {
            random,
            nodes: nodes.to_vec(),
            buyers,
            answers: Answers::default(),
            next_attempt: 1,
            skew_ms,
            acknowledged: BTreeMap::new(),
            newest_write_ms: BTreeMap::new(),
            acknowledged_total: 0,
            given_up_total: 0,
            paused: false,
        }
    }

    /// The highest index of `group` that some client knew of before `before_ms`.
    pub(super) fn acknowledged_before(&self, group: GroupId, before_ms: u64) -> u64 {
        let all = self.acknowledged.get(&group);
        let known = all.map_or(&[][..], |all| {
            &all[..all.partition_point(|(at_ms, _)| *at_ms < before_ms)]
        });
        known.last().map_or(0, |(_, index)| *index)
    }

    /// Whether `group` has acknowledged something that was asked for since `since_ms`.
    pub(super) fn has_written_since(&self, group: GroupId, since_ms: u64) -> bool {
        self.newest_write_ms
            .get(&group)
            .is_some_and(|at_ms| *at_ms >= since_ms)
    }

    /// Gives up what is in flight; the outcomes stay unknown.
    pub(super) fn forget_operations(&mut self) {
        for buyer in &mut self.buyers {
            buyer.operation = None;
        }
    }

    pub(super) fn step(
        &mut self,
        now_ms: u64,
        machines: &BTreeMap<NodeId, Machine>,
        witness: &Witness,
    ) {
        self.take_answers(now_ms, witness);
        for n in 0..self.buyers.len() {
            self.advance(n, now_ms, machines);
        }
    }

    fn take_answers(&mut self, now_ms: u64, witness: &Witness) {
        let answers =
            std::mem::take(&mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner));
        for answer in answers {
            let waits = |buyer: &Buyer| {
                let operation = buyer.operation.as_ref();
                operation.is_some_and(|operation| operation.attempt == answer.attempt)
            };
            let buyer = self.buyers.iter().position(waits);
            match answer.outcome {
                Ok((index, outcome)) => {
                    self.acknowledge(buyer, index, &outcome, now_ms, witness);
                }
                Err((leader, said)) => {
                    witness.note(&format!("attempt {} failed: {said}", answer.attempt));
                    let Some(buyer) = buyer.and_then(|n| self.buyers.get_mut(n)) else {
                        continue;
                    };
                    buyer.asks = leader.unwrap_or_else(|| {
                        *self.nodes.choose(&mut self.random).unwrap_or(&buyer.asks)
                    });
                    if let Some(operation) = &mut buyer.operation {
                        operation.next_ms = now_ms + self.random.random_range(10..120);
                    }
                }
            }
        }
    }

    fn acknowledge(
        &mut self,
        buyer: Option<usize>,
        index: u64,
        outcome: &Outcome,
        now_ms: u64,
        witness: &Witness,
    ) {
        // An answer to an attempt that was given up is nobody's.
        let Some(buyer) = buyer.and_then(|n| self.buyers.get_mut(n)) else {
            return;
        };
        let Some(operation) = &mut buyer.operation else {
            return;
        };
        let group = GroupId::new(buyer.show.get());
        let request = operation.envelope.request;
        witness.tell(&Fact::Acknowledged {
            group,
            index,
            request,
            outcome,
        });
        witness.note(&format!("acknowledged {request:?} {group} {index}"));
        self.acknowledged_total += 1;
        let known = self.acknowledged.entry(group).or_default();
        let highest = known.last().map_or(0, |(_, highest)| *highest).max(index);
        known.push((now_ms, highest));
        let newest = self.newest_write_ms.entry(group).or_default();
        *newest = (*newest).max(operation.began_ms);
        if operation.repeat {
            operation.repeat = false;
            operation.next_ms = now_ms;
            operation.attempt = 0;
            return;
        }
        match outcome.effect() {
            Some(Effect::Hold(view)) => {
                buyer.holds.retain(|hold| *hold != view.hold);
                if view.state == HoldState::Active {
                    buyer.holds.push(view.hold);
                }
            }
            Some(Effect::Order(view)) => {
                buyer.holds.retain(|hold| *hold != view.hold);
                if !buyer.orders.contains(&view.order) {
                    buyer.orders.push(view.order);
                }
            }
            _ => {}
        }
        buyer.operation = None;
        buyer.idle_until_ms = now_ms + self.random.random_range(5..150);
        if self.random.random_bool(0.01) {
            // Nobody wants this show for a while: long enough to fall asleep, perhaps to leave memory.
            let (show, for_ms) = (buyer.show, self.random.random_range(1_000..12_000));
            for other in self.buyers.iter_mut().filter(|other| other.show == show) {
                other.idle_until_ms = now_ms + for_ms;
            }
        }
    }

    fn advance(&mut self, n: usize, now_ms: u64, machines: &BTreeMap<NodeId, Machine>) {
        let paused = self.paused;
        let Some(buyer) = self.buyers.get_mut(n) else {
            return;
        };
        let too_old = |operation: &Operation| now_ms > operation.began_ms + GIVE_UP_MS;
        if buyer.operation.as_ref().is_some_and(too_old) {
            buyer.operation = None;
            self.given_up_total += 1;
        }
        if buyer.operation.is_none() {
            if paused || now_ms < buyer.idle_until_ms {
                return;
            }
            buyer.operation = Some(Operation {
                envelope: next_request(buyer, &mut self.random),
                began_ms: now_ms,
                attempt: 0,
                next_ms: now_ms,
                repeat: self.random.random_bool(0.1),
            });
        }
        let Some(operation) = &mut buyer.operation else {
            return;
        };
        if now_ms < operation.next_ms {
            return;
        }
        if operation.attempt != 0 && self.random.random_bool(0.7) {
            // The last one said nothing, or sent us away without a name.
            buyer.asks = *self.nodes.choose(&mut self.random).unwrap_or(&buyer.asks);
        }
        operation.attempt = self.next_attempt;
        self.next_attempt += 1;
        operation.next_ms = now_ms + ATTEMPT_MS;
        if let Some(machine) = machines.get(&buyer.asks) {
            let skew_ms = self.skew_ms.get(&buyer.asks).copied().unwrap_or_default();
            let entry = Entry {
                now_ms: EPOCH_MS + now_ms + skew_ms,
                commands: vec![operation.envelope.clone()],
            };
            attempt(machine, buyer.show, entry, operation.attempt, &self.answers);
        }
    }
}

/// Asks a machine; one that is down says nothing.
fn attempt(machine: &Machine, show: ShowId, entry: Entry, attempt: u64, answers: &Answers) {
    let Some(host) = machine.host().cloned() else {
        return;
    };
    let answers = Arc::clone(answers);
    machine.spawn(async move {
        let outcome = match doors::show(&host, show).await {
            None => Err((None, format!("{show} cannot be opened"))),
            Some(group) => match group.propose(&entry).await {
                Ok(committed) => match committed.outcomes.into_iter().next() {
                    Some(outcome) => Ok((committed.index, outcome)),
                    None => Err((None, "no outcome".to_owned())),
                },
                Err(error) => Err((error.leader(), error.to_string())),
            },
        };
        let answer = Answer { attempt, outcome };
        answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(answer);
    });
}

fn next_request(buyer: &mut Buyer, random: &mut StdRng) -> Envelope {
    buyer.requests += 1;
    let request = RequestId {
        caller: buyer.id,
        key: RequestKey::from_text(&buyer.requests.to_string()),
    };
    // Holding more than a few makes it give back, so that seats change hands.
    let holds_many = buyer.holds.len() >= 3;
    let command = match random.random_range(0..10) {
        0..2 if !buyer.holds.is_empty() => Command::OpenOrder {
            hold: buyer.holds[0],
        },
        2 if !buyer.holds.is_empty() => Command::ExtendHold {
            hold: buyer.holds[0],
        },
        _ if !buyer.orders.is_empty() && random.random_bool(0.5) => Command::CancelOrder {
            order: buyer.orders.remove(0),
        },
        _ if holds_many => Command::ReleaseHold {
            hold: buyer.holds.remove(0),
        },
        3 | 4 => place(Wanted::BestAvailable {
            quantity: random.random_range(1..=2),
            category: None,
            accessible: 0,
        }),
        5 => place(Wanted::GeneralAdmission {
            area: AreaNo(0),
            quantity: random.random_range(1..=3),
        }),
        _ => {
            let first = random.random_range(0..SEATS - 1);
            let count = random.random_range(1..=2);
            place(Wanted::Named((first..first + count).map(SeatNo).collect()))
        }
    };
    Envelope { request, command }
}

fn place(what: Wanted) -> Command {
    Command::PlaceHold(PlaceHold { what, ttl_ms: 0 })
}
