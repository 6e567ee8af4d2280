//! Deterministic simulation of this crate: real hosts on a simulated network, disk and clock. See `docs/simulation.md`.
//!
//! Owns: everything of the feature `simulation`. Must never: be part of a production build.
//!
//! ```text
//!  cli ─ world ─┬─ machine ×3..5   a runtime with a paused clock, a real Host, a disk that loses what was not synced
//!               ├─ network         frames with delays, cuts, breaks, repeats
//!               ├─ clients         buyers that ask again until they are told;  readers
//!               ├─ nemesis         faults
//!               └─ witness         trace hash, invariants
//! ```
//!
//! One process is one run on one thread: whatever a global counter or a thread-local generator holds is the same in two runs of a
//! seed. tokio's own random choices are seeded when it is built with `--cfg tokio_unstable`, which `cargo xtask sim` does.

mod cli;
mod clients;
mod disk;
mod doors;
mod fact;
mod invariant;
mod machine;
mod narrator;
mod nemesis;
mod network;
mod readers;
mod rehearsal;
mod runtime;
pub(crate) mod sabotage;
mod stage;
mod trace;
pub(crate) mod witness;
mod world;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

pub use self::cli::main;
pub(crate) use self::runtime::{SeededRuntime, random_bits};
pub use self::sabotage::Sabotage;
pub(crate) use self::sabotage::is as sabotaged;
use self::world::{Outcome, World};

/// Whether this process is a simulation: set once, before the first host starts.
static RUNNING: AtomicBool = AtomicBool::new(false);

/// The first panic since it was last asked for.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Whether work that would block runs in place.
pub(crate) fn is_running() -> bool {
    RUNNING.load(Ordering::Relaxed)
}

fn take_panic() -> Option<String> {
    PANIC.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Panics in spawned tasks end only the task; here they are findings.
fn catch_panics() {
    std::panic::set_hook(Box::new(|info| {
        let mut panic = PANIC.lock().unwrap_or_else(PoisonError::into_inner);
        panic.get_or_insert_with(|| format!("{}: {info}", witness::machine()));
    }));
}

/// Runs one seed. `print` writes every event to standard error.
fn run_seed(seed: u64, sabotage: Option<Sabotage>, print: bool) -> Result<Outcome, String> {
    RUNNING.store(true, Ordering::Relaxed);
    sabotage::put_in_force(sabotage);
    runtime::seed(seed);
    catch_panics();
    let _narrating = print.then(|| tracing::subscriber::set_default(narrator::Narrator));
    let base = Scratch::new(seed).map_err(|e| e.to_string())?;
    Ok(World::new(seed, &base.dir, print)?.run())
}

/// A directory for the few real files: identities, locks, and empty ones that stand for names. In memory where there is such a place.
struct Scratch {
    dir: std::path::PathBuf,
}

impl Scratch {
    fn new(seed: u64) -> std::io::Result<Self> {
        let memory = std::path::Path::new("/dev/shm");
        let place = if memory.is_dir() {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        let dir = place.join(format!("holdfast-sim-{}-{seed}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        Ok(Self { dir })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.dir) {
            eprintln!("warning: {} is left behind: {error}", self.dir.display());
        }
    }
}
