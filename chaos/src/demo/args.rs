//! Options of the demo.
//!
//! Owns: their meaning and defaults. Must never: start anything.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use clap::builder::PossibleValuesParser;
use holdfast_region_config::{PRESET_NAMES, Topology};

use crate::season::Season;

/// Presets by how many regions are asked for: the trio is the first three of the five, and of the eight.
const TRIO: &str = "three-regions";
const FIVE: &str = "five-regions";
const EIGHT: &str = "eight-regions";
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
    /// Built-in topology by name [default: the smallest that has as many regions as asked for].
    #[arg(long, value_name = "NAME", conflicts_with = "topology", value_parser = PossibleValuesParser::new(PRESET_NAMES))]
    pub preset: Option<String>,
    /// Leave the wide-area network away: all regions are as near as this machine's loopback.
    #[arg(long)]
    pub no_wan: bool,
    /// Where everything durable goes [default: target/holdfast-demo/NAME, by shape of the cluster].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// First of a run of fixed ports: gateways in region order, the network's control API, for each node gRPC and HTTP,
    /// then the network's links, then DNS in region order. Without it free ports are used.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port_base: Option<u16>,
    /// How many regions, the first ones of the topology [default: all of FILE or NAME, else 3].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=32))]
    pub regions: Option<u8>,
    /// How many nodes in each region [default: as in the topology].
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
        let base = match &self.topology {
            Some(file) => Topology::load(file)?,
            None => {
                let name = self.preset.as_deref().unwrap_or(match self.regions {
                    None | Some(..=3) => TRIO,
                    Some(4..=5) => FIVE,
                    Some(_) => EIGHT,
                });
                Topology::preset(name).context("a built-in topology is missing")?
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: DemoArgs,
    }

    fn shape(line: &str) -> (String, usize, usize) {
        let words = std::iter::once("demo").chain(line.split_whitespace());
        let topology = Line::try_parse_from(words)
            .unwrap()
            .args
            .topology()
            .unwrap();
        let (regions, nodes) = (topology.regions.len(), topology.nodes.len());
        (topology.cluster, regions, nodes)
    }

    #[test]
    fn the_preset_follows_from_what_is_asked_for() {
        let expect = |line, name: &str, regions, nodes| {
            assert_eq!(
                shape(line),
                (format!("holdfast-{name}"), regions, nodes),
                "{line}"
            );
        };
        expect("", "three-regions", 3, 3);
        expect("--regions 2 --nodes-per-region 2", "three-regions", 2, 4);
        expect("--regions 5", "five-regions", 5, 5);
        expect("--regions 8", "eight-regions", 8, 14);
        expect("--preset eight-regions", "eight-regions", 8, 14);
        expect(
            "--preset eight-regions --regions 3 --nodes-per-region 1",
            "eight-regions",
            3,
            3,
        );
        expect("--preset local", "local", 1, 1);
    }

    #[test]
    fn a_preset_that_does_not_exist_is_refused() {
        assert!(Line::try_parse_from(["demo", "--preset", "moon"]).is_err());
        assert!(Line::try_parse_from(["demo", "--preset", "local", "--topology", "f"]).is_err());
    }
}
