//! Processes that die, stand still, are asked to end, or come back without their disk.
//!
//! Owns: what is done to which process. Must never: end a process that the lab did not start.

use holdfast_region_config::NodeId;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use super::{NodeChoice, RegionChoice, Report, Running, Undo};
use crate::cluster::{Signal, gateway_name};
use crate::lab::Lab;

/// SIGKILL, as when the power is cut; healed, the node starts again on its disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kill {
    /// Whom.
    pub node: NodeChoice,
}

/// SIGSTOP: connections stay open and nobody answers; healed by SIGCONT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// Whom.
    pub node: NodeChoice,
}

/// SIGTERM: the node hands over what it leads and ends; healed, it starts again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// Whom.
    pub node: NodeChoice,
}

/// SIGKILL, and everything in the node's directory removed; healed, it starts with an empty one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmptyDisk {
    /// Whom.
    pub node: NodeChoice,
}

/// SIGKILL to a region's gateway; healed, it starts again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayGone {
    /// Whose.
    pub region: RegionChoice,
}

impl Kill {
    pub(super) fn describe(&self) -> String {
        format!("kill {}", self.node.describe())
    }

    pub(super) async fn start(&self, lab: &mut Lab, rng: &mut StdRng) -> anyhow::Result<Running> {
        let node = self.node.resolve(lab, rng).await?;
        lab.cluster.kill(&node.to_string()).await?;
        Ok(down(lab, node, "killed"))
    }
}

impl Pause {
    pub(super) fn describe(&self) -> String {
        format!("pause {}", self.node.describe())
    }

    pub(super) async fn start(&self, lab: &mut Lab, rng: &mut StdRng) -> anyhow::Result<Running> {
        let node = self.node.resolve(lab, rng).await?;
        let name = node.to_string();
        lab.cluster.signal(&name, Signal::Pause)?;
        let report = Report::node(lab, node, "paused");
        Ok(Running::new(report, Undo::Continue(vec![name])))
    }
}

impl Stop {
    pub(super) fn describe(&self) -> String {
        format!("stop {} in order", self.node.describe())
    }

    pub(super) async fn start(&self, lab: &mut Lab, rng: &mut StdRng) -> anyhow::Result<Running> {
        let node = self.node.resolve(lab, rng).await?;
        lab.cluster.terminate(&node.to_string()).await?;
        Ok(down(lab, node, "stopped in order"))
    }
}

impl EmptyDisk {
    pub(super) fn describe(&self) -> String {
        format!("kill {} and empty its disk", self.node.describe())
    }

    pub(super) async fn start(&self, lab: &mut Lab, rng: &mut StdRng) -> anyhow::Result<Running> {
        let node = self.node.resolve(lab, rng).await?;
        lab.cluster.kill(&node.to_string()).await?;
        tokio::fs::remove_dir_all(lab.cluster.node_dir(node)).await?;
        Ok(down(lab, node, "killed, its disk emptied"))
    }
}

impl GatewayGone {
    pub(super) fn describe(&self) -> String {
        format!("kill the gateway of {}", self.region.describe())
    }

    pub(super) async fn start(&self, lab: &mut Lab, rng: &mut StdRng) -> anyhow::Result<Running> {
        let region = self.region.resolve(lab, rng).await?;
        let name = gateway_name(&region);
        lab.cluster.kill(&name).await?;
        let report = Report {
            what: format!("{name} killed"),
            regions: vec![region],
            nodes: Vec::new(),
            skipped: None,
        };
        Ok(Running::new(report, Undo::Spawn(vec![name])))
    }
}

fn down(lab: &Lab, node: NodeId, what: &str) -> Running {
    let report = Report::node(lab, node, what);
    Running::new(report, Undo::Spawn(vec![node.to_string()]))
}

/// Starts those that do not run.
pub(super) fn spawn_all(lab: &mut Lab, names: &[String]) -> anyhow::Result<()> {
    for name in names {
        if !lab.cluster.is_running(name)? {
            lab.cluster.spawn(name)?;
        }
    }
    Ok(())
}

/// Lets stopped processes go on; one that was killed meanwhile stays dead.
pub(super) fn continue_all(lab: &Lab, names: &[String]) -> anyhow::Result<()> {
    for name in names {
        lab.cluster.signal(name, Signal::Continue)?;
    }
    Ok(())
}
