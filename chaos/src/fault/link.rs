//! Ways between two regions that are slow, thin, or lose what they carry.
//!
//! Owns: which toxics make such a way, and taking off what it put on. Must never: change a toxic of somebody else.

use std::sync::atomic::{AtomicU64, Ordering};

use holdfast_region_config::RegionId;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use super::partition::{network, two};
use super::{RegionChoice, Report, Running, Undo};
use crate::lab::Lab;
use crate::wan::{Direction, Toxic, ToxicKind, Wan};

/// What two regions send each other comes late, thinly, or not at once; unless told otherwise, both ways.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowLink {
    /// Who sends.
    pub from: RegionChoice,
    /// Who waits.
    pub to: RegionChoice,
    /// Whether only what `from` sends to `to` is hit.
    #[serde(default)]
    pub one_way: bool,
    /// Added to each way, ms.
    #[serde(default)]
    pub latency_ms: u64,
    /// More or less than that by up to, ms.
    #[serde(default)]
    pub jitter_ms: u64,
    /// Bound of each connection, KB/s; 0 is none.
    #[serde(default)]
    pub bandwidth_kb_s: u64,
    /// Share of pieces that are lost once and sent again, 0 to 1: each of them stalls its connection.
    #[serde(default)]
    pub loss_ratio: f64,
    /// Time until a lost piece is sent again, ms.
    #[serde(default = "SlowLink::resend_ms_default")]
    pub resend_ms: u64,
    /// Share of pieces on which the connection is reset, 0 to 1.
    #[serde(default)]
    pub reset_ratio: f64,
}

/// Toxics that one fault has put on links.
#[derive(Debug)]
pub(crate) struct Toxics {
    wan: Wan,
    /// Links, and toxics on them.
    placed: Vec<(String, String)>,
}

impl Toxics {
    pub(super) fn remove(self) {
        for (link, toxic) in &self.placed {
            // Somebody may have reset the network meanwhile.
            if let Err(error) = self.wan.remove_toxic(link, toxic) {
                tracing::debug!(link, toxic, %error, "already gone");
            }
        }
    }
}

impl SlowLink {
    const fn resend_ms_default() -> u64 {
        200
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        let kinds = self.kinds();
        anyhow::ensure!(!kinds.is_empty(), "slow-link: say what is slow about it");
        for kind in kinds {
            let toxic = Toxic::new(kind, Direction::Upstream);
            Toxic::parse(&serde_json::to_value(&toxic)?)?;
        }
        Ok(())
    }

    fn kinds(&self) -> Vec<ToxicKind> {
        let mut kinds = Vec::new();
        if self.latency_ms > 0 || self.jitter_ms > 0 {
            kinds.push(ToxicKind::Latency {
                latency: self.latency_ms,
                jitter: self.jitter_ms,
            });
        }
        if self.bandwidth_kb_s > 0 {
            kinds.push(ToxicKind::Bandwidth {
                rate: self.bandwidth_kb_s,
            });
        }
        if self.loss_ratio > 0.0 || self.reset_ratio > 0.0 {
            kinds.push(ToxicKind::Loss {
                stall_ratio: self.loss_ratio,
                stall: self.resend_ms,
                reset_ratio: self.reset_ratio,
            });
        }
        kinds
    }

    fn manner(&self) -> String {
        let mut parts = Vec::new();
        if self.latency_ms > 0 || self.jitter_ms > 0 {
            parts.push(format!("+{} ± {} ms", self.latency_ms, self.jitter_ms));
        }
        if self.bandwidth_kb_s > 0 {
            parts.push(format!("{} KB/s", self.bandwidth_kb_s));
        }
        if self.loss_ratio > 0.0 {
            parts.push(format!("{} % lost", self.loss_ratio * 100.0));
        }
        if self.reset_ratio > 0.0 {
            parts.push(format!("{} % reset", self.reset_ratio * 100.0));
        }
        parts.join(", ")
    }

    const fn arrow(&self) -> &'static str {
        if self.one_way { "to" } else { "and" }
    }

    pub(super) fn describe(&self) -> String {
        let (from, to) = (self.from.describe(), self.to.describe());
        let (arrow, manner) = (self.arrow(), self.manner());
        format!("slow the way between {from} {arrow} {to}: {manner}")
    }

    pub(super) async fn start(&self, lab: &Lab, rng: &mut StdRng) -> anyhow::Result<Running> {
        self.check()?;
        let (from, to) = two(lab, rng, &self.from, &self.to).await?;
        let wan = network(lab)?.clone();
        let what = format!("{from} {} {to} slow: {}", self.arrow(), self.manner());
        let report = Report::regions(lab, &[from.clone(), to.clone()], what);
        let mut toxics = Toxics {
            wan,
            placed: Vec::new(),
        };
        let mut placed = self.place(&mut toxics, &from, &to);
        if placed.is_ok() && !self.one_way {
            placed = self.place(&mut toxics, &to, &from);
        }
        if let Err(error) = placed {
            toxics.remove();
            return Err(error);
        }
        Ok(Running::new(report, Undo::Toxics(toxics)))
    }

    /// On all that `from` sends to `to`: requests on links from there, answers on links to there.
    fn place(&self, toxics: &mut Toxics, from: &RegionId, to: &RegionId) -> anyhow::Result<()> {
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let sides = [
            (Direction::Upstream, toxics.wan.link_names(from, to)),
            (Direction::Downstream, toxics.wan.link_names(to, from)),
        ];
        for (direction, links) in sides {
            for link in links {
                for kind in self.kinds() {
                    let mut toxic = Toxic::new(kind, direction);
                    let number = COUNT.fetch_add(1, Ordering::Relaxed);
                    toxic.name = format!("fault{number}_{}", toxic.name);
                    let name = toxic.name.clone();
                    toxics.wan.add_toxic(&link, toxic)?;
                    toxics.placed.push((link.clone(), name));
                }
            }
        }
        Ok(())
    }
}
