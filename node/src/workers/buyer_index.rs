//! Tells the index of buyers what became of a show's orders, at least once, and acknowledges what it has committed.
//!
//! ```text
//!  outbox: Notify ─► delivered by `outbox` ─► told to the index ─► committed there ─► acknowledged here
//! ```
//!
//! Owns: the acknowledgement of notices. An index that is away stops nothing but this: records wait in the outbox, which has its
//! bound, and the worker comes back less and less often. Must never: acknowledge what the index has not committed, where there is one.

use std::time::Duration;

use holdfast_inventory::{
    command::Command,
    ids::{OutboxSeq, RequestId},
    outbox::{Job, OutboxRecord},
    outcome::Outcome,
};
use holdfast_raft::buyer_index::OrderEvent;
use thiserror::Error;
use tokio::sync::watch;

use crate::{buyer_index::NotTold, leader_scope::Led, submission::SubmitFailure};

/// Records told in one entry of the index.
const PAGE_MAX: usize = 256;
/// Between two looks at a busy shard's outbox: what is told together is one entry.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// After the first failure; twice as long after each further one.
const RETRY_DELAY_MIN: Duration = Duration::from_millis(250);
/// At most.
const RETRY_DELAY_MAX: Duration = Duration::from_secs(8);

/// Why a page is to be told again.
#[derive(Debug, Error)]
enum Waiting {
    #[error("the show's home is not known")]
    NoRegion,
    #[error("the index does not take it: {0}")]
    NotTold(#[from] NotTold),
    #[error("not acknowledged: {0}")]
    NotAcknowledged(#[from] SubmitFailure),
}

/// Runs until aborted; `delivered` says up to which record notices are delivered.
pub async fn run(led: Led, mut delivered: watch::Receiver<OutboxSeq>) {
    let show = led.group.show_id();
    let mut next = OutboxSeq(1);
    let mut failures = 0_u32;
    loop {
        let until = *delivered.borrow_and_update();
        let page = page(&led, next, until);
        let Some(last) = page.last().map(|record| record.seq) else {
            if delivered.changed().await.is_err() {
                return;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
            continue;
        };
        match tell(&led, &page).await {
            Ok(()) => {
                if failures > 0 {
                    tracing::info!(%show, failures, "index of buyers told again");
                }
                failures = 0;
                next = last.next();
            }
            Err(error) => {
                if failures == 0 {
                    tracing::warn!(%show, %error, "index of buyers not told, trying again");
                }
                failures = failures.saturating_add(1);
                tokio::time::sleep(retry_delay(failures, show.get())).await;
            }
        }
    }
}

/// Notices from `next` on that are delivered, a page of them.
fn page(led: &Led, next: OutboxSeq, until: OutboxSeq) -> Vec<OutboxRecord> {
    let (page, _) = led.group.read(|state| {
        let pending = state.outbox_pending(next, usize::MAX);
        let pending = pending.take_while(|record| record.seq < until);
        let notices = pending.filter(|record| matches!(record.job, Job::Notify { .. }));
        notices.take(PAGE_MAX).cloned().collect()
    });
    page
}

async fn tell(led: &Led, page: &[OutboxRecord]) -> Result<(), Waiting> {
    let show = led.group.show_id();
    let indexes = &led.context.indexes;
    let region = indexes.region_of(show).ok_or(Waiting::NoRegion)?;
    // Where no index was begun there is nobody to tell.
    if let Some(index) = indexes.index_of(&region) {
        let events: Vec<OrderEvent> = page.iter().filter_map(|r| event(led, r)).collect();
        indexes.tell(&index, &events).await?;
    }
    let seqs: Vec<OutboxSeq> = page.iter().map(|record| record.seq).collect();
    let Some(last) = seqs.last() else {
        return Ok(());
    };
    let request = RequestId::internal("acknowledge-told", last.get());
    let command = Command::AcknowledgeOutbox { seqs };
    if let Outcome::Rejected(reason) = led.commit(request, command).await? {
        tracing::error!(%show, %reason, "outbox acknowledgement refused");
    }
    Ok(())
}

fn event(led: &Led, record: &OutboxRecord) -> Option<OrderEvent> {
    let Job::Notify {
        buyer,
        order,
        notice,
    } = record.job
    else {
        return None;
    };
    Some(OrderEvent {
        buyer,
        show: led.group.show_id(),
        order,
        seq: record.seq,
        at_ms: record.at_ms,
        state: notice.into(),
    })
}

/// Doubles up to a bound; shows differ a little, so that those that wait for one index do not come back as one.
fn retry_delay(failures: u32, show: u64) -> Duration {
    let doubled = RETRY_DELAY_MIN.saturating_mul(1 << failures.saturating_sub(1).min(10));
    let spread = Duration::from_millis(show.wrapping_mul(37) % 200);
    doubled.min(RETRY_DELAY_MAX) + spread
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_fails_comes_back_less_and_less_often_but_for_ever() {
        let delays: Vec<u128> = (1..8).map(|n| retry_delay(n, 0).as_millis()).collect();
        assert_eq!(delays, [250, 500, 1_000, 2_000, 4_000, 8_000, 8_000]);
        assert_eq!(retry_delay(u32::MAX, 0), RETRY_DELAY_MAX);
        assert!(retry_delay(1, 3) < RETRY_DELAY_MIN * 2);
    }
}
