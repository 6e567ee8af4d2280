//! A writer process killed at random points: what it was told is durable is on disk, and nothing else has changed.
//!
//! The test runs its own binary again as the writer. The writer announces each operation before it starts it and again
//! when the log has acknowledged it; each of its groups has one operation in flight. After the kill every group must
//! therefore be exactly as its acknowledged operations left it, or as the one in flight would have.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use openraft::storage::{RaftLogReader, RaftLogStorage};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;

use super::writer::{append, entries, is_as_written, options, start_append};
use crate::log_store::{GroupId, GroupLog, LogEngine, LogOptions};
use crate::types::{Vote, log_id};

const GROUPS: u64 = 6;
const KILLS: u64 = 20;
/// A writer that is not killed ends by itself.
const OPERATIONS_MAX: u64 = 5_000;
const DIR_VARIABLE: &str = "HOLDFAST_TEST_CRASH_DIR";
const SEED_VARIABLE: &str = "HOLDFAST_TEST_CRASH_SEED";

/// Small files, so that rotation, freeing and recycling happen under the kills too.
fn crash_options() -> LogOptions {
    LogOptions {
        file_bytes: 64 << 10,
        purge_threshold_bytes: 256 << 10,
        ..options()
    }
}

#[derive(Debug, Clone, Copy)]
enum Operation {
    Append {
        term: u64,
        from: u64,
        to: u64,
    },
    Vote {
        term: u64,
    },
    /// Keeps entries before this index.
    Truncate {
        end: u64,
    },
    Purge {
        upto: u64,
    },
}

/// What a group must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Group {
    vote_term: u64,
    /// Index of the first entry that is not purged.
    first: u64,
    /// Term by index.
    terms: BTreeMap<u64, u64>,
}

impl Group {
    fn end(&self) -> u64 {
        self.terms
            .last_key_value()
            .map_or(self.first, |(last, _)| last + 1)
    }

    fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Append { term, from, to } => {
                self.terms.extend((from..to).map(|index| (index, term)));
            }
            Operation::Vote { term } => self.vote_term = term,
            Operation::Truncate { end } => drop(self.terms.split_off(&end)),
            Operation::Purge { upto } => {
                self.terms = self.terms.split_off(&(upto + 1));
                self.first = upto + 1;
            }
        }
    }

    /// What the disk holds.
    async fn read(log: &mut GroupLog) -> Self {
        let state = log.get_log_state().await.unwrap();
        let found = log.try_get_log_entries(..).await.unwrap();
        assert!(
            found.iter().all(is_as_written),
            "every entry is byte for byte what was written"
        );
        let term = |id: &crate::types::LogId| **id.committed_leader_id();
        Self {
            vote_term: log
                .read_vote()
                .await
                .unwrap()
                .map_or(0, |vote| vote.leader_id.term),
            first: state.last_purged_log_id.map_or(0, |id| id.index() + 1),
            terms: found
                .iter()
                .map(|e| (e.log_id.index(), term(&e.log_id)))
                .collect(),
        }
    }

    fn random_operation(&self, rng: &mut StdRng) -> Operation {
        let (first, end) = (self.first, self.end());
        match rng.random_range(0..10) {
            0 => Operation::Vote {
                term: self.vote_term + 1,
            },
            1 if end > first + 1 => Operation::Truncate {
                end: rng.random_range(first + 1..end),
            },
            2 if end > first + 40 => Operation::Purge {
                upto: rng.random_range(first..end - 20),
            },
            _ => {
                let last_term = self.terms.last_key_value().map_or(1, |(_, term)| *term);
                let term = last_term + u64::from(rng.random_bool(0.2));
                Operation::Append {
                    term,
                    from: end,
                    to: end + rng.random_range(1..20),
                }
            }
        }
    }
}

/// One line, in one write, so that a kill leaves whole lines only.
fn announce(text: &str) {
    std::io::stderr()
        .write_all(format!("@{text}\n").as_bytes())
        .unwrap();
}

async fn carry_out(log: &mut GroupLog, model: &Group, operation: Operation) {
    match operation {
        Operation::Append { term, from, to } => {
            // In two parts, the second handed over while the first is being written.
            let middle = from.midpoint(to);
            let payload_bytes = 100 + usize::try_from(to % 900).unwrap();
            let first = start_append(log, entries(term, from..middle, payload_bytes)).await;
            append(log, entries(term, middle..to, payload_bytes)).await;
            first.await.unwrap().unwrap();
        }
        Operation::Vote { term } => log.save_vote(&Vote::new(term, 1)).await.unwrap(),
        Operation::Truncate { end } => {
            log.truncate_after(Some(log_id(model.terms[&(end - 1)], end - 1)))
                .await
                .unwrap();
        }
        Operation::Purge { upto } => log.purge(log_id(model.terms[&upto], upto)).await.unwrap(),
    }
}

async fn write_until_killed(mut log: GroupLog, group: u64, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed ^ (group << 32));
    let mut model = Group::read(&mut log).await;
    for _ in 0..OPERATIONS_MAX {
        let operation = model.random_operation(&mut rng);
        let text = match operation {
            Operation::Append { term, from, to } => format!("append {term} {from} {to}"),
            Operation::Vote { term } => format!("vote {term}"),
            Operation::Truncate { end } => format!("truncate {end}"),
            Operation::Purge { upto } => format!("purge {upto}"),
        };
        announce(&format!("{group} {text}"));
        carry_out(&mut log, &model, operation).await;
        announce(&format!("{group} done"));
        model.apply(operation);
    }
}

/// The writer; only ever run by [`killed_writers_lose_nothing_acknowledged`].
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs as a process of its own, started by the crash test"]
async fn writer_process() {
    let Ok(dir) = std::env::var(DIR_VARIABLE) else {
        return;
    };
    let seed = std::env::var(SEED_VARIABLE).unwrap().parse().unwrap();
    let engine = LogEngine::open(Path::new(&dir), crash_options()).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for group in 0..GROUPS {
        let log = engine.group(GroupId::new(group)).unwrap();
        tasks.spawn(write_until_killed(log, group, seed));
    }
    tasks.join_all().await;
}

fn start_writer(dir: &Path, seed: u64) -> Child {
    let this = std::env::current_exe().unwrap();
    let name = "log_store::tests::crash::writer_process";
    Command::new(this)
        .args(["--exact", name, "--ignored", "--nocapture", "--quiet"])
        .env(DIR_VARIABLE, dir)
        .env(SEED_VARIABLE, seed.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn parse(text: &str) -> Option<(u64, Option<Operation>)> {
    let mut words = text.strip_prefix('@')?.split(' ');
    let group = words.next()?.parse().ok()?;
    let verb = words.next()?;
    let mut number = || words.next()?.parse::<u64>().ok();
    let operation = match verb {
        "done" => None,
        "append" => Some(Operation::Append {
            term: number()?,
            from: number()?,
            to: number()?,
        }),
        "vote" => Some(Operation::Vote { term: number()? }),
        "truncate" => Some(Operation::Truncate { end: number()? }),
        "purge" => Some(Operation::Purge { upto: number()? }),
        other => panic!("unknown operation {other}"),
    };
    Some((group, operation))
}

/// Reads the writer's lines, kills it after `lines` of them, and reads what it had still said.
fn run_and_kill(
    dir: &Path,
    seed: u64,
    lines: u64,
    models: &mut BTreeMap<u64, Group>,
) -> BTreeMap<u64, Operation> {
    let mut writer = start_writer(dir, seed);
    let output = BufReader::new(writer.stderr.take().unwrap());
    let mut in_flight = BTreeMap::new();
    let mut other = String::new();
    let mut seen = 0;
    for line in output.lines() {
        let line = line.unwrap();
        let Some((group, operation)) = parse(&line) else {
            other.push_str(&line);
            continue;
        };
        match operation {
            Some(operation) => drop(in_flight.insert(group, operation)),
            None => {
                let acknowledged = in_flight.remove(&group).unwrap();
                models.entry(group).or_default().apply(acknowledged);
            }
        }
        seen += 1;
        if seen == lines {
            writer.kill().unwrap();
        }
    }
    writer.wait().unwrap();
    assert!(
        seen >= lines,
        "the writer ended before it was killed: {other}"
    );
    in_flight
}

/// Whether `found` is `acknowledged`, or that with `in_flight` carried out, wholly or in its first part.
fn is_allowed(found: &Group, acknowledged: &Group, in_flight: Option<Operation>) -> bool {
    let mut allowed = vec![acknowledged.clone()];
    if let Some(operation) = in_flight {
        if let Operation::Append { term, from, to } = operation {
            let mut half = acknowledged.clone();
            half.apply(Operation::Append {
                term,
                from,
                to: from.midpoint(to),
            });
            allowed.push(half);
        }
        let mut whole = acknowledged.clone();
        whole.apply(operation);
        allowed.push(whole);
    }
    allowed.contains(found)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_writers_lose_nothing_acknowledged() {
    let seed = std::env::var("HOLDFAST_TEST_SEED").map_or(20_261_121, |seed| seed.parse().unwrap());
    println!("HOLDFAST_TEST_SEED={seed}");
    let dir = TempDir::new().unwrap();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut models: BTreeMap<u64, Group> = BTreeMap::new();
    for kill in 0..KILLS {
        let lines = rng.random_range(10..1_500);
        let in_flight = run_and_kill(dir.path(), rng.random(), lines, &mut models);
        let engine = LogEngine::open(dir.path(), crash_options()).unwrap();
        for group in 0..GROUPS {
            let found = Group::read(&mut engine.group(GroupId::new(group)).unwrap()).await;
            let acknowledged = models.entry(group).or_default();
            let pending = in_flight.get(&group).copied();
            assert!(
                is_allowed(&found, acknowledged, pending),
                "kill {kill}, group {group}: found {found:?}, acknowledged {acknowledged:?}, in flight {pending:?}"
            );
            *acknowledged = found;
        }
    }
}
