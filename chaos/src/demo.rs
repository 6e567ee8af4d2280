//! `holdfast-chaos demo`: a cluster of several regions on this machine, with something on sale.
//!
//! Owns: the order of start and stop, what is said to whom (results on standard output, all else on standard error).
//! Must never: leave a process behind, however it ends.

pub mod args;
mod report;
pub(crate) mod status;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use holdfast_node_api::client::{ClientOptions, NodeClient};
use holdfast_node_api::v1::EnsureIndexRequest;
use holdfast_region_config::Topology;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

pub use args::DemoArgs;

use self::status::Status;
use crate::cluster::{Cluster, ClusterError, ClusterOptions, Diallers};
use crate::season::{self, LoadedShow, Season};

/// How often a running demo looks whether a child died.
const LOOK_AFTER_CHILDREN: Duration = Duration::from_millis(250);

/// The directory has a leader long before this.
const INDEX_LIMIT: Duration = Duration::from_secs(30);

/// Starts everything, tells where it is, and ends it all on Ctrl-C, SIGTERM or the death of a child.
///
/// # Errors
/// A wrong topology or season, a taken port, a child that dies; the text says which and why.
pub async fn run(args: DemoArgs) -> anyhow::Result<()> {
    let mut stop = StopSignals::new()?;
    let topology = args.topology()?;
    let season = args.season()?;
    let options = ClusterOptions {
        data_dir: args.data_dir(&topology),
        topology,
        wan: !args.no_wan,
        diallers: Diallers::Regions,
        fault_doors: false,
        seed: args.seed,
        port_base: args.port_base,
        bin_dir: bin_dir()?,
        otlp_endpoint: args.otlp_endpoint.clone(),
        node_limits: Vec::new(),
        gateway_limits: Vec::new(),
        journals: false,
        dns: true,
        held_back: Vec::new(),
    };
    let status = Status::new();
    for warning in options.topology.warnings() {
        status.line(&format!("note: {warning}"));
    }
    status.begin(&format!(
        "starting {} processes",
        options.topology.nodes.len() + options.topology.regions.len()
    ));
    let mut cluster = Cluster::start(options)?;
    let result = tokio::select! {
        result = serve(&mut cluster, &season, &args, &status) => result,
        () = stop.received() => Ok(()),
    };
    status.begin("stopping every process");
    tokio::select! {
        () = cluster.stop() => status.done("stopped; what was sold is kept in the data dir"),
        // Impatient: whatever still runs is killed as the cluster is dropped.
        () = stop.received() => status.done("killed"),
    }
    result
}

/// Brings the cluster up and watches over it; ends only when it cannot come up.
async fn serve(
    cluster: &mut Cluster,
    season: &Season,
    args: &DemoArgs,
    status: &Status,
) -> anyhow::Result<()> {
    let total = cluster.names().len();
    let mut ready = 0;
    cluster
        .wait_all_ready(|name| {
            ready += 1;
            status.begin(&format!("{ready} of {total} processes ready ({name})"));
        })
        .await?;
    status.done(&format!("{total} processes ready"));
    let shows = load(cluster, season, status).await?;
    if args.json {
        println!("{}", report::json(cluster, &shows)?);
    } else {
        println!("{}", report::text(cluster, &shows)?);
    }
    // From here on a death is part of the show: the others go on selling, and it is said who died and why.
    // Also with nobody left: who dies may be brought back, and the links between the regions are here.
    loop {
        tokio::time::sleep(LOOK_AFTER_CHILDREN).await;
        if let Err(death) = cluster.check_all_alive() {
            status.done(&death.to_string());
            if let ClusterError::Died { name, .. } = &death {
                let again = cluster.start_command(name)?;
                status.done(&format!(
                    "the others go on; to bring {name} back (it is then yours to stop): {again}"
                ));
            }
        }
    }
}

/// Loads the season while watching that no child dies meanwhile.
async fn load(
    cluster: &mut Cluster,
    season: &Season,
    status: &Status,
) -> anyhow::Result<Vec<LoadedShow>> {
    let topology = cluster.topology().clone();
    let first = topology.nodes.first().context("the topology has no node")?;
    let node = NodeClient::new(&first.addr, &ClientOptions::default())?;
    let loading = season::load(season, &node, &topology, |step| {
        status.begin(&format!("season: {step}"))
    });
    tokio::pin!(loading);
    let shows = loop {
        tokio::select! {
            shows = &mut loading => break shows.context("cannot load the season")?,
            () = tokio::time::sleep(LOOK_AFTER_CHILDREN) => cluster.check_all_alive()?,
        }
    };
    let found = shows.iter().filter(|show| show.existed).count();
    status.done(&format!(
        "{} shows on sale ({found} of them from before)",
        shows.len()
    ));
    begin_indexes(&node, &topology).await?;
    Ok(shows)
}

/// Has every jurisdiction's index of buyers begun, so that buyers find their orders at any gateway.
async fn begin_indexes(node: &NodeClient, topology: &Topology) -> anyhow::Result<()> {
    for region in topology.regions.iter().filter(|region| region.voting) {
        let until = Instant::now() + INDEX_LIMIT;
        loop {
            let request = EnsureIndexRequest {
                region: region.id.to_string(),
            };
            match node.buyer_indexes().ensure_index(request).await {
                Ok(_) => break,
                Err(error) if Instant::now() > until => {
                    return Err(error)
                        .with_context(|| format!("cannot begin the index of {}", region.id));
                }
                // The directory may be without a leader for a moment.
                Err(_) => tokio::time::sleep(LOOK_AFTER_CHILDREN).await,
            }
        }
    }
    Ok(())
}

/// Where the sibling binaries are: beside this one.
///
/// # Errors
/// When the system does not say where this program is.
pub fn bin_dir() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find out where this program is")?;
    Ok(own.parent().map(PathBuf::from).unwrap_or_default())
}

/// Ctrl-C and SIGTERM.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The topology of a demo: a file or a preset, cut to size.
fn shaped(
    base: &Topology,
    regions: Option<usize>,
    nodes_per_region: Option<u16>,
) -> anyhow::Result<Topology> {
    let cut = match regions {
        Some(count) => base.with_first_regions(count)?,
        None => base.clone(),
    };
    Ok(match nodes_per_region {
        Some(count) => cut.with_nodes_per_region(count)?,
        None => cut.with_one_gateway_per_region()?,
    })
}
