//! Reads of one group, as current as the caller asks.
//!
//! Owns: the order of the checks: the replica is here, index reached, quorum asked, age bound kept. Must never: answer
//! with a state older than was asked for.

use std::time::Duration;

use holdfast_inventory::ids::ShowId;
use holdfast_node_api::v1::ReadOptions;
use holdfast_raft::{AsOf, Host, Inhabitant, OpenError, ReadError, ShowGroup};
use tonic::{Code, Status};

use super::status;

/// How long a session read waits for its index. Longer than any one-way delay, shorter than a caller's patience.
pub(super) const AT_LEAST_INDEX_WAIT: Duration = Duration::from_secs(3);

/// Longest wait for a replica to be read from disk. Longer than any healthy disk takes, shorter than a caller's patience.
const OPEN_LIMIT: Duration = Duration::from_secs(3);

/// A replica that stays in memory while it is read.
pub(super) struct Reading {
    pub(super) group: ShowGroup,
    _inside: Inhabitant,
}

/// This node's replica of `show`, opened if it is not in memory.
pub(super) async fn group(host: &Host, show: u64) -> Result<Reading, Status> {
    let id = ShowId(show);
    let opening = async {
        loop {
            let group = match host.loaded_show(id) {
                Some(group) => group,
                None => host.open_show(id).await?,
            };
            // It was put away between the two: the next turn finds it closed.
            if let Some(inside) = group.pin() {
                return Ok(Reading {
                    group,
                    _inside: inside,
                });
            }
            group.closed().await;
        }
    };
    match tokio::time::timeout(OPEN_LIMIT, opening).await {
        Ok(Ok(reading)) => Ok(reading),
        Ok(Err(error)) => Err(not_here(host, id, &error)),
        Err(_) => {
            let message = format!("show {id} could not be opened in time");
            Err(status(Code::Unavailable, "unavailable", message))
        }
    }
}

fn not_here(host: &Host, show: ShowId, error: &OpenError) -> Status {
    let (known, _) = host
        .directory()
        .read(|directory| directory.shows().contains_key(&show));
    match error {
        OpenError::NotHere { .. } if !known => status(
            Code::NotFound,
            "unknown_show",
            format!("no show {show} is known here"),
        ),
        OpenError::NotHere { .. } => {
            let message = format!("show {show} has no replica on this node");
            status(Code::Unavailable, "not_ready", message)
        }
        OpenError::Failed { .. } => status(Code::Unavailable, "unavailable", error.to_string()),
        OpenError::Stopping => status(Code::Unavailable, "stopped", error.to_string()),
    }
}

/// Waits until `group` is as current as `options` ask; says whether a quorum confirmed it.
pub(super) async fn wait(group: &ShowGroup, options: Option<&ReadOptions>) -> Result<bool, Status> {
    let Some(options) = options else {
        return Ok(false);
    };
    if options.at_least_index > 0 {
        let waited = group
            .wait_applied(options.at_least_index, AT_LEAST_INDEX_WAIT)
            .await;
        waited.map_err(|error| refused(&error))?;
    }
    if options.linearizable {
        group
            .read_linearizable()
            .await
            .map_err(|error| refused(&error))?;
    }
    Ok(options.linearizable)
}

/// Refuses an answer that is older than `options` allow.
pub(super) fn check_age(as_of: AsOf, options: Option<&ReadOptions>) -> Result<(), Status> {
    let age_ms_max = options.map_or(0, |options| options.age_ms_max);
    if age_ms_max == 0 || as_of.age_ms <= age_ms_max {
        return Ok(());
    }
    let message = format!(
        "this replica is {} ms old, {age_ms_max} ms is the limit",
        as_of.age_ms
    );
    Err(status(Code::Unavailable, "unavailable", message))
}

/// A read that could not be made as current as asked.
pub(super) fn refused(error: &ReadError) -> Status {
    let (code, public) = match error {
        ReadError::NotLeader { .. } => (Code::FailedPrecondition, "not_leader"),
        ReadError::NoQuorum { .. } => (Code::Unavailable, "unavailable"),
        ReadError::Behind { .. } => (Code::DeadlineExceeded, "deadline"),
        ReadError::Stopped { .. } => (Code::Unavailable, "stopped"),
    };
    let mut status = status(code, public, error.to_string());
    if let ReadError::NotLeader {
        leader: Some(leader),
        ..
    } = error
    {
        status
            .metadata_mut()
            .insert("holdfast-leader", leader.get().into());
    }
    status
}
