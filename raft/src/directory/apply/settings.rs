//! What an operator decides about leaders.
//!
//! Owns: pins and following the buyers. Must never: move a leader; the nodes read this and do.

use holdfast_inventory::ids::ShowId;
use holdfast_region_config::NodeId;

use super::Verdict;
use crate::directory::command::DirectoryOutcome;
use crate::directory::rejection::DirectoryRejection;
use crate::directory::state::{Changed, DirectoryState};

impl DirectoryState {
    pub(super) fn pin_leader(&mut self, show: ShowId, leader: Option<NodeId>) -> Verdict {
        let record = self.show_record(show)?;
        if let Some(node) = leader
            && !record.voters.contains(&node)
        {
            let reason = format!("{node} is not a voter of {show}");
            return Err(DirectoryRejection::invalid("leader", &reason));
        }
        let (generation, changed) = (record.generation, record.leader_pin != leader);
        if changed {
            self.change_show(show, |record| record.leader_pin = leader);
        }
        Ok(DirectoryOutcome::Set {
            generation,
            changed,
        })
    }

    pub(super) fn set_show_follows_buyers(
        &mut self,
        show: ShowId,
        follow: Option<bool>,
    ) -> Verdict {
        let record = self.show_record(show)?;
        let (generation, changed) = (record.generation, record.follow_buyers != follow);
        if changed {
            self.change_show(show, |record| record.follow_buyers = follow);
        }
        Ok(DirectoryOutcome::Set {
            generation,
            changed,
        })
    }

    pub(super) fn set_follow_buyers(&mut self, follow: bool) -> DirectoryOutcome {
        let changed = self.settings.follow_buyers != follow;
        if changed {
            self.settings.follow_buyers = follow;
            self.settings.changed = self.next_version(Changed::Settings, self.settings.changed);
        }
        DirectoryOutcome::Set {
            generation: 0,
            changed,
        }
    }
}
