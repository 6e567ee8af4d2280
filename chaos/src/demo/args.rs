//! Options of the demo.
//!
//! Owns: their meaning and defaults. Must never: start anything.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use holdfast_region_config::Topology;

use crate::season::Season;

/// Presets by how many regions are asked for: the trio is the first three of the five.
const TRIO: &str = "three-regions";
const ALL: &str = "five-regions";
/// Where demos keep their data when not told: beside the build, out of version control.
const DATA_ROOT: &str = "target/holdfast-demo";

/// Start a cluster of several regions on this machine, with a sample season on sale.
///
/// Ends on Ctrl-C or SIGTERM and takes every process it started with it. A second start on the same data dir finds
/// everything that was sold. Exit codes: 0 ended as asked, 1 could not start or a process died, 2 wrong usage.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Print one JSON object on one line of standard output once all is ready; everything else goes to standard error.
    #[arg(long)]
    pub json: bool,
    /// Topology file (TOML) instead of the built-in one; its addresses are replaced by local ones.
    #[arg(long, value_name = "FILE")]
    pub topology: Option<PathBuf>,
    /// Leave the wide-area network away: all regions are as near as this machine's loopback.
    #[arg(long)]
    pub no_wan: bool,
    /// Where everything durable goes [default: target/holdfast-demo/NAME, by shape of the cluster].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// First of a run of fixed ports: gateways in region order, the network's control API, for each node gRPC and HTTP,
    /// then the network's links. Without it free ports are used.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port_base: Option<u16>,
    /// How many regions, the first ones of the topology [default: all of FILE, else 3].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5))]
    pub regions: Option<u8>,
    /// How many nodes in each region [default: as in FILE, else 1].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=3))]
    pub nodes_per_region: Option<u16>,
    /// Directory with another season.toml.
    #[arg(long, value_name = "DIR")]
    pub season: Option<PathBuf>,
    /// Start with nothing on sale.
    #[arg(long, conflicts_with = "season")]
    pub no_season: bool,
    /// Fixes whatever the network draws at random.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Where every process sends its traces, such as http://127.0.0.1:4317.
    #[arg(long, value_name = "URL", env = "HOLDFAST_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
}

impl DemoArgs {
    pub(crate) fn topology(&self) -> anyhow::Result<Topology> {
        let regions = self.regions.map(usize::from);
        let (base, regions) = match &self.topology {
            Some(file) => (Topology::load(file)?, regions),
            None => {
                let name = if regions.is_some_and(|count| count > 3) {
                    ALL
                } else {
                    TRIO
                };
                (
                    Topology::preset(name).context("a built-in topology is missing")?,
                    regions,
                )
            }
        };
        super::shaped(&base, regions, self.nodes_per_region)
    }

    pub(crate) fn season(&self) -> anyhow::Result<Season> {
        Ok(match &self.season {
            Some(dir) => Season::from_dir(dir)?,
            None if self.no_season => Season::default(),
            None => Season::embedded()?,
        })
    }

    /// Clusters of different shape must not meet in one directory.
    pub(crate) fn data_dir(&self, topology: &Topology) -> PathBuf {
        let named = || {
            let (regions, nodes) = (topology.regions.len(), topology.nodes.len());
            PathBuf::from(DATA_ROOT).join(format!("{}-{regions}r{nodes}n", topology.cluster))
        };
        self.data_dir.clone().unwrap_or_else(named)
    }
}
