//! Orders: open from a hold, pay, cancel, look.
//!
//! Owns: waiting for a payment's result and saying it. Must never: talk to a payment provider; the show's leader does.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use holdfast_node_api::client::NodeClient;
use holdfast_node_api::refs::{HoldRef, OrderRef};
use holdfast_node_api::v1::submit_request::Command;
use holdfast_node_api::v1::{
    CancelOrder, GetOrderRequest, OpenOrder, Order, OrderReply, OrderState, PayOrder, ReadOptions,
    SubmitReply, submit_reply,
};
use serde_json::{Value, json};

use super::about::About;
use super::events::place as place_of;
use super::fields::Fields;
use super::idempotency::{self, Written};
use super::request::{freshness, json_body};
use super::session::buyer;
use super::shard::{self, submit};
use super::views;
use crate::answers::Fingerprint;
use crate::app::App;
use crate::layouts::ShowLayout;
use crate::problem::Problem;
use crate::session::Buyer;
use crate::upstream::ShowPlace;
use crate::upstream::read::Freshness;
use crate::{clock, limits};

/// Longest text that can be a reference.
const REF_BYTES_MAX: usize = 64;
/// Pause between two looks at an order that is being paid. A look is one local read.
const PAYMENT_POLL: Duration = Duration::from_millis(60);

fn order_of(reply: SubmitReply, layout: &ShowLayout) -> Result<(Order, u64, bool), Problem> {
    match reply.result {
        Some(submit_reply::Result::Order(order)) => Ok((order, reply.index, reply.replayed)),
        other => Err(shard::refusal(other, Some(layout), "an order")),
    }
}

pub(super) async fn open(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    uri: Uri,
    body: Body,
) -> Result<Response, Problem> {
    let buyer = buyer(&app, &headers)?;
    let key = idempotency::key(&headers)?;
    let body = json_body(&app, &headers, body).await?;
    let mut fields = Fields::parse(&body)?;
    let hold = fields.text("hold", REF_BYTES_MAX)?;
    fields.finish()?;
    let HoldRef { show_id, hold_id } = hold
        .parse()
        .map_err(|error| Problem::field("invalid_json", "/hold", format!("{error}")))?;
    let place = place_of(&app, show_id)?;
    let layout = app.layouts.get(&app.upstream, &place).await?;
    let print = Fingerprint::of("POST", uri.path(), &body);
    let work = async {
        let command = Command::OpenOrder(OpenOrder { hold_id });
        let reply = submit(&app, &place, buyer, &key, command).await?;
        let (order, index, replayed) = order_of(reply, &layout)?;
        let made = OrderRef {
            show_id,
            order_id: order.order_id,
        };
        Ok(Written {
            status: StatusCode::CREATED,
            body: views::order(show_id, &order, &layout, index),
            location: Some(format!("/v1/orders/{made}")),
            replayed,
        })
    };
    idempotency::once(&app, buyer, &key, print, work).await
}

pub(super) async fn cancel(asked: About<OrderRef>, body: Body) -> Result<Response, Problem> {
    let OrderRef { show_id, order_id } = asked.id;
    let write = asked.bare_write(body).await?;
    let app = &asked.app;
    let place = asked.place()?;
    let layout = app.layouts.get(&app.upstream, &place).await?;
    let work = async {
        let command = Command::CancelOrder(CancelOrder { order_id });
        let reply = submit(app, &place, write.buyer, &write.key, command).await?;
        let (order, index, replayed) = order_of(reply, &layout)?;
        let body = views::order(show_id, &order, &layout, index);
        Ok(Written {
            status: StatusCode::OK,
            body,
            location: None,
            replayed,
        })
    };
    idempotency::once(app, write.buyer, &write.key, write.print, work).await
}

pub(super) async fn pay(asked: About<OrderRef>, body: Body) -> Result<Response, Problem> {
    let OrderRef { show_id, order_id } = asked.id;
    let write = asked.write(body).await?;
    let app = &asked.app;
    let mut fields = Fields::parse(&write.body)?;
    let payment_token = fields.text("payment_token", limits::PAYMENT_TOKEN_BYTES_MAX)?;
    fields.finish()?;
    let place = asked.place()?;
    let layout = app.layouts.get(&app.upstream, &place).await?;
    let work = async {
        let command = Command::PayOrder(PayOrder {
            order_id,
            payment_token,
        });
        let reply = submit(app, &place, write.buyer, &write.key, command).await?;
        let (order, index, replayed) = order_of(reply, &layout)?;
        let (order, index) = settled(app, &place, write.buyer, order, index).await;
        let view = views::order(show_id, &order, &layout, index);
        let status = verdict(&order, &view)?;
        Ok(Written {
            status,
            body: view,
            location: None,
            replayed,
        })
    };
    idempotency::once(app, write.buyer, &write.key, write.print, work).await
}

/// Follows an order that is being paid at the nearest replica until something comes of it or the wait is over.
async fn settled(
    app: &App,
    place: &ShowPlace,
    buyer: Buyer,
    mut order: Order,
    mut index: u64,
) -> (Order, u64) {
    let (show_id, order_id) = (place.show_id, order.order_id);
    let started = clock::now();
    let wait = Duration::from_millis(app.config.limits.payment_wait_ms);
    while matches!(
        order.state(),
        OrderState::OrderPaying | OrderState::OrderPaid
    ) && started.elapsed() < wait
    {
        tokio::time::sleep(PAYMENT_POLL).await;
        let ask = |node: NodeClient| async move {
            let read = ReadOptions {
                at_least_index: index,
                ..ReadOptions::default()
            };
            let caller = buyer.bytes();
            let request = GetOrderRequest {
                show_id,
                order_id,
                caller,
                read: Some(read),
            };
            node.inventory().get_order(request).await
        };
        // A read that failed costs nothing: the order goes on, and the next look may succeed.
        if let Ok(reply) = app.upstream.read(place, Freshness::Seen, ask).await
            && let Some(seen) = reply.order
        {
            index = reply.as_of.map_or(index, |as_of| as_of.index.max(index));
            order = seen;
        }
    }
    (order, index)
}

/// What paying came to: 200 confirmed, 202 still under way, or the problem.
fn verdict(order: &Order, view: &Value) -> Result<StatusCode, Problem> {
    let problem = |code: &str, detail: &str| Problem::new(code, detail).with("order", view.clone());
    match order.state() {
        OrderState::OrderConfirmed => Ok(StatusCode::OK),
        OrderState::OrderPaying | OrderState::OrderPaid => Ok(StatusCode::ACCEPTED),
        OrderState::OrderCancelled => Err(problem("order_cancelled", "the order was cancelled")),
        OrderState::OrderExpired => Err(problem(
            "order_expired",
            "the order expired before it was paid; nothing was charged",
        )),
        OrderState::OrderOpen | OrderState::Unspecified => {
            Err(match order.payment_problem.as_str() {
                "provider_timeout" => problem(
                    "payment_timeout",
                    "the payment provider did not answer; nothing was charged and the order is still open",
                ),
                "seats_gone" => problem(
                    "seats_taken",
                    "the seats were sold to someone else; nothing was charged",
                )
                .with("seats", json!(view["seats"])),
                _ => problem(
                    "payment_declined",
                    "the payment was declined; the order is still open, pay with another means and a new key",
                ),
            })
        }
    }
}

pub(super) async fn one(asked: About<OrderRef>) -> Result<Json<Value>, Problem> {
    let OrderRef { show_id, order_id } = asked.id;
    let pairs = asked.query(&["at_least"])?;
    let (freshness, read) = freshness(&asked.headers, &pairs)?;
    let buyer = asked.buyer()?;
    let place = asked.place()?;
    let app = &asked.app;
    let layout = app.layouts.get(&app.upstream, &place).await?;
    let caller = buyer.bytes();
    let ask = move |read: ReadOptions| {
        let caller = caller.clone();
        move |node: NodeClient| {
            let caller = caller.clone();
            async move {
                let request = GetOrderRequest {
                    show_id,
                    order_id,
                    caller,
                    read: Some(read),
                };
                node.inventory().get_order(request).await
            }
        }
    };
    let reply: OrderReply = app
        .upstream
        .read_own(&place, freshness, read, "order_unknown", ask)
        .await?;
    let order = reply
        .order
        .ok_or_else(|| Problem::new("order_unknown", "there is no such order"))?;
    let index = reply.as_of.map_or(0, |as_of| as_of.index);
    let mut body = views::order(show_id, &order, &layout, index);
    body["as_of"] = views::as_of(reply.as_of);
    Ok(Json(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(state: OrderState, payment_problem: &str) -> Result<u16, &'static str> {
        let order = Order {
            state: state.into(),
            payment_problem: payment_problem.to_owned(),
            ..Order::default()
        };
        verdict(&order, &json!({ "seats": [] }))
            .map(|s| s.as_u16())
            .map_err(|p| p.code())
    }

    #[test]
    fn what_paying_came_to_is_said_plainly() {
        assert_eq!(code(OrderState::OrderConfirmed, ""), Ok(200));
        assert_eq!(code(OrderState::OrderPaying, ""), Ok(202));
        assert_eq!(code(OrderState::OrderPaid, ""), Ok(202));
        assert_eq!(
            code(OrderState::OrderOpen, "declined"),
            Err("payment_declined")
        );
        assert_eq!(
            code(OrderState::OrderOpen, "provider_timeout"),
            Err("payment_timeout")
        );
        assert_eq!(
            code(OrderState::OrderOpen, "seats_gone"),
            Err("seats_taken")
        );
        assert_eq!(code(OrderState::OrderExpired, ""), Err("order_expired"));
        assert_eq!(code(OrderState::OrderCancelled, ""), Err("order_cancelled"));
    }
}
