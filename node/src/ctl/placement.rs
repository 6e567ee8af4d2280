//! `holdfastctl placement`: where a show would go, and why. Needs no node: the same pure function decides in all of them.
//!
//! Owns: the question. Must never: decide, or guess what is up; `--without` says what is not.

mod machine;
mod text;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use holdfast_node_api::refs::ShowRef;
use holdfast_region_config::{
    GroupId, Jurisdiction, NodeId, PRESET_NAMES, PlacementRequest, RegionId, SurvivalGoal,
    Topology, explain, strongest_goal,
};

use super::{Answer, Failure};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show where a show's replicas would go, every neighbourhood considered, and why one won; needs no node
    Explain(Explain),
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// Topology file (TOML)
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "preset",
        required_unless_present = "preset"
    )]
    topology: Option<PathBuf>,
    /// Topology that comes with the program
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(PRESET_NAMES))]
    preset: Option<String>,
    /// Home region: where the leader should be
    #[arg(long, value_name = "REGION")]
    home: RegionId,
    /// What must be survivable: region, zone or nothing [default: the strongest that the topology can promise]
    #[arg(long, value_name = "GOAL")]
    goal: Option<SurvivalGoal>,
    /// Replicas only in regions under this jurisdiction; may be repeated
    #[arg(long, value_name = "NAME")]
    jurisdiction: Vec<Jurisdiction>,
    /// As if this node were gone; may be repeated
    #[arg(long, value_name = "NODE")]
    without: Vec<NodeId>,
    /// The show whose turn decides among equal nodes, such as s7
    #[arg(long, value_name = "SHOW", conflicts_with = "group")]
    show: Option<ShowRef>,
    /// The group whose turn decides among equal nodes, such as g7 [default: g1]
    #[arg(long, value_name = "GROUP")]
    group: Option<GroupId>,
    /// List every neighbourhood, also those that are far from winning
    #[arg(long)]
    all: bool,
}

pub(super) fn run(command: &Command) -> Result<Answer, Failure> {
    let Command::Explain(asked) = command;
    let topology = topology(asked)?;
    let wrong = |argument: &str, reason: String| Failure::Argument {
        argument: argument.to_owned(),
        reason,
    };
    if topology.region(&asked.home).is_none() {
        let regions: Vec<&str> = topology.regions.iter().map(|r| r.id.as_str()).collect();
        let reason = format!(
            "there is no region {}; there are {}",
            asked.home,
            regions.join(", ")
        );
        return Err(wrong("--home", reason));
    }
    let stranger = asked
        .without
        .iter()
        .find(|id| topology.node(**id).is_none());
    if let Some(id) = stranger {
        return Err(wrong("--without", format!("there is no node {id}")));
    }
    let group = match asked.show {
        Some(show) => GroupId::new(show.0),
        None => asked.group.unwrap_or(GroupId::new(1)),
    };
    let mut request = PlacementRequest {
        jurisdictions: asked.jurisdiction.iter().cloned().collect(),
        unavailable: asked.without.iter().copied().collect(),
        ..PlacementRequest::new(asked.home.clone(), group)
    };
    // A home at fault has no strongest goal; the explanation says what is wrong with it.
    request.goal = asked
        .goal
        .or_else(|| strongest_goal(&topology, &request).ok())
        .unwrap_or_default();
    let explanation = explain(&topology, &request);
    Ok(Answer {
        text: text::form(&topology, &explanation, asked.all),
        json: machine::form(&topology, &explanation),
        well: explanation.outcome.is_ok(),
    })
}

fn topology(asked: &Explain) -> Result<Topology, Failure> {
    let load = |file: &Path| {
        Topology::load(file).map_err(|error| Failure::file(file.display().to_string(), &error))
    };
    match (&asked.topology, &asked.preset) {
        (Some(file), _) => load(file),
        (None, name) => {
            let name = name.as_deref().unwrap_or_default();
            Topology::preset(name).ok_or_else(|| Failure::Argument {
                argument: "--preset".to_owned(),
                reason: format!("there is no {name:?}"),
            })
        }
    }
}

/// The role of the voter at `place` in the leader preference.
const fn role(place: usize) -> &'static str {
    match place {
        0 => "leader",
        1 => "secondary",
        _ => "voter",
    }
}

fn region(topology: &Topology, node: NodeId) -> String {
    topology
        .region_of(node)
        .map_or_else(String::new, ToString::to_string)
}

/// Milliseconds to a tenth.
fn number(floor: Duration) -> f64 {
    (floor.as_secs_f64() * 10_000.0).round() / 10.0
}
