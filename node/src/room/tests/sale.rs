//! The stage on which sales are played: people with tickets, three regions that hear late, one leader.

use std::collections::{BTreeMap, VecDeque};

use holdfast_inventory::command::{Command, Entry, Envelope, PlaceHold, Wanted};
use holdfast_inventory::ids::{
    AreaNo, BuyerId, CategoryNo, Currency, HoldId, OrderId, PassId, RequestId, RequestKey, ShowId,
};
use holdfast_inventory::room::{ClaimPass, LineKey, OpenRoom, RoomConfig, RoomSeed, RoomView};
use holdfast_inventory::show::{Area, Category, SaleRules, ShowSetUp};
use holdfast_inventory::{Effect, InventoryState, Outcome, apply};
use holdfast_node_api::queue::{self, Line, REPORT_POINTS_MAX};

use crate::room::controller::{Controller, Seen};
use crate::room::reports::{Reported, SILENCE_MAX};

const REGIONS: usize = 3;
const START_MS: u64 = 1_000_000_000;
/// How often gateways report, and people ask.
const REPORT_S: u64 = 5;
const POLL_S: u64 = 20;

/// What a sale is like.
#[derive(Debug, Clone)]
pub(super) struct Story {
    pub(super) tickets: u64,
    pub(super) capacity: u32,
    /// From the leader to a gateway, and from a gateway's report to the leader.
    pub(super) delay_s: u64,
    /// Of those who are there, who never claim.
    pub(super) no_show: f64,
    /// Of all, who left before the sale.
    pub(super) dead: f64,
    /// A region that hears nothing, reports nothing and claims nothing between two seconds.
    pub(super) cut: Option<(usize, u64, u64)>,
    /// Leaders begin with nothing in memory.
    pub(super) new_leader_every_s: Option<u64>,
    pub(super) seed: u64,
}

impl Default for Story {
    fn default() -> Self {
        Self {
            tickets: 1_000,
            capacity: 100,
            delay_s: 0,
            no_show: 0.0,
            dead: 0.0,
            cut: None,
            new_leader_every_s: None,
            seed: 7,
        }
    }
}

/// How it went.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) inside_max: u64,
    pub(super) served: u64,
    pub(super) late: u64,
    /// People who are there and would come in.
    pub(super) come: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Waiting,
    Inside {
        since_s: u64,
        hold: Option<HoldId>,
        order: Option<OrderId>,
    },
    Gone,
}

#[derive(Debug)]
struct Person {
    key: u128,
    pass: PassId,
    region: usize,
    claims: bool,
    session_s: u64,
    at: At,
}

pub(super) struct Sale {
    story: Story,
    people: Vec<Person>,
    /// Who asks at which second of twenty.
    by_rhythm: Vec<Vec<usize>>,
    /// Who is inside.
    inside: Vec<usize>,
    by_pass: BTreeMap<PassId, usize>,
    state: InventoryState,
    controller: Controller,
    now_s: u64,
    requests: u64,
    /// The leader's room at each of the last seconds, newest last.
    rooms: VecDeque<RoomView>,
    /// Reports on their way: when they arrive, whose, what.
    on_the_way: VecDeque<(u64, usize, Line)>,
    /// When each region's last report arrived, and what it said.
    arrived: [(u64, Line); REGIONS],
    came_in: Vec<u128>,
    played: Played,
}

/// A number that depends on its arguments alone.
fn mix(seed: u64, n: u64) -> u64 {
    let mut z = seed
        .wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn share(seed: u64, n: u64) -> f64 {
    (mix(seed, n) >> 11) as f64 / (1_u64 << 53) as f64
}

fn hall() -> ShowSetUp {
    ShowSetUp {
        show: ShowId(1),
        currency: Currency::parse("EUR").unwrap(),
        categories: vec![Category {
            name: "Floor".to_owned(),
            color: String::new(),
            price_minor: 100,
        }],
        seats: Vec::new(),
        areas: vec![Area {
            id: "floor".to_owned(),
            name: "Floor".to_owned(),
            category: CategoryNo(0),
            capacity: 1_000_000,
            x: 0,
            y: 0,
        }],
        width: 0,
        height: 0,
        rules: SaleRules::default(),
    }
}

impl Sale {
    pub(super) fn new(story: &Story) -> Self {
        let seed: [u8; 32] = [u8::try_from(story.seed % 251).unwrap(); 32];
        let person = |n: u64| {
            let mut qid = [0; 16];
            qid[..8].copy_from_slice(&mix(story.seed, n).to_be_bytes());
            qid[8..].copy_from_slice(&n.to_be_bytes());
            Person {
                key: queue::draw_key(&seed, &qid),
                pass: PassId(qid),
                region: usize::try_from(n % REGIONS as u64).unwrap(),
                claims: share(story.seed ^ 1, n) >= story.no_show,
                session_s: 60 + mix(story.seed ^ 3, n) % 540,
                at: At::Waiting,
            }
        };
        // Those who left are in no gateway's count when the sale begins, five minutes after they were last heard of.
        let there = (0..story.tickets).filter(|n| share(story.seed ^ 4, *n) >= story.dead);
        let people: Vec<Person> = there.map(person).collect();
        let mut by_rhythm = vec![Vec::new(); usize::try_from(POLL_S).unwrap()];
        for at in 0..people.len() {
            let rhythm = mix(story.seed ^ 2, at as u64) % POLL_S;
            by_rhythm[usize::try_from(rhythm).unwrap()].push(at);
        }
        let by_pass = people
            .iter()
            .enumerate()
            .map(|(at, p)| (p.pass, at))
            .collect();
        let mut sale = Self {
            story: story.clone(),
            people,
            by_rhythm,
            inside: Vec::new(),
            by_pass,
            state: InventoryState::new(),
            controller: Controller::default(),
            now_s: 0,
            requests: 0,
            rooms: VecDeque::new(),
            on_the_way: VecDeque::new(),
            arrived: Default::default(),
            came_in: Vec::new(),
            played: Played {
                inside_max: 0,
                served: 0,
                late: 0,
                come: 0,
            },
        };
        let config = RoomConfig {
            opens_at_ms: 0,
            sale_at_ms: START_MS,
            capacity: story.capacity,
            rate_per_min: story.capacity,
            claim_window_ms: 0,
            pass_ttl_ms: 0,
        };
        let open = OpenRoom {
            config,
            commit: queue::commit(&seed),
            seed: RoomSeed(seed),
        };
        let system = |command| (BuyerId::SYSTEM, command);
        sale.ask(vec![
            system(Command::SetUpShow(Box::new(hall()))),
            system(Command::OpenRoom(Box::new(open))),
            system(Command::RevealSeed),
        ]);
        sale
    }

    fn now_ms(&self) -> u64 {
        START_MS + self.now_s * 1_000
    }

    /// One entry.
    fn ask(&mut self, commands: Vec<(BuyerId, Command)>) -> Vec<Outcome> {
        if commands.is_empty() {
            return Vec::new();
        }
        let envelope = |(caller, command)| {
            self.requests += 1;
            let key = RequestKey::internal("sale", self.requests);
            Envelope {
                request: RequestId { caller, key },
                command,
            }
        };
        let commands = commands.into_iter().map(envelope).collect();
        let now_ms = START_MS + self.now_s * 1_000;
        apply(&mut self.state, &Entry { now_ms, commands })
    }

    fn is_cut(&self, region: usize) -> bool {
        let now = self.now_s;
        self.story
            .cut
            .is_some_and(|(cut, from, to)| cut == region && (from..to).contains(&now))
    }

    /// The room as a region knows it now.
    fn heard(&self, region: usize) -> Option<RoomView> {
        let mut back = usize::try_from(self.story.delay_s).unwrap();
        if let Some((_, from, _)) = self.story.cut
            && self.is_cut(region)
        {
            back += usize::try_from(self.now_s - from).unwrap();
        }
        let at = self.rooms.len().checked_sub(1 + back)?;
        self.rooms.get(at).cloned()
    }

    /// One second of the sale.
    pub(super) fn second(&mut self) {
        self.leader();
        self.people_ask();
        self.people_inside();
        if self.now_s.is_multiple_of(REPORT_S) {
            self.report();
        }
        let inside = self.state.room_view().unwrap().inside;
        self.played.inside_max = self.played.inside_max.max(inside);
        self.now_s += 1;
    }

    fn leader(&mut self) {
        if let Some(every) = self.story.new_leader_every_s
            && self.now_s.is_multiple_of(every)
        {
            self.controller = Controller::default();
            self.arrived = Default::default();
        }
        while let Some((at_s, _, _)) = self.on_the_way.front()
            && *at_s <= self.now_s
        {
            let (_, region, line) = self.on_the_way.pop_front().unwrap();
            self.arrived[region] = (self.now_s, line);
        }
        let room = self.state.room_view().unwrap();
        let now_s = self.now_s;
        let heard = |(at_s, _): &&(u64, Line)| now_s - at_s < SILENCE_MAX.as_secs();
        let reported = Reported {
            lines: self
                .arrived
                .iter()
                .filter(heard)
                .map(|(_, line)| line.clone())
                .collect(),
            undrawn: 0,
            reporters: REGIONS,
        };
        let decision = self.controller.step(Seen {
            now_ms: self.now_ms(),
            room: &room,
            holds_active: self.state.counts().holds_active,
            reported: &reported,
        });
        // An entry is written when there is something to decide or something is due, as the real leader does.
        let due = self
            .state
            .next_expiry_ms()
            .is_some_and(|at_ms| at_ms <= self.now_ms());
        let tick = due.then_some(Command::Tick);
        let command = decision.map(Command::RaiseThreshold).or(tick);
        self.ask(
            command
                .map(|command| (BuyerId::SYSTEM, command))
                .into_iter()
                .collect(),
        );
        self.rooms.push_back(self.state.room_view().unwrap());
        if self.rooms.len() > 4_000 {
            self.rooms.pop_front();
        }
    }

    fn people_ask(&mut self) {
        let heard: [Option<RoomView>; REGIONS] = std::array::from_fn(|region| self.heard(region));
        let mut commands = Vec::new();
        let mut who = Vec::new();
        let rhythm = usize::try_from(self.now_s % POLL_S).unwrap();
        for at in self.by_rhythm[rhythm].iter().copied() {
            let person = &self.people[at];
            let cut = self.is_cut(person.region);
            let Some(room) = heard[person.region].as_ref().filter(|_| !cut) else {
                continue;
            };
            if person.at == At::Waiting && person.claims && person.key <= room.threshold.0 {
                let claim = ClaimPass {
                    pass: person.pass,
                    key: LineKey(person.key),
                };
                commands.push((BuyerId(person.pass.0), Command::ClaimPass(claim)));
                who.push(at);
            }
        }
        let outcomes = self.ask(commands);
        for (at, outcome) in who.into_iter().zip(outcomes) {
            let person = &mut self.people[at];
            match outcome {
                Outcome::Rejected(no) if no.code() == "queue_late" => {
                    person.at = At::Gone;
                    self.played.late += 1;
                }
                // The door is full, or the region was ahead of a leader that is behind: ask again.
                Outcome::Rejected(_) => {}
                Outcome::Done(_) | Outcome::Replayed(_) => {
                    self.came_in.push(person.key);
                    self.inside.push(at);
                    self.played.served += 1;
                    person.at = At::Inside {
                        since_s: self.now_s,
                        hold: None,
                        order: None,
                    };
                }
            }
        }
    }

    /// Everybody inside holds, orders, and leaves when their session is over.
    fn people_inside(&mut self) {
        let mut commands = Vec::new();
        for person in self.inside.iter().map(|at| &self.people[*at]) {
            let At::Inside {
                since_s,
                hold,
                order,
            } = person.at
            else {
                continue;
            };
            let for_s = self.now_s - since_s;
            let command = match (hold, order) {
                (None, _) if for_s >= 30 => Command::PlaceHoldWithPass {
                    hold: PlaceHold {
                        what: Wanted::GeneralAdmission {
                            area: AreaNo(0),
                            quantity: 1,
                        },
                        ttl_ms: 20 * 60_000,
                    },
                    pass: person.pass,
                },
                (Some(hold), None) if for_s >= 45 => Command::OpenOrder { hold },
                (_, Some(order)) if for_s >= person.session_s => Command::CancelOrder { order },
                _ => continue,
            };
            commands.push((BuyerId(person.pass.0), command));
        }
        let callers: Vec<BuyerId> = commands.iter().map(|(caller, _)| *caller).collect();
        let outcomes = self.ask(commands);
        for (caller, outcome) in callers.into_iter().zip(outcomes) {
            let person = &mut self.people[self.by_pass[&PassId(caller.0)]];
            let At::Inside {
                since_s,
                hold,
                order,
            } = person.at
            else {
                continue;
            };
            person.at = match outcome.effect() {
                Some(Effect::Hold(view)) => At::Inside {
                    since_s,
                    hold: Some(view.hold),
                    order,
                },
                Some(Effect::Order(view)) if order.is_none() => At::Inside {
                    since_s,
                    hold,
                    order: Some(view.order),
                },
                Some(_) => At::Gone,
                None => panic!("{outcome:?} for somebody inside"),
            };
        }
        let people = &self.people;
        self.inside.retain(|at| people[*at].at != At::Gone);
    }

    /// People who are there and would come in.
    pub(super) fn come(&self) -> u64 {
        self.people.iter().filter(|person| person.claims).count() as u64
    }

    fn report(&mut self) {
        for region in 0..REGIONS {
            if self.is_cut(region) {
                continue;
            }
            // A gateway drops from its count who is too late by what it has heard.
            let late = self
                .heard(region)
                .map(|room| (room.passed_before, room.stalled_until_ms));
            let now_ms = self.now_ms();
            let is_late = |key: u128| {
                late.is_some_and(|(before, stalled_ms)| {
                    key <= before.0 && stalled_ms + 600_000 < now_ms
                })
            };
            let of_region = self.people.iter().filter(|p| p.region == region);
            let keys = of_region
                .filter(|p| p.at == At::Waiting && !is_late(p.key))
                .map(|p| p.key);
            let line = Line::of(keys.collect(), REPORT_POINTS_MAX);
            let arrives_s = self.now_s + self.story.delay_s;
            self.on_the_way.push_back((arrives_s, region, line));
        }
    }

    /// Keys in the order in which people came in.
    pub(super) fn came_in(&self) -> &[u128] {
        &self.came_in
    }
}

/// Plays a sale of two hours.
pub(super) fn played(story: &Story) -> Played {
    let mut sale = Sale::new(story);
    sale.played.come = sale.come();
    for _ in 0..7_200 {
        sale.second();
    }
    sale.played
}
