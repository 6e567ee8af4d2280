//! What one replica has applied, no replica ever applies differently: committed entries are neither lost nor changed.

use std::collections::BTreeMap;

use holdfast_region_config::GroupId;

use super::{Fact, Invariant};

#[derive(Default)]
pub(super) struct CommittedForEver {
    /// (group, index) to (term, hash of the payload).
    committed: BTreeMap<(GroupId, u64), (u64, u64)>,
}

impl Invariant for CommittedForEver {
    fn name(&self) -> &'static str {
        "committed_for_ever"
    }

    fn see(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::Applied {
            node,
            group,
            term,
            index,
            payload_hash,
            ..
        } = fact
        else {
            return Ok(());
        };
        let now = (*term, *payload_hash);
        let first = *self.committed.entry((*group, *index)).or_insert(now);
        if first == now {
            return Ok(());
        }
        Err(format!(
            "{node} applies entry {index} of {group} from term {term}, others applied another from term {}",
            first.0
        ))
    }
}
