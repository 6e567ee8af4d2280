//! How one log entry, and the few facts beside the log, look as bytes.
//!
//! Owns: the versioned encodings of entries, log ids, votes and memberships. Must never: use openraft's serde forms,
//! which are not a stable format. Integrity is not its business: the log engine and the snapshot store checksum what
//! they keep.
//!
//! An entry is `index (8 bytes, big-endian) | version | kind | term (varint) | payload`. The index comes first and at a
//! fixed width because the engine asks for it without decoding the rest.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use openraft::EntryPayload;

use super::bytes::{ByteReader, DecodeError, put_uvarint};
use super::limits::{MEMBERSHIP_CONFIGS_MAX, MEMBERSHIP_NODES_MAX};
use crate::types::{AppData, Entry, LogId, Membership, StoredMembership, Vote, log_id};

/// Newest version of the entry encoding.
pub(crate) const ENTRY_VERSION: u8 = 1;
/// Newest version of the encoding of marks (vote, log ids).
pub(crate) const MARK_VERSION: u8 = 1;

const KIND_BLANK: u8 = 0;
const KIND_NORMAL: u8 = 1;
const KIND_MEMBERSHIP: u8 = 2;

/// Encodes `entry`.
pub(crate) fn encode_entry(entry: &Entry) -> Vec<u8> {
    let payload_bytes = match &entry.payload {
        EntryPayload::Normal(data) => data.bytes.len(),
        EntryPayload::Blank | EntryPayload::Membership(_) => 64,
    };
    let mut out = Vec::with_capacity(20 + payload_bytes);
    out.extend_from_slice(&entry.log_id.index().to_be_bytes());
    out.push(ENTRY_VERSION);
    out.push(match &entry.payload {
        EntryPayload::Blank => KIND_BLANK,
        EntryPayload::Normal(_) => KIND_NORMAL,
        EntryPayload::Membership(_) => KIND_MEMBERSHIP,
    });
    put_uvarint(&mut out, term_of(&entry.log_id));
    match &entry.payload {
        EntryPayload::Blank => {}
        EntryPayload::Normal(data) => out.extend_from_slice(&data.bytes),
        EntryPayload::Membership(membership) => put_membership(&mut out, membership),
    }
    out
}

/// Decodes what [`encode_entry`] wrote. A normal payload shares the memory of `bytes`.
pub(crate) fn decode_entry(bytes: &Bytes) -> Result<Entry, DecodeError> {
    let mut reader = ByteReader::new(bytes);
    let index = reader.u64_be("entry index")?;
    check_version("an entry", reader.u8("entry version")?, ENTRY_VERSION)?;
    let kind = reader.u8("entry kind")?;
    let term = reader.uvarint("entry term")?;
    let payload = match kind {
        KIND_BLANK => {
            reader.finish("a blank entry")?;
            EntryPayload::Blank
        }
        KIND_NORMAL => EntryPayload::Normal(AppData {
            bytes: bytes.slice_ref(reader.rest()),
        }),
        KIND_MEMBERSHIP => {
            let membership = read_membership(&mut reader)?;
            reader.finish("a membership entry")?;
            EntryPayload::Membership(membership)
        }
        found => {
            return Err(DecodeError::OutOfRange {
                field: "entry kind",
                found: u64::from(found),
            });
        }
    };
    Ok(Entry {
        log_id: log_id(term, index),
        payload,
    })
}

/// The index of an encoded entry, 0 when the bytes are too short to hold one.
pub(crate) fn encoded_index(bytes: &[u8]) -> u64 {
    bytes
        .first_chunk::<8>()
        .map_or(0, |head| u64::from_be_bytes(*head))
}

/// Encodes a log id that may be absent.
pub(crate) fn encode_log_id(id: Option<&LogId>) -> Vec<u8> {
    let mut out = vec![MARK_VERSION];
    put_log_id(&mut out, id);
    out
}

/// Decodes what [`encode_log_id`] wrote.
pub(crate) fn decode_log_id(bytes: &[u8]) -> Result<Option<LogId>, DecodeError> {
    let mut reader = ByteReader::new(bytes);
    check_version("a log id", reader.u8("mark version")?, MARK_VERSION)?;
    let id = read_log_id(&mut reader)?;
    reader.finish("a log id")?;
    Ok(id)
}

/// Encodes a vote.
pub(crate) fn encode_vote(vote: &Vote) -> Vec<u8> {
    let mut out = vec![MARK_VERSION, u8::from(vote.committed)];
    put_uvarint(&mut out, vote.leader_id.term);
    put_uvarint(&mut out, vote.leader_id.voted_for);
    out
}

/// Decodes what [`encode_vote`] wrote.
pub(crate) fn decode_vote(bytes: &[u8]) -> Result<Vote, DecodeError> {
    let mut reader = ByteReader::new(bytes);
    check_version("a vote", reader.u8("mark version")?, MARK_VERSION)?;
    let committed = read_flag(&mut reader, "vote committed flag")?;
    let term = reader.uvarint("vote term")?;
    let node = reader.uvarint("vote node")?;
    reader.finish("a vote")?;
    Ok(if committed {
        Vote::new_committed(term, node)
    } else {
        Vote::new(term, node)
    })
}

/// Appends a membership and the log id that carries it.
pub(crate) fn put_stored_membership(out: &mut Vec<u8>, stored: &StoredMembership) {
    put_log_id(out, stored.log_id().as_ref());
    put_membership(out, stored.membership());
}

/// Reads what [`put_stored_membership`] wrote.
pub(crate) fn read_stored_membership(
    reader: &mut ByteReader<'_>,
) -> Result<StoredMembership, DecodeError> {
    let id = read_log_id(reader)?;
    Ok(StoredMembership::new(id, read_membership(reader)?))
}

/// Appends a log id that may be absent.
pub(crate) fn put_log_id(out: &mut Vec<u8>, id: Option<&LogId>) {
    let Some(id) = id else {
        out.push(0);
        return;
    };
    out.push(1);
    put_uvarint(out, term_of(id));
    put_uvarint(out, id.index());
}

/// Reads what [`put_log_id`] wrote.
pub(crate) fn read_log_id(reader: &mut ByteReader<'_>) -> Result<Option<LogId>, DecodeError> {
    if !read_flag(reader, "log id presence")? {
        return Ok(None);
    }
    let term = reader.uvarint("log id term")?;
    Ok(Some(log_id(term, reader.uvarint("log id index")?)))
}

/// Refuses a version that this program does not know.
pub(crate) fn check_version(what: &'static str, found: u8, newest: u8) -> Result<(), DecodeError> {
    match found {
        0 => Err(DecodeError::OutOfRange {
            field: "format version",
            found: 0,
        }),
        known if known <= newest => Ok(()),
        found => Err(DecodeError::NewerVersion {
            what,
            found,
            newest,
        }),
    }
}

fn term_of(id: &LogId) -> u64 {
    **id.committed_leader_id()
}

fn read_flag(reader: &mut ByteReader<'_>, field: &'static str) -> Result<bool, DecodeError> {
    match reader.u8(field)? {
        0 => Ok(false),
        1 => Ok(true),
        found => Err(DecodeError::OutOfRange {
            field,
            found: u64::from(found),
        }),
    }
}

fn put_membership(out: &mut Vec<u8>, membership: &Membership) {
    let configs = membership.get_joint_config();
    put_uvarint(out, configs.len() as u64);
    for config in configs {
        put_uvarint(out, config.len() as u64);
        for node in config {
            put_uvarint(out, *node);
        }
    }
    put_uvarint(out, membership.nodes().count() as u64);
    for (node, ()) in membership.nodes() {
        put_uvarint(out, *node);
    }
}

fn read_membership(reader: &mut ByteReader<'_>) -> Result<Membership, DecodeError> {
    let config_count = reader.uvarint_max("membership configs", MEMBERSHIP_CONFIGS_MAX)?;
    let mut configs = Vec::new();
    for _ in 0..config_count {
        configs.push(read_nodes(reader, "membership voters")?);
    }
    let nodes = read_nodes(reader, "membership nodes")?;
    let nodes: BTreeMap<u64, ()> = nodes.into_iter().map(|node| (node, ())).collect();
    Membership::new(configs, nodes).map_err(|_| DecodeError::OutOfRange {
        field: "membership",
        found: config_count,
    })
}

fn read_nodes(
    reader: &mut ByteReader<'_>,
    field: &'static str,
) -> Result<BTreeSet<u64>, DecodeError> {
    let count = reader.uvarint_max(field, MEMBERSHIP_NODES_MAX)?;
    (0..count).map(|_| reader.uvarint(field)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normal(term: u64, index: u64, payload: &[u8]) -> Entry {
        let data = AppData {
            bytes: Bytes::copy_from_slice(payload),
        };
        Entry {
            log_id: log_id(term, index),
            payload: EntryPayload::Normal(data),
        }
    }

    fn joint() -> Membership {
        let configs = vec![BTreeSet::from([1, 2, 3]), BTreeSet::from([2, 3, 4])];
        Membership::new_with_defaults(configs, [1, 2, 3, 4, 9])
    }

    #[test]
    fn every_kind_of_entry_comes_back() {
        let blank = Entry {
            log_id: log_id(3, 0),
            payload: EntryPayload::Blank,
        };
        let member = Entry {
            log_id: log_id(u64::MAX, 7),
            payload: EntryPayload::Membership(joint()),
        };
        for entry in [
            blank,
            member,
            normal(1, u64::MAX, b""),
            normal(9, 42, b"payload"),
        ] {
            let bytes = Bytes::from(encode_entry(&entry));
            assert_eq!(encoded_index(&bytes), entry.log_id.index());
            assert_eq!(decode_entry(&bytes), Ok(entry));
        }
    }

    #[test]
    fn an_entry_has_the_bytes_it_has_always_had() {
        let bytes = encode_entry(&normal(300, 5, b"hi"));
        assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 0, 5, 1, 1, 0xac, 2, b'h', b'i']);
    }

    #[test]
    fn an_entry_of_a_newer_program_is_refused_by_name() {
        let mut bytes = encode_entry(&normal(1, 1, b"x"));
        bytes[8] = ENTRY_VERSION + 1;
        let error = decode_entry(&Bytes::from(bytes)).unwrap_err();
        assert!(matches!(
            error,
            DecodeError::NewerVersion {
                what: "an entry",
                found: 2,
                newest: 1
            }
        ));
    }

    #[test]
    fn votes_and_log_ids_come_back() {
        for vote in [
            Vote::new(0, 0),
            Vote::new(7, 3),
            Vote::new_committed(u64::MAX, u64::MAX),
        ] {
            assert_eq!(decode_vote(&encode_vote(&vote)), Ok(vote));
        }
        for id in [None, Some(log_id(0, 0)), Some(log_id(5, u64::MAX))] {
            assert_eq!(decode_log_id(&encode_log_id(id.as_ref())), Ok(id));
        }
    }

    #[test]
    fn a_stored_membership_comes_back() {
        for stored in [
            StoredMembership::default(),
            StoredMembership::new(Some(log_id(2, 8)), joint()),
        ] {
            let mut bytes = Vec::new();
            put_stored_membership(&mut bytes, &stored);
            let mut reader = ByteReader::new(&bytes);
            assert_eq!(read_stored_membership(&mut reader), Ok(stored));
            assert_eq!(reader.finish("membership"), Ok(()));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode_vote(&bytes);
            let _ = decode_log_id(&bytes);
            let _ = read_stored_membership(&mut ByteReader::new(&bytes));
            let _ = decode_entry(&Bytes::from(bytes));
        }

        #[test]
        fn a_cut_entry_is_an_error_or_a_shorter_payload(
            cut in 0_usize..20, payload in prop::collection::vec(any::<u8>(), 0..16),
        ) {
            let whole = encode_entry(&normal(3, 4, &payload));
            let cut = cut.min(whole.len());
            let left = Bytes::from(whole[..whole.len() - cut].to_vec());
            if let Ok(entry) = decode_entry(&left) {
                prop_assert_eq!(entry.log_id, log_id(3, 4));
            }
        }
    }
}
