//! A gateway that gets its processor in short turns only: as on a machine that is too small for what is asked of it, or in a
//! container that has used up its quota.
//!
//! ```text
//!   runs    ██        ██        ██        whatever is in work when it is stopped waits as long as it stands
//!   stands    ░░░░░░░░  ░░░░░░░░
//! ```
//!
//! How many requests are hit depends on how short the turns are: two threads that need 0.5 ms for each request and run for 5 ms
//! are stopped in the middle of one request in ten.
//!
//! Owns: the turns. Must never: leave a process standing, however they end.

use std::convert::Infallible;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::Context;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use tokio::task::{JoinHandle, spawn_blocking};

use super::{RegionChoice, Report, Running, Undo};
use crate::cluster::gateway_name;
use crate::cluster::process::Signals;
use crate::lab::Lab;

/// Longest turn, µs: with longer ones it is a gateway that comes and goes.
const RUN_US_MAX: u32 = 1_000_000;
/// Longest time between two turns, ms, for the same reason.
const STAND_MS_MAX: u32 = 10_000;

/// SIGSTOP and SIGCONT to a region's gateway in turns; healed, it has its processor to itself. One that is started anew
/// meanwhile has, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayThrottled {
    /// Whose.
    pub region: RegionChoice,
    /// How long it runs each time, µs, 1 to 1,000,000. Below 100 the machine's timers decide.
    #[serde(default = "GatewayThrottled::run_us_default")]
    pub run_us: u32,
    /// How long it then stands still, ms, 1 to 10,000.
    #[serde(default = "GatewayThrottled::stand_ms_default")]
    pub stand_ms: u32,
}

/// A thread that stops a process and lets it go on.
#[derive(Debug)]
pub(crate) struct Turns {
    /// Nothing is ever sent: the turns end when it is dropped.
    wanted: SyncSender<Infallible>,
    task: JoinHandle<()>,
}

impl GatewayThrottled {
    const fn run_us_default() -> u32 {
        500
    }

    const fn stand_ms_default() -> u32 {
        5
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            (1..=RUN_US_MAX).contains(&self.run_us),
            "gateway-throttled: run_us must be from 1 to {RUN_US_MAX}"
        );
        anyhow::ensure!(
            (1..=STAND_MS_MAX).contains(&self.stand_ms),
            "gateway-throttled: stand_ms must be from 1 to {STAND_MS_MAX}"
        );
        Ok(())
    }

    pub(super) fn describe(&self) -> String {
        let region = self.region.describe();
        format!(
            "let the gateway of {region} run for {} µs after every {} ms",
            self.run_us, self.stand_ms
        )
    }

    pub(super) async fn start(&self, lab: &Lab, rng: &mut StdRng) -> anyhow::Result<Running> {
        self.check()?;
        let region = self.region.resolve(lab, rng).await?;
        let name = gateway_name(&region);
        let signals = lab.cluster.member(&name)?.signals();
        let signals = signals.with_context(|| format!("{name} does not run"))?;
        let run = Duration::from_micros(self.run_us.into());
        let stand = Duration::from_millis(self.stand_ms.into());
        let (wanted, ended) = sync_channel(1);
        // Not a task: buyers keep those waiting for longer than a turn lasts.
        let task = spawn_blocking(move || take_turns(&signals, run, stand, &ended));
        let report = Report {
            what: format!(
                "{name} runs for {} µs and stands for {} ms, in turns",
                self.run_us, self.stand_ms
            ),
            regions: vec![region],
            nodes: Vec::new(),
            skipped: None,
        };
        Ok(Running::new(report, Undo::Turns(Turns { wanted, task })))
    }
}

impl Turns {
    pub(super) async fn end(self) {
        drop(self.wanted);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the turns of a gateway ended badly");
        }
    }
}

/// Until `ended` says so, or the process is not there any more.
fn take_turns(signals: &Signals, run: Duration, stand: Duration, ended: &Receiver<Infallible>) {
    let over = |time| matches!(ended.recv_timeout(time), Err(RecvTimeoutError::Timeout));
    while signals.stand_still() && over(stand) && signals.go_on() && over(run) {}
    signals.go_on();
}
