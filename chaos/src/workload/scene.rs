//! What all clients of a drill share: the gateways, the shows, the history, and what is still open.
//!
//! Owns: the lists of open outcomes and of what was acknowledged, each bounded. Must never: judge.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use holdfast_region_config::RegionId;

use super::line::{People, RoomSpec};
use super::look::Looks;
use super::request::Request;
use crate::buyer::{Answer, Buyer};
use crate::history::Recorder;

/// Most outcomes kept to be resolved; a drill with more has learned what it can.
const OPEN_MAX: usize = 20_000;
/// Most acknowledgements kept to be looked up.
const ACKNOWLEDGED_MAX: usize = 50_000;

/// A gateway that users ask.
#[derive(Debug, Clone)]
pub struct Door {
    /// Where it is.
    pub region: RegionId,
    /// `http://host:port`.
    pub url: String,
}

/// One show as its buyers know it.
#[derive(Debug, Clone)]
pub struct Stall {
    /// `s1`.
    pub show: String,
    /// Slug of its kind, without a number.
    pub kind: String,
    /// Region where its leader should be.
    pub home: String,
    /// Seats that workloads may take, best first.
    pub seats: Vec<String>,
    /// Seats kept for probes.
    pub probe_seats: Vec<String>,
    /// Life of a hold, ms.
    pub hold_ttl_ms: u64,
    /// Whether nobody but probes and wake-ups touches it.
    pub idle: bool,
    /// Its waiting room, if it has one: then nobody holds a seat without a pass, probes included.
    pub room: Option<RoomSpec>,
}

impl Stall {
    /// Every seat: those for buyers, then those for probes.
    #[must_use]
    pub fn all_seats(&self) -> Vec<String> {
        let seats = self.seats.iter().chain(&self.probe_seats);
        seats.cloned().collect()
    }
}

/// A request whose outcome its caller did not learn in time.
#[derive(Debug, Clone)]
pub struct Open {
    /// Who asked.
    pub buyer: Buyer,
    /// What.
    pub request: Request,
    /// Under which key.
    pub key: String,
    /// When it was first sent, ns on the history's clock.
    pub since_ns: u64,
    /// Code of the last answer.
    pub why: String,
}

/// Something that was acknowledged and must still be there in the end.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    /// Whose it is.
    pub buyer: Buyer,
    /// Order or hold.
    pub id: String,
    /// Of which show.
    pub show: String,
    /// Seats that it has.
    pub seats: Vec<String>,
    /// When it lapses, ms since the Unix epoch by the shard's clock; 0 = never.
    pub expires_ms: u64,
}

/// Counters for the terminal and the abort conditions.
#[derive(Debug, Default)]
pub struct Counters {
    answered: AtomicU64,
    failed: AtomicU64,
    sold: AtomicU64,
    last_answer_ns: AtomicU64,
}

/// Counters at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counted {
    /// Tries answered with yes or no.
    pub answered: u64,
    /// Tries that failed.
    pub failed: u64,
    /// Confirmed orders.
    pub sold: u64,
    /// When the last yes or no came, ns on the history's clock.
    pub last_answer_ns: u64,
}

/// What all clients share.
#[derive(Debug)]
pub struct Scene {
    /// One HTTP client for all; it limits nothing.
    pub http: reqwest::Client,
    /// In the order of the regions.
    pub doors: Vec<Door>,
    /// In the order of the drill file.
    pub stalls: Vec<Stall>,
    /// The history.
    pub recorder: Recorder,
    /// Who stood in line.
    pub(crate) people: People,
    /// What onlookers were answered.
    pub(crate) looks: Looks,
    counters: Counters,
    /// None of these locks is held over an await.
    open: Mutex<Vec<Open>>,
    sales: Mutex<Vec<Acknowledged>>,
    holds: Mutex<BTreeMap<String, Acknowledged>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Scene {
    /// A scene where nothing has happened.
    #[must_use]
    pub fn new(
        http: reqwest::Client,
        doors: Vec<Door>,
        stalls: Vec<Stall>,
        recorder: Recorder,
    ) -> Self {
        Self {
            http,
            doors,
            stalls,
            recorder,
            people: People::default(),
            looks: Looks::default(),
            counters: Counters::default(),
            open: Mutex::default(),
            sales: Mutex::default(),
            holds: Mutex::default(),
        }
    }

    /// Shows of one kind.
    pub fn stalls_of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Stall> {
        self.stalls.iter().filter(move |stall| stall.kind == kind)
    }

    /// Counters now.
    #[must_use]
    pub fn counted(&self) -> Counted {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counted {
            answered: of(&self.counters.answered),
            failed: of(&self.counters.failed),
            sold: of(&self.counters.sold),
            last_answer_ns: of(&self.counters.last_answer_ns),
        }
    }

    /// A try has ended.
    pub(super) fn count(&self, answer: &Answer) {
        if answer.status == 0 || answer.status >= 500 {
            self.counters.failed.fetch_add(1, Ordering::Relaxed);
        } else {
            self.counters.answered.fetch_add(1, Ordering::Relaxed);
            let now = self.recorder.now_ns();
            self.counters
                .last_answer_ns
                .fetch_max(now, Ordering::Relaxed);
        }
    }

    /// A request is given up without having been understood.
    pub(super) fn leave_open(&self, open: Open) {
        let mut all = locked(&self.open);
        if all.len() < OPEN_MAX {
            all.push(open);
        }
    }

    /// Everything that is open; from now on nothing is.
    #[must_use]
    pub fn take_open(&self) -> Vec<Open> {
        std::mem::take(&mut *locked(&self.open))
    }

    /// What a definite yes means for what must still be there in the end.
    pub(crate) fn acknowledged(&self, buyer: &Buyer, request: &Request, answer: &Answer) {
        let mut holds = locked(&self.holds);
        match request {
            Request::Hold { show, seats } if answer.state() == "active" => {
                if holds.len() < ACKNOWLEDGED_MAX {
                    let hold = Acknowledged {
                        buyer: buyer.clone(),
                        id: answer.id(),
                        show: show.clone(),
                        seats: seats.clone(),
                        expires_ms: answer.body["expires_at_ms"].as_u64().unwrap_or(0),
                    };
                    holds.insert(answer.id(), hold);
                }
            }
            // A repeat of an old request may be answered with a hold that has ended since.
            Request::Hold { .. } => {
                holds.remove(&answer.id());
            }
            Request::Release { hold } | Request::Order { hold } => {
                holds.remove(hold);
            }
            Request::Extend { hold } => {
                if let Some(held) = holds.get_mut(hold) {
                    held.expires_ms = answer.body["expires_at_ms"].as_u64().unwrap_or(0);
                }
            }
            Request::Pay { order } if answer.state() == "confirmed" => {
                drop(holds);
                self.sold(buyer, order, answer);
            }
            Request::Pay { .. } | Request::Cancel { .. } => {}
        }
    }

    /// The end of a hold is on its way; whatever comes of it, the hold need not be there any more.
    pub(super) fn may_end(&self, request: &Request) {
        if let Request::Release { hold } | Request::Order { hold } = request {
            locked(&self.holds).remove(hold);
        }
    }

    fn sold(&self, buyer: &Buyer, order: &str, answer: &Answer) {
        let mut sales = locked(&self.sales);
        let known = sales.iter().rev().take(64).any(|sale| sale.id == order);
        if !known && sales.len() < ACKNOWLEDGED_MAX {
            self.counters.sold.fetch_add(1, Ordering::Relaxed);
            sales.push(Acknowledged {
                buyer: buyer.clone(),
                id: order.to_owned(),
                show: answer.body["show"].as_str().unwrap_or_default().to_owned(),
                seats: answer.seats(),
                expires_ms: 0,
            });
        }
    }

    /// Acknowledged sales and holds.
    #[must_use]
    pub fn kept(&self) -> (Vec<Acknowledged>, Vec<Acknowledged>) {
        let sales = locked(&self.sales).clone();
        let holds = locked(&self.holds).values().cloned().collect();
        (sales, holds)
    }
}
