//! A region that leads again too early: it comes back from a loss with a disk that hangs.
//!
//! Owns: how that comes about. Must never: outlive the lab.

use holdfast_region_config::NodeId;
use rand::rngs::StdRng;

use crate::cluster::READY_TIMEOUT;
use crate::fault::{FaultSpec, NodeChoice, Running, disk};
use crate::lab::Lab;

/// Its node.
const NODE: NodeId = NodeId::new(2);
/// The node that is asked meanwhile.
const ASKED: NodeId = NodeId::new(1);
/// A write takes so long: longer than a leader waits for its successor to catch up.
const DELAY_MS: u32 = 8_000;
/// How long a leader may take to leave or to be asked back.
const PATIENCE_S: u64 = 30;

/// The second region is lost and starts again; its disk hangs from then on, and leaders are asked back. Healed, the disk works.
///
/// # Errors
/// When the region does not come back.
pub(super) async fn comes_back_too_early(
    lab: &mut Lab,
    rng: &mut StdRng,
) -> anyhow::Result<Running> {
    let region = lab.region(1);
    let evacuate = format!("region evacuate {region} --wait-s {PATIENCE_S}");
    lab.operate(ASKED, &evacuate).await?;
    lab.cluster.kill_region(&region).await?;
    for name in lab.cluster.names_in(&region) {
        lab.cluster.spawn(&name)?;
        lab.cluster.wait_ready(&name, READY_TIMEOUT).await?;
    }
    let slow = FaultSpec::SlowDisk(disk::SlowDisk {
        node: NodeChoice::Named(NODE),
        delay_ms: DELAY_MS,
    });
    let slow = slow.start(lab, rng).await?;
    // It does not wait: nothing would come of that.
    lab.operate(ASKED, &format!("region restore {region} --no-wait"))
        .await?;
    Ok(slow)
}
