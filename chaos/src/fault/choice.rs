//! Whom a fault hits: by name, by role at the time, or by lot.
//!
//! Owns: the text form and how a choice is resolved when a fault starts. Must never: draw but from the drill's seed.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use holdfast_node_api::v1::GroupStatus;
use holdfast_region_config::{NodeId, RegionId};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::lab::Lab;

/// How long a leader is looked for: an election may be on.
const LEADER_PATIENCE: Duration = Duration::from_secs(15);
/// Between two rounds of asking; nobody announces it to the outside.
const LEADER_POLL: Duration = Duration::from_millis(100);

/// One node: `n2`, `leader`, `follower` or `random`. A role is that in the first show; `leader@1` names the second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum NodeChoice {
    /// This one.
    Named(NodeId),
    /// Whoever leads the show at this place when the fault starts.
    Leader(usize),
    /// By lot, one that votes on the show at this place and does not lead it.
    Follower(usize),
    /// Any, by lot.
    Random,
}

/// One region: its id, `leader`, `other` or `random`. A role is that in the first show; `leader@1` names the second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RegionChoice {
    /// This one.
    Named(RegionId),
    /// Where the leader of the show at this place stands when the fault starts.
    Leader(usize),
    /// By lot, one where the leader of the show at this place does not stand.
    Other(usize),
    /// Any, by lot.
    Random,
}

/// The word before `@` and the place of the show behind it.
fn role(text: &str) -> Result<(&str, usize), String> {
    match text.split_once('@') {
        None => Ok((text, 0)),
        Some((word, place)) => {
            let place = place.parse();
            Ok((
                word,
                place.map_err(|_| format!("{text}: a number is expected after @"))?,
            ))
        }
    }
}

fn written(formatter: &mut fmt::Formatter<'_>, word: &str, show: usize) -> fmt::Result {
    if show == 0 {
        formatter.write_str(word)
    } else {
        write!(formatter, "{word}@{show}")
    }
}

impl FromStr for NodeChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match role(text)? {
            ("leader", show) => Self::Leader(show),
            ("follower", show) => Self::Follower(show),
            ("random", 0) => Self::Random,
            _ => Self::Named(text.parse().map_err(|error| {
                format!("{text}: give a node such as n2, leader, follower or random: {error}")
            })?),
        })
    }
}

impl FromStr for RegionChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match role(text)? {
            ("leader", show) => Self::Leader(show),
            ("other", show) => Self::Other(show),
            ("random", 0) => Self::Random,
            _ => Self::Named(text.parse().map_err(|error| {
                format!("{text}: give a region's id, leader, other or random: {error}")
            })?),
        })
    }
}

impl TryFrom<String> for NodeChoice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl TryFrom<String> for RegionChoice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<NodeChoice> for String {
    fn from(choice: NodeChoice) -> Self {
        choice.to_string()
    }
}

impl From<RegionChoice> for String {
    fn from(choice: RegionChoice) -> Self {
        choice.to_string()
    }
}

impl fmt::Display for NodeChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(node) => write!(formatter, "{node}"),
            Self::Leader(show) => written(formatter, "leader", *show),
            Self::Follower(show) => written(formatter, "follower", *show),
            Self::Random => formatter.write_str("random"),
        }
    }
}

impl fmt::Display for RegionChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(region) => write!(formatter, "{region}"),
            Self::Leader(show) => written(formatter, "leader", *show),
            Self::Other(show) => written(formatter, "other", *show),
            Self::Random => formatter.write_str("random"),
        }
    }
}

impl NodeChoice {
    /// For a sentence: `node n2`, `the leader of show 1`.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Named(node) => format!("node {node}"),
            Self::Leader(show) => format!("the leader of show {}", show + 1),
            Self::Follower(show) => format!("a follower of show {}", show + 1),
            Self::Random => "a node drawn by lot".to_owned(),
        }
    }

    /// Who it is now.
    ///
    /// # Errors
    /// When nobody fits, or nobody leads the show for a while.
    pub async fn resolve(&self, lab: &Lab, rng: &mut StdRng) -> anyhow::Result<NodeId> {
        match self {
            Self::Named(node) => {
                let known = lab.cluster.topology().node(*node);
                Ok(known
                    .with_context(|| format!("there is no node {node}"))?
                    .id)
            }
            Self::Leader(show) => Ok(leading(lab, *show).await?.leader),
            Self::Follower(show) => {
                let leading = leading(lab, *show).await?;
                let chosen = leading.followers.choose(rng).copied();
                chosen.with_context(|| format!("nobody follows in show {}", show + 1))
            }
            Self::Random => {
                let drawn = lab.cluster.topology().nodes.choose(rng);
                Ok(drawn.context("the topology has no node")?.id)
            }
        }
    }
}

impl RegionChoice {
    /// For a sentence: `region eastus`, `the region that leads show 1`.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Named(region) => format!("region {region}"),
            Self::Leader(show) => format!("the region that leads show {}", show + 1),
            Self::Other(show) => format!("a region that does not lead show {}", show + 1),
            Self::Random => "a region drawn by lot".to_owned(),
        }
    }

    /// Which it is now.
    ///
    /// # Errors
    /// When none fits, or nobody leads the show for a while.
    pub async fn resolve(&self, lab: &Lab, rng: &mut StdRng) -> anyhow::Result<RegionId> {
        let topology = lab.cluster.topology();
        let drawn = |but: Option<&RegionId>, rng: &mut StdRng| {
            let left: Vec<&RegionId> = topology
                .regions
                .iter()
                .map(|region| &region.id)
                .filter(|id| Some(*id) != but)
                .collect();
            left.choose(rng).map(|id| (*id).clone())
        };
        match self {
            Self::Named(region) => {
                let known = topology.region(region);
                let known = known.with_context(|| format!("there is no region {region}"))?;
                Ok(known.id.clone())
            }
            Self::Leader(show) => region_of(lab, leading(lab, *show).await?.leader),
            Self::Other(show) => {
                let leads = region_of(lab, leading(lab, *show).await?.leader)?;
                drawn(Some(&leads), rng).context("there is only one region")
            }
            Self::Random => drawn(None, rng).context("the topology has no region"),
        }
    }
}

fn region_of(lab: &Lab, node: NodeId) -> anyhow::Result<RegionId> {
    let region = lab.cluster.topology().region_of(node);
    Ok(region.context("a node without a region")?.clone())
}

/// Who leads a show and who votes beside.
struct Leading {
    leader: NodeId,
    followers: Vec<NodeId>,
}

impl Leading {
    /// From what each node says; `None` while nobody says that it leads.
    fn of(said: &[(NodeId, GroupStatus)]) -> Option<Self> {
        // A replica that is put away keeps the lead and says only who has it.
        let leads = |node: NodeId, group: &GroupStatus| match group.role.as_str() {
            "leader" => true,
            "unloaded" => group.leader == node.get(),
            _ => false,
        };
        let (leader, group) = said.iter().find(|(node, group)| leads(*node, group))?;
        let is_other = |node: &NodeId| node != leader;
        let mut followers: Vec<NodeId> = group.voters.iter().map(|id| NodeId::new(*id)).collect();
        if followers.is_empty() {
            let votes = |group: &GroupStatus| ["follower", "unloaded"].contains(&&*group.role);
            let voting = said.iter().filter(|(_, group)| votes(group));
            followers = voting.map(|(node, _)| *node).collect();
        }
        followers.retain(is_other);
        Some(Self {
            leader: *leader,
            followers,
        })
    }
}

/// Asks every node until one says that it leads.
async fn leading(lab: &Lab, show: usize) -> anyhow::Result<Leading> {
    let found = lab.shows.get(show);
    let found = found.with_context(|| format!("there is no show {}", show + 1))?;
    let until = Instant::now() + LEADER_PATIENCE;
    loop {
        let mut said = Vec::new();
        for node in &lab.cluster.topology().nodes {
            let status = lab.status(node.id, found.show_id).await;
            if let Some(group) = status.ok().and_then(|status| status.group) {
                said.push((node.id, group));
            }
        }
        if let Some(leading) = Leading::of(&said) {
            return Ok(leading);
        }
        anyhow::ensure!(Instant::now() < until, "nobody leads show {}", show + 1);
        tokio::time::sleep(LEADER_POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(node: u64, role: &str, leader: u64, voters: &[u64]) -> (NodeId, GroupStatus) {
        let group = GroupStatus {
            role: role.to_owned(),
            leader,
            voters: voters.to_vec(),
            ..GroupStatus::default()
        };
        (NodeId::new(node), group)
    }

    #[test]
    fn a_show_that_is_put_away_still_has_a_leader_and_followers() {
        let awake = [
            says(1, "follower", 2, &[1, 2, 3]),
            says(2, "leader", 2, &[1, 2, 3]),
        ];
        let leading = Leading::of(&awake).unwrap();
        assert_eq!(leading.leader, NodeId::new(2));
        assert_eq!(leading.followers, [NodeId::new(1), NodeId::new(3)]);
        let away = [
            says(1, "unloaded", 2, &[]),
            says(2, "unloaded", 2, &[]),
            says(4, "learner", 2, &[]),
        ];
        let leading = Leading::of(&away).unwrap();
        assert_eq!(leading.leader, NodeId::new(2));
        assert_eq!(leading.followers, [NodeId::new(1)]);
        assert!(Leading::of(&[says(1, "candidate", 0, &[1])]).is_none());
    }
}
