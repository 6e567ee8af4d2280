//! Who leads what in which term, as the nodes report it, and how many elections there were.
//!
//! Owns: reading whole lists of groups, counting terms. Must never: take a group that only now is known for one that elected.

use std::collections::BTreeMap;

use holdfast_node_api::client::NodeClient;
use holdfast_node_api::v1::{ClusterStatusRequest, GroupStatus};

use crate::lab::Lab;

/// As many as a node says at once.
const GROUPS_PER_PAGE: u32 = 1_000;

/// Calls `saw` with every group that the node says it keeps; false when it does not answer.
pub(super) async fn each_group(node: &NodeClient, mut saw: impl FnMut(GroupStatus)) -> bool {
    let mut operator = node.operator();
    let mut after_group = None;
    loop {
        let request = ClusterStatusRequest {
            all_groups: true,
            after_group,
            limit: GROUPS_PER_PAGE,
        };
        let Ok(status) = operator.cluster_status(request).await else {
            return false;
        };
        let page = status.into_inner();
        page.groups.into_iter().for_each(&mut saw);
        after_group = page.next_after_group;
        if after_group.is_none() {
            return true;
        }
    }
}

/// The newest term of every group that any node reports.
#[derive(Debug, Clone, Default)]
pub(super) struct Terms(BTreeMap<u64, u64>);

impl Terms {
    /// As all nodes that answer say now.
    ///
    /// # Errors
    /// When no node answers.
    pub(super) async fn of(lab: &Lab) -> anyhow::Result<Self> {
        let mut terms = Self::default();
        let mut answered = false;
        for node in &lab.cluster.topology().nodes {
            let saw = |group: GroupStatus| terms.saw(group.group_id, group.term);
            answered |= each_group(&lab.node(node.id)?, saw).await;
        }
        anyhow::ensure!(answered, "no node answers");
        Ok(terms)
    }

    fn saw(&mut self, group: u64, term: u64) {
        // A replica that is not in memory and that nobody claims has no term to tell.
        if term == 0 {
            return;
        }
        let newest = self.0.entry(group).or_default();
        *newest = term.max(*newest);
    }

    /// Terms that began after `self` and before `later`, over the groups in both.
    pub(super) fn elections_until(&self, later: &Self) -> u64 {
        let grown = self.0.iter().filter_map(|(group, before)| {
            let after = later.0.get(group)?;
            Some(after.saturating_sub(*before))
        });
        grown.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_terms_that_grew_in_a_known_group_are_elections() {
        let (mut before, mut after) = (Terms::default(), Terms::default());
        for (group, term) in [(1, 3), (1, 4), (2, 1), (3, 0)] {
            before.saw(group, term);
        }
        for (group, term) in [(1, 4), (1, 2), (2, 3), (3, 7), (9, 50)] {
            after.saw(group, term);
        }
        assert_eq!(before.elections_until(&after), 2);
    }
}
