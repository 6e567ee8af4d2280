//! Which node is asked, and for how long.
//!
//! Owns: address and deadline of every call. Must never: try another node by itself: the operator asked this one.

use std::future::Future;
use std::time::Duration;

use holdfast_node_api::client::{ClientOptions, NodeClient};

use super::Failure;

/// The node to ask.
#[derive(Debug, Clone, clap::Args)]
pub struct Target {
    /// gRPC address of any node of the cluster, HOST:PORT
    #[arg(
        long = "node",
        value_name = "ADDR",
        env = "HOLDFAST_NODE_ADDR",
        global = true
    )]
    pub address: Option<String>,
    /// Longest wait for an answer, milliseconds
    #[arg(
        long, value_name = "MS", default_value_t = 10_000, global = true,
        value_parser = clap::value_parser!(u64).range(1..=600_000)
    )]
    pub timeout_ms: u64,
}

/// A node to talk to.
pub(super) struct Node {
    pub(super) client: NodeClient,
    address: String,
    timeout_ms: u64,
}

impl Target {
    /// The named node. Does not connect yet.
    pub(super) fn node(&self) -> Result<Node, Failure> {
        let address = self.address.clone().filter(|address| !address.is_empty());
        let address = address.ok_or(Failure::NoNode)?;
        let client = NodeClient::new(&address, &ClientOptions::default());
        let client = client.map_err(|error| Failure::Argument {
            argument: "--node".to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Node {
            client,
            address,
            timeout_ms: self.timeout_ms,
        })
    }
}

impl Node {
    /// A "no" of the cluster, reached through this node.
    pub(super) fn refused(&self, code: &str, message: &str) -> Failure {
        Failure::Refused {
            address: self.address.clone(),
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }

    /// Waits for one call's answer, for as long as the operator is willing to.
    pub(super) async fn ask<T>(
        &self,
        call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    ) -> Result<T, Failure> {
        let answer = tokio::time::timeout(Duration::from_millis(self.timeout_ms), call).await;
        match answer {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(Failure::of_status(&self.address, &status)),
            Err(_) => Err(Failure::TimedOut {
                address: self.address.clone(),
                timeout_ms: self.timeout_ms,
            }),
        }
    }
}
