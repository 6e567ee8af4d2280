//! What a simulated world looks like: machines, distances, shows and their replicas.
//!
//! Owns: the draw of it from the seed. Must never: draw anything after the world has begun to move.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_inventory::ids::CategoryNo;
use holdfast_inventory::show::{Area, SaleRules, SingleSeatRule};
use holdfast_region_config::{NodeId, Topology};
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use crate::IdleOptions;
use crate::directory::{DirectoryCommand, NewPlan, NewShow, sample};

/// Numbered seats of every show; few, so that buyers meet.
pub(super) const SEATS: u32 = 24;
/// Places of the area without numbers.
const AREA_PLACES: u32 = 60;

/// What a machine does by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Habits {
    pub(super) idle: IdleOptions,
    /// Shows leave a node that is silent for so long; zero = never.
    pub(super) replace_after: Duration,
}

impl Habits {
    fn draw(random: &mut StdRng) -> Self {
        let mut up_to_ms = |range| Duration::from_millis(random.random_range(range));
        // Shows whose buyers rest for a moment fall asleep, and leave memory, within a run.
        let idle = IdleOptions {
            hibernate_after: up_to_ms(300..3_000),
            unload_after: up_to_ms(300..3_000),
            ..IdleOptions::default()
        };
        let replace_after = up_to_ms(1_500..4_000);
        let replaces = random.random_bool(0.5);
        Self {
            idle,
            replace_after: if replaces {
                replace_after
            } else {
                Duration::ZERO
            },
        }
    }
}

/// See the module's head.
pub(super) struct Stage {
    pub(super) nodes: Vec<NodeId>,
    pub(super) topology: Topology,
    /// One-way delay of each ordered pair, ms.
    pub(super) distance_ms: BTreeMap<(NodeId, NodeId), u64>,
    pub(super) shows: u64,
    pub(super) habits: Habits,
    replicas: Vec<(Vec<NodeId>, Vec<NodeId>)>,
}

impl Stage {
    pub(super) fn draw(random: &mut StdRng) -> Result<Self, String> {
        let nodes: Vec<NodeId> = (1..=random.random_range(3..=5)).map(NodeId::new).collect();
        // Near each other or an ocean apart.
        let rtt_max_ms = if random.random_bool(0.5) { 12 } else { 120 };
        let mut rtt_ms = BTreeMap::new();
        for (n, a) in nodes.iter().enumerate() {
            for b in &nodes[n + 1..] {
                rtt_ms.insert((*a, *b), random.random_range(2..=rtt_max_ms));
            }
        }
        let mut distance_ms = BTreeMap::new();
        for ((a, b), rtt_ms) in &rtt_ms {
            distance_ms.insert((*a, *b), rtt_ms / 2);
            distance_ms.insert((*b, *a), rtt_ms - rtt_ms / 2);
        }
        let topology = topology(&nodes, &rtt_ms)?;
        let shows = random.random_range(2..=3);
        let replicas = (0..shows).map(|_| replicas(&nodes, random)).collect();
        Ok(Self {
            nodes,
            topology,
            distance_ms,
            shows,
            habits: Habits::draw(random),
            replicas,
        })
    }

    /// The commands that build the catalogue, in order; each may be repeated.
    pub(super) fn catalogue(&self) -> Vec<DirectoryCommand> {
        let mut commands = vec![
            DirectoryCommand::ImportPlan(Box::new(plan())),
            DirectoryCommand::CreateEvent(sample::event()),
        ];
        for (n, (voters, learners)) in self.replicas.iter().enumerate() {
            commands.push(DirectoryCommand::CreateShow {
                show: Box::new(show(n)),
                leader_preference: voters.clone(),
                voters: voters.clone(),
                learners: learners.clone(),
            });
        }
        commands
    }
}

/// Three voters, or five where there are five machines; the others may follow.
pub(super) fn replicas(nodes: &[NodeId], random: &mut StdRng) -> (Vec<NodeId>, Vec<NodeId>) {
    let mut order = nodes.to_vec();
    order.shuffle(random);
    let voters = if order.len() == 5 && random.random_bool(0.4) {
        5
    } else {
        3
    };
    let learners = order.split_off(voters);
    (order, learners)
}

fn topology(
    nodes: &[NodeId],
    rtt_ms: &BTreeMap<(NodeId, NodeId), u64>,
) -> Result<Topology, String> {
    let mut text = "cluster = \"simulated\"\n".to_owned();
    for node in nodes {
        let n = node.get();
        text += &format!("[[region]]\nid = \"r{n}\"\nname = \"r{n}\"\nlat = 0.0\nlon = 0.0\n");
        text += &format!("[[node]]\nid = {n}\nregion = \"r{n}\"\naddr = \"127.0.0.1:{n}\"\n");
    }
    text += "[rtt]\nsource = \"drawn from the seed\"\nlocal_ms = 1.0\n";
    for a in nodes {
        text += &format!("[rtt.ms.r{}]\n", a.get());
        for b in nodes.iter().filter(|b| *b != a) {
            let ms = rtt_ms.get(&(*a.min(b), *a.max(b))).copied().unwrap_or(1);
            text += &format!("r{} = {ms}.0\n", b.get());
        }
    }
    Topology::parse(&text).map_err(|e| format!("{e:?}"))
}

fn plan() -> NewPlan {
    NewPlan {
        areas: vec![Area {
            id: "pit".to_owned(),
            name: "Pit".to_owned(),
            category: CategoryNo(0),
            capacity: AREA_PLACES,
            x: 500,
            y: 900,
        }],
        ..sample::plan("harbour", SEATS)
    }
}

fn show(n: usize) -> NewShow {
    NewShow {
        rules: SaleRules {
            single_seat: SingleSeatRule::Off,
            seats_per_buyer_max: 1_000,
            ..SaleRules::default()
        },
        ..sample::show(&format!("tides-{n}"), "r1")
    }
}
