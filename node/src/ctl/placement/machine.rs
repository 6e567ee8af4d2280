//! An explanation for machines: everything, on one line.
//!
//! Owns: the names of the JSON fields. Must never: leave anything out that the text says.

use holdfast_region_config::placement::{Candidate, Refusal, Verdict, commit_floor};
use holdfast_region_config::{Jurisdiction, NodeId, Placement, Topology};
use serde_json::{Value, json};

use super::{View, number, region, role};

pub(super) fn form(view: &View<'_>) -> Value {
    let (topology, explanation) = (view.topology, view.explanation);
    let request = &explanation.request;
    let losses = explanation.losses.iter().map(|loss| {
        json!({
            "region": loss.lost.as_str(), "leader": loss.leads.map(|(id, _)| id.to_string()),
            "commit_floor_ms": loss.leads.map(|(_, floor)| number(floor)),
        })
    });
    let texts = |nodes: Vec<NodeId>| nodes.iter().map(ToString::to_string).collect::<Vec<_>>();
    let moves = view
        .moves()
        .map(|(come, go)| json!({"come": texts(come), "go": texts(go)}));
    json!({
        "cluster": topology.cluster, "group": request.group.get(), "home": request.home.as_str(),
        "goal": request.goal.as_str(),
        "jurisdictions": request.jurisdictions.iter().map(Jurisdiction::as_str).collect::<Vec<_>>(),
        "without": request.unavailable.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "placement": explanation.outcome.as_ref().ok().map(|placement| placed(topology, placement)),
        "refused_because": explanation.outcome.as_ref().err().map(ToString::to_string),
        "voter_moves": moves,
        "region_losses": losses.collect::<Vec<_>>(),
        "candidates": explanation.candidates.iter().map(candidate).collect::<Vec<_>>(),
        "bare_regions": names(&explanation.bare_regions),
    })
}

fn names(refusals: &[Refusal]) -> Vec<String> {
    refusals.iter().map(ToString::to_string).collect()
}

fn candidate(one: &Candidate) -> Value {
    let (verdict, by, reasons) = match &one.verdict {
        Verdict::Chosen => ("chosen", None, Vec::new()),
        Verdict::Beaten { by } => ("beaten", Some(by.as_str()), Vec::new()),
        Verdict::Refused { reasons } => ("refused", None, names(reasons)),
    };
    let shares = one.shares.iter();
    let shares = shares.map(|s| json!({"region": s.region.as_str(), "voters": s.voters}));
    json!({
        "shares": shares.collect::<Vec<_>>(), "commit_floor_ms": number(one.commit_floor),
        "floor_after_loss_ms": one.floor_after_loss.map(number),
        "floor_after_node_loss_ms": one.floor_after_node_loss.map(number),
        "floor_after_leader_loss_ms": one.floor_after_leader_loss.map(number),
        "verdict": verdict, "beaten_by": by, "reasons": reasons,
    })
}

fn placed(topology: &Topology, placement: &Placement) -> Value {
    let voters = placement.leader_preference.iter().enumerate();
    let voters = voters.map(|(place, id)| {
        let floor = commit_floor(topology, *id, &placement.voters);
        json!({
            "node": id.to_string(), "region": region(topology, *id), "role": role(place),
            "commit_floor_ms": number(floor),
        })
    });
    let learners = placement.learners.iter();
    let learners =
        learners.map(|id| json!({"node": id.to_string(), "region": region(topology, *id)}));
    json!({
        "voters": voters.collect::<Vec<_>>(), "learners": learners.collect::<Vec<_>>(),
        "commit_floor_ms": number(placement.commit_floor), "goal": placement.goal.as_str(),
    })
}
