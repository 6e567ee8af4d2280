//! The routes, as one list, and what every request passes through.
//!
//! ```text
//! request → span → place (or 503) → rates (or 429) → deadline → route → handler
//!                                                │
//! answer  ← headers of safety ← problem+json ←───┘  ← counted
//! ```
//!
//! Owns: paths, methods and the order of the layers. A test holds [`ROUTES`] and `openapi.json` against each other.
//! Must never: hold logic of one endpoint.

mod about;
mod assets;
mod challenge;
mod door;
mod encoding;
mod events;
mod explain;
mod fields;
mod guard;
mod holds;
mod idempotency;
mod live;
mod local;
mod my_orders;
mod nearest;
mod observations;
mod orders;
mod origin;
mod page;
mod probes;
mod queue;
mod request;
mod round_trips;
mod seats;
mod session;
mod shard;
mod trail;
mod views;

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, delete, get, post};

use crate::app::App;
use crate::geo::exchange;
use crate::problem::Problem;

pub use self::page::PAGES;

type Handler = fn() -> MethodRouter<Arc<App>>;

/// One method of one path.
pub struct Route {
    /// As in HTTP.
    pub method: &'static str,
    /// With `{name}` for what varies.
    pub path: &'static str,
    handler: Handler,
}

const fn route(method: &'static str, path: &'static str, handler: Handler) -> Route {
    Route {
        method,
        path,
        handler,
    }
}

/// Everything that is answered. `HEAD` goes with every `GET`.
pub const ROUTES: &[Route] = &[
    route("GET", "/v1/events", || get(events::list)),
    route("GET", "/v1/events/{event}", || get(events::one)),
    route("GET", "/v1/events/{event}/shows", || get(events::shows)),
    route("GET", "/v1/shows/{show}", || get(events::show)),
    route("GET", "/v1/shows/{show}/seats", || get(seats::map)),
    route("GET", "/v1/shows/{show}/seats/live", || get(live::stream)),
    route("GET", "/v1/shows/{show}/layout", || get(live::layout)),
    route("GET", "/v1/shows/{show}/nearest", || get(nearest::block)),
    route("POST", "/v1/shows/{show}/holds", || post(holds::place)),
    route("GET", "/v1/shows/{show}/queue", || get(queue::look)),
    route("POST", "/v1/shows/{show}/queue", || post(queue::join)),
    route("POST", "/v1/shows/{show}/queue/claim", || {
        post(queue::claim)
    }),
    route("POST", "/v1/shows/{show}/queue/waitlist", || {
        post(queue::waitlist)
    }),
    route("GET", "/v1/shows/{show}/queue/proof", || get(queue::proof)),
    route("GET", "/v1/holds/{hold}", || get(holds::one)),
    route("DELETE", "/v1/holds/{hold}", || delete(holds::release)),
    route("POST", "/v1/holds/{hold}/extend", || post(holds::extend)),
    route("GET", "/v1/orders", || get(my_orders::list)),
    route("POST", "/v1/orders", || post(orders::open)),
    route("GET", "/v1/orders/{order}", || get(orders::one)),
    route("POST", "/v1/orders/{order}/pay", || post(orders::pay)),
    route("POST", "/v1/orders/{order}/cancel", || post(orders::cancel)),
    route("GET", "/v1/route/explain", || get(explain::explain)),
    route("GET", "/v1/challenge", || get(challenge::challenge)),
    route("POST", "/v1/guests", || post(session::guest)),
    route("GET", "/v1/route/observations", || get(observations::all)),
    route("GET", "/v1/route/echo", || get(round_trips::echo)),
    route("GET", exchange::PATH, || get(round_trips::told)),
    route("GET", "/v1/openapi.json", || get(assets::openapi)),
    route("GET", "/", || get(page::start)),
    route("GET", "/assets/{name}", || get(assets::asset)),
    route("GET", "/docs/errors/{code}", || get(assets::error_page)),
    route("GET", "/healthz", || get(probes::healthz)),
    route("GET", "/readyz", || get(probes::readyz)),
    route("GET", "/metrics", || get(probes::metrics)),
];

/// The whole HTTP service.
pub fn router(app: Arc<App>) -> Router {
    let routes = |list: &[Route], router: Router<Arc<App>>| {
        list.iter().fold(router, |router, route| {
            router.route(route.path, (route.handler)())
        })
    };
    let api = routes(ROUTES, Router::new());
    // What documents ask goes through the same routes, inside the request that asked for the document.
    let own = page::Api(Arc::new(api.clone().with_state(Arc::clone(&app))));
    let policy = guard::policy(&app.config.geo.round_trips);
    routes(PAGES, api)
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(axum::Extension(own))
        .layer(middleware::from_fn_with_state(
            (Arc::clone(&app), policy),
            guard::around,
        ))
        .with_state(app)
}

/// Methods that the path takes, as `Allow` lists them.
fn allowed(path: &str) -> String {
    let fits = |template: &str| {
        let (mut given, mut parts) = (path.split('/'), template.split('/'));
        loop {
            match (given.next(), parts.next()) {
                (None, None) => return true,
                (Some(a), Some(b)) if a == b || (b.starts_with('{') && !a.is_empty()) => {}
                _ => return false,
            }
        }
    };
    let mut methods = vec!["OPTIONS"];
    for route in ROUTES.iter().chain(PAGES).filter(|route| fits(route.path)) {
        methods.push(route.method);
        if route.method == "GET" {
            methods.push("HEAD");
        }
    }
    methods.sort_unstable();
    methods.join(", ")
}

async fn method_not_allowed(method: Method, uri: Uri) -> Response {
    let allow = allowed(uri.path());
    if method == Method::OPTIONS {
        return (StatusCode::NO_CONTENT, [("allow", allow)]).into_response();
    }
    let detail = format!("{} takes {allow}", uri.path());
    Problem::new("method_not_allowed", detail)
        .allow(&allow)
        .into_response()
}

async fn not_found(visit: page::Visit, uri: Uri) -> Response {
    if visit.wants_a_document() {
        return page::not_found(visit);
    }
    let hint = if uri.path().starts_with("/v1") {
        ""
    } else {
        "; the API is under /v1"
    };
    Problem::new(
        "not_found",
        format!("there is nothing at {}{hint}", uri.path()),
    )
    .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allow_lists_every_method_of_the_path() {
        assert_eq!(allowed("/v1/holds/h1-1"), "DELETE, GET, HEAD, OPTIONS");
        assert_eq!(allowed("/v1/orders"), "GET, HEAD, OPTIONS, POST");
        assert_eq!(allowed("/"), "GET, HEAD, OPTIONS");
    }
}
