//! A buyer in the line of a waiting room (`docs/waiting-room.md`).
//!
//! Owns: those requests, and the ticket and the pass that a buyer carries. Must never: claim what was not reached.

use reqwest::Method;

use super::{Answer, Buyer};

/// What a browser keeps as cookies, carried as headers.
#[derive(Debug, Clone, Default)]
pub(super) struct Carried {
    pub(super) ticket: Option<String>,
    pub(super) pass: Option<String>,
}

impl Buyer {
    /// The same guest with a ticket.
    #[must_use]
    pub fn with_ticket(&self, ticket: &str) -> Self {
        let mut other = self.clone();
        other.carried.ticket = Some(ticket.to_owned());
        other
    }

    /// The same guest with a pass: its holds get into a show with a waiting room.
    #[must_use]
    pub fn with_pass(&self, pass: &str) -> Self {
        let mut other = self.clone();
        other.carried.pass = Some(pass.to_owned());
        other
    }

    /// Joins the line, or is told the place that it has.
    pub async fn join_queue(&self, show: &str) -> Answer {
        let path = format!("/v1/shows/{show}/queue");
        self.send(Method::POST, &path, None, None, None).await
    }

    /// Looks at the room, and at its own place when it carries a ticket.
    pub async fn look_at_queue(&self, show: &str) -> Answer {
        let path = format!("/v1/shows/{show}/queue");
        self.send(Method::GET, &path, None, None, None).await
    }

    /// Turns a place that was reached into a pass.
    pub async fn claim_pass(&self, show: &str) -> Answer {
        let path = format!("/v1/shows/{show}/queue/claim");
        self.send(Method::POST, &path, None, None, None).await
    }
}
