//! People in line for a show with a waiting room: most come before the sale, some after it began, some never come back.
//!
//! ```text
//!  join ── (gone for good) ── look, look, … ── claim ── hold ── order ── pay ── leave
//! ```
//!
//! Each client is one person and comes once. Gateways may die on the way; the ticket is good at every other.
//!
//! Owns: what people do, and when each of them was where, by their own word. Must never: look sooner than a browser in a hurry, or
//! know more of the room than what it was told.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use holdfast_node_api::queue::{Qid, parse_key};
use rand::Rng;
use rand::rngs::StdRng;
use serde::Deserialize;

use super::Workload;
use super::client::Client;
use super::request::Request;
use super::scene::Stall;
use crate::queue_command::parse_ticket;

/// Of a hundred so many come before the sale; the others within [`LATE_WITHIN_S`] after its start.
const EARLY_PERCENT: u32 = 75;
const LATE_WITHIN_S: f64 = 15.0;
/// The early come within this share of the time before the sale.
const EARLY_WITHIN: f64 = 0.8;
/// Between two looks. Browsers are told 2 s at least; a drill has no time for that.
const LOOK_MS: std::ops::Range<u64> = 350..650;
/// How long one answer may take before somebody else is asked.
const TRY_MAX: Duration = Duration::from_secs(6);
/// How long a person insists on one answer: longer than an outage that a drill forgives.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often somebody inside looks for other seats.
const SEATS_TRIES_MAX: usize = 40;

/// The waiting room of a show, as a drill file states it.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomSpec {
    /// Most people inside at once.
    pub capacity: u64,
    /// Most people let in per minute.
    pub rate_per_min: u64,
    /// From the start of the workloads to the start of sale, s.
    pub prequeue_s: f64,
    /// How long a place that was reached waits for its owner, s.
    #[serde(default = "claim_window_s")]
    pub claim_window_s: u64,
    /// Of a hundred people so many join and never come back.
    #[serde(default)]
    pub absent_percent: u32,
}

const fn claim_window_s() -> u64 {
    10
}

/// One person, by their own word; times are ns on the history's clock.
#[derive(Debug, Clone, Default)]
pub(crate) struct Person {
    pub(crate) show: String,
    pub(crate) joined_ns: u64,
    pub(crate) early: bool,
    pub(crate) absent: bool,
    pub(crate) qid: Qid,
    /// What the first ticket drew, as the gateways said.
    pub(crate) drawn: Option<u128>,
    /// Of the ticket that they have, as the gateways said; once it was drawn.
    pub(crate) key: Option<u128>,
    /// When they were first told that it is their turn.
    pub(crate) turn_ns: Option<u64>,
    /// When they had the pass: from then on they are inside.
    pub(crate) inside_ns: Option<u64>,
    /// When they sent the payment: until then they were.
    pub(crate) paying_ns: Option<u64>,
    pub(crate) bought: bool,
    /// They were told that they had missed their turn, and joined again.
    pub(crate) missed: bool,
}

/// Everybody.
#[derive(Debug, Default)]
pub(crate) struct People(Mutex<Vec<Person>>);

impl People {
    fn join(&self, person: Person) -> usize {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(person);
        all.len() - 1
    }

    fn note(&self, at: usize, change: impl FnOnce(&mut Person)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(person) = all.get_mut(at) {
            change(person);
        }
    }

    /// All of one show.
    pub(crate) fn of(&self, show: &str) -> Vec<Person> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .filter(|person| person.show == show)
            .cloned()
            .collect()
    }
}

#[derive(Debug)]
pub(super) struct Line {
    stalls: Vec<Stall>,
    /// Clients that have come. Never held over an await.
    came: Mutex<BTreeSet<String>>,
    problems: Mutex<Vec<String>>,
}

impl Line {
    pub(super) fn set_up(stalls: Vec<Stall>) -> Self {
        Self {
            stalls,
            came: Mutex::default(),
            problems: Mutex::default(),
        }
    }

    fn is_new(&self, client: &Client) -> bool {
        let mut came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        came.insert(client.name.clone())
    }

    fn problem(&self, problem: String) {
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        problems.push(problem);
    }

    async fn one(&self, client: &mut Client) {
        if !self.is_new(client) {
            client.think(Duration::from_secs(3_600)).await;
            return;
        }
        client.try_max = TRY_MAX;
        client.patience = PATIENCE;
        let at = client.random.random_range(0..self.stalls.len());
        let stall = &self.stalls[at];
        let Some(room) = stall.room else { return };
        let early = client.random.random_range(0..100) < EARLY_PERCENT;
        let comes_s = if early {
            client
                .random
                .random_range(0.0..room.prequeue_s.max(0.1) * EARLY_WITHIN)
        } else {
            room.prequeue_s + client.random.random_range(0.0..LATE_WITHIN_S)
        };
        let absent = client.random.random_range(0..100) < room.absent_percent;
        client.think(Duration::from_secs_f64(comes_s)).await;
        let Some(person) = self.joins(client, stall, absent).await else {
            return;
        };
        if !absent && self.waits(client, stall, person).await {
            buys(client, stall, person).await;
        }
    }

    /// Joins and takes the ticket; `None` when that did not come about.
    async fn joins(&self, client: &mut Client, stall: &Stall, absent: bool) -> Option<usize> {
        let show = stall.show.clone();
        let joined = client.ask(|buyer| {
            let show = show.clone();
            async move { buyer.join_queue(&show).await }
        });
        let joined = joined.await?;
        let text = joined.body["ticket"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let ticket = match parse_ticket(&text) {
            Ok(ticket) if joined.status == 201 => ticket,
            _ => {
                self.problem(format!("{} cannot join: {}", client.name, joined.body));
                return None;
            }
        };
        client.carries(|buyer| buyer.with_ticket(&text));
        Some(client.scene.people.join(Person {
            show,
            joined_ns: client.scene.recorder.now_ns(),
            early: ticket.late.is_none(),
            absent,
            qid: ticket.qid,
            key: ticket.late,
            ..Person::default()
        }))
    }

    /// Looks until it is their turn, and claims; `true` when they are in.
    async fn waits(&self, client: &mut Client, stall: &Stall, person: usize) -> bool {
        while !client.is_stopped() {
            let show = stall.show.clone();
            let look = client.ask(|buyer| {
                let show = show.clone();
                async move { buyer.look_at_queue(&show).await }
            });
            let Some(seen) = look.await else { continue };
            let you = &seen.body["you"];
            let key = you["key"].as_str().and_then(|key| parse_key(key).ok());
            let standing = you["standing"].as_str().unwrap_or_default();
            let now_ns = client.scene.recorder.now_ns();
            let is_turn = matches!(standing, "admitted" | "inside");
            client.scene.people.note(person, |person| {
                person.key = key.or(person.key);
                if !person.missed {
                    person.drawn = person.key;
                }
                if is_turn {
                    person.turn_ns = person.turn_ns.or(Some(now_ns));
                }
            });
            if standing == "late" && !self.joins_again(client, stall, person).await {
                return false;
            }
            if is_turn && self.claims(client, &show, person).await {
                return true;
            }
            let pause_ms = client.random.random_range(LOOK_MS);
            client.think(Duration::from_millis(pause_ms)).await;
        }
        false
    }

    /// A missed turn: once, there is another place at the end of the line.
    async fn joins_again(&self, client: &mut Client, stall: &Stall, person: usize) -> bool {
        let show = &stall.show;
        let joined = client.ask(|buyer| async move { buyer.join_queue(show).await });
        let Some(joined) = joined.await else {
            return false;
        };
        let (201, Some(text)) = (joined.status, joined.body["ticket"].as_str()) else {
            return false;
        };
        client.carries(|buyer| buyer.with_ticket(text));
        client.scene.people.note(person, |person| {
            person.missed = true;
            (person.key, person.turn_ns) = (None, None);
        });
        true
    }

    async fn claims(&self, client: &mut Client, show: &str, person: usize) -> bool {
        let claim = client.ask(|buyer| async move { buyer.claim_pass(show).await });
        let Some(claimed) = claim.await else {
            return false;
        };
        match (claimed.status, claimed.body["pass"].as_str()) {
            (200, Some(pass)) => {
                client.carries(|buyer| buyer.with_pass(pass));
                let now_ns = client.scene.recorder.now_ns();
                client
                    .scene
                    .people
                    .note(person, |person| person.inside_ns = Some(now_ns));
                true
            }
            (202, _) => false,
            _ => {
                self.problem(format!("{} cannot claim: {}", client.name, claimed.body));
                false
            }
        }
    }
}

/// One or two seats, as free as chance has it; then pays and leaves.
async fn buys(client: &mut Client, stall: &Stall, person: usize) {
    let any = |random: &mut StdRng| random.random_range(0..stall.seats.len());
    let held = client.hold_some(stall, SEATS_TRIES_MAX, any).await;
    let Some(hold) = held else { return };
    let Some(order) = client.done(Request::Order { hold }).await else {
        return;
    };
    let now_ns = client.scene.recorder.now_ns();
    client
        .scene
        .people
        .note(person, |person| person.paying_ns = Some(now_ns));
    let paid = client.write(Request::Pay { order }).await;
    let bought = paid.is_some_and(|answer| answer.state() == "confirmed");
    client
        .scene
        .people
        .note(person, |person| person.bought = bought);
}

impl Workload for Line {
    fn turn<'a>(&'a self, client: &'a mut Client) -> BoxFuture<'a, ()> {
        Box::pin(self.one(client))
    }

    fn check(&self) -> (u64, Vec<String>) {
        let came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        let problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        (
            u64::try_from(came.len()).unwrap_or(u64::MAX),
            problems.clone(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_kept_by_show() {
        let people = People::default();
        for show in ["s1", "s2", "s1"] {
            let person = Person {
                show: show.to_owned(),
                ..Person::default()
            };
            people.join(person);
        }
        people.note(2, |person| person.bought = true);
        people.note(9, |person| person.bought = true);
        let bought: Vec<bool> = people.of("s1").iter().map(|person| person.bought).collect();
        assert_eq!(bought, [false, true]);
    }
}
