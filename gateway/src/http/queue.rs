//! The waiting room: look, join, claim, the waitlist, the proof. The contract is in `docs/waiting-room.md`.
//!
//! Owns: what every request about a room has in common. Must never: let in; the shard does, when a pass is
//! claimed.

mod carried;
mod claim;
mod join;
mod look;
mod proof;
mod views;
mod waitlist;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use holdfast_node_api::refs::ShowRef;

pub(super) use self::carried::pass;
pub(super) use self::claim::claim;
pub(super) use self::join::join;
pub(super) use self::look::look;
pub(super) use self::proof::proof;
pub(super) use self::waitlist::waitlist;
use super::about::About;
use crate::app::App;
use crate::clock;
use crate::problem::Problem;
use crate::queue::room::{Room, State as Life};
use crate::queue::rooms::Cell;
use crate::queue::token::Ticket;
use crate::session::Buyer;
use crate::upstream::ShowPlace;

/// A late comer gets one more place, at the end.
const ENTRIES_MAX: u8 = 1;
/// When to come back to a gateway that can remember no more tickets.
const CROWDED_RETRY: Duration = Duration::from_secs(30);

/// A request about one show's room.
pub(super) struct Asked {
    app: Arc<App>,
    headers: HeaderMap,
    show: ShowRef,
    place: ShowPlace,
    cell: Arc<Cell>,
    /// As last heard; `None` where the show has none.
    room: Option<Arc<Room>>,
    now_ms: u64,
}

impl FromRequestParts<Arc<App>> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        Self::of(About::from_request_parts(parts, app).await?).await
    }
}

/// A request of a buyer, who wants something of the room; its body says nothing.
pub(super) struct Wanted {
    asked: Asked,
    buyer: Buyer,
}

impl FromRequest<Arc<App>> for Wanted {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let (mut parts, body): (Parts, Body) = request.into_parts();
        let about = About::from_request_parts(&mut parts, app).await?;
        let buyer = about.buyer_alone(body).await?;
        let asked = Asked::of(about).await?;
        Ok(Self { asked, buyer })
    }
}

impl Wanted {
    /// The ticket that the buyer carries.
    fn ticket(&self) -> Result<Option<Ticket>, Problem> {
        let Asked {
            app, headers, show, ..
        } = &self.asked;
        carried::own_ticket(app, headers, show.0, self.buyer)
    }
}

impl Asked {
    async fn of(about: About<ShowRef>) -> Result<Self, Problem> {
        about.query(&[])?;
        let place = about.place()?;
        let (cell, room) = about.app.rooms.of(&about.app.upstream, &place).await?;
        Ok(Self {
            app: about.app,
            headers: about.headers,
            show: about.id,
            place,
            cell,
            room,
            now_ms: clock::unix_ms(),
        })
    }

    /// The room while it decides who may hold.
    fn room(&self) -> Result<&Room, Problem> {
        let open = self
            .room
            .as_deref()
            .filter(|room| room.state(self.now_ms) != Life::Ended);
        open.ok_or_else(none)
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

    /// An answer that gives the buyer something to carry.
    fn giving(
        &self,
        name: &str,
        text: &str,
        max_age_s: u64,
        answer: impl IntoResponse,
    ) -> Response {
        let secure = if self.app.config.cookie_secure {
            "; Secure"
        } else {
            ""
        };
        let cookie = format!(
            "{name}={text}; Path=/v1/shows/{}; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}",
            self.show
        );
        // Our own texts are base64url and digits.
        let cookie = HeaderValue::from_str(&cookie).unwrap_or(HeaderValue::from_static(""));
        let headers = [
            (header::SET_COOKIE, cookie),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        (headers, answer).into_response()
    }
}

fn none() -> Problem {
    Problem::new("queue_none", "this show has no waiting room")
}

/// Somebody who did not claim in time.
fn late(ticket: &Ticket) -> Problem {
    Problem::new("queue_late", "the place was not claimed in time")
        .with("may_rejoin", may_rejoin(ticket))
}

/// Whether there is another place for somebody who did not come.
const fn may_rejoin(ticket: &Ticket) -> bool {
    ticket.entry < ENTRIES_MAX
}
