//! One machine's disk: what was written, and what of it a crash leaves.
//!
//! Owns: the faults of the disk, and the generation that tells a dead process' handles from the living one's. Must never: lose what
//! was synced.

pub(super) mod files;
pub(super) mod pairs;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use self::files::Files;
use self::pairs::PairsState;
use crate::log_store::DiskTime;

/// How the disk behaves now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Health {
    /// Writes take a millisecond or two.
    #[default]
    Sound,
    /// Each group commit takes up to this many ms.
    Slow(u64),
    /// Every write is refused for want of space.
    Full,
    /// The next fsync fails, and what it was to write is in doubt.
    NextSyncFails,
}

/// What a crash does to what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tear {
    /// All of it is lost.
    LoseAll,
    /// All of it happens to be there.
    KeepAll,
    /// The first so many writes are there, the last of them torn.
    Prefix,
    /// Each sector is there or not.
    Sectors,
}

impl Tear {
    pub(super) fn draw(random: &mut StdRng) -> Self {
        match random.random_range(0..10) {
            0..3 => Self::LoseAll,
            3..5 => Self::KeepAll,
            5..8 => Self::Prefix,
            _ => Self::Sectors,
        }
    }
}

struct State {
    health: Health,
    random: StdRng,
    files: Files,
    pairs: PairsState,
}

/// The disk of one machine; it outlives the processes that use it.
pub(super) struct Disk {
    /// The process that may use it; every older one is dead.
    generation: AtomicU64,
    /// An injected failure makes the log engine panic, by its design; that panic is no finding.
    panic_expected: AtomicBool,
    /// Held for one operation.
    state: Mutex<State>,
}

impl Disk {
    pub(super) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self {
            generation: AtomicU64::new(0),
            panic_expected: AtomicBool::new(false),
            state: Mutex::new(State {
                health: Health::Sound,
                random: StdRng::seed_from_u64(seed),
                files: Files::default(),
                pairs: PairsState::default(),
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new process takes the disk over.
    pub(super) fn mount(&self) -> u64 {
        self.generation.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn is_current(&self, generation: u64) -> bool {
        self.generation.load(Ordering::Relaxed) == generation
    }

    pub(super) fn set_health(&self, health: Health) {
        self.state().health = health;
    }

    pub(super) fn health(&self) -> Health {
        self.state().health
    }

    /// Whether the panic that is being reported was asked for.
    pub(super) fn take_expected_panic(&self) -> bool {
        self.panic_expected.swap(false, Ordering::Relaxed)
    }

    /// The power goes: the process is cut off and what was not synced meets its fate.
    pub(super) fn crash(&self) -> Tear {
        self.mount();
        let mut state = self.state();
        let State {
            random,
            files,
            pairs,
            ..
        } = &mut *state;
        let tear = Tear::draw(random);
        files.crash(tear, random);
        pairs.crash(tear, random);
        tear
    }

    /// Names of all log files, for the directory that the log engine lists.
    pub(super) fn file_names(&self) -> Vec<String> {
        self.state().files.names()
    }
}

impl DiskTime for Disk {
    fn next_commit(&self) -> Duration {
        let mut state = self.state();
        let ms = match state.health {
            Health::Slow(up_to_ms) => state.random.random_range(1..=up_to_ms),
            Health::Sound | Health::Full | Health::NextSyncFails => {
                state.random.random_range(0..=2)
            }
        };
        Duration::from_millis(ms)
    }
}
