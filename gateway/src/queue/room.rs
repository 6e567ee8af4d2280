//! A room as last heard, and what follows from it for one ticket. Pure.
//!
//! Owns: the words of `docs/waiting-room.md`: states, standings, estimates, when to ask again. Must never: ask anybody, or
//! say somebody is inside.

use std::time::{Duration, Instant};

use holdfast_node_api::queue::{Commit, Line, Seed, people};
use holdfast_node_api::v1;

use super::token::Ticket;

/// Shortest and longest pause between two questions, seconds.
const REFRESH_S_MIN: f64 = 2.0;
const REFRESH_S_MAX: f64 = 30.0;
/// A real wait is within these parts of the estimate, unless the sale changes its pace.
const ETA_LOW: f64 = 0.8;
const ETA_HIGH: f64 = 1.5;

/// Where a room is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Joining begins later.
    Closed,
    /// People join the draw.
    Prequeue,
    /// The sale begins; the seed is not known here yet.
    Drawing,
    /// People are let in.
    Serving,
    /// Nobody is let in for the moment.
    Paused,
    /// Few places are left.
    Low,
    /// No place is left.
    SoldOut,
    /// The room is over.
    Ended,
}

impl State {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Prequeue => "prequeue",
            Self::Drawing => "drawing",
            Self::Serving => "serving",
            Self::Paused => "paused",
            Self::Low => "low",
            Self::SoldOut => "sold_out",
            Self::Ended => "ended",
        }
    }
}

/// How a ticket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Before the draw.
    NotDrawn,
    /// The line has not come.
    Waiting {
        /// Its place.
        key: u128,
        /// People before it, about.
        ahead: u64,
        /// Seconds to wait, from and to; `None` while nobody is let in.
        eta_s: Option<(u64, u64)>,
    },
    /// Its turn.
    Admitted {
        /// Its place.
        key: u128,
        /// Until when it can be claimed, ms since the Unix epoch.
        claim_before_ms: u64,
    },
    /// Not claimed in time, as far as is known here.
    Late {
        /// Its place.
        key: u128,
    },
}

/// A room as a replica had it.
#[derive(Debug, Clone)]
pub struct Room {
    /// How it is run.
    pub config: v1::RoomConfig,
    /// The promise.
    pub commit: Commit,
    /// Known from the start of sale.
    pub seed: Option<Seed>,
    /// Grows with every change.
    pub seq: u64,
    /// Who may come.
    pub threshold: u128,
    /// People in line, about.
    pub waiting: u64,
    /// People inside.
    pub inside: u64,
    /// People on the waitlist.
    pub waitlisted: u64,
    paused: bool,
    ended: bool,
    passed: Vec<(u128, u64)>,
    passed_before: u128,
    stalled_until_ms: u64,
    per_min: u32,
    line: Line,
    places_free: u64,
    places_held: u64,
    age_ms: u64,
    heard: Instant,
}

impl Room {
    /// From the wire; `None` for a show without a room, or one that is not understood.
    #[must_use]
    pub fn of(room: &v1::Room, heard: Instant) -> Option<Self> {
        let key = |point: &Option<v1::LinePoint>| point.map_or(0, |point| point.key());
        let passed = room.passed.iter().map(|point| (point.key(), point.count));
        Some(Self {
            config: room.config?,
            commit: room.commit.as_ref().try_into().ok()?,
            seed: room.seed.as_ref().try_into().ok(),
            seq: room.seq,
            threshold: key(&room.threshold),
            waiting: room.waiting,
            inside: room.inside,
            waitlisted: room.waitlisted,
            paused: room.paused,
            ended: room.ended,
            passed: passed.collect(),
            passed_before: key(&room.passed_before),
            stalled_until_ms: room.stalled_until_ms,
            per_min: room.per_min,
            line: Line::from_wire(&room.line)?,
            places_free: room.places_free,
            places_held: room.places_held,
            age_ms: room.as_of.map_or(0, |as_of| as_of.age_ms),
            heard,
        })
    }

    /// How old this knowledge is at `now`, ms.
    #[must_use]
    pub fn age_ms(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.heard).as_millis();
        let since_ms = u64::try_from(since).unwrap_or(u64::MAX);
        self.age_ms.saturating_add(since_ms)
    }

    /// Whether it was heard longer ago than `limit`.
    #[must_use]
    pub fn is_older(&self, now: Instant, limit: Duration) -> bool {
        now.saturating_duration_since(self.heard) > limit
    }

    /// Where it is in its life.
    #[must_use]
    pub fn state(&self, now_ms: u64) -> State {
        if self.ended {
            State::Ended
        } else if self.seed.is_none() {
            if now_ms < self.config.opens_at_ms {
                State::Closed
            } else if now_ms < self.config.sale_at_ms {
                State::Prequeue
            } else {
                State::Drawing
            }
        } else if self.paused {
            State::Paused
        } else if self.places_free == 0 && self.places_held == 0 {
            State::SoldOut
        } else if self.places_free < u64::from(self.config.capacity) {
            State::Low
        } else {
            State::Serving
        }
    }

    /// Whether whoever joins now is late: the sale has begun by this machine's clock, or the draw is known to be made.
    #[must_use]
    pub fn draw_is_over(&self, now_ms: u64) -> bool {
        self.seed.is_some() || now_ms >= self.config.sale_at_ms
    }

    /// Until when a key that was reached can be claimed. The same arithmetic as the shard's, which decides.
    #[must_use]
    pub fn claim_before_ms(&self, key: u128) -> u64 {
        let reached = self.passed.iter().find(|(to, _)| key <= *to);
        let at_ms = match reached {
            Some((_, at_ms)) if key > self.passed_before => *at_ms,
            Some(_) | None => 0,
        };
        at_ms
            .max(self.stalled_until_ms)
            .saturating_add(self.config.claim_window_ms)
    }

    /// Whether a key's time to claim is over, as far as is known here. While the room is full or paused nobody's is.
    #[must_use]
    pub fn is_late(&self, key: u128, now_ms: u64) -> bool {
        let held_up = self.paused || self.inside >= u64::from(self.config.capacity);
        key <= self.threshold && !held_up && now_ms > self.claim_before_ms(key)
    }

    /// How a ticket stands.
    #[must_use]
    pub fn standing(&self, ticket: &Ticket, now_ms: u64) -> Standing {
        let Some(key) = ticket.key(self.seed.as_ref()) else {
            return Standing::NotDrawn;
        };
        if key <= self.threshold {
            return if self.is_late(key, now_ms) {
                Standing::Late { key }
            } else {
                let claim_before_ms = self.claim_before_ms(key).max(now_ms);
                Standing::Admitted {
                    key,
                    claim_before_ms,
                }
            };
        }
        let ahead = people(self.line.before(key));
        Standing::Waiting {
            key,
            ahead,
            eta_s: self.eta_s(ahead, now_ms),
        }
    }

    fn eta_s(&self, ahead: u64, now_ms: u64) -> Option<(u64, u64)> {
        match self.state(now_ms) {
            State::Serving | State::Low | State::Drawing => {}
            State::Closed | State::Prequeue | State::Paused | State::SoldOut | State::Ended => {
                return None;
            }
        }
        // Until somebody came, what the room is meant to let in is the best guess.
        let per_min = if self.per_min > 0 {
            self.per_min
        } else {
            self.config.rate_per_min
        };
        let seconds = (ahead + 1) as f64 * 60.0 / f64::from(per_min.max(1));
        Some((people(seconds * ETA_LOW), people(seconds * ETA_HIGH).max(1)))
    }

    /// When to ask again, seconds: sooner the nearer the turn, and spread by `spread`, 0 to 1, over a fifth either way.
    #[must_use]
    pub fn refresh_in_s(&self, standing: Option<&Standing>, now_ms: u64, spread: f64) -> u64 {
        let until = |at_ms: u64| at_ms.saturating_sub(now_ms) as f64 / 1_000.0;
        let base = match (self.state(now_ms), standing) {
            (State::Closed, _) => until(self.config.opens_at_ms) / 2.0,
            (State::Prequeue, _) => until(self.config.sale_at_ms) / 2.0,
            (_, Some(Standing::Admitted { .. })) | (State::Drawing, _) => 3.0,
            (State::Paused | State::SoldOut, _) => 15.0,
            (State::Ended, _) => REFRESH_S_MAX,
            (
                _,
                Some(Standing::Waiting {
                    eta_s: Some((from, _)),
                    ..
                }),
            ) => *from as f64 / 10.0,
            (_, _) => 10.0,
        };
        let jitter = 0.4_f64.mul_add(spread, 0.8);
        let seconds = base.clamp(REFRESH_S_MIN, REFRESH_S_MAX / 1.2) * jitter;
        people(seconds).max(2)
    }
}

#[cfg(test)]
mod tests {
    use holdfast_node_api::queue::LATE_START;
    use holdfast_node_api::v1::LinePoint;

    use super::super::token::Phase;
    use super::*;

    const NOW_MS: u64 = 1_000_000;

    fn wire() -> v1::Room {
        v1::Room {
            config: Some(v1::RoomConfig {
                opens_at_ms: NOW_MS - 10_000,
                sale_at_ms: NOW_MS - 5_000,
                capacity: 10,
                rate_per_min: 60,
                claim_window_ms: 60_000,
                pass_ttl_ms: 60_000,
            }),
            commit: vec![1; 32].into(),
            seed: vec![2; 32].into(),
            seq: 5,
            threshold: Some(LinePoint::at(LATE_START + 100, 0)),
            passed: vec![
                LinePoint::at(LATE_START + 50, NOW_MS - 61_000),
                LinePoint::at(LATE_START + 100, NOW_MS - 1_000),
            ],
            line: vec![
                LinePoint::at(LATE_START + 100, 0),
                LinePoint::at(LATE_START + 200, 100),
            ],
            places_free: 50,
            ..v1::Room::default()
        }
    }

    fn room(wire: &v1::Room) -> Room {
        Room::of(wire, crate::clock::now()).unwrap()
    }

    fn late(key: u128) -> Ticket {
        Ticket {
            show_id: 7,
            sub: [1; 16],
            qid: [1; 16],
            phase: Phase::Late(LATE_START + key),
            entry: 0,
            issued_at_ms: 0,
        }
    }

    #[test]
    fn a_ticket_stands_before_at_or_behind_the_threshold() {
        let room = room(&wire());
        let standing = |key| room.standing(&late(key), NOW_MS);
        assert!(matches!(standing(50), Standing::Late { .. }));
        let claim_before_ms = NOW_MS + 59_000;
        assert!(
            matches!(standing(51), Standing::Admitted { claim_before_ms: at, .. } if at == claim_before_ms)
        );
        let Standing::Waiting { ahead, eta_s, .. } = standing(150) else {
            panic!("must wait");
        };
        assert_eq!((ahead, eta_s), (50, Some((41, 77))));
    }

    #[test]
    fn the_first_of_a_line_has_nobody_ahead_though_the_line_counts_everybody() {
        let wire = v1::Room {
            line: [100, 150, 160]
                .iter()
                .zip(0..)
                .map(|(key, count)| LinePoint::at(LATE_START + key, count))
                .collect(),
            ..wire()
        };
        for (key, before) in [(150, 0), (160, 1), (170, 2)] {
            let Standing::Waiting { ahead, .. } = room(&wire).standing(&late(key), NOW_MS) else {
                panic!("must wait");
            };
            assert_eq!(ahead, before, "{key}");
        }
    }

    #[test]
    fn nobody_is_late_while_the_room_is_full_or_paused() {
        let full = v1::Room {
            inside: 10,
            ..wire()
        };
        let paused = v1::Room {
            paused: true,
            ..wire()
        };
        let after = v1::Room {
            stalled_until_ms: NOW_MS - 59_000,
            ..wire()
        };
        for wire in [full, paused, after] {
            let standing = room(&wire).standing(&late(50), NOW_MS);
            assert!(matches!(standing, Standing::Admitted { .. }), "{wire:?}");
        }
    }

    #[test]
    fn a_life_goes_through_its_states_in_order() {
        let before = |opens, sale| {
            let mut wire = wire();
            wire.seed = Vec::new().into();
            let config = wire.config.as_mut().unwrap();
            (config.opens_at_ms, config.sale_at_ms) = (NOW_MS + opens - 10, NOW_MS + sale - 10);
            room(&wire).state(NOW_MS)
        };
        assert_eq!(before(20, 30), State::Closed);
        assert_eq!(before(0, 30), State::Prequeue);
        assert_eq!(before(0, 0), State::Drawing);
        let after = |change: fn(&mut v1::Room)| {
            let mut wire = wire();
            change(&mut wire);
            room(&wire).state(NOW_MS)
        };
        assert_eq!(after(|_| {}), State::Serving);
        assert_eq!(after(|room| room.paused = true), State::Paused);
        assert_eq!(after(|room| room.places_free = 9), State::Low);
        assert_eq!(after(|room| room.places_free = 0), State::SoldOut);
        let held = |room: &mut v1::Room| (room.places_free, room.places_held) = (0, 1);
        assert_eq!(after(held), State::Low);
        assert_eq!(after(|room| room.ended = true), State::Ended);
    }

    #[test]
    fn those_who_ask_again_come_spread_and_never_too_soon() {
        let room = room(&wire());
        for key in [51, 101, 150, 200] {
            let standing = room.standing(&late(key), NOW_MS);
            let at = |spread| room.refresh_in_s(Some(&standing), NOW_MS, spread);
            assert!(2 <= at(0.0) && at(0.0) <= at(1.0) && at(1.0) <= 30, "{key}");
        }
        let far = Standing::Waiting {
            key: 0,
            ahead: 9_999,
            eta_s: Some((5_000, 9_000)),
        };
        let at = |spread| room.refresh_in_s(Some(&far), NOW_MS, spread);
        assert_eq!((at(0.0), at(0.5), at(1.0)), (20, 25, 30));
    }

    #[test]
    fn a_show_without_a_room_is_none() {
        assert!(Room::of(&v1::Room::default(), crate::clock::now()).is_none());
    }
}
