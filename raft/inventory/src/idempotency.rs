//! Exactly once: what became of each request.
//!
//! Owns: the table of remembered effects and when they are forgotten.
//! Must never: remember a rejection (it is judged anew), or forget an effect before its time.
//!
//! An effect is stored as the ids and the facts that may change later; what never changes (places, price)
//! is read from the hold or order itself, which is kept at least as long.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::ids::{HoldId, OrderId, RequestId};
use crate::limits;
use crate::outcome::{HoldState, OrderState, PaymentProblem};

/// One request that had an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    /// xxh3-64 of the encoded command: tells a repeat from a reused key.
    pub(crate) fingerprint: u64,
    pub(crate) effect: RememberedEffect,
}

/// What was said, without what can be read elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RememberedEffect {
    Hold {
        hold: HoldId,
        state: HoldState,
        order: Option<OrderId>,
        expires_at_ms: u64,
    },
    Order {
        order: OrderId,
        state: OrderState,
        problem: Option<PaymentProblem>,
        expires_at_ms: u64,
    },
    /// Blocked or unblocked; the seats are those of the repeated command, whose fingerprint is the same.
    Seats,
}

/// What the table says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recall {
    /// Never had an effect, or so long ago that it is forgotten.
    New,
    /// Had this effect.
    Repeat(RememberedEffect),
    /// The key stands for another command.
    Reused,
}

/// Requests and their effects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Idempotency {
    table: BTreeMap<RequestId, Remembered>,
    /// Oldest first: the clock never goes back, so requests come in order of time.
    by_age: VecDeque<(u64, RequestId)>,
}

impl Idempotency {
    /// Looks a request up.
    pub(crate) fn recall(&self, request: &RequestId, fingerprint: u64) -> Recall {
        match self.table.get(request) {
            None => Recall::New,
            Some(known) if known.fingerprint == fingerprint => Recall::Repeat(known.effect),
            Some(_) => Recall::Reused,
        }
    }

    /// Remembers an effect. The caller has checked that the request is new and that there is room.
    pub(crate) fn record(&mut self, at_ms: u64, request: RequestId, remembered: Remembered) {
        if self.table.insert(request, remembered).is_none() {
            self.by_age.push_back((at_ms, request));
        }
    }

    /// Forgets what is older than [`limits::REMEMBERED_MS`], a bounded number. Says whether nothing that
    /// old is left.
    pub(crate) fn forget_old(&mut self, now_ms: u64) -> bool {
        for _ in 0..limits::FORGOTTEN_PER_ENTRY_MAX {
            match self.by_age.front().copied() {
                Some((at_ms, request)) if at_ms.saturating_add(limits::REMEMBERED_MS) <= now_ms => {
                    self.by_age.pop_front();
                    self.table.remove(&request);
                }
                Some(_) | None => return true,
            }
        }
        false
    }

    /// Whether anything is old enough to be forgotten.
    pub(crate) fn has_old(&self, now_ms: u64) -> bool {
        self.by_age
            .front()
            .is_some_and(|(at_ms, _)| at_ms.saturating_add(limits::REMEMBERED_MS) <= now_ms)
    }

    /// Requests remembered now.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// All of it, oldest first.
    pub(crate) fn oldest_first(&self) -> impl Iterator<Item = (u64, RequestId, Remembered)> + '_ {
        self.by_age.iter().filter_map(|(at_ms, request)| {
            self.table
                .get(request)
                .map(|remembered| (*at_ms, *request, *remembered))
        })
    }

    /// The requests recorded after `last`, newest first, and whether each placed or lengthened a hold; all of them when `last` is
    /// none or forgotten.
    pub(crate) fn newer_than(
        &self,
        last: Option<RequestId>,
    ) -> impl Iterator<Item = (RequestId, bool)> + '_ {
        let newest_first = self.by_age.iter().rev().map(|(_, request)| *request);
        let newer = newest_first.take_while(move |request| Some(*request) != last);
        newer.filter_map(|request| {
            let effect = self.table.get(&request)?.effect;
            let holds = matches!(
                effect,
                RememberedEffect::Hold {
                    state: HoldState::Active,
                    ..
                }
            );
            Some((request, holds))
        })
    }

    /// Whether both tables know the same requests, in order of time (INV-IDEM-1).
    pub(crate) fn is_consistent(&self, now_ms: u64) -> bool {
        self.by_age.len() == self.table.len()
            && self
                .by_age
                .iter()
                .all(|(_, request)| self.table.contains_key(request))
            && self
                .by_age
                .iter()
                .zip(self.by_age.iter().skip(1))
                .all(|(a, b)| a.0 <= b.0)
            && self.by_age.back().is_none_or(|(at_ms, _)| *at_ms <= now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(n: u64) -> RequestId {
        RequestId::internal("test", n)
    }

    const SEATS: Remembered = Remembered {
        fingerprint: 7,
        effect: RememberedEffect::Seats,
    };

    #[test]
    fn a_repeat_is_told_from_a_reused_key() {
        let mut table = Idempotency::default();
        assert_eq!(table.recall(&request(1), 7), Recall::New);
        table.record(0, request(1), SEATS);
        assert_eq!(
            table.recall(&request(1), 7),
            Recall::Repeat(RememberedEffect::Seats)
        );
        assert_eq!(table.recall(&request(1), 8), Recall::Reused);
        assert_eq!(table.recall(&request(2), 7), Recall::New);
    }

    #[test]
    fn what_is_newer_than_a_request_comes_newest_first() {
        let mut table = Idempotency::default();
        for n in 1..=3 {
            table.record(n, request(n), SEATS);
        }
        let newer = |last| table.newer_than(last).map(|(id, _)| id).collect::<Vec<_>>();
        assert_eq!(newer(Some(request(1))), [request(3), request(2)]);
        assert_eq!(newer(Some(request(3))), []);
        assert_eq!(newer(None).len(), 3);
        assert_eq!(newer(Some(request(9))).len(), 3, "forgotten: everything");
        assert!(table.newer_than(None).all(|(_, holds)| !holds));
    }

    #[test]
    fn an_effect_is_forgotten_at_its_time_and_not_before() {
        let mut table = Idempotency::default();
        table.record(10, request(1), SEATS);
        table.forget_old(limits::REMEMBERED_MS + 9);
        assert_eq!(table.len(), 1);
        table.forget_old(limits::REMEMBERED_MS + 10);
        assert_eq!(table.len(), 0);
        assert!(table.is_consistent(0));
    }
}
