//! Between openraft's values and the peer protocol's messages.
//!
//! Owns: every conversion and its checks. Must never: panic on what a peer sent; a missing or absurd field is a
//! [`Malformed`] that names it.

use std::collections::BTreeSet;

use bytes::Bytes;
use openraft::EntryPayload;
use openraft::entry::RaftEntry as _;
use openraft::raft::{AppendEntriesRequest, TransferLeaderRequest, VoteRequest, VoteResponse};

use crate::types::{AppData, Entry, LogId, Membership, StoredMembership, TypeConfig, Vote, log_id};

/// Generated messages of `holdfast.peer.v1`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::or_fun_call,
    clippy::large_futures,
    clippy::unused_async,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
pub(crate) mod pb {
    tonic::include_proto!("holdfast.peer.v1");
}

/// More members than a group can have; a larger list is garbage or hostile.
const MEMBERS_MAX: usize = 64;

/// A field of a peer's message that is missing or cannot be right.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("malformed peer message: {field}: {reason}")]
pub(crate) struct Malformed {
    /// Path of the field.
    pub(crate) field: &'static str,
    /// What is wrong with it.
    pub(crate) reason: &'static str,
}

fn missing(field: &'static str) -> Malformed {
    Malformed {
        field,
        reason: "missing",
    }
}

pub(crate) fn vote_to_pb(vote: &Vote) -> pb::Vote {
    let leader = vote.leader_id();
    pb::Vote {
        term: leader.term,
        node: leader.voted_for,
        committed: vote.is_committed(),
    }
}

pub(crate) fn vote_from_pb(vote: Option<pb::Vote>, field: &'static str) -> Result<Vote, Malformed> {
    let vote = vote.ok_or_else(|| missing(field))?;
    Ok(if vote.committed {
        Vote::new_committed(vote.term, vote.node)
    } else {
        Vote::new(vote.term, vote.node)
    })
}

pub(crate) fn log_id_to_pb(id: &LogId) -> pb::LogId {
    pb::LogId {
        term: **id.committed_leader_id(),
        index: id.index(),
    }
}

pub(crate) fn log_id_from_pb(id: pb::LogId) -> LogId {
    log_id(id.term, id.index)
}

pub(crate) fn membership_to_pb(membership: &Membership) -> pb::Membership {
    pb::Membership {
        configs: membership
            .get_joint_config()
            .iter()
            .map(|config| pb::NodeSet {
                nodes: config.iter().copied().collect(),
            })
            .collect(),
        nodes: membership.nodes().map(|(id, ())| *id).collect(),
    }
}

pub(crate) fn membership_from_pb(wire: pb::Membership) -> Result<Membership, Malformed> {
    if wire.nodes.len() > MEMBERS_MAX || wire.configs.len() > 2 {
        return Err(Malformed {
            field: "membership",
            reason: "too many members or configs",
        });
    }
    let nodes: BTreeSet<u64> = wire.nodes.into_iter().collect();
    let configs: Vec<BTreeSet<u64>> = wire
        .configs
        .into_iter()
        .map(|c| c.nodes.into_iter().collect())
        .collect();
    if configs.iter().flatten().any(|voter| !nodes.contains(voter)) {
        return Err(Malformed {
            field: "membership.configs",
            reason: "a voter is not a member",
        });
    }
    if configs.is_empty() && nodes.is_empty() {
        return Ok(Membership::default());
    }
    #[cfg(feature = "simulation")]
    let configs = if crate::simulation::sabotaged(crate::simulation::Sabotage::LearnerVotes) {
        vec![nodes.clone()]
    } else {
        configs
    };
    Membership::new(
        configs,
        nodes
            .into_iter()
            .map(|id| (id, ()))
            .collect::<std::collections::BTreeMap<_, _>>(),
    )
    .map_err(|_| Malformed {
        field: "membership.configs",
        reason: "not a valid membership",
    })
}

pub(crate) fn stored_membership_to_pb(stored: &StoredMembership) -> pb::StoredMembership {
    pb::StoredMembership {
        log_id: stored.log_id().as_ref().map(log_id_to_pb),
        membership: Some(membership_to_pb(stored.membership())),
    }
}

pub(crate) fn stored_membership_from_pb(
    wire: Option<pb::StoredMembership>,
) -> Result<StoredMembership, Malformed> {
    let wire = wire.ok_or_else(|| missing("membership"))?;
    let membership = membership_from_pb(
        wire.membership
            .ok_or_else(|| missing("membership.membership"))?,
    )?;
    Ok(StoredMembership::new(
        wire.log_id.map(log_id_from_pb),
        membership,
    ))
}

fn entry_to_pb(entry: &Entry) -> pb::Entry {
    let id = entry.log_id();
    let payload = match &entry.payload {
        EntryPayload::Blank => pb::entry::Payload::Blank(pb::Blank {}),
        EntryPayload::Normal(data) => pb::entry::Payload::Normal(data.bytes.clone()),
        EntryPayload::Membership(m) => pb::entry::Payload::Membership(membership_to_pb(m)),
    };
    pb::Entry {
        term: **id.committed_leader_id(),
        index: id.index(),
        payload: Some(payload),
    }
}

fn entry_from_pb(wire: pb::Entry) -> Result<Entry, Malformed> {
    let payload = match wire
        .payload
        .ok_or_else(|| missing("append.entries.payload"))?
    {
        pb::entry::Payload::Blank(pb::Blank {}) => EntryPayload::Blank,
        pb::entry::Payload::Normal(bytes) => EntryPayload::Normal(AppData { bytes }),
        pb::entry::Payload::Membership(m) => EntryPayload::Membership(membership_from_pb(m)?),
    };
    Ok(Entry::new(log_id(wire.term, wire.index), payload))
}

pub(crate) fn append_to_pb(
    request: &AppendEntriesRequest<TypeConfig>,
    current_ms: u64,
) -> pb::AppendRequest {
    pb::AppendRequest {
        vote: Some(vote_to_pb(&request.vote)),
        prev_log_id: request.prev_log_id.as_ref().map(log_id_to_pb),
        entries: request.entries.iter().map(entry_to_pb).collect(),
        leader_commit: request.leader_commit.as_ref().map(log_id_to_pb),
        current_ms,
    }
}

pub(crate) fn append_from_pb(
    wire: pb::AppendRequest,
) -> Result<AppendEntriesRequest<TypeConfig>, Malformed> {
    let entries = wire
        .entries
        .into_iter()
        .map(entry_from_pb)
        .collect::<Result<Vec<_>, _>>()?;
    let mut next = wire
        .prev_log_id
        .as_ref()
        .map_or(0, |id| id.index.saturating_add(1));
    for entry in &entries {
        if entry.log_id().index() != next {
            return Err(Malformed {
                field: "append.entries",
                reason: "indexes are not consecutive",
            });
        }
        next = next.saturating_add(1);
    }
    Ok(AppendEntriesRequest {
        vote: vote_from_pb(wire.vote, "append.vote")?,
        prev_log_id: wire.prev_log_id.map(log_id_from_pb),
        entries,
        leader_commit: wire.leader_commit.map(log_id_from_pb),
    })
}

pub(crate) fn vote_request_to_pb(
    request: &VoteRequest<TypeConfig>,
    takeover: bool,
) -> pb::VoteRequest {
    pb::VoteRequest {
        vote: Some(vote_to_pb(&request.vote)),
        last_log_id: request.last_log_id.as_ref().map(log_id_to_pb),
        leadership_transfer: request.leadership_transfer,
        takeover,
    }
}

pub(crate) fn vote_request_from_pb(
    wire: pb::VoteRequest,
) -> Result<VoteRequest<TypeConfig>, Malformed> {
    let mut request = VoteRequest::new(
        vote_from_pb(wire.vote, "vote.vote")?,
        wire.last_log_id.map(log_id_from_pb),
    );
    request.leadership_transfer = wire.leadership_transfer;
    Ok(request)
}

pub(crate) fn vote_reply_to_pb(reply: &VoteResponse<TypeConfig>) -> pb::VoteReply {
    pb::VoteReply {
        vote: Some(vote_to_pb(&reply.vote)),
        granted: reply.vote_granted,
        last_log_id: reply.last_log_id.as_ref().map(log_id_to_pb),
    }
}

pub(crate) fn vote_reply_from_pb(
    wire: pb::VoteReply,
) -> Result<VoteResponse<TypeConfig>, Malformed> {
    Ok(VoteResponse::new(
        vote_from_pb(wire.vote, "vote_reply.vote")?,
        wire.last_log_id.map(log_id_from_pb),
        wire.granted,
    ))
}

pub(crate) fn transfer_to_pb(request: &TransferLeaderRequest<TypeConfig>) -> pb::TransferRequest {
    pb::TransferRequest {
        from_leader: Some(vote_to_pb(request.from_leader())),
        to_node: *request.to_node_id(),
        last_log_id: request.last_log_id().map(log_id_to_pb),
    }
}

pub(crate) fn transfer_from_pb(
    wire: pb::TransferRequest,
) -> Result<TransferLeaderRequest<TypeConfig>, Malformed> {
    Ok(TransferLeaderRequest::new(
        vote_from_pb(wire.from_leader, "transfer.from_leader")?,
        wire.to_node,
        wire.last_log_id.map(log_id_from_pb),
    ))
}

/// Splits snapshot bytes into pieces without copying.
pub(crate) fn pieces(bytes: &Bytes, piece_bytes_max: usize) -> impl Iterator<Item = Bytes> + use<> {
    let bytes = bytes.clone();
    (0..bytes.len()).step_by(piece_bytes_max).map(move |start| {
        let end = bytes.len().min(start.saturating_add(piece_bytes_max));
        bytes.slice(start..end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(voters: &[u64], learners: &[u64]) -> Membership {
        let nodes = voters.iter().chain(learners).map(|id| (*id, ()));
        Membership::new(
            vec![voters.iter().copied().collect()],
            nodes.collect::<std::collections::BTreeMap<_, _>>(),
        )
        .expect("a valid membership")
    }

    #[test]
    fn append_survives_the_wire() {
        let request = AppendEntriesRequest::<TypeConfig> {
            vote: Vote::new_committed(7, 2),
            prev_log_id: Some(log_id(6, 9)),
            entries: vec![
                Entry::new(log_id(7, 10), EntryPayload::Blank),
                Entry::new(
                    log_id(7, 11),
                    EntryPayload::Normal(AppData {
                        bytes: Bytes::from_static(b"batch"),
                    }),
                ),
                Entry::new(
                    log_id(7, 12),
                    EntryPayload::Membership(members(&[1, 2, 3], &[4])),
                ),
            ],
            leader_commit: Some(log_id(6, 8)),
        };
        let back = append_from_pb(append_to_pb(&request, 7)).expect("decodes");
        assert_eq!(format!("{request:?}"), format!("{back:?}"));
        assert_eq!(request.entries, back.entries);
    }

    #[test]
    fn gap_in_entries_is_refused() {
        let wire = pb::AppendRequest {
            vote: Some(pb::Vote {
                term: 1,
                node: 1,
                committed: true,
            }),
            prev_log_id: Some(pb::LogId { term: 1, index: 4 }),
            entries: vec![pb::Entry {
                term: 1,
                index: 6,
                payload: Some(pb::entry::Payload::Blank(pb::Blank {})),
            }],
            leader_commit: None,
            current_ms: 0,
        };
        assert_eq!(
            append_from_pb(wire).expect_err("a gap").field,
            "append.entries"
        );
    }

    #[test]
    fn voter_outside_the_member_list_is_refused() {
        let wire = pb::Membership {
            configs: vec![pb::NodeSet { nodes: vec![1, 9] }],
            nodes: vec![1],
        };
        assert_eq!(
            membership_from_pb(wire).expect_err("refused").field,
            "membership.configs"
        );
    }

    #[test]
    fn pieces_cover_everything_once() {
        let bytes = Bytes::from((0..1000u16).map(|n| n.to_le_bytes()[0]).collect::<Vec<_>>());
        let joined: Vec<u8> = pieces(&bytes, 300).flat_map(|p| p.to_vec()).collect();
        assert_eq!(joined, bytes);
        assert_eq!(pieces(&Bytes::new(), 300).count(), 0);
    }
}
