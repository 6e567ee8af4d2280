//! `holdfastctl index`: begin the indexes of buyers, and see how far behind the shows they are.
//!
//! Owns: asking every node for its part and putting it together. Must never: show a buyer.

use std::collections::BTreeMap;

use clap::Subcommand;
use holdfast_node_api::client::{ClientOptions, NodeClient};
use holdfast_node_api::v1::{
    EnsureIndexRequest, IndexInfo, ListIndexesReply, ListIndexesRequest, ListNodesRequest,
    ListRegionsRequest,
};
use serde_json::{Value, json};

use super::answer::{age, ids};
use super::connect::Node;
use super::{Answer, Failure, Target, table};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Begin the index of a jurisdiction: from then on buyers find their orders anywhere
    #[command(after_help = "\
Its replicas stay in regions of that jurisdiction, on as many nodes as those have; what it survives follows from that. Orders
that were confirmed before are not in it. To begin one again changes nothing. What an index is for is in docs/my-orders.md.")]
    Begin {
        /// A region of each jurisdiction, such as westeurope
        #[arg(required_unless_present = "all")]
        regions: Vec<String>,
        /// One for every jurisdiction of the cluster, and one for regions that name none
        #[arg(long, conflicts_with = "regions")]
        all: bool,
    },
    /// Every index: who leads it, what it holds; and the oldest event of an order that is not in one yet
    #[command(after_help = "\
An index is well when it has a leader that is heard; the command is well when every index and every node is, and nothing
has waited for longer than --lag-max-s. What an index is for is in docs/my-orders.md.")]
    Status {
        /// How long an event may have waited before the answer is not well, seconds
        #[arg(long, value_name = "S", default_value_t = 60)]
        lag_max_s: u64,
    },
}

pub(super) async fn run(command: &Command, target: &Target) -> Result<Answer, Failure> {
    let node = target.node()?;
    match command {
        Command::Begin { regions, all } => {
            let regions = if *all {
                all_regions(&node).await?
            } else {
                regions.clone()
            };
            begin(&node, &regions).await
        }
        Command::Status { lag_max_s } => survey(&node, *lag_max_s).await,
    }
}

async fn all_regions(node: &Node) -> Result<Vec<String>, Failure> {
    let reply = node
        .ask(
            node.client
                .cluster()
                .list_regions(ListRegionsRequest::default()),
        )
        .await?;
    // One without nodes carries nothing.
    let regions = reply.regions.into_iter();
    let regions = regions.filter(|region| region.voting && !region.nodes.is_empty());
    Ok(regions.map(|region| region.region).collect())
}

async fn begin(node: &Node, regions: &[String]) -> Result<Answer, Failure> {
    let mut begun = BTreeMap::new();
    for region in regions {
        let request = EnsureIndexRequest {
            region: region.clone(),
        };
        let reply = node
            .ask(node.client.buyer_indexes().ensure_index(request))
            .await?;
        let (at, new) = begun
            .entry(reply.group_id)
            .or_insert_with(|| (Vec::new(), false));
        at.push(region.clone());
        *new |= !reply.existed;
    }
    let line = |(group, (regions, new)): (&u64, &(Vec<String>, bool))| {
        let word = if *new { "begun" } else { "was there" };
        format!("index g{group} of {}: {word}", regions.join(", "))
    };
    let lines: Vec<String> = begun.iter().map(line).collect();
    let entries = begun
        .iter()
        .map(|(group, (regions, new))| json!({"group": group, "regions": regions, "begun": new}));
    Ok(Answer {
        text: lines.join("\n"),
        json: json!({ "indexes": entries.collect::<Vec<_>>() }),
        well: true,
    })
}

async fn survey(node: &Node, lag_max_s: u64) -> Result<Answer, Failure> {
    let own = ask(node, &node.client).await?;
    let nodes = node
        .ask(
            node.client
                .cluster()
                .list_nodes(ListNodesRequest::default()),
        )
        .await?;
    let mut silent = Vec::new();
    let mut replies = Vec::new();
    for known in nodes
        .nodes
        .iter()
        .filter(|known| known.node_id != own.node_id)
    {
        if !known.reachable {
            silent.push(known.node_id);
            continue;
        }
        let client = NodeClient::new(&known.addr, &ClientOptions::default()).ok();
        let reply = match client {
            Some(client) => ask(node, &client).await.ok(),
            None => None,
        };
        match reply {
            Some(reply) => replies.push(reply),
            None => silent.push(known.node_id),
        }
    }
    replies.insert(0, own);
    Ok(status(&replies, &silent, lag_max_s.saturating_mul(1_000)))
}

async fn ask(node: &Node, client: &NodeClient) -> Result<ListIndexesReply, Failure> {
    let mut indexes = client.buyer_indexes();
    node.ask(indexes.list_indexes(ListIndexesRequest::default()))
        .await
}

/// An index with the replica that is furthest: the leader's where one is in memory.
fn furthest<'a>(replies: &'a [ListIndexesReply], group: u64) -> Option<&'a IndexInfo> {
    let seen = replies.iter().flat_map(|reply| &reply.indexes);
    let applied = |info: &&'a IndexInfo| {
        let replica = info.replica.as_ref();
        replica.and_then(|replica| replica.as_of).map(|at| at.index)
    };
    seen.filter(|info| info.group_id == group)
        .max_by_key(applied)
}

fn status(replies: &[ListIndexesReply], silent: &[u64], lag_ms_max: u64) -> Answer {
    let groups = replies.first().map_or(&[][..], |own| &own.indexes[..]);
    let indexes: Vec<&IndexInfo> = groups
        .iter()
        .filter_map(|info| furthest(replies, info.group_id))
        .collect();
    let waiting: u64 = replies.iter().map(|reply| reply.waiting).sum();
    let oldest_ms = replies.iter().map(|reply| reply.oldest_ms).max();
    let oldest_ms = oldest_ms.unwrap_or(0);
    let led = indexes.iter().all(|info| info.leader_alive);
    let mut lines = Vec::new();
    if indexes.is_empty() {
        lines.push("no index was begun: holdfastctl index begin --all".to_owned());
    } else {
        let head = [
            "jurisdiction",
            "group",
            "leader",
            "voters",
            "learners",
            "buyers",
            "orders",
        ];
        let rows: Vec<_> = indexes.iter().map(|info| row(info)).collect();
        lines.push(table(head, &rows));
    }
    lines.push(match waiting {
        0 => "every event of an order is in its index".to_owned(),
        _ => format!("{waiting} events wait, the oldest for {}", age(oldest_ms)),
    });
    if !silent.is_empty() {
        lines.push(format!(
            "not asked, because they cannot be reached: nodes {}",
            ids(silent)
        ));
    }
    Answer {
        text: lines.join("\n"),
        json: json!({
            "indexes": indexes.iter().map(|info| json_of(info)).collect::<Vec<_>>(),
            "waiting": waiting, "oldest_ms": oldest_ms, "silent": silent,
        }),
        well: led && silent.is_empty() && oldest_ms <= lag_ms_max,
    }
}

fn jurisdiction(info: &IndexInfo) -> &str {
    match info.jurisdiction.as_str() {
        "" => "(none)",
        named => named,
    }
}

fn row(info: &IndexInfo) -> [String; 7] {
    let leader = match (info.leader, info.leader_alive) {
        (0, _) => "none".to_owned(),
        (leader, true) => format!("n{leader}"),
        (leader, false) => format!("n{leader} (silent)"),
    };
    // Nobody asked for it lately: it sleeps on disk, and is not woken to be counted.
    let asleep = || "asleep".to_owned();
    let replica = info.replica.as_ref();
    [
        jurisdiction(info).to_owned(),
        format!("g{}", info.group_id),
        leader,
        ids(&info.voters),
        ids(&info.learners),
        replica.map_or_else(asleep, |replica| replica.buyers.to_string()),
        replica.map_or_else(asleep, |replica| replica.orders.to_string()),
    ]
}

fn json_of(info: &IndexInfo) -> Value {
    let replica = info.replica.as_ref();
    json!({
        "group": info.group_id, "jurisdiction": info.jurisdiction, "home": info.home_region, "leader": info.leader,
        "leader_alive": info.leader_alive, "voters": info.voters, "learners": info.learners,
        "buyers": replica.map(|replica| replica.buyers), "orders": replica.map(|replica| replica.orders),
        "index": replica.and_then(|replica| replica.as_of).map(|at| at.index),
    })
}

#[cfg(test)]
mod tests {
    use holdfast_node_api::v1::{AsOf, IndexReplica};

    use super::*;

    fn reply(node_id: u64, applied: u64, waiting: u64) -> ListIndexesReply {
        let as_of = AsOf {
            index: applied,
            ..AsOf::default()
        };
        let info = IndexInfo {
            group_id: 1_000_000_000,
            jurisdiction: "EU".to_owned(),
            leader: 1,
            leader_alive: true,
            voters: vec![1, 2, 3],
            replica: (applied > 0).then_some(IndexReplica {
                as_of: Some(as_of),
                role: String::new(),
                buyers: 1,
                orders: applied,
            }),
            ..IndexInfo::default()
        };
        ListIndexesReply {
            node_id,
            indexes: vec![info],
            waiting,
            oldest_ms: waiting * 1_000,
        }
    }

    #[test]
    fn the_replica_that_is_furthest_speaks_and_what_waits_is_summed() {
        let replies = [reply(1, 4, 2), reply(2, 9, 0), reply(3, 0, 1)];
        let answer = status(&replies, &[], 5_000);
        assert!(answer.well);
        assert_eq!(answer.json["indexes"][0]["orders"], 9);
        assert_eq!(answer.json["waiting"], 3);
        assert_eq!(answer.json["oldest_ms"], 2_000);
        assert!(answer.text.contains("EU"), "{}", answer.text);
        assert!(!status(&replies, &[], 1_999).well, "too far behind");
        assert!(!status(&replies, &[4], 5_000).well, "a node was not asked");
        assert!(status(&[], &[], 0).well, "nothing was bought yet");
    }
}
