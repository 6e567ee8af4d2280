//! Whole regions that die, and everything at once.
//!
//! Owns: which processes go together. Must never: touch the network; a cut-off region is a partition.

use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use super::{RegionChoice, Report, Running, Undo, rolling};
use crate::cluster::Signal;
use crate::lab::Lab;

/// SIGKILL to all nodes and the gateway of a region in the same moment; healed, all start again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionGone {
    /// Which.
    pub region: RegionChoice,
}

/// SIGKILL to every process of every region in the same moment; healed, all start again at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EverythingGone {}

impl RegionGone {
    pub(super) fn describe(&self) -> String {
        format!("lose {}: nodes and gateway", self.region.describe())
    }

    pub(super) async fn start(&self, lab: &mut Lab, rng: &mut StdRng) -> anyhow::Result<Running> {
        let region = self.region.resolve(lab, rng).await?;
        let names = lab.cluster.names_in(&region);
        lab.cluster.kill_region(&region).await?;
        let what = format!("{region} gone: {}", names.join(", "));
        let report = Report::regions(lab, &[region], what);
        Ok(Running::new(report, Undo::Spawn(names)))
    }
}

impl EverythingGone {
    #[expect(clippy::unused_self, reason = "as every other fault")]
    pub(super) fn describe(&self) -> String {
        "kill every process of every region".to_owned()
    }

    pub(super) async fn start(&self, lab: &mut Lab) -> anyhow::Result<Running> {
        let names = lab.cluster.names();
        // All are signalled before any is waited for: they go at once.
        for name in &names {
            lab.cluster.signal(name, Signal::Kill)?;
        }
        for name in &names {
            lab.cluster.kill(name).await?;
        }
        let report = rolling::everywhere(lab, "every process killed".to_owned());
        Ok(Running::new(report, Undo::Spawn(names)))
    }
}
