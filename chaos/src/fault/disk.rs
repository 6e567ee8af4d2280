//! Disks that are slow, full, or do not keep what they were told to keep.
//!
//! Owns: what a disk fault means in a node's fault door. Must never: fill or harm the machine's own disk.

use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use toml::Value;

use super::door::Opened;
use super::{NodeChoice, Report, Running, Undo};
use crate::lab::Lab;

/// Every write and every sync of a node takes longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowDisk {
    /// Whose.
    pub node: NodeChoice,
    /// By how much, ms, 1 to 60,000.
    #[serde(default = "SlowDisk::delay_ms_default")]
    pub delay_ms: u32,
}

/// A node's disk has no room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FullDisk {
    /// Whose.
    pub node: NodeChoice,
    /// Room that it still claims to have, MiB: below the node's reserve the node should step back before a write fails. 0: every
    /// write fails at once.
    #[serde(default)]
    pub free_mib: u32,
}

/// Writes of a node work and syncs do not: what was written may be gone after a power cut, and the node must not vouch for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyncErrors {
    /// Whose.
    pub node: NodeChoice,
}

/// Longer is a disk that hangs; the drill would only wait.
const DELAY_MS_MAX: u32 = 60_000;

impl SlowDisk {
    const fn delay_ms_default() -> u32 {
        100
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            (1..=DELAY_MS_MAX).contains(&self.delay_ms),
            "slow-disk: delay_ms must be from 1 to {DELAY_MS_MAX}"
        );
        Ok(())
    }

    pub(super) fn describe(&self) -> String {
        let node = self.node.describe();
        format!("slow every disk write of {node} by {} ms", self.delay_ms)
    }

    pub(super) async fn start(&self, lab: &Lab, rng: &mut StdRng) -> anyhow::Result<Running> {
        self.check()?;
        let what = format!("disk slower by {} ms a write", self.delay_ms);
        let keys = vec![("disk_delay_ms", i64::from(self.delay_ms).into())];
        through_door(lab, rng, &self.node, keys, &what).await
    }
}

impl FullDisk {
    pub(super) fn describe(&self) -> String {
        let node = self.node.describe();
        match self.free_mib {
            0 => format!("fill the disk of {node}"),
            mib => format!("fill the disk of {node} up to {mib} MiB"),
        }
    }

    pub(super) async fn start(&self, lab: &Lab, rng: &mut StdRng) -> anyhow::Result<Running> {
        let (key, what) = match self.free_mib {
            0 => (("disk_full", Value::from(true)), "disk full".to_owned()),
            mib => (
                ("disk_free_mib", i64::from(mib).into()),
                format!("disk almost full, {mib} MiB left"),
            ),
        };
        through_door(lab, rng, &self.node, vec![key], &what).await
    }
}

impl SyncErrors {
    pub(super) fn describe(&self) -> String {
        format!("fail every disk sync of {}", self.node.describe())
    }

    pub(super) async fn start(&self, lab: &Lab, rng: &mut StdRng) -> anyhow::Result<Running> {
        let keys = vec![("disk_sync_fails", true.into())];
        through_door(lab, rng, &self.node, keys, "disk syncs fail").await
    }
}

async fn through_door(
    lab: &Lab,
    rng: &mut StdRng,
    node: &NodeChoice,
    keys: Vec<(&'static str, Value)>,
    what: &str,
) -> anyhow::Result<Running> {
    let node = node.resolve(lab, rng).await?;
    let opened = Opened::new(lab, node, keys).await?;
    let report = Report::node(lab, node, what);
    Ok(Running::new(report, Undo::Door(opened)))
}
