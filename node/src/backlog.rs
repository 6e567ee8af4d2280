//! What waits behind the sales, apart by what it waits for: a provider or a sink, or an index of buyers.
//!
//! ```text
//!  payment ─► provider           event ─► sink           notice ─► sink ─► index of buyers
//!  └──────────────────── outbox ─────────────────────────────────┘       └── index ──┘
//! ```
//!
//! Owns: that border, and up to where the sinks of each show have taken what they were offered. Must never: be asked for anything
//! but what an operator sees: how far sinks are is gone with the worker, and a new one begins from the log alone.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use holdfast_inventory::{
    ids::{OutboxSeq, ShowId},
    outbox::{Job, OutboxRecord},
};
use holdfast_raft::Host;
use tokio::sync::watch;

/// Up to which record of its outbox each show's sinks have taken what they were offered; a cheap handle. A show is in it while
/// this node's worker delivers for it.
#[derive(Debug, Clone, Default)]
pub struct Deliveries {
    /// Guards the table; never held over an await.
    shows: Arc<Mutex<BTreeMap<ShowId, watch::Receiver<OutboxSeq>>>>,
}

/// The worker's side of one show; it leaves the table when it is dropped.
#[derive(Debug)]
pub struct Delivery {
    deliveries: Deliveries,
    show: ShowId,
    taken: watch::Sender<OutboxSeq>,
}

impl Deliveries {
    /// A worker begins to deliver for `show`, from its first record on.
    #[must_use]
    pub fn begin(&self, show: ShowId) -> Delivery {
        let (taken, until) = watch::channel(OutboxSeq(1));
        self.shows().insert(show, until);
        Delivery {
            deliveries: self.clone(),
            show,
            taken,
        }
    }

    /// Records of `show` before this one were taken, as far as they go to a sink.
    fn taken_until(&self, show: ShowId) -> OutboxSeq {
        let shows = self.shows();
        shows.get(&show).map_or(OutboxSeq(1), |seq| *seq.borrow())
    }

    fn shows(&self) -> MutexGuard<'_, BTreeMap<ShowId, watch::Receiver<OutboxSeq>>> {
        self.shows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Delivery {
    /// Everything before `seq` was taken.
    pub fn taken_until(&self, seq: OutboxSeq) {
        self.taken.send_replace(seq);
    }

    /// Follows what is taken; ends with the worker.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<OutboxSeq> {
        self.taken.subscribe()
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        let mut shows = self.deliveries.shows();
        let own = |kept: &watch::Receiver<OutboxSeq>| kept.same_channel(&self.taken.subscribe());
        // The next worker may have begun before this one was gone.
        if shows.get(&self.show).is_some_and(own) {
            shows.remove(&self.show);
        }
    }
}

/// Records that wait for one thing.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// How many.
    pub records: usize,
    /// How long the oldest of them has waited, ms; 0 when none waits.
    pub oldest_ms: u64,
}

/// What waits in the outboxes of the shows that this node leads and has in memory.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// For a provider or a sink.
    pub outbox: Waiting,
    /// For an index of buyers to commit what the sinks have taken.
    pub index: Waiting,
}

impl Backlog {
    fn count(&mut self, record: &OutboxRecord, taken_until: OutboxSeq, now_ms: u64) {
        let delivered = record.seq < taken_until;
        let waiting = match record.job {
            Job::Notify { .. } if delivered => &mut self.index,
            _ => &mut self.outbox,
        };
        waiting.records += 1;
        let waited_ms = now_ms.saturating_sub(record.at_ms);
        waiting.oldest_ms = waiting.oldest_ms.max(waited_ms);
    }
}

/// Counts what waits. A show whose outbox is not empty is awake, so none is missed that this node's workers could move on. Every
/// record is looked at, as many as an outbox holds: what waits for an index may lie before what waits for a sink.
#[must_use]
pub fn backlog(host: &Host, deliveries: &Deliveries, now_ms: u64) -> Backlog {
    let mut backlog = Backlog::default();
    for group in host.loaded_shows() {
        let show = group.show_id();
        if host.leader_of(show) != Some(host.node()) {
            continue;
        }
        let taken_until = deliveries.taken_until(show);
        group.peek(|state| {
            for record in state.outbox_pending(OutboxSeq(1), usize::MAX) {
                backlog.count(record, taken_until, now_ms);
            }
        });
    }
    backlog
}

#[cfg(test)]
mod tests {
    use holdfast_inventory::ids::{BuyerId, OrderId};
    use holdfast_inventory::outbox::Notice;

    use super::*;

    const SHOW: ShowId = ShowId(7);

    fn notice(seq: u64, at_ms: u64) -> OutboxRecord {
        OutboxRecord {
            seq: OutboxSeq(seq),
            at_ms,
            job: Job::Notify {
                buyer: BuyerId([1; 16]),
                order: OrderId(seq),
                notice: Notice::OrderConfirmed,
            },
        }
    }

    fn event(seq: u64, at_ms: u64) -> OutboxRecord {
        let job = Job::Publish {
            order: OrderId(seq),
            notice: Notice::OrderConfirmed,
        };
        OutboxRecord {
            job,
            ..notice(seq, at_ms)
        }
    }

    fn counted(taken_until: u64) -> (Waiting, Waiting) {
        let mut backlog = Backlog::default();
        for record in [notice(1, 100), event(2, 200), notice(3, 300)] {
            backlog.count(&record, OutboxSeq(taken_until), 1_000);
        }
        (backlog.outbox, backlog.index)
    }

    fn waiting(records: usize, oldest_ms: u64) -> Waiting {
        Waiting { records, oldest_ms }
    }

    #[test]
    fn a_notice_waits_for_its_sink_first_and_then_for_the_index() {
        assert_eq!(counted(1), (waiting(3, 900), waiting(0, 0)));
        assert_eq!(counted(3), (waiting(2, 800), waiting(1, 900)));
        assert_eq!(counted(4), (waiting(1, 800), waiting(2, 900)));
    }

    #[test]
    fn a_worker_that_is_gone_leaves_the_table_but_not_its_successor() {
        let deliveries = Deliveries::default();
        let first = deliveries.begin(SHOW);
        first.taken_until(OutboxSeq(5));
        assert_eq!(deliveries.taken_until(SHOW), OutboxSeq(5));
        let second = deliveries.begin(SHOW);
        assert_eq!(deliveries.taken_until(SHOW), OutboxSeq(1), "from anew");
        second.taken_until(OutboxSeq(3));
        drop(first);
        assert_eq!(deliveries.taken_until(SHOW), OutboxSeq(3));
        drop(second);
        assert!(deliveries.shows().is_empty());
    }
}
