//! Holds: place, look, extend, release.
//!
//! Owns: the three ways of asking for seats and their checks. Must never: answer "taken" by itself: the shard does, or `local`.

use axum::Json;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use holdfast_node_api::client::NodeClient;
use holdfast_node_api::refs::{HoldRef, ShowRef};
use holdfast_node_api::v1::submit_request::Command;
use holdfast_node_api::v1::{
    BestAvailable, ExtendHold, GeneralAdmission, GetHoldRequest, HoldReply, NamedSeats, PlaceHold,
    ReadOptions, ReleaseHold, SubmitReply, place_hold::What, submit_reply,
};
use serde_json::Value;

use super::about::About;
use super::fields::Fields;
use super::idempotency::{self, Written};
use super::request::freshness;
use super::shard::{self, submit};
use super::{local, queue, views};
use crate::layouts::ShowLayout;
use crate::limits;
use crate::problem::Problem;

/// Longest seat, area or category identifier; the shard's plans allow no longer one.
const IDENTIFIER_BYTES_MAX: usize = 256;
const WAYS: [&str; 3] = ["seats", "best_available", "general_admission"];

/// What a hold request asks for.
fn parse(body: &[u8], layout: &ShowLayout) -> Result<What, Problem> {
    let mut fields = Fields::parse(body)?;
    let given: Vec<&str> = WAYS.into_iter().filter(|way| fields.has(way)).collect();
    let what = match given.as_slice() {
        ["seats"] => seats(&mut fields, layout)?,
        ["best_available"] => best_available(fields.object("best_available")?, layout)?,
        ["general_admission"] => general_admission(fields.object("general_admission")?, layout)?,
        _ => {
            let reason = format!(
                "expected exactly one of {}, found {}",
                WAYS.join(", "),
                given.len()
            );
            return Err(Problem::field("invalid_json", "", reason));
        }
    };
    fields.finish()?;
    Ok(what)
}

fn seats(fields: &mut Fields, layout: &ShowLayout) -> Result<What, Problem> {
    let ids = fields.texts("seats", limits::SEATS_PER_REQUEST_MAX, IDENTIFIER_BYTES_MAX)?;
    let mut numbers = Vec::with_capacity(ids.len());
    let mut unknown = Vec::new();
    for id in ids {
        match layout.seat_number(&id) {
            Some(number) => numbers.push(number),
            None => unknown.push(id),
        }
    }
    if !unknown.is_empty() {
        let detail = format!("the show has no such seat: {}", unknown.join(", "));
        return Err(Problem::new("seat_unknown", detail).with("seats", unknown));
    }
    Ok(What::Seats(NamedSeats { seats: numbers }))
}

fn quantity(fields: &mut Fields) -> Result<u32, Problem> {
    fields.count(
        "quantity",
        1,
        u32::try_from(limits::SEATS_PER_REQUEST_MAX).unwrap_or(u32::MAX),
    )
}

fn best_available(mut fields: Fields, layout: &ShowLayout) -> Result<What, Problem> {
    let quantity = quantity(&mut fields)?;
    let accessible = fields.optional_count("accessible", quantity)?;
    let name = fields.optional_text("category", IDENTIFIER_BYTES_MAX)?;
    fields.finish()?;
    let category = match name {
        None => None,
        Some(name) => Some(layout.category_number(&name).ok_or_else(|| {
            Problem::field(
                "category_unknown",
                "/best_available/category",
                format!("the show has no category {name}"),
            )
        })?),
    };
    Ok(What::BestAvailable(BestAvailable {
        quantity,
        category,
        accessible,
    }))
}

fn general_admission(mut fields: Fields, layout: &ShowLayout) -> Result<What, Problem> {
    let quantity = quantity(&mut fields)?;
    let name = fields.text("area", IDENTIFIER_BYTES_MAX)?;
    fields.finish()?;
    let area = layout.area_number(&name).ok_or_else(|| {
        Problem::field(
            "area_unknown",
            "/general_admission/area",
            format!("the show has no area {name}"),
        )
    })?;
    Ok(What::GeneralAdmission(GeneralAdmission { area, quantity }))
}

fn written(
    show_id: u64,
    reply: SubmitReply,
    layout: &ShowLayout,
    status: StatusCode,
) -> Result<Written, Problem> {
    match reply.result {
        Some(submit_reply::Result::Hold(hold)) => {
            let made = HoldRef {
                show_id,
                hold_id: hold.hold_id,
            };
            Ok(Written {
                status,
                body: views::hold(show_id, &hold, layout, reply.index),
                location: (status == StatusCode::CREATED).then(|| format!("/v1/holds/{made}")),
                replayed: reply.replayed,
            })
        }
        other => Err(shard::refusal(other, Some(layout), "a hold")),
    }
}

pub(super) async fn place(show: About<ShowRef>, body: Body) -> Result<Response, Problem> {
    show.query(&[])?;
    let write = show.write(body).await?;
    let (app, buyer, key) = (&show.app, write.buyer, write.key.as_str());
    let place = show.place()?;
    let layout = app.layouts.get(&app.upstream, &place).await?;
    let what = parse(&write.body, &layout)?;
    let pass = queue::pass(app, &show.headers, place.show_id, buyer)?;
    let asked = local::Asked::new(&show.headers, buyer, key)?;
    let work = async {
        if let Some(no) = asked.refusal(app, &place, &what, &layout) {
            return Err(no);
        }
        let command = Command::PlaceHold(PlaceHold {
            ttl_ms: 0,
            what: Some(what),
            pass: pass.into(),
        });
        let trying = asked.leaves(app);
        let reply = submit(app, &place, buyer, key, command).await;
        let unknown = |problem: &Problem| problem.code() == "outcome_unknown";
        if !reply.as_ref().is_err_and(unknown) {
            trying.answered();
        }
        written(place.show_id, reply?, &layout, StatusCode::CREATED)
    };
    idempotency::once(app, buyer, key, write.print, work).await
}

/// Extend and release: a hold in the path, nothing in the body.
async fn change(
    hold: About<HoldRef>,
    body: Body,
    command: impl FnOnce(u64) -> Command,
) -> Result<Response, Problem> {
    let write = hold.bare_write(body).await?;
    let app = &hold.app;
    let place = hold.place()?;
    let layout = app.layouts.get(&app.upstream, &place).await?;
    let work = async {
        let command = command(hold.id.hold_id);
        let reply = submit(app, &place, write.buyer, &write.key, command).await?;
        written(place.show_id, reply, &layout, StatusCode::OK)
    };
    idempotency::once(app, write.buyer, &write.key, write.print, work).await
}

pub(super) async fn extend(hold: About<HoldRef>, body: Body) -> Result<Response, Problem> {
    change(hold, body, |hold_id| {
        Command::ExtendHold(ExtendHold { hold_id })
    })
    .await
}

pub(super) async fn release(hold: About<HoldRef>, body: Body) -> Result<Response, Problem> {
    change(hold, body, |hold_id| {
        Command::ReleaseHold(ReleaseHold { hold_id })
    })
    .await
}

pub(super) async fn one(asked: About<HoldRef>) -> Result<Json<Value>, Problem> {
    let HoldRef { show_id, hold_id } = asked.id;
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
                let request = GetHoldRequest {
                    show_id,
                    hold_id,
                    caller,
                    read: Some(read),
                };
                node.inventory().get_hold(request).await
            }
        }
    };
    let reply: HoldReply = app
        .upstream
        .read_own(&place, freshness, read, "hold_unknown", ask)
        .await?;
    let hold = reply
        .hold
        .ok_or_else(|| Problem::new("hold_unknown", "there is no such hold"))?;
    let index = reply.as_of.map_or(0, |as_of| as_of.index);
    let mut body = views::hold(show_id, &hold, &layout, index);
    body["as_of"] = views::as_of(reply.as_of);
    Ok(Json(body))
}

#[cfg(test)]
mod tests {
    use holdfast_node_api::v1::{Area, Category, Layout, LayoutSeat};

    use super::*;

    fn layout() -> ShowLayout {
        ShowLayout::new(Layout {
            seats: vec![LayoutSeat {
                id: "A-1".to_owned(),
                ..LayoutSeat::default()
            }],
            categories: vec![Category {
                name: "Stalls".to_owned(),
                ..Category::default()
            }],
            areas: vec![Area {
                id: "floor".to_owned(),
                ..Area::default()
            }],
            ..Layout::default()
        })
    }

    fn parsed(text: &str) -> Result<What, Problem> {
        parse(text.as_bytes(), &layout())
    }

    #[test]
    fn the_three_ways_of_asking_are_understood() {
        assert_eq!(
            parsed(r#"{"seats":["A-1"]}"#).unwrap(),
            What::Seats(NamedSeats { seats: vec![0] })
        );
        let best = r#"{"best_available":{"quantity":3,"category":"Stalls","accessible":1}}"#;
        let expected = BestAvailable {
            quantity: 3,
            category: Some(0),
            accessible: 1,
        };
        assert_eq!(parsed(best).unwrap(), What::BestAvailable(expected));
        let ga = r#"{"general_admission":{"area":"floor","quantity":2}}"#;
        let expected = GeneralAdmission {
            area: 0,
            quantity: 2,
        };
        assert_eq!(parsed(ga).unwrap(), What::GeneralAdmission(expected));
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        let cases = [
            ("{}", "exactly one of"),
            (
                r#"{"seats":["A-1"],"best_available":{"quantity":1}}"#,
                "exactly one of",
            ),
            (r#"{"seats":["A-1"],"ttl":1}"#, "/ttl"),
            (r#"{"seats":["A-9"]}"#, "A-9"),
            (r#"{"seats":"A-1"}"#, "/seats"),
            (
                r#"{"best_available":{"quantity":0}}"#,
                "/best_available/quantity",
            ),
            (
                r#"{"best_available":{"quantity":1,"accessible":2}}"#,
                "/best_available/accessible",
            ),
            (
                r#"{"best_available":{"quantity":1,"category":"Moon"}}"#,
                "Moon",
            ),
            (
                r#"{"general_admission":{"quantity":1}}"#,
                "/general_admission/area",
            ),
            (
                r#"{"general_admission":{"area":"roof","quantity":1}}"#,
                "roof",
            ),
        ];
        for (text, named) in cases {
            let detail = parsed(text).unwrap_err().body()["detail"].to_string();
            assert!(
                detail.contains(named),
                "{text}: {detail} does not name {named}"
            );
        }
    }
}
