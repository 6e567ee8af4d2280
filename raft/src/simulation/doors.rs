//! How the simulated clients reach the replicas: through the crate's public handles.
//!
//! Owns: the few calls into [`Host`] that the simulation makes, in one place. Must never: reach around the public interface, or the
//! simulation would test something else than what a node uses.

use std::sync::Arc;

use holdfast_inventory::ids::ShowId;
use holdfast_region_config::{GroupId, NodeId};

use super::fact::Members;
use crate::directory::ShowRecord;
use crate::{Host, ShowGroup};

/// This machine's replica of a show.
pub(super) async fn show(host: &Host, show: ShowId) -> Option<ShowGroup> {
    host.open_show(show).await.ok()
}

/// The same, only if it is in memory.
pub(super) fn loaded_show(host: &Host, show: ShowId) -> Option<ShowGroup> {
    host.loaded_show(show)
}

/// What is unfinished of membership changes: `None` = this machine does not lead the directory, `Some(None)` = nothing.
#[expect(clippy::option_option, reason = "who does not lead knows neither")]
pub(super) fn unfinished(host: &Host) -> Option<Option<String>> {
    let directory = host.directory();
    if !directory.leadership().borrow().leads {
        return None;
    }
    let (unfinished, _) = directory.read(|state| {
        let shows = state.shows().values();
        let unfinished = shows.filter(|show| !show.is_settled() || !show.leaving.is_empty());
        let said = |show: &Arc<ShowRecord>| {
            format!(
                "{} at generation {} of {}, leaving {:?}",
                show.show_id, show.settled, show.generation, show.leaving
            )
        };
        unfinished.map(said).collect::<Vec<_>>()
    });
    Some((!unfinished.is_empty()).then(|| unfinished.join("; ")))
}

/// The members of a show that this machine's replica knows, and those that the directory wants.
pub(super) fn members(host: &Host, group: GroupId) -> Option<(Members, Members)> {
    if group.is_directory() {
        return None;
    }
    let show = ShowId(group.get());
    let status = host.loaded_show(show)?.status();
    let (record, _) = host.directory().read(|d| d.shows().get(&show).cloned());
    let members = |voters: &[NodeId], learners: &[NodeId]| Members {
        voters: voters.iter().copied().collect(),
        learners: learners.iter().copied().collect(),
    };
    let record = record?;
    let knows = members(&status.voters, &status.learners);
    Some((knows, members(&record.voters, &record.learners)))
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
