//! Readers: look at replicas and judge whether what they see is as fresh as it claims to be.
//!
//! Owns: the three kinds of reads: under the lease and after a confirmation by a quorum, which promise everything acknowledged, and
//! stale ones, which promise everything acknowledged up to their age. Must never: look at a machine that stands still; nobody could.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_inventory::ids::ShowId;
use holdfast_region_config::{GroupId, NodeId};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::clients::Clients;
use super::doors;
use super::fact::Fact;
use super::machine::Machine;
use super::witness::Witness;

/// A confirmed read that has come back.
struct Confirmed {
    node: NodeId,
    group: GroupId,
    index: u64,
    acknowledged: u64,
}

/// See the module's head.
pub(super) struct Readers {
    random: StdRng,
    nodes: Vec<NodeId>,
    shows: Vec<ShowId>,
    next_ms: u64,
    confirmed: Arc<Mutex<Vec<Confirmed>>>,
    pub(super) reads_total: u64,
}

impl Readers {
    pub(super) fn new(seed: u64, nodes: &[NodeId], shows: &[ShowId]) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            nodes: nodes.to_vec(),
            shows: shows.to_vec(),
            next_ms: 0,
            confirmed: Arc::default(),
            reads_total: 0,
        }
    }

    pub(super) fn step(
        &mut self,
        now_ms: u64,
        machines: &BTreeMap<NodeId, Machine>,
        clients: &Clients,
        witness: &Witness,
    ) {
        let confirmed = std::mem::take(
            &mut *self
                .confirmed
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        for read in confirmed {
            self.reads_total += 1;
            witness.tell(&Fact::Read {
                node: read.node,
                group: read.group,
                kind: "confirmed",
                index: read.index,
                acknowledged: read.acknowledged,
            });
        }
        if now_ms < self.next_ms {
            return;
        }
        self.next_ms = now_ms + self.random.random_range(3..20);
        let node = self.nodes.choose(&mut self.random).copied();
        let show = self.shows.choose(&mut self.random).copied();
        if let (Some(node), Some(show)) = (node, show)
            && let Some(machine) = machines.get(&node)
            && !machine.is_stalled(now_ms)
        {
            let acknowledged = clients.acknowledged_before(GroupId::new(show.get()), now_ms);
            if self.random.random_bool(0.1) {
                self.confirm(machine, show, acknowledged);
            } else {
                self.look(machine, show, now_ms, clients, witness);
            }
        }
    }

    /// Reads what the machine has in memory: current if it holds the lease, otherwise as old as it says.
    fn look(
        &mut self,
        machine: &Machine,
        show: ShowId,
        now_ms: u64,
        clients: &Clients,
        witness: &Witness,
    ) {
        let looked = machine.inside(|host| {
            let replica = doors::loaded_show(host, show)?;
            let leased = replica.leadership().borrow().leads && replica.has_lease();
            let ((), as_of) = replica.read(|_| ());
            Some((leased, as_of))
        });
        let Some((leased, as_of)) = looked.flatten() else {
            return;
        };
        let (kind, age_ms) = if leased {
            ("lease", 0)
        } else if as_of.age_ms == u64::MAX {
            // It claims nothing.
            return;
        } else {
            // Ages are told in whole milliseconds, rounded down.
            ("stale", as_of.age_ms + 1)
        };
        let group = GroupId::new(show.get());
        self.reads_total += 1;
        witness.tell(&Fact::Read {
            node: machine.node,
            group,
            kind,
            index: as_of.index,
            acknowledged: clients.acknowledged_before(group, now_ms.saturating_sub(age_ms)),
        });
    }

    fn confirm(&self, machine: &Machine, show: ShowId, acknowledged: u64) {
        let Some(host) = machine.host().cloned() else {
            return;
        };
        let (node, confirmed) = (machine.node, Arc::clone(&self.confirmed));
        machine.spawn(async move {
            let Some(replica) = doors::show(&host, show).await else {
                return;
            };
            if replica.read_linearizable().await.is_err() {
                return;
            }
            let ((), as_of) = replica.read(|_| ());
            let read = Confirmed {
                node,
                group: GroupId::new(show.get()),
                index: as_of.index,
                acknowledged,
            };
            confirmed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(read);
        });
    }
}
