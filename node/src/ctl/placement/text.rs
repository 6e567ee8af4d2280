//! An explanation for people.
//!
//! Owns: tables and which rows are worth showing. Must never: leave out what was chosen, or why a faster one was not.

use std::time::Duration;

use holdfast_region_config::placement::{Candidate, Explanation, Verdict, commit_floor};
use holdfast_region_config::{NodeId, Placement, Topology};

use super::super::table;
use super::{View, number, region, role};

/// Beaten neighbourhoods, and refused ones, that are shown unless all are asked for.
const ROWS_SHOWN: usize = 6;

pub(super) fn form(view: &View<'_>) -> String {
    let (topology, explanation) = (view.topology, view.explanation);
    let mut parts = vec![question(view)];
    match &explanation.outcome {
        Ok(placement) => {
            parts.push(replicas(topology, placement));
            parts.extend(moves(view));
            parts.push(losses(topology, explanation));
        }
        Err(error) => parts.push(format!("not placed: {error}")),
    }
    if !explanation.candidates.is_empty() {
        parts.push(candidates(explanation, view.all));
    }
    if !explanation.bare_regions.is_empty() {
        let reasons = joined(&explanation.bare_regions, ", ");
        parts.push(format!("no replica where {reasons}"));
    }
    parts.join("\n\n")
}

fn question(view: &View<'_>) -> String {
    let (topology, request) = (view.topology, &view.explanation.request);
    let mut line = format!(
        "{} at home in {}, goal {}",
        request.group, request.home, request.goal
    );
    if !request.jurisdictions.is_empty() {
        line += &format!(", inside {}", joined(&request.jurisdictions, " and "));
    }
    if !request.unavailable.is_empty() {
        line += &format!(", without {}", joined(&request.unavailable, ", "));
    }
    if !view.voters_now.is_empty() {
        line += &format!("; voters now {}", joined(view.voters_now, ", "));
    }
    format!(
        "{line}\n{}: {}, {}; round trips: {}",
        topology.cluster,
        count(topology.regions.len(), "region"),
        count(topology.nodes.len(), "node"),
        topology.rtt.source()
    )
}

fn moves(view: &View<'_>) -> Option<String> {
    let (come, go) = view.moves()?;
    let named = |nodes: &[NodeId]| {
        if nodes.is_empty() {
            "none".to_owned()
        } else {
            joined(nodes, ", ")
        }
    };
    Some(format!(
        "voters that come: {}; that go: {}",
        named(&come),
        named(&go)
    ))
}

/// `1 node`, `3 nodes`.
fn count(many: usize, what: &str) -> String {
    format!("{many} {what}{}", if many == 1 { "" } else { "s" })
}

fn joined<T: ToString>(items: impl IntoIterator<Item = T>, between: &str) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(between)
}

fn replicas(topology: &Topology, placement: &Placement) -> String {
    let mut rows = Vec::new();
    for (place, id) in placement.leader_preference.iter().enumerate() {
        let floor = commit_floor(topology, *id, &placement.voters);
        rows.push([
            role(place).to_owned(),
            id.to_string(),
            region(topology, *id),
            ms(Some(floor)),
        ]);
    }
    for id in &placement.learners {
        let region = region(topology, *id);
        rows.push(["learner".to_owned(), id.to_string(), region, String::new()]);
    }
    format!(
        "commits in {}\n{}",
        ms(Some(placement.commit_floor)),
        table(["role", "node", "region", "commits in"], &rows)
    )
}

fn losses(topology: &Topology, explanation: &Explanation) -> String {
    let rows = explanation.losses.iter().map(|loss| match loss.leads {
        Some((id, floor)) => [
            loss.lost.to_string(),
            format!("{id} in {}", region(topology, id)),
            ms(Some(floor)),
        ],
        None => [loss.lost.to_string(), "nobody".to_owned(), ms(None)],
    });
    table(
        ["region lost", "led by", "commits in"],
        &rows.collect::<Vec<_>>(),
    )
}

fn candidates(explanation: &Explanation, all: bool) -> String {
    let every = &explanation.candidates;
    let meet = every.iter().filter(|one| !is_refused(one)).count();
    let shown = shown(every, all);
    let rows: Vec<[String; 7]> = shown.iter().map(|one| row(one)).collect();
    let head = [
        "voters",
        "regions",
        "commits in",
        "after loss",
        "after node loss",
        "without leader",
        "verdict",
    ];
    let mut text = format!(
        "{} considered, {meet} of them meet the goal\n{}",
        count(every.len(), "neighbourhood"),
        table(head, &rows)
    );
    if shown.len() < every.len() {
        text += &format!("\n{} more with --all", every.len() - shown.len());
    }
    text
}

/// The best of those that meet the goal, and those refused that would have been as fast as the first.
fn shown(every: &[Candidate], all: bool) -> Vec<&Candidate> {
    if all {
        return every.iter().collect();
    }
    let (refused, meet): (Vec<_>, Vec<_>) = every.iter().partition(|one| is_refused(one));
    let speed = |one: &Candidate| (one.commit_floor, one.floor_after_loss);
    let first = meet.first().map(|one| speed(one));
    let tempting = |one: &&&Candidate| first.is_none_or(|first| speed(one) <= first);
    let tempting: Vec<&Candidate> = refused.iter().filter(tempting).copied().collect();
    let meet = meet.into_iter().take(ROWS_SHOWN);
    meet.chain(tempting.into_iter().take(ROWS_SHOWN)).collect()
}

const fn is_refused(candidate: &Candidate) -> bool {
    matches!(candidate.verdict, Verdict::Refused { .. })
}

fn row(one: &Candidate) -> [String; 7] {
    let verdict = match &one.verdict {
        Verdict::Chosen => "chosen".to_owned(),
        Verdict::Beaten { by } => by.to_string(),
        Verdict::Refused { reasons } => format!("refused: {}", joined(reasons, "; ")),
    };
    [
        one.shape(),
        joined(one.shares.iter().map(|share| &share.region), " "),
        ms(Some(one.commit_floor)),
        ms(one.floor_after_loss),
        ms(one.floor_after_node_loss),
        ms(one.floor_after_leader_loss),
        verdict,
    ]
}

/// `14 ms`, `0.5 ms`, `never`.
fn ms(floor: Option<Duration>) -> String {
    floor.map_or_else(
        || "never".to_owned(),
        |floor| format!("{} ms", number(floor)),
    )
}
