//! Nodes and regions: who announced itself, and what is wanted of whom.
//!
//! Owns: that a number means one disk for ever, and that a removed node stays removed. Must never: remove a node that a group
//! may still count on.

use holdfast_inventory::ids::ShowId;
use holdfast_region_config::{NodeId, RegionId};

use super::{Verdict, check_generation, room};
use crate::directory::command::DirectoryOutcome;
use crate::directory::records::{
    NodeRecord, NodeRegistration, NodeState, RegionRecord, RegionState, ReplicaFate,
};
use crate::directory::rejection::DirectoryRejection;
use crate::directory::state::{Changed, DirectoryState};
use crate::directory::{NAME_BYTES_MAX, NODES_MAX};

impl DirectoryState {
    pub(super) fn register_node(&mut self, node: NodeId, registered: NodeRegistration) -> Verdict {
        let texts = [
            ("zone", registered.zone.as_deref().unwrap_or_default()),
            ("addr", registered.addr.as_str()),
            ("release", registered.release.as_str()),
        ];
        for (field, text) in texts {
            if text.len() > NAME_BYTES_MAX {
                let reason = format!("longer than {NAME_BYTES_MAX} bytes");
                return Err(DirectoryRejection::invalid(field, &reason));
            }
        }
        let Some(known) = self.nodes.get(&node) else {
            room("nodes", self.nodes.len(), NODES_MAX)?;
            let record = NodeRecord {
                registered,
                state: NodeState::Serving,
                generation: 1,
                changed: self.next_version(Changed::Node(node), 0),
            };
            self.nodes.insert(node, record);
            return Ok(DirectoryOutcome::Set {
                generation: 1,
                changed: true,
            });
        };
        if known.state == NodeState::Removed {
            return Err(DirectoryRejection::NodeRemoved { node });
        }
        if known.registered.disk.is_some() && known.registered.disk != registered.disk {
            return Err(DirectoryRejection::DiskChanged { node });
        }
        let changed = known.registered != registered;
        let mut record = known.clone();
        let generation = record.generation;
        if changed {
            record.registered = registered;
            record.changed = self.next_version(Changed::Node(node), record.changed);
            self.nodes.insert(node, record);
        }
        Ok(DirectoryOutcome::Set {
            generation,
            changed,
        })
    }

    pub(super) fn set_node_state(
        &mut self,
        node: NodeId,
        state: NodeState,
        expected: Option<u64>,
    ) -> Verdict {
        let known = self.nodes.get(&node);
        let mut record = known
            .cloned()
            .ok_or(DirectoryRejection::NodeUnknown { node })?;
        if record.state == state {
            return Ok(DirectoryOutcome::Set {
                generation: record.generation,
                changed: false,
            });
        }
        if record.state == NodeState::Removed {
            return Err(DirectoryRejection::NodeRemoved { node });
        }
        check_generation(expected, record.generation)?;
        if state == NodeState::Removed {
            let shows = self.shows_counting_on(node);
            if shows > 0 {
                return Err(DirectoryRejection::NodeInUse { node, shows });
            }
            self.forget_released_replicas(node);
        }
        record.state = state;
        record.generation += 1;
        record.changed = self.next_version(Changed::Node(node), record.changed);
        let generation = record.generation;
        self.nodes.insert(node, record);
        Ok(DirectoryOutcome::Set {
            generation,
            changed: true,
        })
    }

    /// How many shows have `node` as a member, or may have.
    #[must_use]
    pub fn shows_counting_on(&self, node: NodeId) -> u64 {
        let counting = self.shows.values().filter(|show| show.keeps_replica(node));
        counting.count() as u64
    }

    /// A node that never comes back has no replicas left to delete.
    fn forget_released_replicas(&mut self, node: NodeId) {
        let is_out = |show: &crate::directory::ShowRecord| {
            let mut leaving = show.leaving.iter();
            leaving.any(|l| l.node == node && l.fate == ReplicaFate::Released)
        };
        let shows = self.shows.values().filter(|show| is_out(show));
        let shows: Vec<ShowId> = shows.map(|show| show.show_id).collect();
        self.replicas_gone(node, &shows);
    }

    pub(super) fn set_region_state(
        &mut self,
        region: RegionId,
        state: RegionState,
        expected: Option<u64>,
    ) -> Verdict {
        let mut regions = self.nodes.values().map(|node| &node.registered.region);
        if !regions.any(|known| *known == region) {
            return Err(DirectoryRejection::RegionUnknown { region });
        }
        let record: RegionRecord = self.regions.get(&region).copied().unwrap_or_default();
        if record.state == state {
            return Ok(DirectoryOutcome::Set {
                generation: record.generation,
                changed: false,
            });
        }
        check_generation(expected, record.generation)?;
        let record = RegionRecord {
            state,
            generation: record.generation + 1,
            changed: self.next_version(Changed::Region(region.clone()), record.changed),
        };
        self.regions.insert(region, record);
        Ok(DirectoryOutcome::Set {
            generation: record.generation,
            changed: true,
        })
    }
}
