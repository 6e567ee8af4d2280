//! What the tests write, and how they wait for it.

use std::ops::Range;

use bytes::Bytes;
use holdfast_region_config::GroupId;
use openraft::EntryPayload;
use openraft::alias::OneshotReceiverOf;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::type_config::TypeConfigExt;

use crate::log_store::{GroupLog, LogOptions, NodeIdentity};
use crate::types::{AppData, Entry, TypeConfig, log_id};

pub(super) const GROUP: GroupId = GroupId::new(5);

pub(super) fn options() -> LogOptions {
    let identity = NodeIdentity {
        cluster: "test".to_owned(),
        node: 1,
    };
    LogOptions {
        file_bytes: 1 << 20,
        purge_threshold_bytes: 2 << 20,
        ..LogOptions::new(identity)
    }
}

/// Entries whose payload can be told from any other entry's.
pub(super) fn entries(term: u64, range: Range<u64>, payload_bytes: usize) -> Vec<Entry> {
    let entry = |index: u64| {
        let mut payload = vec![index.to_le_bytes()[0]; payload_bytes.max(16)];
        payload[..8].copy_from_slice(&term.to_le_bytes());
        payload[8..16].copy_from_slice(&index.to_le_bytes());
        let data = AppData {
            bytes: Bytes::from(payload),
        };
        Entry {
            log_id: log_id(term, index),
            payload: EntryPayload::Normal(data),
        }
    };
    range.map(entry).collect()
}

/// Whether `entry` is exactly what [`entries`] makes for its log id.
pub(super) fn is_as_written(entry: &Entry) -> bool {
    let EntryPayload::Normal(data) = &entry.payload else {
        return false;
    };
    let (term, index) = (**entry.log_id.committed_leader_id(), entry.log_id.index());
    entries(term, index..index + 1, data.bytes.len()).first() == Some(entry)
}

/// Hands `batch` to the log; the receiver hears when it is durable.
pub(super) async fn start_append(
    log: &mut GroupLog,
    batch: Vec<Entry>,
) -> OneshotReceiverOf<TypeConfig, Result<(), std::io::Error>> {
    let (tell, told) = TypeConfig::oneshot();
    log.append(batch, IOFlushed::signal(tell)).await.unwrap();
    told
}

/// Appends and waits until durable.
pub(super) async fn append(log: &mut GroupLog, batch: Vec<Entry>) {
    start_append(log, batch).await.await.unwrap().unwrap();
}
