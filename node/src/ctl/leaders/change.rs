//! A change of who leads: shown first if asked, written, and waited for until the leaderships have moved.
//!
//! ```text
//!  what would move ─► (--dry-run ends here) ─► the wish, into the directory ─► look until nothing is left, or time is up
//! ```
//!
//! Each look asks with the wish as a "what if", so that a node whose copy of the directory lags does not say "done" too early.
//! Owns: when a change is complete, and its exit code. Must never: move a leader itself; the nodes that lead do.

use std::{
    convert::Infallible,
    io::{IsTerminal as _, Write as _},
    str::FromStr,
    time::Duration,
};

use holdfast_node_api::{
    refs::ShowRef,
    v1::{
        LeaderPin, LeadersStatusReply, LeadersStatusRequest, LeadersWhatIf, NodeState,
        PinLeaderRequest, RegionState, SetNodeStateRequest, SetRegionStateRequest, leader_pin,
        leaders_what_if,
    },
};
use holdfast_region_config::{NodeId, RegionId};
use serde_json::json;
use tokio::time::Instant;

use super::{ask, away_json, away_table, moves_json, moves_table};
use crate::ctl::{Answer, Failure, connect::Node};

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Moves shown by a dry run.
const SHOWN_MAX: u32 = 20;

/// How a change is made.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::ctl) struct Change {
    /// Show what would move, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not wait until the leaderships have moved
    #[arg(long, conflicts_with = "dry_run")]
    no_wait: bool,
    /// Longest wait until they have, seconds
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    wait_s: u64,
}

/// Where a leader should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ctl) enum Place {
    /// At this node.
    Node(NodeId),
    /// In this region.
    Region(String),
}

impl FromStr for Place {
    type Err = Infallible;

    /// A text that is no node id names a region; whether there is one is the node's to say.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text
            .parse()
            .map_or_else(|_| Self::Region(text.to_owned()), Self::Node))
    }
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ctl) enum Wish {
    /// A region is evacuated or serves.
    Region(RegionId, RegionState),
    /// A node drains or serves.
    Node(NodeId, NodeState),
    /// A show is led from there.
    Pin(ShowRef, Place),
    /// A show is led from where it prefers.
    Unpin(ShowRef),
}

/// How far a wish is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Left {
    to_move: u64,
    stuck: u64,
}

impl Wish {
    fn what_if(&self) -> LeadersWhatIf {
        use leaders_what_if::Change as On;
        let change = match self {
            Self::Region(region, RegionState::Evacuated) => On::EvacuateRegion(region.to_string()),
            Self::Region(region, _) => On::RestoreRegion(region.to_string()),
            Self::Node(node, NodeState::Draining) => On::DrainNode(node.get()),
            Self::Node(node, _) => On::UndrainNode(node.get()),
            Self::Pin(show, place) => On::Pin(LeaderPin {
                show_id: show.0,
                to: Some(match place {
                    Place::Node(node) => leader_pin::To::NodeId(node.get()),
                    Place::Region(region) => leader_pin::To::Region(region.clone()),
                }),
            }),
            Self::Unpin(show) => On::UnpinShow(show.0),
        };
        LeadersWhatIf {
            change: Some(change),
        }
    }

    /// One show's wish looks at that show alone.
    fn page(&self) -> (Option<u64>, u32) {
        match self {
            Self::Pin(show, _) | Self::Unpin(show) => (Some(show.0.saturating_sub(1)), 1),
            Self::Region(..) | Self::Node(..) => (None, SHOWN_MAX),
        }
    }

    fn left(&self, reply: &LeadersStatusReply) -> Left {
        let one = |show: &ShowRef| {
            let moves = reply.moves.iter().filter(|m| m.group_id == show.0).count();
            let stuck = reply.stuck.iter().filter(|a| a.group_id == show.0).count();
            Left {
                to_move: moves as u64 + stuck as u64,
                stuck: stuck as u64,
            }
        };
        let region = |id: &RegionId| reply.regions.iter().find(|r| r.region == id.as_str());
        let node = |id: &NodeId| reply.nodes.iter().find(|n| n.node_id == id.get());
        let gives = |led: Option<u64>| Left {
            to_move: led.unwrap_or(0),
            stuck: reply.stuck_total.min(led.unwrap_or(0)),
        };
        let gains = |moves: Option<u64>| Left {
            to_move: moves.unwrap_or(0),
            stuck: 0,
        };
        match self {
            Self::Region(id, RegionState::Evacuated) => gives(region(id).map(|r| r.led)),
            Self::Region(id, _) => gains(region(id).map(|r| r.to_gain)),
            Self::Node(id, NodeState::Draining) => gives(node(id).map(|n| n.led)),
            Self::Node(id, _) => gains(node(id).map(|n| n.to_gain)),
            Self::Pin(show, _) | Self::Unpin(show) => one(show),
        }
    }

    /// What is being done, in words.
    fn title(&self) -> String {
        match self {
            Self::Region(region, RegionState::Evacuated) => format!("evacuate {region}"),
            Self::Region(region, _) => format!("restore {region}"),
            Self::Node(node, NodeState::Draining) => format!("drain {node}"),
            Self::Node(node, _) => format!("undrain {node}"),
            Self::Pin(show, Place::Node(node)) => format!("move leader of {show} to {node}"),
            Self::Pin(show, Place::Region(region)) => format!("move leader of {show} to {region}"),
            Self::Unpin(show) => format!("give leader of {show} back to its preference"),
        }
    }

    /// Writes the wish; true when the directory changed.
    async fn write(&self, node: &Node, pin: u64) -> Result<bool, Failure> {
        let mut cluster = node.client.cluster();
        let reply = match self {
            Self::Region(region, state) => {
                let request = SetRegionStateRequest {
                    region: region.to_string(),
                    state: (*state).into(),
                    expected_generation: None,
                };
                node.ask(cluster.set_region_state(request)).await?
            }
            Self::Node(id, state) => {
                let request = SetNodeStateRequest {
                    node_id: id.get(),
                    state: (*state).into(),
                    expected_generation: None,
                };
                node.ask(cluster.set_node_state(request)).await?
            }
            Self::Pin(show, _) | Self::Unpin(show) => {
                let request = PinLeaderRequest {
                    show_id: show.0,
                    node_id: pin,
                };
                node.ask(cluster.pin_leader(request)).await?
            }
        };
        Ok(reply.changed)
    }
}

impl Change {
    /// Carries `wish` out.
    pub(in crate::ctl) async fn run(&self, node: &Node, wish: &Wish) -> Result<Answer, Failure> {
        let before = look(node, wish).await?;
        if self.dry_run {
            return Ok(dry_run(wish, &before));
        }
        let first = wish.left(&before);
        let started = Instant::now();
        let changed = wish.write(node, before.pin_node_id).await?;
        if self.no_wait {
            return Ok(written(wish, changed, first));
        }
        let until = started + Duration::from_secs(self.wait_s);
        let mut progress = Progress::new(first.to_move);
        let (left, last) = loop {
            let now = look(node, wish).await?;
            let left = wish.left(&now);
            progress.show(left);
            if left.to_move == 0 || Instant::now() >= until {
                break (left, now);
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        };
        progress.end();
        Ok(done(wish, changed, first, left, started.elapsed(), &last))
    }
}

async fn look(node: &Node, wish: &Wish) -> Result<LeadersStatusReply, Failure> {
    let (after_group, limit) = wish.page();
    let request = LeadersStatusRequest {
        what_if: Some(wish.what_if()),
        after_group,
        limit,
    };
    ask(node, request).await
}

fn dry_run(wish: &Wish, reply: &LeadersStatusReply) -> Answer {
    let left = wish.left(reply);
    let mut text = format!(
        "{}: {} leaderships would move, {} could not; nothing was changed",
        wish.title(),
        left.to_move - left.stuck,
        left.stuck,
    );
    if !reply.moves.is_empty() {
        text.push_str(&format!("\n\n{}", moves_table(&reply.moves)));
    }
    if !reply.stuck.is_empty() {
        text.push_str(&format!("\n\nstuck:\n{}", away_table(&reply.stuck)));
    }
    if reply.next_after_group.is_some() {
        text.push_str("\n…");
    }
    let json = json!({
        "well": left.stuck == 0, "dry_run": true, "what": wish.title(), "to_move": left.to_move, "stuck_total": left.stuck,
        "moves_total": reply.moves_total, "moves": moves_json(&reply.moves), "stuck": away_json(&reply.stuck),
    });
    Answer {
        text,
        json,
        well: left.stuck == 0,
    }
}

fn written(wish: &Wish, changed: bool, first: Left) -> Answer {
    let how = if changed {
        "is wanted from now on"
    } else {
        "was wanted already"
    };
    Answer {
        text: format!(
            "{}: {how}; {} leaderships to move",
            wish.title(),
            first.to_move
        ),
        json: json!({"well": true, "what": wish.title(), "changed": changed, "to_move": first.to_move}),
        well: true,
    }
}

fn done(
    wish: &Wish,
    changed: bool,
    first: Left,
    left: Left,
    took: Duration,
    last: &LeadersStatusReply,
) -> Answer {
    let well = left.to_move == 0;
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let moved = first.to_move.saturating_sub(left.to_move);
    let mut text = format!(
        "{}: {moved} leaderships moved in {}.{:03} s",
        wish.title(),
        took_ms / 1_000,
        took_ms % 1_000,
    );
    if !well {
        text.push_str(&format!(
            ", {} LEFT ({} of them stuck: nobody can take them); the wish stays, and they move when they can",
            left.to_move, left.stuck
        ));
        if !last.stuck.is_empty() {
            text.push_str(&format!("\n\n{}", away_table(&last.stuck)));
        }
    }
    let json = json!({
        "well": well, "what": wish.title(), "changed": changed, "moved": moved, "left": left.to_move,
        "stuck_total": left.stuck, "stuck": away_json(&last.stuck), "took_ms": took_ms,
    });
    Answer { text, json, well }
}

/// A line on stderr while somebody watches.
struct Progress {
    all: u64,
    shown: Option<Left>,
}

impl Progress {
    fn new(all: u64) -> Self {
        Self { all, shown: None }
    }

    fn show(&mut self, left: Left) {
        if self.shown.replace(left) == Some(left) || !std::io::stderr().is_terminal() {
            return;
        }
        let all = self.all.max(left.to_move);
        let moved = all - left.to_move;
        // A terminal that goes away is no failure of ours.
        let _gone = write!(std::io::stderr(), "\r{moved} of {all} leaderships moved  ");
    }

    fn end(&self) {
        if self.shown.is_some() && std::io::stderr().is_terminal() {
            let _gone = writeln!(std::io::stderr());
        }
    }
}

#[cfg(test)]
mod tests {
    use holdfast_node_api::v1::{AwayLeader, LeaderMove, NodeLeaders, RegionLeaders};

    use super::*;

    fn reply() -> LeadersStatusReply {
        LeadersStatusReply {
            regions: vec![RegionLeaders {
                region: "eastus".to_owned(),
                led: 40,
                to_gain: 3,
                ..RegionLeaders::default()
            }],
            nodes: vec![NodeLeaders {
                node_id: 2,
                led: 7,
                to_gain: 5,
                ..NodeLeaders::default()
            }],
            moves: vec![LeaderMove {
                group_id: 9,
                from: 1,
                to: 2,
                reason: "pinned".to_owned(),
            }],
            moves_total: 1,
            stuck: vec![AwayLeader {
                group_id: 11,
                leader: 1,
                ..AwayLeader::default()
            }],
            stuck_total: 1,
            ..LeadersStatusReply::default()
        }
    }

    #[test]
    fn each_wish_is_complete_when_its_own_leaderships_have_moved() {
        let eastus = RegionId::new("eastus").unwrap();
        let left = |wish: Wish| wish.left(&reply()).to_move;
        assert_eq!(
            left(Wish::Region(eastus.clone(), RegionState::Evacuated)),
            40
        );
        assert_eq!(left(Wish::Region(eastus, RegionState::Serving)), 3);
        assert_eq!(left(Wish::Node(NodeId::new(2), NodeState::Draining)), 7);
        assert_eq!(left(Wish::Node(NodeId::new(2), NodeState::Serving)), 5);
        assert_eq!(left(Wish::Unpin(ShowRef(9))), 1);
        assert_eq!(left(Wish::Unpin(ShowRef(10))), 0);
        assert_eq!(left(Wish::Unpin(ShowRef(11))), 1);
    }

    #[test]
    fn what_is_left_over_makes_the_answer_unwell() {
        let wish = Wish::Region(RegionId::new("eastus").unwrap(), RegionState::Evacuated);
        let (first, left) = (
            Left {
                to_move: 50,
                stuck: 0,
            },
            wish.left(&reply()),
        );
        let said = done(
            &wish,
            true,
            first,
            left,
            Duration::from_millis(1_234),
            &reply(),
        );
        assert!(!said.well);
        assert!(
            said.text
                .contains("10 leaderships moved in 1.234 s, 40 LEFT (1 of them stuck"),
            "{}",
            said.text
        );
        assert!(!dry_run(&wish, &reply()).well);
        let none = Left {
            to_move: 0,
            stuck: 0,
        };
        assert!(done(&wish, true, first, none, Duration::ZERO, &reply()).well);
    }

    #[test]
    fn a_place_is_a_node_or_else_a_region() {
        assert_eq!("n3".parse(), Ok(Place::Node(NodeId::new(3))));
        assert_eq!("eastus".parse(), Ok(Place::Region("eastus".to_owned())));
    }
}
