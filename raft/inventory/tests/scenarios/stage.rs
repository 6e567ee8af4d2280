//! The shard that a scenario plays on, and what each step asks of it.

use std::collections::BTreeSet;

use holdfast_inventory::command::{PaymentFact, PlaceHold, RecordPayment, Wanted};
use holdfast_inventory::ids::{
    AttemptNo, BuyerId, HoldId, OrderId, OutboxSeq, PassId, RequestId, RequestKey,
};
use holdfast_inventory::outbox::Job;
use holdfast_inventory::read::{SEAT_AVAILABLE, SEAT_BLOCKED, SEAT_HELD, SEAT_SOLD};
use holdfast_inventory::room::{
    ClaimPass, LineKey, OpenRoom, Raise, RoomChange, RoomConfig, RoomSeed,
};
use holdfast_inventory::state::Bounds;
use holdfast_inventory::{
    Command, Effect, Entry, Envelope, InventoryState, Outcome, Rejection, apply, codec, invariants,
};

use crate::language::{self, Names};

/// A shard, its clock and everything that was refused on it.
#[derive(Default)]
pub(crate) struct Stage {
    state: InventoryState,
    names: Names,
    now_ms: u64,
    steps: u64,
    pub(crate) codes: BTreeSet<String>,
}

type Answers = Result<Vec<String>, String>;

impl Stage {
    /// Plays one step and gives its answers.
    pub(crate) fn step(&mut self, block: &[String]) -> Answers {
        self.steps += 1;
        let line = block.first().map_or("", |line| line.trim());
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] | ["#", ..] => Ok(Vec::new()),
            ["at", time] => {
                self.now_ms = language::time_ms(time)?;
                Ok(Vec::new())
            }
            ["bounds", bounds @ ..] => {
                self.state = InventoryState::with_bounds(read_bounds(bounds)?);
                Ok(Vec::new())
            }
            ["map"] => Ok(self.map()),
            ["outbox"] => Ok(self.outbox()),
            ["duty"] => Ok(vec![self.duty()]),
            ["room"] => Ok(vec![self.room()]),
            ["look", "at", id] => self.look(id),
            ["show"] => {
                let (set_up, names) = language::show(block)?;
                let answers = self.ask("system", None, Command::SetUpShow(Box::new(set_up)));
                if self.state.is_set_up() && self.names.seats.is_empty() {
                    self.names = names;
                }
                Ok(answers)
            }
            ["clock", "ticks"] => Ok(self.ask("system", None, Command::Tick)),
            ["restart"] => {
                self.state = codec::decode_snapshot(&codec::encode_snapshot(&self.state))
                    .map_err(|e| e.to_string())?;
                Ok(Vec::new())
            }
            [who, "key", key, rest @ ..] => {
                let command = self.command(rest)?;
                Ok(self.ask(who, Some(key), command))
            }
            [who, rest @ ..] => {
                let command = self.command(rest)?;
                Ok(self.ask(who, None, command))
            }
        }
    }

    fn command(&self, words: &[&str]) -> Result<Command, String> {
        let text = |words: &[&str]| words.join(" ").trim_matches('"').to_owned();
        Ok(match words {
            ["holds", wanted @ .., "with", ticket] => Command::PlaceHoldWithPass {
                hold: self.place(wanted)?,
                pass: PassId(pass(ticket)),
            },
            ["room", rest @ ..] => room(rest)?,
            ["claims", ticket, "at", key] => Command::ClaimPass(ClaimPass {
                pass: PassId(pass(ticket)),
                key: LineKey(u128::from(number(key, "")?)),
            }),
            ["joins", "the", "waitlist"] => Command::JoinWaitlist,
            ["holds", wanted @ ..] => Command::PlaceHold(self.place(wanted)?),
            ["extends", id] => Command::ExtendHold {
                hold: HoldId(number(id, "h")?),
            },
            ["releases", id] => Command::ReleaseHold {
                hold: HoldId(number(id, "h")?),
            },
            ["orders", id] => Command::OpenOrder {
                hold: HoldId(number(id, "h")?),
            },
            ["pays", id, "with", token @ ..] => {
                let order = OrderId(number(id, "o")?);
                Command::PayOrder {
                    order,
                    payment_token: text(token),
                }
            }
            ["cancels", id] => Command::CancelOrder {
                order: OrderId(number(id, "o")?),
            },
            ["says", fact, "attempt", attempt, "of", id] => Command::RecordPayment(RecordPayment {
                order: OrderId(number(id, "o")?),
                attempt: AttemptNo(u32::try_from(number(attempt, "")?).unwrap()),
                fact: read_fact(fact)?,
            }),
            ["blocks", rest @ ..] => {
                let (seats, reason) = match rest.iter().position(|word| *word == "because") {
                    Some(at) => (&rest[..at], text(&rest[at + 1..])),
                    None => (rest, String::new()),
                };
                let seats = seats.iter().map(|name| self.names.seat(name)).collect();
                Command::BlockSeats { seats, reason }
            }
            ["unblocks", seats @ ..] => Command::UnblockSeats {
                seats: seats.iter().map(|name| self.names.seat(name)).collect(),
            },
            ["acknowledges", seqs @ ..] => {
                let seqs: Result<Vec<u64>, String> = seqs.iter().map(|s| number(s, "x")).collect();
                Command::AcknowledgeOutbox {
                    seqs: seqs?.into_iter().map(OutboxSeq).collect(),
                }
            }
            _ => return Err(format!("not understood: {words:?}")),
        })
    }

    fn place(&self, words: &[&str]) -> Result<PlaceHold, String> {
        let count = |text: &str| {
            text.parse::<u32>()
                .map_err(|_| format!("{text} is no number"))
        };
        let (words, ttl_ms) = match words {
            [rest @ .., "for", ttl] => (rest, language::time_ms(ttl)?),
            _ => (words, 0),
        };
        let what = match words {
            ["best", quantity, rest @ ..] => {
                let (mut category, mut accessible) = (None, 0);
                for pair in rest.chunks(2) {
                    match pair {
                        ["in", name] => category = Some(self.names.category(name)),
                        ["accessible", n] => accessible = count(n)?,
                        _ => return Err(format!("not understood: {pair:?}")),
                    }
                }
                Wanted::BestAvailable {
                    quantity: count(quantity)?,
                    category,
                    accessible,
                }
            }
            [quantity, "places", "in", area] => Wanted::GeneralAdmission {
                area: self.names.area(area),
                quantity: count(quantity)?,
            },
            seats => Wanted::Named(seats.iter().map(|name| self.names.seat(name)).collect()),
        };
        Ok(PlaceHold { what, ttl_ms })
    }

    fn ask(&mut self, who: &str, key: Option<&str>, command: Command) -> Vec<String> {
        let key = key.map_or_else(|| format!("step {}", self.steps), str::to_owned);
        let request = RequestId {
            caller: buyer(who),
            key: RequestKey::from_text(&key),
        };
        let envelope = Envelope { request, command };
        let doomed = self.state.would_reject(&envelope, self.now_ms);
        let entry = Entry {
            now_ms: self.now_ms,
            commands: vec![envelope],
        };
        let outcomes = apply(&mut self.state, &entry);
        if let (Some(doomed), [outcome]) = (doomed, outcomes.as_slice()) {
            assert_eq!(
                outcome.rejection(),
                Some(&doomed),
                "the leader would have said otherwise"
            );
        }
        assert_eq!(invariants::check(&self.state), Vec::new());
        outcomes
            .iter()
            .map(|outcome| self.answer(outcome))
            .collect()
    }

    fn answer(&mut self, outcome: &Outcome) -> String {
        match outcome {
            Outcome::Done(effect) => self.effect(effect),
            Outcome::Replayed(effect) => format!("again: {}", self.effect(effect)),
            Outcome::Rejected(rejection) => {
                self.codes.insert(rejection.code().to_owned());
                self.refusal(rejection)
            }
        }
    }

    fn effect(&self, effect: &Effect) -> String {
        match effect {
            Effect::ShowSetUp => "the show is set up".to_owned(),
            Effect::Hold(view) => language::hold(&self.names, view),
            Effect::Order(view) => language::order(&self.names, view),
            Effect::SeatsChanged(seats) => format!("changed: {}", self.names.list(seats)),
            Effect::Ticked { expired } => format!("{expired} expired"),
            Effect::Acknowledged { removed } => format!("{removed} acknowledged"),
            Effect::Room { seq } => format!("the room is as asked, change {seq}"),
            Effect::Pass(view) => {
                let until = language::time(view.expires_at_ms);
                format!("pass {} until {until}", ticket(view.pass))
            }
            Effect::Waitlisted { place } => format!("number {place} on the waitlist"),
        }
    }

    fn refusal(&self, rejection: &Rejection) -> String {
        let mut text = format!("no, {}", rejection.code());
        if !rejection.seats().is_empty() {
            text.push_str(&format!(" {}", self.names.list(rejection.seats())));
        }
        if let Some(limit) = rejection.limit() {
            text.push_str(&format!(" ({limit})"));
        }
        format!("{text}: {rejection}")
    }

    /// One line a row: `.` free, `h` held, `s` sold, `x` blocked; one line an area.
    fn map(&self) -> Vec<String> {
        let codes: Vec<u8> = self.state.seat_codes().collect();
        let sign = |code: &u8| match *code {
            SEAT_AVAILABLE => '.',
            SEAT_HELD => 'h',
            SEAT_SOLD => 's',
            SEAT_BLOCKED => 'x',
            _ => '?',
        };
        let row = |(name, seats): &(String, Vec<_>)| {
            let signs: String = seats
                .iter()
                .map(|seat: &holdfast_inventory::ids::SeatNo| sign(&codes[seat.index()]))
                .collect();
            format!("{name} {signs}")
        };
        let areas = self
            .names
            .areas
            .iter()
            .zip(self.state.area_states())
            .map(|(name, a)| {
                format!(
                    "{name} {} free, {} held, {} sold",
                    a.available, a.held, a.sold
                )
            });
        self.names.rows.iter().map(row).chain(areas).collect()
    }

    /// What anybody may see of the room.
    fn room(&self) -> String {
        let Some(view) = self.state.room_view() else {
            return "none".to_owned();
        };
        let seed = if view.seed.is_some() {
            "revealed"
        } else {
            "secret"
        };
        let mut text = format!(
            "{} of {} inside, {} given, up to {}, seed {seed}",
            view.inside, view.config.capacity, view.claimed, view.threshold.0
        );
        for (word, said) in [(view.paused, ", paused"), (view.ended, ", ended")] {
            if word {
                text.push_str(said);
            }
        }
        text
    }

    /// When the leader's workers are next needed.
    fn duty(&self) -> String {
        match self.state.next_duty_ms() {
            None => "none: the show may leave memory".to_owned(),
            Some(0) => "now".to_owned(),
            Some(at_ms) => format!("at {}", language::time(at_ms)),
        }
    }

    fn outbox(&self) -> Vec<String> {
        let records = self.state.outbox_pending(OutboxSeq(0), usize::MAX);
        let lines: Vec<String> = records
            .map(|record| {
                let job = match &record.job {
                    Job::Authorise {
                        order,
                        attempt,
                        amount_minor,
                        currency,
                        payment_token,
                    } => {
                        let amount = language::money(*amount_minor, *currency);
                        format!(
                            "authorise {amount} for {order}, attempt {attempt}, {payment_token}"
                        )
                    }
                    Job::Capture {
                        order,
                        attempt,
                        amount_minor,
                        currency,
                    } => {
                        let amount = language::money(*amount_minor, *currency);
                        format!("capture {amount} for {order}, attempt {attempt}")
                    }
                    Job::Void { order, attempt } => format!("void {order}, attempt {attempt}"),
                    Job::Notify { order, notice, .. } => format!("notify {order} {notice:?}"),
                    Job::Publish { order, notice } => format!("publish {order} {notice:?}"),
                };
                format!("{} {job}", record.seq)
            })
            .collect();
        if lines.is_empty() {
            vec!["empty".to_owned()]
        } else {
            lines
        }
    }

    fn look(&self, id: &str) -> Answers {
        let seen = if id.starts_with('h') {
            let view = self.state.hold_view(HoldId(number(id, "h")?));
            view.map(|view| language::hold(&self.names, &view))
        } else {
            let view = self.state.order_view(OrderId(number(id, "o")?));
            view.map(|view| language::order(&self.names, &view))
        };
        Ok(vec![seen.unwrap_or_else(|| "nothing".to_owned())])
    }
}

/// The pass of a ticket that a scenario calls by a short name.
fn pass(name: &str) -> [u8; 16] {
    buyer(name).0
}

fn ticket(pass: PassId) -> String {
    let name: Vec<u8> = pass.0.into_iter().take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&name).into_owned()
}

/// `opens at 0:00, sale at 1:00, 2 inside` and the changes of it.
fn room(words: &[&str]) -> Result<Command, String> {
    let count =
        |text: &str| number(text, "").and_then(|n| u32::try_from(n).map_err(|e| e.to_string()));
    Ok(match words {
        ["opens", opens, "sale", sale, "inside", people] => Command::OpenRoom(Box::new(OpenRoom {
            config: RoomConfig {
                opens_at_ms: language::time_ms(opens)?,
                sale_at_ms: language::time_ms(sale)?,
                capacity: count(people)?,
                rate_per_min: 100,
                claim_window_ms: 0,
                pass_ttl_ms: 0,
            },
            commit: [7; 32],
            seed: RoomSeed([8; 32]),
        })),
        ["pauses"] => Command::ChangeRoom(RoomChange::Pause),
        ["resumes"] => Command::ChangeRoom(RoomChange::Resume),
        ["takes", people] => Command::ChangeRoom(RoomChange::Capacity {
            people: count(people)?,
        }),
        ["lets", "in", per_min] => Command::ChangeRoom(RoomChange::Rate {
            per_min: count(per_min)?,
        }),
        ["ends"] => Command::ChangeRoom(RoomChange::End),
        ["reveals"] => Command::RevealSeed,
        ["comes", "to", key] => Command::RaiseThreshold(Raise {
            threshold: LineKey(u128::from(number(key, "")?)),
            waiting: 0,
            per_min: 0,
            line: Vec::new(),
        }),
        _ => return Err(format!("not understood: {words:?}")),
    })
}

fn number(text: &str, prefix: &str) -> Result<u64, String> {
    text.strip_prefix(prefix)
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| format!("{text} is not {prefix} and a number"))
}

fn buyer(name: &str) -> BuyerId {
    if matches!(name, "system" | "provider" | "worker") {
        return BuyerId::SYSTEM;
    }
    let mut bytes = [0; 16];
    for (place, byte) in bytes.iter_mut().zip(name.bytes()) {
        *place = byte;
    }
    BuyerId(bytes)
}

fn read_fact(text: &str) -> Result<PaymentFact, String> {
    Ok(match text {
        "authorised" => PaymentFact::Authorised,
        "declined" => PaymentFact::Declined,
        "timed-out" => PaymentFact::TimedOut,
        "captured" => PaymentFact::Captured,
        "capture-failed" => PaymentFact::CaptureFailed,
        "voided" => PaymentFact::Voided,
        _ => return Err(format!("{text} is no payment fact")),
    })
}

fn read_bounds(words: &[&str]) -> Result<Bounds, String> {
    let mut bounds = Bounds::default();
    for pair in words.chunks(2) {
        let [name, value] = pair else {
            return Err(format!("not understood: {pair:?}"));
        };
        let value = value.parse().map_err(|_| format!("{value} is no number"))?;
        match *name {
            "requests" => bounds.remembered_max = value,
            "holds" => bounds.holds_max = value,
            "orders" => bounds.orders_max = value,
            "outbox" => bounds.outbox_open_max = value,
            "expired-per-entry" => bounds.expired_per_entry_max = value,
            _ => return Err(format!("no such bound: {name}")),
        }
    }
    Ok(bounds)
}
