//! Money and orders agree.
//!
//! Owns: prices and totals as buyers are told them, and what a payment provider was seen to move. Must never: take a
//! movement that nobody watched for one that did not happen.

use std::collections::HashMap;

use super::Check;
use super::dossier::{Dossier, Order};
use super::verdict::{Findings, Violation};
use crate::history::{Money, MoneyMoved, Name, Op, Outcome};

pub(super) const CHECK: Check = Check {
    name: "ledger",
    promise: "each order costs what its seats cost, is paid once if confirmed, and not at all if not sold",
    judge,
};

fn judge(dossier: &Dossier<'_>, findings: &mut Findings) {
    let prices = prices(dossier);
    for hold in dossier.holds.values() {
        let order = dossier.orders.get(&hold.order);
        let calls = hold.made.iter().chain(
            order
                .into_iter()
                .flat_map(|o| o.opened.iter().chain(&o.calls)),
        );
        let said: Vec<usize> = calls
            .copied()
            .filter(|at| dossier.call(*at).end.total_minor.is_some())
            .collect();
        one_price(dossier, &said, &prices, findings);
    }
    let mut moved: HashMap<&str, Vec<&MoneyMoved>> = HashMap::new();
    for movement in &dossier.history.money {
        moved.entry(&movement.order).or_default().push(movement);
    }
    for (order, movements) in &moved {
        findings.examined();
        account_is_sound(order, movements, findings);
    }
    for (&id, order) in &dossier.orders {
        let movements = moved.get(dossier.text(id)).map_or(&[][..], Vec::as_slice);
        account_says_what_the_order_says(dossier, id, order, movements, findings);
    }
}

fn prices(dossier: &Dossier<'_>) -> HashMap<(Name, Name), u64> {
    let names = &dossier.history.names;
    let mut prices = HashMap::new();
    for show in &dossier.history.shows {
        let Some(name) = names.find(&show.show) else {
            continue;
        };
        let seats = show.seats.iter().zip(&show.price_minor);
        prices.extend(seats.filter_map(|(seat, price)| Some(((name, names.find(seat)?), *price))));
    }
    prices
}

/// Every answer about a hold and its order names one price: that of its seats.
fn one_price(
    dossier: &Dossier<'_>,
    said: &[usize],
    prices: &HashMap<(Name, Name), u64>,
    findings: &mut Findings,
) {
    let Some((&first, others)) = said.split_first() else {
        return;
    };
    findings.examined();
    let total = dossier.call(first).end.total_minor;
    for &at in others
        .iter()
        .filter(|at| dossier.call(**at).end.total_minor != total)
    {
        let detail = format!(
            "cost {total:?} and then {:?}",
            dossier.call(at).end.total_minor
        );
        findings.violated(dossier.violation(dossier.call(first).hold_id(), detail, &[first, at]));
    }
    let call = dossier.call(first);
    let seats = call
        .end
        .seats
        .iter()
        .map(|seat| prices.get(&(call.show, *seat)).copied());
    let sum: Option<u64> = seats.sum();
    if !call.end.seats.is_empty() && sum.is_some_and(|sum| Some(sum) != total) {
        let detail = format!("costs {total:?}, its seats {sum:?}");
        findings.violated(dossier.violation(call.hold_id(), detail, &[first]));
    }
}

fn sum(movements: &[&MoneyMoved], moved: Money) -> u64 {
    let amounts = movements
        .iter()
        .filter(|m| m.moved == moved)
        .map(|m| m.amount_minor);
    amounts.sum()
}

/// What must hold for the movements of any order, whatever became of it.
fn account_is_sound(order: &str, movements: &[&MoneyMoved], findings: &mut Findings) {
    let mut live: Option<u32> = None;
    let mut captured: Option<u32> = None;
    for movement in movements {
        let attempt = movement.attempt;
        let problem = match movement.moved {
            Money::Authorised
                if live.is_some_and(|other| other != attempt) || captured.is_some() =>
            {
                Some("a second authorisation while one lives".to_owned())
            }
            Money::Captured if live != Some(attempt) => {
                Some("money taken that was not set aside".to_owned())
            }
            Money::Voided if captured == Some(attempt) => {
                Some("money let go that was taken".to_owned())
            }
            Money::Refunded if captured.is_none() => {
                Some("money given back that was not taken".to_owned())
            }
            _ => None,
        };
        match movement.moved {
            Money::Authorised => live = Some(attempt),
            Money::Captured => (live, captured) = (None, Some(attempt)),
            Money::Voided if live == Some(attempt) => live = None,
            Money::Voided | Money::Refunded => {}
        }
        if let Some(problem) = problem {
            findings.violated(about(
                order,
                movements,
                format!("{problem} (attempt {attempt})"),
            ));
        }
    }
    let (captured, refunded) = (
        sum(movements, Money::Captured),
        sum(movements, Money::Refunded),
    );
    if refunded > captured {
        findings.violated(about(
            order,
            movements,
            format!("{refunded} given back of {captured}"),
        ));
    }
}

fn account_says_what_the_order_says(
    dossier: &Dossier<'_>,
    id: Name,
    order: &Order,
    movements: &[&MoneyMoved],
    findings: &mut Findings,
) {
    let kept = sum(movements, Money::Captured).saturating_sub(sum(movements, Money::Refunded));
    let calls = || order.opened.iter().chain(&order.calls).copied();
    let refund = calls().any(|at| {
        dossier.call(at).op == Op::Refund && dossier.call(at).end.outcome != Outcome::Rejected
    });
    if let Some(confirmed) = dossier.confirmed(order) {
        let total = calls().find_map(|at| dossier.call(at).end.total_minor);
        let watched = dossier.history.header.money_watched || !movements.is_empty();
        if watched && !refund && total.is_some_and(|total| total != kept) {
            let detail = format!("is confirmed, costs {total:?}, and {kept} was taken");
            findings.violated(dossier.violation(id, detail, &[confirmed]));
        }
        return;
    }
    // The last word on it, when nobody can have paid since.
    let last = calls()
        .filter(|at| dossier.call(*at).is_ok())
        .max_by_key(|at| dossier.call(*at).end.at_ns);
    let open = calls().any(|at| {
        dossier.call(at).op == Op::Pay && dossier.call(at).end.outcome == Outcome::Unknown
    });
    if let Some(last) = last
        && !open
        && kept > 0
        && matches!(
            dossier.text(dossier.call(last).end.state),
            "cancelled" | "expired" | "open"
        )
    {
        let state = dossier.text(dossier.call(last).end.state);
        let detail = format!("is {state}, and {kept} was taken and not given back");
        findings.violated(dossier.violation(id, detail, &[last]));
    }
}

fn about(order: &str, movements: &[&MoneyMoved], detail: String) -> Violation {
    Violation {
        show: movements
            .first()
            .map_or_else(String::new, |m| m.show.clone()),
        seat: None,
        subject: order.to_owned(),
        detail,
        calls: Vec::new(),
        until_ns: None,
    }
}
