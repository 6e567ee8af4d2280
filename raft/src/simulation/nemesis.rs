//! The nemesis: begins faults, lets several run at once, ends them.
//!
//! Owns: which fault comes when, for how long. Must never: look at what the invariants say.

mod members;
mod partition;

use std::collections::{BTreeMap, BTreeSet};

use holdfast_inventory::ids::ShowId;
use holdfast_region_config::NodeId;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::disk::Health;
use super::doors;
use super::machine::Machine;
use super::network::{Network, Weather};
use super::witness::Witness;

/// A machine whose disk has failed, or whose process could not start, is restarted after this long, ms.
const OPERATOR_MS: u64 = 3_000;
/// A failed disk is noticed after about so long, ms.
const NOTICE_MS: u32 = 1_500;

/// What goes on until it is ended.
#[derive(Debug, Clone)]
enum Fault {
    /// The machine is off.
    Down(NodeId),
    /// These directions let nothing through.
    Cut(BTreeSet<(NodeId, NodeId)>),
    /// These directions are slower by up to so much, ms.
    Jitter(BTreeMap<(NodeId, NodeId), u64>),
    /// Sessions overtake each other.
    Reorder,
    /// Calls arrive twice.
    Duplicate,
    /// The disk is slow or full.
    Disk(NodeId),
}

struct Active {
    ends_ms: u64,
    fault: Fault,
}

/// What the nemesis works on.
pub(super) struct Victims<'a> {
    pub(super) machines: &'a mut BTreeMap<NodeId, Machine>,
    pub(super) network: &'a Network,
    pub(super) shows: &'a [ShowId],
    pub(super) witness: &'a Witness,
}

/// See the module's head.
pub(super) struct Nemesis {
    random: StdRng,
    nodes: Vec<NodeId>,
    active: Vec<Active>,
    next_ms: u64,
    /// How many faults of each kind there were.
    pub(super) injected: BTreeMap<&'static str, u64>,
}

impl Nemesis {
    pub(super) fn new(seed: u64, nodes: &[NodeId]) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            nodes: nodes.to_vec(),
            active: Vec::new(),
            next_ms: 0,
            injected: BTreeMap::new(),
        }
    }

    pub(super) fn step(&mut self, now_ms: u64, victims: &mut Victims<'_>) {
        let ended: Vec<Active> = self
            .active
            .extract_if(.., |active| active.ends_ms <= now_ms)
            .collect();
        for active in ended {
            self.end(active.fault, now_ms, victims);
        }
        self.restart_failed(now_ms, victims);
        if now_ms >= self.next_ms {
            self.next_ms = now_ms + self.random.random_range(100..2_500);
            self.begin(now_ms, victims);
        }
    }

    /// Ends everything at once.
    pub(super) fn heal(&mut self, now_ms: u64, victims: &mut Victims<'_>) {
        for active in std::mem::take(&mut self.active) {
            self.end(active.fault, now_ms, victims);
        }
        for machine in victims.machines.values_mut() {
            machine.disk.set_health(Health::Sound);
        }
    }

    /// Machines that cannot go on are restarted, as an operator or a supervisor would.
    pub(super) fn restart_failed(&mut self, now_ms: u64, victims: &mut Victims<'_>) {
        for machine in victims.machines.values_mut() {
            let failed = machine
                .host()
                .is_some_and(|host| host.disk_failure().is_some());
            // Some node gets over it by itself before anybody looks.
            let noticed = failed && self.random.random_ratio(1, NOTICE_MS);
            if (noticed || !machine.runs()) && !self.is_down(machine.node) {
                machine.kill(true);
                victims
                    .witness
                    .note(&format!("{} is restarted for its disk", machine.node));
                self.active.push(Active {
                    ends_ms: now_ms + OPERATOR_MS,
                    fault: Fault::Down(machine.node),
                });
            }
        }
    }

    fn is_down(&self, node: NodeId) -> bool {
        let down = |active: &Active| matches!(active.fault, Fault::Down(at) if at == node);
        self.active.iter().any(down)
    }

    fn node(&mut self) -> NodeId {
        let node = self.nodes.choose(&mut self.random);
        node.copied().unwrap_or(NodeId::new(1))
    }

    fn pair(&mut self) -> (NodeId, NodeId) {
        let mut pair = self.nodes.choose_multiple(&mut self.random, 2).copied();
        let first = pair.next().unwrap_or(NodeId::new(1));
        (first, pair.next().unwrap_or(first))
    }

    /// A machine that leads something, if one does.
    fn leader(&mut self, victims: &Victims<'_>) -> Option<NodeId> {
        let leads = |machine: &&Machine| {
            let led = machine.inside(|host| {
                let shows = victims.shows.iter();
                let mut loaded = shows.filter_map(|show| doors::loaded_show(host, *show));
                loaded.any(|show| show.leadership().borrow().leads)
            });
            led == Some(true)
        };
        let leaders: Vec<NodeId> = victims
            .machines
            .values()
            .filter(leads)
            .map(|machine| machine.node)
            .collect();
        leaders.choose(&mut self.random).copied()
    }

    fn begin(&mut self, now_ms: u64, victims: &mut Victims<'_>) {
        let lasts_ms = self.random.random_range(100..6_000);
        let ends_ms = now_ms + lasts_ms;
        match self.random.random_range(0..115) {
            0..16 => {
                let node = self.node();
                self.kill(node, ends_ms, victims, "kill");
            }
            16..22 => {
                if let Some(node) = self.leader(victims) {
                    self.kill(node, ends_ms, victims, "kill of a leader");
                }
            }
            22..25 => {
                for node in self.nodes.clone() {
                    let ends_ms = now_ms + self.random.random_range(50..1_500);
                    self.kill(node, ends_ms, victims, "kill of all");
                }
            }
            25..50 => self.partition(ends_ms, victims),
            50..58 => {
                let nodes = self.nodes.clone();
                let pairs = nodes.iter().flat_map(|a| nodes.iter().map(|b| (*a, *b)));
                let slower = pairs
                    .filter(|_| self.random.random_bool(0.4))
                    .collect::<Vec<_>>();
                let by_ms = self.random.random_range(10..600);
                let jitter = slower.into_iter().map(|pair| (pair, by_ms)).collect();
                self.launch("delay", ends_ms, Fault::Jitter(jitter), victims);
            }
            58..62 => self.launch("reordering", ends_ms, Fault::Reorder, victims),
            62..66 => self.launch("duplication", ends_ms, Fault::Duplicate, victims),
            66..74 => {
                let (one, other) = self.pair();
                self.count("broken connection", victims, &format!("{one} {other}"));
                victims.network.break_connections(one, other);
            }
            74..80 => {
                let node = self.node();
                let up_to_ms = self.random.random_range(20..1_500);
                self.disk("slow disk", node, Health::Slow(up_to_ms), ends_ms, victims);
            }
            80..84 => {
                let node = self.node();
                self.disk("full disk", node, Health::Full, ends_ms, victims);
            }
            84..87 => {
                let node = self.node();
                self.disk(
                    "failed fsync",
                    node,
                    Health::NextSyncFails,
                    ends_ms,
                    victims,
                );
            }
            87..93 => self.stall(now_ms, victims),
            93..100 => self.transfer(victims),
            100..103 => {
                // Longer than shows wait for a node that has gone.
                let (node, for_ms) = (self.node(), self.random.random_range(6_000..14_000));
                self.kill(node, now_ms + for_ms, victims, "long kill");
            }
            _ => {
                let wish = members::change(&mut self.random, &self.nodes, victims);
                self.count("membership change", victims, &wish);
            }
        }
    }

    fn count(&mut self, name: &'static str, victims: &Victims<'_>, what: &str) {
        *self.injected.entry(name).or_default() += 1;
        victims.witness.note(&format!("{name}: {what}"));
    }

    fn launch(&mut self, name: &'static str, ends_ms: u64, fault: Fault, victims: &Victims<'_>) {
        self.count(name, victims, &format!("until {ends_ms} {fault:?}"));
        self.active.push(Active { ends_ms, fault });
        self.set_weather(victims);
    }

    fn set_weather(&self, victims: &Victims<'_>) {
        let mut weather = Weather::default();
        for active in &self.active {
            match &active.fault {
                Fault::Cut(pairs) => weather.cut.extend(pairs),
                Fault::Jitter(jitter) => weather.jitter_ms.extend(jitter),
                Fault::Reorder => weather.reorder = true,
                Fault::Duplicate => weather.duplicate_permille = 200,
                Fault::Down(_) | Fault::Disk(_) => {}
            }
        }
        victims.network.set_weather(weather);
    }

    fn kill(&mut self, node: NodeId, ends_ms: u64, victims: &mut Victims<'_>, name: &'static str) {
        if self.is_down(node) {
            return;
        }
        let loud = self.random.random_bool(0.5);
        if let Some(machine) = victims.machines.get_mut(&node) {
            machine.kill(loud);
        }
        self.launch(name, ends_ms, Fault::Down(node), victims);
    }

    fn partition(&mut self, ends_ms: u64, victims: &mut Victims<'_>) {
        let leader = self.leader(victims);
        let (name, cut) = partition::draw(&mut self.random, &self.nodes, leader);
        self.launch(name, ends_ms, Fault::Cut(cut), victims);
    }

    fn disk(
        &mut self,
        name: &'static str,
        node: NodeId,
        health: Health,
        ends_ms: u64,
        victims: &mut Victims<'_>,
    ) {
        if let Some(machine) = victims.machines.get(&node) {
            machine.disk.set_health(health);
        }
        self.launch(name, ends_ms, Fault::Disk(node), victims);
    }

    /// A process gets no CPU for a while: a paused virtual machine, a stopped process.
    fn stall(&mut self, now_ms: u64, victims: &mut Victims<'_>) {
        let node = self.node();
        let for_ms = self.random.random_range(200..4_000);
        self.count(
            "stalled process",
            victims,
            &format!("{node} for {for_ms} ms"),
        );
        if let Some(machine) = victims.machines.get_mut(&node)
            && machine.runs()
        {
            machine.stalled_until_ms = now_ms + for_ms;
        }
    }

    fn transfer(&mut self, victims: &mut Victims<'_>) {
        let Some(node) = self.leader(victims) else {
            return;
        };
        let target = self.node();
        let show = victims.shows.choose(&mut self.random).copied();
        let (Some(machine), Some(show)) = (victims.machines.get(&node), show) else {
            return;
        };
        let group = machine
            .inside(|host| doors::loaded_show(host, show))
            .flatten();
        if let Some(group) = group {
            self.count(
                "leadership transfer",
                victims,
                &format!("{show} {node} to {target}"),
            );
            machine.spawn(async move {
                // Refused when the target is not ready: then nothing has happened.
                let _ = group.transfer_leader(target).await;
            });
        }
    }

    fn end(&mut self, fault: Fault, now_ms: u64, victims: &mut Victims<'_>) {
        victims.witness.note(&format!("over: {fault:?}"));
        match fault {
            Fault::Down(node) => {
                if let Some(machine) = victims.machines.get_mut(&node)
                    && let Err(reason) = machine.start(now_ms)
                {
                    victims.witness.broken("machine", reason);
                }
            }
            Fault::Disk(node) => {
                if let Some(machine) = victims.machines.get(&node) {
                    machine.disk.set_health(Health::Sound);
                }
            }
            Fault::Cut(pairs) => {
                // After a long cut some connections have been given up by the systems at both ends.
                if self.random.random_bool(0.5) {
                    for (one, other) in pairs {
                        victims.network.break_connections(one, other);
                    }
                }
            }
            Fault::Jitter(_) | Fault::Reorder | Fault::Duplicate => {}
        }
        self.set_weather(victims);
    }
}
