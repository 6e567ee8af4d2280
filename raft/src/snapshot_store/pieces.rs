//! The one address of sled: pieces and manifests by group and sequence number.
//!
//! Owns: the keys, and the check of every piece that is read. Must never: hand out a snapshot of which any byte failed
//! its checksum.
//!
//! Keys are big-endian, so that a group's snapshots, and a snapshot's pieces, lie next to each other in order:
//! manifests under `group | seq`, pieces under `group | seq | piece`.

use std::fmt;

use bytes::{Bytes, BytesMut};
use holdfast_region_config::GroupId;
use sled::{Batch, Db, Tree};
use xxhash_rust::xxh3::xxh3_64;

use super::manifest::{Manifest, PIECE_BYTES_MAX};
use crate::log_store::DecodeError;
use crate::types::SnapshotMeta;

/// Pieces written or removed in one sled batch: a batch is built in memory, so this bounds it to 1 MiB.
const BATCH_PIECES: u32 = 16;

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

/// The two trees.
pub(super) struct Shelf {
    db: Db,
    manifests: Tree,
    pieces: Tree,
}

impl Shelf {
    pub(super) fn open(db: Db) -> sled::Result<Self> {
        let manifests = db.open_tree(b"snapshot-manifests")?;
        let pieces = db.open_tree(b"snapshot-pieces")?;
        Ok(Self {
            db,
            manifests,
            pieces,
        })
    }

    /// Sequence numbers of the group's snapshots, oldest first.
    pub(super) fn seqs(&self, group: GroupId) -> sled::Result<Vec<u64>> {
        self.manifests
            .scan_prefix(group.get().to_be_bytes())
            .keys()
            .map(|key| Ok(seq_of(&key?)))
            .collect()
    }

    /// What the group's oldest snapshot covers, going by its manifest. A torn manifest counts as covering nothing.
    pub(super) fn oldest(&self, group: GroupId) -> sled::Result<Option<SnapshotMeta>> {
        let mut manifests = self.manifests.scan_prefix(group.get().to_be_bytes());
        let Some((_, bytes)) = manifests.next().transpose()? else {
            return Ok(None);
        };
        Ok(Manifest::decode(&bytes)
            .ok()
            .flatten()
            .map(|manifest| manifest.meta))
    }

    /// Writes the pieces, then the manifest.
    pub(super) fn write(
        &self,
        group: GroupId,
        seq: u64,
        manifest: &Manifest,
        bytes: &[u8],
    ) -> sled::Result<()> {
        // What a crash in the middle of an earlier attempt left under this number.
        self.remove_pieces(group, seq)?;
        let mut batch = Batch::default();
        for (number, piece) in (0_u32..).zip(bytes.chunks(PIECE_BYTES_MAX)) {
            let mut value = Vec::with_capacity(8 + piece.len());
            value.extend_from_slice(&xxh3_64(piece).to_be_bytes());
            value.extend_from_slice(piece);
            batch.insert(&piece_key(group, seq, number)[..], value);
            if number % BATCH_PIECES == BATCH_PIECES - 1 {
                self.pieces.apply_batch(std::mem::take(&mut batch))?;
            }
        }
        self.pieces.apply_batch(batch)?;
        // sled keeps one log for both trees, so the manifest cannot outlive its pieces.
        self.manifests
            .insert(manifest_key(group, seq), manifest.encode())?;
        Ok(())
    }

    /// Reads a snapshot and checks every byte of it.
    pub(super) fn read(
        &self,
        group: GroupId,
        seq: u64,
    ) -> sled::Result<Result<(SnapshotMeta, Bytes), Damage>> {
        let Some(bytes) = self.manifests.get(manifest_key(group, seq))? else {
            return Ok(Err(Damage::Manifest));
        };
        let manifest = match Manifest::decode(&bytes) {
            Ok(Some(manifest)) => manifest,
            Ok(None) => return Ok(Err(Damage::Manifest)),
            Err(error) => return Ok(Err(Damage::Undecodable(error))),
        };
        let mut whole = BytesMut::with_capacity(manifest.length);
        for number in 0..manifest.pieces {
            let value = self.pieces.get(piece_key(group, seq, number))?;
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
    pub(super) fn remove(&self, group: GroupId, seq: u64) -> sled::Result<()> {
        self.manifests.remove(manifest_key(group, seq))?;
        self.remove_pieces(group, seq)
    }

    /// Hands everything to the operating system. That is not durable yet.
    pub(super) fn flush(&self) -> sled::Result<()> {
        self.db.flush().map(drop)
    }

    /// Size on disk, 0 when it cannot be told.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.db.size_on_disk().unwrap_or(0)
    }

    fn remove_pieces(&self, group: GroupId, seq: u64) -> sled::Result<()> {
        let mut batch = Batch::default();
        for (number, key) in (0_u32..).zip(self.pieces.scan_prefix(manifest_key(group, seq)).keys())
        {
            batch.remove(key?);
            if number % BATCH_PIECES == BATCH_PIECES - 1 {
                self.pieces.apply_batch(std::mem::take(&mut batch))?;
            }
        }
        self.pieces.apply_batch(batch)
    }

    /// Damages a stored piece, as a torn write would.
    #[cfg(test)]
    pub(super) fn tear_piece(&self, group: GroupId, seq: u64, number: u32) {
        let key = piece_key(group, seq, number);
        let mut value = self.pieces.get(key).unwrap().unwrap().to_vec();
        let half = value.len() / 2;
        value[half..].fill(0);
        self.pieces.insert(key, value).unwrap();
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
