//! What a stored snapshot consists of.
//!
//! Owns: the manifest's bytes. Must never: be believed without its checksum.
//!
//! `version | length (varint) | pieces (varint) | checksum of the whole (8) | last log id | membership | checksum of
//! all before (8)`

use xxhash_rust::xxh3::xxh3_64;

use crate::log_store::{
    ByteReader, DecodeError, check_version, put_log_id, put_stored_membership, put_uvarint,
    read_log_id, read_stored_membership,
};
use crate::types::SnapshotMeta;

use super::SNAPSHOT_BYTES_MAX;

/// Newest version of the manifest.
const VERSION: u8 = 1;

/// Bytes of one piece. Well below sled's segment size, above which a value becomes a file of its own.
pub(super) const PIECE_BYTES_MAX: usize = 64 << 10;

/// See the module's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    /// What the snapshot covers.
    pub(super) meta: SnapshotMeta,
    /// Length of the snapshot.
    pub(super) length: usize,
    /// How many pieces it is cut into.
    pub(super) pieces: u32,
    /// Checksum of the whole snapshot.
    pub(super) checksum: u64,
}

impl Manifest {
    /// The manifest of a snapshot with these bytes.
    pub(super) fn of(meta: SnapshotMeta, bytes: &[u8]) -> Self {
        let pieces = u32::try_from(bytes.len().div_ceil(PIECE_BYTES_MAX)).unwrap_or(u32::MAX);
        Self {
            meta,
            length: bytes.len(),
            pieces,
            checksum: xxh3_64(bytes),
        }
    }

    /// Encodes it.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_uvarint(&mut out, self.length as u64);
        put_uvarint(&mut out, u64::from(self.pieces));
        out.extend_from_slice(&self.checksum.to_be_bytes());
        put_log_id(&mut out, self.meta.last_log_id.as_ref());
        put_stored_membership(&mut out, &self.meta.last_membership);
        let checksum = xxh3_64(&out);
        out.extend_from_slice(&checksum.to_be_bytes());
        out
    }

    /// Decodes what [`Manifest::encode`] wrote; `None` when the checksum does not match.
    pub(super) fn decode(bytes: &[u8]) -> Result<Option<Self>, DecodeError> {
        let Some((body, checksum)) = bytes.split_last_chunk::<8>() else {
            return Ok(None);
        };
        if xxh3_64(body) != u64::from_be_bytes(*checksum) {
            return Ok(None);
        }
        let mut reader = ByteReader::new(body);
        check_version(
            "a snapshot manifest",
            reader.u8("manifest version")?,
            VERSION,
        )?;
        let length = reader.uvarint_max("snapshot length", SNAPSHOT_BYTES_MAX as u64)?;
        let pieces = reader.uvarint_max("snapshot pieces", u64::from(u32::MAX))?;
        let checksum = reader.u64_be("snapshot checksum")?;
        let last_log_id = read_log_id(&mut reader)?;
        let last_membership = read_stored_membership(&mut reader)?;
        reader.finish("a snapshot manifest")?;
        let out_of_range = |field, found| DecodeError::OutOfRange { field, found };
        let length =
            usize::try_from(length).map_err(|_| out_of_range("snapshot length", length))?;
        let pieces = u32::try_from(pieces).map_err(|_| out_of_range("snapshot pieces", pieces))?;
        if pieces as usize != length.div_ceil(PIECE_BYTES_MAX) {
            return Err(out_of_range("snapshot pieces", u64::from(pieces)));
        }
        let meta = SnapshotMeta {
            last_log_id,
            last_membership,
        };
        Ok(Some(Self {
            meta,
            length,
            pieces,
            checksum,
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::types::{Membership, StoredMembership, log_id};

    fn manifest() -> Manifest {
        let membership = Membership::new_with_defaults(vec![BTreeSet::from([1, 2, 3])], [9]);
        let meta = SnapshotMeta {
            last_log_id: Some(log_id(4, 900)),
            last_membership: StoredMembership::new(Some(log_id(1, 3)), membership),
        };
        Manifest::of(meta, &vec![7; 3 * PIECE_BYTES_MAX + 1])
    }

    #[test]
    fn a_manifest_comes_back() {
        assert_eq!(manifest().pieces, 4);
        assert_eq!(Manifest::decode(&manifest().encode()), Ok(Some(manifest())));
        let empty = Manifest::of(SnapshotMeta::default(), &[]);
        assert_eq!(Manifest::decode(&empty.encode()), Ok(Some(empty)));
    }

    #[test]
    fn any_flipped_byte_is_noticed() {
        let bytes = manifest().encode();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert_eq!(Manifest::decode(&damaged), Ok(None), "byte {at}");
            assert_eq!(Manifest::decode(&bytes[..at]), Ok(None), "cut at {at}");
        }
    }

    #[test]
    fn a_newer_manifest_is_told_from_a_damaged_one() {
        let mut bytes = manifest().encode();
        bytes.truncate(bytes.len() - 8);
        bytes[0] = VERSION + 1;
        let checksum = xxh3_64(&bytes);
        bytes.extend_from_slice(&checksum.to_be_bytes());
        assert!(matches!(
            Manifest::decode(&bytes),
            Err(DecodeError::NewerVersion { .. })
        ));
    }
}
