//! What a drill breaks, as data: each fault is a table in a drill file, has a start and a heal, and says what it hit.
//!
//! ```toml
//! [[fault]]
//! kind = "isolate-region"
//! region = "leader"        # the region that leads the first show when the fault starts
//! ```
//!
//! | file | family |
//! |---|---|
//! | [`process`] | kill -9, pause, graceful stop, restart with an empty disk, gateway gone |
//! | [`throttle`] | a gateway without processor time |
//! | [`region`] | everything of a region gone, everything everywhere gone |
//! | [`partition`] | isolated, halves, bridge, majorities in a ring, one way, flapping |
//! | [`link`] | slow, thin and lossy ways |
//! | [`disk`] | slow, full, syncs that fail |
//! | [`clock`] | off, jumping |
//! | [`rolling`], [`upgrade`] | rolling restart, upgrade from a previous release |
//! | [`load`] | load spike |
//!
//! Owns: the list of families and what they have in common. Must never: judge; that is the drill's and the checker's.
//!
//! [`Running::heal`] takes the cause away and does not wait for the effect to end: how long that takes is what a drill
//! measures. Two faults may overlap: each undoes only what it did itself.

pub mod choice;
pub mod clock;
pub mod damage;
pub mod disk;
mod door;
pub mod link;
pub mod load;
pub mod partition;
pub mod process;
pub mod region;
pub mod rolling;
pub mod throttle;
pub mod upgrade;

use std::collections::BTreeSet;

use holdfast_region_config::{NodeId, RegionId, Topology};
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

pub use choice::{NodeChoice, RegionChoice};

use crate::lab::Lab;

/// One fault as a drill file states it. `kind` chooses; the other keys are the fields of the chosen one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FaultSpec {
    /// A node's power is cut; healed, it starts again.
    Kill(process::Kill),
    /// A node stands still and does not know it; healed, it goes on.
    Pause(process::Pause),
    /// A node is asked to end; healed, it starts again.
    Stop(process::Stop),
    /// A node dies and loses its disk; healed, it starts with an empty one.
    EmptyDisk(process::EmptyDisk),
    /// A node's snapshots give back other bytes than were written.
    DamagedSnapshots(damage::DamagedSnapshots),
    /// A region's gateway dies; healed, it starts again.
    GatewayGone(process::GatewayGone),
    /// A region's gateway gets its processor in short turns only.
    GatewayThrottled(throttle::GatewayThrottled),
    /// A region dies, nodes and gateway; healed, all of it starts again.
    RegionGone(region::RegionGone),
    /// Every process dies; healed, all start again.
    EverythingGone(region::EverythingGone),
    /// A node hears nobody and is heard by nobody.
    IsolateNode(partition::IsolateNode),
    /// A region hears no other and is heard by none.
    IsolateRegion(partition::IsolateRegion),
    /// Two sides of the world that do not hear each other.
    Halves(partition::Halves),
    /// Two sides that do not hear each other, and one region that hears both.
    Bridge(partition::Bridge),
    /// Every region hears a majority, and no two hear the same one.
    MajoritiesRing(partition::MajoritiesRing),
    /// One region no longer hears another, which still hears it.
    OneWay(partition::OneWay),
    /// A way between two regions that comes and goes.
    Flapping(partition::Flapping),
    /// A way between two regions is slow, thin or lossy.
    SlowLink(link::SlowLink),
    /// A node's disk is slow.
    SlowDisk(disk::SlowDisk),
    /// A node's disk has no room.
    FullDisk(disk::FullDisk),
    /// A node's disk does not sync.
    SyncErrors(disk::SyncErrors),
    /// A node's clock is off.
    ClockSkew(clock::ClockSkew),
    /// A node's clock jumps.
    ClockJumps(clock::ClockJumps),
    /// Every process is restarted in order, one at a time.
    RollingRestart(rolling::RollingRestart),
    /// Back to the previous release and forward again, one node at a time.
    Upgrade(upgrade::Upgrade),
    /// Workloads run faster than usual.
    LoadSpike(load::LoadSpike),
}

/// What a fault can hit, as far as its text tells: for predicting a blast radius before anything runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Targets {
    /// Regions named.
    pub regions: BTreeSet<RegionId>,
    /// Nodes named, or of the regions named.
    pub nodes: BTreeSet<NodeId>,
    /// More is chosen when the fault starts: who leads then, or by lot. [`Report`] says who it was.
    pub chosen_at_start: bool,
}

/// What a fault hit once it was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// One line for the timeline: `n2 in westeurope killed`.
    pub what: String,
    /// Regions touched.
    pub regions: Vec<RegionId>,
    /// Nodes touched, by the fault itself: not those that only feel it.
    pub nodes: Vec<NodeId>,
    /// Why nothing was done, when the machine lacks what the fault needs.
    pub skipped: Option<String>,
}

/// A fault that is on.
#[derive(Debug)]
pub struct Running {
    report: Report,
    undo: Undo,
}

/// What takes the cause away.
#[derive(Debug)]
pub(crate) enum Undo {
    /// It has ended by itself.
    Nothing,
    /// These processes are down.
    Spawn(Vec<String>),
    /// These processes are stopped.
    Continue(Vec<String>),
    /// These ways are cut.
    Cuts(partition::Cuts),
    /// A task cuts and heals these ways.
    Flaps(partition::Flaps),
    /// This process is cut off.
    Apart(partition::Apart),
    /// These toxics are on links.
    Toxics(link::Toxics),
    /// These keys are in a node's fault door.
    Door(door::Opened),
    /// A task moves a clock.
    Jumps(clock::Jumps),
    /// A thread stops a process and lets it go on.
    Turns(throttle::Turns),
}

impl FaultSpec {
    /// Whether the topology has what the fault names, so that a drill is refused before it breaks anything.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn check(&self, topology: &Topology) -> anyhow::Result<()> {
        let targets = self.targets(topology);
        for region in &targets.regions {
            anyhow::ensure!(
                topology.region(region).is_some(),
                "{}: there is no region {region}",
                self.describe()
            );
        }
        for &node in &targets.nodes {
            anyhow::ensure!(
                topology.node(node).is_some(),
                "{}: there is no node {node}",
                self.describe()
            );
        }
        match self {
            Self::LoadSpike(fault) => fault.check(),
            Self::SlowLink(fault) => fault.check(),
            Self::SlowDisk(fault) => fault.check(),
            Self::ClockJumps(fault) => fault.check(),
            Self::GatewayThrottled(fault) => fault.check(),
            _ => Ok(()),
        }
    }

    /// How many times their usual clients workloads have while this fault is on; `None` when it does not change that.
    #[must_use]
    pub const fn load_factor(&self) -> Option<f64> {
        match self {
            Self::LoadSpike(fault) => Some(fault.factor),
            _ => None,
        }
    }

    /// Whether all nodes and the gateway of a region are gone while it is on.
    #[must_use]
    pub const fn takes_region(&self) -> bool {
        matches!(self, Self::RegionGone(_))
    }

    /// In words, with what is chosen at the start still open: `kill the leader of show 1`.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Kill(fault) => fault.describe(),
            Self::Pause(fault) => fault.describe(),
            Self::Stop(fault) => fault.describe(),
            Self::EmptyDisk(fault) => fault.describe(),
            Self::DamagedSnapshots(fault) => fault.describe(),
            Self::GatewayGone(fault) => fault.describe(),
            Self::GatewayThrottled(fault) => fault.describe(),
            Self::RegionGone(fault) => fault.describe(),
            Self::EverythingGone(fault) => fault.describe(),
            Self::IsolateNode(fault) => fault.describe(),
            Self::IsolateRegion(fault) => fault.describe(),
            Self::Halves(fault) => fault.describe(),
            Self::Bridge(fault) => fault.describe(),
            Self::MajoritiesRing(fault) => fault.describe(),
            Self::OneWay(fault) => fault.describe(),
            Self::Flapping(fault) => fault.describe(),
            Self::SlowLink(fault) => fault.describe(),
            Self::SlowDisk(fault) => fault.describe(),
            Self::FullDisk(fault) => fault.describe(),
            Self::SyncErrors(fault) => fault.describe(),
            Self::ClockSkew(fault) => fault.describe(),
            Self::ClockJumps(fault) => fault.describe(),
            Self::RollingRestart(fault) => fault.describe(),
            Self::Upgrade(fault) => fault.describe(),
            Self::LoadSpike(fault) => fault.describe(),
        }
    }

    /// What it can hit, as far as its text tells.
    #[must_use]
    pub fn targets(&self, topology: &Topology) -> Targets {
        match self {
            Self::Kill(process::Kill { node })
            | Self::Pause(process::Pause { node })
            | Self::Stop(process::Stop { node })
            | Self::EmptyDisk(process::EmptyDisk { node })
            | Self::DamagedSnapshots(damage::DamagedSnapshots { node })
            | Self::IsolateNode(partition::IsolateNode { node })
            | Self::SlowDisk(disk::SlowDisk { node, .. })
            | Self::FullDisk(disk::FullDisk { node, .. })
            | Self::SyncErrors(disk::SyncErrors { node })
            | Self::ClockSkew(clock::ClockSkew { node, .. })
            | Self::ClockJumps(clock::ClockJumps { node, .. }) => Targets::of_node(node, topology),
            Self::GatewayGone(process::GatewayGone { region })
            | Self::GatewayThrottled(throttle::GatewayThrottled { region, .. }) => {
                Targets::of_gateway(region)
            }
            Self::RegionGone(region::RegionGone { region })
            | Self::IsolateRegion(partition::IsolateRegion { region }) => {
                Targets::of_regions([region], topology)
            }
            Self::OneWay(partition::OneWay { from, to }) => {
                Targets::of_regions([from, to], topology)
            }
            Self::SlowLink(fault) => Targets::of_regions([&fault.from, &fault.to], topology),
            Self::Flapping(fault) => Targets::of_regions([&fault.a, &fault.b], topology),
            Self::EverythingGone(_)
            | Self::MajoritiesRing(_)
            | Self::RollingRestart(_)
            | Self::Upgrade(_) => Targets::all(topology),
            Self::LoadSpike(_) => Targets::default(),
            Self::Halves(_) | Self::Bridge(_) => Targets {
                chosen_at_start: true,
                ..Targets::all(topology)
            },
        }
    }

    /// Breaks it. Returns once the fault is fully on.
    ///
    /// # Errors
    /// When nobody fits the choice, or the fault needs an emulated network and there is none. Nothing is broken then.
    pub async fn start(&self, lab: &mut Lab, rng: &mut StdRng) -> anyhow::Result<Running> {
        match self {
            Self::Kill(fault) => fault.start(lab, rng).await,
            Self::Pause(fault) => fault.start(lab, rng).await,
            Self::Stop(fault) => fault.start(lab, rng).await,
            Self::EmptyDisk(fault) => fault.start(lab, rng).await,
            Self::DamagedSnapshots(fault) => fault.start(lab, rng).await,
            Self::GatewayGone(fault) => fault.start(lab, rng).await,
            Self::GatewayThrottled(fault) => fault.start(lab, rng).await,
            Self::RegionGone(fault) => fault.start(lab, rng).await,
            Self::EverythingGone(fault) => fault.start(lab).await,
            Self::IsolateNode(fault) => fault.start(lab, rng).await,
            Self::IsolateRegion(fault) => fault.start(lab, rng).await,
            Self::Halves(fault) => fault.start(lab, rng),
            Self::Bridge(fault) => fault.start(lab, rng),
            Self::MajoritiesRing(fault) => fault.start(lab),
            Self::OneWay(fault) => fault.start(lab, rng).await,
            Self::Flapping(fault) => fault.start(lab, rng).await,
            Self::SlowLink(fault) => fault.start(lab, rng).await,
            Self::SlowDisk(fault) => fault.start(lab, rng).await,
            Self::FullDisk(fault) => fault.start(lab, rng).await,
            Self::SyncErrors(fault) => fault.start(lab, rng).await,
            Self::ClockSkew(fault) => fault.start(lab, rng).await,
            Self::ClockJumps(fault) => fault.start(lab, rng).await,
            Self::RollingRestart(fault) => fault.start(lab, rng).await,
            Self::Upgrade(fault) => fault.start(lab, rng).await,
            Self::LoadSpike(fault) => fault.start(),
        }
    }
}

impl Running {
    pub(crate) const fn new(report: Report, undo: Undo) -> Self {
        Self { report, undo }
    }

    /// What it hit.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// Takes the cause away: processes are started again (and not waited for), cuts are healed, doors are shut.
    ///
    /// # Errors
    /// When the system refuses to start a process.
    pub async fn heal(self, lab: &mut Lab) -> anyhow::Result<()> {
        match self.undo {
            Undo::Nothing => {}
            Undo::Spawn(names) => process::spawn_all(lab, &names)?,
            Undo::Continue(names) => process::continue_all(lab, &names)?,
            Undo::Cuts(cuts) => cuts.heal(),
            Undo::Flaps(flaps) => flaps.end().await,
            Undo::Apart(apart) => apart.rejoin(),
            Undo::Toxics(toxics) => toxics.remove(),
            Undo::Door(opened) => opened.shut().await?,
            Undo::Jumps(jumps) => jumps.end().await?,
            Undo::Turns(turns) => turns.end().await,
        }
        Ok(())
    }
}

impl Targets {
    fn of_node(choice: &NodeChoice, topology: &Topology) -> Self {
        let NodeChoice::Named(node) = choice else {
            return Self::open();
        };
        Self {
            regions: topology.region_of(*node).cloned().into_iter().collect(),
            nodes: BTreeSet::from([*node]),
            chosen_at_start: false,
        }
    }

    fn of_gateway(choice: &RegionChoice) -> Self {
        match choice {
            RegionChoice::Named(region) => Self {
                regions: BTreeSet::from([region.clone()]),
                ..Self::default()
            },
            _ => Self::open(),
        }
    }

    fn of_regions<'a>(
        choices: impl IntoIterator<Item = &'a RegionChoice>,
        topology: &Topology,
    ) -> Self {
        let mut targets = Self::default();
        for choice in choices {
            if let RegionChoice::Named(region) = choice {
                targets.regions.insert(region.clone());
                let nodes = topology.nodes_in(region).map(|node| node.id);
                targets.nodes.extend(nodes);
            } else {
                targets.chosen_at_start = true;
            }
        }
        targets
    }

    fn all(topology: &Topology) -> Self {
        Self {
            regions: topology.regions.iter().map(|r| r.id.clone()).collect(),
            nodes: topology.nodes.iter().map(|node| node.id).collect(),
            chosen_at_start: false,
        }
    }

    fn open() -> Self {
        Self {
            chosen_at_start: true,
            ..Self::default()
        }
    }
}

impl Report {
    /// Of one node.
    pub(crate) fn node(lab: &Lab, node: NodeId, what: &str) -> Self {
        let region = lab.cluster.topology().region_of(node).cloned();
        let place = region.as_ref().map_or("nowhere", RegionId::as_str);
        Self {
            what: format!("{node} in {place} {what}"),
            regions: region.into_iter().collect(),
            nodes: vec![node],
            skipped: None,
        }
    }

    /// Of regions and all their nodes.
    pub(crate) fn regions(lab: &Lab, regions: &[RegionId], what: String) -> Self {
        let topology = lab.cluster.topology();
        let nodes = topology
            .nodes
            .iter()
            .filter(|node| regions.contains(&node.region));
        Self {
            what,
            nodes: nodes.map(|node| node.id).collect(),
            regions: regions.to_vec(),
            skipped: None,
        }
    }
}

#[cfg(test)]
mod tests;
