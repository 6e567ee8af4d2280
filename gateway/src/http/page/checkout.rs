//! From a hold to tickets: the hold's document, the order's, and what their forms do.
//!
//! Owns: those documents. Must never: keep a card; payment tokens pass through to the API.

use axum::body::Body;
use axum::extract::Path;
use axum::http::Method;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::api::{Ask, Refusal};
use super::form::{Form, new_key};
use super::lines::{lines, money, place_name, when_and_where};
use super::shell::{Document, refused, refused_notice, steps};
use super::write::clock;
use super::{Visit, orders, see_other, set_cookies};

/// Cards of the test provider: token, key of its texts.
const TOKENS: [(&str, &str); 3] = [
    ("tok_approve", "token.approve"),
    ("tok_decline", "token.decline"),
    ("tok_timeout", "token.timeout"),
];

/// A form that is one button.
pub(super) fn button_form(
    action: &str,
    class: &str,
    label: &str,
    key: &str,
    inside: Markup,
) -> Markup {
    html! {
        form method="post" action=(action) {
            input type="hidden" name="key" value=(key);
            (inside)
            button type="submit" class=(class) { (label) }
        }
    }
}

/// Reads the form and asks for what it stands for; the answer's document is at `to`.
async fn act(
    visit: &Visit,
    body: Body,
    path: String,
    method: Method,
    asked: Option<Value>,
) -> Result<Value, Refusal> {
    let form = Form::read(visit, body).await.map_err(Refusal::from)?;
    let key = form.key(&path, asked.as_ref());
    let ask = Ask {
        method,
        path,
        key: Some(&key),
        body: asked,
    };
    visit.ask(&ask).await
}

/// `GET /holds/{hold}`
pub(super) async fn hold(visit: Visit, Path(hold): Path<String>) -> Response {
    hold_document(&visit, &hold, None).await
}

/// The hold's document, with what went wrong before.
async fn hold_document(visit: &Visit, id: &str, refusal: Option<&Refusal>) -> Response {
    let hold = match visit.ask(&Ask::read(format!("/v1/holds/{id}"))).await {
        Ok(hold) => hold,
        Err(refusal) => return refused(visit, &refusal),
    };
    if let Some(order) = hold["order"].as_str() {
        return see_other(&format!("/orders/{order}"), &[]);
    }
    let show = match show_of(visit, &hold).await {
        Ok(show) => show,
        Err(refusal) => return refused(visit, &refusal),
    };
    let active = hold["state"] == "active";
    let title = visit.t(if active { "hold.title" } else { "hold.over" });
    let main = html! {
        div.narrow {
            (steps(visit, 1))
            p.kicker { a href={ "/shows/" (hold["show"].as_str().unwrap_or("")) } { (show["event_name"].as_str().unwrap_or("")) } }
            h1 { (title) }
            (when_and_where(visit, &show))
            div #messages { @if let Some(refusal) = refusal { (refused_notice(visit, refusal)) } }
            @if active { (active_hold(visit, &hold)) } @else { (over(visit, &hold, hold["state"].as_str())) }
        }
    };
    Document::new(&title, main)
        .enhanced_by(if active { "hold" } else { "" })
        .about(refusal)
        .answer(visit)
}

async fn show_of(visit: &Visit, item: &Value) -> Result<Value, Refusal> {
    let show = item["show"].as_str().unwrap_or("");
    visit.ask(&Ask::read(format!("/v1/shows/{show}"))).await
}

/// Time that is left by the shard's clock; a script makes it run.
fn countdown(visit: &Visit, item: &Value) -> Markup {
    let (ends, now) = (
        item["expires_at_ms"].as_u64().unwrap_or(0),
        item["now_ms"].as_u64().unwrap_or(0),
    );
    let ends_max = item["expires_at_max_ms"].as_u64().unwrap_or(ends);
    html! {
        div #countdown data-expires-at-ms=(ends) data-expires-at-max-ms=(ends_max) data-now-ms=(now) {
            div.countdown {
                span.clock role="timer" { (clock(ends.saturating_sub(now))) }
                span.meta { (visit.t("hold.left")) }
            }
            div.bar aria-hidden="true" { i {} }
        }
    }
}

fn active_hold(visit: &Visit, hold: &Value) -> Markup {
    let id = hold["id"].as_str().unwrap_or("");
    let number = |name: &str| hold[name].as_u64().unwrap_or(0);
    let more = number("expires_at_ms") < number("expires_at_max_ms");
    let seats = hold["seats"].as_array().map_or(0, Vec::len);
    let apart = seats > 1 && hold["contiguous"] == json!(false);
    let form = |action: &str, class: &str, label: &str| {
        button_form(
            &format!("/holds/{id}/{action}"),
            class,
            &visit.t(label),
            &new_key(),
            html! {},
        )
    };
    html! {
        section.card #hold data-id=(id) aria-label=(visit.t("hold.label")) {
            (countdown(visit, hold))
            (lines(visit, hold))
            @if apart { p.fine { (visit.t("hold.apart")) } }
            (form("order", "wide", "hold.continue"))
            div.row {
                @if more { (form("extend", "quiet extend", "hold.more")) }
                (form("release", "danger release", "hold.release"))
            }
            p.fine { (visit.t("hold.time")) }
        }
        // What takes its place when the time runs out while the document is open.
        template #over { (over(visit, hold, Some("expired"))) }
    }
}

/// A hold that has ended: the same seats can be tried again in one step.
fn over(visit: &Visit, hold: &Value, state: Option<&str>) -> Markup {
    let show = hold["show"].as_str().unwrap_or("");
    let text = if state == Some("expired") {
        "hold.expired"
    } else {
        "hold.released"
    };
    html! {
        section.card #over-card {
            p.lead { (visit.t(text)) }
            (lines(visit, hold))
            div.row {
                (again(visit, show, hold))
                a href={ "/shows/" (show) } { (visit.t("choose.others")) }
            }
        }
    }
}

/// The form that asks for the same places anew.
fn again(visit: &Visit, show: &str, item: &Value) -> Markup {
    let inside = html! {
        @if let Some(area) = item["general_admission"]["area"].as_str() {
            input type="hidden" name="area" value=(area);
            input type="hidden" name="quantity" value=(item["quantity"].as_u64().unwrap_or(1));
        } @else {
            @for seat in item["seats"].as_array().into_iter().flatten() {
                input type="hidden" name="seat" value=(seat.as_str().unwrap_or(""));
            }
        }
    };
    let action = format!("/shows/{show}/hold");
    button_form(&action, "again", &visit.t("hold.again"), &new_key(), inside)
}

/// `POST /holds/{hold}/extend`
pub(super) async fn extend(visit: Visit, Path(hold): Path<String>, body: Body) -> Response {
    let path = format!("/v1/holds/{hold}/extend");
    match act(&visit, body, path, Method::POST, None).await {
        Ok(_) => see_other(&format!("/holds/{hold}"), &[]),
        Err(refusal) => hold_document(&visit, &hold, Some(&refusal)).await,
    }
}

/// `POST /holds/{hold}/release`
pub(super) async fn release(visit: Visit, Path(hold): Path<String>, body: Body) -> Response {
    let path = format!("/v1/holds/{hold}");
    match act(&visit, body, path, Method::DELETE, None).await {
        Ok(gone) => see_other(
            &format!("/shows/{}", gone["show"].as_str().unwrap_or("")),
            &[],
        ),
        Err(refusal) => hold_document(&visit, &hold, Some(&refusal)).await,
    }
}

/// `POST /holds/{hold}/order`
pub(super) async fn order(visit: Visit, Path(hold): Path<String>, body: Body) -> Response {
    let asked = Some(json!({ "hold": hold }));
    match act(&visit, body, "/v1/orders".to_owned(), Method::POST, asked).await {
        Ok(order) => see_other(
            &format!("/orders/{}", order["id"].as_str().unwrap_or("")),
            &[],
        ),
        Err(refusal) => hold_document(&visit, &hold, Some(&refusal)).await,
    }
}

/// `GET /orders/{order}`
pub(super) async fn one_order(visit: Visit, Path(order): Path<String>) -> Response {
    order_document(&visit, &order, None).await
}

async fn order_document(visit: &Visit, id: &str, refusal: Option<&Refusal>) -> Response {
    let order = match visit.ask(&Ask::read(format!("/v1/orders/{id}"))).await {
        Ok(order) => order,
        Err(refusal) => return refused(visit, &refusal),
    };
    let show = match show_of(visit, &order).await {
        Ok(show) => show,
        Err(refusal) => return refused(visit, &refusal),
    };
    let state = order["state"].as_str().unwrap_or("");
    let title = visit.t(&format!("order.title.{state}"));
    let step = if state == "confirmed" { 3 } else { 2 };
    let main = html! {
        div.narrow {
            (steps(visit, step))
            p.kicker { (show["event_name"].as_str().unwrap_or("")) }
            h1 { (title) }
            (when_and_where(visit, &show))
            div #messages { @if let Some(refusal) = refusal { (refused_notice(visit, refusal)) } }
            section.card #order data-id=(id) data-state=(state) {
                p { (visit.t("order")) " " code { (id) } " " span class={ "state " (state) } { (orders::state_name(visit, state)) } }
                (lines(visit, &order))
            }
            (order_detail(visit, &order, state))
        }
    };
    let unfinished = matches!(state, "open" | "paying" | "paid");
    let document = Document::new(&title, main).enhanced_by(if unfinished { "order" } else { "" });
    let mut response = document.about(refusal).answer(visit);
    set_cookies(&mut response, &orders::remembered(visit, id));
    response
}

fn order_detail(visit: &Visit, order: &Value, state: &str) -> Markup {
    let show = order["show"].as_str().unwrap_or("");
    html! {
        @match state {
            "open" => (payment(visit, order)),
            "confirmed" => (tickets(visit, order)),
            "paying" | "paid" => section.card {
                p.lead { (visit.t("order.waiting")) }
                a href="" { (visit.t("order.look")) }
            },
            _ => section.card {
                @if state == "expired" { p { (visit.t("order.expired")) } }
                div.row {
                    (again(visit, show, order))
                    a href={ "/shows/" (show) } { (visit.t("choose.others")) }
                }
            },
        }
    }
}

fn payment(visit: &Visit, order: &Value) -> Markup {
    let id = order["id"].as_str().unwrap_or("");
    let currency = order["currency"].as_str().unwrap_or("");
    let total = money(visit, order["total_minor"].as_u64().unwrap_or(0), currency);
    let go = visit.t("pay.go");
    let (before, after) = go.split_once("{price}").unwrap_or((&go, ""));
    html! {
        section.card aria-label=(visit.t("pay.label")) {
            (countdown(visit, order))
            form #pay method="post" action={ "/orders/" (id) "/pay" } {
                input type="hidden" name="key" value=(new_key());
                fieldset {
                    legend { (visit.t("pay.legend")) }
                    div.choices {
                        @for (at, (token, text)) in TOKENS.iter().enumerate() {
                            label.choice {
                                input type="radio" name="token" value=(token) checked[at == 0];
                                span { (visit.t(text)) small { (visit.t(&format!("{text}.note"))) } }
                            }
                        }
                    }
                }
                button.wide.pay type="submit" { span { (before) (total) (after) } }
            }
            div.row { (button_form(&format!("/orders/{id}/cancel"), "danger cancel", &visit.t("order.cancel"), &new_key(), html! {})) }
        }
    }
}

fn tickets(visit: &Visit, order: &Value) -> Markup {
    let tickets = order["tickets"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let area = order["general_admission"]["area"].as_str();
    html! {
        section.card aria-labelledby="tickets" {
            h2 #tickets { (visit.words.n("tickets", tickets.len())) }
            ul.tickets {
                @for (at, ticket) in tickets.iter().enumerate() {
                    li.ticket {
                        span.kicker { (visit.t("ticket.admit")) }
                        b { (area.map_or_else(|| place_name(visit, &order["places"][at]), str::to_owned)) }
                        code { (ticket.as_str().unwrap_or("")) }
                    }
                }
            }
            p { a href="/orders" { (visit.t("orders.all")) } }
        }
    }
}

/// `POST /orders/{order}/pay`
pub(super) async fn pay(visit: Visit, Path(order): Path<String>, body: Body) -> Response {
    let form = match Form::read(&visit, body).await {
        Ok(form) => form,
        Err(problem) => return refused(&visit, &problem.into()),
    };
    let asked = json!({ "payment_token": form.get("token").unwrap_or("") });
    let path = format!("/v1/orders/{order}/pay");
    let key = form.key(&path, Some(&asked));
    let ask = Ask {
        method: Method::POST,
        path,
        key: Some(&key),
        body: Some(asked),
    };
    match visit.ask(&ask).await {
        Ok(_) => see_other(&format!("/orders/{order}"), &[]),
        Err(refusal) => order_document(&visit, &order, Some(&refusal)).await,
    }
}

/// `POST /orders/{order}/cancel`
pub(super) async fn cancel(visit: Visit, Path(order): Path<String>, body: Body) -> Response {
    let path = format!("/v1/orders/{order}/cancel");
    match act(&visit, body, path, Method::POST, None).await {
        Ok(_) => see_other(&format!("/orders/{order}"), &[]),
        Err(refusal) => order_document(&visit, &order, Some(&refusal)).await,
    }
}
