//! A history as users lived it: wishes, and the tries of each.
//!
//! Owns: what counts as a failed try and as a definite answer. Must never: call a refusal a failure.

use std::collections::BTreeMap;

use super::probe;
use super::watch::seconds;
use crate::history::{Call, History, Name, Op, Outcome};
use crate::workload::scene::Door;

/// How one try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It happened.
    Yes,
    /// It will not happen.
    No,
    /// 5xx, or nobody there.
    Failed,
    /// Still being done, says the gateway: neither an answer nor a failure.
    Pending,
    /// Its caller did not wait for the end.
    Abandoned,
}

/// One try of a write.
#[derive(Debug, Clone)]
pub(super) struct Try {
    pub(super) sent_s: f64,
    /// Absent when it was abandoned.
    pub(super) done_s: Option<f64>,
    pub(super) end: End,
    pub(super) code: String,
    /// Place of the gateway that was asked.
    pub(super) door: usize,
}

/// A write that somebody wanted, with all its tries in order.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) key: String,
    pub(super) op: Op,
    pub(super) show: String,
    pub(super) subject: String,
    pub(super) is_probe: bool,
    pub(super) tries: Vec<Try>,
}

impl Wish {
    pub(super) fn began_s(&self) -> f64 {
        self.tries.first().map_or(0.0, |one| one.sent_s)
    }

    /// Place of the gateway that was asked first: where the user is.
    pub(super) fn door(&self) -> usize {
        self.tries.first().map_or(0, |one| one.door)
    }

    /// The first try that got a definite answer.
    pub(super) fn answer(&self) -> Option<&Try> {
        let definite = |one: &&Try| matches!(one.end, End::Yes | End::No);
        let all = self.tries.iter().filter(definite);
        all.min_by(|a, b| {
            a.done_s
                .partial_cmp(&b.done_s)
                .unwrap_or(std::cmp::Ordering::Equal)
        })
    }

    /// From the first try to the definite answer, if it came by `until_s`.
    pub(super) fn wait_s(&self, until_s: f64) -> Option<f64> {
        let done_s = self.answer()?.done_s?;
        (done_s <= until_s).then(|| done_s - self.began_s())
    }
}

/// Every write of a history, by its start.
pub(super) fn wishes(history: &History, doors: &[Door]) -> Vec<Wish> {
    let places: BTreeMap<&str, usize> = (0..)
        .zip(doors)
        .map(|(at, door)| (door.url.as_str(), at))
        .collect();
    let mut all: BTreeMap<(&str, &str), Wish> = BTreeMap::new();
    for call in history.calls.iter().filter(|call| !call.op.is_read()) {
        let key = history.text(call.key);
        let wish = all
            .entry((history.text(call.buyer), key))
            .or_insert_with(|| Wish {
                key: key.to_owned(),
                op: call.op,
                show: history.text(call.show).to_owned(),
                subject: subject(history, call),
                is_probe: key.starts_with(probe::PREFIX),
                tries: Vec::new(),
            });
        let door = places.get(history.text(call.at)).copied().unwrap_or(0);
        wish.tries.push(one(history, call, door));
    }
    let mut all: Vec<Wish> = all.into_values().collect();
    all.sort_by(|a, b| a.began_s().total_cmp(&b.began_s()));
    all
}

fn subject(history: &History, call: &Call) -> String {
    let text = |name: Name| history.text(name).to_owned();
    match call.op {
        Op::Extend | Op::Release | Op::Order | Op::ReadHold => text(call.hold),
        Op::Pay | Op::Cancel | Op::Refund | Op::ReadOrder => text(call.order),
        Op::Hold | Op::Block | Op::Unblock | Op::ReadSeats => text(call.show),
    }
}

fn one(history: &History, call: &Call, door: usize) -> Try {
    let code = history.text(call.end.code).to_owned();
    let came = call.end.at_ns != u64::MAX;
    let end = match (call.end.outcome, came) {
        (_, false) => End::Abandoned,
        (Outcome::Ok, true) => End::Yes,
        (Outcome::Rejected, true) => End::No,
        // 202 has no problem code; the other one says that an earlier try is still being done.
        (Outcome::Unknown, true) if code.is_empty() || code == "request_in_flight" => End::Pending,
        (Outcome::Unknown, true) => End::Failed,
    };
    Try {
        sent_s: seconds(call.invoked_ns),
        done_s: came.then(|| seconds(call.end.at_ns)),
        end,
        code,
        door,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A wish of one try, for tests of what is made of it.
    pub(in crate::drill) fn wish(sent_s: f64, took_s: f64, end: End, door: usize) -> Wish {
        Wish {
            key: "rush.0/1-1".to_owned(),
            op: Op::Hold,
            show: "s1".to_owned(),
            subject: "s1".to_owned(),
            is_probe: false,
            tries: vec![Try {
                sent_s,
                done_s: Some(sent_s + took_s),
                end,
                code: String::new(),
                door,
            }],
        }
    }

    #[test]
    fn the_wait_ends_with_the_first_definite_answer_of_any_try() {
        let mut wish = wish(1.0, 0.5, End::Failed, 0);
        assert_eq!(wish.wait_s(9.0), None);
        let more = super::tests::wish(2.0, 1.5, End::Yes, 1).tries;
        wish.tries.extend(more);
        assert_eq!(wish.wait_s(9.0), Some(2.5));
        assert_eq!(wish.wait_s(3.0), None, "it came after the end");
        assert_eq!(wish.door(), 0);
    }
}
