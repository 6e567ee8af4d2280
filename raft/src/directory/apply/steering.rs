//! Overriding what DNS answers.
//!
//! Owns: the bounds, and the floor: one region always stays open to new users, unless somebody breaks the glass. Must never:
//! take a wish without an end.

use holdfast_region_config::RegionId;

use super::{Verdict, room};
use crate::directory::command::{DirectoryOutcome, NewSteering};
use crate::directory::rejection::DirectoryRejection;
use crate::directory::state::{Changed, DirectoryState};
use crate::directory::steering::{SteeringKey, SteeringWish};
use crate::directory::{NAME_BYTES_MAX, NodeState, RegionState, STEERING_MAX, STEERING_MS_MAX};

impl DirectoryState {
    pub(super) fn set_steering(&mut self, new: NewSteering) -> Verdict {
        let NewSteering {
            key,
            region,
            asked_at_ms,
            for_ms,
            break_glass,
        } = new;
        if for_ms == 0 || for_ms > STEERING_MS_MAX {
            let reason = format!("must be from 1 to {STEERING_MS_MAX} ms, is {for_ms}");
            return Err(DirectoryRejection::invalid("for", &reason));
        }
        if let SteeringKey::Pin(name) = &key
            && (name.is_empty() || name.len() > NAME_BYTES_MAX)
        {
            return Err(DirectoryRejection::invalid("name", "too long, or empty"));
        }
        if !self.regions_with_nodes().any(|known| *known == region) {
            return Err(DirectoryRejection::RegionUnknown { region });
        }
        // The time of the newest wish ends the older ones; there is no other clock here.
        let mut wishes = self.steering.wishes.clone();
        wishes.retain(|_, wish| wish.until_ms > asked_at_ms);
        if let SteeringKey::Drain(drained) = &key {
            let open = |region: &RegionId| {
                region != drained
                    && self.region_state(region) == RegionState::Serving
                    && !wishes.contains_key(&SteeringKey::Drain(region.clone()))
            };
            if !break_glass && !self.regions_with_nodes().any(open) {
                return Err(DirectoryRejection::LastRegion { region });
            }
        }
        if !wishes.contains_key(&key) {
            room("overrides of dns", wishes.len(), STEERING_MAX)?;
        }
        let until_ms = asked_at_ms.saturating_add(for_ms);
        wishes.insert(key, SteeringWish { region, until_ms });
        Ok(self.steer(wishes))
    }

    /// Without a key all.
    pub(super) fn clear_steering(&mut self, key: Option<&SteeringKey>) -> DirectoryOutcome {
        let mut wishes = self.steering.wishes.clone();
        wishes.retain(|wish, _| key.is_some_and(|key| key != wish));
        self.steer(wishes)
    }

    fn steer(
        &mut self,
        wishes: std::collections::BTreeMap<SteeringKey, SteeringWish>,
    ) -> DirectoryOutcome {
        let changed = wishes != self.steering.wishes;
        if changed {
            self.steering.wishes = wishes;
            self.steering.changed = self.next_version(Changed::Steering, self.steering.changed);
        }
        DirectoryOutcome::Set {
            generation: 0,
            changed,
        }
    }

    fn regions_with_nodes(&self) -> impl Iterator<Item = &RegionId> {
        let nodes = self.nodes.values();
        let here = nodes.filter(|node| node.state != NodeState::Removed);
        here.map(|node| &node.registered.region)
    }
}
