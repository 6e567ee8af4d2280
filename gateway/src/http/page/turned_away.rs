//! What somebody reads who was turned away at the door: why, when to come back, and the same form again with all that was in it.
//!
//! ```text
//! too many        → what was filled in, behind one button
//! show a proof    → the same; scripts work it out and go on by themselves, without them a wait is as good:
//!                   POST /shows/s7/hold?altcha=TOKEN
//! ```
//!
//! Owns: that document. Must never: take a place in the house to make it, or send back a form that another site sent.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{FromRequestParts as _, Request};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};
use serde_json::json;

use super::api::Refusal;
use super::form::Form;
use super::shell::{Document, explained};
use super::{Visit, reads_html, shell};
use crate::app::App;
use crate::client_address::Socket;
use crate::clock;
use crate::http::door::{PROOF_PARAMETER, proof_of};
use crate::problem::Problem;

/// Largest problem that is read to be told, bytes.
const PROBLEM_BYTES_MAX: usize = 256 * 1024;

/// The answer to `request`, which the door refused with `problem`: a document for a person, the problem itself for everybody else.
pub(in crate::http) async fn turned_away(
    app: &Arc<App>,
    request: Request,
    problem: Problem,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(visit) = Visit::from_request_parts(&mut parts, app).await;
    if !visit.wants_a_document() {
        return problem.into_response();
    }
    let form = if parts.method.is_safe() {
        None
    } else {
        Form::read(&visit, body).await.ok()
    };
    let refusal = Refusal::from(problem);
    let asked = form.as_ref();
    let asked = asked.filter(|_| refusal.code() == "challenge_required");
    let main = match asked {
        Some(form) => proof(&visit, &refusal, form),
        None => later(&visit, &refusal, form.as_ref()),
    };
    let (title, _) = explained(&visit, &refusal);
    Document::new(&title, main)
        .enhanced_by(if asked.is_some() { "challenge" } else { "" })
        .about(Some(&refusal))
        .answer(&visit)
}

/// A person who asked for a document and is answered with a problem, whatever made it.
pub(in crate::http) struct Reader(Parts);

impl Reader {
    /// Whoever sends `request`, when it is a person.
    pub(in crate::http) fn of(request: &Request) -> Option<Self> {
        let page = !request.uri().path().starts_with("/v1/");
        (page && reads_html(request.headers())).then(|| {
            let mut parts = Request::new(()).into_parts().0;
            parts.method = request.method().clone();
            parts.uri = request.uri().clone();
            parts.headers = request.headers().clone();
            Self(parts)
        })
    }

    /// `response`, or the document that says the same as its problem.
    pub(in crate::http) async fn reads(mut self, app: &Arc<App>, response: Response) -> Response {
        if !is_problem(&response) {
            return response;
        }
        let (head, body) = response.into_parts();
        let body = to_bytes(body, PROBLEM_BYTES_MAX).await.unwrap_or_default();
        let problem = serde_json::from_slice(&body).unwrap_or_default();
        let refusal = Refusal::of(&head, problem);
        let Ok(visit) = Visit::from_request_parts(&mut self.0, app).await;
        let mut document = shell::refused(&visit, &refusal);
        for name in [header::RETRY_AFTER, header::ALLOW, header::CACHE_CONTROL] {
            if let Some(value) = head.headers.get(&name) {
                document.headers_mut().insert(name, value.clone());
            }
        }
        document
    }
}

fn is_problem(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/problem+json"))
}

/// Why, and the same again.
fn later(visit: &Visit, refusal: &Refusal, form: Option<&Form>) -> Markup {
    let (title, advice) = explained(visit, refusal);
    html! {
        div.narrow {
            h1 { (title) }
            p.lead { (advice) }
            @if let Some(form) = form {
                (again(visit, form, visit.uri().path(), "retry.go"))
            } @else {
                div.row { a.button href=(here(visit)) { (visit.t("retry.go")) } }
            }
        }
    }
}

/// The document's own address; of a form's, where it was.
fn here(visit: &Visit) -> &str {
    let uri = visit.uri();
    if visit.parts.method.is_safe() {
        uri.path_and_query().map_or("/", |at| at.as_str())
    } else {
        shell::above(uri.path())
    }
}

/// The form as it came, with a button of its own.
fn again(visit: &Visit, form: &Form, action: &str, label: &str) -> Markup {
    html! {
        form #again method="post" action=(action) {
            @for (name, value) in form.pairs() { input type="hidden" name=(name) value=(value); }
            @if form.pairs().iter().any(|(name, _)| name != "key") { p { (visit.t("proof.kept")) } }
            button type="submit" { (visit.t(label)) }
        }
    }
}

/// Two ways to go on: a proof that scripts work out, and a wait.
fn proof(visit: &Visit, refusal: &Refusal, form: &Form) -> Markup {
    let (title, advice) = explained(visit, refusal);
    let (app, now_ms) = (&visit.app, clock::unix_ms());
    let addr = visit.parts.extensions.get::<Socket>();
    let addr = addr.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Socket(at)| at.ip());
    let addr = app.clients.client(addr, visit.headers()).addr;
    let risk = app.rates.risk_of(addr, clock::now());
    let work = json!(app.rates.challenges.issue(risk, now_ms)).to_string();
    // One that came too early is still good: another would only begin the wait anew.
    let early = proof_of(visit.uri()).filter(|_| refusal.problem["proof"] == "early");
    let wait = match early {
        Some(token) => Ok(token),
        None => app
            .rates
            .take_wait(addr)
            .map(|()| app.rates.challenges.issue_wait(now_ms).token),
    };
    html! {
        div.narrow {
            h1 { (title) }
            p.lead { (advice) }
            div #messages {}
            div #proof data-work=(work) {}
            // Scripts take this away, and go on with the form that is in it.
            div #plain {
                @match wait {
                    Ok(token) => {
                        p { (visit.t("proof.plain")) }
                        (again(visit, form, &with_proof(visit.uri().path(), &token), "proof.go"))
                    }
                    Err(after) => {
                        p { (visit.words.n("retry.after", seconds(after))) }
                        (again(visit, form, visit.uri().path(), "retry.go"))
                    }
                }
            }
        }
    }
}

fn seconds(after: std::time::Duration) -> usize {
    usize::try_from(after.as_millis().div_ceil(1_000)).unwrap_or(usize::MAX)
}

fn with_proof(path: &str, proof: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair(PROOF_PARAMETER, proof)
        .finish();
    format!("{path}?{query}")
}
