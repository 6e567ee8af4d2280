//! Consensus for Holdfast: openraft groups, their log and snapshot stores, and the transport between nodes.
#![allow(dead_code, reason = "parts are being put together")]

mod applied;
mod local_registry;
mod log_store;
mod snapshot_store;
mod types;
