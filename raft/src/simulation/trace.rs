//! The trace of a run, as a hash: two runs of one seed must have the same.
//!
//! Owns: what goes into it. Must never: take in anything of the machine it runs on (addresses, wall time, paths).

use std::fmt::Debug;

use prost::Message;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Hash of a message.
pub(super) fn hash_of(message: &impl Message) -> u64 {
    xxh3_64(&message.encode_to_vec())
}

/// The trace so far.
pub(super) struct Trace {
    hash: Xxh3,
    events: u64,
    print: bool,
}

impl Trace {
    /// With `print` every event is also written to standard error.
    pub(super) fn new(print: bool) -> Self {
        Self {
            hash: Xxh3::new(),
            events: 0,
            print,
        }
    }

    /// Adds an event.
    pub(super) fn add(&mut self, now_ms: u64, event: &str) {
        self.events += 1;
        self.hash.update(&now_ms.to_le_bytes());
        self.hash.update(event.as_bytes());
        if self.print {
            eprintln!("{now_ms:>7} {event}");
        }
    }

    /// Adds numbers, cheaper than text.
    pub(super) fn add_numbers(&mut self, now_ms: u64, kind: &str, numbers: &[u64]) {
        self.events += 1;
        self.hash.update(&now_ms.to_le_bytes());
        self.hash.update(kind.as_bytes());
        for number in numbers {
            self.hash.update(&number.to_le_bytes());
        }
        if self.print {
            eprintln!("{now_ms:>7} {kind} {numbers:?}");
        }
    }

    /// Prints what the numbers cannot say; it does not count.
    pub(super) fn comment(&self, what: &impl Debug) {
        if self.print {
            eprintln!("        {what:?}");
        }
    }

    pub(super) fn digest(&self) -> u64 {
        self.hash.digest()
    }

    pub(super) fn events(&self) -> u64 {
        self.events
    }
}
