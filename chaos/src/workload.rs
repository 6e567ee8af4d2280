//! What buyers do while something is broken.
//!
//! | file | workload |
//! |---|---|
//! | [`sale`] | a steady sale for process tests |
//! | `rush` | an on-sale rush: everybody wants the good seats |
//! | `browse` | looks at the map, takes what is free, buys |
//! | `retry_storm` | clients that give up early and ask again with the same key |
//! | `race` | two buyers for one pair |
//! | `expiry_edge` | pays at the last moment |
//! | `churn` | holds, orders, calls off, gives back |
//! | `line` | people before a sale with a waiting room: some early, some late, some who never come back |
//! | `look` | only looks, as fast as it is answered |
//! | `wake_ups` | many idle shows, one is touched now and then |
//!
//! Each has a set-up, turns that its clients take, and a check of its own at the end. Every request is written down
//! before it leaves and after it was answered.
//!
//! Owns: the list. Must never: judge what buyers were told; that is the checker's.

mod browse;
mod churn;
pub(crate) mod client;
pub mod crowd;
mod expiry_edge;
pub(crate) mod line;
pub(crate) mod look;
mod probing;
mod race;
pub mod request;
mod retry_storm;
mod rush;
pub mod sale;
pub mod scene;
mod wake_ups;

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::Deserialize;

pub use crowd::Crowd;
pub use line::RoomSpec;
pub use request::Request;
pub use scene::Scene;

use self::client::Client;

/// Which workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An on-sale rush.
    Rush,
    /// Steady browsing and buying.
    Browse,
    /// Clients that time out and retry.
    RetryStorm,
    /// Two buyers for one pair.
    Race,
    /// Payment at the last moment.
    ExpiryEdge,
    /// Cancelling and releasing.
    Churn,
    /// People in line for a show with a waiting room.
    Line,
    /// Onlookers who never buy.
    Look,
    /// Idle shows woken at random.
    WakeUps,
}

impl Kind {
    /// As in drill files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rush => "rush",
            Self::Browse => "browse",
            Self::RetryStorm => "retry-storm",
            Self::Race => "race",
            Self::ExpiryEdge => "expiry-edge",
            Self::Churn => "churn",
            Self::Line => "line",
            Self::Look => "look",
            Self::WakeUps => "wake-ups",
        }
    }
}

/// A workload as a drill file states it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkloadSpec {
    /// Which.
    pub kind: Kind,
    /// Name of the shows that it is about.
    pub show: String,
    /// How many clients, over all gateways in turn.
    pub clients: u32,
    /// Between two turns of one client, ms.
    #[serde(default)]
    pause_ms: Option<u64>,
}

impl WorkloadSpec {
    /// Whether it is for shows that are idle otherwise.
    #[must_use]
    pub fn wants_idle(&self) -> bool {
        self.kind == Kind::WakeUps
    }

    /// Between two turns of one client, ms.
    #[must_use]
    pub fn pause_ms(&self) -> u64 {
        self.pause_ms.unwrap_or(match self.kind {
            Kind::Rush | Kind::RetryStorm | Kind::Race => 100,
            Kind::Browse | Kind::Churn => 300,
            Kind::ExpiryEdge | Kind::Look => 50,
            Kind::Line => 1_000,
            Kind::WakeUps => 1_500,
        })
    }
}

/// What the clients of one workload share.
pub(crate) trait Workload: fmt::Debug + Send + Sync {
    /// One turn of one client, from looking at something to a definite end or the end of its patience.
    fn turn<'a>(&'a self, client: &'a mut Client) -> BoxFuture<'a, ()>;

    /// At the end: how many things were looked at, and what is wrong with them.
    fn check(&self) -> (u64, Vec<String>);
}

/// What a workload has found by itself.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Which.
    pub kind: Kind,
    /// How many things it looked at.
    pub looked_at: u64,
    /// What is wrong.
    pub problems: Vec<String>,
}

fn set_up(spec: &WorkloadSpec, scene: &Scene) -> Arc<dyn Workload> {
    let stalls: Vec<scene::Stall> = scene.stalls_of(&spec.show).cloned().collect();
    match spec.kind {
        Kind::Rush => Arc::new(rush::Rush::set_up(stalls)),
        Kind::Browse => Arc::new(browse::Browse::set_up(stalls)),
        Kind::RetryStorm => Arc::new(retry_storm::RetryStorm::set_up(stalls)),
        Kind::Race => Arc::new(race::Race::set_up(&stalls)),
        Kind::ExpiryEdge => Arc::new(expiry_edge::ExpiryEdge::set_up(stalls)),
        Kind::Churn => Arc::new(churn::Churn::set_up(stalls)),
        Kind::Line => Arc::new(line::Line::set_up(stalls)),
        Kind::Look => Arc::new(look::Look::set_up(stalls)),
        Kind::WakeUps => Arc::new(wake_ups::WakeUps::set_up(stalls)),
    }
}
