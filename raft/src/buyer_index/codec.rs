//! Versioned bytes of an index's entries and snapshots.
//!
//! Owns: magic, version, checksum; the body is postcard of the serde types. Must never: panic on bytes, or change what an old
//! version meant; a new layout gets a new version number and the old reader stays.
//!
//! ```text
//! "HFBE" or "HFBS" · version u16 LE · xxh3-64 of the body, LE · body
//! ```

use std::collections::BTreeMap;

use bytes::Bytes;
use holdfast_inventory::ids::BuyerId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::record::{IndexEntry, OrderSeen};
use super::state::BuyerIndexState;

const ENTRY_MAGIC: [u8; 4] = *b"HFBE";
const SNAPSHOT_MAGIC: [u8; 4] = *b"HFBS";
/// What is written, and the only one there is.
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 14;

/// Why bytes are not an entry or a snapshot of an index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexCodecError {
    /// Fewer bytes than a header has.
    #[error("{bytes} bytes are too few for a record of a buyer index")]
    Short {
        /// How many there were.
        bytes: usize,
    },
    /// Something else than what was asked for.
    #[error("magic: not a record of a buyer index of this kind")]
    Magic,
    /// Written by another release.
    #[error("version: {found} is not one that this release reads ({VERSION})")]
    Version {
        /// What the header says.
        found: u16,
    },
    /// The body was changed after it was written.
    #[error("checksum: the body does not match it")]
    Checksum,
    /// The body does not decode although its checksum is right.
    #[error("body: {reason}")]
    Body {
        /// What the decoder said.
        reason: String,
    },
}

/// A snapshot's body; what follows from it is left out.
#[derive(Serialize, Deserialize)]
struct SnapshotV1 {
    clock_ms: u64,
    buyers: BTreeMap<BuyerId, Vec<OrderSeen>>,
}

fn encode<T: Serialize>(magic: [u8; 4], value: &T) -> Result<Bytes, IndexCodecError> {
    let body = postcard::to_stdvec(value).map_err(|e| IndexCodecError::Body {
        reason: e.to_string(),
    })?;
    let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
    bytes.extend_from_slice(&magic);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&xxhash_rust::xxh3::xxh3_64(&body).to_le_bytes());
    bytes.extend_from_slice(&body);
    Ok(Bytes::from(bytes))
}

fn decode<T: DeserializeOwned>(magic: [u8; 4], bytes: &[u8]) -> Result<T, IndexCodecError> {
    let short = || IndexCodecError::Short { bytes: bytes.len() };
    let (found_magic, rest) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(short)?;
    let (checksum, body) = rest.split_first_chunk::<8>().ok_or_else(short)?;
    if *found_magic != magic {
        return Err(IndexCodecError::Magic);
    }
    let found = u16::from_le_bytes(*version);
    if found != VERSION {
        return Err(IndexCodecError::Version { found });
    }
    if xxhash_rust::xxh3::xxh3_64(body) != u64::from_le_bytes(*checksum) {
        return Err(IndexCodecError::Checksum);
    }
    postcard::from_bytes(body).map_err(|e| IndexCodecError::Body {
        reason: e.to_string(),
    })
}

pub(crate) fn encode_entry(entry: &IndexEntry) -> Result<Bytes, IndexCodecError> {
    encode(ENTRY_MAGIC, entry)
}

pub(crate) fn decode_entry(bytes: &[u8]) -> Result<IndexEntry, IndexCodecError> {
    decode(ENTRY_MAGIC, bytes)
}

pub(crate) fn encode_snapshot(state: &BuyerIndexState) -> Result<Bytes, IndexCodecError> {
    // The same fields as `SnapshotV1`, by reference.
    #[derive(Serialize)]
    struct Body<'a> {
        clock_ms: u64,
        buyers: &'a BTreeMap<BuyerId, Vec<OrderSeen>>,
    }
    let body = Body {
        clock_ms: state.clock_ms,
        buyers: &state.buyers,
    };
    encode(SNAPSHOT_MAGIC, &body)
}

pub(crate) fn decode_snapshot(bytes: &[u8]) -> Result<BuyerIndexState, IndexCodecError> {
    let SnapshotV1 { clock_ms, buyers } = decode(SNAPSHOT_MAGIC, bytes)?;
    let orders = |(buyer, orders): (&BuyerId, &Vec<OrderSeen>)| {
        let buyer = *buyer;
        let places = orders.iter().map(move |order| (order.place(), buyer));
        places.collect::<Vec<_>>()
    };
    let by_age = buyers.iter().flat_map(orders).collect();
    Ok(BuyerIndexState {
        clock_ms,
        buyers,
        by_age,
        ..BuyerIndexState::default()
    })
}
