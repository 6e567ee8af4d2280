//! Networks that do not connect everybody with everybody.
//!
//! Owns: which ways are cut. Must never: heal a way that another fault has cut.
//!
//! Shapes are over regions. One node can be cut off when every process has links of its own.

use std::time::Duration;

use anyhow::Context;
use holdfast_region_config::RegionId;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{NodeChoice, RegionChoice, Report, Running, Undo};
use crate::lab::Lab;
use crate::wan::Wan;

/// A region that hears no other region and is heard by none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IsolateRegion {
    /// Which.
    pub region: RegionChoice,
}

/// A node that hears nobody, in its own region neither, and is heard by nobody. Its process lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IsolateNode {
    /// Which.
    pub node: NodeChoice,
}

/// Two sides that do not hear each other, drawn by lot; with an odd number of regions the second side has one more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Halves {}

/// Two sides that do not hear each other, and one region, drawn by lot like the sides, that hears both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bridge {}

/// Regions in a ring, in the topology's order: each hears only as many neighbours on both sides as make a majority with
/// itself, so that no two hear the same majority. With three regions each way is heard in one direction only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MajoritiesRing {}

/// `to` no longer hears `from`; the other way stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneWay {
    /// Who is not heard.
    pub from: RegionChoice,
    /// Who does not hear.
    pub to: RegionChoice,
}

/// Both ways between two regions are cut and healed in turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flapping {
    /// One end.
    pub a: RegionChoice,
    /// The other.
    pub b: RegionChoice,
    /// Mean time that the way stays cut, and that it stays whole, ms: each time is drawn between half and one and a half of it.
    #[serde(default = "Flapping::period_ms_default")]
    pub period_ms: u64,
}

/// Ways that one fault has cut: those that were not cut before.
#[derive(Debug)]
pub(crate) struct Cuts {
    wan: Wan,
    ways: Vec<(RegionId, RegionId)>,
}

/// A process that one fault has cut off.
#[derive(Debug)]
pub(crate) struct Apart {
    wan: Wan,
    /// `None` when it was cut off already.
    process: Option<String>,
}

/// A task that cuts and heals.
#[derive(Debug)]
pub(crate) struct Flaps {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Cuts {
    fn new(lab: &Lab, ways: Vec<(RegionId, RegionId)>) -> anyhow::Result<Self> {
        Ok(Self::of(network(lab)?, ways))
    }

    fn of(wan: &Wan, mut ways: Vec<(RegionId, RegionId)>) -> Self {
        let before = wan.partitions();
        ways.retain(|(from, to)| !before.is_cut(from, to));
        for (from, to) in &ways {
            wan.cut_one_way(from, to);
        }
        Self {
            wan: wan.clone(),
            ways,
        }
    }

    pub(super) fn heal(self) {
        for (from, to) in &self.ways {
            self.wan.heal_one_way(from, to);
        }
    }
}

impl Apart {
    pub(super) fn rejoin(self) {
        if let Some(process) = &self.process {
            self.wan.rejoin_process(process);
        }
    }
}

impl Flaps {
    pub(super) async fn end(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "a flapping link ended badly");
        }
    }
}

pub(super) fn network(lab: &Lab) -> anyhow::Result<&Wan> {
    let wan = lab.cluster.wan();
    wan.context("this fault needs the emulated network, and the lab was started without one")
}

fn regions(lab: &Lab) -> Vec<RegionId> {
    let regions = lab.cluster.topology().regions.iter();
    regions.map(|region| region.id.clone()).collect()
}

/// Both ways between everybody on one side and everybody on the other.
fn between(left: &[RegionId], right: &[RegionId]) -> Vec<(RegionId, RegionId)> {
    let pairs = left
        .iter()
        .flat_map(|a| right.iter().map(move |b| (a.clone(), b.clone())));
    pairs
        .flat_map(|(a, b)| [(a.clone(), b.clone()), (b, a)])
        .collect()
}

fn joined(regions: &[RegionId]) -> String {
    let names: Vec<&str> = regions.iter().map(RegionId::as_str).collect();
    names.join("+")
}

fn running(
    lab: &Lab,
    ways: Vec<(RegionId, RegionId)>,
    touched: &[RegionId],
    what: String,
) -> anyhow::Result<Running> {
    let cuts = Cuts::new(lab, ways)?;
    let report = Report::regions(lab, touched, what);
    Ok(Running::new(report, Undo::Cuts(cuts)))
}

impl IsolateRegion {
    pub(super) fn describe(&self) -> String {
        format!("isolate {}", self.region.describe())
    }

    pub(super) async fn start(&self, lab: &Lab, rng: &mut StdRng) -> anyhow::Result<Running> {
        let region = self.region.resolve(lab, rng).await?;
        let mut others = regions(lab);
        others.retain(|other| *other != region);
        let ways = between(std::slice::from_ref(&region), &others);
        let what = format!("{region} isolated");
        running(lab, ways, &[region], what)
    }
}

impl IsolateNode {
    pub(super) fn describe(&self) -> String {
        format!("isolate {}", self.node.describe())
    }

    pub(super) async fn start(&self, lab: &Lab, rng: &mut StdRng) -> anyhow::Result<Running> {
        let wan = network(lab)?.clone();
        let node = self.node.resolve(lab, rng).await?;
        let process = Some(node.to_string()).filter(|name| !wan.partitions().is_isolated(name));
        if let Some(name) = &process {
            wan.isolate_process(name)?;
        }
        let report = Report::node(lab, node, "isolated");
        Ok(Running::new(report, Undo::Apart(Apart { wan, process })))
    }
}

/// Regions in an order drawn by lot.
fn shuffled(lab: &Lab, rng: &mut StdRng) -> Vec<RegionId> {
    let mut all = regions(lab);
    all.shuffle(rng);
    all
}

impl Halves {
    #[expect(clippy::unused_self, reason = "as every other fault")]
    pub(super) fn describe(&self) -> String {
        "split the regions into halves drawn by lot".to_owned()
    }

    #[expect(clippy::unused_self, reason = "as every other fault")]
    pub(super) fn start(&self, lab: &Lab, rng: &mut StdRng) -> anyhow::Result<Running> {
        let all = shuffled(lab, rng);
        let (left, right) = all.split_at(all.len() / 2);
        let what = format!("{} | {}", joined(left), joined(right));
        running(lab, between(left, right), &all, what)
    }
}

impl Bridge {
    #[expect(clippy::unused_self, reason = "as every other fault")]
    pub(super) fn describe(&self) -> String {
        "split the regions into halves with one between that hears both".to_owned()
    }

    #[expect(clippy::unused_self, reason = "as every other fault")]
    pub(super) fn start(&self, lab: &Lab, rng: &mut StdRng) -> anyhow::Result<Running> {
        let all = shuffled(lab, rng);
        anyhow::ensure!(all.len() >= 3, "a bridge needs three regions");
        let (bridge, sides) = all.split_at(1);
        let (left, right) = sides.split_at(sides.len() / 2);
        let what = format!("{} - {} - {}", joined(left), joined(bridge), joined(right));
        running(lab, between(left, right), &all, what)
    }
}

/// Ways to cut so that region `i` hears only itself and the next `count / 2` in the ring.
fn ring(all: &[RegionId]) -> Vec<(RegionId, RegionId)> {
    let count = all.len();
    let mut ways = Vec::new();
    for (hearer, to) in all.iter().enumerate() {
        for (speaker, from) in all.iter().enumerate() {
            let ahead = (speaker + count - hearer) % count;
            if ahead > count / 2 {
                ways.push((from.clone(), to.clone()));
            }
        }
    }
    ways
}

impl MajoritiesRing {
    #[expect(clippy::unused_self, reason = "as every other fault")]
    pub(super) fn describe(&self) -> String {
        "let every region hear a different majority, in a ring".to_owned()
    }

    #[expect(clippy::unused_self, reason = "as every other fault")]
    pub(super) fn start(&self, lab: &Lab) -> anyhow::Result<Running> {
        let all = regions(lab);
        anyhow::ensure!(all.len() >= 3, "a ring needs three regions");
        let what = format!("majorities in a ring: {}", joined(&all));
        running(lab, ring(&all), &all, what)
    }
}

/// Two different regions.
pub(super) async fn two(
    lab: &Lab,
    rng: &mut StdRng,
    first: &RegionChoice,
    second: &RegionChoice,
) -> anyhow::Result<(RegionId, RegionId)> {
    /// Enough to miss the same region by lot no more than once in a very long time.
    const DRAWS_MAX: usize = 64;
    let a = first.resolve(lab, rng).await?;
    for _ in 0..DRAWS_MAX {
        let b = second.resolve(lab, rng).await?;
        if a != b {
            return Ok((a, b));
        }
    }
    anyhow::bail!("{a} is chosen for both ends")
}

impl OneWay {
    pub(super) fn describe(&self) -> String {
        let (from, to) = (self.from.describe(), self.to.describe());
        format!("let {to} no longer hear {from}")
    }

    pub(super) async fn start(&self, lab: &Lab, rng: &mut StdRng) -> anyhow::Result<Running> {
        let (from, to) = two(lab, rng, &self.from, &self.to).await?;
        let what = format!("{to} does not hear {from}");
        let touched = [from.clone(), to.clone()];
        running(lab, vec![(from, to)], &touched, what)
    }
}

impl Flapping {
    const fn period_ms_default() -> u64 {
        1_000
    }

    pub(super) fn describe(&self) -> String {
        let (a, b) = (self.a.describe(), self.b.describe());
        format!(
            "let the way between {a} and {b} come and go every {} ms",
            self.period_ms
        )
    }

    pub(super) async fn start(&self, lab: &Lab, rng: &mut StdRng) -> anyhow::Result<Running> {
        anyhow::ensure!(self.period_ms >= 2, "period_ms: at least 2");
        let (a, b) = two(lab, rng, &self.a, &self.b).await?;
        let wan = network(lab)?.clone();
        let what = format!("{a} - {b} flapping, about {} ms each", self.period_ms);
        let report = Report::regions(lab, &[a.clone(), b.clone()], what);
        let stop = CancellationToken::new();
        let own = StdRng::seed_from_u64(rng.random());
        let ways = between(&[a], &[b]);
        let task = tokio::spawn(flap(wan, ways, self.period_ms, own, stop.clone()));
        Ok(Running::new(report, Undo::Flaps(Flaps { stop, task })))
    }
}

/// Cuts first, so that a fault that has started is on. Leaves everything whole.
async fn flap(
    wan: Wan,
    ways: Vec<(RegionId, RegionId)>,
    period_ms: u64,
    mut rng: StdRng,
    stop: CancellationToken,
) {
    let mut pause = move || {
        let ms = rng.random_range(period_ms / 2..=period_ms + period_ms / 2);
        tokio::time::sleep(Duration::from_millis(ms))
    };
    while !stop.is_cancelled() {
        let cuts = Cuts::of(&wan, ways.clone());
        let cut = stop.run_until_cancelled(pause()).await;
        cuts.heal();
        if cut.is_none() || stop.run_until_cancelled(pause()).await.is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(ids: &[&str]) -> Vec<RegionId> {
        ids.iter().map(|id| id.parse().unwrap()).collect()
    }

    #[test]
    fn in_a_ring_everybody_hears_a_majority_and_no_two_the_same() {
        for count in [3, 5, 7] {
            let names = ["a", "b", "c", "d", "e", "f", "g"];
            let all = named(&names[..count]);
            let cut = ring(&all);
            let mut majorities = std::collections::BTreeSet::new();
            for to in &all {
                let heard: Vec<_> = all
                    .iter()
                    .filter(|from| !cut.contains(&((*from).clone(), to.clone())))
                    .collect();
                assert_eq!(heard.len(), count / 2 + 1, "{to} of {count}");
                assert!(majorities.insert(heard), "{to} of {count}");
            }
        }
    }

    #[test]
    fn sides_are_cut_both_ways_and_not_inside() {
        let ways = between(&named(&["a"]), &named(&["b", "c"]));
        assert_eq!(ways.len(), 4);
        let (b, c) = ("b".parse().unwrap(), "c".parse().unwrap());
        assert!(!ways.contains(&(b, c)));
    }
}
