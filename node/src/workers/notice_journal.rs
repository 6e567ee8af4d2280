//! Notices as lines of a file: for whoever forwards them, and for drills that ask what arrived.
//!
//! ```text
//! {"show":1,"seq":9,"to":"buyer","order":"o1-7","says":"order-confirmed","at_ms":1795273042247}
//! ```
//!
//! Owns: one line per record taken, whole lines only. Must never: hold anything about a person: a buyer's number stays in the
//! shard. A line has reached the kernel when its record counts as taken: it outlives the process, and may be lost with the machine.

use std::{io, path::Path};

use futures_util::future::BoxFuture;
use holdfast_inventory::{
    ids::{OrderId, ShowId},
    outbox::{Job, Notice, OutboxRecord},
};
use serde_json::json;

use super::{
    line_file::LineFile,
    outbox::{NotTaken, NoticeSink},
};

/// Appends to one file.
#[derive(Debug, Clone)]
pub struct NoticeJournal {
    file: LineFile,
}

impl NoticeJournal {
    /// Opens `path`, made when missing. A line that a crash left half-written is ended, so that readers can skip it.
    ///
    /// # Errors
    /// What the file system said.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = LineFile::open(path)?;
        Ok(Self { file })
    }
}

impl NoticeSink for NoticeJournal {
    fn deliver(
        &self,
        show: ShowId,
        record: OutboxRecord,
    ) -> BoxFuture<'static, Result<(), NotTaken>> {
        let file = self.file.clone();
        Box::pin(async move {
            let Some(line) = line(show, &record) else {
                return Ok(());
            };
            let written = file.append(move || line).await;
            written.map_err(|error| NotTaken {
                reason: error.to_string(),
            })
        })
    }
}

/// `None` for what is settled by a payment fact: no sink is offered that.
fn line(show: ShowId, record: &OutboxRecord) -> Option<String> {
    let (to, order, notice) = match &record.job {
        Job::Notify { order, notice, .. } => ("buyer", order, notice),
        Job::Publish { order, notice } => ("systems", order, notice),
        Job::Authorise { .. } | Job::Capture { .. } | Job::Void { .. } => return None,
    };
    let OrderId(order) = order;
    let line = json!({
        "show": show.get(),
        "seq": record.seq.get(),
        "to": to,
        "order": format!("o{}-{order}", show.get()),
        "says": says(*notice),
        "at_ms": record.at_ms,
    });
    Some(line.to_string())
}

const fn says(notice: Notice) -> &'static str {
    match notice {
        Notice::OrderConfirmed => "order-confirmed",
        Notice::OrderCancelled => "order-cancelled",
        Notice::PaymentReturned => "payment-returned",
    }
}

#[cfg(test)]
mod tests {
    use holdfast_inventory::ids::OutboxSeq;

    use super::*;

    #[tokio::test]
    async fn each_record_is_a_whole_line_also_after_a_torn_one() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("notices.jsonl");
        std::fs::write(&path, "{\"show\":1,\"se").expect("written");
        let journal = NoticeJournal::open(&path).expect("opened");
        let job = Job::Publish {
            order: OrderId(7),
            notice: Notice::OrderConfirmed,
        };
        let record = OutboxRecord {
            seq: OutboxSeq(9),
            at_ms: 5,
            job,
        };
        let delivered = journal.deliver(ShowId(3), record).await;
        assert!(delivered.is_ok());
        let text = std::fs::read_to_string(&path).expect("read");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        let read: serde_json::Value = serde_json::from_str(lines[1]).expect("JSON");
        assert_eq!(read["order"], "o3-7");
        assert_eq!(read["says"], "order-confirmed");
        assert!(serde_json::from_str::<serde_json::Value>(lines[0]).is_err());
    }
}
