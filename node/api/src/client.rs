//! One node, as seen by whoever calls it: lazily connected channels and the submit pipe.
//!
//! Owns: connection options. Must never: choose between nodes, or retry; the caller knows what it may repeat.

use std::time::Duration;

use thiserror::Error;
use tonic::transport::{Channel, Endpoint};

use crate::{
    pipe::{PipeOptions, SubmitPipe},
    v1::{
        buyer_indexes_client::BuyerIndexesClient, cluster_client::ClusterClient,
        directory_client::DirectoryClient, inventory_client::InventoryClient,
        leaders_client::LeadersClient, operator_client::OperatorClient,
        waiting_rooms_client::WaitingRoomsClient,
    },
};

/// Largest answer that is read, bytes: a layout of 200,000 seats with room to spare.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Flow-control windows, bytes. A stream across an ocean needs bandwidth × delay in flight: 4 MiB at 230 ms
/// carries 18 MB/s, several hundred thousand commands per second.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;

/// How a channel behaves.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Longest wait for a connection to be made.
    pub connect_timeout: Duration,
    /// A connection is pinged this often, also when idle, so that a cut is noticed before it is needed.
    pub keep_alive_interval: Duration,
    /// A ping unanswered for this long closes the connection.
    pub keep_alive_timeout: Duration,
    /// Bounds of the submit pipe.
    pub pipe: PipeOptions,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            keep_alive_interval: Duration::from_secs(2),
            keep_alive_timeout: Duration::from_secs(2),
            pipe: PipeOptions::default(),
        }
    }
}

/// The address is not one that can be dialled.
#[derive(Debug, Error)]
#[error("{address} is not a node address; expected host:port or http://host:port")]
pub struct BadAddress {
    /// What was given.
    pub address: String,
}

/// A lazily connected channel to `address` (`host:port` or `http://host:port`). Needs a Tokio runtime.
///
/// # Errors
/// When `address` cannot be an address; an unreachable one is found out on first use.
pub fn channel(address: &str, options: &ClientOptions) -> Result<Channel, BadAddress> {
    let bad = || BadAddress {
        address: address.to_owned(),
    };
    let uri = if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}")
    };
    let endpoint = Endpoint::from_shared(uri).map_err(|_| bad())?;
    let dialable = endpoint.uri().scheme_str() == Some("http")
        && endpoint.uri().host().is_some_and(|host| !host.is_empty());
    if !dialable {
        return Err(bad());
    }
    Ok(endpoint
        .connect_timeout(options.connect_timeout)
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keep_alive_interval(options.keep_alive_interval)
        .keep_alive_timeout(options.keep_alive_timeout)
        .keep_alive_while_idle(true)
        .connect_lazy())
}

/// A cheap handle to one node. Clones share the connection and the pipe.
#[derive(Debug, Clone)]
pub struct NodeClient {
    channel: Channel,
    pipe: SubmitPipe,
}

impl NodeClient {
    /// A client of the node at `address`; connects on first use and again whenever needed.
    /// Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When `address` cannot be an address.
    pub fn new(address: &str, options: &ClientOptions) -> Result<Self, BadAddress> {
        let channel = channel(address, options)?;
        let pipe = SubmitPipe::new(channel.clone(), options.pipe.clone());
        Ok(Self { channel, pipe })
    }

    /// The pipe for commands: the fast path.
    #[must_use]
    pub fn pipe(&self) -> &SubmitPipe {
        &self.pipe
    }

    /// Reads of shows, and single commands.
    #[must_use]
    pub fn inventory(&self) -> InventoryClient<Channel> {
        InventoryClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The catalogue.
    #[must_use]
    pub fn directory(&self) -> DirectoryClient<Channel> {
        DirectoryClient::new(self.channel.clone())
            .max_decoding_message_size(ANSWER_BYTES_MAX)
            .max_encoding_message_size(ANSWER_BYTES_MAX)
    }

    /// Nodes, regions, replicas: what an operator decides.
    #[must_use]
    pub fn cluster(&self) -> ClusterClient<Channel> {
        ClusterClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// Who leads what.
    #[must_use]
    pub fn leaders(&self) -> LeadersClient<Channel> {
        LeadersClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// Waiting rooms of shows.
    #[must_use]
    pub fn waiting_rooms(&self) -> WaitingRoomsClient<Channel> {
        WaitingRoomsClient::new(self.channel.clone())
    }

    /// Which orders buyers have.
    #[must_use]
    pub fn buyer_indexes(&self) -> BuyerIndexesClient<Channel> {
        BuyerIndexesClient::new(self.channel.clone())
    }

    /// What an operator asks.
    #[must_use]
    pub fn operator(&self) -> OperatorClient<Channel> {
        OperatorClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_cannot_be_dialled_is_named() {
        for address in ["", "not an address", "https://127.0.0.1:1", "http://"] {
            let error = NodeClient::new(address, &ClientOptions::default()).unwrap_err();
            assert_eq!(error.address, address);
        }
        assert!(NodeClient::new("127.0.0.1:1", &ClientOptions::default()).is_ok());
        assert!(NodeClient::new("http://127.0.0.1:1", &ClientOptions::default()).is_ok());
    }
}
