//! A request has one effect: it happens once, and every repeat is told what happened then.

use std::collections::BTreeMap;

use holdfast_inventory::ids::{BuyerId, RequestId};
use holdfast_inventory::outcome::Outcome;
use holdfast_region_config::GroupId;

use super::first_seen::FirstSeen;
use super::{Fact, Invariant};

#[derive(Default)]
pub(super) struct OneEffectPerRequest {
    /// Requests that had their effect, and the entry that had it.
    done: BTreeMap<(GroupId, RequestId), u64>,
    entries: FirstSeen,
}

impl Invariant for OneEffectPerRequest {
    fn name(&self) -> &'static str {
        "one_effect_per_request"
    }

    fn see(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        let Some((group, index, judged)) = self.entries.of(fact) else {
            return Ok(());
        };
        for one in judged {
            let request = one.request;
            // The system's own commands are not remembered; see `Command::is_remembered`.
            if request.caller == BuyerId::SYSTEM {
                continue;
            }
            let before = self.done.get(&(group, request)).copied();
            match (&one.outcome, before) {
                (Outcome::Done(_), None) => {
                    self.done.insert((group, request), index);
                }
                (Outcome::Done(_), Some(at)) => {
                    return Err(format!(
                        "{request:?} has an effect in entry {index} of {group} and had one in entry {at}"
                    ));
                }
                (Outcome::Rejected(reason), Some(at)) => {
                    return Err(format!(
                        "{request:?} is refused in entry {index} of {group} ({reason:?}) although it had its effect in entry {at}"
                    ));
                }
                (Outcome::Replayed(_), None) => {
                    return Err(format!(
                        "{request:?} is answered from memory in entry {index} of {group} but never had an effect"
                    ));
                }
                (Outcome::Replayed(_), Some(_)) | (Outcome::Rejected(_), None) => {}
            }
        }
        Ok(())
    }
}
