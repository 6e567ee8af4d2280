//! A snapshot on its way in: header, pieces, checksum, install.
//!
//! Owns: that only whole, unchanged bytes of bounded size reach a group. Must never: gather bytes for a group that is not
//! open here.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use holdfast_region_config::GroupId;

use super::super::SNAPSHOT_BYTES_MAX;
use super::super::dial::PartStream;
use super::super::wire::{self, pb};
use super::{PeerServer, Refused};
use crate::types::{Snapshot, SnapshotMeta};

impl PeerServer {
    pub(crate) async fn receive_snapshot(
        &self,
        mut parts: PartStream,
    ) -> Result<pb::Vote, Refused> {
        use pb::snapshot_part::Part;
        let first = parts.next().await.transpose()?.and_then(|p| p.part);
        let Some(Part::Header(header)) = first else {
            return Err(malformed("the first part must be the header"));
        };
        self.check_addressee(&header.cluster, header.to_node)?;
        let vote = wire::vote_from_pb(header.vote, "header.vote").map_err(malformed)?;
        let last_membership =
            wire::stored_membership_from_pb(header.membership).map_err(malformed)?;
        if header.bytes_total > SNAPSHOT_BYTES_MAX {
            return Err(malformed(format!(
                "header.bytes_total: above {SNAPSHOT_BYTES_MAX}"
            )));
        }
        let group = GroupId::new(header.group);
        let opened = if self.groups.is_here(group) {
            self.groups.open(group).await
        } else {
            None
        };
        let not_open = || Refused::Unavailable(format!("{group} is not open here"));
        let open = opened.ok_or_else(not_open)?;
        // Held until it is installed. The leader tries again later.
        let Ok(_place) = self.arriving.try_acquire() else {
            return Err(Refused::Busy("enough snapshots are arriving already"));
        };
        let bytes = collect_pieces(&mut parts, header.bytes_total, header.checksum).await?;
        let meta = SnapshotMeta {
            last_log_id: header.last_log_id.map(wire::log_id_from_pb),
            last_membership,
        };
        let installed = open
            .raft
            .install_full_snapshot(
                vote,
                Snapshot {
                    meta,
                    snapshot: bytes,
                },
            )
            .await;
        let reply = installed.map_err(|e| Refused::Unavailable(e.to_string()))?;
        Ok(wire::vote_to_pb(&reply.vote))
    }
}

fn malformed(reason: impl ToString) -> Refused {
    Refused::Malformed(reason.to_string())
}

/// Gathers exactly the announced bytes and checks them.
async fn collect_pieces(
    parts: &mut PartStream,
    bytes_total: u64,
    checksum: u64,
) -> Result<Bytes, Refused> {
    let total = usize::try_from(bytes_total).map_err(|_| malformed("header.bytes_total"))?;
    let mut bytes = BytesMut::new();
    while let Some(part) = parts.next().await.transpose()? {
        let Some(pb::snapshot_part::Part::Piece(piece)) = part.part else {
            return Err(malformed("only pieces may follow the header"));
        };
        if bytes.len() + piece.len() > total {
            return Err(malformed("piece: more bytes than header.bytes_total"));
        }
        bytes.extend_from_slice(&piece);
    }
    if bytes.len() != total {
        return Err(malformed("piece: fewer bytes than header.bytes_total"));
    }
    let bytes = bytes.freeze();
    if xxhash_rust::xxh3::xxh3_64(&bytes) != checksum {
        return Err(Refused::Damaged);
    }
    Ok(bytes)
}
