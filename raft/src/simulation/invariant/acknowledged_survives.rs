//! What a client was told has happened, and stays: the command is in the committed entry that was named, with the outcome that
//! was told, and at the end every replica has applied that entry.

use std::collections::BTreeMap;

use holdfast_inventory::ids::RequestId;
use holdfast_inventory::outcome::Outcome;
use holdfast_region_config::GroupId;

use super::{Fact, Invariant};

#[derive(Default)]
pub(super) struct AcknowledgedSurvives {
    committed: BTreeMap<(GroupId, u64), Vec<(RequestId, Outcome)>>,
    newest_acknowledged: BTreeMap<GroupId, u64>,
}

impl Invariant for AcknowledgedSurvives {
    fn name(&self) -> &'static str {
        "acknowledged_survives"
    }

    fn see(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Applied {
                group,
                index,
                judged,
                ..
            } => {
                let judged = || {
                    let pair =
                        |one: &super::super::fact::Judged| (one.request, one.outcome.clone());
                    judged.iter().map(pair).collect()
                };
                self.committed
                    .entry((*group, *index))
                    .or_insert_with(judged);
                Ok(())
            }
            Fact::Acknowledged {
                group,
                index,
                request,
                outcome,
            } => {
                let newest = self.newest_acknowledged.entry(*group).or_default();
                *newest = (*newest).max(*index);
                let entry = self.committed.get(&(*group, *index));
                let told = entry.and_then(|all| all.iter().find(|(of, _)| of == request));
                match told {
                    Some((_, committed)) if committed == *outcome => Ok(()),
                    Some((_, committed)) => Err(format!(
                        "a client was told {outcome:?}, entry {index} of {group} says {committed:?}"
                    )),
                    None => Err(format!(
                        "a client was told of entry {index} of {group}, which does not carry {request:?}"
                    )),
                }
            }
            Fact::Settled {
                node, group, index, ..
            } => match self.newest_acknowledged.get(group) {
                Some(newest) if index < newest => Err(format!(
                    "{node} ends at entry {index} of {group}, a client was told of entry {newest}"
                )),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }
}
