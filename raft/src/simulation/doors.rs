//! How the simulated clients reach the replicas: through the crate's public handles.
//!
//! Owns: the few calls into [`Host`] that the simulation makes, in one place. Must never: reach around the public interface, or the
//! simulation would test something else than what a node uses.

use holdfast_inventory::ids::ShowId;
use holdfast_region_config::GroupId;

use crate::{Host, ShowGroup};

/// This machine's replica of a show.
pub(super) async fn show(host: &Host, show: ShowId) -> Option<ShowGroup> {
    host.open_show(show).await.ok()
}

/// The same, only if it is in memory.
pub(super) fn loaded_show(host: &Host, show: ShowId) -> Option<ShowGroup> {
    host.loaded_show(show)
}

/// How far this machine's replica of a group is, and the hash of its state; `None` when it has none in memory.
pub(super) fn position(host: &Host, group: GroupId) -> Option<(u64, u64)> {
    if group.is_directory() {
        let (hash, as_of) = host.directory().read(|state| {
            let bytes = crate::directory::encode_snapshot(state).unwrap_or_default();
            xxhash_rust::xxh3::xxh3_64(&bytes)
        });
        return Some((as_of.index, hash));
    }
    let show = host.loaded_show(ShowId(group.get()))?;
    let (hash, as_of) = show.read(|state| state.state_hash());
    Some((as_of.index, hash))
}
