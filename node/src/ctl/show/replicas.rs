//! `holdfastctl show replicas`: where one show's replicas shall be, are, and were.
//!
//! Owns: how they are shown. Must never: call a show well that is still on its way or has no leader.

use holdfast_node_api::refs::ShowRef;
use holdfast_node_api::v1::{Replica, ShowReplicasReply, ShowReplicasRequest};
use serde_json::{Value, json};

use crate::ctl::answer::{ids, table};
use crate::ctl::cluster::as_of_json;
use crate::ctl::connect::Node;
use crate::ctl::{Answer, Failure};

pub(super) async fn run(node: &Node, show: ShowRef) -> Result<Answer, Failure> {
    let mut cluster = node.client.cluster();
    let request = ShowReplicasRequest { show_id: show.0 };
    Ok(answer(&node.ask(cluster.show_replicas(request)).await?))
}

fn answer(reply: &ShowReplicasReply) -> Answer {
    let row = |replica: &Replica| {
        let preference = match replica.preference {
            0 => "-".to_owned(),
            rank => rank.to_string(),
        };
        [
            replica.node_id.to_string(),
            replica.region.clone(),
            replica.role.clone(),
            preference,
            if replica.node_id == reply.leader {
                "leads"
            } else {
                ""
            }
            .to_owned(),
            if replica.reachable { "yes" } else { "NO" }.to_owned(),
        ]
    };
    let rows: Vec<_> = reply.replicas.iter().map(row).collect();
    let head = ["node", "region", "role", "preference", "", "reachable"];
    let settled = reply.settled == reply.generation;
    let mut text = format!(
        "{}, group {}, goal {}{}\nplacement {}, {}\n\n{}",
        ShowRef(reply.show_id),
        reply.group_id,
        reply.survival_goal,
        within(&reply.jurisdictions),
        reply.generation,
        if settled { "reached" } else { "on its way" },
        table(head, &rows)
    );
    if !settled && !reply.voters_now.is_empty() {
        let (voters, learners) = (ids(&reply.voters_now), ids(&reply.learners_now));
        text.push_str(&format!("\n\nnow: voters {voters}, learners {learners}"));
    }
    if reply.leader_pin != 0 {
        text.push_str(&format!(
            "\nits leader is kept at node {}",
            reply.leader_pin
        ));
    }
    Answer {
        text,
        json: machine(reply, settled),
        well: settled && reply.leader != 0,
    }
}

fn within(jurisdictions: &[String]) -> String {
    if jurisdictions.is_empty() {
        String::new()
    } else {
        format!(" within {}", jurisdictions.join(", "))
    }
}

fn machine(reply: &ShowReplicasReply, settled: bool) -> Value {
    let replica = |replica: &Replica| {
        json!({
            "node_id": replica.node_id, "region": replica.region, "role": replica.role,
            "preference": (replica.preference != 0).then_some(replica.preference),
            "reachable": replica.reachable,
        })
    };
    json!({
        "directory": as_of_json(&reply.as_of.unwrap_or_default()),
        "show_id": ShowRef(reply.show_id).to_string(), "group_id": reply.group_id,
        "generation": reply.generation, "settled_generation": reply.settled, "settled": settled,
        "leader": (reply.leader != 0).then_some(reply.leader),
        "leader_pin": (reply.leader_pin != 0).then_some(reply.leader_pin),
        "survival_goal": reply.survival_goal, "jurisdictions": reply.jurisdictions,
        "replicas": reply.replicas.iter().map(replica).collect::<Vec<_>>(),
        "voters_now": reply.voters_now, "learners_now": reply.learners_now,
    })
}
