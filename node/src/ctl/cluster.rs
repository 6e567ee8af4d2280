//! `holdfastctl cluster`: nodes and groups as one node sees them.
//!
//! Owns: what "well" means for a cluster seen from one node. Must never: ask more than that node; what another
//! one sees is asked there.

use clap::Subcommand;
use holdfast_node_api::refs::ShowRef;
use holdfast_node_api::v1::{
    AsOf, ClusterStatusReply, ClusterStatusRequest, GroupStatus, NodeStatus,
};
use serde_json::{Value, json};

use super::answer::{age, ids, table};
use super::{Answer, Failure, Target};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Every node and group, and whether this node can reach and lead or follow them
    Status,
}

pub(super) async fn run(command: &Command, target: &Target) -> Result<Answer, Failure> {
    let Command::Status = command;
    let node = target.node()?;
    let mut operator = node.client.operator();
    let status = node
        .ask(operator.cluster_status(ClusterStatusRequest {}))
        .await?;
    Ok(answer(&status))
}

fn answer(status: &ClusterStatusReply) -> Answer {
    let unreachable: Vec<u64> = status
        .nodes
        .iter()
        .filter(|node| !node.reachable)
        .map(|node| node.node_id)
        .collect();
    let leaderless: Vec<u64> = status
        .groups
        .iter()
        // A stopped replica remembers its last leader and takes part in nothing.
        .filter(|group| group.leader == 0 || group.role == "shutdown")
        .map(|group| group.group_id)
        .collect();
    let as_of = status.directory.unwrap_or_default();
    let mut text = format!(
        "seen from node {} in {}; directory at index {}, {} old, led by node {}\n\n{}",
        status.node_id,
        status.region,
        as_of.index,
        age(as_of.age_ms),
        leader(status.directory_leader),
        nodes_table(&status.nodes),
    );
    if !status.groups.is_empty() {
        text.push_str("\n\n");
        text.push_str(&groups_table(&status.groups));
    }
    if !unreachable.is_empty() {
        text.push_str(&format!(
            "\n\nnot reachable from here: node {}",
            ids(&unreachable)
        ));
    }
    if !leaderless.is_empty() {
        text.push_str(&format!(
            "\n\nwithout a known leader: group {}",
            ids(&leaderless)
        ));
    }
    let well = unreachable.is_empty() && leaderless.is_empty() && status.directory_leader != 0;
    let json = json!({
        "well": well,
        "node_id": status.node_id,
        "region": status.region,
        "directory": as_of_json(&as_of),
        "directory_leader": leader_json(status.directory_leader),
        "nodes": status.nodes.iter().map(node_json).collect::<Vec<_>>(),
        "groups": status.groups.iter().map(group_json).collect::<Vec<_>>(),
        "unreachable_nodes": unreachable,
        "leaderless_groups": leaderless,
    });
    Answer { text, json, well }
}

fn nodes_table(nodes: &[NodeStatus]) -> String {
    let row = |node: &NodeStatus| {
        [
            node.node_id.to_string(),
            node.region.clone(),
            node.addr.clone(),
            if node.reachable { "yes" } else { "NO" }.to_owned(),
            node.last_heard_ms
                .map_or_else(|| "never".to_owned(), |ms| format!("{} ago", age(ms))),
            node.version.clone(),
        ]
    };
    let rows: Vec<_> = nodes.iter().map(row).collect();
    table(
        [
            "node",
            "region",
            "address",
            "reachable",
            "last heard",
            "version",
        ],
        &rows,
    )
}

fn groups_table(groups: &[GroupStatus]) -> String {
    let row = |group: &GroupStatus| {
        [
            group.group_id.to_string(),
            if group.show_id == 0 {
                "directory".to_owned()
            } else {
                ShowRef(group.show_id).to_string()
            },
            group.role.clone(),
            leader(group.leader),
            group.term.to_string(),
            format!("{}/{}", group.applied_index, group.last_log_index),
            group.snapshot_index.to_string(),
            ids(&group.voters),
            ids(&group.learners),
            age(group.age_ms),
        ]
    };
    let rows: Vec<_> = groups.iter().map(row).collect();
    let head = [
        "group",
        "show",
        "role here",
        "leader",
        "term",
        "applied/log",
        "snapshot",
        "voters",
        "learners",
        "age",
    ];
    table(head, &rows)
}

fn leader(node_id: u64) -> String {
    if node_id == 0 {
        "none".to_owned()
    } else {
        node_id.to_string()
    }
}

fn leader_json(node_id: u64) -> Value {
    if node_id == 0 {
        Value::Null
    } else {
        json!(node_id)
    }
}

fn node_json(node: &NodeStatus) -> Value {
    json!({
        "node_id": node.node_id, "region": node.region, "addr": node.addr, "reachable": node.reachable,
        "last_heard_ms": node.last_heard_ms, "version": node.version,
    })
}

pub(super) fn as_of_json(as_of: &AsOf) -> Value {
    json!({"index": as_of.index, "age_ms": as_of.age_ms, "linearizable": as_of.linearizable})
}

pub(super) fn group_json(group: &GroupStatus) -> Value {
    json!({
        "group_id": group.group_id,
        "show_id": (group.show_id != 0).then(|| ShowRef(group.show_id).to_string()),
        "role": group.role,
        "term": group.term,
        "leader": leader_json(group.leader),
        "last_log_index": group.last_log_index,
        "applied_index": group.applied_index,
        "snapshot_index": group.snapshot_index,
        "purged_index": group.purged_index,
        "voters": group.voters,
        "learners": group.learners,
        "age_ms": group.age_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_well_only_with_every_node_and_a_leader_for_every_group() {
        let node = NodeStatus {
            node_id: 1,
            reachable: true,
            ..NodeStatus::default()
        };
        let group = GroupStatus {
            group_id: 4,
            leader: 1,
            ..GroupStatus::default()
        };
        let sound = ClusterStatusReply {
            node_id: 1,
            directory_leader: 1,
            nodes: vec![node],
            groups: vec![group],
            ..ClusterStatusReply::default()
        };
        assert!(answer(&sound).well);

        let mut cut = sound.clone();
        cut.nodes[0].reachable = false;
        let said = answer(&cut);
        assert!(
            !said.well && said.text.contains("not reachable from here: node 1"),
            "{}",
            said.text
        );

        let mut headless = sound;
        headless.groups[0].leader = 0;
        assert_eq!(answer(&headless).json["leaderless_groups"], json!([4]));
    }
}
