//! A made-up shard: one thread, one state, everything in order.
//!
//! Owns: what a correct system answers, and how it would with a planted defect. Must never: be used to judge; the checker
//! has a model of its own.

use std::collections::{HashMap, VecDeque};

use super::plant::Plant;
use crate::history::{Answer, Op};

/// Life of a hold, ms.
pub(super) const TTL_MS: u64 = 3_000;
pub(super) const TTL_MAX_MS: u64 = 6_000;
/// Price of a seat, minor units.
pub(super) const PRICE_MINOR: u64 = 2_500;
/// Old states that a replica far behind may show.
const SNAPSHOTS_MAX: usize = 8;
/// Writes between two of them.
const SNAPSHOT_WRITES: u64 = 20;
/// Time that must be left for an early lapse to be noticed beyond doubt, ms.
const EARLY_MS: u64 = 1_500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seat {
    Free,
    Held(usize),
    Sold(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Active,
    Released,
    Ordered,
}

#[derive(Debug, Clone)]
struct Hold {
    seats: Vec<usize>,
    expires_ms: u64,
    expires_max_ms: u64,
    standing: Standing,
}

#[derive(Debug, Clone)]
struct Order {
    hold: usize,
    state: &'static str,
    tickets: Vec<String>,
}

/// A state as some replica had it.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub(super) at_ns: u64,
    pub(super) index: u64,
    pub(super) now_ms: u64,
    pub(super) states: String,
}

/// What a buyer asks of the shard.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) op: Op,
    pub(super) buyer: String,
    pub(super) key: String,
    pub(super) seats: Vec<usize>,
    /// Number of the hold or order.
    pub(super) subject: usize,
}

/// Yes, or no.
pub(super) type Reply = Result<Answer, Box<Answer>>;

/// What happened besides the answer.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// The order that was paid, and how many times money was taken.
    pub(super) paid: Option<(String, u32, u64)>,
    /// Number of the notice and its order.
    pub(super) announced: Option<(u64, String)>,
}

#[derive(Debug)]
pub(super) struct Shard {
    pub(super) name: String,
    number: usize,
    seats: Vec<Seat>,
    holds: Vec<Hold>,
    orders: Vec<Order>,
    remembered: HashMap<(String, String), Answer>,
    pub(super) index: u64,
    pub(super) now_ms: u64,
    tickets: u64,
    notices: u64,
    pub(super) sold: usize,
    pub(super) snapshots: VecDeque<Snapshot>,
    /// The defect, once it has set in.
    pub(super) plant: Option<Plant>,
}

impl Shard {
    pub(super) fn new(number: usize, seats: usize) -> Self {
        Self {
            name: format!("s{number}"),
            number,
            seats: vec![Seat::Free; seats],
            holds: Vec::new(),
            orders: Vec::new(),
            remembered: HashMap::new(),
            index: 1,
            now_ms: 0,
            tickets: 0,
            notices: 0,
            sold: 0,
            snapshots: VecDeque::new(),
            plant: None,
        }
    }

    pub(super) fn seat_name(seat: usize) -> String {
        format!("A-{}-{}", seat / 20 + 1, seat % 20 + 1)
    }

    fn seat_names(seats: &[usize]) -> Vec<String> {
        seats.iter().map(|seat| Self::seat_name(*seat)).collect()
    }

    fn has(&self, plant: Plant) -> bool {
        self.plant == Some(plant)
    }

    /// True once.
    fn once(&mut self, plant: Plant) -> bool {
        let now = self.has(plant);
        if now {
            self.plant = None;
        }
        now
    }

    fn lapsed(&self, hold: usize) -> bool {
        self.holds[hold].expires_ms <= self.now_ms
    }

    fn is_free(&self, seat: usize) -> bool {
        match self.seats[seat] {
            Seat::Free => true,
            Seat::Held(hold) if self.lapsed(hold) => true,
            Seat::Held(hold) => {
                let hold = &self.holds[hold];
                let plain =
                    hold.standing == Standing::Active && hold.expires_ms > self.now_ms + EARLY_MS;
                plain && self.has(Plant::EarlyExpiry)
            }
            Seat::Sold(_) => self.has(Plant::DoubleSale),
        }
    }

    /// One letter a seat.
    pub(super) fn states(&self) -> String {
        let letter = |seat: &Seat| match seat {
            Seat::Held(hold) if !self.lapsed(*hold) => 'h',
            Seat::Free | Seat::Held(_) => 'a',
            Seat::Sold(_) => 's',
        };
        self.seats.iter().map(letter).collect()
    }

    /// Carries a request out at a time, unless it was carried out before.
    pub(super) fn submit(
        &mut self,
        request: &Request,
        at_ns: u64,
        wall_ms: u64,
    ) -> (Reply, Effects) {
        let before_ms = self.now_ms;
        self.now_ms = before_ms.max(wall_ms);
        let mut effects = Effects::default();
        let id = (request.buyer.clone(), request.key.clone());
        let twice = request.op == Op::Order && self.plant == Some(Plant::ActsTwice);
        if let Some(first) = self.remembered.get(&id)
            && !twice
        {
            // A repeat is an entry of its own: its index and clock are today's, all else is what was said.
            self.index += 1;
            let repeat = Answer {
                replayed: true,
                index: self.index,
                now_ms: self.now_ms,
                ..first.clone()
            };
            return (Ok(repeat), effects);
        }
        let done = match request.op {
            Op::Hold => self.hold(request),
            Op::Extend => self.extend(request.subject),
            Op::Release => self.release(request.subject),
            Op::Order => self.order(request.subject),
            Op::Pay => self.pay(request.subject, &mut effects),
            _ => self.cancel(request.subject),
        };
        let Ok(mut answer) = done else {
            // A refusal is not in the log, so it does not move the clock either.
            self.now_ms = before_ms;
            return (done, effects);
        };
        self.index += 1;
        answer.index = self.index;
        if self.has(Plant::IndexBack) && self.index.is_multiple_of(7) {
            answer.index -= 3;
        }
        answer.now_ms = self.now_ms;
        self.remembered.insert(id, answer.clone());
        if self.index.is_multiple_of(SNAPSHOT_WRITES) {
            self.keep_snapshot(at_ns);
        }
        (Ok(answer), effects)
    }

    pub(super) fn keep_snapshot(&mut self, at_ns: u64) {
        if self.snapshots.len() == SNAPSHOTS_MAX {
            self.snapshots.pop_front();
        }
        self.snapshots.push_back(Snapshot {
            at_ns,
            index: self.index,
            now_ms: self.now_ms,
            states: self.states(),
        });
    }

    fn hold_id(&self, hold: usize) -> String {
        format!("h{}-{hold}", self.number)
    }

    pub(super) fn order_id(&self, order: usize) -> String {
        format!("o{}-{order}", self.number)
    }

    fn hold(&mut self, request: &Request) -> Reply {
        let seats = request.seats.iter().copied();
        let taken: Vec<usize> = seats.filter(|seat| !self.is_free(*seat)).collect();
        if !taken.is_empty() {
            return Err(no("seats_taken", Self::seat_names(&taken)));
        }
        let mut seats = request.seats.clone();
        if seats.len() == 2 && self.once(Plant::HalfHold) {
            seats.pop();
        }
        let id = self.holds.len();
        if seats
            .iter()
            .any(|seat| matches!(self.seats[*seat], Seat::Sold(_)))
        {
            self.plant = None;
        }
        for seat in &seats {
            self.seats[*seat] = Seat::Held(id);
        }
        self.holds.push(Hold {
            seats,
            expires_ms: self.now_ms + TTL_MS,
            expires_max_ms: self.now_ms + TTL_MAX_MS,
            standing: Standing::Active,
        });
        Ok(self.hold_view(id, "active"))
    }

    fn hold_view(&self, id: usize, state: &str) -> Answer {
        let hold = &self.holds[id];
        Answer {
            hold: self.hold_id(id),
            state: state.to_owned(),
            seats: Self::seat_names(&hold.seats),
            expires_ms: hold.expires_ms,
            total_minor: Some(PRICE_MINOR * hold.seats.len() as u64),
            ..Answer::default()
        }
    }

    /// Active, with time left.
    fn active(&mut self, id: usize, late: bool) -> Result<(), Box<Answer>> {
        match self.holds[id].standing {
            Standing::Released => Err(no("hold_released", Vec::new())),
            Standing::Ordered => Err(no("hold_ordered", Vec::new())),
            Standing::Active if self.lapsed(id) => {
                let seats = self.holds[id].seats.clone();
                let untouched = seats.iter().all(|seat| self.seats[*seat] == Seat::Held(id));
                if late && untouched && self.once(Plant::LateOrder) {
                    return Ok(());
                }
                Err(no("hold_expired", Vec::new()))
            }
            Standing::Active => Ok(()),
        }
    }

    fn extend(&mut self, id: usize) -> Reply {
        self.active(id, false)?;
        let hold = &mut self.holds[id];
        hold.expires_ms = (self.now_ms + TTL_MS)
            .min(hold.expires_max_ms)
            .max(hold.expires_ms);
        Ok(self.hold_view(id, "active"))
    }

    fn release(&mut self, id: usize) -> Reply {
        self.active(id, false)?;
        self.holds[id].standing = Standing::Released;
        self.free(id);
        Ok(self.hold_view(id, "released"))
    }

    fn free(&mut self, hold: usize) {
        for seat in self.holds[hold].seats.clone() {
            if self.seats[seat] == Seat::Held(hold) {
                self.seats[seat] = Seat::Free;
            }
        }
    }

    fn order(&mut self, hold: usize) -> Reply {
        let again = self.holds[hold].standing == Standing::Ordered && self.has(Plant::ActsTwice);
        if !again {
            self.active(hold, true)?;
        }
        self.holds[hold].standing = Standing::Ordered;
        let id = self.orders.len();
        self.orders.push(Order {
            hold,
            state: "open",
            tickets: Vec::new(),
        });
        Ok(self.order_view(id))
    }

    pub(super) fn order_view(&self, id: usize) -> Answer {
        let order = &self.orders[id];
        let mut view = self.hold_view(order.hold, order.state);
        view.order = self.order_id(id);
        view.tickets.clone_from(&order.tickets);
        view.now_ms = self.now_ms;
        view.index = self.index;
        view
    }

    /// Number of the order that an answer names.
    pub(super) fn number_of(id: &str) -> usize {
        id.rsplit('-')
            .next()
            .and_then(|number| number.parse().ok())
            .unwrap_or(0)
    }

    fn open(&mut self, id: usize) -> Result<(), Box<Answer>> {
        match self.orders[id].state {
            "open" if self.lapsed(self.orders[id].hold) => Err(no("order_expired", Vec::new())),
            "open" => Ok(()),
            "confirmed" => Err(no("order_paid", Vec::new())),
            _ => Err(no("order_cancelled", Vec::new())),
        }
    }

    fn pay(&mut self, id: usize, effects: &mut Effects) -> Reply {
        self.open(id)?;
        let hold = self.orders[id].hold;
        let seats = self.holds[hold].seats.clone();
        for seat in &seats {
            self.seats[*seat] = Seat::Sold(id);
        }
        self.sold += seats.len();
        self.orders[id].state = "confirmed";
        for _ in &seats {
            self.tickets += 1;
            let ticket = format!("t{}-{}", self.number, self.tickets);
            self.orders[id].tickets.push(ticket);
        }
        let view = self.order_view(id);
        let times = if self.once(Plant::PaidTwice) { 2 } else { 1 };
        effects.paid = Some((view.order.clone(), times, view.total_minor.unwrap_or(0)));
        self.notices += 1;
        if !self.once(Plant::LostNotice) {
            effects.announced = Some((self.notices, view.order.clone()));
        }
        if self.once(Plant::LostSale) {
            self.orders[id].state = "cancelled";
            for seat in &seats {
                self.seats[*seat] = Seat::Free;
            }
        }
        Ok(view)
    }

    fn cancel(&mut self, id: usize) -> Reply {
        self.open(id)?;
        self.orders[id].state = "cancelled";
        self.free(self.orders[id].hold);
        Ok(self.order_view(id))
    }
}

fn no(code: &str, seats: Vec<String>) -> Box<Answer> {
    Box::new(Answer {
        code: code.to_owned(),
        seats,
        ..Answer::default()
    })
}
