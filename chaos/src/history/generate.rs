//! Makes up histories: a correct system with buyers, seen from outside, or one with a planted defect.
//!
//! Time is simulated, so a million operations take seconds, and a seed always gives the same history. Answers are lost,
//! requests arrive late, buyers repeat themselves, replicas are behind: everything that makes judging hard.
//!
//! Owns: buyers, the network between them and the made-up shard, and what is written down. Must never: be taken for
//! evidence about the real system.

mod buyers;
mod outside;
mod plant;
mod shard;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::Write;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use self::buyers::{Buyer, Next};
pub use self::plant::Plant;
use self::shard::{Reply, Request, Shard};
use super::HistoryError;
use super::event::{Answer, Event, Header, Invoke, Op, Reading, Show, VERSION};

/// The made-up time zero, ms since the Unix epoch.
const WALL_ORIGIN_MS: u64 = 1_795_255_200_000;
const CLOCK_BOUND_MS: u64 = 50;
const BUYERS: usize = 48;
const SEATS: usize = 400;
/// One show for so many operations: sold out shows are boring.
const OPS_PER_SHOW: u64 = 8_000;
/// A buyer waits so long for an answer.
const TIMEOUT_NS: u64 = 400_000_000;
const MS: u64 = 1_000_000;

/// What to make up.
#[derive(Debug, Clone, Copy)]
pub struct Generate {
    /// Calls, about.
    pub ops: u64,
    /// Same seed, same history.
    pub seed: u64,
    /// The defect, if any.
    pub plant: Option<Plant>,
}

enum Step {
    /// A buyer acts.
    Act(usize),
    /// A request reaches the shard, and its answer may reach the buyer.
    Arrive {
        call: u64,
        buyer: usize,
        show: usize,
        request: Request,
        answered_at_ns: Option<u64>,
    },
    /// A look reaches a replica.
    Look {
        call: u64,
        buyer: usize,
        show: usize,
        reading: Reading,
        order: Option<usize>,
        answered_at_ns: u64,
    },
    /// The buyer hears.
    Hear {
        call: u64,
        buyer: usize,
        show: usize,
        reply: Box<Reply>,
    },
    /// The buyer has waited long enough.
    GiveUp { call: u64, buyer: usize },
}

struct Timed {
    at_ns: u64,
    number: u64,
    step: Step,
}

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        (self.at_ns, self.number) == (other.at_ns, other.number)
    }
}
impl Eq for Timed {}
impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Timed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ns, self.number).cmp(&(other.at_ns, other.number))
    }
}

struct World<W> {
    options: Generate,
    to: W,
    events: u64,
    random: StdRng,
    steps: BinaryHeap<Reverse<Timed>>,
    scheduled: u64,
    calls: u64,
    shards: Vec<Shard>,
    buyers: Vec<Buyer>,
    now_ns: u64,
}

/// Writes a made-up history.
///
/// # Errors
/// When it cannot be written.
pub fn generate(options: Generate, to: impl Write) -> Result<(), HistoryError> {
    let shows = usize::try_from(options.ops / OPS_PER_SHOW).unwrap_or(0) + 1;
    let mut world = World {
        options,
        to,
        events: 0,
        random: StdRng::seed_from_u64(options.seed),
        steps: BinaryHeap::new(),
        scheduled: 0,
        calls: 0,
        shards: (1..=shows)
            .map(|number| Shard::new(number, SEATS))
            .collect(),
        buyers: (0..BUYERS).map(Buyer::new).collect(),
        now_ns: 0,
    };
    world.begin()?;
    while let Some(Reverse(timed)) = world.steps.pop() {
        world.now_ns = timed.at_ns;
        world.step(timed.step)?;
    }
    world.end()
}

impl<W: Write> World<W> {
    fn write(&mut self, event: &Event) -> Result<(), HistoryError> {
        serde_json::to_writer(&mut self.to, event).map_err(std::io::Error::from)?;
        self.to.write_all(b"\n")?;
        self.events += 1;
        Ok(())
    }

    fn schedule(&mut self, after_ns: u64, step: Step) {
        self.scheduled += 1;
        let (at_ns, number) = (self.now_ns + after_ns, self.scheduled);
        self.steps.push(Reverse(Timed {
            at_ns,
            number,
            step,
        }));
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.random.random_ratio(1, n)
    }

    fn ns(&mut self, from_ms: u64, to_ms: u64) -> u64 {
        self.random.random_range(from_ms * MS..to_ms * MS)
    }

    fn begin(&mut self) -> Result<(), HistoryError> {
        let mut header = Header::new("made up");
        (header.version, header.wall_origin_ms) = (VERSION, WALL_ORIGIN_MS);
        (header.clock_bound_ms, header.seed) = (CLOCK_BOUND_MS, Some(self.options.seed));
        (header.notices_watched, header.money_watched) = (true, true);
        self.write(&Event::Header(header))?;
        let seats: Vec<String> = (0..SEATS).map(Shard::seat_name).collect();
        for at in 0..self.shards.len() {
            self.shards[at].keep_snapshot(0);
            let show = Show {
                show: self.shards[at].name.clone(),
                seats: seats.clone(),
                price_minor: vec![shard::PRICE_MINOR; SEATS],
                hold_ttl_ms: shard::TTL_MS,
                hold_ttl_max_ms: shard::TTL_MAX_MS,
            };
            self.write(&Event::Show(show))?;
        }
        for buyer in 0..BUYERS {
            let after_ns = self.ns(0, 50);
            self.schedule(after_ns, Step::Act(buyer));
        }
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), HistoryError> {
        match step {
            Step::Act(buyer) => self.act(buyer),
            Step::Arrive {
                call,
                buyer,
                show,
                request,
                answered_at_ns,
            } => self.arrive(call, buyer, show, &request, answered_at_ns),
            Step::Look {
                call,
                buyer,
                show,
                reading,
                order,
                answered_at_ns,
            } => {
                let reply = self.look(buyer, show, reading, order);
                self.hear_at(answered_at_ns, call, buyer, show, reply);
                Ok(())
            }
            Step::Hear {
                call,
                buyer,
                show,
                reply,
            } => self.hear(call, buyer, show, *reply),
            Step::GiveUp { call, buyer } => {
                let why = "no answer in time".to_owned();
                let answer = Answer {
                    t_ns: self.now_ns,
                    call,
                    why,
                    ..Answer::default()
                };
                self.write(&Event::Unknown(answer))?;
                self.buyers[buyer].gives_up(&mut self.random);
                self.again(buyer)
            }
        }
    }

    fn again(&mut self, buyer: usize) -> Result<(), HistoryError> {
        let after_ns = self.buyers[buyer].thinks_ns(&mut self.random);
        self.schedule(after_ns, Step::Act(buyer));
        Ok(())
    }

    /// The show that is on sale: the first that is not nearly sold out.
    fn show_on_sale(&self) -> usize {
        let on_sale = self
            .shards
            .iter()
            .position(|shard| shard.sold < SEATS * 9 / 10);
        on_sale.unwrap_or(self.shards.len() - 1)
    }

    fn act(&mut self, at: usize) -> Result<(), HistoryError> {
        if self.calls >= self.options.ops {
            return Ok(());
        }
        if let Some(plant) = self
            .options
            .plant
            .take_if(|_| self.calls >= self.options.ops * 2 / 5)
        {
            for shard in &mut self.shards {
                shard.plant = Some(plant);
            }
        }
        let on_sale = self.show_on_sale();
        let next = self.buyers[at].next(on_sale, SEATS, &mut self.random);
        self.calls += 1;
        let call = self.calls;
        match next {
            Next::Look {
                show,
                reading,
                order,
            } => {
                let mut asked = self.asked(
                    at,
                    call,
                    show,
                    if order.is_some() {
                        Op::ReadOrder
                    } else {
                        Op::ReadSeats
                    },
                );
                asked.reading = reading;
                if let Some(order) = order {
                    asked.order = self.shards[show].order_id(order);
                }
                self.write(&Event::Invoke(asked))?;
                let (there_ns, back_ns) = (self.ns(1, 30), self.ns(1, 30));
                let answered_at_ns = self.now_ns + there_ns + back_ns;
                self.schedule(
                    there_ns,
                    Step::Look {
                        call,
                        buyer: at,
                        show,
                        reading,
                        order,
                        answered_at_ns,
                    },
                );
            }
            Next::Write { show, request } => self.write_at(at, call, show, request)?,
        }
        Ok(())
    }

    /// A buyer writes; now and then the request or its answer is lost or late.
    fn write_at(
        &mut self,
        at: usize,
        call: u64,
        show: usize,
        request: Request,
    ) -> Result<(), HistoryError> {
        let asked = self.asked_to_write(at, call, show, &request);
        self.write(&Event::Invoke(asked))?;
        let (there_ns, back_ns) = (self.ns(1, 60), self.ns(1, 60));
        if self.one_in(25) {
            // Lost on the way there, or on the way back, or so late that nobody waits any more.
            let after_ns = [None, Some(there_ns), Some(there_ns + 2 * TIMEOUT_NS)]
                [self.random.random_range(0..3)];
            if let Some(after_ns) = after_ns {
                self.schedule(
                    after_ns,
                    Step::Arrive {
                        call,
                        buyer: at,
                        show,
                        request,
                        answered_at_ns: None,
                    },
                );
            }
            self.schedule(TIMEOUT_NS, Step::GiveUp { call, buyer: at });
        } else {
            let answered_at_ns = Some(self.now_ns + there_ns + back_ns);
            self.schedule(
                there_ns,
                Step::Arrive {
                    call,
                    buyer: at,
                    show,
                    request,
                    answered_at_ns,
                },
            );
        }
        Ok(())
    }

    fn asked(&self, buyer: usize, call: u64, show: usize, op: Op) -> Invoke {
        let mut asked = Invoke::new(format!("p{buyer}"), op);
        (asked.t_ns, asked.call) = (self.now_ns, call);
        asked.show.clone_from(&self.shards[show].name);
        asked
    }

    fn asked_to_write(&self, buyer: usize, call: u64, show: usize, request: &Request) -> Invoke {
        let mut asked = self.asked(buyer, call, show, request.op);
        asked.buyer.clone_from(&request.buyer);
        asked.key.clone_from(&request.key);
        asked.seats = request
            .seats
            .iter()
            .map(|seat| Shard::seat_name(*seat))
            .collect();
        match request.op {
            Op::Extend | Op::Release | Op::Order => {
                asked.hold = format!("h{}-{}", show + 1, request.subject)
            }
            Op::Pay | Op::Cancel => asked.order = self.shards[show].order_id(request.subject),
            _ => {}
        }
        asked
    }

    fn arrive(
        &mut self,
        call: u64,
        buyer: usize,
        show: usize,
        request: &Request,
        answered_at_ns: Option<u64>,
    ) -> Result<(), HistoryError> {
        // The leader's clock is a little off, now this way and now that.
        let off_ms = self.random.random_range(0..CLOCK_BOUND_MS);
        let wall_ms = WALL_ORIGIN_MS + self.now_ns / MS + off_ms - CLOCK_BOUND_MS / 2;
        let before = self.shards[show]
            .snapshots
            .back()
            .map(|snapshot| snapshot.index);
        let (reply, effects) = self.shards[show].submit(request, self.now_ns, wall_ms);
        self.outside(show, effects)?;
        if self.shards[show]
            .snapshots
            .back()
            .map(|snapshot| snapshot.index)
            != before
        {
            self.replicas(show)?;
        }
        if let Some(at_ns) = answered_at_ns {
            self.hear_at(at_ns, call, buyer, show, reply);
        }
        Ok(())
    }

    fn hear_at(&mut self, at_ns: u64, call: u64, buyer: usize, show: usize, reply: Reply) {
        let reply = Box::new(reply);
        self.schedule(
            at_ns - self.now_ns,
            Step::Hear {
                call,
                buyer,
                show,
                reply,
            },
        );
    }

    fn hear(
        &mut self,
        call: u64,
        at: usize,
        show: usize,
        reply: Reply,
    ) -> Result<(), HistoryError> {
        let stamped = |answer: Answer| Answer {
            t_ns: self.now_ns,
            call,
            ..answer
        };
        let event = match &reply {
            Ok(answer) => Event::Ok(stamped(answer.clone())),
            Err(answer) => Event::Rejected(stamped((**answer).clone())),
        };
        self.write(&event)?;
        self.buyers[at].hears(show, &reply, &mut self.random);
        self.again(at)
    }
}
