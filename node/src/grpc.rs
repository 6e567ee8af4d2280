//! What the outside sees of a node, over gRPC.
//!
//! Owns: the services and the form of their errors. Must never: decide anything; it converts, asks and converts back.

mod audit;
mod buyer_index;
mod catalogue;
mod catalogue_watch;
mod cluster;
mod convert;
mod directory;
mod inventory;
mod leaders;
mod operator;
mod read;
mod room;
mod seats_watch;
mod submit_stream;

pub use buyer_index::BuyerIndexesService;
pub(crate) use buyer_index::index_event;
pub use cluster::ClusterService;
pub use directory::DirectoryService;
pub(crate) use directory::{outcome_of, passed_on, place_now};
pub use inventory::InventoryService;
pub use leaders::LeadersService;
pub use operator::OperatorService;
pub use room::WaitingRoomsService;

use holdfast_node_api::codes::STATUS_CODE_KEY;
use tonic::{Code, Status, metadata::MetadataValue};

/// A gRPC status that carries a public error code, see [`holdfast_node_api::codes`].
fn status(code: Code, public: &'static str, message: impl Into<String>) -> Status {
    let mut status = Status::new(code, message);
    status
        .metadata_mut()
        .insert(STATUS_CODE_KEY, MetadataValue::from_static(public));
    status
}
