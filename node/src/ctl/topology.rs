//! `holdfastctl topology`: has a node read its topology file again.
//!
//! Owns: how the difference is shown. Must never: touch the file; each process reads its own.

use clap::Subcommand;
use holdfast_node_api::v1::{ReloadTopologyReply, ReloadTopologyRequest};
use serde_json::json;

use super::{Answer, Failure, Target};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The asked node reads its topology file again; ask every node, each reads its own (so does SIGHUP)
    Reload,
}

pub(super) async fn run(command: &Command, target: &Target) -> Result<Answer, Failure> {
    let Command::Reload = command;
    let node = target.node()?;
    let mut cluster = node.client.cluster();
    let reply = node
        .ask(cluster.reload_topology(ReloadTopologyRequest {}))
        .await?;
    Ok(answer(&reply))
}

fn answer(reply: &ReloadTopologyReply) -> Answer {
    Answer {
        text: format!("topology read again: {}", reply.changes),
        json: json!({
            "changes": reply.changes,
            "nodes_added": reply.nodes_added, "nodes_removed": reply.nodes_removed,
            "regions_added": reply.regions_added, "regions_removed": reply.regions_removed,
        }),
        well: true,
    }
}
