//! Commands a second through `apply`, one core, no log and no network: what the state machine itself costs.
//!
//! `cargo bench -p holdfast-inventory`. Guards the aim of 200,000 holds a second on a 10,000-seat show.
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures time, the crate never does"
)]

mod hall;

use std::time::Instant;

use hall::{SEATS, envelope, pair, place, show};
use holdfast_inventory::command::{PaymentFact, RecordPayment, Wanted};
use holdfast_inventory::ids::{AreaNo, AttemptNo, HoldId, OrderId};
use holdfast_inventory::{Command, Entry, Envelope, InventoryState, apply, codec};

const BATCH: usize = 256;

struct Bench {
    state: InventoryState,
    now_ms: u64,
    n: u64,
}

impl Bench {
    fn new() -> Self {
        let mut bench = Self {
            state: InventoryState::new(),
            now_ms: 1,
            n: 0,
        };
        bench.run("", vec![(0, Command::SetUpShow(Box::new(show())))]);
        bench
    }

    /// Applies commands in batches and prints how many a second, and how many had an effect.
    fn run(&mut self, name: &str, commands: Vec<(u64, Command)>) {
        let count = commands.len();
        let mut entries = Vec::new();
        let mut commands = commands.into_iter().peekable();
        while commands.peek().is_some() {
            let batch = commands.by_ref().take(BATCH);
            let commands = batch.map(|(who, command)| {
                self.n += 1;
                envelope(who, self.n, command)
            });
            entries.push(Entry {
                now_ms: self.now_ms,
                commands: commands.collect(),
            });
        }
        let start = Instant::now();
        let mut done = 0;
        for entry in &entries {
            let outcomes = apply(&mut self.state, entry);
            done += outcomes
                .iter()
                .filter(|outcome| outcome.effect().is_some())
                .count();
        }
        let took = start.elapsed();
        if !name.is_empty() {
            let per_second = count as u128 * 1_000_000_000 / took.as_nanos().max(1);
            println!("{name:<44} {per_second:>10}/s   {count} commands, {done} had an effect");
        }
    }
}

fn main() {
    whole_sale();
    churn();
    general_admission_and_best();
    entry_size();
}

const PAIRS: u64 = SEATS as u64 / 2;

/// A sold-out show, two seats at a time, from hold to tickets.
fn whole_sale() {
    let mut bench = Bench::new();
    bench.run(
        "hold two named seats, free",
        (0..PAIRS).map(|n| (n, place(pair(n)))).collect(),
    );
    bench.run(
        "hold two named seats, taken",
        (0..200_000).map(|n| (n, place(pair(n)))).collect(),
    );
    bench.run(
        "extend",
        (0..PAIRS)
            .map(|n| {
                (
                    n,
                    Command::ExtendHold {
                        hold: HoldId(n + 1),
                    },
                )
            })
            .collect(),
    );
    bench.run(
        "open order",
        (0..PAIRS)
            .map(|n| {
                (
                    n,
                    Command::OpenOrder {
                        hold: HoldId(n + 1),
                    },
                )
            })
            .collect(),
    );
    let pay = |n| Command::PayOrder {
        order: OrderId(n + 1),
        payment_token: "tok_approve".to_owned(),
    };
    bench.run("pay", (0..PAIRS).map(|n| (n, pay(n))).collect());
    for (name, fact) in [
        ("authorised", PaymentFact::Authorised),
        ("captured", PaymentFact::Captured),
    ] {
        let fact = |n| {
            let (order, attempt) = (OrderId(n + 1), AttemptNo(1));
            Command::RecordPayment(RecordPayment {
                order,
                attempt,
                fact,
            })
        };
        bench.run(name, (0..PAIRS).map(|n| (n, fact(n))).collect());
    }
}

/// Holds that come to nothing, and what they leave behind.
fn churn() {
    let mut bench = Bench::new();
    let churn = (0..50 * PAIRS).flat_map(|n| {
        [
            (n, place(pair(n))),
            (
                n,
                Command::ReleaseHold {
                    hold: HoldId(n + 1),
                },
            ),
        ]
    });
    bench.run("hold and release, 250,000 times", churn.collect());
    let start = Instant::now();
    let bytes = codec::encode_snapshot(&bench.state);
    println!(
        "{:<44} {:>10} bytes in {:?}",
        "snapshot after that",
        bytes.len(),
        start.elapsed()
    );
    let start = Instant::now();
    let again = codec::decode_snapshot(&bytes).map(|state| state.clock_ms());
    println!(
        "{:<44} {:>10?} after {:?}",
        "read back, clock",
        again.ok(),
        start.elapsed()
    );
}

fn general_admission_and_best() {
    let mut bench = Bench::new();
    let area = || {
        place(Wanted::GeneralAdmission {
            area: AreaNo(0),
            quantity: 2,
        })
    };
    bench.run(
        "hold two general-admission places",
        (0..200_000).map(|n| (n, area())).collect(),
    );
    let best = || {
        place(Wanted::BestAvailable {
            quantity: 2,
            category: None,
            accessible: 0,
        })
    };
    bench.run(
        "best available, two of ten thousand",
        (0..PAIRS).map(|n| (n, best())).collect(),
    );
    bench.now_ms += 8 * 60_000;
    bench.run("expiry of them all", vec![(0, Command::Tick); 60]);
}

fn entry_size() {
    let holds: Vec<Envelope> = (0..2_560).map(|n| envelope(n, n, place(pair(n)))).collect();
    let bytes = codec::encode_entry(&Entry {
        now_ms: 1,
        commands: holds,
    })
    .map(|b| b.len());
    println!(
        "{:<44} {:>10?}",
        "bytes of 2,560 holds in one entry",
        bytes.ok()
    );
}
