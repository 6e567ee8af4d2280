//! What a hold or order is for, line by line, and when and where that is.
//!
//! Owns: those pieces of a document. Must never: add anything to a price; what is shown is what is charged.

use maud::{Markup, html};
use serde_json::Value;

use super::Visit;
use super::write::date;

/// "Stalls, row G, seat 12".
pub(super) fn place_name(visit: &Visit, place: &Value) -> String {
    let text = |name: &str| place[name].as_str().unwrap_or("");
    seat_name(visit, text("zone"), text("row"), text("number"))
}

/// A seat as people call it.
pub(super) fn seat_name(visit: &Visit, zone: &str, row: &str, number: &str) -> String {
    let values = [("zone", zone), ("row", row), ("number", number)];
    visit.words.with("seat.name", &values)
}

/// The seats or places, and the total.
pub(super) fn lines(visit: &Visit, item: &Value) -> Markup {
    let currency = item["currency"].as_str().unwrap_or("");
    let places = item["places"].as_array().into_iter().flatten();
    let area = item["general_admission"]["area"].as_str();
    let quantity = usize::try_from(item["quantity"].as_u64().unwrap_or(0)).unwrap_or(0);
    html! {
        ul.lines {
            @if let Some(area) = area {
                li { span { (area) } span { (visit.words.n("places", quantity)) } }
            } @else {
                @for place in places {
                    li {
                        span { (place_name(visit, place)) " " small { (place["category"].as_str().unwrap_or("")) } }
                        (money(visit, place["price_minor"].as_u64().unwrap_or(0), currency))
                    }
                }
            }
            li.total { span { (visit.t("total")) } (money(visit, item["total_minor"].as_u64().unwrap_or(0), currency)) }
        }
        p.fine { (visit.t("total.note")) }
    }
}

/// An amount; scripts write it again as the browser's own locale has it.
pub(super) fn money(visit: &Visit, minor: u64, currency: &str) -> Markup {
    html! { data.money value=(minor) data-currency=(currency) { (visit.money(minor, currency)) } }
}

/// "Harbour Hall, Amsterdam · Saturday 1 May 2027, 19:30 (Europe/Amsterdam)".
pub(super) fn when_and_where(visit: &Visit, show: &Value) -> Markup {
    let text = |name: &str| show[name].as_str().unwrap_or("");
    let starts = format!("{}T{}", text("local_date"), text("local_time"));
    let zone = text("time_zone").replace('_', " ");
    html! {
        p.meta {
            (text("venue")) ", " (text("city")) " · "
            time datetime=(starts) data-starts-at-ms=(show["starts_at_ms"].as_u64().unwrap_or(0)) data-zone=(text("time_zone")) {
                (date(visit.words, text("local_date"))) ", " (text("local_time")) " "
                span.zone { "(" (zone) ")" }
            }
        }
    }
}
