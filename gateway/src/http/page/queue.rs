//! A show's waiting room: where one stands, and the forms to join, to claim a place that was reached, to be told of seats that come back.
//!
//! The API's cookies belong to its own addresses. The document's forms set them for the document's addresses as well, so that a buyer
//! without scripts keeps their place.
//!
//! Owns: that document. Must never: say more of somebody's place than the API does; docs/waiting-room.md has the words.

use axum::body::Body;
use axum::extract::Path;
use axum::http::Method;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::api::{Ask, Refusal};
use super::checkout::button_form;
use super::form::{Form, new_key};
use super::lines::when_and_where;
use super::shell::{Document, notice, refused, refused_notice};
use super::{Visit, see_other};

const MINUTE_MS: u64 = 60_000;
/// What the address of the document says after a claim that has to wait: there is no room inside just now.
const TRIED: &str = "tried";
/// … where it is to look again by itself without scripts.
const WATCHED: &str = "watched";
/// … and after somebody was put on the list.
const LISTED: &str = "listed";

/// The room of `show` when it has one that is open to a line.
pub(super) async fn room(visit: &Visit, show: &str) -> Option<Value> {
    let asked = Ask::read(format!("/v1/shows/{show}/queue"));
    let room = visit.ask(&asked).await.ok()?;
    let none = matches!(room["state"].as_str(), None | Some("none" | "ended"));
    (!none).then_some(room)
}

/// What a show's document says of its room.
pub(super) fn sign(visit: &Visit, show: &str, room: &Value) -> Markup {
    let ms = |value: &Value| value.as_u64().unwrap_or(0);
    let left_ms = ms(&room["you"]["pass_expires_at_ms"]).saturating_sub(ms(&room["now_ms"]));
    let minutes = usize::try_from(left_ms.div_ceil(MINUTE_MS)).unwrap_or(usize::MAX);
    html! {
        @if left_ms > 0 {
            (notice("", &visit.t("queue.title.inside"), &visit.words.n("queue.left", minutes)))
        } @else {
            div.notice.room {
                h2 { (visit.t("queue.sign")) }
                p { (visit.t("queue.sign.note")) }
                a.button href={ "/shows/" (show) "/queue" } { (visit.t("queue.go")) }
            }
        }
    }
}

/// `GET /shows/{show}/queue`
pub(super) async fn one(visit: Visit, Path(show): Path<String>) -> Response {
    document(&visit, &show, None).await
}

async fn document(visit: &Visit, show: &str, refusal: Option<&Refusal>) -> Response {
    let item = match visit.ask(&Ask::read(format!("/v1/shows/{show}"))).await {
        Ok(item) => item,
        Err(refusal) => return refused(visit, &refusal),
    };
    let Some(room) = room(visit, show).await else {
        return see_other(&format!("/shows/{show}"), &[]);
    };
    let standing = room["you"]["standing"].as_str().unwrap_or("");
    let state = room["state"].as_str().unwrap_or("");
    let title = visit.t(&title_key(state, standing));
    let refresh_s = room["refresh_in_s"].as_u64().unwrap_or(20);
    // A claim that led to nothing is not made again at once.
    let tried = refusal.is_some() || came_with(visit, TRIED);
    let main = html! {
        div.narrow {
            p.crumb { a href={ "/shows/" (show) } { "← " (visit.t("queue.show")) } }
            p.kicker { (item["event_name"].as_str().unwrap_or("")) }
            h1 { (title) }
            (when_and_where(visit, &item))
            div #messages {
                @if let Some(refusal) = refusal { (refused_notice(visit, refusal)) }
                @if came_with(visit, LISTED) { (notice("", &visit.t("queue.listed"), "")) }
            }
            section.card #room data-show=(show) data-state=(state) data-standing=(standing) data-refresh-in-s=(refresh_s) data-tried[tried] {
                (place(visit, show, &room, standing, state))
            }
            (fairness(visit, show, &room))
        }
    };
    Document::new(&title, main)
        .enhanced_by("queue")
        // Only whom it was asked by: a page that begins anew by itself interrupts those who listen to it.
        .again_after(came_with(visit, WATCHED).then_some(refresh_s))
        .about(refusal)
        .answer(visit)
}

fn title_key(state: &str, standing: &str) -> String {
    match (state, standing) {
        (_, "admitted" | "inside" | "late") => format!("queue.title.{standing}"),
        ("closed" | "prequeue" | "drawing" | "paused" | "sold_out", _) => {
            format!("queue.title.{state}")
        }
        _ => "queue.title.serving".to_owned(),
    }
}

/// Where one stands, and what can be done.
fn place(visit: &Visit, show: &str, room: &Value, standing: &str, state: &str) -> Markup {
    let form = |action: &str, label: &str| {
        let action = format!("/shows/{show}/queue{action}");
        button_form(&action, "wide", &visit.t(label), &new_key(), html! {})
    };
    let may_join = !matches!(state, "closed" | "sold_out");
    html! {
        @match standing {
            "inside" => {
                p.lead { (visit.t("queue.inside")) }
                a.button.wide href={ "/shows/" (show) } { (visit.t("queue.choose")) }
            }
            "admitted" => {
                p.lead { (visit.t(if came_with(visit, TRIED) { "queue.full" } else { "queue.admitted" })) }
                div #claim { (form("/claim", "queue.claim")) }
            }
            "late" => {
                @if room["you"]["may_rejoin"] == true {
                    p.lead { (visit.t("queue.late")) }
                    (form("", "queue.rejoin"))
                } @else {
                    p.lead { (visit.t("queue.late.over")) }
                }
            }
            "waiting" => (waiting(visit, room)),
            "not_drawn" => {
                p.lead { (visit.t("queue.not_drawn")) }
                (begins(visit, room, "sale_at_ms", "queue.sale"))
            }
            _ => {
                p.lead { (visit.t(&format!("queue.{state}"))) }
                @match state {
                    "closed" => (begins(visit, room, "opens_at_ms", "queue.opens")),
                    "prequeue" => (begins(visit, room, "sale_at_ms", "queue.sale")),
                    "sold_out" if !came_with(visit, LISTED) => (form("/waitlist", "queue.waitlist")),
                    _ => {}
                }
                @if may_join { (form("", "queue.join")) }
            }
        }
        p.fine {
            span.scripted { (visit.t("queue.refresh")) }
            noscript {
                a href={ "/shows/" (show) "/queue" } { (visit.t("order.look")) } " · "
                @if came_with(visit, WATCHED) { (visit.t("queue.watched")) }
                @else { a href={ "/shows/" (show) "/queue?" (WATCHED) } { (visit.t("queue.watch")) } }
            }
        }
    }
}

/// "The sale begins in 12 minutes".
fn begins(visit: &Visit, room: &Value, at: &str, key: &str) -> Markup {
    let ms = |name: &str| room[name].as_u64().unwrap_or(0);
    let left = ms(at).saturating_sub(ms("now_ms"));
    let minutes = usize::try_from(left.div_ceil(MINUTE_MS)).unwrap_or(0);
    html! { @if left > 0 { p.begins data-at-ms=(ms(at)) { (visit.words.n(key, minutes)) } } }
}

fn waiting(visit: &Visit, room: &Value) -> Markup {
    let you = &room["you"];
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let eta = &you["eta_s"];
    let minutes = |value: &Value| number(value).div_ceil(60).to_string();
    html! {
        p.position { b data-position="" { (number(&you["position"])) } " " span { (visit.t("queue.position")) } }
        p data-eta="" {
            @if eta["max"].as_u64().is_some_and(|max_s| max_s <= 60) {
                (visit.t("queue.eta.soon"))
            } @else if eta.is_object() {
                (visit.words.with("queue.eta", &[("min", &minutes(&eta["min"])), ("max", &minutes(&eta["max"]))]))
            } @else {
                (visit.t("queue.eta.none"))
            }
        }
        p.meta { (visit.t("queue.stay")) }
    }
}

/// What makes the line fair, for whoever wants to check it.
fn fairness(visit: &Visit, show: &str, room: &Value) -> Markup {
    html! {
        details.card.fair {
            summary { (visit.t("queue.fair")) }
            p { (visit.t("queue.fair.note")) }
            @if let Some(commit) = room["commit"].as_str() { p { code { (commit) } } }
            p { a href={ "/v1/shows/" (show) "/queue/proof" } { (visit.t("queue.proof")) } }
        }
    }
}

/// Whether the document's address ends in `?{word}`.
fn came_with(visit: &Visit, word: &str) -> bool {
    visit.uri().query() == Some(word)
}

/// Asks the API under the room's address, and makes its cookies good for the document's addresses too.
async fn act(
    visit: &Visit,
    show: &str,
    body: Body,
    what: &str,
) -> Result<(Value, Vec<String>), Refusal> {
    Form::read(visit, body).await.map_err(Refusal::from)?;
    let ask = Ask {
        method: Method::POST,
        ..Ask::read(format!("/v1/shows/{show}/queue{what}"))
    };
    let (answer, mut cookies) = visit.ask_as_guest(&ask).await?;
    let own: Vec<String> = cookies
        .iter()
        .map(|cookie| cookie.replace("Path=/v1/shows/", "Path=/shows/"))
        .filter(|cookie| !cookies.contains(cookie))
        .collect();
    cookies.extend(own);
    Ok((answer, cookies))
}

/// `POST /shows/{show}/queue`
pub(super) async fn join(visit: Visit, Path(show): Path<String>, body: Body) -> Response {
    match act(&visit, &show, body, "").await {
        Ok((_, cookies)) => see_other(&format!("/shows/{show}/queue"), &cookies),
        Err(refusal) => document(&visit, &show, Some(&refusal)).await,
    }
}

/// `POST /shows/{show}/queue/claim`: whoever is in goes on to the seats.
pub(super) async fn claim(visit: Visit, Path(show): Path<String>, body: Body) -> Response {
    match act(&visit, &show, body, "/claim").await {
        Ok((answer, cookies)) if answer["claimed"] == false => {
            see_other(&format!("/shows/{show}/queue?{TRIED}"), &cookies)
        }
        Ok((_, cookies)) => see_other(&format!("/shows/{show}"), &cookies),
        Err(refusal) => document(&visit, &show, Some(&refusal)).await,
    }
}

/// `POST /shows/{show}/queue/waitlist`
pub(super) async fn waitlist(visit: Visit, Path(show): Path<String>, body: Body) -> Response {
    match act(&visit, &show, body, "/waitlist").await {
        Ok((_, cookies)) => see_other(&format!("/shows/{show}/queue?{LISTED}"), &cookies),
        Err(refusal) => document(&visit, &show, Some(&refusal)).await,
    }
}
