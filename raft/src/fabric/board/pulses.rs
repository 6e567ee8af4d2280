//! What the links tell the board, and what they carry of it to the others.
//!
//! Owns: the two directions between frames and knowledge. Must never: decide what a silence means.

use holdfast_region_config::{GroupId, NodeId};
use tokio::time::Instant;

use std::sync::atomic::Ordering;

use super::{Board, locked};
use crate::fabric::liveness::Pulse;
use crate::transport::Pulses;
use crate::transport::wire::pb;

fn pulse_from_pb(ping: &pb::Ping) -> Pulse {
    let nodes = |list: &[u64]| list.iter().map(|node| NodeId::new(*node)).collect();
    Pulse {
        incarnation: ping.incarnation,
        silent: nodes(&ping.silent),
        assured: ping
            .assured
            .iter()
            .map(|assured| (NodeId::new(assured.node), assured.since_ms))
            .collect(),
        resting: ping.resting,
        clock_ms: ping.clock_ms,
    }
}

impl Pulses for Board {
    fn ping(&self, nonce: u64) -> pb::Ping {
        let pulse = locked(&self.liveness).pulse(Instant::now());
        let assured = pulse.assured.into_iter();
        pb::Ping {
            nonce,
            incarnation: pulse.incarnation,
            silent: pulse.silent.into_iter().map(NodeId::get).collect(),
            resting: pulse.resting,
            assured: assured
                .map(|(node, since_ms)| pb::Assured {
                    node: node.get(),
                    since_ms,
                })
                .collect(),
            leaving: self.leaves.load(Ordering::Relaxed),
            disk: self.disks.own_bytes(),
            wrong_disk: false,
            clock_ms: pulse.clock_ms,
            wall_ms: self.wall.own_ms(),
        }
    }

    fn answered(&self, from: NodeId, sent: Instant, answer: &pb::Ping) -> bool {
        if answer.wrong_disk {
            self.disks.refused(from);
            return true;
        }
        if self.disks.is_wrong(from, &answer.disk) {
            return false;
        }
        let pulse = pulse_from_pb(answer);
        self.note_leaving(from, answer.leaving);
        let now = Instant::now();
        self.wall.note(from, answer.wall_ms, sent, now);
        let changes = locked(&self.liveness).answered(from, sent, now, pulse);
        self.note(changes);
        true
    }

    fn pinged(&self, from: NodeId, ping: &pb::Ping) -> pb::Ping {
        if self.disks.is_wrong(from, &ping.disk) {
            return pb::Ping {
                nonce: ping.nonce,
                wrong_disk: true,
                ..pb::Ping::default()
            };
        }
        let pulse = pulse_from_pb(ping);
        self.note_leaving(from, ping.leaving);
        let changes = locked(&self.liveness).pinged(from, ping.nonce, Instant::now(), pulse);
        self.note(changes);
        self.ping(ping.nonce)
    }

    fn stamped(&self, from: NodeId, incarnation: u64, stamp_ms: u64) -> Option<Instant> {
        let stamped = locked(&self.liveness).stamped(from, incarnation, stamp_ms)?;
        Some(stamped.min(Instant::now()))
    }

    fn greeted(&self, from: NodeId) {
        locked(&self.claims).forget_parking(from);
    }

    fn claimed(&self, from: NodeId, claims: pb::Claims) {
        self.note_claims(from, &claims);
    }

    fn nudged(&self, group: GroupId, in_vain: bool) {
        if in_vain {
            self.want_leader(group);
            self.call_voters(group);
        } else {
            self.wait_for_leader(group);
        }
    }
}
