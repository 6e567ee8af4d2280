//! Delivers notices and events, at least once, in order, and acknowledges the events.
//!
//! Owns: the order, and the acknowledgement of events. Notices are acknowledged by [`super::buyer_index`], once the index has them
//! too; so a notice may be delivered again after a change of leader while the index is away. Must never: acknowledge what was not
//! taken by the sink, or let an index that is away hold a notice back.
//!
//! There are two sinks today: one accepts, one writes lines to a file ([`super::notice_journal`]). Mail and an event bus come with
//! later work, behind the same trait. Records carry `(show, seq)`, by which a real sink drops repeats.

use std::time::Duration;

use futures_util::future::BoxFuture;
use holdfast_inventory::{
    command::Command,
    ids::{OutboxSeq, RequestId, ShowId},
    outbox::{Job, OutboxRecord},
    outcome::Outcome,
};
use thiserror::Error;

use crate::{backlog::Delivery, leader_scope::Led};

/// Records delivered before they are acknowledged together.
const PAGE_MAX: usize = 256;
/// Between two looks at a busy shard's outbox.
const LOOK_PAUSE: Duration = Duration::from_millis(10);
/// After a delivery or an acknowledgement that failed.
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// The sink did not take a record; it is offered again.
#[derive(Debug, Error)]
#[error("the sink did not take the record: {reason}")]
pub struct NotTaken {
    /// What the sink said.
    pub reason: String,
}

/// Takes notices for buyers and events for other systems.
pub trait NoticeSink: Send + Sync + 'static {
    /// Takes one record; `(show, record.seq)` names it for ever, so a repeat can be dropped.
    fn deliver(
        &self,
        show: ShowId,
        record: OutboxRecord,
    ) -> BoxFuture<'static, Result<(), NotTaken>>;
}

/// Accepts everything: mail and an event bus are not there yet.
#[derive(Debug, Clone, Copy)]
pub struct AcceptingSink;

impl NoticeSink for AcceptingSink {
    fn deliver(&self, _: ShowId, _: OutboxRecord) -> BoxFuture<'static, Result<(), NotTaken>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Runs until aborted; says in `delivery` up to which record everything is delivered.
pub async fn run(led: Led, delivery: Delivery) {
    let mut applied = led.group.applied();
    let mut next = OutboxSeq(1);
    loop {
        applied.borrow_and_update();
        let (page, _) = led.group.read(|state| {
            state
                .outbox_pending(next, PAGE_MAX)
                .cloned()
                .collect::<Vec<_>>()
        });
        let Some(last) = page.last().map(|record| record.seq) else {
            if applied.changed().await.is_err() {
                return;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
            continue;
        };
        let notices = page
            .into_iter()
            .filter(|record| !record.job.wants_fact())
            .collect();
        if deliver_page(&led, notices).await {
            next = last.next();
            delivery.taken_until(next);
        } else {
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }
}

/// Delivers one page and acknowledges its events; false when it must be offered again.
async fn deliver_page(led: &Led, notices: Vec<OutboxRecord>) -> bool {
    let show = led.group.show_id();
    let mut seqs = Vec::with_capacity(notices.len());
    for record in notices {
        let seq = record.seq;
        let told = matches!(record.job, Job::Notify { .. });
        #[cfg(feature = "sabotage")]
        if crate::sabotage::drops(&record) {
            seqs.push(seq);
            continue;
        }
        if let Err(error) = led.context.notices.deliver(show, record).await {
            tracing::warn!(%show, %seq, %error, "outbox record not delivered, trying again");
            return false;
        }
        led.context.metrics.outbox_delivered.inc();
        if !told {
            seqs.push(seq);
        }
    }
    let Some(last) = seqs.last() else { return true };
    let request = RequestId::internal("acknowledge", last.get());
    match led
        .commit(request, Command::AcknowledgeOutbox { seqs })
        .await
    {
        Ok(Outcome::Rejected(reason)) => {
            tracing::error!(%show, %reason, "outbox acknowledgement refused");
            true
        }
        Ok(_) => true,
        Err(error) => {
            tracing::debug!(%show, %error, "outbox acknowledgement not committed, trying again");
            false
        }
    }
}
