//! One family of commands through the state machine, for a counter of instructions: `cargo xtask callgrind`.
//!
//! `instructions SCENARIO COUNT` prepares a hall and all the entries of a scenario, whatever COUNT is, and then carries out
//! the first COUNT commands. Two runs that differ in COUNT alone differ in nothing but those commands, so that their
//! instructions can be told from those of the preparation. A count does not depend on what else the machine does.
//!
//! Owns: the scenarios. Must never: read a clock, or do anything that differs between two runs.

mod hall;

use std::process::ExitCode;

use hall::{envelope, pair, place, show};
use holdfast_inventory::command::Wanted;
use holdfast_inventory::ids::{HoldId, SeatNo};
use holdfast_inventory::{Command, Entry, InventoryState, apply, codec};

/// Commands of one entry: about what a rush puts into one.
const BATCH: usize = 64;
/// Commands of one scenario.
const COMMANDS: u64 = 4_096;

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scenario {
    HoldOne,
    HoldTwo,
    Reject,
    Release,
    Order,
    Encode,
    Decode,
}

impl Scenario {
    const ALL: [Self; 7] = [
        Self::HoldOne,
        Self::HoldTwo,
        Self::Reject,
        Self::Release,
        Self::Order,
        Self::Encode,
        Self::Decode,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::HoldOne => "hold-one-seat",
            Self::HoldTwo => "hold-two-seats",
            Self::Reject => "reject-two-taken-seats",
            Self::Release => "release-one-seat",
            Self::Order => "open-order-of-one-seat",
            Self::Encode => "encode-hold-of-two",
            Self::Decode => "decode-hold-of-two",
        }
    }

    /// What buyer `n` has done before.
    fn before(self, n: u64) -> Option<Command> {
        match self {
            Self::Release | Self::Order => Some(place(one(n))),
            Self::Reject => Some(place(pair(n))),
            Self::HoldOne | Self::HoldTwo | Self::Encode | Self::Decode => None,
        }
    }

    /// What buyer `n` does now.
    fn command(self, n: u64) -> Command {
        let hold = HoldId(n + 1);
        match self {
            Self::HoldOne => place(one(n)),
            Self::HoldTwo | Self::Encode | Self::Decode => place(pair(n)),
            // Somebody else's seats.
            Self::Reject => place(pair((n + 7) % COMMANDS)),
            Self::Release => Command::ReleaseHold { hold },
            Self::Order => Command::OpenOrder { hold },
        }
    }
}

fn one(n: u64) -> Wanted {
    Wanted::Named(vec![SeatNo(u32::try_from(n).unwrap_or(0))])
}

/// Entries of every buyer's command, request ids from `first` on.
fn entries(first: u64, command: impl Fn(u64) -> Option<Command>) -> Vec<Entry> {
    let all: Vec<u64> = (0..COMMANDS).collect();
    let batch = |buyers: &[u64]| {
        let asks = |n: &u64| command(*n).map(|command| envelope(*n, first + n, command));
        Entry {
            now_ms: 2,
            commands: buyers.iter().filter_map(asks).collect(),
        }
    };
    all.chunks(BATCH).map(batch).collect()
}

fn run(scenario: Scenario, count: usize) {
    let mut state = InventoryState::new();
    let set_up = envelope(0, 0, Command::SetUpShow(Box::new(show())));
    let opening = Entry {
        now_ms: 1,
        commands: vec![set_up],
    };
    apply(&mut state, &opening);
    for entry in entries(1, |n| scenario.before(n)) {
        apply(&mut state, &entry);
    }
    let all = entries(1 + COMMANDS, |n| Some(scenario.command(n)));
    let written: Vec<Vec<u8>> = all
        .iter()
        .map(|entry| codec::encode_entry(entry).unwrap_or_default())
        .collect();
    let wanted = count / BATCH;
    let mut effects = 0;
    for (entry, bytes) in all.iter().zip(&written).take(wanted) {
        match scenario {
            Scenario::Encode => effects += codec::encode_entry(entry).map_or(0, |b| b.len()),
            Scenario::Decode => {
                effects += codec::decode_entry(bytes).map_or(0, |e| e.commands.len());
            }
            _ => {
                let outcomes = apply(&mut state, entry);
                effects += outcomes.iter().filter(|o| o.effect().is_some()).count();
            }
        }
    }
    // Printed so that it is not optimised away, and so that a scenario which does nothing is seen.
    println!(
        "{} commands of {}: {effects}",
        wanted * BATCH,
        scenario.name()
    );
    // Taking the state apart is no command's cost.
    std::mem::forget(state);
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let of_name = |name: &str| Scenario::ALL.into_iter().find(|s| s.name() == name);
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--list", ..] => {
            for scenario in Scenario::ALL {
                println!("{}", scenario.name());
            }
            ExitCode::SUCCESS
        }
        [name, count] => match (of_name(name), count.parse()) {
            (Some(scenario), Ok(count)) => {
                run(scenario, count);
                ExitCode::SUCCESS
            }
            _ => ExitCode::FAILURE,
        },
        // `cargo bench` runs every benchmark of the package.
        _ => {
            println!("instructions are counted by `cargo xtask callgrind`");
            ExitCode::SUCCESS
        }
    }
}
