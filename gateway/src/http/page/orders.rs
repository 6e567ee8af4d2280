//! "My orders": what the index of buyers has of this buyer, and what this browser has opened.
//!
//! The index hears of an order when something has come of it, a moment later, and not at all while it is away. So the browser keeps
//! the ids of the last orders whose documents it has shown, and the first page lists those too. Each is read again from its show.
//!
//! Owns: that union, and the cookie of opaque ids. Must never: show an order to anybody but its buyer; the API checks each one.

use axum::response::Response;
use futures_util::future::join_all;
use holdfast_node_api::refs::OrderRef;
use maud::{Markup, html};
use serde_json::Value;

use super::super::request::{parameter, query};
use super::super::session;
use super::api::{Ask, Refusal};
use super::lines::{money, when_and_where};
use super::shell::{Document, notice};
use super::{Visit, cookie, see_other};

const COOKIE: &str = "hf_orders";
/// As long as browsers keep a cookie at all.
const COOKIE_AGE_S: u32 = 400 * 24 * 3600;
/// Orders in the cookie; the oldest is forgotten first. A page of the index has as many.
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
    /// What the index has of it.
    indexed: Option<Value>,
    found: Result<(Value, Value), Refusal>,
}

impl Entry {
    /// Whether nothing is known of it any more, neither by its show nor by the index.
    fn is_gone(&self) -> bool {
        let refused = self.found.as_ref().err();
        self.indexed.is_none() && refused.is_some_and(|no| !no.status.is_server_error())
    }
}

async fn entry(visit: &Visit, id: String, indexed: Option<Value>) -> Entry {
    let found = async {
        let order = visit.ask(&Ask::read(format!("/v1/orders/{id}"))).await?;
        let show = format!("/v1/shows/{}", order["show"].as_str().unwrap_or(""));
        let show = visit.ask(&Ask::read(show)).await?;
        Ok((order, show))
    };
    let found = found.await;
    Entry { id, indexed, found }
}

/// A page of the index: its orders, where the next begins, and whether all of the index could be read.
struct Indexed {
    orders: Vec<Value>,
    next: Option<String>,
    complete: bool,
    /// There is an index to read, as far as is known.
    exists: bool,
}

async fn indexed(visit: &Visit, after: Option<&str>) -> Indexed {
    let mut path = format!("/v1/orders?page_size={ORDERS_MAX}");
    if let Some(after) = after {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("after", after);
        path = format!("{path}&{}", query.finish());
    }
    match visit.ask(&Ask::read(path)).await {
        Ok(page) => Indexed {
            orders: page["orders"].as_array().cloned().unwrap_or_default(),
            next: page["next"].as_str().map(str::to_owned),
            complete: page["complete"].as_bool().unwrap_or(false),
            exists: page["indexes"]
                .as_array()
                .is_some_and(|all| !all.is_empty()),
        },
        // Whoever has no identity yet has no orders; whatever else is wrong, the browser's own list is shown.
        Err(refusal) => Indexed {
            orders: Vec::new(),
            next: None,
            complete: !refusal.status.is_server_error(),
            exists: true,
        },
    }
}

/// What a page lists: on the first one, orders of this browser that the index has not heard of come before those that it has.
fn listed(cookie: Vec<String>, orders: Vec<Value>) -> Vec<(String, Option<Value>)> {
    let id = |order: &Value| order["id"].as_str().unwrap_or("").to_owned();
    let known: Vec<String> = orders.iter().map(id).collect();
    let new = cookie.into_iter().filter(|id| !known.contains(id));
    let new = new.map(|id| (id, None));
    let heard = orders.iter().map(|order| (id(order), Some(order.clone())));
    new.chain(heard).collect()
}

/// `GET /orders`
pub(super) async fn list(visit: Visit) -> Response {
    // An address with more than that, from somebody's bookmark say, is cut to what is known.
    let Ok(pairs) = query(visit.uri(), &["after"]) else {
        return see_other("/orders", &[]);
    };
    let after = parameter(&pairs, "after");
    let index = indexed(&visit, after).await;
    let cookie = after.map_or_else(|| known(&visit), |_| Vec::new());
    let asking = listed(cookie, index.orders).into_iter();
    let asking = asking.map(|(id, indexed)| entry(&visit, id, indexed));
    let mut entries = join_all(asking).await;
    entries.sort_by_key(Entry::is_gone);
    let title = visit.t("orders.title");
    let main = html! {
        div.narrow {
            h1 { (title) }
            p.lead { (visit.t(if index.exists { "orders.note" } else { "orders.note.here" })) }
            @if !index.complete {
                (notice("warn", &visit.t("orders.partial"), &visit.t("orders.partial.text")))
            }
            @if entries.is_empty() {
                p { (visit.t("orders.none")) }
                a.button href="/" { (visit.t("all.events")) }
            } @else {
                ul.orders { @for entry in &entries { (row(&visit, entry)) } }
            }
            @if let Some(next) = &index.next {
                a.button href={ "/orders?after=" (next) } { (visit.t("orders.earlier")) }
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
                    @if let Some(state) = entry.indexed.as_ref().and_then(|order| order["state"].as_str()) {
                        p { span class={ "state " (state) } { (state_name(visit, state)) } }
                    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_index_has_not_heard_of_yet_comes_first_and_nothing_comes_twice() {
        let cookie = vec!["o9-1".to_owned(), "o7-1".to_owned()];
        let listed = listed(cookie, vec![json!({"id": "o8-1"}), json!({"id": "o7-1"})]);
        let ids: Vec<&str> = listed.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["o9-1", "o8-1", "o7-1"]);
        assert!(listed[0].1.is_none() && listed[2].1.is_some());
    }
}
