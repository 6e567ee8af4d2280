//! `holdfastctl leaders`: who leads what, what is not at home and why.
//!
//! Owns: how leaders are shown and judged. Must never: list ten thousand shows that are where they should be.

pub(super) mod change;

use std::collections::BTreeMap;

use clap::{Subcommand, ValueEnum};
use holdfast_node_api::{
    refs::ShowRef,
    v1::{
        AwayLeader, LeaderMove, LeadersStatusReply, LeadersStatusRequest, NodeLeaders,
        RegionLeaders, SetFollowBuyersRequest,
    },
};
use serde_json::{Value, json};

use super::{
    Answer, Failure, Target,
    answer::{age, table},
    cluster::as_of_json,
    connect::Node,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Leaders by region and node, and those that are not at home, with the reason
    Status {
        /// Entries of each list, at most; the totals count everything
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
        /// Go on behind this group, as the answer before said
        #[arg(long, value_name = "GROUP")]
        after: Option<u64>,
    },
    /// Whether leaders go where their buyers are, for every show that does not say otherwise
    FollowBuyers {
        /// on or off
        #[arg(value_enum)]
        follow: OnOff,
    },
}

/// For one show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Follow {
    /// Its leader follows its buyers.
    On,
    /// Its leader lives at home.
    Off,
    /// As the whole cluster does.
    AsCluster,
}

/// For the whole cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OnOff {
    /// Yes.
    On,
    /// No.
    Off,
}

pub(super) async fn run(command: &Command, target: &Target) -> Result<Answer, Failure> {
    let node = target.node()?;
    match command {
        Command::Status { limit, after } => {
            let request = LeadersStatusRequest {
                what_if: None,
                after_group: *after,
                limit: *limit,
            };
            Ok(status(&ask(&node, request).await?))
        }
        Command::FollowBuyers { follow } => {
            let follow = match follow {
                OnOff::On => Follow::On,
                OnOff::Off => Follow::Off,
            };
            follow_buyers(&node, None, follow).await
        }
    }
}

async fn ask(node: &Node, request: LeadersStatusRequest) -> Result<LeadersStatusReply, Failure> {
    let mut leaders = node.client.leaders();
    node.ask(leaders.leaders_status(request)).await
}

pub(super) async fn follow_buyers(
    node: &Node,
    show: Option<ShowRef>,
    follow: Follow,
) -> Result<Answer, Failure> {
    let request = SetFollowBuyersRequest {
        show_id: show.map_or(0, |show| show.0),
        follow: match follow {
            Follow::On => Some(true),
            Follow::Off => Some(false),
            Follow::AsCluster => None,
        },
    };
    let mut cluster = node.client.cluster();
    let reply = node.ask(cluster.set_follow_buyers(request)).await?;
    let whose = show.map_or_else(|| "every show".to_owned(), |show| show.to_string());
    let what = match follow {
        Follow::On => "follow their buyers",
        Follow::Off => "live at home",
        Follow::AsCluster => "follow buyers as the whole cluster does",
    };
    let verb = if reply.changed {
        "from now on"
    } else {
        "as before"
    };
    Ok(Answer {
        text: format!("{verb}, leaders of {whose} {what}"),
        json: json!({"changed": reply.changed, "show_id": show.map(|show| show.to_string()), "follow": request.follow}),
        well: true,
    })
}

fn status(reply: &LeadersStatusReply) -> Answer {
    let as_of = reply.directory.unwrap_or_default();
    let mut text = format!(
        "{} groups, {} without a known leader; directory {} old\n\n{}\n\n{}",
        reply.groups,
        reply.leaderless,
        age(as_of.age_ms),
        regions_table(&reply.regions),
        nodes_table(&reply.nodes),
    );
    if reply.away_total > 0 {
        let whys: BTreeMap<_, _> = reply.away_by_why.iter().collect();
        let whys: Vec<_> = whys.iter().map(|(why, n)| format!("{n} {why}")).collect();
        text.push_str(&format!(
            "\n\n{} not led from home: {}\n{}",
            reply.away_total,
            whys.join(", "),
            away_table(&reply.away)
        ));
    }
    if reply.moves_total > 0 {
        text.push_str(&format!(
            "\n\n{} to move\n{}",
            reply.moves_total,
            moves_table(&reply.moves)
        ));
    }
    if reply.stuck_total > 0 {
        text.push_str(&format!(
            "\n\n{} STUCK: nobody can take them\n{}",
            reply.stuck_total,
            away_table(&reply.stuck)
        ));
    }
    // A node that is cut off remembers who led, and nobody has told it otherwise.
    let unheard: u64 = reply.nodes.iter().filter(|n| !n.heard).map(|n| n.led).sum();
    if unheard > 0 {
        text.push_str(&format!(
            "\n\n{unheard} groups are led, as far as is known here, by nodes that are NOT HEARD here"
        ));
    }
    if let Some(group) = reply.next_after_group {
        text.push_str(&format!("\n\nmore: --after {group}, or a larger --limit"));
    }
    let well = reply.leaderless == 0 && reply.stuck_total == 0 && unheard == 0;
    let json = json!({
        "well": well,
        "led_by_unheard": unheard,
        "directory": as_of_json(&as_of),
        "groups": reply.groups,
        "leaderless": reply.leaderless,
        "regions": reply.regions.iter().map(region_json).collect::<Vec<_>>(),
        "nodes": reply.nodes.iter().map(node_json).collect::<Vec<_>>(),
        "away_total": reply.away_total,
        "away_by_why": reply.away_by_why,
        "away": away_json(&reply.away),
        "moves_total": reply.moves_total,
        "moves": moves_json(&reply.moves),
        "stuck_total": reply.stuck_total,
        "stuck": away_json(&reply.stuck),
        "next_after_group": reply.next_after_group,
    });
    Answer { text, json, well }
}

/// A group as people name it.
fn group_name(group: u64) -> String {
    if group == 0 {
        "directory".to_owned()
    } else {
        ShowRef(group).to_string()
    }
}

fn regions_table(regions: &[RegionLeaders]) -> String {
    let row = |region: &RegionLeaders| {
        [
            region.region.clone(),
            region.state.clone(),
            region.led.to_string(),
            region.to_gain.to_string(),
            region.to_give.to_string(),
        ]
    };
    let rows: Vec<_> = regions.iter().map(row).collect();
    table(["region", "state", "leads", "to gain", "to give"], &rows)
}

fn nodes_table(nodes: &[NodeLeaders]) -> String {
    let row = |node: &NodeLeaders| {
        [
            format!("n{}", node.node_id),
            node.region.clone(),
            node.state.clone(),
            if node.heard { "yes" } else { "NO" }.to_owned(),
            node.led.to_string(),
            node.to_gain.to_string(),
            node.to_give.to_string(),
        ]
    };
    let rows: Vec<_> = nodes.iter().map(row).collect();
    let head = [
        "node", "region", "state", "heard", "leads", "to gain", "to give",
    ];
    table(head, &rows)
}

fn away_table(away: &[AwayLeader]) -> String {
    let row = |away: &AwayLeader| {
        [
            group_name(away.group_id),
            away.home_region.clone(),
            format!("n{}", away.leader),
            away.why.clone(),
        ]
    };
    let rows: Vec<_> = away.iter().map(row).collect();
    table(["show", "home", "led by", "why"], &rows)
}

fn moves_table(moves: &[LeaderMove]) -> String {
    let row = |planned: &LeaderMove| {
        [
            group_name(planned.group_id),
            format!("n{}", planned.from),
            format!("n{}", planned.to),
            planned.reason.clone(),
        ]
    };
    let rows: Vec<_> = moves.iter().map(row).collect();
    table(["show", "from", "to", "reason"], &rows)
}

fn region_json(region: &RegionLeaders) -> Value {
    json!({
        "region": region.region, "state": region.state, "led": region.led, "to_gain": region.to_gain,
        "to_give": region.to_give,
    })
}

fn node_json(node: &NodeLeaders) -> Value {
    json!({
        "node_id": node.node_id, "region": node.region, "state": node.state, "heard": node.heard,
        "led": node.led, "to_gain": node.to_gain, "to_give": node.to_give,
    })
}

fn away_json(away: &[AwayLeader]) -> Vec<Value> {
    let one = |away: &AwayLeader| {
        json!({
            "group": group_name(away.group_id), "leader": away.leader, "home_region": away.home_region,
            "why": away.why,
        })
    };
    away.iter().map(one).collect()
}

fn moves_json(moves: &[LeaderMove]) -> Vec<Value> {
    let one = |planned: &LeaderMove| {
        json!({
            "group": group_name(planned.group_id), "from": planned.from, "to": planned.to,
            "reason": planned.reason,
        })
    };
    moves.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaders_are_well_while_each_group_has_one_and_none_is_stuck() {
        let sound = LeadersStatusReply {
            groups: 3,
            away_total: 1,
            away: vec![AwayLeader {
                group_id: 7,
                leader: 2,
                home_region: "eastus".to_owned(),
                why: "pinned".to_owned(),
            }],
            away_by_why: [("pinned".to_owned(), 1)].into(),
            ..LeadersStatusReply::default()
        };
        let said = status(&sound);
        assert!(said.well, "{}", said.text);
        assert!(
            said.text.contains("1 not led from home: 1 pinned"),
            "{}",
            said.text
        );
        assert_eq!(said.json["away"][0]["group"], "s7");
        let leaderless = LeadersStatusReply {
            leaderless: 1,
            ..sound.clone()
        };
        assert!(!status(&leaderless).well);
        let cut_off = LeadersStatusReply {
            nodes: vec![NodeLeaders {
                node_id: 1,
                heard: false,
                led: 2,
                ..NodeLeaders::default()
            }],
            ..sound.clone()
        };
        let said = status(&cut_off);
        assert!(
            !said.well && said.text.contains("2 groups are led"),
            "{}",
            said.text
        );
        let stuck = LeadersStatusReply {
            stuck_total: 1,
            ..sound
        };
        assert!(!status(&stuck).well);
    }
}
