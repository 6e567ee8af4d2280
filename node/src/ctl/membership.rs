//! `holdfastctl membership`, and the changes of members that `node` and `region` share.
//!
//! Owns: the order of the calls that make up one change, and how far-along is shown. Must never: decide where a replica goes;
//! that is the directory's leader's.

use std::time::Duration;

use clap::Subcommand;
use holdfast_node_api::refs::ShowRef;
use holdfast_node_api::v1::{
    ListNodesRequest, MembershipStatusReply, MembershipStatusRequest, NodeInfo, NodeState, Onto,
    PlaceShowsReply, PlaceShowsRequest, SetNodeStateRequest, Swap, place_shows_request::What,
};
use holdfast_region_config::NodeId;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer::ids;
use super::cluster::as_of_json;
use super::connect::Node;
use super::{Answer, Failure, Target};

/// Between two looks at how far a change is.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// How far the cluster is with moving replicas, and what cannot move
    Status,
}

/// How a change of placements is made.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Placing {
    /// Say what would be placed, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// How long an emptying node is waited for.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Patience {
    /// Longest wait until its replicas have moved, seconds; 0 only asks for it
    #[arg(long, value_name = "S", default_value_t = 600)]
    wait_s: u64,
}

pub(super) async fn run(command: &Command, target: &Target) -> Result<Answer, Failure> {
    let Command::Status = command;
    let node = target.node()?;
    let mut cluster = node.client.cluster();
    let status = node
        .ask(cluster.membership_status(MembershipStatusRequest {}))
        .await?;
    Ok(answer(&status))
}

/// Moving is well; having nowhere to go is not.
fn answer(status: &MembershipStatusReply) -> Answer {
    let shows = |shows: &[u64]| {
        let names: Vec<String> = shows
            .iter()
            .map(|show| ShowRef(*show).to_string())
            .collect();
        names.join(", ")
    };
    let mut text = format!(
        "{} of {} shows are where they shall be, {} are on their way",
        status.shows - status.moving.min(status.shows),
        status.shows,
        status.moving
    );
    if !status.examples.is_empty() {
        text.push_str(&format!("\non their way: {}", shows(&status.examples)));
    }
    text.push_str(&format!(
        "\nnodes that get no replicas: {}; shows with replicas there: {}",
        ids(&status.nodes_out),
        status.on_nodes_out
    ));
    for stuck in &status.stuck_examples {
        let show = ShowRef(stuck.show_id);
        text.push_str(&format!("\nnowhere to go: {show}: {}", stuck.reason));
    }
    text.push_str(&format!(
        "\ndirectory: voters {}, learners {}",
        ids(&status.directory_voters),
        ids(&status.directory_learners)
    ));
    let json = json!({
        "well": status.stuck == 0,
        "directory": as_of_json(&status.as_of.unwrap_or_default()),
        "shows": status.shows, "moving": status.moving,
        "moving_examples": status.examples.iter().map(|show| ShowRef(*show).to_string()).collect::<Vec<_>>(),
        "on_nodes_out": status.on_nodes_out, "nodes_out": status.nodes_out,
        "stuck": status.stuck, "stuck_examples": status.stuck_examples.iter().map(stuck_json).collect::<Vec<_>>(),
        "leaving_replicas": status.leaving,
        "directory_voters": status.directory_voters, "directory_learners": status.directory_learners,
    });
    Answer {
        text,
        json,
        well: status.stuck == 0,
    }
}

fn stuck_json(stuck: &holdfast_node_api::v1::StuckShow) -> Value {
    json!({"show_id": ShowRef(stuck.show_id).to_string(), "reason": stuck.reason})
}

/// Puts replicas on nodes that are new or empty, where shows would be placed there now.
pub(super) async fn place_onto(
    node: &Node,
    nodes: &[NodeId],
    how: Placing,
) -> Result<Answer, Failure> {
    if nodes.is_empty() {
        return Err(Failure::Argument {
            argument: "region".to_owned(),
            reason: "the topology of the asked node has no node there".to_owned(),
        });
    }
    let infos = infos(node).await?;
    for info in infos
        .iter()
        .filter(|info| nodes.iter().any(|n| n.get() == info.node_id))
    {
        if info.state() == NodeState::Leaving && !how.dry_run {
            set_state(node, NodeId::new(info.node_id), NodeState::Serving).await?;
        }
    }
    let onto = Onto {
        nodes: nodes.iter().map(|node| node.get()).collect(),
    };
    let reply = place(node, What::Onto(onto), how).await?;
    Ok(placed(&reply, how))
}

/// Empties a node: onto one that takes its replicas as they are, or wherever they fit.
pub(super) async fn replace(
    node: &Node,
    old: NodeId,
    with: Option<NodeId>,
    how: Placing,
) -> Result<Answer, Failure> {
    let mut reply = PlaceShowsReply::default();
    if let Some(new) = with {
        let swap = Swap {
            from_node: old.get(),
            to_node: new.get(),
        };
        reply = place(node, What::Swap(swap), how).await?;
    }
    if !how.dry_run {
        set_state(node, old, NodeState::Leaving).await?;
    }
    let mut answer = placed(&reply, how);
    if with.is_none() && how.dry_run {
        let infos = infos(node).await?;
        let info = infos.iter().find(|info| info.node_id == old.get());
        let shows = info.map_or(0, |info| info.voting + info.following);
        answer.text = format!(
            "{old} would be leaving: {shows} shows have a replica there; nothing was changed"
        );
        answer.json["on_node"] = json!(shows);
        return Ok(answer);
    }
    if with.is_none() {
        answer.text = format!("{old} is leaving: its shows are placed on other nodes from now on");
    }
    answer
        .text
        .push_str("\n`holdfastctl membership status` shows how far they are");
    Ok(answer)
}

/// Empties nodes and removes them for good once nothing is left there.
pub(super) async fn remove(
    node: &Node,
    nodes: &[NodeId],
    patience: Patience,
) -> Result<Answer, Failure> {
    let deadline = Instant::now() + Duration::from_secs(patience.wait_s);
    for gone in nodes {
        let known = infos(node).await?;
        let removed =
            |info: &NodeInfo| info.node_id == gone.get() && info.state() == NodeState::Removed;
        if !known.iter().any(removed) {
            set_state(node, *gone, NodeState::Leaving).await?;
        }
    }
    let mut left = nodes.to_vec();
    loop {
        let infos = infos(node).await?;
        let mut cluster = node.client.cluster();
        let status = node
            .ask(cluster.membership_status(MembershipStatusRequest {}))
            .await?;
        let mut still = Vec::new();
        for gone in left {
            let info = infos.iter().find(|info| info.node_id == gone.get());
            let replicas = info.map_or(0, |info| info.voting + info.following + info.moving_out);
            if replicas > 0 || status.directory_voters.contains(&gone.get()) {
                still.push(gone);
            } else {
                set_state(node, gone, NodeState::Removed).await?;
            }
        }
        left = still;
        if left.is_empty() || Instant::now() >= deadline {
            return Ok(removed(nodes, &left, &status));
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

fn removed(nodes: &[NodeId], left: &[NodeId], status: &MembershipStatusReply) -> Answer {
    let numbers = |nodes: &[NodeId]| nodes.iter().map(|n| n.get()).collect::<Vec<_>>();
    let text = if left.is_empty() {
        let nodes = ids(&numbers(nodes));
        format!(
            "removed node {nodes}: switch it off, then take it out of the topology files and reload them"
        )
    } else {
        let nodes = ids(&numbers(left));
        format!("node {nodes} still has replicas\n{}", answer(status).text)
    };
    let gone: Vec<NodeId> = nodes
        .iter()
        .filter(|n| !left.contains(n))
        .copied()
        .collect();
    Answer {
        text,
        json: json!({"removed": numbers(&gone), "left": numbers(left), "stuck": status.stuck}),
        well: left.is_empty(),
    }
}

async fn place(node: &Node, what: What, how: Placing) -> Result<PlaceShowsReply, Failure> {
    let request = PlaceShowsRequest {
        what: Some(what),
        dry_run: how.dry_run,
    };
    let mut cluster = node.client.cluster();
    node.ask(cluster.place_shows(request)).await
}

fn placed(reply: &PlaceShowsReply, how: Placing) -> Answer {
    let verb = if how.dry_run { "would be" } else { "are" };
    let mut text = format!(
        "{} shows {verb} placed anew, {} stay as they are, {} cannot move",
        reply.placed, reply.unchanged, reply.refused
    );
    for stuck in &reply.examples {
        let show = ShowRef(stuck.show_id);
        text.push_str(&format!("\ncannot move: {show}: {}", stuck.reason));
    }
    let json = json!({
        "dry_run": how.dry_run, "placed": reply.placed, "unchanged": reply.unchanged, "refused": reply.refused,
        "examples": reply.examples.iter().map(stuck_json).collect::<Vec<_>>(),
    });
    Answer {
        text,
        json,
        well: reply.refused == 0,
    }
}

async fn infos(node: &Node) -> Result<Vec<NodeInfo>, Failure> {
    let mut cluster = node.client.cluster();
    Ok(node
        .ask(cluster.list_nodes(ListNodesRequest {}))
        .await?
        .nodes)
}

async fn set_state(node: &Node, which: NodeId, state: NodeState) -> Result<(), Failure> {
    let request = SetNodeStateRequest {
        node_id: which.get(),
        state: state.into(),
        expected_generation: None,
    };
    let mut cluster = node.client.cluster();
    node.ask(cluster.set_node_state(request)).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use holdfast_node_api::v1::StuckShow;

    use super::*;

    #[test]
    fn moving_is_well_and_having_nowhere_to_go_is_not() {
        let moving = MembershipStatusReply {
            shows: 10,
            moving: 2,
            examples: vec![3, 4],
            ..MembershipStatusReply::default()
        };
        let said = answer(&moving);
        assert!(said.well && said.text.contains("8 of 10"), "{}", said.text);
        let stuck = MembershipStatusReply {
            stuck: 1,
            stuck_examples: vec![StuckShow {
                show_id: 3,
                reason: "no room".to_owned(),
            }],
            ..moving
        };
        let said = answer(&stuck);
        assert!(!said.well && said.text.contains("nowhere to go: s3: no room"));
    }
}
