//! What surrounds every document: head, header, footer, notices.
//!
//! Owns: the frame. Must never: load anything from elsewhere, or carry a script or style inline.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use maud::{DOCTYPE, Markup, html};

use super::Visit;
use super::api::Refusal;
use super::language::Language;

/// One document inside the frame.
pub(super) struct Document<'a> {
    title: &'a str,
    view: &'static str,
    refresh_s: Option<u64>,
    refusal: Option<&'a Refusal>,
    main: Markup,
}

impl<'a> Document<'a> {
    /// A document that says `main` and is enhanced by nothing.
    pub(super) const fn new(title: &'a str, main: Markup) -> Self {
        Self {
            title,
            view: "",
            refresh_s: None,
            refusal: None,
            main,
        }
    }

    /// Its script is `ui/{view}.js`; empty for none.
    pub(super) const fn enhanced_by(mut self, view: &'static str) -> Self {
        self.view = view;
        self
    }

    /// A browser without scripts looks again after so many seconds.
    pub(super) const fn again_after(mut self, refresh_s: Option<u64>) -> Self {
        self.refresh_s = refresh_s;
        self
    }

    /// It tells of `refusal`, and has its status.
    pub(super) const fn about(mut self, refusal: Option<&'a Refusal>) -> Self {
        self.refusal = refusal;
        self
    }

    /// The answer.
    pub(super) fn answer(self, visit: &Visit) -> Response {
        let status = self
            .refusal
            .map_or(StatusCode::OK, |refusal| refusal.status);
        let after_s = self.refusal.and_then(|refusal| refusal.retry_after_s);
        let mut response = visit.document(status, frame(visit, self));
        if let Some(seconds) = after_s {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

fn frame(visit: &Visit, document: Document<'_>) -> Markup {
    let words = visit.words;
    let code = words.language.code();
    let messages = format!("/assets/messages-{code}.json");
    let origins = visit.app.config.geo.round_trips.listed();
    html! {
        (DOCTYPE)
        html lang=(code) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (document.title) " · Holdfast" }
                @if let Some(seconds) = document.refresh_s {
                    noscript { meta http-equiv="refresh" content=(seconds); }
                }
                link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/assets/style.css";
                link rel="stylesheet" href="/assets/seats.css";
                link rel="preload" href=(messages) as="fetch" crossorigin;
                @for name in scripts(document.view) { link rel="modulepreload" href={ "/assets/" (name) }; }
                script type="module" src="/assets/app.js" {}
            }
            body data-view=(document.view) data-origins=[origins] {
                a.skip href="#main" { (words.t("skip")) }
                (header(visit))
                main #main.page tabindex="-1" { (document.main) }
                div #live.visually-hidden aria-live="polite" {}
                div #alert.visually-hidden role="alert" {}
                (footer(visit))
            }
        }
    }
}

/// The scripts of a document, so that they are fetched together and not one after the other.
fn scripts(view: &str) -> &'static [&'static str] {
    match view {
        "show" => &[
            "messages.js",
            "format.js",
            "show.js",
            "api.js",
            "dom.js",
            "live.js",
            "seat-grid.js",
            "seat-map.js",
            "seat-model.js",
        ],
        "challenge" => &[
            "messages.js",
            "format.js",
            "challenge.js",
            "proof.js",
            "altcha.js",
            "dom.js",
        ],
        "queue" => &["messages.js", "format.js", "queue.js", "api.js", "dom.js"],
        "hold" => &[
            "messages.js",
            "format.js",
            "hold.js",
            "api.js",
            "countdown.js",
            "dom.js",
        ],
        "order" => &[
            "messages.js",
            "format.js",
            "order.js",
            "api.js",
            "countdown.js",
            "dom.js",
        ],
        _ => &["messages.js", "format.js"],
    }
}

fn header(visit: &Visit) -> Markup {
    let words = visit.words;
    let path = visit.uri().path();
    let orders_here = (path == "/orders").then_some("page");
    let events_here = (path == "/").then_some("page");
    html! {
        header.top {
            a.brand href="/" aria-label=(words.t("brand.label")) {
                svg viewBox="0 0 32 32" aria-hidden="true" { path d="M5 4h6v9h10V4h6v24h-6v-9H11v9H5z" {} }
                span { "Holdfast" }
            }
            p #freshness.freshness hidden {}
            nav aria-label=(words.t("nav.label")) {
                a.events-link href="/" aria-current=[events_here] { (words.t("nav.events")) }
                a href="/orders" aria-current=[orders_here] { (words.t("nav.orders")) }
            }
        }
    }
}

fn footer(visit: &Visit) -> Markup {
    let words = visit.words;
    let here = visit
        .parts
        .uri
        .path_and_query()
        .map_or("/", |at| at.as_str());
    // After a form post the address takes no GET: the switch then leads to the document that has the form.
    let here = if visit.parts.method.is_safe() {
        here
    } else {
        above(visit.uri().path())
    };
    html! {
        footer.foot {
            p { (words.t("foot.test")) " " a href="/v1/openapi.json" { "API" } }
            nav.languages aria-label=(words.t("nav.language")) {
                @for language in Language::ALL {
                    @if language == words.language {
                        span lang=(language.code()) aria-current="true" { (language.name()) }
                    } @else {
                        a lang=(language.code()) hreflang=(language.code()) href=(switch(language, here)) { (language.name()) }
                    }
                }
            }
        }
    }
}

/// The document that has the form which posts to `path`.
pub(super) fn above(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(up, _)| up)
}

fn switch(language: Language, here: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("to", language.code());
    query.append_pair("back", here);
    format!("/language?{}", query.finish())
}

/// A box that tells of trouble (`bad`, `warn`), or of anything worth a box (empty).
pub(super) fn notice(kind: &str, title: &str, text: &str) -> Markup {
    html! {
        div class={ "notice " (kind) } role=(if kind == "bad" { "alert" } else { "status" }) {
            h2 { (title) }
            @if !text.is_empty() { p { (text) } }
        }
    }
}

/// The steps of buying, with the one that the reader is at.
pub(super) fn steps(visit: &Visit, now: usize) -> Markup {
    let words = visit.words;
    let names = ["step.choose", "step.hold", "step.pay", "step.tickets"];
    html! {
        ol.steps aria-label=(words.t("steps.label")) {
            @for (at, name) in names.iter().enumerate() {
                li class=[(at < now).then_some("done")] aria-current=[(at == now).then_some("step")] { (words.t(name)) }
            }
        }
    }
}

/// A whole document that says what is wrong.
pub(super) fn trouble(visit: &Visit, status: StatusCode, title: &str, advice: &str) -> Response {
    let main = html! {
        div.narrow {
            h1 { (title) }
            @if !advice.is_empty() { p.lead { (advice) } }
            div.row { a.button href="/" { (visit.t("all.events")) } }
        }
    };
    visit.document(status, frame(visit, Document::new(title, main)))
}

/// Refusals that say when to come back.
const LATER: [&str; 2] = ["rate_limited", "overloaded"];

/// Title and advice for a refusal, in the reader's language where there is a text for it.
pub(super) fn explained(visit: &Visit, refusal: &Refusal) -> (String, String) {
    let code = refusal.code();
    let words = visit.words;
    let title = words.find(&format!("no.{code}"));
    let advice = words.find(&format!("no.{code}.advice"));
    let detail = refusal.problem["detail"].as_str().unwrap_or("");
    match (title, advice) {
        (Some(title), Some(advice)) if LATER.contains(&code) => {
            let seconds = refusal.retry_after_s.and_then(|s| usize::try_from(s).ok());
            let after = words.n("retry.after", seconds.unwrap_or(1));
            (title, format!("{advice} {after}"))
        }
        (Some(title), advice) => (title, advice.unwrap_or_default()),
        (None, _) => (words.t("no.other"), detail.to_owned()),
    }
}

/// A whole document for a refusal.
pub(super) fn refused(visit: &Visit, refusal: &Refusal) -> Response {
    let (title, advice) = explained(visit, refusal);
    trouble(visit, refusal.status, &title, &advice)
}

/// The notice for a refusal.
pub(super) fn refused_notice(visit: &Visit, refusal: &Refusal) -> Markup {
    let (title, advice) = explained(visit, refusal);
    notice("bad", &title, &advice)
}
