//! From the previous release's binaries to these, one process at a time, as an operator upgrades.
//!
//! Owns: the order. Must never: claim to have upgraded when there are no previous binaries.

use std::path::{Path, PathBuf};

use holdfast_region_config::NodeId;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use super::{Report, Running, Undo, rolling};
use crate::lab::Lab;

/// Where a previous release's binaries are looked for when the drill does not say.
pub const PREVIOUS_BINARIES_ENV: &str = "HOLDFAST_PREVIOUS_BINARIES";

/// Every node is restarted with the previous release's binary, one at a time; then, one at a time, with this one's. The fault has
/// started once the last one is ready again, and there is nothing left to heal. Without previous binaries it is skipped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upgrade {
    /// Directory with a previous `holdfast-node` [default: `HOLDFAST_PREVIOUS_BINARIES`].
    #[serde(default)]
    pub previous_bin_dir: Option<PathBuf>,
}

impl Upgrade {
    #[expect(clippy::unused_self, reason = "as every other fault")]
    pub(super) fn describe(&self) -> String {
        "go back to the previous release and upgrade, one node at a time".to_owned()
    }

    fn previous(&self) -> Option<PathBuf> {
        let from_env = || std::env::var_os(PREVIOUS_BINARIES_ENV).map(PathBuf::from);
        let dir = self.previous_bin_dir.clone().or_else(from_env)?;
        dir.join("holdfast-node").is_file().then_some(dir)
    }

    pub(super) async fn start(&self, lab: &mut Lab, rng: &mut StdRng) -> anyhow::Result<Running> {
        let Some(previous) = self.previous() else {
            let report = Report {
                what: "no upgrade".to_owned(),
                regions: Vec::new(),
                nodes: Vec::new(),
                skipped: Some(format!(
                    "skipped: no previous binaries; set {PREVIOUS_BINARIES_ENV} to a directory that has them"
                )),
            };
            return Ok(Running::new(report, Undo::Nothing));
        };
        let names = rolling::order(lab, rng, false);
        for dir in [Some(previous.as_path()), None] {
            restart_all(lab, &names, dir).await?;
        }
        let what = format!("from {} to this release", previous.display());
        let report = rolling::everywhere(lab, what);
        Ok(Running::new(report, Undo::Nothing))
    }
}

async fn restart_all(lab: &mut Lab, names: &[String], dir: Option<&Path>) -> anyhow::Result<()> {
    for name in names {
        if name.parse::<NodeId>().is_ok() {
            lab.cluster.set_bin_dir(name, dir)?;
            rolling::restart(lab, name).await?;
        }
    }
    Ok(())
}
