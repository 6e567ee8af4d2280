//! At the same index every replica has the same state, to the byte.

use std::collections::BTreeMap;

use holdfast_region_config::{GroupId, NodeId};

use super::{Fact, Invariant};

#[derive(Default)]
pub(super) struct SameIndexSameState {
    /// (group, index) to the state's hash and who had it first.
    states: BTreeMap<(GroupId, u64), (u64, NodeId)>,
}

impl Invariant for SameIndexSameState {
    fn name(&self) -> &'static str {
        "same_index_same_state"
    }

    fn see(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        let (node, group, index, hash) = match fact {
            Fact::Applied {
                node,
                group,
                index,
                state_hash: Some(hash),
                ..
            }
            | Fact::Loaded {
                node,
                group,
                index: Some(index),
                state_hash: hash,
            }
            | Fact::Settled {
                node,
                group,
                index,
                state_hash: hash,
            } => (*node, *group, *index, *hash),
            _ => return Ok(()),
        };
        let (first, who) = *self.states.entry((group, index)).or_insert((hash, node));
        if first == hash {
            return Ok(());
        }
        Err(format!(
            "{who} and {node} differ in the state of {group} at index {index}"
        ))
    }
}
