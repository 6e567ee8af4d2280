//! The first document: events and the search for them.
//!
//! Owns: the search form and the cards. Must never: search by itself; the API does.

use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::super::request::{parameter, query};
use super::api::Ask;
use super::shell::{Document, notice, refused};
use super::write::{Day, date};
use super::{Visit, see_other};

/// What the form asks for, and `page`.
const FIELDS: [&str; 6] = ["q", "city", "category", "from", "to", "page"];
/// Events on one page.
const PAGE_SIZE: &str = "12";

/// Pairs of a query that are given.
type Pairs = Vec<(String, String)>;

fn encoded(pairs: &Pairs) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        query.append_pair(name, value);
    }
    query.finish()
}

/// `GET /`
pub(in crate::http) async fn start(visit: Visit) -> Response {
    // An address with more than the form's fields, from somebody's newsletter say, is cut to what is known.
    let Ok(pairs) = query(visit.uri(), &FIELDS) else {
        return see_other("/", &[]);
    };
    let given: Pairs = FIELDS
        .iter()
        .filter_map(|name| {
            Some((
                (*name).to_owned(),
                parameter(&pairs, name)?.trim().to_owned(),
            ))
        })
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let asked = format!("/v1/events?page_size={PAGE_SIZE}&{}", encoded(&given));
    let found = match visit.ask(&Ask::read(asked)).await {
        Ok(found) => found,
        Err(refusal) => return refused(&visit, &refusal),
    };
    let main = html! {
        h1 { (visit.t("search.title")) }
        p.lead { (visit.t("search.lead")) }
        (form(&visit, &given, &found))
        (results(&visit, &given, &found))
    };
    let title = visit.t("search.page");
    Document::new(&title, main).answer(&visit)
}

fn given<'a>(pairs: &'a Pairs, name: &str) -> &'a str {
    let pair = pairs.iter().find(|(known, _)| known == name);
    pair.map_or("", |(_, value)| value.as_str())
}

fn form(visit: &Visit, pairs: &Pairs, found: &Value) -> Markup {
    let words = visit.words;
    html! {
        form.search role="search" action="/" method="get" {
            label.q { (words.t("search.q")) input type="search" name="q" maxlength="100" value=(given(pairs, "q")) placeholder=(words.t("search.q.hint")); }
            (choice(visit, pairs, "city", &found["cities"]))
            (choice(visit, pairs, "category", &found["categories"]))
            label { (words.t("search.from")) input type="date" name="from" value=(given(pairs, "from")); }
            label { (words.t("search.to")) input type="date" name="to" value=(given(pairs, "to")); }
            button type="submit" { (words.t("search.go")) }
        }
    }
}

fn choice(visit: &Visit, pairs: &Pairs, name: &str, values: &Value) -> Markup {
    let chosen = given(pairs, name);
    let values = values
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    html! {
        label {
            (visit.t(&format!("search.{name}")))
            select name=(name) {
                option value="" { (visit.t(&format!("search.{name}.any"))) }
                @for value in values {
                    option value=(value) selected[value.eq_ignore_ascii_case(chosen)] {
                        @if name == "category" { (category(visit, value)) } @else { (value) }
                    }
                }
            }
        }
    }
}

/// A kind of event in the reader's language, when it is a usual one.
pub(super) fn category(visit: &Visit, name: &str) -> String {
    let known = visit
        .words
        .find(&format!("category.{}", name.to_lowercase()));
    known.unwrap_or_else(|| name.to_owned())
}

fn results(visit: &Visit, pairs: &Pairs, found: &Value) -> Markup {
    let total = usize::try_from(found["total"].as_u64().unwrap_or(0)).unwrap_or(0);
    let searched = pairs.iter().any(|(name, _)| name != "page");
    let events = found["events"].as_array().into_iter().flatten();
    html! {
        p.found role="status" {
            (visit.words.n("search.found", total))
            @if searched { " · " a href="/" { (visit.t("search.clear")) } }
        }
        @if total == 0 {
            (notice("", &visit.t("search.none"), &visit.t("search.none.advice")))
        } @else {
            ul.events { @for event in events { (card(visit, event)) } }
        }
        (pages(visit, pairs, found, total))
    }
}

fn card(visit: &Visit, event: &Value) -> Markup {
    let name = event["name"].as_str().unwrap_or("");
    let id = event["id"].as_str().unwrap_or("");
    let shows = event["shows"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    html! {
        li.card.event {
            header {
                p.kicker { (category(visit, event["category"].as_str().unwrap_or(""))) }
                h2 { a href={ "/events/" (id) } { (name) } }
                p.meta { (event["description"].as_str().unwrap_or("")) }
            }
            (show_list(visit, name, shows))
        }
    }
}

/// The shows of an event as links.
pub(super) fn show_list(visit: &Visit, event: &str, shows: &[Value]) -> Markup {
    let label = visit.words.with("search.shows", &[("event", event)]);
    html! {
        ul.shows aria-label=(label) { @for show in shows { (show_row(visit, show)) } }
    }
}

fn show_row(visit: &Visit, show: &Value) -> Markup {
    let words = visit.words;
    let text = |name: &str| show[name].as_str().unwrap_or("");
    let day = Day::of(text("local_date"));
    let places = usize::try_from(show["places"].as_u64().unwrap_or(0)).unwrap_or(0);
    html! {
        li {
            a href={ "/shows/" (text("id")) } {
                @if let Some(day) = &day {
                    span.date aria-hidden="true" {
                        b { (day.day) }
                        span { (day.month_name(words).chars().take(3).collect::<String>()) " " (day.year) }
                    }
                }
                span {
                    strong { (text("city")) ", " (text("venue")) }
                    small {
                        span.visually-hidden { (date(words, text("local_date"))) ", " }
                        @if let Some(day) = &day { span aria-hidden="true" { (day.weekday_name(words)) " " } }
                        (text("local_time")) " · " (words.n("places", places))
                    }
                }
                span.money { (price_range(visit, show)) }
            }
        }
    }
}

fn price_range(visit: &Visit, show: &Value) -> String {
    let minor = |name: &str| show[name].as_u64().unwrap_or(0);
    let low = visit.money(
        minor("price_minor_min"),
        show["currency"].as_str().unwrap_or(""),
    );
    if minor("price_minor_min") == minor("price_minor_max") {
        return low;
    }
    visit.words.with("price.from", &[("price", &low)])
}

fn pages(visit: &Visit, pairs: &Pairs, found: &Value, total: usize) -> Markup {
    let number = |name: &str| usize::try_from(found[name].as_u64().unwrap_or(1)).unwrap_or(1);
    let (page, count) = (number("page"), total.div_ceil(number("page_size").max(1)));
    let turned = |to: usize| {
        let mut pairs: Pairs = pairs
            .iter()
            .filter(|(name, _)| name != "page")
            .cloned()
            .collect();
        pairs.push(("page".to_owned(), to.to_string()));
        format!("/?{}", encoded(&pairs))
    };
    let (now, of) = (page.to_string(), count.to_string());
    html! {
        @if count > 1 {
            nav.row.pages aria-label=(visit.t("pages.label")) {
                @if page > 1 { a.button.quiet rel="prev" href=(turned(page - 1)) { (visit.t("pages.back")) } }
                span { (visit.words.with("pages.now", &[("page", &now), ("pages", &of)])) }
                @if page < count { a.button.quiet rel="next" href=(turned(page + 1)) { (visit.t("pages.on")) } }
            }
        }
    }
}
