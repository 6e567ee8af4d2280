//! Clocks that are wrong, or jump, on one node.
//!
//! Owns: what a clock fault means in a node's fault door. Must never: set the machine's clock.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::door::Opened;
use super::{NodeChoice, Report, Running, Undo};
use crate::lab::Lab;

/// The key of a node's fault door.
const KEY: &str = "clock_offset_ms";

/// A node's wall clock is off; healed, it jumps back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockSkew {
    /// Whose.
    pub node: NodeChoice,
    /// By how much, ms; below 0 it is behind.
    pub offset_ms: i64,
}

/// A node's wall clock jumps again and again, each time to another offset drawn from -`offset_ms_max` to `offset_ms_max`; healed,
/// it jumps back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockJumps {
    /// Whose.
    pub node: NodeChoice,
    /// The widest offset, ms, at least 1.
    pub offset_ms_max: i64,
    /// Time between two jumps, ms, at least 100.
    #[serde(default = "ClockJumps::every_ms_default")]
    pub every_ms: u64,
}

/// A task that moves a clock.
#[derive(Debug)]
pub(crate) struct Jumps {
    stop: CancellationToken,
    task: JoinHandle<()>,
    door: Arc<Opened>,
}

impl ClockSkew {
    pub(super) fn describe(&self) -> String {
        format!(
            "set the clock of {} {}",
            self.node.describe(),
            off(self.offset_ms)
        )
    }

    pub(super) async fn start(&self, lab: &Lab, rng: &mut StdRng) -> anyhow::Result<Running> {
        let node = self.node.resolve(lab, rng).await?;
        let opened = Opened::new(lab, node, vec![(KEY, self.offset_ms.into())]).await?;
        let report = Report::node(lab, node, &format!("clock {}", off(self.offset_ms)));
        Ok(Running::new(report, Undo::Door(opened)))
    }
}

impl ClockJumps {
    const fn every_ms_default() -> u64 {
        1_000
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.offset_ms_max >= 1,
            "clock-jumps: offset_ms_max must be at least 1"
        );
        anyhow::ensure!(
            self.every_ms >= 100,
            "clock-jumps: every_ms must be at least 100"
        );
        Ok(())
    }

    pub(super) fn describe(&self) -> String {
        let (node, every_ms) = (self.node.describe(), self.every_ms);
        let max = self.offset_ms_max;
        format!("let the clock of {node} jump by up to {max} ms either way every {every_ms} ms")
    }

    pub(super) async fn start(&self, lab: &Lab, rng: &mut StdRng) -> anyhow::Result<Running> {
        self.check()?;
        let node = self.node.resolve(lab, rng).await?;
        let max = self.offset_ms_max;
        let mut own = StdRng::seed_from_u64(rng.random());
        let first: i64 = own.random_range(-max..=max);
        let opened = Opened::new(lab, node, vec![(KEY, first.into())]).await?;
        let door = Arc::new(opened);
        let stop = CancellationToken::new();
        let every = Duration::from_millis(self.every_ms);
        let jumping = jump(Arc::clone(&door), max, every, own, stop.clone());
        let task = tokio::spawn(jumping);
        let report = Report::node(lab, node, &format!("clock jumps by up to {max} ms"));
        Ok(Running::new(
            report,
            Undo::Jumps(Jumps { stop, task, door }),
        ))
    }
}

async fn jump(
    door: Arc<Opened>,
    max: i64,
    every: Duration,
    mut rng: StdRng,
    stop: CancellationToken,
) {
    while stop
        .run_until_cancelled(tokio::time::sleep(every))
        .await
        .is_some()
    {
        let offset_ms: i64 = rng.random_range(-max..=max);
        if let Err(error) = door.change(KEY, offset_ms.into()) {
            tracing::error!(%error, "a clock does not jump");
        }
    }
}

impl Jumps {
    pub(super) async fn end(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.task.await?;
        match Arc::into_inner(self.door) {
            Some(door) => door.shut().await,
            None => anyhow::bail!("a clock's door is still in use"),
        }
    }
}

fn off(offset_ms: i64) -> String {
    let side = if offset_ms < 0 { "behind" } else { "ahead" };
    format!("{} ms {side}", offset_ms.unsigned_abs())
}
