//! Where a show's replicas shall be, and what became of that.
//!
//! Owns: generations, and when a replica that was once deleted may return. Must never: let a node come back to a group as an
//! empty replica while a stale one may still count it as a voter (ADR 0011).
//!
//! ```text
//!   SetReplicas ─► generation g ─ the group's leader changes the membership ─► ReplicasSettled g
//!   left out:      Member ───────────────────────────────────────────────────► Released ─ deleted ─► Gone
//!   all Gone ─► the list is empty again, and every node may be chosen
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_inventory::ids::ShowId;
use holdfast_region_config::NodeId;

use super::Verdict;
use crate::directory::REPLICAS_MAX;
use crate::directory::command::DirectoryOutcome;
use crate::directory::records::{Leaving, NodeState, ReplicaFate, ShowRecord};
use crate::directory::rejection::DirectoryRejection;
use crate::directory::state::{Changed, DirectoryState};

impl DirectoryState {
    pub(super) fn set_replicas(
        &mut self,
        show: ShowId,
        expected: u64,
        voters: Vec<NodeId>,
        learners: Vec<NodeId>,
        leader_preference: Vec<NodeId>,
    ) -> Verdict {
        let record = self.show_record(show)?;
        let same = record.voters == voters
            && record.learners == learners
            && record.leader_preference == leader_preference;
        if same {
            return Ok(DirectoryOutcome::Set {
                generation: record.generation,
                changed: false,
            });
        }
        super::check_generation(Some(expected), record.generation)?;
        check_placement(&voters, &learners, &leader_preference)?;
        let leaving = leaving_after(record, &voters, &learners)?;
        for node in voters.iter().chain(&learners) {
            if self.node_state(*node) == NodeState::Removed {
                return Err(DirectoryRejection::NodeRemoved { node: *node });
            }
        }
        let generation = record.generation + 1;
        self.change_show(show, |record| {
            record.leader_pin = record.leader_pin.filter(|pin| voters.contains(pin));
            record.voters = voters;
            record.learners = learners;
            record.leader_preference = leader_preference;
            record.leaving = leaving;
            record.generation = generation;
        });
        Ok(DirectoryOutcome::Set {
            generation,
            changed: true,
        })
    }

    pub(super) fn replicas_settled(&mut self, show: ShowId, generation: u64) -> Verdict {
        let record = self.show_record(show)?;
        super::check_generation(Some(generation), record.generation)?;
        let changed = !record.is_settled();
        if changed {
            self.change_show(show, |record| {
                record.settled = generation;
                record.settled_voters = record.voters.clone();
                for leaving in &mut record.leaving {
                    if leaving.fate == ReplicaFate::Member {
                        leaving.fate = ReplicaFate::Released;
                    }
                }
            });
        }
        Ok(DirectoryOutcome::Set {
            generation,
            changed,
        })
    }

    /// What is not there, or not released, is passed over: a report may come twice.
    pub(super) fn replicas_gone(&mut self, node: NodeId, shows: &[ShowId]) -> DirectoryOutcome {
        let mut changed = false;
        for show in shows {
            if !self.shows.get(show).is_some_and(|r| r.is_released(node)) {
                continue;
            }
            changed = true;
            self.change_show(*show, |record| {
                for leaving in &mut record.leaving {
                    if leaving.node == node && leaving.fate == ReplicaFate::Released {
                        leaving.fate = ReplicaFate::Gone;
                    }
                }
                if record.leaving.iter().all(|l| l.fate == ReplicaFate::Gone) {
                    record.leaving.clear();
                }
            });
        }
        DirectoryOutcome::Set {
            generation: 0,
            changed,
        }
    }

    pub(super) fn show_record(&self, show: ShowId) -> Result<&ShowRecord, DirectoryRejection> {
        let record = self.shows.get(&show).map(Arc::as_ref);
        record.ok_or(DirectoryRejection::ShowUnknown { show })
    }

    /// Changes the record of a known show under a new version and keeps the indexes.
    pub(super) fn change_show(&mut self, show: ShowId, change: impl FnOnce(&mut ShowRecord)) {
        let Some(before) = self.shows.get(&show).map(|record| record.changed) else {
            return;
        };
        let version = self.next_version(Changed::Show(show), before);
        let Some(record) = self.shows.get_mut(&show) else {
            return;
        };
        let record = Arc::make_mut(record);
        change(record);
        record.changed = version;
        if record.is_settled() {
            self.index.unsettled.remove(&show);
        } else {
            self.index.unsettled.insert(show);
        }
    }
}

/// Checks that need no state: voters, no node twice, only voters preferred as leaders.
pub(super) fn check_placement(
    voters: &[NodeId],
    learners: &[NodeId],
    leader_preference: &[NodeId],
) -> Result<(), DirectoryRejection> {
    if voters.is_empty() {
        return Err(DirectoryRejection::invalid("voters", "none"));
    }
    let all: BTreeSet<&NodeId> = voters.iter().chain(learners).collect();
    if all.len() != voters.len() + learners.len() {
        return Err(DirectoryRejection::invalid(
            "voters",
            "a node is named twice",
        ));
    }
    if all.len() > REPLICAS_MAX {
        let reason = format!("more than {REPLICAS_MAX} replicas");
        return Err(DirectoryRejection::invalid("learners", &reason));
    }
    let preferred: BTreeSet<&NodeId> = leader_preference.iter().collect();
    if preferred.len() != leader_preference.len()
        || leader_preference.iter().any(|node| !voters.contains(node))
    {
        let reason = "a preferred leader is named twice or is not a voter";
        return Err(DirectoryRejection::invalid("leader_preference", reason));
    }
    Ok(())
}

/// Who is on the way out once `voters` and `learners` are wanted.
fn leaving_after(
    record: &ShowRecord,
    voters: &[NodeId],
    learners: &[NodeId],
) -> Result<Vec<Leaving>, DirectoryRejection> {
    let stays = |node: NodeId| voters.contains(&node) || learners.contains(&node);
    let mut leaving = Vec::new();
    for before in &record.leaving {
        if !stays(before.node) {
            leaving.push(*before);
        } else if before.fate != ReplicaFate::Member {
            return Err(DirectoryRejection::ReplicaLeaving {
                show: record.show_id,
                node: before.node,
            });
        }
    }
    let members = record.voters.iter().chain(&record.learners);
    let left_out = members.filter(|node| !stays(**node)).map(|node| Leaving {
        node: *node,
        fate: ReplicaFate::Member,
    });
    leaving.extend(left_out);
    Ok(leaving)
}
