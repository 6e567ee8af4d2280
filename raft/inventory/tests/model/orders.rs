//! The model's view of orders: opened, paid for in attempts, confirmed or given up.

use holdfast_inventory::command::PaymentFact;
use holdfast_inventory::ids::BuyerId;
use holdfast_inventory::outcome::{HoldState, OrderState};

use super::{DAY_MS, Model};
use crate::plan;
use crate::said::{Said, SaidOrder};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    None,
    Authorising,
    Capturing,
    Voiding,
    Declined,
    Voided,
    Captured,
}

#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) buyer: BuyerId,
    pub(super) hold: usize,
    pub(super) area: Option<usize>,
    pub(super) attempt: u32,
    pub(super) attempt_state: Attempt,
    pub(super) said: SaidOrder,
    pub(super) forgotten: bool,
    pub(super) forget_at_ms: Vec<u64>,
}

impl Model {
    pub(super) fn open(&mut self, hold: usize) -> Said {
        let id = self.orders.len() as u64 + 1;
        let from = &mut self.holds[hold];
        from.said.state = HoldState::Ordered;
        from.said.order = Some(id);
        let said = SaidOrder {
            id,
            state: OrderState::Open,
            seats: from.said.seats.clone(),
            quantity: from.said.quantity,
            expires_at_ms: from.said.expires_at_ms,
            total_minor: from.said.total_minor,
            problem: None,
            tickets: Vec::new(),
        };
        self.orders.push(Order {
            buyer: from.buyer,
            hold,
            area: from.said.area,
            attempt: 0,
            attempt_state: Attempt::None,
            said: said.clone(),
            forgotten: false,
            forget_at_ms: Vec::new(),
        });
        Said::Order(said)
    }

    pub(super) fn pay(&mut self, who: BuyerId, id: u64, no_token: bool) -> Said {
        if no_token {
            return Said::No("text_invalid");
        }
        let i = match self.payable(who, id) {
            Err(no) => return no,
            Ok(i) => i,
        };
        let order = &mut self.orders[i];
        if unsettled(order.attempt_state) {
            return Said::No("payment_unsettled");
        }
        if order.attempt == 5 {
            return Said::No("payment_attempts_exhausted");
        }
        if order.said.total_minor == 0 {
            self.confirm(i);
        } else {
            order.attempt += 1;
            order.attempt_state = Attempt::Authorising;
            order.said.state = OrderState::Paying;
            order.said.problem = None;
            order.said.expires_at_ms = order.said.expires_at_ms.max(self.now_ms + plan::MINUTE_MS);
        }
        Said::Order(self.orders[i].said.clone())
    }

    pub(super) fn fact(&mut self, id: u64, attempt: u32, fact: PaymentFact) -> Said {
        use Attempt as A;
        use PaymentFact as F;
        let Some(i) = self.order(id) else {
            return Said::No("order_unknown");
        };
        if self.orders[i].attempt != attempt {
            return Said::No("payment_attempt_stale");
        }
        let lapsed = self.orders[i].said.state == OrderState::Expired;
        let again = !lapsed || self.can_take_again(i);
        let now_ms = self.now_ms;
        let order = &mut self.orders[i];
        let (state, attempt_state, problem) =
            (order.said.state, order.attempt_state, order.said.problem);
        let open = if lapsed {
            OrderState::Expired
        } else {
            OrderState::Open
        };
        let after = match (attempt_state, fact) {
            (A::Authorising, F::Authorised) if again => (OrderState::Paid, A::Capturing, None),
            (A::Authorising, F::Authorised) => (state, A::Voiding, Some("seats_gone")),
            (A::Authorising, F::Declined) => (open, A::Declined, Some("declined")),
            (A::Authorising, F::TimedOut) => (open, A::Voiding, Some("provider_timeout")),
            (A::Capturing, F::Captured) => (state, A::Captured, None),
            (A::Capturing, F::CaptureFailed) => {
                order.forget_at_ms.push(now_ms + DAY_MS);
                (OrderState::Cancelled, A::Voiding, Some("capture_failed"))
            }
            (A::Voiding, F::Voided) => (state, A::Voided, problem),
            (A::Capturing | A::Captured, F::Authorised)
            | (A::Declined, F::Declined)
            | (A::Captured, F::Captured)
            | (A::Voiding | A::Voided, F::TimedOut | F::CaptureFailed)
            | (A::Voided, F::Voided) => return Said::Order(order.said.clone()),
            _ => return Said::No("payment_attempt_stale"),
        };
        (order.said.state, order.attempt_state, order.said.problem) = after;
        if order.attempt_state == A::Captured {
            self.confirm(i);
        }
        Said::Order(self.orders[i].said.clone())
    }

    fn confirm(&mut self, i: usize) {
        let order = &mut self.orders[i];
        order.said.state = OrderState::Confirmed;
        order.said.tickets = (1..=u64::from(order.said.quantity))
            .map(|n| self.tickets + n)
            .collect();
        self.tickets += u64::from(order.said.quantity);
    }

    fn can_take_again(&self, i: usize) -> bool {
        let order = &self.orders[i];
        let room = order
            .area
            .is_none_or(|a| self.in_area(a) + order.said.quantity <= plan::AREAS[a].1);
        room && order.said.seats.iter().all(|s| self.is_free(*s))
            && self.of_buyer(order.buyer) + order.said.quantity <= plan::PER_BUYER
    }

    pub(super) fn payable(&self, who: BuyerId, id: u64) -> Result<usize, Said> {
        let i = self.order(id).ok_or(Said::No("order_unknown"))?;
        if self.orders[i].buyer != who {
            return Err(Said::No("order_not_yours"));
        }
        match self.orders[i].said.state {
            OrderState::Open => Ok(i),
            OrderState::Paying => Err(Said::No("order_paying")),
            OrderState::Paid | OrderState::Confirmed => Err(Said::No("order_paid")),
            OrderState::Cancelled => Err(Said::No("order_cancelled")),
            OrderState::Expired => Err(Said::No("order_expired")),
        }
    }

    fn order(&self, id: u64) -> Option<usize> {
        let i = usize::try_from(id).ok()?.checked_sub(1)?;
        self.orders.get(i).filter(|o| !o.forgotten).map(|_| i)
    }
}

pub(super) fn unsettled(attempt: Attempt) -> bool {
    matches!(
        attempt,
        Attempt::Authorising | Attempt::Capturing | Attempt::Voiding
    )
}
