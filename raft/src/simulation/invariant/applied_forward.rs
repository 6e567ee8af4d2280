//! A running replica applies every entry once, in order, and never goes back; after a restart it begins at a snapshot.

use std::collections::BTreeMap;

use holdfast_region_config::{GroupId, NodeId};

use super::{Fact, Invariant};

#[derive(Default)]
pub(super) struct AppliedForward {
    /// The next index of each replica of a running process.
    next: BTreeMap<(NodeId, GroupId), u64>,
}

impl Invariant for AppliedForward {
    fn name(&self) -> &'static str {
        "applied_forward"
    }

    fn see(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Started { node } => {
                self.next.retain(|(at, _), _| at != node);
                Ok(())
            }
            Fact::Loaded {
                node, group, index, ..
            } => {
                let next = index.map_or(0, |index| index + 1);
                self.next.insert((*node, *group), next);
                Ok(())
            }
            Fact::Applied {
                node, group, index, ..
            } => {
                let next = self.next.entry((*node, *group)).or_insert(*index);
                if *next != *index {
                    return Err(format!(
                        "{node} applies entry {index} of {group}, {next} is next"
                    ));
                }
                *next = index + 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
