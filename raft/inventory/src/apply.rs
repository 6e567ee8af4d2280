//! Applies one committed entry: hands each command to the family that owns it.
//!
//! Owns: the order of things within an entry. Must never: read a clock, do I/O, iterate a hash map, or panic
//! on an entry that decodes.
//!
//! 1. The clock moves (never back). 2. What is due expires, what is old is forgotten; both bounded.
//! 3. Each command in order: a repeat gets its first effect, anything else is judged now.

mod block;
mod clock;
mod hold;
mod order;
mod outbox;
mod payment;
mod queue;
mod show;

use crate::command::{Command, Entry, Envelope};
use crate::idempotency::{Recall, Remembered, RememberedEffect};
use crate::ids::BuyerId;
use crate::invariants;
use crate::outcome::{Effect, HoldState, Outcome, Rejection};
use crate::state::InventoryState;

pub(crate) use show::check as check_set_up;

/// Who asks, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) caller: BuyerId,
    pub(crate) now_ms: u64,
}

/// Applies `entry`; the same state and entry give the same result on every replica, for ever.
///
/// One outcome per command, in order. A broken invariant panics in debug builds and is counted in release
/// builds, see [`crate::invariants`].
pub fn apply(state: &mut InventoryState, entry: &Entry) -> Vec<Outcome> {
    let clock_before_ms = state.clock_ms;
    let now_ms = state.advance_clock(entry.now_ms);
    state.entries_applied = state.entries_applied.saturating_add(1);
    let expired = state.sweep(now_ms);
    state.forget_old(now_ms);

    let mut fingerprints = Fingerprints::default();
    let outcomes = entry
        .commands
        .iter()
        .map(|envelope| apply_one(state, envelope, now_ms, expired, &mut fingerprints))
        .collect();
    #[cfg(feature = "sabotage")]
    crate::sabotage::harm(state);
    invariants::after_apply(state, clock_before_ms);
    outcomes
}

fn apply_one(
    state: &mut InventoryState,
    envelope: &Envelope,
    now_ms: u64,
    expired: u32,
    fingerprints: &mut Fingerprints,
) -> Outcome {
    let Envelope { request, command } = envelope;
    let asked = Asked {
        caller: request.caller,
        now_ms,
    };
    if !command.is_remembered() {
        return outcome(dispatch(state, asked, command, expired));
    }
    let fingerprint = fingerprints.of(command);
    match state.idempotency.recall(request, fingerprint) {
        Recall::Reused => return Outcome::Rejected(Rejection::RequestReused),
        Recall::Repeat(effect) => {
            if let Some(effect) = state.recalled(effect, command) {
                return Outcome::Replayed(effect);
            }
        }
        Recall::New => {}
    }
    let result = match state.require_request_room() {
        Ok(()) => dispatch(state, asked, command, expired),
        // A full table has the last word in precedence: judge first, without effect.
        Err(full) => Err(judge(state, asked, command).err().unwrap_or(full)),
    };
    if let Ok(effect) = &result
        && let Some(effect) = to_remember(effect)
    {
        state.idempotency.record(
            now_ms,
            *request,
            Remembered {
                fingerprint,
                effect,
            },
        );
    }
    outcome(result)
}

fn outcome(result: Result<Effect, Rejection>) -> Outcome {
    match result {
        Ok(effect) => Outcome::Done(effect),
        Err(rejection) => Outcome::Rejected(rejection),
    }
}

fn dispatch(
    state: &mut InventoryState,
    asked: Asked,
    command: &Command,
    expired: u32,
) -> Result<Effect, Rejection> {
    match command {
        Command::SetUpShow(set_up) => show::set_up(state, set_up),
        Command::PlaceHold(wanted) => queue::place(state, asked, wanted, None),
        Command::PlaceHoldWithPass { hold, pass } => queue::place(state, asked, hold, Some(*pass)),
        Command::ExtendHold { hold } => hold::extend(state, asked, *hold),
        Command::ReleaseHold { hold } => hold::release(state, asked, *hold),
        Command::OpenOrder { hold } => order::open(state, asked, *hold),
        Command::PayOrder {
            order,
            payment_token,
        } => payment::pay(state, asked, *order, payment_token),
        Command::RecordPayment(said) => payment::record(state, asked.now_ms, *said),
        Command::CancelOrder { order } => order::cancel(state, asked, *order),
        Command::BlockSeats { seats, reason } => block::block(state, asked, seats, reason),
        Command::UnblockSeats { seats } => block::unblock(state, seats),
        Command::Tick => Ok(clock::tick(expired)),
        Command::AcknowledgeOutbox { seqs } => outbox::acknowledge(state, seqs),
        Command::OpenRoom(room) => queue::open(state, room),
        Command::ChangeRoom(change) => queue::change(state, asked.now_ms, *change),
        Command::RevealSeed => queue::reveal(state, asked.now_ms),
        Command::RaiseThreshold(raise) => queue::raise(state, asked.now_ms, raise),
        Command::ClaimPass(claim) => queue::claim(state, asked, *claim),
        Command::JoinWaitlist => queue::join_waitlist(state, asked),
    }
}

/// Judges what buyers and operators ask, without effect. The system's own commands always pass.
pub(crate) fn judge(
    state: &InventoryState,
    asked: Asked,
    command: &Command,
) -> Result<(), Rejection> {
    match command {
        Command::PlaceHold(wanted) => queue::judge_place(state, asked, wanted, None),
        Command::PlaceHoldWithPass { hold, pass } => {
            queue::judge_place(state, asked, hold, Some(*pass))
        }
        Command::ClaimPass(claim) => queue::judge_claim(state, asked, *claim).map(drop),
        Command::JoinWaitlist => queue::judge_waitlist(state, asked).map(drop),
        Command::ExtendHold { hold } => hold::judge_extend(state, asked, *hold).map(drop),
        Command::ReleaseHold { hold } => hold::judge_active(state, asked, *hold).map(drop),
        Command::OpenOrder { hold } => order::judge_open(state, asked, *hold).map(drop),
        Command::PayOrder {
            order,
            payment_token,
        } => payment::judge_pay(state, asked, *order, payment_token).map(drop),
        Command::CancelOrder { order } => order::judge_cancel(state, asked, *order),
        Command::BlockSeats { seats, reason } => {
            block::judge_block(state, asked, seats, reason).map(drop)
        }
        Command::UnblockSeats { seats } => block::judge_unblock(state, seats).map(drop),
        Command::SetUpShow(_)
        | Command::RecordPayment(_)
        | Command::Tick
        | Command::AcknowledgeOutbox { .. }
        | Command::OpenRoom(_)
        | Command::ChangeRoom(_)
        | Command::RevealSeed
        | Command::RaiseThreshold(_) => Ok(()),
    }
}

/// What must be kept to say the same again; `None` for effects that are not remembered.
fn to_remember(effect: &Effect) -> Option<RememberedEffect> {
    match effect {
        Effect::Hold(view) => Some(RememberedEffect::Hold {
            hold: view.hold,
            state: view.state,
            order: view.order.filter(|_| view.state == HoldState::Ordered),
            expires_at_ms: view.expires_at_ms,
        }),
        Effect::Order(view) => Some(RememberedEffect::Order {
            order: view.order,
            state: view.state,
            problem: view.payment_problem,
            expires_at_ms: view.expires_at_ms,
        }),
        Effect::SeatsChanged(_) => Some(RememberedEffect::Seats),
        Effect::ShowSetUp
        | Effect::Ticked { .. }
        | Effect::Acknowledged { .. }
        | Effect::Room { .. }
        | Effect::Pass(_)
        | Effect::Waitlisted { .. } => None,
    }
}

/// Fingerprints of commands, with one buffer for a whole entry.
#[derive(Debug, Default)]
pub(crate) struct Fingerprints {
    bytes: Vec<u8>,
}

impl Fingerprints {
    /// xxh3-64 of the encoded command.
    pub(crate) fn of(&mut self, command: &Command) -> u64 {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        // Writing to memory cannot fail; an empty buffer would only make the fingerprint useless.
        self.bytes = postcard::to_extend(command, bytes).unwrap_or_default();
        xxhash_rust::xxh3::xxh3_64(&self.bytes)
    }
}
