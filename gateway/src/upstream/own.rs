//! Reading what a buyer made: it must be there right after it was written, also when the nearest replica is behind.
//!
//! Owns: the order of three attempts. Must never: say that there is none before the leader was asked.

use std::future::Future;

use holdfast_node_api::client::NodeClient;
use holdfast_node_api::v1::ReadOptions;
use tonic::{Response, Status};

use super::read::Freshness;
use super::{ShowPlace, Upstream, UpstreamError};
use crate::footprint::{self, Dated};

impl Upstream {
    /// Reads from the nearest replica once that has seen what was written through this gateway; from the leader before
    /// saying `unknown`; from any replica, with its age, when that is all there is. `ask` makes a call for given options.
    ///
    /// # Errors
    /// As [`Upstream::read`].
    pub async fn read_own<T, F, G, Fut>(
        &self,
        place: &ShowPlace,
        freshness: Freshness,
        read: ReadOptions,
        unknown: &'static str,
        ask: F,
    ) -> Result<T, UpstreamError>
    where
        T: Dated,
        F: Fn(ReadOptions) -> G + Send,
        G: Fn(NodeClient) -> Fut + Send,
        Fut: Future<Output = Result<Response<T>, Status>> + Send,
    {
        let mut floored = read;
        let seen = footprint::floor(place.show_id).max(self.written_index(place.show_id));
        floored.at_least_index = read.at_least_index.max(seen);
        let waits = floored.at_least_index > 0 && freshness == Freshness::Near;
        let wanted = if waits { Freshness::Seen } else { freshness };
        let error = match self.read(place, wanted, ask(floored)).await {
            Err(error) if freshness != Freshness::Linearizable => error,
            decided => return decided,
        };
        if error.code == unknown {
            let sure = ReadOptions {
                linearizable: true,
                ..read
            };
            return self.read(place, Freshness::Linearizable, ask(sure)).await;
        }
        if floored.at_least_index > read.at_least_index {
            return self.read(place, freshness, ask(read)).await;
        }
        Err(error)
    }
}
