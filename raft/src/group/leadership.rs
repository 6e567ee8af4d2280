//! Who leads, from openraft's metrics to a watch and to the other nodes.
//!
//! Owns: when this node claims a group and when it gives the claim up. Must never: give up the claim of a replica that is only
//! put away: this node still answers for the group.

use std::sync::Arc;

use holdfast_region_config::{GroupId, NodeId};
use openraft::ServerState;
use openraft::async_runtime::WatchReceiver as _;
use tokio::sync::watch;

use super::gate::Gate;
use super::{Leadership, Raft};
use crate::fabric::Fabric;

/// What publishing needs of a replica.
pub(crate) struct Publisher {
    pub(crate) group: GroupId,
    pub(crate) raft: Raft,
    pub(crate) fabric: Arc<Fabric>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) publish: watch::Sender<Leadership>,
}

/// Publishes leadership until the group stops.
pub(crate) async fn publish_leadership(publisher: Publisher) {
    let Publisher {
        group,
        raft,
        fabric,
        gate,
        publish,
    } = publisher;
    let mut metrics = raft.metrics();
    loop {
        let now = {
            let m = metrics.borrow_watched();
            let own_term_applied = m
                .last_applied
                .is_some_and(|id| **id.committed_leader_id() == m.current_term);
            Leadership {
                term: m.current_term,
                leads: m.state == ServerState::Leader && own_term_applied,
                leader: m.current_leader.map(NodeId::new),
            }
        };
        let before = *publish.borrow();
        if !gate.is_closed() {
            match (before.leads && before.term == now.term, now.leads) {
                (false, true) => fabric.claim(group, Some((now.term, None))),
                (true, false) => fabric.claim(group, None),
                _ if before.leads && !now.leads => fabric.claim(group, None),
                _ => {}
            }
        }
        publish.send_if_modified(|before| {
            let changed = *before != now;
            *before = now;
            changed
        });
        if metrics.changed().await.is_err() {
            let was_put_away = gate.is_closed();
            // Another core of this replica may have been opened and elected meanwhile.
            let claimed = fabric.board.claim_of(group);
            let is_its_own = claimed.is_some_and(|claim| claim.term == now.term);
            if now.leads && !was_put_away && is_its_own {
                fabric.claim(group, None);
            }
            publish.send_replace(Leadership {
                leads: false,
                leader: None,
                ..now
            });
            return;
        }
    }
}
