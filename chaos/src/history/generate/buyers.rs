//! Made-up buyers: take a seat or two, think, buy, change their minds, repeat themselves.
//!
//! Owns: what a buyer does next. Must never: look into the shard.

use std::collections::HashMap;

use rand::Rng;
use rand::rngs::StdRng;

use super::shard::{Reply, Request, Shard, TTL_MS};
use crate::history::{Op, Reading};

/// Tries of one request, at most.
const TRIES_MAX: u32 = 4;
const MS: u64 = 1_000_000;

/// What a buyer has got.
#[derive(Debug, Clone, Copy)]
enum Has {
    Nothing,
    Hold(usize),
    Order(usize),
    Tickets(usize),
}

/// What to do now.
pub(super) enum Next {
    /// Ask for a change.
    Write { show: usize, request: Request },
    /// Look at all seats, or at an order.
    Look {
        show: usize,
        reading: Reading,
        order: Option<usize>,
    },
}

#[derive(Debug)]
pub(super) struct Buyer {
    process: usize,
    /// Grows with every new guest behind the process, and with every request.
    guest: u64,
    request: u64,
    show: usize,
    has: Has,
    /// The request that is being tried, and how often it was.
    trying: Option<(Request, u32)>,
    looking: bool,
    seen: HashMap<usize, u64>,
    dawdles: bool,
}

impl Buyer {
    pub(super) fn new(process: usize) -> Self {
        Self {
            process,
            guest: 0,
            request: 0,
            show: 0,
            has: Has::Nothing,
            trying: None,
            looking: false,
            seen: HashMap::new(),
            dawdles: false,
        }
    }

    /// The highest index that this process has seen of a show.
    pub(super) fn seen(&self, show: usize) -> u64 {
        self.seen.get(&show).copied().unwrap_or(0)
    }

    pub(super) fn thinks_ns(&mut self, random: &mut StdRng) -> u64 {
        if std::mem::take(&mut self.dawdles) {
            return (TTL_MS + 500) * MS;
        }
        random.random_range(MS..80 * MS)
    }

    pub(super) fn next(&mut self, on_sale: usize, seats: usize, random: &mut StdRng) -> Next {
        if let Some((request, tries)) = &mut self.trying {
            *tries += 1;
            let request = request.clone();
            return Next::Write {
                show: self.show,
                request,
            };
        }
        self.looking = random.random_ratio(1, 100);
        if self.looking {
            let readings = [Reading::Near, Reading::Session, Reading::Linearizable];
            let reading = readings[random.random_range(0..readings.len())];
            let order = None;
            let show = if matches!(self.has, Has::Nothing) {
                on_sale
            } else {
                self.show
            };
            return Next::Look {
                show,
                reading,
                order,
            };
        }
        let (op, subject, seats) = self.chooses(on_sale, seats, random);
        if op == Op::ReadOrder {
            self.looking = true;
            let (show, reading, order) = (self.show, Reading::Linearizable, Some(subject));
            self.leaves();
            return Next::Look {
                show,
                reading,
                order,
            };
        }
        self.request += 1;
        let request = Request {
            op,
            buyer: format!("b{}-{}", self.process, self.guest),
            key: format!("k{}", self.request),
            seats,
            subject,
        };
        self.trying = Some((request.clone(), 1));
        Next::Write {
            show: self.show,
            request,
        }
    }

    fn chooses(
        &mut self,
        on_sale: usize,
        seats: usize,
        random: &mut StdRng,
    ) -> (Op, usize, Vec<usize>) {
        let dice = random.random_range(0..100);
        match self.has {
            Has::Nothing => {
                self.show = on_sale;
                // Everybody wants the seats in front.
                let first = random
                    .random_range(0..seats)
                    .min(random.random_range(0..seats));
                let count = if dice < 40 && first + 1 < seats { 2 } else { 1 };
                (Op::Hold, 0, (first..first + count).collect())
            }
            Has::Hold(hold) if dice < 15 => (Op::Extend, hold, Vec::new()),
            Has::Hold(hold) if dice < 45 => (Op::Release, hold, Vec::new()),
            Has::Hold(hold) => (Op::Order, hold, Vec::new()),
            Has::Order(order) if dice < 35 => (Op::Cancel, order, Vec::new()),
            Has::Order(order) => (Op::Pay, order, Vec::new()),
            Has::Tickets(order) => (Op::ReadOrder, order, Vec::new()),
        }
    }

    fn leaves(&mut self) {
        self.has = Has::Nothing;
        self.trying = None;
        self.guest += 1;
    }

    pub(super) fn gives_up(&mut self, random: &mut StdRng) {
        let tries = self.trying.as_ref().map_or(0, |(_, tries)| *tries);
        if tries >= TRIES_MAX || random.random_ratio(1, 6) {
            self.leaves();
        }
    }

    pub(super) fn hears(&mut self, show: usize, reply: &Reply, random: &mut StdRng) {
        if let Ok(answer) = reply {
            let seen = self.seen.entry(show).or_default();
            *seen = answer.index.max(*seen);
        }
        if std::mem::take(&mut self.looking) {
            return;
        }
        let Some((request, tries)) = &self.trying else {
            return;
        };
        let op = request.op;
        let Ok(answer) = reply else {
            self.leaves();
            return;
        };
        // Some ask again although they know, as browsers do on reload.
        if *tries == 1 && random.random_ratio(1, 30) {
            return;
        }
        self.trying = None;
        match op {
            Op::Hold => {
                self.has = Has::Hold(Shard::number_of(&answer.hold));
                self.dawdles = random.random_ratio(1, 12);
            }
            Op::Extend => {}
            Op::Order => self.has = Has::Order(Shard::number_of(&answer.order)),
            Op::Pay if random.random_ratio(1, 4) => {
                self.has = Has::Tickets(Shard::number_of(&answer.order))
            }
            _ => self.leaves(),
        }
        // Some walk away without a word: their hold has to lapse.
        if matches!(self.has, Has::Hold(_) | Has::Order(_)) && random.random_ratio(1, 10) {
            self.leaves();
        }
    }
}
