//! The fault door: a file through which drills give this process a wrong clock and a bad disk, while it runs.
//!
//! ```toml
//! clock_offset_ms = 600000   # the wall clock shows ten minutes more; may be below 0
//! disk_delay_ms = 50         # every write and every sync takes that much longer
//! disk_full = true           # no write finds room
//! disk_free_mib = 100        # the room that the disk claims to have
//! disk_sync_fails = true     # writes work, syncs do not
//! ```
//!
//! A key that is not there is no fault, and so is a file that is not there. The door is shut unless `--fault-door FILE` is given,
//! and that is refused where anything but loopback is listened on: nobody's tickets are sold by a process that has one.
//!
//! Owns: the file's form, reading it again, what it is applied to. Must never: be on the way of a process without a door.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use holdfast_raft::{Clock, DiskFaults, DiskTrouble};
use serde::Deserialize;
use thiserror::Error;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::config::Config;

/// How often the file is read. A drill waits for a few of these before it counts a fault as on.
const READ_EVERY: Duration = Duration::from_millis(100);

/// Why there is no door.
#[derive(Debug, Error)]
pub enum FaultDoorError {
    /// Somebody else than a drill on this machine could be served.
    #[error(
        "--fault-door is for drills on one machine: {field} must be a loopback address, not {address}"
    )]
    NotLoopback {
        /// The configuration field.
        field: &'static str,
        /// Its value.
        address: std::net::SocketAddr,
    },
}

/// What the file says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Faults {
    clock_offset_ms: i64,
    disk_delay_ms: u32,
    disk_full: bool,
    disk_free_mib: Option<u32>,
    disk_sync_fails: bool,
}

/// A clock that is off by what the door says.
struct OffsetClock {
    clock: Arc<dyn Clock>,
    offset_ms: AtomicI64,
}

impl Clock for OffsetClock {
    fn now_ms(&self) -> u64 {
        let offset_ms = self.offset_ms.load(Ordering::Relaxed);
        self.clock.now_ms().saturating_add_signed(offset_ms)
    }
}

/// An open door. What it touches is shared with the node.
pub struct FaultDoor {
    path: PathBuf,
    clock: Arc<OffsetClock>,
    disk: Arc<DiskFaults>,
    /// What the file said last.
    last: Result<Faults, String>,
}

impl FaultDoor {
    /// Opens the door, reads the file once, and says so loudly.
    ///
    /// # Errors
    /// [`FaultDoorError`] when the node would serve anybody beyond this machine.
    pub fn open(
        path: &Path,
        config: &Config,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, FaultDoorError> {
        let listens = [
            ("grpc_listen", config.grpc_listen),
            ("http_listen", config.http_listen),
        ];
        for (field, address) in listens {
            if !address.ip().is_loopback() {
                return Err(FaultDoorError::NotLoopback { field, address });
            }
        }
        tracing::warn!(file = %path.display(), "fault door is open: this process obeys a file that breaks its clock and its disk");
        let door = Self {
            path: path.to_owned(),
            clock: Arc::new(OffsetClock {
                clock,
                offset_ms: AtomicI64::new(0),
            }),
            disk: Arc::default(),
            last: read(path),
        };
        match &door.last {
            Ok(faults) => door.apply(*faults),
            Err(error) => tracing::error!(error, "fault door cannot be read, no faults"),
        }
        Ok(door)
    }

    /// The clock with the offset of the door.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as Arc<dyn Clock>
    }

    /// The trouble of the disk.
    #[must_use]
    pub fn disk(&self) -> Arc<DiskFaults> {
        Arc::clone(&self.disk)
    }

    /// Obeys the file until the task is dropped with the process.
    pub fn watch(mut self) -> JoinHandle<()> {
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(READ_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let now = read(&self.path);
                if now == self.last {
                    continue;
                }
                match &now {
                    Ok(faults) => self.apply(*faults),
                    Err(error) => tracing::error!(error, "fault door cannot be read, faults stay"),
                }
                self.last = now;
            }
        })
    }

    fn apply(&self, faults: Faults) {
        self.clock
            .offset_ms
            .store(faults.clock_offset_ms, Ordering::Relaxed);
        self.disk.set(DiskTrouble {
            delay_ms: faults.disk_delay_ms,
            full: faults.disk_full,
            sync_fails: faults.disk_sync_fails,
            free_bytes: faults.disk_free_mib.map(|mib| u64::from(mib) << 20),
        });
        tracing::warn!(?faults, "fault door says");
    }
}

/// The faults of the file; none when it is not there. Small and on a local disk, so it is read where it stands.
fn read(path: &Path) -> Result<Faults, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Faults::default()),
        Err(error) => return Err(error.to_string()),
    };
    toml::from_str(&text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
