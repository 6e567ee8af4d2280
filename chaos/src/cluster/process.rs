//! One child process.
//!
//! Owns: its id, its standard input, its end. Must never: signal an id whose process was already waited for; clones of its
//! `Signals` keep to that too, wherever they are.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal as UnixSignal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use super::error::ClusterError;

/// How many lines of a log go into an error.
const LAST_LINES: usize = 12;
/// And how many bytes are looked at for them.
const LAST_BYTES: u64 = 8 * 1024;

/// Signals that a drill sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: please end.
    Terminate,
    /// SIGKILL: the power is cut.
    Kill,
    /// SIGSTOP: the process stands still and does not know it.
    Pause,
    /// SIGCONT: it goes on.
    Continue,
}

/// A running child; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    signals: Signals,
}

/// What reaches a process from outside. Clones may outlive it; they reach nobody then, for its number may be another's.
#[derive(Debug, Clone)]
pub(crate) struct Signals(Arc<Mutex<Reach>>);

/// Behind a lock that is never held over an await.
#[derive(Debug)]
struct Reach {
    /// `None` once somebody waits for the process's end, or has seen it.
    pid: Option<Pid>,
    /// It stands still by [`Signals::stand_still`], and obeys nobody but SIGKILL until it goes on.
    stands: bool,
}

impl Signals {
    fn of(child: &Child) -> Self {
        let pid = child.id().and_then(|id| i32::try_from(id).ok());
        Self(Arc::new(Mutex::new(Reach {
            pid: pid.map(Pid::from_raw),
            stands: false,
        })))
    }

    fn reach(&self) -> MutexGuard<'_, Reach> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the process until [`Self::go_on`]; whether there still is one.
    pub(crate) fn stand_still(&self) -> bool {
        let mut reach = self.reach();
        reach.stands = reach.send(UnixSignal::SIGSTOP);
        reach.stands
    }

    /// Lets it go on; whether there still is one.
    pub(crate) fn go_on(&self) -> bool {
        let mut reach = self.reach();
        reach.stands = false;
        reach.send(UnixSignal::SIGCONT)
    }

    /// Somebody is about to wait for its end: from here on nobody reaches it. It must not be left standing still, or it could not
    /// obey what it was told before.
    fn end(&self) {
        let mut reach = self.reach();
        if reach.stands {
            reach.send(UnixSignal::SIGCONT);
        }
        *reach = Reach {
            pid: None,
            stands: false,
        };
    }
}

impl Reach {
    /// Whether there is somebody whom it was sent to.
    fn send(&self, signal: UnixSignal) -> bool {
        let Some(pid) = self.pid else {
            return false;
        };
        if let Err(error) = kill(pid, signal) {
            tracing::debug!(%pid, %error, "signal not delivered");
        }
        true
    }
}

impl Process {
    pub(crate) fn spawn(
        binary: &Path,
        config: &Path,
        fault_door: Option<&Path>,
        log: &Path,
    ) -> Result<Self, ClusterError> {
        let file = |source| ClusterError::File {
            path: log.to_owned(),
            source,
        };
        let out = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .map_err(file)?;
        let err = out.try_clone().map_err(file)?;
        let mut command = Command::new(binary);
        command
            .arg("--config")
            .arg(config)
            .arg("--exit-with-parent");
        if let Some(door) = fault_door {
            command.arg("--fault-door").arg(door);
        }
        let child = command
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| ClusterError::Spawn {
                path: binary.to_owned(),
                source,
            })?;
        let signals = Signals::of(&child);
        Ok(Self { child, signals })
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<String> {
        // Held meanwhile: once it was waited for, nobody may reach its number any more.
        let mut reach = self.signals.reach();
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => {
                reach.pid = None;
                Some(describe(status))
            }
            Err(error) => Some(format!("cannot be asked: {error}")),
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let signal = match signal {
            Signal::Terminate => UnixSignal::SIGTERM,
            Signal::Kill => UnixSignal::SIGKILL,
            Signal::Pause => UnixSignal::SIGSTOP,
            Signal::Continue => UnixSignal::SIGCONT,
        };
        self.signals.reach().send(signal);
    }

    /// For signals that are sent later.
    pub(crate) fn signals(&self) -> Signals {
        self.signals.clone()
    }

    pub(crate) async fn kill(mut self) {
        self.signals.end();
        if let Err(error) = self.child.kill().await {
            tracing::debug!(%error, "already gone");
        }
    }

    /// Waits for the end that was asked for, and kills when it does not come.
    pub(crate) async fn wait_or_kill(mut self, patience: Duration) {
        self.signals.end();
        if tokio::time::timeout(patience, self.child.wait())
            .await
            .is_err()
        {
            tracing::warn!(pid = self.child.id(), "does not end when asked, is killed");
            self.kill().await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It is killed, and waited for by nobody knows whom.
        self.signals.end();
    }
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => match UnixSignal::try_from(signal) {
            Ok(known) => format!("killed by {known}"),
            Err(_) => format!("killed by signal {signal}"),
        },
        (None, None) => "ended in an unknown way".to_owned(),
    }
}

/// The end of a log, indented; a note when there is none.
pub(crate) fn last_lines(log: &Path) -> String {
    let mut tail = Vec::new();
    let read = std::fs::File::open(log).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LAST_BYTES)))?;
        file.read_to_end(&mut tail)
    });
    let text = String::from_utf8_lossy(&tail);
    let lines: Vec<&str> = text.lines().collect();
    match read {
        Ok(_) if !lines.is_empty() => lines[lines.len().saturating_sub(LAST_LINES)..]
            .iter()
            .map(|line| format!("  {line}"))
            .collect::<Vec<_>>()
            .join("\n"),
        Ok(_) | Err(_) => format!("  (nothing in {})", log.display()),
    }
}
