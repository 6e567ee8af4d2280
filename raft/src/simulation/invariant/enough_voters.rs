//! A show never has fewer voters than its goal needs, and what a client was told of is held by a majority of them.

use std::collections::BTreeSet;

use holdfast_region_config::{GroupId, NodeId};

use super::memberships::Memberships;
use super::{Fact, Invariant};

/// With three voters one may be lost; no show is ever placed with fewer.
const VOTERS_MIN: usize = 3;

#[derive(Default)]
pub(super) struct EnoughVoters {
    members: Memberships,
}

impl EnoughVoters {
    fn is_held(&self, group: GroupId, index: u64, voters: &BTreeSet<NodeId>) -> bool {
        let held = |voter: NodeId| self.members.held(voter, group);
        let holders = voters.iter().filter(|voter| held(**voter) >= Some(index));
        holders.count() * 2 > voters.len()
    }
}

impl Invariant for EnoughVoters {
    fn name(&self) -> &'static str {
        "enough_voters"
    }

    fn see(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        for proposed in self.members.see(fact) {
            let few = |config: &&BTreeSet<NodeId>| config.len() < VOTERS_MIN;
            if !proposed.group.is_directory()
                && let Some(config) = proposed.configs.iter().find(few)
            {
                return Err(format!(
                    "entry {} leaves {} the voters {config:?}",
                    proposed.index, proposed.group
                ));
            }
        }
        let Fact::Acknowledged { group, index, .. } = fact else {
            return Ok(());
        };
        let mut memberships = self.members.from(*group, *index);
        let by_all = |configs: &Vec<BTreeSet<NodeId>>| {
            let mut configs = configs.iter();
            configs.all(|voters| self.is_held(*group, *index, voters))
        };
        if memberships.any(by_all) {
            return Ok(());
        }
        let known: Vec<_> = self.members.from(*group, *index).collect();
        Err(format!(
            "a client was told of entry {index} of {group}, which no majority of its voters holds: {known:?}"
        ))
    }
}
