//! What arrived at the far side of the outbox: the notices that the nodes wrote down.
//!
//! Owns: reading them into the history. Must never: fill in a notice that is in no file.

use serde::Deserialize;

use super::watch::show_name;
use crate::history::{Notice, NoticeKind, Recorder};
use crate::lab::Lab;

/// To whom notices of interest go: systems get the same ones in records of their own.
const BUYER: &str = "buyer";

/// A line of a node's notice journal.
#[derive(Debug, Deserialize)]
struct Line {
    show: u64,
    seq: u64,
    to: String,
    order: String,
    says: NoticeKind,
}

/// Reads every node's notices into the history. A node that was killed may have left half a line: that notice was not taken, and
/// whoever led next delivered it again.
pub(super) fn record(lab: &Lab, recorder: &Recorder) {
    for node in &lab.cluster.topology().nodes {
        let path = lab.cluster.notices(node.id);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "notices cannot be read");
                continue;
            }
        };
        for notice in text.split(|byte| *byte == b'\n').filter_map(notice) {
            recorder.notice(notice);
        }
    }
}

fn notice(line: &[u8]) -> Option<Notice> {
    let line: Line = serde_json::from_slice(line).ok()?;
    (line.to == BUYER).then(|| Notice {
        t_ns: 0,
        show: show_name(line.show),
        order: line.order,
        seq: line.seq,
        kind: line.says,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_to_buyers_are_read() {
        let line =
            br#"{"show":3,"seq":9,"to":"buyer","order":"o3-7","says":"order-confirmed","at_ms":5}"#;
        let read = notice(line).map(|read| (read.show, read.order, read.kind));
        let wanted = (
            "s3".to_owned(),
            "o3-7".to_owned(),
            NoticeKind::OrderConfirmed,
        );
        assert_eq!(read, Some(wanted));
        let systems = br#"{"show":3,"seq":9,"to":"systems","order":"o3-7","says":"order-confirmed","at_ms":5}"#;
        assert!(notice(systems).is_none());
        assert!(notice(&line[..40]).is_none());
    }
}
