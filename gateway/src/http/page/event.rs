//! One event with all its shows.
//!
//! Owns: that document. Must never: leave out a show that the catalogue has.

use axum::extract::Path;
use axum::response::Response;
use maud::html;

use super::Visit;
use super::api::Ask;
use super::search::{category, show_list};
use super::shell::{Document, refused};

/// `GET /events/{event}`
pub(super) async fn one(visit: Visit, Path(event): Path<String>) -> Response {
    let event = match visit.ask(&Ask::read(format!("/v1/events/{event}"))).await {
        Ok(event) => event,
        Err(refusal) => return refused(&visit, &refusal),
    };
    let text = |name: &str| event[name].as_str().unwrap_or("");
    let shows = event["shows"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let cities: Vec<&str> = {
        let mut all: Vec<&str> = shows
            .iter()
            .filter_map(|show| show["city"].as_str())
            .collect();
        all.dedup();
        all
    };
    let main = html! {
        p.crumb { a href="/" { "← " (visit.t("all.events")) } }
        header.event-head {
            p.kicker { (category(&visit, text("category"))) }
            h1 { (text("name")) }
            p.lead { (text("description")) }
            p.meta { (cities.join(" · ")) }
        }
        section.card.event aria-labelledby="dates" {
            header { h2 #dates { (visit.words.n("event.shows", shows.len())) } }
            (show_list(&visit, text("name"), shows))
        }
    };
    Document::new(text("name"), main).answer(&visit)
}
