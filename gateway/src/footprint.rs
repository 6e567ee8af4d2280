//! What one request touched on its way: who answered, how long that took, how old it was, how far the buyer has seen.
//!
//! ```text
//!   guard ─► scope(what the session has seen) ─► handler ─► upstream ─► served(…), led_by(…), seen(…)
//!     ▲                                                                      │
//!     └───────────── headers of the answer ◄── Footprint ◄───────────────────┘
//! ```
//!
//! Owns: carrying that through a request without every handler passing it on. It belongs to the request's task; work that a
//! handler gives to another task leaves no footprint. Must never: change what is answered.

use std::cell::RefCell;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use holdfast_node_api::v1;

use crate::positions::Positions;
use crate::upstream::Peer;

tokio::task_local! {
    static FOOTPRINT: RefCell<Footprint>;
}

/// See the module's head.
#[derive(Debug, Default)]
pub struct Footprint {
    /// Who gave the answer; `None` when this gateway did by itself.
    pub served_by: Option<Arc<Peer>>,
    /// Who leads the show, as far as it is known here.
    pub leader: Option<Arc<Peer>>,
    /// The request was about a show, answered from this gateway's own knowledge.
    pub local: bool,
    /// How old the answer was when it was given.
    pub age_ms: Option<u64>,
    /// Time spent waiting for nodes.
    pub upstream: Duration,
    /// Nodes that were asked.
    pub tries: u32,
    /// What this session has seen of each show.
    pub positions: Positions,
    /// This request added to it.
    pub positions_grew: bool,
}

/// An answer that says how old it is.
pub trait Dated {
    /// The show it is about and its age; `None` when it never changes.
    fn as_of(&self) -> Option<v1::AsOf>;
}

macro_rules! dated {
    ($($answer:ty),+) => {
        $(impl Dated for $answer {
            fn as_of(&self) -> Option<v1::AsOf> {
                self.as_of
            }
        })+
    };
}

dated!(v1::SeatMap, v1::HoldReply, v1::OrderReply, v1::Room);

macro_rules! undated {
    ($($answer:ty),+) => {
        $(impl Dated for $answer {
            fn as_of(&self) -> Option<v1::AsOf> {
                None
            }
        })+
    };
}

// The index of buyers has an age, but not that of a show: its answer says it.
undated!(v1::Layout, v1::QueueReportReply, v1::BuyerOrders);

/// Runs `work` for a session that has seen `positions`, and says what it touched.
pub async fn scope<F: Future>(positions: Positions, work: F) -> (F::Output, Footprint) {
    let begun = RefCell::new(Footprint {
        positions,
        ..Footprint::default()
    });
    let observed = async {
        let output = work.await;
        (output, FOOTPRINT.with(RefCell::take))
    };
    FOOTPRINT.scope(begun, observed).await
}

fn note(change: impl FnOnce(&mut Footprint)) {
    // Outside a request (a background task, a test) there is nobody to tell.
    let _ = FOOTPRINT.try_with(|footprint| change(&mut footprint.borrow_mut()));
}

/// `peer` answered about show `show_id`.
pub fn served(peer: &Arc<Peer>, show_id: u64, as_of: Option<v1::AsOf>) {
    note(|footprint| {
        footprint.served_by = Some(Arc::clone(peer));
        if let Some(as_of) = as_of {
            footprint.age_ms = Some(as_of.age_ms);
        }
    });
    if let Some(as_of) = as_of {
        seen(show_id, as_of.index);
    }
}

/// This gateway answered about a show by itself, from knowledge of index `index` that was `age_ms` old.
pub fn served_here(show_id: u64, index: u64, age_ms: u64) {
    note(|footprint| {
        footprint.local = true;
        footprint.age_ms = Some(age_ms);
    });
    seen(show_id, index);
}

/// `peer` leads the show of this request, as far as it is known.
pub fn led_by(peer: Option<Arc<Peer>>) {
    note(|footprint| footprint.leader = peer);
}

/// Nodes were asked `tries` times, which took `took`.
pub fn waited(took: Duration, tries: u32) {
    note(|footprint| {
        footprint.upstream += took;
        footprint.tries += tries;
    });
}

/// The answer shows state of log index `index`: from now on this session must not see less.
pub fn seen(show_id: u64, index: u64) {
    note(|footprint| footprint.positions_grew |= footprint.positions.saw(show_id, index));
}

/// The log index that this session must at least see of show `show_id`; 0 when it has not seen any.
#[must_use]
pub fn floor(show_id: u64) -> u64 {
    let floor = FOOTPRINT.try_with(|footprint| footprint.borrow().positions.index_of(show_id));
    floor.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_seen_is_known_to_the_rest_of_the_request_and_to_its_caller() {
        let mut before = Positions::default();
        before.saw(7, 40);
        let ((), footprint) = scope(before, async {
            assert_eq!((floor(7), floor(8)), (40, 0));
            served_here(7, 41, 12);
            tokio::task::yield_now().await;
            waited(Duration::from_millis(3), 2);
            assert_eq!(floor(7), 41);
        })
        .await;
        assert!(footprint.positions_grew && footprint.local);
        assert_eq!(footprint.age_ms, Some(12));
        assert_eq!(
            (footprint.upstream, footprint.tries),
            (Duration::from_millis(3), 2)
        );
    }

    #[test]
    fn outside_a_request_nothing_is_kept() {
        seen(7, 41);
        assert_eq!(floor(7), 0);
    }
}
