//! More buyers than usual.
//!
//! Owns: the factor. Must never: send a request; the drill's workload asks for the factor and obeys it.

use serde::{Deserialize, Serialize};

use super::{Report, Running, Undo};

/// Largest factor.
const FACTOR_MAX: f64 = 100.0;

/// Every workload of the drill has this many times its usual clients; healed, its usual ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadSpike {
    /// How many times, above 0 and at most 100.
    #[serde(default = "LoadSpike::factor_default")]
    pub factor: f64,
}

impl LoadSpike {
    const fn factor_default() -> f64 {
        10.0
    }

    pub(super) fn describe(&self) -> String {
        format!("ask {} times as much", self.factor)
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.factor > 0.0 && self.factor <= FACTOR_MAX,
            "load-spike: factor must be above 0 and at most {FACTOR_MAX}"
        );
        Ok(())
    }

    pub(super) fn start(&self) -> anyhow::Result<Running> {
        self.check()?;
        let report = Report {
            what: format!("load × {}", self.factor),
            regions: Vec::new(),
            nodes: Vec::new(),
            skipped: None,
        };
        Ok(Running::new(report, Undo::Nothing))
    }
}
