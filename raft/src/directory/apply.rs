//! Applies one directory command.
//!
//! Owns: the dispatch. Must never: read a clock or do I/O, or leave a change without a version.

mod buyer_index;
mod catalogue;
mod nodes;
mod replicas;
mod settings;
mod steering;

use super::command::{DirectoryCommand, DirectoryOutcome};
use super::rejection::DirectoryRejection;
use super::state::DirectoryState;

type Verdict = Result<DirectoryOutcome, DirectoryRejection>;

impl DirectoryState {
    /// Applies one command; the same on every replica.
    pub(crate) fn apply(&mut self, command: DirectoryCommand) -> DirectoryOutcome {
        let verdict = match command {
            DirectoryCommand::RegisterNode { node, registered } => {
                self.register_node(node, registered)
            }
            DirectoryCommand::ImportPlan(plan) => self.import_plan(*plan),
            DirectoryCommand::CreateEvent(event) => self.create_event(event),
            DirectoryCommand::CreateShow {
                show,
                leader_preference,
                voters,
                learners,
            } => self.create_show(*show, leader_preference, voters, learners),
            DirectoryCommand::SetNodeState {
                node,
                state,
                expected,
            } => self.set_node_state(node, state, expected),
            DirectoryCommand::SetRegionState {
                region,
                state,
                expected,
            } => self.set_region_state(region, state, expected),
            DirectoryCommand::SetReplicas {
                show,
                expected,
                voters,
                learners,
                leader_preference,
            } => self.set_replicas(show, expected, voters, learners, leader_preference),
            DirectoryCommand::ReplicasSettled { show, generation } => {
                self.replicas_settled(show, generation)
            }
            DirectoryCommand::ReplicasGone { node, shows } => Ok(self.replicas_gone(node, &shows)),
            DirectoryCommand::PinLeader { show, leader } => self.pin_leader(show, leader),
            DirectoryCommand::SetFollowBuyers { follow } => Ok(self.set_follow_buyers(follow)),
            DirectoryCommand::SetShowFollowsBuyers { show, follow } => {
                self.set_show_follows_buyers(show, follow)
            }
            DirectoryCommand::SetSteering(new) => self.set_steering(new),
            DirectoryCommand::ClearSteering { key } => Ok(self.clear_steering(key.as_ref())),
            DirectoryCommand::CreateBuyerIndex {
                jurisdiction,
                home_region,
                leader_preference,
                voters,
                learners,
            } => self.create_buyer_index(
                jurisdiction,
                home_region,
                leader_preference,
                voters,
                learners,
            ),
        };
        verdict.unwrap_or_else(DirectoryOutcome::Rejected)
    }
}

fn room(what: &str, used: usize, limit: usize) -> Result<(), DirectoryRejection> {
    if used < limit {
        return Ok(());
    }
    Err(DirectoryRejection::Full {
        what: what.to_owned(),
        limit: limit as u64,
    })
}

/// A command made for generation `expected` is refused when it is another by now.
fn check_generation(expected: Option<u64>, found: u64) -> Result<(), DirectoryRejection> {
    match expected {
        Some(expected) if expected != found => {
            Err(DirectoryRejection::StaleGeneration { expected, found })
        }
        _ => Ok(()),
    }
}
