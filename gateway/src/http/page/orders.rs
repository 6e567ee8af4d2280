//! "My orders": the orders that this browser has opened.
//!
//! No replica can answer "all orders of this buyer": a show knows its own orders only. Until an index of buyers exists, the
//! browser keeps the ids of the orders whose documents it has shown, and each is read again from its show.
//!
//! Owns: that list, in a cookie of opaque ids. Must never: show an order to anybody but its buyer; the API checks each one.

use axum::response::Response;
use futures_util::future::join_all;
use holdfast_node_api::refs::OrderRef;
use maud::{Markup, html};
use serde_json::Value;

use super::super::session;
use super::api::{Ask, Refusal};
use super::lines::{money, when_and_where};
use super::shell::Document;
use super::{Visit, cookie};

const COOKIE: &str = "hf_orders";
/// As long as browsers keep a cookie at all.
const COOKIE_AGE_S: u32 = 400 * 24 * 3600;
/// Orders that are listed; the oldest is forgotten first.
const ORDERS_MAX: usize = 20;

/// Ids in the cookie, the latest first. Whatever is no order id is left out.
fn known(visit: &Visit) -> Vec<String> {
    let text = session::cookie(visit.headers(), COOKIE).unwrap_or("");
    let ids = text.split('.').filter(|id| id.parse::<OrderRef>().is_ok());
    ids.take(ORDERS_MAX).map(str::to_owned).collect()
}

/// The cookie that also lists `id`, when it did not.
pub(super) fn remembered(visit: &Visit, id: &str) -> Vec<String> {
    let mut ids = known(visit);
    if ids.iter().any(|known| known == id) {
        return Vec::new();
    }
    ids.insert(0, id.to_owned());
    ids.truncate(ORDERS_MAX);
    vec![cookie::set(
        &visit.app,
        COOKIE,
        &ids.join("."),
        COOKIE_AGE_S,
    )]
}

/// The word for an order's state.
pub(super) fn state_name(visit: &Visit, state: &str) -> String {
    visit.t(&format!("order.state.{state}"))
}

struct Entry {
    id: String,
    found: Result<(Value, Value), Refusal>,
}

async fn entry(visit: &Visit, id: String) -> Entry {
    let found = async {
        let order = visit.ask(&Ask::read(format!("/v1/orders/{id}"))).await?;
        let show = format!("/v1/shows/{}", order["show"].as_str().unwrap_or(""));
        let show = visit.ask(&Ask::read(show)).await?;
        Ok((order, show))
    };
    let found = found.await;
    Entry { id, found }
}

/// `GET /orders`
pub(super) async fn list(visit: Visit) -> Response {
    let entries = join_all(known(&visit).into_iter().map(|id| entry(&visit, id))).await;
    let title = visit.t("orders.title");
    let main = html! {
        div.narrow {
            h1 { (title) }
            p.lead { (visit.t("orders.note")) }
            @if entries.is_empty() {
                p { (visit.t("orders.none")) }
                a.button href="/" { (visit.t("all.events")) }
            } @else {
                ul.orders { @for entry in &entries { (row(&visit, entry)) } }
            }
        }
    };
    Document::new(&title, main).answer(&visit)
}

fn row(visit: &Visit, entry: &Entry) -> Markup {
    html! {
        li.card {
            @match &entry.found {
                Ok((order, show)) => (found(visit, order, show)),
                Err(refusal) => {
                    p { (visit.t("order")) " " code { (entry.id) } }
                    p.meta {
                        @if refusal.status.is_server_error() { (visit.t("orders.later")) } @else { (visit.t("orders.gone")) }
                    }
                }
            }
        }
    }
}

fn found(visit: &Visit, order: &Value, show: &Value) -> Markup {
    let id = order["id"].as_str().unwrap_or("");
    let state = order["state"].as_str().unwrap_or("");
    let quantity = usize::try_from(order["quantity"].as_u64().unwrap_or(0)).unwrap_or(0);
    let currency = order["currency"].as_str().unwrap_or("");
    let total = money(visit, order["total_minor"].as_u64().unwrap_or(0), currency);
    html! {
        h2 { a href={ "/orders/" (id) } { (show["event_name"].as_str().unwrap_or(id)) } }
        (when_and_where(visit, show))
        p.row {
            span class={ "state " (state) } { (state_name(visit, state)) }
            span { (visit.words.n("places", quantity)) " · " (total) }
            code { (id) }
        }
    }
}
