//! The waiting room: join, look, claim, the waitlist, the proof. The contract is in `docs/waiting-room.md`.
//!
//! Owns: what each request comes to. Must never: let in; the shard does, when a pass is
//! claimed.

mod carried;
mod views;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use holdfast_node_api::queue::{hex, late_key, show_key};
use holdfast_node_api::refs::ShowRef;
use holdfast_node_api::v1::submit_request::Command;
use holdfast_node_api::v1::{ClaimPass, JoinWaitlist, LinePoint, SubmitReply, submit_reply};
use serde_json::json;

use super::events::place as place_of;
use super::holds::submit;
use super::request::{id, no_body, query};
use super::session::buyer;
use crate::app::App;
use crate::clock;
use crate::problem::Problem;
use crate::queue::room::{Room, Standing, State as Life};
use crate::queue::rooms::Cell;
use crate::queue::token::{Pass, Phase, Ticket};
use crate::session::Buyer;
use crate::upstream::ShowPlace;
pub(super) use carried::pass;
use carried::{PASS_COOKIE, TICKET_COOKIE, own_ticket, ticket};
use views::view;

/// A browser keeps a ticket for a day: longer than any line.
const TICKET_COOKIE_S: u64 = 24 * 3_600;
/// A late comer gets one more place, at the end.
const ENTRIES_MAX: u8 = 1;
/// When to look again at a show without a room, seconds.
const NONE_REFRESH_S: u64 = 60;
/// When to come back to a gateway that can remember no more tickets.
const CROWDED_RETRY: Duration = Duration::from_secs(30);

/// A request about one show's room.
struct Asked {
    show: ShowRef,
    place: ShowPlace,
    cell: Arc<Cell>,
    room: Option<Arc<Room>>,
    now_ms: u64,
}

impl Asked {
    async fn new(app: &App, show: &str, uri: &Uri) -> Result<Self, Problem> {
        let show: ShowRef = id(show)?;
        query(uri, &[])?;
        let place = place_of(app, show.0)?;
        let (cell, room) = app.rooms.of(&app.upstream, &place).await?;
        let now_ms = clock::unix_ms();
        Ok(Self {
            show,
            place,
            cell,
            room,
            now_ms,
        })
    }

    /// The room while it decides who may hold.
    fn room(&self) -> Result<&Room, Problem> {
        let open = self
            .room
            .as_deref()
            .filter(|room| room.state(self.now_ms) != Life::Ended);
        open.ok_or_else(|| Problem::new("queue_none", "this show has no waiting room"))
    }

    /// Hears of a ticket, and says which one counts.
    fn hear(&self, room: &Room, ticket: Ticket) -> Result<Ticket, Problem> {
        let heard = self
            .cell
            .crowd()
            .heard_of(ticket, room.seed.as_ref(), self.now_ms);
        heard.map_err(|_| {
            Problem::new("overloaded", "this gateway keeps as many tickets as it can")
                .retry_after(CROWDED_RETRY)
        })
    }

    fn cookie(&self, app: &App, name: &str, value: &str, max_age_s: u64) -> HeaderValue {
        let secure = if app.config.cookie_secure {
            "; Secure"
        } else {
            ""
        };
        let text = format!(
            "{name}={value}; Path=/v1/shows/{}; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}",
            self.show
        );
        // Our own texts are base64url and digits.
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "numbers of tickets must be unguessable, and pauses spread: neither is seeded"
)]
fn random<T>() -> T
where
    rand::distr::StandardUniform: rand::distr::Distribution<T>,
{
    rand::random()
}

/// `GET /v1/shows/{show}/queue`
pub(super) async fn look(
    State(app): State<Arc<App>>,
    Path(show): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let asked = Asked::new(&app, &show, &uri).await?;
    let Some(room) = asked.room.clone() else {
        let none = json!({"show": asked.show.to_string(), "state": "none", "refresh_in_s": NONE_REFRESH_S});
        let cache = [(header::CACHE_CONTROL, "public, max-age=5")];
        return Ok((cache, Json(none)).into_response());
    };
    // A ticket that is no good is as none here: whoever looks wants to see the room.
    let ticket = ticket(&app, &headers, asked.show.0).unwrap_or(None);
    if let Some(ticket) = ticket {
        let ticket = asked.hear(&room, ticket).unwrap_or(ticket);
        let body = view(&asked, &room, Some(&ticket));
        let cache = [(header::CACHE_CONTROL, "private, no-store")];
        return Ok((cache, Json(body)).into_response());
    }
    let life = room.state(asked.now_ms).as_str();
    let tag = format!("W/\"q{}.{}.{life}\"", asked.show, room.seq);
    let known = headers.get(header::IF_NONE_MATCH);
    let unchanged = known.is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = if unchanged {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Json(view(&asked, &room, None)).into_response()
    };
    let cache = HeaderValue::from_static("public, max-age=1");
    response.headers_mut().insert(header::CACHE_CONTROL, cache);
    let vary = HeaderValue::from_static("Cookie, X-Holdfast-Ticket");
    response.headers_mut().insert(header::VARY, vary);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// `POST /v1/shows/{show}/queue`
pub(super) async fn join(
    State(app): State<Arc<App>>,
    Path(show): Path<String>,
    headers: HeaderMap,
    uri: Uri,
    body: Body,
) -> Result<Response, Problem> {
    let buyer = buyer(&app, &headers)?;
    no_body(&app, &headers, body).await?;
    let asked = Asked::new(&app, &show, &uri).await?;
    let room = asked.room()?;
    let carried = own_ticket(&app, &headers, asked.show.0, buyer)?;
    let sub = app.rooms.signer.sub(asked.show.0, buyer);
    let known = carried.or_else(|| asked.cell.crowd().ticket_of(&sub));
    let ticket = match known {
        Some(ticket) => again(&asked, room, ticket)?,
        None => fresh(&app, &asked, room, buyer, 0)?,
    };
    let ticket = asked.hear(room, ticket)?;
    let text = app.rooms.signer.sign_ticket(&ticket);
    let mut body = view(&asked, room, Some(&ticket));
    body["ticket"] = json!(text);
    let cookie = asked.cookie(&app, TICKET_COOKIE, &text, TICKET_COOKIE_S);
    let headers = [
        (header::SET_COOKIE, cookie),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((StatusCode::CREATED, headers, Json(body)).into_response())
}

/// The ticket of somebody who has one: the same, or, once, another one for somebody who is late.
fn again(asked: &Asked, room: &Room, ticket: Ticket) -> Result<Ticket, Problem> {
    let Standing::Late { .. } = room.standing(&ticket, asked.now_ms) else {
        return Ok(ticket);
    };
    let inside = asked.cell.crowd().pass_expires_at_ms(&ticket);
    if inside.is_some_and(|until_ms| until_ms > asked.now_ms) {
        return Ok(ticket);
    }
    if ticket.entry >= ENTRIES_MAX {
        return Err(late(&ticket));
    }
    Ok(at_the_end(asked, room, ticket.sub, ticket.entry + 1))
}

fn late(ticket: &Ticket) -> Problem {
    Problem::new("queue_late", "the place was not claimed in time")
        .with("may_rejoin", ticket.entry < ENTRIES_MAX)
}

/// A place for somebody who has none.
fn fresh(
    app: &App,
    asked: &Asked,
    room: &Room,
    buyer: Buyer,
    entry: u8,
) -> Result<Ticket, Problem> {
    let show_id = asked.show.0;
    let sub = app.rooms.signer.sub(show_id, buyer);
    match room.state(asked.now_ms) {
        Life::Closed => Err(Problem::new("queue_closed", "joining has not begun")
            .with("opens_at_ms", room.config.opens_at_ms)
            .retry_after(until(room.config.opens_at_ms, asked.now_ms))),
        Life::SoldOut => Err(Problem::new(
            "queue_sold_out",
            "no place is left; POST /v1/shows/{show}/queue/waitlist leaves your name",
        )),
        _ if room.draw_is_over(asked.now_ms) => Ok(at_the_end(asked, room, sub, entry)),
        _ => Ok(Ticket {
            show_id,
            sub,
            qid: app.rooms.signer.draw_qid(show_id, buyer),
            phase: Phase::Draw,
            entry,
            issued_at_ms: asked.now_ms,
        }),
    }
}

fn at_the_end(asked: &Asked, room: &Room, sub: [u8; 16], entry: u8) -> Ticket {
    let key = late_key(asked.now_ms, room.config.sale_at_ms, random());
    Ticket {
        show_id: asked.show.0,
        sub,
        qid: random(),
        phase: Phase::Late(key),
        entry,
        issued_at_ms: asked.now_ms,
    }
}

fn until(at_ms: u64, now_ms: u64) -> Duration {
    Duration::from_millis(at_ms.saturating_sub(now_ms))
}

/// `POST /v1/shows/{show}/queue/claim`
pub(super) async fn claim(
    State(app): State<Arc<App>>,
    Path(show): Path<String>,
    headers: HeaderMap,
    uri: Uri,
    body: Body,
) -> Result<Response, Problem> {
    let buyer = buyer(&app, &headers)?;
    no_body(&app, &headers, body).await?;
    let asked = Asked::new(&app, &show, &uri).await?;
    let room = asked.room()?;
    let carried = own_ticket(&app, &headers, asked.show.0, buyer)?;
    let missing = || Problem::new("ticket_missing", "join first: POST /v1/shows/{show}/queue");
    let ticket = asked.hear(room, carried.ok_or_else(missing)?)?;
    // Two numbers, and nobody is asked: that is nearly every answer of a large sale.
    let key = match room.standing(&ticket, asked.now_ms) {
        Standing::NotDrawn => return Ok(not_now(&asked, room, &ticket, "not_drawn")),
        Standing::Waiting { .. } => return Ok(not_now(&asked, room, &ticket, "not_yet")),
        Standing::Admitted { key, .. } | Standing::Late { key } => key,
    };
    let command = Command::ClaimPass(ClaimPass {
        pass: ticket.qid.to_vec().into(),
        key: Some(LinePoint::at(key, 0)),
    });
    let name = format!("claim-{}", hex(&ticket.qid));
    let reply = submit(&app, &asked.place, buyer, &name, command).await?;
    let code = code_of(&reply);
    app.metrics.queue_claims.with_label_values(&[code]).inc();
    match reply.result {
        Some(submit_reply::Result::Pass(pass)) => {
            asked.cell.crowd().came_in(&ticket, pass.expires_at_ms);
            admitted(&app, &asked, &ticket, &pass)
        }
        Some(submit_reply::Result::Rejection(no)) => match no.code.as_str() {
            "queue_not_yet" => Ok(not_now(&asked, room, &ticket, "not_yet")),
            "queue_full" => Ok(not_now(&asked, room, &ticket, "full")),
            "queue_paused" => Ok(not_now(&asked, room, &ticket, "paused")),
            "queue_late" => {
                asked.cell.crowd().was_late(&ticket);
                Err(late(&ticket))
            }
            code => Err(Problem::new(code, no.message)),
        },
        _ => Err(Problem::new(
            "internal",
            "the shard answered something else than a pass",
        )),
    }
}

/// What a claim came to, as a label: a bounded set of words.
fn code_of(reply: &SubmitReply) -> &'static str {
    match &reply.result {
        Some(submit_reply::Result::Pass(_)) => "pass",
        Some(submit_reply::Result::Rejection(no)) => {
            holdfast_node_api::codes::find(&no.code).map_or("other", |row| row.code)
        }
        _ => "other",
    }
}

fn admitted(
    app: &App,
    asked: &Asked,
    ticket: &Ticket,
    pass: &holdfast_node_api::v1::Pass,
) -> Result<Response, Problem> {
    // The shard may give a pass that the buyer has from another ticket.
    let jti = pass.pass.as_ref().try_into();
    let jti = jti.map_err(|_| Problem::new("internal", "the shard's pass has no number"))?;
    let text = app.rooms.signer.sign_pass(&Pass {
        show_id: asked.show.0,
        sub: ticket.sub,
        jti,
        expires_at_ms: pass.expires_at_ms,
    });
    let lasts_s = pass
        .expires_at_ms
        .saturating_sub(asked.now_ms)
        .div_ceil(1_000);
    let cookie = asked.cookie(app, PASS_COOKIE, &text, lasts_s);
    let body = json!({
        "show": asked.show.to_string(),
        "pass": text,
        "pass_expires_at_ms": pass.expires_at_ms,
        "now_ms": asked.now_ms,
    });
    let headers = [
        (header::SET_COOKIE, cookie),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Json(body)).into_response())
}

fn not_now(asked: &Asked, room: &Room, ticket: &Ticket, reason: &str) -> Response {
    let mut body = view(asked, room, Some(ticket));
    body["claimed"] = json!(false);
    body["reason"] = json!(reason);
    let after = body["refresh_in_s"].to_string();
    let after = HeaderValue::from_str(&after).unwrap_or(HeaderValue::from_static("10"));
    let headers = [
        (header::RETRY_AFTER, after),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (StatusCode::ACCEPTED, headers, Json(body)).into_response()
}

/// `POST /v1/shows/{show}/queue/waitlist`
pub(super) async fn waitlist(
    State(app): State<Arc<App>>,
    Path(show): Path<String>,
    headers: HeaderMap,
    uri: Uri,
    body: Body,
) -> Result<Response, Problem> {
    let buyer = buyer(&app, &headers)?;
    no_body(&app, &headers, body).await?;
    let asked = Asked::new(&app, &show, &uri).await?;
    asked.room()?;
    let command = Command::JoinWaitlist(JoinWaitlist {});
    let reply = submit(&app, &asked.place, buyer, "waitlist", command).await?;
    match reply.result {
        Some(submit_reply::Result::Waitlisted(on)) => {
            let body = json!({"show": asked.show.to_string(), "place": on.place});
            Ok((StatusCode::CREATED, Json(body)).into_response())
        }
        Some(submit_reply::Result::Rejection(no)) => Err(Problem::new(&no.code, no.message)),
        _ => Err(Problem::new(
            "internal",
            "the shard answered something else than a place",
        )),
    }
}

/// `GET /v1/shows/{show}/queue/proof`
pub(super) async fn proof(
    State(app): State<Arc<App>>,
    Path(show): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let asked = Asked::new(&app, &show, &uri).await?;
    let none = || Problem::new("queue_none", "this show has no waiting room");
    let room = asked.room.as_deref().ok_or_else(none)?;
    let body = json!({
        "show": asked.show.to_string(),
        "algorithm": "first64(HMAC-SHA-256(seed, qid)), big-endian",
        "commit": hex(&room.commit),
        "revealed": room.seed.is_some(),
        "seed": room.seed.map(|seed| hex(&seed)),
        "sale_at_ms": room.config.sale_at_ms,
        "threshold": show_key(room.threshold),
        "age_ms": room.age_ms(clock::now()),
    });
    let cache = [(header::CACHE_CONTROL, "public, max-age=1")];
    Ok((cache, Json(body)).into_response())
}
