//! Pieces and manifests by group and sequence number.
//!
//! Owns: the keys, and the check of every piece that is read. Must never: hand out a snapshot of which any byte failed
//! its checksum.
//!
//! Keys are big-endian, so that a group's snapshots, and a snapshot's pieces, lie next to each other in order:
//! manifests under `group | seq`, pieces under `group | seq | piece`.

use std::fmt;

use bytes::{Bytes, BytesMut};
use holdfast_region_config::GroupId;
use xxhash_rust::xxh3::xxh3_64;

use super::manifest::{Manifest, PIECE_BYTES_MAX};
use super::pairs::{Change, Pairs, PairsError, Shelf};
use crate::log_store::DecodeError;
use crate::types::SnapshotMeta;

/// Pieces written in one change: it is built in memory, so this bounds it to 1 MiB.
const PIECES_PER_CHANGE: usize = 16;

/// Why a stored snapshot cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Damage {
    /// The manifest is torn, or not there.
    Manifest,
    /// The manifest is sound but not of a form known here.
    Undecodable(DecodeError),
    /// A piece is missing or fails its checksum.
    Piece(u32),
    /// All pieces are sound but do not make up the whole.
    Whole,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest => f.write_str("its manifest is missing or torn"),
            Self::Undecodable(error) => write!(f, "its manifest cannot be read: {error}"),
            Self::Piece(number) => write!(f, "piece {number} is missing or torn"),
            Self::Whole => f.write_str("its pieces do not add up to the whole"),
        }
    }
}

/// All snapshots of a node.
pub(super) struct Pieces {
    pairs: Box<dyn Pairs>,
}

impl Pieces {
    pub(super) fn new(pairs: Box<dyn Pairs>) -> Self {
        Self { pairs }
    }

    /// The groups that have a snapshot, in order.
    pub(super) fn groups(&self) -> Result<Vec<GroupId>, PairsError> {
        let keys = self.pairs.keys(Shelf::Manifests, &[])?;
        let group = |key: &Vec<u8>| {
            let group = key
                .first_chunk::<8>()
                .map_or(0, |id| u64::from_be_bytes(*id));
            GroupId::new(group)
        };
        let mut groups: Vec<GroupId> = keys.iter().map(group).collect();
        groups.dedup();
        Ok(groups)
    }

    /// Sequence numbers of the group's snapshots, oldest first.
    pub(super) fn seqs(&self, group: GroupId) -> Result<Vec<u64>, PairsError> {
        let keys = self
            .pairs
            .keys(Shelf::Manifests, &group.get().to_be_bytes())?;
        Ok(keys.iter().map(|key| seq_of(key)).collect())
    }

    /// What the group's oldest snapshot covers, going by its manifest. A torn manifest counts as covering nothing.
    pub(super) fn oldest(&self, group: GroupId) -> Result<Option<SnapshotMeta>, PairsError> {
        let Some(seq) = self.seqs(group)?.first().copied() else {
            return Ok(None);
        };
        let bytes = self
            .pairs
            .get(Shelf::Manifests, &manifest_key(group, seq))?;
        let manifest = bytes.and_then(|bytes| Manifest::decode(&bytes).ok().flatten());
        Ok(manifest.map(|manifest| manifest.meta))
    }

    /// Writes the pieces, then the manifest.
    pub(super) fn write(
        &self,
        group: GroupId,
        seq: u64,
        manifest: &Manifest,
        bytes: &[u8],
    ) -> Result<(), PairsError> {
        // What a crash in the middle of an earlier attempt left under this number.
        self.remove_pieces(group, seq)?;
        let mut changes: Vec<Change> = Vec::new();
        for (number, piece) in (0_u32..).zip(bytes.chunks(PIECE_BYTES_MAX)) {
            let mut value = Vec::with_capacity(8 + piece.len());
            value.extend_from_slice(&xxh3_64(piece).to_be_bytes());
            value.extend_from_slice(piece);
            changes.push((piece_key(group, seq, number).to_vec(), Some(value)));
            if changes.len() == PIECES_PER_CHANGE {
                self.pairs
                    .change(Shelf::Pieces, std::mem::take(&mut changes))?;
            }
        }
        self.pairs.change(Shelf::Pieces, changes)?;
        // A crash loses changes from the end, so the manifest cannot outlive its pieces.
        let key = manifest_key(group, seq).to_vec();
        self.pairs
            .change(Shelf::Manifests, vec![(key, Some(manifest.encode()))])
    }

    /// Reads a snapshot and checks every byte of it.
    pub(super) fn read(
        &self,
        group: GroupId,
        seq: u64,
    ) -> Result<Result<(SnapshotMeta, Bytes), Damage>, PairsError> {
        let manifest = self
            .pairs
            .get(Shelf::Manifests, &manifest_key(group, seq))?;
        let Some(bytes) = manifest else {
            return Ok(Err(Damage::Manifest));
        };
        let manifest = match Manifest::decode(&bytes) {
            Ok(Some(manifest)) => manifest,
            Ok(None) => return Ok(Err(Damage::Manifest)),
            Err(error) => return Ok(Err(Damage::Undecodable(error))),
        };
        let mut whole = BytesMut::with_capacity(manifest.length);
        for number in 0..manifest.pieces {
            let value = self
                .pairs
                .get(Shelf::Pieces, &piece_key(group, seq, number))?;
            let Some(piece) = value.as_deref().and_then(checked_piece) else {
                return Ok(Err(Damage::Piece(number)));
            };
            whole.extend_from_slice(piece);
        }
        if whole.len() != manifest.length || xxh3_64(&whole) != manifest.checksum {
            return Ok(Err(Damage::Whole));
        }
        Ok(Ok((manifest.meta, whole.freeze())))
    }

    /// Removes a snapshot: the manifest first, so that what is left of a crash is unreachable.
    pub(super) fn remove(&self, group: GroupId, seq: u64) -> Result<(), PairsError> {
        let key = manifest_key(group, seq).to_vec();
        self.pairs.change(Shelf::Manifests, vec![(key, None)])?;
        self.remove_pieces(group, seq)
    }

    /// Returns once everything is on disk.
    pub(super) fn make_durable(&self) -> Result<(), PairsError> {
        self.pairs.make_durable()
    }

    /// Opens the store anew; see [`Pairs::reopen`].
    pub(super) fn reopen(&self) -> Result<(), PairsError> {
        self.pairs.reopen()
    }

    /// Size on disk, 0 when it cannot be told.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.pairs.disk_bytes()
    }

    fn remove_pieces(&self, group: GroupId, seq: u64) -> Result<(), PairsError> {
        self.pairs
            .remove_all(Shelf::Pieces, &manifest_key(group, seq))
    }

    /// Damages a stored piece, as a torn write would.
    #[cfg(test)]
    pub(super) fn tear_piece(&self, group: GroupId, seq: u64, number: u32) {
        let key = piece_key(group, seq, number).to_vec();
        let mut value = self.pairs.get(Shelf::Pieces, &key).unwrap().unwrap();
        let half = value.len() / 2;
        value[half..].fill(0);
        self.pairs
            .change(Shelf::Pieces, vec![(key, Some(value))])
            .unwrap();
    }
}

fn checked_piece(value: &[u8]) -> Option<&[u8]> {
    let (checksum, piece) = value.split_first_chunk::<8>()?;
    (xxh3_64(piece) == u64::from_be_bytes(*checksum)).then_some(piece)
}

fn manifest_key(group: GroupId, seq: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&group.get().to_be_bytes());
    key[8..].copy_from_slice(&seq.to_be_bytes());
    key
}

fn piece_key(group: GroupId, seq: u64, number: u32) -> [u8; 20] {
    let mut key = [0; 20];
    key[..16].copy_from_slice(&manifest_key(group, seq));
    key[16..].copy_from_slice(&number.to_be_bytes());
    key
}

fn seq_of(key: &[u8]) -> u64 {
    key.last_chunk::<8>()
        .map_or(0, |seq| u64::from_be_bytes(*seq))
}
