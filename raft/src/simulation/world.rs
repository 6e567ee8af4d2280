//! One simulated run: the stage is set, faults come and go, then everything heals and has to go on.
//!
//! Owns: simulated time and the order of a step. Must never: depend on anything but the seed.
//!
//! ```text
//!  set up ─ safety phase (faults, 10 to 25 s) ─ heal ─ every group takes a write ─ quiet ─ all replicas are equal
//!  a step of 1 ms:  nemesis → frames that are due → every machine → frames sent → readers → buyers
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use holdfast_inventory::ids::ShowId;
use holdfast_region_config::{GroupId, NodeId};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::clients::Clients;
use super::disk::Health;
use super::fact::Fact;
use super::machine::Machine;
use super::nemesis::{Nemesis, Victims};
use super::network::Network;
use super::readers::Readers;
use super::stage::Stage;
use super::witness::{self, Violation, Witness};
use super::{doors, rehearsal};

/// The stage must be set within this, without faults, ms.
const SET_UP_MS: u64 = 60_000;
/// Every group must take a write within this after everything has healed, ms.
const PROGRESS_MS: u64 = 20_000;
/// Every membership change must be finished within this after everything has healed, ms.
const FINISH_MS: u64 = 60_000;
/// And all its replicas must be equal within this after the last write, ms.
const SETTLE_MS: u64 = 30_000;

/// What a run came to.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) violation: Option<Violation>,
    pub(super) trace_hash: u64,
    pub(super) events: u64,
    pub(super) simulated_ms: u64,
    pub(super) frames: u64,
    pub(super) acknowledged: u64,
    pub(super) given_up: u64,
    pub(super) reads: u64,
    pub(super) faults: BTreeMap<&'static str, u64>,
}

/// See the module's head.
pub(super) struct World {
    now_ms: u64,
    stage: Stage,
    pub(super) machines: BTreeMap<NodeId, Machine>,
    network: Network,
    witness: Arc<Witness>,
    nemesis: Nemesis,
    clients: Clients,
    readers: Readers,
    shows: Vec<ShowId>,
    safety_ms: u64,
}

impl World {
    /// A world drawn from `seed`; its machines keep their directories under `base`.
    pub(super) fn new(seed: u64, base: &Path, print: bool) -> Result<Self, String> {
        let mut random = StdRng::seed_from_u64(seed);
        let witness = Witness::install(print);
        let stage = Stage::draw(&mut random)?;
        let network = Network::new(
            random.random(),
            stage.distance_ms.clone(),
            Arc::clone(&witness),
        );
        let topology = Arc::new(stage.topology.clone());
        let machine_seed: u64 = random.random();
        let machines = stage.nodes.iter().map(|node| {
            let topology = Arc::clone(&topology);
            let machine = Machine::new(
                *node,
                topology,
                network.clone(),
                base,
                machine_seed,
                stage.habits,
            );
            (*node, machine)
        });
        let machines = machines.collect();
        let shows: Vec<ShowId> = (1..=stage.shows).map(ShowId).collect();
        Ok(Self {
            now_ms: 0,
            nemesis: Nemesis::new(random.random(), &stage.nodes),
            clients: Clients::new(random.random(), &stage.nodes, &shows),
            readers: Readers::new(random.random(), &stage.nodes, &shows),
            safety_ms: random.random_range(10_000..25_000),
            stage,
            machines,
            network,
            witness,
            shows,
        })
    }

    /// Runs it to the end, or to the first violation.
    pub(super) fn run(mut self) -> Outcome {
        let finished = self.set_stage()
            && self.be_harmed()
            && self.recover()
            && self.finish_changes()
            && self.settle();
        debug_assert!(finished || self.witness.violation().is_some());
        for machine in self.machines.values_mut() {
            machine.kill(true);
        }
        let (trace_hash, events) = self.witness.digest();
        Outcome {
            violation: self.witness.violation(),
            trace_hash,
            events,
            simulated_ms: self.now_ms,
            frames: self.network.frames_delivered(),
            acknowledged: self.clients.acknowledged_total,
            given_up: self.clients.given_up_total,
            reads: self.readers.reads_total,
            faults: self.nemesis.injected,
        }
    }

    fn victims(&mut self) -> (&mut Nemesis, Victims<'_>) {
        let victims = Victims {
            machines: &mut self.machines,
            network: &self.network,
            shows: &self.shows,
            witness: &self.witness,
        };
        (&mut self.nemesis, victims)
    }

    /// One millisecond. False = something is broken.
    fn step(&mut self) -> bool {
        self.now_ms += 1;
        let now_ms = self.now_ms;
        self.witness.set_now(now_ms);
        self.network.deliver(now_ms);
        for machine in self.machines.values_mut() {
            if let Err(reason) = machine.run_until(now_ms) {
                // Its directory is another in each process, and the trace is to repeat to the byte.
                let base = machine.base.to_string_lossy();
                let reason = reason.replace(&*base, "");
                self.witness
                    .note(&format!("{} did not start: {reason}", machine.node));
                machine.kill(true);
                // A disk that fails while it starts is an honest reason.
                let injected = reason.contains("simulated");
                if !injected && machine.disk.health() == Health::Sound {
                    let what = format!("{} cannot start: {reason}", machine.node);
                    self.witness.broken("starts_again", what);
                }
            }
            witness::on_machine(NodeId::new(0));
        }
        self.network.collect();
        super::take_panic().is_none_or(|panic| {
            let asked_for = self.machines.values().any(|m| m.disk.take_expected_panic());
            if !asked_for {
                self.witness.broken("no_panic", panic);
            }
            asked_for
        }) && self.witness.violation().is_none()
    }

    fn set_stage(&mut self) -> bool {
        for machine in self.machines.values_mut() {
            if let Err(reason) = machine.start(0) {
                self.witness.broken("machine", reason);
                return false;
            }
        }
        let mut rehearsal = rehearsal::Rehearsal::new(self.stage.catalogue(), &self.shows);
        while !rehearsal.is_over() {
            if !self.step() {
                return false;
            }
            rehearsal.step(self.now_ms, &self.machines);
            if self.now_ms > SET_UP_MS {
                let what = format!("the stage is not set: {rehearsal:?}");
                self.witness.broken("progress", what);
                return false;
            }
        }
        self.witness.note("the stage is set");
        true
    }

    fn step_with_clients(&mut self) -> bool {
        if !self.step() {
            return false;
        }
        self.readers
            .step(self.now_ms, &self.machines, &self.clients, &self.witness);
        self.clients
            .step(self.now_ms, &self.machines, &self.witness);
        self.witness.violation().is_none()
    }

    fn be_harmed(&mut self) -> bool {
        let until_ms = self.now_ms + self.safety_ms;
        while self.now_ms < until_ms {
            let now_ms = self.now_ms;
            let (nemesis, mut victims) = self.victims();
            nemesis.step(now_ms, &mut victims);
            if !self.step_with_clients() {
                return false;
            }
        }
        let now_ms = self.now_ms;
        let (nemesis, mut victims) = self.victims();
        nemesis.heal(now_ms, &mut victims);
        self.witness.note("healed");
        true
    }

    /// A machine that could not start while its disk was full, or whose log has failed, is started now.
    fn revive(&mut self) {
        let now_ms = self.now_ms;
        for machine in self.machines.values_mut() {
            let failed = machine
                .host()
                .is_some_and(|host| host.disk_failure().is_some());
            if failed {
                machine.kill(true);
            }
            if !machine.runs()
                && let Err(reason) = machine.start(now_ms)
            {
                self.witness.broken("machine", reason);
            }
        }
    }

    fn recover(&mut self) -> bool {
        let healed_ms = self.now_ms;
        loop {
            self.revive();
            if !self.step_with_clients() {
                return false;
            }
            let groups = self.shows.iter().map(|show| GroupId::new(show.get()));
            let waiting: Vec<GroupId> = groups
                .filter(|group| !self.clients.has_written_since(*group, healed_ms))
                .collect();
            if waiting.is_empty() {
                return true;
            }
            if self.now_ms > healed_ms + PROGRESS_MS {
                let what = format!("no write within {PROGRESS_MS} ms after healing: {waiting:?}");
                self.witness.broken("progress", what);
                return false;
            }
        }
    }

    /// What is unfinished of membership changes, as the directory's leader sees it; `None` = nothing.
    fn unfinished(&self) -> Option<String> {
        let of_leader = |machine: &Machine| machine.inside(doors::unfinished).flatten();
        let found = self.machines.values().find_map(of_leader);
        found.unwrap_or_else(|| Some("the directory has no leader".to_owned()))
    }

    /// Changes that faults interrupted are taken up again and carried out, while the buyers go on.
    fn finish_changes(&mut self) -> bool {
        let healed_ms = self.now_ms;
        while let Some(unfinished) = self.unfinished() {
            self.revive();
            if !self.step_with_clients() {
                return false;
            }
            if self.now_ms > healed_ms + FINISH_MS {
                let what = format!("after {FINISH_MS} ms without faults: {unfinished}");
                self.witness.broken("changes_finish", what);
                return false;
            }
        }
        true
    }

    /// The groups that a machine keeps a replica of, as the directory says.
    fn groups_of(&self, machine: &Machine) -> Vec<GroupId> {
        let here = |show: &&ShowId| {
            let given = machine.inside(|host| {
                let (has, _) = host.directory().read(|directory| {
                    let record = directory.shows().get(show);
                    record.is_some_and(|record| record.has_replica(machine.node))
                });
                has
            });
            given == Some(true)
        };
        let shows = self.shows.iter().filter(here);
        std::iter::once(GroupId::DIRECTORY)
            .chain(shows.map(|show| GroupId::new(show.get())))
            .collect()
    }

    fn positions(&self) -> Option<BTreeMap<(GroupId, NodeId), (u64, u64)>> {
        let mut positions = BTreeMap::new();
        for machine in self.machines.values() {
            for group in self.groups_of(machine) {
                let position = machine.inside(|host| doors::position(host, group))??;
                positions.insert((group, machine.node), position);
            }
        }
        Some(positions)
    }

    /// Opens every replica that is not in memory, so that its state can be looked at.
    fn open_all(&self) {
        for machine in self.machines.values() {
            let Some(host) = machine.host().cloned() else {
                continue;
            };
            let shows = self.shows.clone();
            machine.spawn(async move {
                for show in shows {
                    drop(doors::show(&host, show).await);
                }
            });
        }
    }

    fn settle(&mut self) -> bool {
        self.clients.paused = true;
        let paused_ms = self.now_ms;
        loop {
            if (self.now_ms - paused_ms).is_multiple_of(500) {
                self.open_all();
            }
            if !self.step_with_clients() {
                return false;
            }
            if self.now_ms.is_multiple_of(100)
                && let Some(positions) = self.positions()
                && are_level(&positions)
            {
                self.clients.forget_operations();
                return self.judge_end(&positions);
            }
            if self.now_ms > paused_ms + SETTLE_MS {
                let what = format!(
                    "replicas are not level within {SETTLE_MS} ms: {:?}",
                    self.positions()
                );
                self.witness.broken("progress", what);
                return false;
            }
        }
    }

    fn judge_end(&mut self, positions: &BTreeMap<(GroupId, NodeId), (u64, u64)>) -> bool {
        for ((group, node), (index, state_hash)) in positions {
            self.witness.tell(&Fact::Settled {
                node: *node,
                group: *group,
                index: *index,
                state_hash: *state_hash,
            });
        }
        for (group, node) in positions.keys() {
            let known = self.machines.get(node).and_then(|machine| {
                let members = machine.inside(|host| doors::members(host, *group));
                members.flatten()
            });
            if let Some((knows, wanted)) = known {
                self.witness.tell(&Fact::Member {
                    node: *node,
                    group: *group,
                    knows,
                    wanted,
                });
            }
        }
        self.witness.note(&format!("settled {positions:?}"));
        self.witness.violation().is_none()
    }
}

/// Whether all replicas of each group are at the same index.
fn are_level(positions: &BTreeMap<(GroupId, NodeId), (u64, u64)>) -> bool {
    let mut level: BTreeMap<GroupId, u64> = BTreeMap::new();
    positions
        .iter()
        .all(|((group, _), (index, _))| level.entry(*group).or_insert(*index) == index)
}
