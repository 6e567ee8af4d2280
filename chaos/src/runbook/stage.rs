//! The cluster that one page is tried on: something on sale, people who buy, the very fault, and a shell beside it.
//!
//! Owns: all of it, from start to end. Must never: judge what a command said.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::task::JoinSet;

use super::alert::Prometheus;
use super::away;
use super::front_matter::FrontMatter;
use super::host::Hosts;
use super::line;
use super::newcomer::Newcomers;
use super::page::LabStep;
use super::pressure;
use super::shell::{Ended, Shell};
use super::starved;
use crate::cluster::gateway_name;
use crate::demo::bin_dir;
use crate::fault::{FaultSpec, Running};
use crate::lab::{Lab, LabOptions};
use crate::season::{self, GridShow, Season};
use crate::workload::sale::Sale;

/// Fixes what faults and buyers choose: a page is about one situation, not about many.
const SEED: u64 = 1;
/// Rows and seats in a row of each show on sale.
const HALL: (u32, u32) = (40, 50);
/// A fault that came before the replicas were noted to be in place would be another one than the page is about.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// A page's surroundings, running.
#[derive(Debug)]
pub struct Stage {
    lab: Lab,
    hosts: Hosts,
    shell: Shell,
    front: FrontMatter,
    faults: Vec<Running>,
    rng: StdRng,
    sales: Vec<Sale>,
    people: Vec<JoinSet<()>>,
    prometheus: Option<Prometheus>,
}

impl Stage {
    /// Starts the cluster that `front` describes: in each region one show at home, `s1`, `s2`, … in the order of the
    /// regions. `pages` is the directory of the pages, with `bin` and `alerts`.
    ///
    /// # Errors
    /// What keeps the cluster from running, or a fault that names what it does not have.
    pub async fn start(
        front: &FrontMatter,
        pages: &Path,
        with_prometheus: bool,
    ) -> anyhow::Result<Self> {
        let spec = &front.lab;
        let preset = "five-regions";
        let topology = holdfast_region_config::Topology::preset(preset).context(preset)?;
        let regions = topology.regions.iter().take(spec.regions);
        let (rows, seats) = HALL;
        let shows: Vec<GridShow> = regions
            .map(|region| {
                let slug = format!("evening-{}", region.id);
                GridShow::new(&slug, region.id.as_str(), rows, seats)
            })
            .collect();
        let mut lab = Lab::start(LabOptions {
            preset,
            regions: spec.regions,
            nodes_per_region: spec.nodes_per_region,
            wan: spec.wan,
            bin_dir: Some(bin_dir()?),
            node_limits: spec.limits()?,
            dns: true,
            ..LabOptions::breakable(shows[..1].to_vec(), SEED)
        })
        .await?;
        for show in &shows[1..] {
            open_sale(&mut lab, show).await?;
        }
        in_place(&lab).await?;
        for fault in &front.fault {
            fault.check(lab.cluster.topology())?;
        }
        let dir = lab.cluster.data_dir().to_owned();
        let mut hosts = Hosts::open(&dir).await?;
        let work_dir = dir.join("work");
        std::fs::create_dir_all(&work_dir)?;
        let mut environment = hosts.environment(&dir);
        environment.extend(addresses(&lab, &spec.ask)?);
        if spec.newcomer {
            hosts.newcomers = Newcomers::set_up(&lab, preset, &work_dir)?;
            environment.extend(hosts.newcomers.variables.clone());
        }
        environment.push(path_variable(&hosts, pages)?);
        let shell = Shell {
            environment,
            work_dir,
        };
        let prometheus = match with_prometheus {
            true => Some(Prometheus::start(&lab, &pages.join("alerts")).await?),
            false => None,
        };
        let sales = (0..shows.len())
            .filter(|_| spec.buyers_per_gateway > 0)
            .map(|at| Sale::start(&lab, at, shows[at].seats(), spec.buyers_per_gateway, SEED))
            .collect();
        let onlookers = (spec.buyers_per_gateway > 0).then(|| pressure::onlookers(&lab));
        Ok(Self {
            lab,
            hosts,
            shell,
            front: front.clone(),
            faults: Vec::new(),
            rng: StdRng::seed_from_u64(SEED),
            sales,
            people: onlookers.into_iter().collect(),
            prometheus,
        })
    }

    /// Begins or ends the faults of the page; says what was hit.
    ///
    /// # Errors
    /// When a fault cannot be begun or ended.
    pub async fn carry_out(&mut self, step: LabStep) -> anyhow::Result<Vec<String>> {
        let mut said = Vec::new();
        match step {
            LabStep::Inject => {
                for fault in self.front.fault.clone() {
                    let running = fault.start(&mut self.lab, &mut self.rng).await?;
                    let report = running.report();
                    let skipped = report.skipped.as_ref();
                    anyhow::ensure!(
                        skipped.is_none(),
                        "this machine cannot have the fault: {}",
                        skipped.map_or("", String::as_str)
                    );
                    said.push(report.what.clone());
                    self.faults.push(running);
                    if let Some((prometheus, trace)) = self.prometheus.as_ref().zip(trace(&fault)) {
                        prometheus.sees(trace).await?;
                    }
                }
            }
            LabStep::Overload => {
                self.people.push(pressure::overload(&mut self.lab).await?);
                said.push("a crowd at the first gateway".to_owned());
            }
            LabStep::StallPayments => {
                self.people.push(pressure::stall_payments(&self.lab).await?);
                said.push("payments that nobody answers".to_owned());
            }
            LabStep::LeadersAway => {
                let slow = away::comes_back_too_early(&mut self.lab, &mut self.rng).await?;
                said.push(format!("leaders are asked back: {}", slow.report().what));
                self.faults.push(slow);
            }
            LabStep::StandingRoom => {
                self.people.push(line::standing_room(&self.lab).await?);
                said.push("a crowd before a paused room".to_owned());
            }
            LabStep::Starve => {
                let (throttled, people) = starved::rush(&mut self.lab, &mut self.rng).await?;
                let what = &throttled.report().what;
                said.push(format!("a rush for seats that are gone: {what}"));
                self.faults.push(throttled);
                self.people.push(people);
            }
            LabStep::Heal => {
                self.people.clear();
                for fault in self.faults.drain(..).rev() {
                    said.push(format!("healed: {}", fault.report().what));
                    fault.heal(&mut self.lab).await?;
                }
            }
        }
        Ok(said)
    }

    /// Waits until `alert` fires, when there is a Prometheus. `None` = nobody watches.
    ///
    /// # Errors
    /// When it does not, with what fires instead.
    pub async fn fires(&mut self, alert: &str) -> anyhow::Result<Option<Duration>> {
        match &mut self.prometheus {
            Some(prometheus) => prometheus.fires(alert).await.map(Some),
            None => Ok(None),
        }
    }

    /// Runs a block's commands.
    ///
    /// # Errors
    /// When they cannot be run at all.
    pub async fn run(&mut self, script: &str, timeout: Duration) -> anyhow::Result<Ended> {
        let Self {
            lab, hosts, shell, ..
        } = self;
        shell.run(script, timeout, lab, hosts).await
    }

    /// Ends everything. With `keep` the files stay, and it is said where they are.
    ///
    /// # Errors
    /// When a fault cannot be healed.
    pub async fn end(mut self, keep: bool) -> anyhow::Result<Option<String>> {
        let healed = self.carry_out(LabStep::Heal).await;
        // Buyers insist on answers; there may be nobody left to give one, and nobody asks how they fared.
        drop(self.sales);
        if let Some(prometheus) = self.prometheus.take() {
            prometheus.stop().await;
        }
        self.hosts.newcomers.end().await;
        let kept = if keep {
            self.lab.keep_files().map(|dir| dir.display().to_string())
        } else {
            None
        };
        self.lab.stop().await;
        healed?;
        Ok(kept)
    }
}

/// What a fault leaves in the metrics of a process that the next fault may end: an operator's Prometheus has seen it by then.
const fn trace(fault: &FaultSpec) -> Option<&'static str> {
    match fault {
        FaultSpec::DamagedSnapshots(_) => Some("holdfast_snapshots_damaged_total>0"),
        _ => None,
    }
}

/// Waits until all replicas of all shows are noted to be where they shall be.
async fn in_place(lab: &Lab) -> anyhow::Result<()> {
    for show in &lab.shows {
        lab.replicas_settle(show.show_id, SETTLED_WITHIN).await?;
    }
    Ok(())
}

/// One show more. They are opened one after the other, so that each page can call them by name.
async fn open_sale(lab: &mut Lab, show: &GridShow) -> anyhow::Result<()> {
    let topology = lab.cluster.topology().clone();
    let node = lab.node(topology.nodes[0].id)?;
    let season = Season::of_grids(std::slice::from_ref(show));
    let opened = season::load(&season, &node, &topology, |_| {}).await?;
    for region in &topology.regions {
        for show in &opened {
            lab.wait_on_sale(&region.id, show.show_id).await?;
        }
    }
    lab.shows.extend(opened);
    Ok(())
}

/// The lab's own stand-ins first, then the programs under test, then the pages' own tools, then what the machine has.
fn path_variable(hosts: &Hosts, pages: &Path) -> anyhow::Result<(String, String)> {
    let tools = pages.join("bin").canonicalize();
    let mut parts = vec![hosts.bin_dir.clone(), bin_dir()?];
    parts.extend(tools.ok());
    let machine = std::env::var_os("PATH").unwrap_or_default();
    parts.extend(std::env::split_paths(&machine));
    let path = std::env::join_paths(parts)?;
    Ok(("PATH".to_owned(), path.to_string_lossy().into_owned()))
}

/// `N1`, `N1_HTTP`, …, `GATEWAY_EASTUS`, …, and the node that is asked when none is named.
fn addresses(lab: &Lab, ask: &str) -> anyhow::Result<Vec<(String, String)>> {
    let mut variables = Vec::new();
    let topology = lab.cluster.topology();
    for node in &topology.nodes {
        let name = node.id.to_string();
        let variable = name.to_uppercase();
        if name == ask {
            variables.push(("HOLDFAST_NODE_ADDR".to_owned(), node.addr.clone()));
        }
        variables.push((variable.clone(), node.addr.clone()));
        let http = lab.cluster.member(&name)?.http;
        variables.push((format!("{variable}_HTTP"), format!("http://{http}")));
    }
    anyhow::ensure!(
        variables.iter().any(|(key, _)| key == "HOLDFAST_NODE_ADDR"),
        "lab.ask names {ask}, which the cluster does not have"
    );
    for region in &topology.regions {
        let variable = gateway_name(&region.id).replace('-', "_").to_uppercase();
        variables.push((variable, lab.cluster.gateway_url(&region.id)?));
    }
    if let Some(control) = lab.cluster.control_url() {
        variables.push(("NETWORK".to_owned(), control));
    }
    Ok(variables)
}
