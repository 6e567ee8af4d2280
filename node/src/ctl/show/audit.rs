//! `holdfastctl show audit`: every replica of a show against every invariant, and against each other.
//!
//! Owns: what counts as proof that nothing was sold twice. Must never: call replicas equal that were not seen at the same
//! place of the log, or leave out one that did not answer.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_node_api::refs::{HoldRef, OrderRef, ShowRef};
use holdfast_node_api::v1::{
    AuditShowReply, AuditShowRequest, GetLayoutRequest, ListNodesRequest, ShowReplicasRequest,
    audit_show_reply::Owner,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::ctl::answer::table;
use crate::ctl::connect::Node;
use crate::ctl::{Answer, Failure, Target};

/// Between two rounds of asking while replicas are at different places.
const ASK_AGAIN: Duration = Duration::from_millis(20);
/// Answers of one replica that are kept for comparing.
const KEPT_MAX: usize = 1_000;

/// What one replica said.
#[derive(Debug, Default)]
struct Replica {
    region: String,
    address: String,
    /// By place of the log.
    seen: BTreeMap<u64, AuditShowReply>,
    failure: Option<String>,
}

pub(super) async fn run(
    target: &Target,
    show: ShowRef,
    seat: Option<&str>,
    wait_s: u64,
) -> Result<Answer, Failure> {
    let node = target.node()?;
    let seat_no = match seat {
        Some(seat) => Some(seat_number(&node, show, seat).await?),
        None => None,
    };
    let mut replicas = replicas(&node, show).await?;
    let until = Instant::now() + Duration::from_secs(wait_s);
    loop {
        ask_all(target, show, seat_no, &mut replicas).await?;
        if common(&replicas).is_some() || Instant::now() >= until {
            return Ok(answer(show, seat, &replicas));
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

async fn seat_number(node: &Node, show: ShowRef, seat: &str) -> Result<u32, Failure> {
    let mut inventory = node.client.inventory();
    let request = GetLayoutRequest { show_id: show.0 };
    let layout = node.ask(inventory.get_layout(request)).await?;
    let found = layout.seats.iter().position(|known| known.id == seat);
    let found = found.and_then(|number| u32::try_from(number).ok());
    found.ok_or_else(|| Failure::Argument {
        argument: "--seat".to_owned(),
        reason: format!("{show} has no seat {seat:?}"),
    })
}

/// Voters and learners with their addresses, by node.
async fn replicas(node: &Node, show: ShowRef) -> Result<BTreeMap<u64, Replica>, Failure> {
    let mut cluster = node.client.cluster();
    let nodes = node.ask(cluster.list_nodes(ListNodesRequest {})).await?;
    let addresses: BTreeMap<u64, String> = nodes
        .nodes
        .into_iter()
        .map(|node| (node.node_id, node.addr))
        .collect();
    let request = ShowReplicasRequest { show_id: show.0 };
    let placed = node.ask(cluster.show_replicas(request)).await?;
    let members = placed
        .replicas
        .into_iter()
        .filter(|replica| matches!(replica.role.as_str(), "voter" | "learner"));
    let with_address = members.map(|replica| {
        let address = addresses.get(&replica.node_id).cloned();
        let found = Replica {
            region: replica.region,
            address: address.unwrap_or_default(),
            ..Replica::default()
        };
        (replica.node_id, found)
    });
    Ok(with_address.collect())
}

/// One round: all of them at the same time.
async fn ask_all(
    target: &Target,
    show: ShowRef,
    seat: Option<u32>,
    replicas: &mut BTreeMap<u64, Replica>,
) -> Result<(), Failure> {
    let mut asking = JoinSet::new();
    for (id, replica) in &*replicas {
        let (id, timeout_ms) = (*id, target.timeout_ms);
        let one = Target {
            address: Some(replica.address.clone()),
            timeout_ms,
        };
        asking.spawn(async move { (id, ask(&one, show, seat).await) });
    }
    while let Some(Ok((id, said))) = asking.join_next().await {
        let Some(replica) = replicas.get_mut(&id) else {
            continue;
        };
        match said {
            Ok(reply) => {
                let index = reply.as_of.map_or(0, |as_of| as_of.index);
                replica.failure = None;
                replica.seen.insert(index, reply);
                if replica.seen.len() > KEPT_MAX {
                    replica.seen.pop_first();
                }
            }
            Err(failure) => replica.failure = Some(failure.to_string()),
        }
    }
    Ok(())
}

async fn ask(target: &Target, show: ShowRef, seat: Option<u32>) -> Result<AuditShowReply, Failure> {
    let node = target.node()?;
    let mut operator = node.client.operator();
    let request = AuditShowRequest {
        show_id: show.0,
        read: None,
        seat,
    };
    node.ask(operator.audit_show(request)).await
}

/// The last place of the log at which every replica was seen.
fn common(replicas: &BTreeMap<u64, Replica>) -> Option<u64> {
    let mut all = replicas.values();
    let first = all.next()?;
    let seen_by_all = |index: &&u64| {
        replicas
            .values()
            .all(|replica| replica.seen.contains_key(index))
    };
    first.seen.keys().rev().find(seen_by_all).copied()
}

fn answer(show: ShowRef, seat: Option<&str>, replicas: &BTreeMap<u64, Replica>) -> Answer {
    let common = common(replicas);
    let at = |replica: &Replica| {
        let shared = common.and_then(|index| replica.seen.get(&index));
        shared
            .or_else(|| replica.seen.values().next_back())
            .cloned()
    };
    let mut hashes: Vec<u64> = Vec::new();
    let mut broken = Vec::new();
    let (mut rows, mut machine) = (Vec::new(), Vec::new());
    for (id, replica) in replicas {
        let said = at(replica);
        if let Some(said) = &said {
            hashes.push(said.state_hash);
            broken.extend(said.broken.iter().map(|what| format!("n{id}: {what}")));
        }
        machine.push(replica_json(*id, replica, said.as_ref(), show));
        rows.push(row(*id, replica, said.as_ref(), show));
    }
    hashes.dedup();
    let equal = common.is_some() && hashes.len() == 1;
    let head = [
        "replica", "region", "index", "hash", "seats", "free", "held", "sold", "blocked", "seat",
    ];
    let verdict = match (common, equal) {
        (Some(index), true) => format!("all replicas are equal at index {index}"),
        (Some(index), false) => format!("REPLICAS DIFFER at index {index}"),
        (None, _) => "NOT COMPARED: the replicas were never seen at the same index".to_owned(),
    };
    let mut text = format!("{show}: {verdict}\n\n{}", table(head, &rows));
    for (id, replica) in replicas {
        if let Some(failure) = &replica.failure {
            text.push_str(&format!("\n\nno answer from n{id}: {failure}"));
        }
    }
    match broken.len() {
        0 => text.push_str("\n\nno invariant is broken on any replica that answered"),
        n => text.push_str(&format!("\n\n{n} BROKEN:\n{}", broken.join("\n"))),
    }
    let well = equal && broken.is_empty();
    let json = json!({
        "well": well, "show_id": show.to_string(), "seat": seat, "index": common, "equal": equal,
        "broken": broken, "replicas": machine,
    });
    Answer { text, json, well }
}

fn row(id: u64, replica: &Replica, said: Option<&AuditShowReply>, show: ShowRef) -> [String; 10] {
    let cell = |number: fn(&AuditShowReply) -> u64| {
        said.map_or_else(|| "-".to_owned(), |said| number(said).to_string())
    };
    [
        format!("n{id}"),
        replica.region.clone(),
        cell(|said| said.as_of.map_or(0, |as_of| as_of.index)),
        said.map_or_else(
            || "-".to_owned(),
            |said| format!("{:016x}", said.state_hash),
        ),
        cell(|said| said.seats),
        cell(|said| said.available),
        cell(|said| said.held),
        cell(|said| said.sold),
        cell(|said| said.blocked),
        said.and_then(|said| owner(said, show))
            .unwrap_or_else(|| "-".to_owned()),
    ]
}

fn owner(said: &AuditShowReply, show: ShowRef) -> Option<String> {
    let show_id = show.0;
    said.owner.as_ref().map(|owner| match owner {
        Owner::Nobody(state) => state.clone(),
        Owner::HoldId(hold_id) => HoldRef {
            show_id,
            hold_id: *hold_id,
        }
        .to_string(),
        Owner::OrderId(order_id) => OrderRef {
            show_id,
            order_id: *order_id,
        }
        .to_string(),
    })
}

fn replica_json(id: u64, replica: &Replica, said: Option<&AuditShowReply>, show: ShowRef) -> Value {
    json!({
        "node_id": id, "region": replica.region, "failure": replica.failure,
        "index": said.and_then(|said| said.as_of).map(|as_of| as_of.index),
        "state_hash": said.map(|said| format!("{:016x}", said.state_hash)),
        "seats": said.map(|said| said.seats), "available": said.map(|said| said.available),
        "held": said.map(|said| said.held), "sold": said.map(|said| said.sold),
        "blocked": said.map(|said| said.blocked),
        "owner": said.and_then(|said| owner(said, show)),
    })
}

#[cfg(test)]
mod tests {
    use holdfast_node_api::v1::AsOf;

    use super::*;

    fn replica(samples: &[(u64, u64)]) -> Replica {
        let reply = |(index, state_hash): &(u64, u64)| {
            let as_of = Some(AsOf {
                index: *index,
                ..AsOf::default()
            });
            let reply = AuditShowReply {
                as_of,
                state_hash: *state_hash,
                ..AuditShowReply::default()
            };
            (*index, reply)
        };
        Replica {
            seen: samples.iter().map(reply).collect(),
            ..Replica::default()
        }
    }

    fn audit(replicas: Vec<Replica>) -> Answer {
        answer(ShowRef(7), None, &(1..).zip(replicas).collect())
    }

    #[test]
    fn replicas_are_compared_at_the_last_index_that_all_were_seen_at() {
        let said = audit(vec![
            replica(&[(4, 40), (5, 50), (7, 70)]),
            replica(&[(5, 50), (6, 60)]),
        ]);
        assert!(said.well, "{}", said.text);
        assert!(said.text.contains("equal at index 5"), "{}", said.text);
    }

    #[test]
    fn different_states_at_one_index_are_not_well() {
        let said = audit(vec![replica(&[(5, 50)]), replica(&[(5, 51)])]);
        assert!(
            !said.well && said.text.contains("REPLICAS DIFFER"),
            "{}",
            said.text
        );
    }

    #[test]
    fn a_replica_that_is_silent_or_elsewhere_proves_nothing() {
        let mut silent = replica(&[]);
        silent.failure = Some("connection refused".to_owned());
        let said = audit(vec![replica(&[(5, 50)]), silent]);
        assert!(
            !said.well && said.text.contains("NOT COMPARED"),
            "{}",
            said.text
        );
        assert!(said.text.contains("no answer from n2"), "{}", said.text);
    }

    #[test]
    fn a_broken_invariant_is_not_well_even_if_all_replicas_agree() {
        let mut one = replica(&[(5, 50)]);
        if let Some(said) = one.seen.get_mut(&5) {
            said.broken = vec!["INV-SEAT-1: seat 3".to_owned()];
        }
        let said = audit(vec![one, replica(&[(5, 50)])]);
        assert!(
            !said.well && said.text.contains("n1: INV-SEAT-1: seat 3"),
            "{}",
            said.text
        );
    }
}
