//! A naive model of a show: lists, walked from end to end. It shares no code with what it judges.
//!
//! It expires everything at once, keeps no index and no counter, and finds every reason to refuse before
//! it picks the first in precedence.

use std::collections::BTreeSet;

use holdfast_inventory::command::{Command, Envelope, PlaceHold, Wanted};
use holdfast_inventory::ids::{BuyerId, RequestId};
use holdfast_inventory::outcome::{HoldState, OrderState};
use holdfast_inventory::show::SingleSeatRule;
use holdfast_inventory::{Outcome, Rejection};

use crate::plan;
use crate::said::{self, Said, SaidHold, SaidOrder};

#[path = "orders.rs"]
mod orders;
#[path = "places.rs"]
mod places;

use orders::{Attempt, Order, unsettled};

const DAY_MS: u64 = 24 * 60 * plan::MINUTE_MS;

#[derive(Clone, Debug)]
struct Hold {
    buyer: BuyerId,
    ttl_ms: u64,
    said: SaidHold,
    forgotten: bool,
    forget_at_ms: Option<u64>,
}

pub(crate) struct Model {
    rule: SingleSeatRule,
    now_ms: u64,
    holds: Vec<Hold>,
    orders: Vec<Order>,
    blocked: BTreeSet<u32>,
    tickets: u64,
    remembered: Vec<(u64, RequestId, Command, Said)>,
}

impl Model {
    pub(crate) fn new(rule: SingleSeatRule) -> Self {
        Self {
            rule,
            now_ms: 0,
            holds: Vec::new(),
            orders: Vec::new(),
            blocked: BTreeSet::new(),
            tickets: 0,
            remembered: Vec::new(),
        }
    }

    /// An entry begins: time moves, what is due ends, what is old goes.
    pub(crate) fn advance(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
        let now_ms = self.now_ms;
        for hold in &mut self.holds {
            if hold.said.state == HoldState::Active && hold.said.expires_at_ms <= now_ms {
                hold.said.state = HoldState::Expired;
                hold.forget_at_ms = Some(now_ms + DAY_MS);
            }
        }
        for order in &mut self.orders {
            let unpaid = matches!(order.said.state, OrderState::Open | OrderState::Paying);
            if unpaid && order.said.expires_at_ms <= now_ms {
                order.said.state = OrderState::Expired;
                order.forget_at_ms.push(now_ms + DAY_MS);
            }
        }
        self.remembered
            .retain(|(at_ms, ..)| at_ms + DAY_MS > now_ms);
        for hold in &mut self.holds {
            hold.forgotten |= hold.forget_at_ms.is_some_and(|at_ms| at_ms <= now_ms);
        }
        for order in &mut self.orders {
            let due = order
                .forget_at_ms
                .iter()
                .filter(|at_ms| **at_ms <= now_ms)
                .count();
            order.forget_at_ms.retain(|at_ms| *at_ms > now_ms);
            if due > 0
                && matches!(
                    order.said.state,
                    OrderState::Expired | OrderState::Cancelled
                )
            {
                if unsettled(order.attempt_state) {
                    order.forget_at_ms.push(now_ms + DAY_MS);
                } else {
                    order.forgotten = true;
                    self.holds[order.hold].forgotten = true;
                }
            }
        }
    }

    /// What should be said to a command; says in words where the outcome is wrong.
    pub(crate) fn command(&mut self, envelope: &Envelope, outcome: &Outcome) -> Result<(), String> {
        let Envelope { request, command } = envelope;
        let (came, again) = said::outcome(outcome);
        let known = self.remembered.iter().find(|(_, r, ..)| r == request);
        if let Some((_, _, body, first)) = known.filter(|_| command.is_remembered()) {
            let expected = if body == command {
                (first.clone(), true)
            } else {
                (Said::No("request_reused"), false)
            };
            return same(&expected, &(came, again));
        }
        let expected = self.judge(request.caller, command, &came)?;
        same(&(expected.clone(), false), &(came, again))?;
        if command.is_remembered() && !matches!(expected, Said::No(_)) {
            self.remembered
                .push((self.now_ms, *request, command.clone(), expected));
        }
        Ok(())
    }

    fn judge(&mut self, who: BuyerId, command: &Command, came: &Said) -> Result<Said, String> {
        Ok(match command {
            Command::PlaceHold(wanted) => return self.place(who, wanted, came),
            Command::ExtendHold { hold } => match self.active(who, hold.0) {
                Err(no) => no,
                Ok(i) => {
                    let hold = &mut self.holds[i];
                    if hold.said.expires_at_ms == hold.said.cap_at_ms {
                        return Ok(Said::No("hold_cap_reached"));
                    }
                    let anew = (self.now_ms + hold.ttl_ms).min(hold.said.cap_at_ms);
                    hold.said.expires_at_ms = hold.said.expires_at_ms.max(anew);
                    Said::Hold(hold.said.clone())
                }
            },
            Command::ReleaseHold { hold } => match self.active(who, hold.0) {
                Err(no) => no,
                Ok(i) => {
                    self.holds[i].said.state = HoldState::Released;
                    self.holds[i].forget_at_ms = Some(self.now_ms + DAY_MS);
                    Said::Hold(self.holds[i].said.clone())
                }
            },
            Command::OpenOrder { hold } => match self.active(who, hold.0) {
                Err(no) => no,
                Ok(i) => self.open(i),
            },
            Command::PayOrder {
                order,
                payment_token,
            } => self.pay(who, order.0, payment_token.is_empty()),
            Command::RecordPayment(said) => self.fact(said.order.0, said.attempt.0, said.fact),
            Command::CancelOrder { order } => match self.payable(who, order.0) {
                Err(no) => no,
                Ok(i) => {
                    self.orders[i].said.state = OrderState::Cancelled;
                    self.orders[i].forget_at_ms.push(self.now_ms + DAY_MS);
                    Said::Order(self.orders[i].said.clone())
                }
            },
            Command::BlockSeats { seats, .. } => {
                let seats: Vec<u32> = seats.iter().map(|s| s.0).collect();
                let mut no = bad_list(&seats);
                if seats.iter().any(|s| self.blocked.contains(s)) {
                    no.push("seats_blocked");
                }
                if seats
                    .iter()
                    .any(|s| !self.is_free(*s) && !self.blocked.contains(s))
                {
                    no.push("seats_taken");
                }
                self.change(seats, &no, true)
            }
            Command::UnblockSeats { seats } => {
                let seats: Vec<u32> = seats.iter().map(|s| s.0).collect();
                let mut no = bad_list(&seats);
                if seats.iter().any(|s| !self.blocked.contains(s)) {
                    no.push("seats_not_blocked");
                }
                self.change(seats, &no, false)
            }
            Command::SetUpShow(set_up) if **set_up == plan::set_up(self.rule) => Said::Fine,
            Command::SetUpShow(_) => Said::No("show_already_set_up"),
            Command::Tick => Said::Fine,
            // The model keeps no outbox: the invariants compare it with the orders.
            // Waiting rooms have a model of their own: room_properties.rs.
            Command::AcknowledgeOutbox { .. }
            | Command::OpenRoom(_)
            | Command::ChangeRoom(_)
            | Command::RevealSeed
            | Command::RaiseThreshold(_)
            | Command::ClaimPass(_)
            | Command::PlaceHoldWithPass { .. }
            | Command::JoinWaitlist => came.clone(),
        })
    }

    fn change(&mut self, mut seats: Vec<u32>, no: &[&'static str], block: bool) -> Said {
        if let Some(no) = first(no) {
            return no;
        }
        seats.sort_unstable();
        for seat in &seats {
            if block {
                self.blocked.insert(*seat);
            } else {
                self.blocked.remove(seat);
            }
        }
        Said::Seats(seats)
    }

    fn place(&mut self, who: BuyerId, wanted: &PlaceHold, came: &Said) -> Result<Said, String> {
        let (seats, area, quantity) = match &wanted.what {
            Wanted::Named(seats) => {
                let seats: Vec<u32> = seats.iter().map(|s| s.0).collect();
                let mut no = bad_list(&seats);
                no.extend(self.over_limits(who, seats.len()));
                if seats
                    .iter()
                    .any(|s| !self.is_free(*s) && !self.blocked.contains(s))
                {
                    no.push("seats_taken");
                }
                if seats.iter().any(|s| self.blocked.contains(s)) {
                    no.push("seats_blocked");
                }
                if no.is_empty() && self.leaves_forbidden_single(&seats) {
                    no.push("single_seat_left");
                }
                if let Some(no) = first(&no) {
                    return Ok(no);
                }
                let quantity = u32::try_from(seats.len()).unwrap();
                (seats, None, quantity)
            }
            Wanted::GeneralAdmission { area, quantity } => {
                let mut no = self.over_limits(who, *quantity as usize);
                if *quantity == 0 {
                    no.push("quantity_invalid");
                }
                match plan::AREAS.get(area.index()) {
                    None => no.push("area_unknown"),
                    Some((_, capacity)) => {
                        if self.in_area(area.index()) + quantity > *capacity {
                            no.push("area_full");
                        }
                    }
                }
                if let Some(no) = first(&no) {
                    return Ok(no);
                }
                (Vec::new(), Some(area.index()), *quantity)
            }
            Wanted::BestAvailable {
                quantity,
                category,
                accessible,
            } => {
                let mut no = self.over_limits(who, *quantity as usize);
                if *quantity == 0 || accessible > quantity {
                    no.push("quantity_invalid");
                }
                if category.is_some_and(|c| c.index() >= plan::PRICES.len()) {
                    no.push("category_unknown");
                }
                if let Some(no) = first(&no) {
                    return Ok(no);
                }
                let category = category.map(|c| c.index());
                match self.check_best(*quantity, category, *accessible, came)? {
                    None => return Ok(Said::No("not_enough_seats")),
                    Some(seats) => (seats, None, *quantity),
                }
            }
        };
        Ok(self.hold(who, wanted.ttl_ms, seats, area, quantity))
    }

    fn hold(
        &mut self,
        buyer: BuyerId,
        ttl_ms: u64,
        mut seats: Vec<u32>,
        area: Option<usize>,
        quantity: u32,
    ) -> Said {
        seats.sort_unstable();
        let asked_ms = if ttl_ms == 0 { plan::TTL_MS } else { ttl_ms };
        let ttl_ms = asked_ms.clamp(1_000, plan::CAP_MS);
        let price = |s: &u32| plan::PRICES[plan::category(*s)];
        let in_area = area.map_or(0, |a| plan::PRICES[plan::AREAS[a].0] * u64::from(quantity));
        let said = SaidHold {
            id: self.holds.len() as u64 + 1,
            state: HoldState::Active,
            total_minor: seats.iter().map(price).sum::<u64>() + in_area,
            seats,
            area,
            quantity,
            expires_at_ms: self.now_ms + ttl_ms,
            cap_at_ms: self.now_ms + plan::CAP_MS,
            order: None,
        };
        let hold = Hold {
            buyer,
            ttl_ms,
            said: said.clone(),
            forgotten: false,
            forget_at_ms: None,
        };
        self.holds.push(hold);
        Said::Hold(said)
    }

    fn active(&self, who: BuyerId, id: u64) -> Result<usize, Said> {
        let i = self.hold_index(id).ok_or(Said::No("hold_unknown"))?;
        if self.holds[i].buyer != who {
            return Err(Said::No("hold_not_yours"));
        }
        match self.holds[i].said.state {
            HoldState::Active => Ok(i),
            HoldState::Released => Err(Said::No("hold_released")),
            HoldState::Expired => Err(Said::No("hold_expired")),
            HoldState::Ordered => Err(Said::No("hold_ordered")),
        }
    }

    fn hold_index(&self, id: u64) -> Option<usize> {
        let i = usize::try_from(id).ok()?.checked_sub(1)?;
        self.holds.get(i).filter(|h| !h.forgotten).map(|_| i)
    }

    /// One byte a seat, as a reader should see it.
    pub(crate) fn seat_codes(&self) -> Vec<u8> {
        let code = |seat: u32| {
            let owner = self.claims().find(|(_, seats, ..)| seats.contains(&seat));
            match owner {
                Some((.., true)) => 2,
                Some(_) => 1,
                None if self.blocked.contains(&seat) => 3,
                None => 0,
            }
        };
        (0..plan::SEATS).map(code).collect()
    }

    /// Free, held and sold places of each area.
    pub(crate) fn areas(&self) -> Vec<(u32, u32, u32)> {
        let count = |area: usize, sold: bool| -> u32 {
            self.claims()
                .filter(|c| c.2 == Some(area) && c.4 == sold)
                .map(|c| c.3)
                .sum()
        };
        let state = |(area, (_, capacity)): (usize, &(usize, u32))| {
            let (held, sold) = (count(area, false), count(area, true));
            (capacity - held - sold, held, sold)
        };
        plan::AREAS.iter().enumerate().map(state).collect()
    }

    /// Every hold by id; `None` once forgotten.
    pub(crate) fn holds(&self) -> Vec<Option<SaidHold>> {
        self.holds
            .iter()
            .map(|h| (!h.forgotten).then(|| h.said.clone()))
            .collect()
    }

    /// Every order by id; `None` once forgotten.
    /// As a reader should see them: an order whose authorisation is still out is being paid, also past its time.
    pub(crate) fn orders(&self) -> Vec<Option<SaidOrder>> {
        let seen = |order: &Order| {
            let mut said = order.said.clone();
            if order.attempt_state == Attempt::Authorising {
                said.state = OrderState::Paying;
            }
            said
        };
        self.orders
            .iter()
            .map(|o| (!o.forgotten).then(|| seen(o)))
            .collect()
    }
}

fn bad_list(seats: &[u32]) -> Vec<&'static str> {
    let mut no = Vec::new();
    if seats.is_empty() {
        no.push("quantity_invalid");
    }
    if seats.iter().collect::<BTreeSet<_>>().len() < seats.len() {
        no.push("seats_duplicate");
    }
    if seats.iter().any(|s| *s >= plan::SEATS) {
        no.push("seat_unknown");
    }
    no
}

/// The reason that comes first in precedence.
fn first(no: &[&'static str]) -> Option<Said> {
    let place = |code: &&&str| Rejection::ALL_CODES.iter().position(|c| c == *code);
    no.iter().min_by_key(place).map(|code| Said::No(code))
}

fn same(expected: &(Said, bool), came: &(Said, bool)) -> Result<(), String> {
    if expected == came {
        Ok(())
    } else {
        Err(format!("expected {expected:?}, came {came:?}"))
    }
}
