//! Whoever is given a vote holds the group's log by then, but for what a busy group commits meanwhile.

use std::collections::BTreeSet;

use holdfast_region_config::NodeId;

use super::memberships::Memberships;
use super::{Fact, Invariant};
use crate::membership::plan::LAG_MAX;

/// Entries that may come between the decision and the entry that carries it.
const SLACK: u64 = 64;

#[derive(Default)]
pub(super) struct VotersHaveCaughtUp {
    members: Memberships,
}

impl Invariant for VotersHaveCaughtUp {
    fn name(&self) -> &'static str {
        "voters_have_caught_up"
    }

    fn see(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        for proposed in self.members.see(fact) {
            let (group, index) = (proposed.group, proposed.index);
            // The first membership is everybody's first entry.
            let Some(before) = self.members.before(group, index) else {
                continue;
            };
            let voted: BTreeSet<NodeId> = before.iter().flatten().copied().collect();
            let now: BTreeSet<NodeId> = proposed.configs.into_iter().flatten().collect();
            for newcomer in now.difference(&voted) {
                let held = self.members.held(*newcomer, group);
                if held.is_none_or(|held| held + LAG_MAX + SLACK < index) {
                    return Err(format!(
                        "entry {index} of {group} gives {newcomer} a vote, which holds {held:?}"
                    ));
                }
            }
        }
        Ok(())
    }
}
