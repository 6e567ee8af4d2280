//! Which applied entries are news.
//!
//! Owns: the newest entry seen of each group. Must never: judge; every replica applies an entry, and judges that keep books
//! of effects want it once.

use std::collections::BTreeMap;

use holdfast_region_config::GroupId;

use super::Fact;
use crate::simulation::fact::Judged;

/// The newest entry seen of each group; older ones were judged when they came.
#[derive(Default)]
pub(super) struct FirstSeen {
    newest: BTreeMap<GroupId, u64>,
}

impl FirstSeen {
    /// Group, index and commands of an entry that no replica has applied before; `None` for every other fact.
    pub(super) fn of<'a>(&mut self, fact: &Fact<'a>) -> Option<(GroupId, u64, &'a [Judged])> {
        let Fact::Applied {
            group,
            index,
            judged,
            ..
        } = fact
        else {
            return None;
        };
        if self.newest.get(group).is_some_and(|newest| index <= newest) {
            return None;
        }
        self.newest.insert(*group, *index);
        Some((*group, *index, judged))
    }
}
