//! How many replicas are awake only because they have just been led.
//!
//! Owns: the places of groups that were asleep when their leader was lost, from the candidacy until the new leader has put the
//! group to sleep again. Must never: keep a group waiting that was in use.
//!
//! What must be true: a group that nobody writes to costs the machine next to nothing, also when ten thousand of them need a
//! leader. A replica that is awake costs it 0.2 ms a second here and as much at its leader's voters; elections that are
//! faster than the falling asleep behind them would pile up awake replicas until no election is through in time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::group::GroupCore;

/// Groups that were asleep and stand, or are led and not asleep yet: on one core, four tenths of it.
const NEWLY_LED_MAX: usize = 2_048;
/// A group that does not fall asleep within this is in use, or waits for a voter: it makes room all the same.
const ASLEEP_AGAIN_LIMIT: Duration = Duration::from_secs(5);

/// The places of this node.
pub(crate) struct NewlyLed(Arc<Semaphore>);

/// One of them.
pub(super) struct Place(OwnedSemaphorePermit);

impl Default for NewlyLed {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(NEWLY_LED_MAX)))
    }
}

impl NewlyLed {
    /// `None` = as many as may are awake.
    pub(super) fn place(&self) -> Option<Place> {
        Arc::clone(&self.0).try_acquire_owned().ok().map(Place)
    }
}

impl Place {
    /// Gives the place back when the group sleeps, or after [`ASLEEP_AGAIN_LIMIT`].
    pub(super) async fn keep_until_asleep(self, core: &GroupCore) {
        // Over the limit it is as good as asleep for whoever waits for a place.
        let asleep = core.closed.run_until_cancelled(core.until_parked());
        let _ = timeout(ASLEEP_AGAIN_LIMIT, asleep).await;
        drop(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_given_back_is_there_for_the_next() {
        let newly_led = NewlyLed::default();
        let mut taken: Vec<Place> = std::iter::from_fn(|| newly_led.place()).collect();
        assert_eq!(taken.len(), NEWLY_LED_MAX);
        taken.pop();
        assert!(newly_led.place().is_some());
    }
}
