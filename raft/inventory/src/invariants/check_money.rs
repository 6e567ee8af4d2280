//! Ledgers, outbox records and tickets against the orders.

use std::collections::BTreeSet;

use super::{InvariantId, Report};
use crate::ids::{AttemptNo, OrderId};
use crate::ledger::Account;
use crate::outbox::Job;
use crate::outcome::OrderState;
use crate::state::{AttemptState, InventoryState};

pub(super) fn ledgers(state: &InventoryState, report: &mut Report) {
    for (id, order) in &state.orders {
        let [buyer, provider, sales] = [Account::Buyer, Account::Provider, Account::Sales]
            .map(|account| order.ledger.balance_minor(account));
        report.expect(buyer + provider + sales == 0, InvariantId::Money1, || {
            format!("{id} is out by {}", buyer + provider + sales)
        });
        let total = i128::from(order.total_minor);
        let expected = match order.state {
            OrderState::Open | OrderState::Paying | OrderState::Cancelled | OrderState::Expired => {
                (0, 0, 0)
            }
            OrderState::Paid => (total, 0, -total),
            // Nothing is captured of an order that costs nothing.
            OrderState::Confirmed => (0, total, -total),
        };
        report.expect(
            (buyer, provider, sales) == expected,
            InvariantId::Money2,
            || {
                format!(
                    "{id} is {:?} with balances {buyer}, {provider}, {sales}",
                    order.state
                )
            },
        );
    }
}

pub(super) fn outbox(state: &InventoryState, report: &mut Report) {
    let mut money_jobs = 0_usize;
    for (seq, record) in &state.outbox.records {
        if let Some((order, _, _)) = awaited(&record.job) {
            money_jobs += 1;
            let known = state
                .orders
                .get(&order)
                .is_some_and(|o| o.job == Some(*seq));
            report.expect(known, InvariantId::Outbox1, || {
                format!("{seq} is not {order}'s")
            });
        }
    }
    let mut unsettled = 0_usize;
    for (id, order) in &state.orders {
        let job = order
            .job
            .and_then(|seq| state.outbox.records.get(&seq))
            .map(|r| &r.job);
        let moved_on = job.and_then(awaited) == Some((*id, order.attempt, order.attempt_state));
        if order.attempt_state.is_unsettled() {
            unsettled += 1;
            report.expect(moved_on, InvariantId::Outbox1, || {
                format!("{id} waits in {:?} for {job:?}", order.attempt_state)
            });
        } else {
            report.expect(order.job.is_none(), InvariantId::Outbox1, || {
                format!("{id} is settled and waits for {job:?}")
            });
        }
    }
    report.expect(money_jobs == unsettled, InvariantId::Outbox1, || {
        format!("{money_jobs} records for {unsettled} attempts")
    });
}

pub(super) fn tickets(state: &InventoryState, report: &mut Report) {
    let mut issued = BTreeSet::new();
    for (id, order) in &state.orders {
        let confirmed = order.state == OrderState::Confirmed;
        report.expect(
            order.ticket_first.is_some() == confirmed,
            InvariantId::Ticket1,
            || {
                format!(
                    "{id} is {:?} with tickets from {:?}",
                    order.state, order.ticket_first
                )
            },
        );
        let view = state.view_order(*id, order);
        for ticket in view.tickets {
            let new = issued.insert(ticket) && ticket < state.ticket_next;
            report.expect(new, InvariantId::Ticket1, || {
                format!("{ticket} of {id} is not its own")
            });
        }
    }
}

/// The order, attempt and attempt state that a record of money belongs to.
fn awaited(job: &Job) -> Option<(OrderId, AttemptNo, AttemptState)> {
    match job {
        Job::Authorise { order, attempt, .. } => {
            Some((*order, *attempt, AttemptState::Authorising))
        }
        Job::Capture { order, attempt, .. } => Some((*order, *attempt, AttemptState::Capturing)),
        Job::Void { order, attempt } => Some((*order, *attempt, AttemptState::Voiding)),
        Job::Notify { .. } | Job::Publish { .. } => None,
    }
}
