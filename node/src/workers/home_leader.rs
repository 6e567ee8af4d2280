//! Brings a show's leader back to its home region after a failure.
//!
//! Owns: when. Must never: hand over to a node that is not heard, or lacks entries: that would stop the show for an
//! election, which is worse than leading from afar.

use std::time::Duration;

use holdfast_region_config::NodeId;

use crate::leader_scope::Led;

/// How often the home region is looked at.
const INTERVAL: Duration = Duration::from_secs(1);
/// A home voter must have been ready this many looks in a row: a region that flaps is left alone.
const READY_LOOKS: u32 = 3;
/// After a hand-over that did not happen.
const RETRY_DELAY: Duration = Duration::from_secs(5);

/// Counts how long a candidate has been ready.
#[derive(Debug, Default)]
struct Patience {
    candidate: Option<NodeId>,
    looks: u32,
}

impl Patience {
    /// Takes the voter that is ready at home now; returns it when it has been ready long enough.
    fn step(&mut self, ready: Option<NodeId>) -> Option<NodeId> {
        self.looks = if ready.is_some() && ready == self.candidate {
            self.looks + 1
        } else {
            1
        };
        self.candidate = ready;
        ready.filter(|_| self.looks >= READY_LOOKS)
    }
}

/// Runs until leadership is home, or lost.
pub async fn run(led: Led) {
    let candidates = home_voters(&led);
    if candidates.is_empty() || candidates.contains(&led.context.host.node()) {
        return;
    }
    let mut patience = Patience::default();
    loop {
        tokio::time::sleep(INTERVAL).await;
        let ready = candidates
            .iter()
            .copied()
            .find(|node| led.group.caught_up(*node));
        let Some(target) = patience.step(ready) else {
            continue;
        };
        let show = led.group.show_id();
        match led.group.transfer_leader(target).await {
            Ok(()) => {
                led.context.metrics.leaders_sent_home.inc();
                tracing::info!(%show, %target, "leadership handed to the home region");
            }
            Err(error) => tracing::debug!(%show, %target, %error, "leadership stays for now"),
        }
        tokio::time::sleep(RETRY_DELAY).await;
    }
}

/// The show's voters in its home region, best first.
fn home_voters(led: &Led) -> Vec<NodeId> {
    let (record, _) = led.context.host.directory().read(|directory| {
        let record = directory.shows().get(&led.group.show_id())?;
        Some((
            record.show.home_region.clone(),
            record.leader_preference.clone(),
        ))
    });
    let Some((home, preference)) = record else {
        return Vec::new();
    };
    let at_home = |node: &NodeId| led.context.topology.region_of(*node) == Some(&home);
    preference.into_iter().filter(at_home).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_that_flaps_is_left_alone() {
        let (home, other) = (Some(NodeId::new(1)), Some(NodeId::new(2)));
        let mut patience = Patience::default();
        for ready in [home, home, None, home, home, other, home, home] {
            assert_eq!(patience.step(ready), None);
        }
        assert_eq!(patience.step(home), home);
    }
}
