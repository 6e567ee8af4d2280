//! `holdfastctl region`: which regions there are, what they carry, and whether leaders live there.
//!
//! Owns: how a region is shown. Must never: decide where a leader lives; the nodes read what is wanted and do it.

use clap::Subcommand;
use holdfast_node_api::v1::{ListRegionsReply, ListRegionsRequest, RegionInfo, RegionState};
use holdfast_region_config::{NodeId, RegionId};
use serde_json::{Value, json};

use super::answer::{ids, table};
use super::cluster::as_of_json;
use super::connect::Node;
use super::leaders::change::{Change, Wish};
use super::membership::{self, Patience, Placing};
use super::{Answer, Failure, Target};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Every region of the topology, its state and what it carries
    List,
    /// Put a region's nodes to use: shows that would be placed there now get replicas there, while they sell
    Add {
        /// The region; its nodes run, and every node has read the topology that has it
        region: RegionId,
        #[command(flatten)]
        how: Placing,
    },
    /// Move everything out of a region, wait until it is empty, and remove its nodes for good
    Remove {
        /// The region, such as westeurope
        region: RegionId,
        #[command(flatten)]
        patience: Patience,
    },
    /// Move every leader out of a region and keep them out until it is restored; no request fails
    Evacuate {
        /// The region, such as westeurope
        region: RegionId,
        #[command(flatten)]
        how: Change,
    },
    /// Let leaders live in a region again; those at home there return
    Restore {
        /// The region, such as westeurope
        region: RegionId,
        #[command(flatten)]
        how: Change,
    },
}

pub(super) async fn run(command: &Command, target: &Target) -> Result<Answer, Failure> {
    let node = target.node()?;
    match command {
        Command::List => {
            let mut cluster = node.client.cluster();
            let reply = node
                .ask(cluster.list_regions(ListRegionsRequest {}))
                .await?;
            Ok(list(&reply))
        }
        Command::Add { region, how } => {
            let nodes = nodes_in(&node, region).await?;
            membership::place_onto(&node, &nodes, *how).await
        }
        Command::Remove { region, patience } => {
            let nodes = nodes_in(&node, region).await?;
            membership::remove(&node, &nodes, *patience).await
        }
        Command::Evacuate { region, how } => {
            how.run(&node, &Wish::Region(region.clone(), RegionState::Evacuated))
                .await
        }
        Command::Restore { region, how } => {
            how.run(&node, &Wish::Region(region.clone(), RegionState::Serving))
                .await
        }
    }
}

/// The region's nodes, by the topology of the asked node.
async fn nodes_in(node: &Node, region: &RegionId) -> Result<Vec<NodeId>, Failure> {
    let mut cluster = node.client.cluster();
    let reply = node
        .ask(cluster.list_regions(ListRegionsRequest {}))
        .await?;
    let mut regions = reply.regions.into_iter();
    let found = regions.find(|info| info.region == region.as_str());
    let found = found.ok_or_else(|| Failure::Argument {
        argument: "region".to_owned(),
        reason: format!("there is no region {region} in the topology of the asked node"),
    })?;
    Ok(found.nodes.into_iter().map(NodeId::new).collect())
}

fn list(reply: &ListRegionsReply) -> Answer {
    let row = |region: &RegionInfo| {
        [
            region.region.clone(),
            region.name.clone(),
            state(region.state()).to_owned(),
            if region.voting { "yes" } else { "no" }.to_owned(),
            ids(&region.nodes),
            region.home_of.to_string(),
            region.replicas.to_string(),
        ]
    };
    let rows: Vec<_> = reply.regions.iter().map(row).collect();
    let head = [
        "region",
        "name",
        "state",
        "may vote",
        "nodes",
        "home of shows",
        "shows with a replica",
    ];
    let json = json!({
        "directory": as_of_json(&reply.as_of.unwrap_or_default()),
        "regions": reply.regions.iter().map(region_json).collect::<Vec<_>>(),
    });
    Answer {
        text: table(head, &rows),
        json,
        well: true,
    }
}

fn region_json(region: &RegionInfo) -> Value {
    json!({
        "region": region.region, "name": region.name, "state": state(region.state()),
        "generation": region.generation, "voting": region.voting, "nodes": region.nodes,
        "home_of": region.home_of, "replicas": region.replicas,
    })
}

/// Name of a state for people and JSON.
pub(super) const fn state(state: RegionState) -> &'static str {
    match state {
        RegionState::Unspecified => "unknown",
        RegionState::Serving => "serving",
        RegionState::Evacuated => "evacuated",
    }
}
