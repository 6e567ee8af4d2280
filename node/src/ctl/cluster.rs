//! `holdfastctl cluster`: nodes and groups as one node sees them.
//!
//! Owns: what "well" means for a cluster seen from one node. Must never: ask more than that node; what another
//! one sees is asked there.

use clap::Subcommand;
use holdfast_node_api::refs::ShowRef;
use holdfast_node_api::v1::{
    AsOf, ClusterStatusReply, ClusterStatusRequest, GroupStatus, NodeStatus, ReplicaCounts,
};
use serde_json::{Value, json};

use super::answer::{age, ids, table};
use super::{Answer, Failure, Target};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Nodes, counts of groups, and groups without a leader, as this node knows them
    Status {
        /// List every group that has a replica on this node
        #[arg(long)]
        shows: bool,
    },
}

/// Groups asked for at a time.
const PAGE: u32 = 1_000;

pub(super) async fn run(command: &Command, target: &Target) -> Result<Answer, Failure> {
    let Command::Status { shows } = command;
    let node = target.node()?;
    let mut operator = node.client.operator();
    let mut request = ClusterStatusRequest {
        all_groups: *shows,
        after_group: None,
        limit: if *shows { PAGE } else { 0 },
    };
    let mut status = node.ask(operator.cluster_status(request)).await?;
    while *shows && status.next_after_group.is_some() {
        request.after_group = status.next_after_group;
        let mut page = node.ask(operator.cluster_status(request)).await?;
        status.groups.append(&mut page.groups);
        status.next_after_group = page.next_after_group;
    }
    Ok(answer(&status))
}

fn answer(status: &ClusterStatusReply) -> Answer {
    let unreachable: Vec<u64> = status
        .nodes
        .iter()
        .filter(|node| !node.reachable)
        .map(|node| node.node_id)
        .collect();
    // A stopped replica remembers its last leader and takes part in nothing.
    let stopped = status.groups.iter().filter(|g| g.role == "shutdown");
    let stopped: Vec<u64> = stopped.map(|group| group.group_id).collect();
    let as_of = status.directory.unwrap_or_default();
    let counts = status.replicas.unwrap_or_default();
    let mut text = format!(
        "seen from node {} in {}; directory at index {}, {} old, led by node {}\n\n{}\n\n{}",
        status.node_id,
        status.region,
        as_of.index,
        age(as_of.age_ms),
        leader(status.directory_leader),
        nodes_table(&status.nodes),
        counts_text(&counts),
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
    if status.leaderless > 0 {
        text.push_str(&format!(
            "\n\nwithout a live leader: {} groups",
            status.leaderless
        ));
    }
    if !stopped.is_empty() {
        text.push_str(&format!("\n\nstopped here: group {}", ids(&stopped)));
    }
    if status.next_after_group.is_some() {
        text.push_str("\n\nonly the first of them are listed; --shows lists everything");
    }
    let well = unreachable.is_empty()
        && status.leaderless == 0
        && stopped.is_empty()
        && status.directory_leader != 0;
    let json = json!({
        "well": well,
        "node_id": status.node_id,
        "region": status.region,
        "directory": as_of_json(&as_of),
        "directory_leader": leader_json(status.directory_leader),
        "nodes": status.nodes.iter().map(node_json).collect::<Vec<_>>(),
        "replicas": counts_json(&counts),
        "groups": status.groups.iter().map(group_json).collect::<Vec<_>>(),
        "unreachable_nodes": unreachable,
        "leaderless": status.leaderless,
        "stopped_groups": stopped,
    });
    Answer { text, json, well }
}

fn counts_text(counts: &ReplicaCounts) -> String {
    format!(
        "replicas here: {} ({} awake, {} hibernating, {} on disk only), {} of them lead\n\
         since the start: {} opened, {} put away; {} candidacies; {} silences of other nodes, {} of them false",
        counts.replicas,
        counts.awake,
        counts.hibernating,
        counts.unloaded,
        counts.led,
        counts.opens_total,
        counts.unloads_total,
        counts.candidacies_total,
        counts.silences_total,
        counts.false_silences_total,
    )
}

fn counts_json(counts: &ReplicaCounts) -> Value {
    json!({
        "replicas": counts.replicas, "awake": counts.awake, "hibernating": counts.hibernating,
        "unloaded": counts.unloaded, "led": counts.led, "opens_total": counts.opens_total,
        "unloads_total": counts.unloads_total, "hibernations_total": counts.hibernations_total,
        "candidacies_total": counts.candidacies_total, "silences_total": counts.silences_total,
        "false_silences_total": counts.false_silences_total,
    })
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
            if group.hibernating {
                format!("{}, asleep", group.role)
            } else {
                group.role.clone()
            },
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
        "hibernating": group.hibernating,
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

        let mut headless = sound.clone();
        headless.leaderless = 3;
        let said = answer(&headless);
        assert!(!said.well && said.text.contains("without a live leader: 3 groups"));

        let mut stopped = sound;
        stopped.groups[0].role = "shutdown".to_owned();
        assert_eq!(answer(&stopped).json["stopped_groups"], json!([4]));
    }
}
