//! Tells the cluster that this node exists.
//!
//! Owns: trying until the directory has it written down. Must never: hold anything else up.

use std::time::Duration;

use holdfast_node_api::codes;
use holdfast_node_api::v1::{AnnounceNodeRequest, operator_server::Operator};
use holdfast_raft::{Host, directory::NodeRegistration};
use holdfast_region_config::Node;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::grpc::OperatorService;

/// Between two tries.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Whether the directory has decided against this node, which no repetition changes.
fn is_final(error: &tonic::Status) -> bool {
    let code = codes::of_status(error).map(|row| row.code);
    matches!(code, Some("disk_changed" | "node_removed"))
}

/// Has this node written down in the directory, once it can be.
pub(super) async fn announce(
    host: Host,
    placed: Node,
    operator: OperatorService,
    refused: watch::Sender<Option<String>>,
    stop: CancellationToken,
) {
    let node = host.node();
    let registered = NodeRegistration {
        region: placed.region.clone(),
        zone: placed.zone.as_ref().map(ToString::to_string),
        addr: placed.addr.clone(),
        disk: Some(host.disk_id()),
        release: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let request = AnnounceNodeRequest {
        node_id: node.get(),
        region: registered.region.to_string(),
        version: registered.release.clone(),
        zone: registered.zone.clone().unwrap_or_default(),
        addr: registered.addr.clone(),
        disk: host.disk_id().to_string(),
    };
    loop {
        let (known, _) = host.directory().read(|directory| {
            let record = directory.nodes().get(&node);
            record.is_some_and(|record| record.registered == registered)
        });
        if known {
            return;
        }
        let announced = operator.announce_node(tonic::Request::new(request.clone()));
        tokio::select! {
            () = stop.cancelled() => return,
            answer = announced => match answer {
                Ok(_) => return,
                Err(error) if is_final(&error) => {
                    tracing::error!(reason = error.message(), "the cluster refuses this node");
                    refused.send_replace(Some(error.message().to_owned()));
                    return;
                }
                Err(error) => tracing::debug!(%error, "node not announced yet"),
            },
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RETRY_DELAY) => {}
        }
    }
}
