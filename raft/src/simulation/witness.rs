//! Sees everything: keeps the trace, asks the invariants, holds the first violation.
//!
//! Owns: the one place where facts arrive, from the network, from the replicas' state machines and from the clients. Must never:
//! change what it watches.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_inventory::command::Envelope;
use holdfast_region_config::{GroupId, NodeId};
use xxhash_rust::xxh3::xxh3_64;

use super::fact::{Fact, Judged};
use super::invariant::{self, Invariant};
use super::trace::{Trace, hash_of};
use crate::applied::Applied;
use crate::state_machine::Machine;
use crate::transport::wire::pb;
use crate::types::LogId;

/// The state is hashed at every so many entries of a group.
const HASH_EVERY_ENTRIES: u64 = 16;

/// What was broken.
#[derive(Debug, Clone)]
pub(super) struct Violation {
    pub(super) at_ms: u64,
    pub(super) invariant: &'static str,
    pub(super) what: String,
}

struct State {
    now_ms: u64,
    trace: Trace,
    invariants: Vec<Box<dyn Invariant>>,
    violation: Option<Violation>,
}

/// See the module's head.
pub(super) struct Witness {
    state: Mutex<State>,
}

thread_local! {
    /// The machine whose code runs now.
    static NODE: Cell<NodeId> = const { Cell::new(NodeId::new(0)) };
    /// Who sees what the replicas do.
    static WITNESS: RefCell<Option<Arc<Witness>>> = const { RefCell::new(None) };
}

/// The code of `node` runs from now on.
pub(super) fn on_machine(node: NodeId) {
    NODE.set(node);
}

/// The machine whose code runs now.
pub(super) fn machine() -> NodeId {
    NODE.get()
}

fn witness() -> Option<Arc<Witness>> {
    WITNESS.with_borrow(Clone::clone)
}

impl Witness {
    /// The witness of this thread's simulation.
    pub(super) fn install(print: bool) -> Arc<Self> {
        let witness = Arc::new(Self {
            state: Mutex::new(State {
                now_ms: 0,
                trace: Trace::new(print),
                invariants: invariant::all(),
                violation: None,
            }),
        });
        WITNESS.set(Some(Arc::clone(&witness)));
        witness
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_now(&self, now_ms: u64) {
        self.state().now_ms = now_ms;
    }

    /// Asks all invariants.
    pub(super) fn tell(&self, fact: &Fact<'_>) {
        let mut state = self.state();
        let State {
            now_ms,
            invariants,
            violation,
            ..
        } = &mut *state;
        for invariant in invariants {
            if let Err(what) = invariant.see(fact)
                && violation.is_none()
            {
                *violation = Some(Violation {
                    at_ms: *now_ms,
                    invariant: invariant.name(),
                    what,
                });
            }
        }
    }

    /// Something is broken that is not about a fact: a panic, or no progress.
    pub(super) fn broken(&self, invariant: &'static str, what: String) {
        let mut state = self.state();
        let at_ms = state.now_ms;
        state.violation.get_or_insert(Violation {
            at_ms,
            invariant,
            what,
        });
    }

    pub(super) fn violation(&self) -> Option<Violation> {
        self.state().violation.clone()
    }

    /// Adds an event to the trace.
    pub(super) fn note(&self, event: &str) {
        let mut state = self.state();
        let now_ms = state.now_ms;
        state.trace.add(now_ms, event);
    }

    /// Hash of the trace and the number of its events.
    pub(super) fn digest(&self) -> (u64, u64) {
        let state = self.state();
        (state.trace.digest(), state.trace.events())
    }

    pub(super) fn frame_sent(&self, connection: u64, from: NodeId, frame: &pb::Frame) {
        self.tell(&Fact::FrameSent {
            connection,
            from,
            frame,
        });
    }

    pub(super) fn frame_delivered(&self, now_ms: u64, from: NodeId, to: NodeId, frame: &pb::Frame) {
        let numbers = [from.get(), to.get(), frame.group, hash_of(frame)];
        let mut state = self.state();
        state.trace.add_numbers(now_ms, "frame", &numbers);
        state.trace.comment(frame);
    }
}

/// A process begins on this machine.
pub(super) fn started(node: NodeId) {
    if let Some(witness) = witness() {
        witness.note(&format!("{node} starts"));
        witness.tell(&Fact::Started { node });
    }
}

/// A replica was deleted from disk.
pub(crate) fn retired(group: GroupId) {
    if let Some(witness) = witness() {
        let node = NODE.get();
        witness.note(&format!("{node} deletes its replica of {group}"));
        witness.tell(&Fact::Retired { node, group });
    }
}

fn hash_state(machine: &Machine) -> u64 {
    machine.encode().map_or(0, |bytes| xxh3_64(&bytes))
}

/// A replica begins with this state.
pub(crate) fn loaded(group: GroupId, at: Option<LogId>, machine: &Machine) {
    let Some(witness) = witness() else { return };
    let node = NODE.get();
    let index = at.map(|id| id.index());
    let state_hash = hash_state(machine);
    let numbers = [
        node.get(),
        group.get(),
        index.unwrap_or(u64::MAX),
        state_hash,
    ];
    {
        let mut state = witness.state();
        let now_ms = state.now_ms;
        state.trace.add_numbers(now_ms, "loaded", &numbers);
    }
    witness.tell(&Fact::Loaded {
        node,
        group,
        index,
        state_hash,
    });
}

/// A replica has applied an entry; `payload` is empty for blank and membership entries.
pub(crate) fn applied(
    group: GroupId,
    at: LogId,
    payload: &[u8],
    answer: &Applied,
    machine: &Machine,
) {
    let Some(witness) = witness() else { return };
    let node = NODE.get();
    let (term, index) = (**at.committed_leader_id(), at.index());
    let state_hash = (index % HASH_EVERY_ENTRIES == 0).then(|| hash_state(machine));
    let payload_hash = xxh3_64(payload);
    {
        let mut state = witness.state();
        let now_ms = state.now_ms;
        let numbers = [node.get(), group.get(), term, index, payload_hash];
        state.trace.add_numbers(now_ms, "applied", &numbers);
    }
    witness.tell(&Fact::Applied {
        node,
        group,
        term,
        index,
        payload_hash,
        state_hash,
        judged: &judged(payload, answer),
    });
}

fn judged(payload: &[u8], answer: &Applied) -> Vec<Judged> {
    let Applied::Show(outcomes) = answer else {
        return Vec::new();
    };
    // Undecodable bytes stop the group; that is its business.
    let Ok(entry) = holdfast_inventory::codec::decode_entry(payload) else {
        return Vec::new();
    };
    let judge = |(envelope, outcome): (&Envelope, &_)| Judged {
        request: envelope.request,
        outcome: Clone::clone(outcome),
    };
    entry.commands.iter().zip(outcomes).map(judge).collect()
}
