//! A request about one thing: a show, a hold, an order.
//!
//! Owns: what every such handler needs to know before its own work: which thing, where its show is, who asks, under which key.
//! Must never: ask a node.

use std::str::FromStr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri};
use holdfast_node_api::refs::{HoldRef, OrderRef, ParseRefError, ShowRef};

use super::request::{json_body, no_body, query};
use super::{events, idempotency, request, session};
use crate::answers::Fingerprint;
use crate::app::App;
use crate::problem::Problem;
use crate::session::Buyer;
use crate::upstream::ShowPlace;

/// Something that belongs to one show, and says so by its id.
pub(super) trait OfShow: Copy + FromStr<Err = ParseRefError> {
    /// The show.
    fn show_id(self) -> u64;
}

impl OfShow for ShowRef {
    fn show_id(self) -> u64 {
        self.0
    }
}

impl OfShow for HoldRef {
    fn show_id(self) -> u64 {
        self.show_id
    }
}

impl OfShow for OrderRef {
    fn show_id(self) -> u64 {
        self.show_id
    }
}

/// A request whose path names a `T`; it may not exist.
pub(super) struct About<T> {
    pub(super) app: Arc<App>,
    pub(super) id: T,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) uri: Uri,
}

impl<T: OfShow> FromRequestParts<Arc<App>> for About<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let malformed = |_| Problem::new("invalid_parameter", "the address is malformed");
        let path = Path::<String>::from_request_parts(parts, app).await;
        let Path(text) = path.map_err(malformed)?;
        Ok(Self {
            app: Arc::clone(app),
            id: request::id(&text)?,
            method: parts.method.clone(),
            headers: parts.headers.clone(),
            uri: parts.uri.clone(),
        })
    }
}

impl<T: OfShow> About<T> {
    /// The query as pairs, every name one of `known`.
    pub(super) fn query(&self, known: &[&str]) -> Result<Vec<(String, String)>, Problem> {
        query(&self.uri, known)
    }

    /// Where the show is.
    pub(super) fn place(&self) -> Result<ShowPlace, Problem> {
        events::place(&self.app, self.id.show_id())
    }

    /// Who asks.
    pub(super) fn buyer(&self) -> Result<Buyer, Problem> {
        session::buyer(&self.app, &self.headers)
    }

    /// A buyer who asks with nothing in the body, and without a key: a repeat comes to the same by itself.
    pub(super) async fn buyer_alone(&self, body: Body) -> Result<Buyer, Problem> {
        let buyer = self.buyer()?;
        no_body(&self.app, &self.headers, body).await?;
        Ok(buyer)
    }

    /// A write with JSON in its body.
    pub(super) async fn write(&self, body: Body) -> Result<Write, Problem> {
        let (buyer, key) = self.keyed()?;
        let body = json_body(&self.app, &self.headers, body).await?;
        Ok(self.written(buyer, key, body))
    }

    /// A write whose address says everything.
    pub(super) async fn bare_write(&self, body: Body) -> Result<Write, Problem> {
        let (buyer, key) = self.keyed()?;
        no_body(&self.app, &self.headers, body).await?;
        Ok(self.written(buyer, key, Vec::new()))
    }

    fn keyed(&self) -> Result<(Buyer, String), Problem> {
        Ok((self.buyer()?, idempotency::key(&self.headers)?))
    }

    fn written(&self, buyer: Buyer, key: String, body: Vec<u8>) -> Write {
        let print = Fingerprint::of(self.method.as_str(), self.uri.path(), &body);
        Write {
            buyer,
            key,
            body,
            print,
        }
    }
}

/// A write that may be repeated.
pub(super) struct Write {
    pub(super) buyer: Buyer,
    /// Its `Idempotency-Key`.
    pub(super) key: String,
    pub(super) body: Vec<u8>,
    pub(super) print: Fingerprint,
}
