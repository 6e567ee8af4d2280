//! `holdfastctl node`: which nodes there are, what they carry, and whether they lead.
//!
//! Owns: how a node is shown and judged. Must never: decide where a replica goes; that is the directory's leader's.

use clap::Subcommand;
use holdfast_node_api::v1::{ListNodesReply, ListNodesRequest, NodeInfo, NodeState};
use holdfast_region_config::NodeId;
use serde_json::{Value, json};

use super::answer::{age, table};
use super::cluster::as_of_json;
use super::leaders::change::{Change, Wish};
use super::membership::{self, Patience, Placing};
use super::{Answer, Failure, Target};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Every node of the topology and the directory, its state and what it carries
    List,
    /// Put a node to use: shows that would be placed there now get a replica there, while they sell
    Add {
        /// The node, such as n4; it runs, and every node has read the topology that has it
        node: NodeId,
        #[command(flatten)]
        how: Placing,
    },
    /// Move everything off a node, dead or alive
    Replace {
        /// The node, such as n3
        node: NodeId,
        /// A node of the same region that takes its replicas; without it they go wherever they fit
        #[arg(long, value_name = "NODE")]
        with: Option<NodeId>,
        #[command(flatten)]
        how: Placing,
    },
    /// Move everything off a node, wait until it is empty, and remove it for good
    Remove {
        /// The node, such as n3; its number is never used again
        node: NodeId,
        #[command(flatten)]
        patience: Patience,
    },
    /// Move every leader off a node and keep them off until it is undrained; no request fails
    Drain {
        /// The node, such as n2
        node: NodeId,
        #[command(flatten)]
        how: Change,
    },
    /// Let a drained node lead again; it gets its share back
    Undrain {
        /// The node, such as n2
        node: NodeId,
        #[command(flatten)]
        how: Change,
    },
}

pub(super) async fn run(command: &Command, target: &Target) -> Result<Answer, Failure> {
    let asked = target.node()?;
    match command {
        Command::List => {
            let mut cluster = asked.client.cluster();
            let reply = asked.ask(cluster.list_nodes(ListNodesRequest {})).await?;
            Ok(list(&reply))
        }
        Command::Add { node, how } => membership::place_onto(&asked, &[*node], *how).await,
        Command::Replace { node, with, how } => {
            membership::replace(&asked, *node, *with, *how).await
        }
        Command::Remove { node, patience } => membership::remove(&asked, &[*node], *patience).await,
        Command::Drain { node, how } => {
            how.run(&asked, &Wish::Node(*node, NodeState::Draining))
                .await
        }
        Command::Undrain { node, how } => {
            how.run(&asked, &Wish::Node(*node, NodeState::Serving))
                .await
        }
    }
}

/// A node that is wanted and cannot be reached is what is not well.
fn list(reply: &ListNodesReply) -> Answer {
    let row = |node: &NodeInfo| {
        [
            node.node_id.to_string(),
            node.region.clone(),
            node.addr.clone(),
            state(node.state()).to_owned(),
            if node.reachable { "yes" } else { "NO" }.to_owned(),
            node.last_heard_ms
                .map_or_else(|| "never".to_owned(), |ms| format!("{} ago", age(ms))),
            node.voting.to_string(),
            node.following.to_string(),
            node.moving_in.to_string(),
            node.moving_out.to_string(),
            node.release.clone(),
        ]
    };
    let rows: Vec<_> = reply.nodes.iter().map(row).collect();
    let head = [
        "node",
        "region",
        "address",
        "state",
        "reachable",
        "last heard",
        "voting",
        "following",
        "moving in",
        "moving out",
        "release",
    ];
    let missing = |node: &&NodeInfo| !node.reachable && node.state() != NodeState::Removed;
    let json = json!({
        "directory": as_of_json(&reply.as_of.unwrap_or_default()),
        "nodes": reply.nodes.iter().map(node_json).collect::<Vec<_>>(),
    });
    Answer {
        text: table(head, &rows),
        json,
        well: !reply.nodes.iter().any(|node| missing(&node)),
    }
}

fn node_json(node: &NodeInfo) -> Value {
    json!({
        "node_id": node.node_id, "region": node.region, "zone": node.zone, "addr": node.addr,
        "state": state(node.state()), "generation": node.generation, "release": node.release,
        "disk": node.disk, "reachable": node.reachable, "last_heard_ms": node.last_heard_ms,
        "voting": node.voting, "following": node.following, "moving_in": node.moving_in,
        "moving_out": node.moving_out,
    })
}

/// Name of a state for people and JSON.
pub(super) const fn state(state: NodeState) -> &'static str {
    match state {
        NodeState::Unspecified => "unknown",
        NodeState::Serving => "serving",
        NodeState::Draining => "draining",
        NodeState::Leaving => "leaving",
        NodeState::Removed => "removed",
    }
}
