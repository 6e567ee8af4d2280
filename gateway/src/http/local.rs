//! Holds that the live copy dooms, answered without asking the shard.
//!
//! ```text
//!   X-Consistency: linearizable ──────────────────────────────┐
//!   a try of this request may have acted (print, unsure) ─────┤
//!   places given back through here are not in the copy yet ───┤
//!   something that was asked for is free in the copy ─────────┼──► shard
//!   the copy is too old, or not there ────────────────────────┘
//!   else ──► 409 with the shard's code, the copy's index and age
//! ```
//!
//! Owns: when a copy may be asked at all (docs/adr/0022-local-rejection.md). Must never: say yes.

use std::sync::Arc;
use std::time::Instant;

use axum::http::{HeaderMap, HeaderValue};
use holdfast_node_api::print;
use holdfast_node_api::v1::place_hold::What;

use super::request::freshness;
use super::views;
use crate::app::App;
use crate::clock;
use crate::footprint;
use crate::layouts::ShowLayout;
use crate::live::unsure::Try;
use crate::live::{events, judge};
use crate::problem::Problem;
use crate::session::Buyer;
use crate::upstream::ShowPlace;
use crate::upstream::read::Freshness;

/// Who answered, in the answer's headers.
const ANSWERED_BY: &str = "holdfast-answered-by";
const LIVE_COPY: &str = "live-copy";

/// Whether an answer with `headers` is a refusal from the live copy.
pub(super) fn answered(headers: &HeaderMap) -> bool {
    headers.get(ANSWERED_BY).is_some_and(|by| by == LIVE_COPY)
}

/// One hold that is asked for.
pub(super) struct Asked {
    /// The leader is to be asked, whatever is known here.
    sure: bool,
    print: u32,
    since: Instant,
}

impl Asked {
    /// A hold asked for by `buyer` under `key`.
    pub(super) fn new(headers: &HeaderMap, buyer: Buyer, key: &str) -> Result<Self, Problem> {
        let (freshness, _) = freshness(headers, &[])?;
        Ok(Self {
            sure: freshness == Freshness::Linearizable,
            print: print::of_text(buyer.0, key),
            since: clock::now(),
        })
    }

    /// Why the shard would refuse it, as far as the live copy can tell; `None` = ask the shard.
    pub(super) fn refusal(
        &self,
        app: &Arc<App>,
        place: &ShowPlace,
        what: &What,
        layout: &ShowLayout,
    ) -> Option<Problem> {
        let settings = app.live.settings();
        if !settings.local_rejection || self.sure {
            return None;
        }
        // Also opens the copy, for those who come after.
        let show = app.live_show(place)?;
        let known = show.known()?;
        let belief = judge::Belief::from(settings);
        let no = judge::doomed(&known, what, belief, clock::unix_ms())?;
        // Looked up after the state was taken: the request that took these seats is among them.
        if known.state.index < footprint::floor(place.show_id)
            || show.lacks_freed(known.state.index)
            || show.may_have_acted(self.print)
            || app.live.unsure.contains(self.print)
        {
            return None;
        }
        let metrics = &app.metrics.live;
        metrics.holds.with_label_values(&[LIVE_COPY]).inc();
        metrics
            .local_rejections
            .with_label_values(&[&no.code])
            .inc();
        let took = self.since.elapsed();
        metrics.local_rejection_seconds.observe(took.as_secs_f64());
        let age_ms = events::ms(known.age);
        footprint::served_here(place.show_id, known.state.index, age_ms);
        let problem = views::rejection(&no, layout)
            .with("as_of", events::as_of(&known.state, known.age))
            .header(ANSWERED_BY, HeaderValue::from_static(LIVE_COPY))
            .header("holdfast-index", HeaderValue::from(known.state.index))
            .header("holdfast-age-ms", HeaderValue::from(age_ms));
        Some(problem)
    }

    /// It leaves for the shard.
    pub(super) fn leaves<'a>(&self, app: &'a App) -> Try<'a> {
        app.metrics.live.holds.with_label_values(&["shard"]).inc();
        app.live.unsure.begin(self.print)
    }
}
