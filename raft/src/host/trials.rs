//! Whether a node writes quickly enough to be handed a leadership.
//!
//! Owns: what trials have shown of each node, for a moment. Must never: be asked by a group that must have a new leader: an election
//! takes whoever answers.
//!
//! A node whose disk hangs answers pings and heartbeats as ever. Handed a leadership, it could not write down its own vote: the old
//! leader has let go, the show stops, and the others elect after their time. So a move is preceded by an empty entry that the
//! target has to write in time. A disk serves all groups of its node, so one trial stands for all moves to it that begin soon after.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_region_config::NodeId;
use tokio::time::Instant;

/// A node that has passed is trusted for so long: a thousand moves of an evacuation cost one trial or two.
const TRUSTED_FOR: Duration = Duration::from_secs(5);
/// A node that has not is spared for so long: moves that wait for the same answer get it at once.
const DOUBTED_FOR: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy)]
struct Shown {
    at: Instant,
    passed: bool,
}

impl Shown {
    fn stands_at(self, now: Instant) -> bool {
        let limit = if self.passed {
            TRUSTED_FOR
        } else {
            DOUBTED_FOR
        };
        now.duration_since(self.at) < limit
    }
}

/// One trial of a node at a time, by whoever comes first.
type Turn = Arc<tokio::sync::Mutex<Option<Shown>>>;

/// What trials have shown. As many entries as nodes were ever moved to.
#[derive(Debug, Default)]
pub(crate) struct Trials {
    /// Never held over an await.
    nodes: Mutex<BTreeMap<NodeId, Turn>>,
}

impl Trials {
    /// Whether `node` passes: as was just shown, or by `trial`. A trial that could not be held shows nothing.
    pub(crate) async fn passes<E>(
        &self,
        node: NodeId,
        trial: impl Future<Output = Result<bool, E>>,
    ) -> Result<bool, E> {
        let turn = {
            let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(nodes.entry(node).or_default())
        };
        let mut shown = turn.lock().await;
        if let Some(known) = *shown
            && known.stands_at(Instant::now())
        {
            return Ok(known.passed);
        }
        let passed = trial.await?;
        let at = Instant::now();
        *shown = Some(Shown { at, passed });
        Ok(passed)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn a_trial_stands_for_those_that_come_soon_after() {
        let at = Instant::now();
        for (passed, limit) in [(true, TRUSTED_FOR), (false, DOUBTED_FOR)] {
            let shown = Shown { at, passed };
            assert!(shown.stands_at(at + limit / 2));
            assert!(!shown.stands_at(at + limit));
        }
    }

    #[tokio::test]
    async fn a_trial_that_could_not_be_held_shows_nothing() {
        let (trials, node) = (Trials::default(), NodeId::new(2));
        let held = trials.passes(node, async { Err("no quorum") }).await;
        assert_eq!(held, Err("no quorum"));
        let trial = async { Ok::<_, Infallible>(true) };
        assert_eq!(trials.passes(node, trial).await, Ok(true));
    }
}
