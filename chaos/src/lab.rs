//! A cluster for one test or one benchmark: in a directory of its own, with shows of its own, gone afterwards.
//!
//! Owns: building the sibling binaries once, and the directory. Must never: be used by the demo.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context;
use holdfast_node_api::client::{ClientOptions, NodeClient};
use holdfast_node_api::refs::ShowRef;
use holdfast_node_api::v1::{
    ShowReplicasReply, ShowReplicasRequest, ShowStatusReply, ShowStatusRequest,
};
use holdfast_region_config::{NodeId, RegionId, Topology};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::buyer::{self, Buyer};
use crate::cluster::{Cluster, ClusterOptions, Diallers};
use crate::operator::operate;
use crate::season::{self, GridShow, LoadedShow, Season};

/// Time between two looks at a process; it has no other way to tell.
const POLL: Duration = Duration::from_millis(100);

/// What to set up.
#[derive(Debug)]
pub struct LabOptions {
    /// The built-in topology that the regions are taken from.
    pub preset: &'static str,
    /// Regions and nodes as they are, instead of the built-in topology.
    pub topology: Option<Topology>,
    /// Fixes what the network draws.
    pub seed: u64,
    /// How many of its regions, from the first on.
    pub regions: usize,
    /// Nodes in each, at least 1.
    pub nodes_per_region: u16,
    /// Whether ways between regions take their round trip.
    pub wan: bool,
    /// Who has links of its own in that network; [`Diallers::Processes`] lets one node be cut off.
    pub diallers: Diallers,
    /// Whether nodes have a fault door, for faults of their disks and clocks.
    pub fault_doors: bool,
    /// What is on sale.
    pub shows: Vec<GridShow>,
    /// Where the binaries are; `None` builds them (debug).
    pub bin_dir: Option<PathBuf>,
    /// Keys of the nodes' `[limits]` that differ from their defaults.
    pub node_limits: Vec<(&'static str, u32)>,
    /// The same for gateways.
    pub gateway_limits: Vec<(&'static str, u32)>,
    /// Whether gateways answer DNS.
    pub dns: bool,
    /// Nodes that join later: see [`ClusterOptions::held_back`].
    pub held_back: Vec<NodeId>,
}

impl LabOptions {
    /// Three regions with one node each, without the network's delays.
    #[must_use]
    pub const fn trio(shows: Vec<GridShow>) -> Self {
        Self {
            preset: "five-regions",
            topology: None,
            seed: 1,
            regions: 3,
            nodes_per_region: 1,
            wan: false,
            diallers: Diallers::Regions,
            fault_doors: false,
            shows,
            bin_dir: None,
            node_limits: Vec::new(),
            gateway_limits: Vec::new(),
            dns: false,
            held_back: Vec::new(),
        }
    }

    /// The same with the network's delays.
    #[must_use]
    pub fn wide(shows: Vec<GridShow>) -> Self {
        Self {
            wan: true,
            ..Self::trio(shows)
        }
    }

    /// The same with everything that faults need: links of its own for every process, and fault doors.
    #[must_use]
    pub fn breakable(shows: Vec<GridShow>, seed: u64) -> Self {
        Self {
            diallers: Diallers::Processes,
            fault_doors: true,
            seed,
            ..Self::wide(shows)
        }
    }
}

/// What the system says at the end, read from its leader.
#[derive(Debug, Clone, Default)]
pub struct FinalState {
    /// State of each seat of a show by plan id: `available`, `held`, `sold`, `blocked`.
    pub seats: BTreeMap<String, String>,
    /// State of each order by id.
    pub orders: BTreeMap<String, String>,
}

/// A running cluster with shows on sale.
#[derive(Debug)]
pub struct Lab {
    /// The processes.
    pub cluster: Cluster,
    /// The shows, in the order asked for.
    pub shows: Vec<LoadedShow>,
    /// One HTTP client for all buyers.
    pub http: reqwest::Client,
    /// Removed at the end, unless something failed: then it is kept for reading the logs.
    dir: Option<TempDir>,
}

impl Lab {
    /// Builds what is needed, starts everything and waits until every show is ready at every gateway.
    ///
    /// # Errors
    /// Whatever keeps the cluster from running; the text names the process.
    pub async fn start(options: LabOptions) -> anyhow::Result<Self> {
        let bin_dir = match options.bin_dir {
            Some(dir) => dir,
            None => tokio::task::spawn_blocking(build_siblings).await??,
        };
        let dir = tempfile::Builder::new().prefix("holdfast-lab-").tempdir()?;
        let topology = match options.topology {
            Some(topology) => topology,
            None => Topology::preset(options.preset)
                .context("a built-in topology is missing")?
                .with_first_regions(options.regions)?
                .with_nodes_per_region(options.nodes_per_region)?,
        };
        let cluster = Cluster::start(ClusterOptions {
            topology,
            wan: options.wan,
            diallers: options.diallers,
            fault_doors: options.fault_doors,
            seed: options.seed,
            data_dir: dir.path().to_owned(),
            port_base: None,
            bin_dir,
            otlp_endpoint: None,
            node_limits: options.node_limits,
            gateway_limits: options.gateway_limits,
            journals: true,
            dns: options.dns,
            held_back: options.held_back,
        })?;
        let http = buyer::http_client();
        let mut lab = Self {
            cluster,
            shows: Vec::new(),
            http,
            dir: Some(dir),
        };
        lab.open_sale(&options.shows).await?;
        Ok(lab)
    }

    async fn open_sale(&mut self, shows: &[GridShow]) -> anyhow::Result<()> {
        self.cluster.wait_all_ready(|_| {}).await?;
        let topology = self.cluster.topology().clone();
        let node = self.node(topology.nodes[0].id)?;
        let season = Season::of_grids(shows);
        self.shows = season::load(&season, &node, &topology, |_| {}).await?;
        for region in &topology.regions {
            for show in &self.shows {
                self.wait_on_sale(&region.id, show.show_id).await?;
            }
        }
        Ok(())
    }

    /// Waits until a region's gateway shows the seats of a show.
    ///
    /// # Errors
    /// When it does not within a minute.
    pub async fn wait_on_sale(&self, region: &RegionId, show_id: u64) -> anyhow::Result<()> {
        let url = format!(
            "{}/v1/shows/{}/seats?fields=state",
            self.cluster.gateway_url(region)?,
            ShowRef(show_id)
        );
        let mut last = String::new();
        for _ in 0..600 {
            match self.http.get(&url).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => last = answer.text().await.unwrap_or_default(),
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(POLL).await;
        }
        anyhow::bail!("{url} does not show seats: {last}")
    }

    /// Text form of the show at this place: `s1`.
    #[must_use]
    pub fn show(&self, at: usize) -> String {
        ShowRef(self.shows[at].show_id).to_string()
    }

    /// The region at this place of the topology.
    #[must_use]
    pub fn region(&self, at: usize) -> RegionId {
        self.cluster.topology().regions[at].id.clone()
    }

    /// `http://…` of the gateway of the region at this place.
    #[must_use]
    pub fn gateway(&self, at: usize) -> String {
        self.cluster
            .gateway_url(&self.region(at))
            .expect("every region has a gateway")
    }

    /// A new guest at the gateway of the region at this place.
    ///
    /// # Errors
    /// When that gateway does not answer.
    pub async fn guest(&self, at: usize) -> anyhow::Result<Buyer> {
        Buyer::guest(&self.http, &self.gateway(at)).await
    }

    /// A client of a node, directly.
    ///
    /// # Errors
    /// When the node is not in the topology.
    pub fn node(&self, id: NodeId) -> anyhow::Result<NodeClient> {
        let node = self.cluster.topology().node(id).context("no such node")?;
        Ok(NodeClient::new(&node.addr, &ClientOptions::default())?)
    }

    /// What one node's replica says of a show.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn status(&self, id: NodeId, show_id: u64) -> anyhow::Result<ShowStatusReply> {
        let request = ShowStatusRequest {
            show_id,
            read: None,
        };
        Ok(self
            .node(id)?
            .operator()
            .show_status(request)
            .await?
            .into_inner())
    }

    /// Who has a replica of a show, as one node knows it.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn replicas(&self, asked: NodeId, show_id: u64) -> anyhow::Result<ShowReplicasReply> {
        let mut cluster = self.node(asked)?.cluster();
        let request = ShowReplicasRequest { show_id };
        Ok(cluster.show_replicas(request).await?.into_inner())
    }

    /// Waits until the directory has noted that a show's replicas are where they shall be. A show sells before that is noted, and
    /// nobody notes it while one of its nodes is away.
    ///
    /// # Errors
    /// When it is not within `patience`, or no node answers.
    pub async fn replicas_settle(&self, show_id: u64, patience: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + patience;
        let asked = self.cluster.topology().nodes[0].id;
        loop {
            let reply = self.replicas(asked, show_id).await?;
            if reply.settled == reply.generation {
                return Ok(());
            }
            anyhow::ensure!(
                Instant::now() < until,
                "s{show_id}: placement {} is still on its way",
                reply.generation
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// Nodes that shall keep a replica of a show, as the first node that answers knows it.
    async fn keepers(&self, show_id: u64) -> Vec<NodeId> {
        for node in &self.cluster.topology().nodes {
            if let Ok(reply) = self.replicas(node.id, show_id).await {
                let keeps = |role: &str| role == "voter" || role == "learner";
                let keepers = reply.replicas.iter().filter(|r| keeps(&r.role));
                return keepers.map(|r| NodeId::new(r.node_id)).collect();
            }
        }
        Vec::new()
    }

    /// Waits until every replica has the same state of a show at the same place of the log.
    ///
    /// # Errors
    /// When they do not within `patience`, with what each said last.
    pub async fn replicas_agree(&self, show_id: u64, patience: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + patience;
        loop {
            let mut seen = Vec::new();
            for node in self.keepers(show_id).await {
                let status = self.status(node, show_id).await;
                seen.push(status.map(|s| (s.as_of.map(|as_of| as_of.index), s.state_hash)));
            }
            let states: Vec<_> = seen.iter().flatten().collect();
            let all = !seen.is_empty() && states.len() == seen.len();
            if all && states.windows(2).all(|pair| pair[0] == pair[1]) {
                return Ok(());
            }
            anyhow::ensure!(
                Instant::now() < until,
                "replicas of show {show_id} differ: {seen:?}"
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until `leader` says of itself that it leads a show.
    ///
    /// # Errors
    /// When it does not within `patience`, with what it said last.
    pub async fn leader_is(
        &self,
        show_id: u64,
        leader: NodeId,
        patience: Duration,
    ) -> anyhow::Result<()> {
        let until = Instant::now() + patience;
        loop {
            let group = self
                .status(leader, show_id)
                .await
                .map(|status| status.group);
            if matches!(&group, Ok(Some(group)) if group.role == "leader") {
                return Ok(());
            }
            anyhow::ensure!(
                Instant::now() < until,
                "{leader} does not lead {show_id}: {group:?}"
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// Seats of a show as its leader confirms them through the gateway at this place, and the orders given.
    ///
    /// # Errors
    /// When there is no linearizable answer.
    pub async fn final_state(
        &self,
        at: usize,
        show: &str,
        orders: &[(Buyer, String)],
    ) -> anyhow::Result<FinalState> {
        let url = format!("{}/v1/shows/{show}/seats", self.gateway(at));
        let request = self.http.get(url).header("X-Consistency", "linearizable");
        let body: serde_json::Value = request.send().await?.error_for_status()?.json().await?;
        let mut state = FinalState::default();
        for seat in body["seats"].as_array().into_iter().flatten() {
            if let (Some(id), Some(now)) = (seat["id"].as_str(), seat["state"].as_str()) {
                state.seats.insert(id.to_owned(), now.to_owned());
            }
        }
        for (buyer, order) in orders {
            let answer = buyer
                .through(&self.gateway(at))
                .get(&format!("/v1/orders/{order}"))
                .await;
            state
                .orders
                .insert(order.clone(), answer.state().to_owned());
        }
        Ok(state)
    }

    /// Asks or tells a node with `holdfastctl --json`, in the words of `line`, and gives its answer.
    ///
    /// # Errors
    /// When the tool's exit code is not 0: what was asked for is not done, or not well.
    pub async fn operate(&self, node: NodeId, line: &str) -> anyhow::Result<serde_json::Value> {
        let node = self.cluster.topology().node(node).context("no such node")?;
        let words = ["--json", "--node", &node.addr].into_iter();
        let words: Vec<&str> = words.chain(line.split_whitespace()).collect();
        let said = operate(self.cluster.bin_dir(), &words).await?;
        serde_json::from_str(&said).with_context(|| format!("holdfastctl {line} said {said}"))
    }

    /// Keeps the directory and says where it is: something failed.
    pub fn keep_files(&mut self) -> Option<PathBuf> {
        self.dir.take().map(TempDir::keep)
    }

    /// Ends every process politely and removes the directory.
    pub async fn stop(mut self) {
        self.cluster.stop().await;
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(dir) = self.keep_files()
        {
            eprintln!("the cluster's files are kept in {}", dir.display());
        }
    }
}

/// Builds `holdfast-node` and `holdfast-gateway` beside the running program, once.
///
/// # Errors
/// When the build fails.
pub fn build_siblings() -> anyhow::Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    built.clone().map_err(anyhow::Error::msg)
}

fn build() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    // A test runs from target/debug/deps, the program itself from target/debug.
    let mut dir = own.parent().context("no directory")?.to_owned();
    if dir.ends_with("deps") {
        dir.pop();
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("no workspace")?;
    // The very build that `cargo test --workspace` has made: another selection of packages would have other features of
    // shared dependencies, and everything would be compiled a second time.
    let mut command = Command::new(cargo);
    command
        .current_dir(root)
        .args(["test", "--workspace", "--no-run", "--quiet"]);
    if dir.ends_with("release") {
        command.arg("--release");
    }
    let status = command.status().context("cannot run cargo")?;
    anyhow::ensure!(
        status.success(),
        "building the node and the gateway failed: {status}"
    );
    Ok(dir)
}
