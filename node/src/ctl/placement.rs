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
use holdfast_region_config::placement::Explanation;
use holdfast_region_config::{
    GroupId, Jurisdiction, NodeId, PRESET_NAMES, PlacementRequest, RegionId, Replicas,
    SurvivalGoal, Topology, explain, explain_replacement, strongest_goal,
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
    /// As if these nodes voted already, such as n3,n4,n7,n8,n9: what would move, and what would stay
    #[arg(long, value_name = "NODES", value_delimiter = ',')]
    voters: Vec<NodeId>,
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
    for (argument, nodes) in [("--without", &asked.without), ("--voters", &asked.voters)] {
        if let Some(id) = nodes.iter().find(|id| topology.node(**id).is_none()) {
            return Err(wrong(argument, format!("there is no node {id}")));
        }
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
    let explanation = if asked.voters.is_empty() {
        explain(&topology, &request)
    } else {
        let current = Replicas {
            voters: &asked.voters,
            learners: &[],
        };
        explain_replacement(&topology, &request, current)
    };
    let answer = View {
        topology: &topology,
        explanation: &explanation,
        voters_now: &asked.voters,
        all: asked.all,
    };
    Ok(Answer {
        text: text::form(&answer),
        json: machine::form(&answer),
        well: explanation.outcome.is_ok(),
    })
}

/// What is shown, and of what.
struct View<'a> {
    topology: &'a Topology,
    explanation: &'a Explanation,
    /// Empty for a group that is nowhere yet.
    voters_now: &'a [NodeId],
    all: bool,
}

impl View<'_> {
    /// The nodes that become voters and those that stop voting; `None` for a group that is nowhere yet or cannot be placed.
    fn moves(&self) -> Option<(Vec<NodeId>, Vec<NodeId>)> {
        let placement = self.explanation.outcome.as_ref().ok()?;
        let missing_in = |these: &[NodeId], others: &[NodeId]| {
            let missing = these.iter().filter(|id| !others.contains(id));
            missing.copied().collect()
        };
        (!self.voters_now.is_empty()).then(|| {
            (
                missing_in(&placement.voters, self.voters_now),
                missing_in(self.voters_now, &placement.voters),
            )
        })
    }
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
