//! One node after the other is restarted, as an operator would on patch day.
//!
//! Owns: the order, and waiting for each node before the next. Must never: have two nodes down at once.

use holdfast_region_config::{NodeId, RegionId};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::{Report, Running, Undo};
use crate::cluster::READY_TIMEOUT;
use crate::lab::Lab;

/// Every node is asked to end and started again, one after the other in an order drawn by lot; then, unless told otherwise, the
/// gateways. The fault has started once the last one is ready again, and there is nothing left to heal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollingRestart {
    /// Whether gateways are restarted too.
    #[serde(default = "RollingRestart::gateways_default")]
    pub gateways: bool,
}

impl RollingRestart {
    const fn gateways_default() -> bool {
        true
    }

    pub(super) fn describe(&self) -> String {
        let who = if self.gateways {
            "every node and gateway"
        } else {
            "every node"
        };
        format!("restart {who}, one at a time")
    }

    pub(super) async fn start(&self, lab: &mut Lab, rng: &mut StdRng) -> anyhow::Result<Running> {
        let names = order(lab, rng, self.gateways);
        for name in &names {
            restart(lab, name).await?;
        }
        let what = format!("restarted in turn: {}", names.join(", "));
        Ok(Running::new(everywhere(lab, what), Undo::Nothing))
    }
}

/// Nodes by lot, then gateways in region order.
pub(super) fn order(lab: &Lab, rng: &mut StdRng, gateways: bool) -> Vec<String> {
    let (mut nodes, others): (Vec<_>, Vec<_>) = lab
        .cluster
        .names()
        .into_iter()
        .partition(|name| name.parse::<NodeId>().is_ok());
    nodes.shuffle(rng);
    if gateways {
        nodes.extend(others);
    }
    nodes
}

/// Asks one process to end, starts it again and waits until it is ready.
pub(super) async fn restart(lab: &mut Lab, name: &str) -> anyhow::Result<()> {
    lab.cluster.terminate(name).await?;
    lab.cluster.spawn(name)?;
    lab.cluster.wait_ready(name, READY_TIMEOUT).await?;
    Ok(())
}

pub(super) fn everywhere(lab: &Lab, what: String) -> Report {
    let regions: Vec<RegionId> = lab
        .cluster
        .topology()
        .regions
        .iter()
        .map(|r| r.id.clone())
        .collect();
    Report::regions(lab, &regions, what)
}
