//! A show's document: what is on sale, the ways to choose, and the forms that hold.
//!
//! Owns: that document and `POST /shows/{show}/hold`. Must never: say that a seat is free without the map saying so.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Path;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use holdfast_node_api::refs::ShowRef;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::super::events::place;
use super::super::request::id;
use super::super::seats::near;
use super::api::{Ask, Refusal};
use super::form::{Form, new_key};
use super::lines::{money, seat_name, when_and_where};
use super::search::category;
use super::seat_list::{self, Asked};
use super::shell::{Document, explained, notice, refused, steps};
use super::{Visit, checkout, queue, see_other, set_cookies};
use crate::layouts::ShowLayout;
use crate::limits;
use crate::live::seats::{AVAILABLE, Seats};
use crate::problem::Problem;

/// A show's plan and the state of its places, as known near home.
pub(super) struct Hall {
    pub(super) layout: Arc<ShowLayout>,
    pub(super) map: Arc<Seats>,
}

impl Hall {
    async fn read(visit: &Visit, show_id: u64) -> Result<Self, Problem> {
        let place = place(&visit.app, show_id)?;
        let layout = visit.app.layouts.get(&visit.app.upstream, &place).await?;
        let map = near(&visit.app, &place).await?.seats;
        Ok(Self { layout, map })
    }

    /// Whether seat `number` is free; a seat that the map does not have is not.
    pub(super) fn is_free(&self, number: usize) -> bool {
        self.map.states.get(number) == Some(&AVAILABLE)
    }

    /// Most seats that one order may have.
    pub(super) fn seats_max(&self) -> u32 {
        match self.layout.layout.seats_per_order_max {
            0 => 10,
            max => max,
        }
    }
}

/// `GET /shows/{show}`
pub(super) async fn one(visit: Visit, Path(show): Path<String>) -> Response {
    let asked = Asked::of_query(visit.uri().query().unwrap_or(""));
    document(&visit, &show, &asked, None, &[]).await
}

async fn document(
    visit: &Visit,
    show: &str,
    asked: &Asked,
    refusal: Option<&Refusal>,
    cookies: &[String],
) -> Response {
    let made = async {
        let ShowRef(show_id) = id(show)?;
        let item = visit.ask(&Ask::read(format!("/v1/shows/{show}"))).await?;
        let hall = Hall::read(visit, show_id).await?;
        let offer = offer(visit, show, asked, refusal).await;
        let room = queue::room(visit, show).await;
        Ok::<_, Refusal>((item, hall, offer, room))
    };
    let (item, hall, offer, room) = match made.await {
        Ok(made) => made,
        Err(refusal) => return refused(visit, &refusal),
    };
    let title = item["event_name"].as_str().unwrap_or("");
    let event = item["event"].as_str().unwrap_or("");
    let main = html! {
        p.crumb { a href={ "/events/" (event) } { "← " (visit.t("show.others")) } }
        header.show-head {
            (steps(visit, 0))
            p.kicker { (category(visit, item["event_category"].as_str().unwrap_or(""))) }
            h1 { (title) }
            (when_and_where(visit, &item))
        }
        div #messages { @if let Some(refusal) = refusal { (conflict(visit, show, &hall, refusal, &offer)) } }
        @if let Some(room) = &room { (queue::sign(visit, show, room)) }
        div.show {
            section.card #picker data-show=(show) data-seats-max=(hall.seats_max()) aria-label=(visit.t("show.choose")) {
                (seat_list::form(visit, show, &hall, asked))
            }
            div #side {
                (best(visit, show, &hall))
                @for at in 0..hall.layout.layout.areas.len() { (area(visit, show, &hall, at)) }
                (prices(visit, &hall))
            }
        }
    };
    let document = Document::new(title, main).enhanced_by("show");
    let mut response = document.about(refusal).answer(visit);
    set_cookies(&mut response, cookies);
    response
}

/// What was in the way, by name, and the nearest free block as something to accept or not.
fn conflict(visit: &Visit, show: &str, hall: &Hall, refusal: &Refusal, offer: &[String]) -> Markup {
    let (mut title, advice) = explained(visit, refusal);
    let seats = names(visit, hall, refusal.seats());
    if !seats.is_empty() {
        title = format!("{title}: {seats}");
    }
    let inside = html! { @for seat in offer { input type="hidden" name="seat" value=(seat); } };
    html! {
        (notice("bad", &title, &advice))
        @if !offer.is_empty() {
            div.notice.offer {
                h2 { (visit.t("offer.title")) }
                p { (names(visit, hall, offer.iter().map(String::as_str))) }
                (checkout::button_form(&format!("/shows/{show}/hold"), "take-offer", &visit.words.n("offer.take", offer.len()), &new_key(), inside))
            }
        }
    }
}

/// The nearest free block, when somebody else got seats that were asked for.
async fn offer(visit: &Visit, show: &str, asked: &Asked, refusal: Option<&Refusal>) -> Vec<String> {
    let Some(refusal) = refusal.filter(|refusal| refusal.code() == "seats_taken") else {
        return Vec::new();
    };
    let wanted = asked.chosen.iter().map(|seat| ("seat", seat.as_str()));
    let gone = refusal.seats().map(|seat| ("gone", seat));
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(wanted.chain(gone))
        .finish();
    let path = format!("/v1/shows/{show}/nearest?{query}");
    // Without an offer the refusal is still right.
    let found = visit.ask(&Ask::read(path)).await.unwrap_or_default();
    let seats = found["seats"].as_array().into_iter().flatten();
    seats
        .filter_map(|seat| seat.as_str().map(str::to_owned))
        .collect()
}

/// Seats by their plan identifiers, as people call them.
fn names<'a>(visit: &Visit, hall: &Hall, ids: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = ids.map(|id| name_of(visit, hall, id)).collect();
    names.join("; ")
}

/// A seat by its plan identifier, as people call it.
fn name_of(visit: &Visit, hall: &Hall, seat: &str) -> String {
    let found = hall
        .layout
        .seat_number(seat)
        .and_then(|number| hall.layout.seat(number));
    found.map_or_else(
        || seat.to_owned(),
        |seat| seat_name(visit, &seat.zone, &seat.row, &seat.number),
    )
}

fn currency(hall: &Hall) -> &str {
    &hall.layout.layout.currency
}

fn quantity_field(visit: &Visit, hall: &Hall, id: &str) -> Markup {
    html! {
        label { (visit.t("best.seats")) input id=(id) type="number" name="quantity" min="1" max=(hall.seats_max()) value="2" required; }
    }
}

fn best(visit: &Visit, show: &str, hall: &Hall) -> Markup {
    let plan = &hall.layout.layout;
    let seated = |at: usize| {
        plan.seats
            .iter()
            .any(|seat| usize::try_from(seat.category) == Ok(at))
    };
    let accessible = plan.seats.iter().any(|seat| seat.accessible);
    html! {
        @if !plan.seats.is_empty() {
            section.card.panel aria-labelledby="best-title" {
                h2 #best-title { (visit.t("best.title")) }
                form #best method="post" action={ "/shows/" (show) "/hold" } {
                    input type="hidden" name="key" value=(new_key());
                    input type="hidden" name="way" value="best";
                    div.pair {
                        (quantity_field(visit, hall, "best-quantity"))
                        label {
                            (visit.t("best.category"))
                            select name="category" {
                                option value="" { (visit.t("best.any")) }
                                @for (at, category) in plan.categories.iter().enumerate() {
                                    @if seated(at) { option value=(category.name) data-minor=(category.price_minor) data-currency=(currency(hall)) { (category.name) ", " (visit.money(category.price_minor, currency(hall))) } }
                                }
                            }
                        }
                    }
                    @if accessible { label.inline { input type="checkbox" name="accessible" value="1"; (visit.t("best.accessible")) } }
                    button.quiet type="submit" { (visit.t("best.go")) }
                }
            }
        }
    }
}

fn area(visit: &Visit, show: &str, hall: &Hall, at: usize) -> Markup {
    let Some(area) = hall.layout.layout.areas.get(at) else {
        return html! {};
    };
    let state = hall.map.areas.get(at).copied().unwrap_or_default();
    let price = hall
        .layout
        .category(area.category)
        .map_or(0, |category| category.price_minor);
    let (free, all) = (state.available.to_string(), area.capacity.to_string());
    html! {
        section.card.panel.area data-area=(area.id) aria-label=(area.name) {
            h2 { (area.name) }
            p {
                (visit.t("area.standing")) " · " (money(visit, price, currency(hall))) " " (visit.t("area.each")) " · "
                span.meta data-free="" { (visit.words.with("area.free", &[("free", &free), ("all", &all)])) }
            }
            form method="post" action={ "/shows/" (show) "/hold" } {
                input type="hidden" name="key" value=(new_key());
                input type="hidden" name="area" value=(area.id);
                (quantity_field(visit, hall, &format!("area-{}", area.id)))
                button.quiet type="submit" { (visit.t("area.go")) }
            }
        }
    }
}

fn prices(visit: &Visit, hall: &Hall) -> Markup {
    let plan = &hall.layout.layout;
    let left = |at: usize| {
        let left = hall.map.left.get(at).copied().unwrap_or(0);
        usize::try_from(left).unwrap_or(0)
    };
    html! {
        section.card aria-labelledby="prices-title" {
            h2 #prices-title { (visit.t("prices.title")) }
            ul.legend #prices {
                @for (at, category) in plan.categories.iter().enumerate() {
                    li data-category=(category.name) {
                        span.name { (category.name) }
                        span.meta data-left="" { (visit.words.n("prices.left", left(at))) }
                        (money(visit, category.price_minor, currency(hall)))
                    }
                }
            }
        }
    }
}

/// What a hold form asks for, as the API has it.
fn wanted(form: &Form) -> Value {
    let quantity = form.get("quantity").and_then(|n| n.parse::<u32>().ok());
    if let Some(area) = form.get("area") {
        return json!({ "general_admission": { "area": area, "quantity": quantity } });
    }
    if form.get("way") == Some("best") {
        let accessible = u32::from(form.get("accessible").is_some());
        let category = form.get("category");
        return json!({ "best_available": { "quantity": quantity, "category": category, "accessible": accessible } });
    }
    json!({ "seats": form.all("seat") })
}

/// `POST /shows/{show}/hold`
pub(super) async fn hold(visit: Visit, Path(show): Path<String>, body: Body) -> Response {
    let form = match Form::read(&visit, body).await {
        Ok(form) => form,
        Err(problem) => return refused(&visit, &problem.into()),
    };
    let seats = form.all("seat");
    let asked = Asked {
        zone: form.get("zone").map(str::to_owned),
        chosen: seats
            .iter()
            .take(limits::SEATS_PER_REQUEST_MAX)
            .cloned()
            .collect(),
        ..Asked::default()
    };
    let body = wanted(&form);
    if body.get("seats").is_some() && seats.is_empty() {
        let refusal = Refusal {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            problem: json!({ "code": "nothing_chosen" }),
            retry_after_s: None,
        };
        return document(&visit, &show, &asked, Some(&refusal), &[]).await;
    }
    let path = format!("/v1/shows/{show}/holds");
    let key = form.key(&path, Some(&body));
    let ask = Ask {
        method: Method::POST,
        path,
        key: Some(&key),
        body: Some(body),
    };
    match visit.ask_as_guest(&ask).await {
        Ok((hold, cookies)) => see_other(
            &format!("/holds/{}", hold["id"].as_str().unwrap_or("")),
            &cookies,
        ),
        Err(refusal) => document(&visit, &show, &asked, Some(&refusal), &[]).await,
    }
}
