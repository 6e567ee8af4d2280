//! `GET /v1/orders`: the orders of whoever asks, from the indexes of buyers.
//!
//! ```text
//!   buyer ─► every index ─► nearest replica of each ─┐   each: at most a page, the latest first
//!                                                    └─► merged, cut to a page, with the age of each
//! ```
//!
//! Owns: the merge, and saying what is missing. Must never: list anybody else's orders, or leave out silently what could not be
//! read.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use futures_util::future::join_all;
use holdfast_node_api::client::NodeClient;
use holdfast_node_api::refs::{OrderRef, ShowRef};
use holdfast_node_api::v1::{
    BuyerOrders, CatalogueIndex, IndexedOrder, ListOrdersRequest, OrderPlace, OrderState,
};
use serde_json::{Value, json};

use super::request::{number, parameter, query};
use super::session::buyer;
use crate::app::App;
use crate::problem::Problem;
use crate::session::Buyer;
use crate::upstream::read::Freshness;
use crate::upstream::{ShowPlace, UpstreamError};

/// Orders on a page when the caller does not say, and at most.
const PAGE_SIZE_DEFAULT: u64 = 20;
const PAGE_SIZE_MAX: u64 = 100;

/// What one index answered.
type Read = Result<BuyerOrders, UpstreamError>;

pub(super) async fn list(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    let pairs = query(&uri, &["after", "page_size"])?;
    let page_size = number(&pairs, "page_size", 1, PAGE_SIZE_MAX)?.unwrap_or(PAGE_SIZE_DEFAULT);
    let page_size = usize::try_from(page_size).unwrap_or(usize::MAX);
    let after = parameter(&pairs, "after").map(place).transpose()?;
    let buyer = buyer(&app, &headers)?;
    let catalogue = app.catalogue.current().ok_or_else(|| {
        Problem::new(
            "unavailable",
            "this gateway has not heard the catalogue yet",
        )
    })?;
    let indexes: Vec<&CatalogueIndex> = catalogue.buyer_indexes.values().collect();
    let asking = indexes
        .iter()
        .map(|index| ask(&app, index, buyer, after, page_size));
    let answers: Vec<Read> = join_all(asking).await;
    if !answers.is_empty() && answers.iter().all(Result::is_err) {
        let missing = answers.into_iter().find_map(Result::err);
        return Err(missing.map_or_else(
            || Problem::new("unavailable", "no index of orders can be read"),
            Problem::from,
        ));
    }
    Ok(Json(page(&indexes, &answers, page_size)))
}

/// Reads one index at its nearest replica.
async fn ask(
    app: &App,
    index: &CatalogueIndex,
    buyer: Buyer,
    after: Option<OrderPlace>,
    page_size: usize,
) -> Read {
    let at = ShowPlace {
        show_id: index.group_id,
        home_region: index.home_region.clone(),
        voters: index.voters.clone(),
        learners: index.learners.clone(),
    };
    let request = ListOrdersRequest {
        group_id: index.group_id,
        buyer: buyer.bytes(),
        after,
        limit: u32::try_from(page_size).unwrap_or(u32::MAX),
    };
    let call = move |node: NodeClient| {
        let request = request.clone();
        async move { node.buyer_indexes().list_orders(request).await }
    };
    app.upstream.read(&at, Freshness::Near, call).await
}

fn page(indexes: &[&CatalogueIndex], answers: &[Read], page_size: usize) -> Value {
    let heard = || answers.iter().filter_map(|answer| answer.as_ref().ok());
    let mut orders: Vec<IndexedOrder> = heard().flat_map(|a| a.orders.iter().copied()).collect();
    orders.sort_by_key(|order| Reverse((order.at_ms, order.show_id, order.order_id)));
    // A show that moved its home between jurisdictions is in two indexes: the later word counts.
    let mut listed = std::collections::BTreeSet::new();
    orders.retain(|order| listed.insert((order.show_id, order.order_id)));
    let more = orders.len() > page_size || heard().any(|answer| answer.more);
    orders.truncate(page_size);
    let next = orders.last().filter(|_| more).map(cursor);
    let sources: Vec<Value> = indexes.iter().zip(answers).map(source).collect();
    json!({
        "orders": orders.iter().map(view).collect::<Vec<_>>(),
        "next": next,
        "complete": answers.iter().all(Result::is_ok),
        "indexes": sources,
    })
}

fn source((index, answer): (&&CatalogueIndex, &Read)) -> Value {
    let jurisdiction = Some(index.jurisdiction.as_str()).filter(|named| !named.is_empty());
    let as_of = answer.as_ref().ok().map(|answer| answer.as_of);
    json!({
        "jurisdiction": jurisdiction,
        "as_of": as_of.map(super::views::as_of),
    })
}

fn view(order: &IndexedOrder) -> Value {
    json!({
        "id": reference(order).to_string(),
        "show": ShowRef(order.show_id).to_string(),
        "state": state_name(order.state()),
        "at_ms": order.at_ms,
    })
}

fn reference(order: &IndexedOrder) -> OrderRef {
    OrderRef {
        show_id: order.show_id,
        order_id: order.order_id,
    }
}

const fn state_name(state: OrderState) -> &'static str {
    match state {
        OrderState::OrderConfirmed => "confirmed",
        OrderState::OrderCancelled => "cancelled",
        OrderState::OrderExpired => "expired",
        OrderState::OrderPaid => "paid",
        OrderState::OrderPaying => "paying",
        OrderState::OrderOpen | OrderState::Unspecified => "open",
    }
}

/// `1795273042247.o7-5`: where the next page begins.
fn cursor(order: &IndexedOrder) -> String {
    format!("{}.{}", order.at_ms, reference(order))
}

fn place(text: &str) -> Result<OrderPlace, Problem> {
    let bad = || {
        let reason = "must be what `next` of the page before said";
        Problem::field("invalid_parameter", "after", reason)
    };
    let (at_ms, order) = text.split_once('.').ok_or_else(bad)?;
    let OrderRef { show_id, order_id } = order.parse().map_err(|_| bad())?;
    Ok(OrderPlace {
        at_ms: at_ms.parse().map_err(|_| bad())?,
        show_id,
        order_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(orders: &[(u64, u64)], more: bool) -> Read {
        let order = |(at_ms, show_id): &(u64, u64)| IndexedOrder {
            show_id: *show_id,
            order_id: 1,
            state: OrderState::OrderConfirmed.into(),
            at_ms: *at_ms,
        };
        Ok(BuyerOrders {
            as_of: None,
            orders: orders.iter().map(order).collect(),
            more,
        })
    }

    fn ids(page: &Value) -> Vec<&str> {
        let orders = page["orders"].as_array().unwrap();
        orders.iter().map(|o| o["id"].as_str().unwrap()).collect()
    }

    #[test]
    fn pages_of_several_indexes_are_one_list_the_latest_first() {
        let (eu, us) = (CatalogueIndex::default(), CatalogueIndex::default());
        let answers = [
            answer(&[(30, 1), (10, 2)], false),
            answer(&[(20, 3), (30, 1)], false),
        ];
        let all = page(&[&eu, &us], &answers, 9);
        assert_eq!(ids(&all), ["o1-1", "o3-1", "o2-1"]);
        assert_eq!(
            (&all["next"], &all["complete"]),
            (&Value::Null, &json!(true))
        );
        let first = page(&[&eu, &us], &answers, 2);
        assert_eq!(ids(&first), ["o1-1", "o3-1"]);
        let next = place(first["next"].as_str().unwrap()).unwrap();
        assert_eq!((next.at_ms, next.show_id, next.order_id), (20, 3, 1));
    }

    #[test]
    fn an_index_that_is_away_is_said_and_not_hidden() {
        let eu = CatalogueIndex {
            jurisdiction: "EU".to_owned(),
            ..CatalogueIndex::default()
        };
        let none = CatalogueIndex::default();
        let away = Err(UpstreamError {
            code: "unavailable",
            message: String::new(),
            retry_after: None,
            field: String::new(),
        });
        let page = page(&[&eu, &none], &[away, answer(&[(1, 1)], true)], 5);
        assert_eq!(page["complete"], false);
        assert_eq!(
            page["indexes"][0],
            json!({"jurisdiction": "EU", "as_of": null})
        );
        assert_eq!(page["indexes"][1]["jurisdiction"], Value::Null);
        assert_eq!(page["next"], "1.o1-1", "that index has more");
    }

    #[test]
    fn only_what_a_page_said_is_a_place() {
        for bad in ["", "1", "o1-1", "x.o1-1", "1.s1", "1.o1-1.2"] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }
}
