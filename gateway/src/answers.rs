//! Requests already answered at this gateway, by buyer and idempotency key.
//!
//! Owns: "the same key, the same answer": replay, 422 for a changed request, 409 while the first is in work. The memory
//! is bounded and local; what it forgets, the shard still remembers for a day. Must never: remember an answer that is not
//! final, since a repeat is how a caller finds out.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::limits;
use crate::session::Buyer;

/// What makes two requests the same: hash of method, path and canonical body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a request; JSON that differs only in spaces or member order is the same.
    #[must_use]
    pub fn of(method: &str, path: &str, body: &[u8]) -> Self {
        let canonical = serde_json::from_slice::<serde_json::Value>(body).map(|v| v.to_string());
        let mut hash = Sha256::new();
        for part in [method.as_bytes(), path.as_bytes()] {
            hash.update(part);
            hash.update([0]);
        }
        match canonical {
            Ok(text) => hash.update(text.as_bytes()),
            Err(_) => hash.update(body),
        }
        Self(hash.finalize().into())
    }
}

/// A final answer, ready to be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// Body.
    pub body: Bytes,
    /// `Location`, for what was made.
    pub location: Option<String>,
}

/// What to do with a request.
#[derive(Debug)]
pub enum Begin<'a> {
    /// It is the first: do it, then settle the ticket.
    Go(InWork<'a>),
    /// It was answered before.
    Known(Answer),
    /// The first is still in work here.
    Busy,
    /// The key was used for another request.
    Changed,
}

type Key = (Buyer, String);

#[derive(Debug)]
struct Entry {
    fingerprint: Fingerprint,
    /// `None` while in work.
    answer: Option<Answer>,
}

#[derive(Debug, Default)]
struct Memory {
    entries: HashMap<Key, Entry>,
    /// Answered keys, oldest first.
    settled: VecDeque<Key>,
}

/// The memory of answers.
#[derive(Debug, Default)]
pub struct Answers {
    /// Guards both lists; never held over an await.
    memory: Mutex<Memory>,
}

impl Answers {
    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks the request up, and takes its key when it is new.
    pub fn begin(&self, buyer: Buyer, key: &str, fingerprint: Fingerprint) -> Begin<'_> {
        let key = (buyer, key.to_owned());
        let mut memory = self.lock();
        match memory.entries.get(&key) {
            Some(entry) if entry.fingerprint != fingerprint => Begin::Changed,
            Some(Entry {
                answer: Some(answer),
                ..
            }) => Begin::Known(answer.clone()),
            Some(_) => Begin::Busy,
            None => {
                memory.entries.insert(
                    key.clone(),
                    Entry {
                        fingerprint,
                        answer: None,
                    },
                );
                Begin::Go(InWork {
                    answers: self,
                    key: Some(key),
                })
            }
        }
    }
}

/// A request in work. Dropped without an answer (it failed, or the caller hung up), its key is free again.
#[derive(Debug)]
pub struct InWork<'a> {
    answers: &'a Answers,
    key: Option<Key>,
}

impl InWork<'_> {
    /// Remembers the final answer.
    pub fn settle(mut self, answer: Answer) {
        let Some(key) = self.key.take() else { return };
        let mut memory = self.answers.lock();
        if let Some(entry) = memory.entries.get_mut(&key) {
            entry.answer = Some(answer);
            memory.settled.push_back(key);
        }
        while memory.settled.len() > limits::ANSWERS_REMEMBERED_MAX {
            if let Some(oldest) = memory.settled.pop_front() {
                memory.entries.remove(&oldest);
            }
        }
    }
}

impl Drop for InWork<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.answers.lock().entries.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUYER: Buyer = Buyer([1; 16]);

    fn print(body: &str) -> Fingerprint {
        Fingerprint::of("POST", "/v1/orders", body.as_bytes())
    }

    fn answer(body: &'static str) -> Answer {
        Answer {
            status: 201,
            content_type: "application/json",
            body: Bytes::from_static(body.as_bytes()),
            location: None,
        }
    }

    #[test]
    fn the_first_goes_the_second_waits_and_a_later_one_gets_the_same_answer() {
        let answers = Answers::default();
        let Begin::Go(work) = answers.begin(BUYER, "k", print("{}")) else {
            panic!("must go")
        };
        assert!(matches!(
            answers.begin(BUYER, "k", print("{}")),
            Begin::Busy
        ));
        work.settle(answer("first"));
        assert!(
            matches!(answers.begin(BUYER, "k", print("{}")), Begin::Known(a) if a == answer("first"))
        );
    }

    #[test]
    fn a_changed_request_under_the_same_key_is_refused_also_while_in_work() {
        let answers = Answers::default();
        let Begin::Go(work) = answers.begin(BUYER, "k", print("1")) else {
            panic!("must go")
        };
        assert!(matches!(
            answers.begin(BUYER, "k", print("2")),
            Begin::Changed
        ));
        work.settle(answer(""));
        assert!(matches!(
            answers.begin(BUYER, "k", print("2")),
            Begin::Changed
        ));
    }

    #[test]
    fn keys_belong_to_their_buyer() {
        let answers = Answers::default();
        let _work = answers.begin(BUYER, "k", print("1"));
        assert!(matches!(
            answers.begin(Buyer([2; 16]), "k", print("2")),
            Begin::Go(_)
        ));
    }

    #[test]
    fn a_request_that_was_given_up_frees_its_key() {
        let answers = Answers::default();
        drop(answers.begin(BUYER, "k", print("1")));
        assert!(matches!(
            answers.begin(BUYER, "k", print("2")),
            Begin::Go(_)
        ));
    }

    #[test]
    fn memory_is_bounded_and_forgets_the_oldest() {
        let answers = Answers::default();
        for n in 0..limits::ANSWERS_REMEMBERED_MAX + 10 {
            if let Begin::Go(work) = answers.begin(BUYER, &format!("k{n}"), print("1")) {
                work.settle(answer(""));
            }
        }
        assert_eq!(answers.lock().entries.len(), limits::ANSWERS_REMEMBERED_MAX);
        assert!(matches!(
            answers.begin(BUYER, "k0", print("2")),
            Begin::Go(_)
        ));
    }

    #[test]
    fn spaces_and_member_order_do_not_change_a_request() {
        assert_eq!(print(r#"{"a":1,"b":2}"#), print(r#"{ "b": 2, "a": 1 }"#));
        assert_ne!(
            print(r#"{"a":1}"#),
            Fingerprint::of("POST", "/v1/other", br#"{"a":1}"#)
        );
    }
}
