//! What a process can be asked over HTTP: health, readiness, metrics, the state of its groups.
//!
//! | path | answers |
//! |---|---|
//! | `/healthz` | 200 while the process works; 503 when its disk has failed |
//! | `/readyz` | 200 when the directory is applied here and its quorum was heard lately, and the node is not draining |
//! | `/metrics` | Prometheus text |
//! | `/debug/groups` | every replica of this node, in pages, as JSON: where it is, who leads it, its Raft status while in memory |
//! | `/debug/group/{id}` | one of them, with what its show has |
//! | `/debug/topology` | the topology as this node dials it, and how it sees the others |
//!
//! Owns: these answers. Must never: change anything, or show what buyers own.

mod rooms;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use holdfast_inventory::{ids::ShowId, invariants};
use holdfast_raft::{Clock, GroupStatus, Host, ReplicaSummary};
use holdfast_region_config::GroupId;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::buyer_index::BuyerIndexes;
use crate::metrics::{Metrics, Sample};

/// The directory is current enough when its quorum was heard this lately. Longer than an election between far regions,
/// so that a change of its leader does not make every node unready.
const DIRECTORY_AGE_MS_MAX: u64 = 10_000;

/// What the HTTP side reads.
#[derive(Clone)]
pub struct DebugState {
    /// This node's groups.
    pub host: Host,
    /// What stamps entries here.
    pub clock: Arc<dyn Clock>,
    /// Counters.
    pub metrics: Metrics,
    /// The way to the indexes of buyers.
    pub indexes: BuyerIndexes,
    /// Set when the node begins to stop.
    pub draining: Arc<AtomicBool>,
}

/// All routes.
pub fn router(state: DebugState) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/debug/groups", get(groups))
        .route("/debug/group/{id}", get(group))
        .route("/debug/topology", get(topology))
        .with_state(state)
}

async fn healthz(State(state): State<DebugState>) -> Response {
    match disk_problem(&state) {
        None => Json(json!({ "status": "ok" })).into_response(),
        Some(problem) => refuse(StatusCode::SERVICE_UNAVAILABLE, &problem),
    }
}

/// Why the disk stopped every group, and what to do.
fn disk_problem(state: &DebugState) -> Option<String> {
    let reason = state.host.disk_failure()?;
    let remedy = state.host.disk_state().remedy().unwrap_or_default();
    Some(format!("the disk failed: {reason}; {remedy}"))
}

async fn readyz(State(state): State<DebugState>) -> Response {
    match not_ready(&state) {
        None => {
            Json(json!({ "status": "ready", "node_id": state.host.node().get() })).into_response()
        }
        Some(reason) => refuse(StatusCode::SERVICE_UNAVAILABLE, &reason),
    }
}

fn not_ready(state: &DebugState) -> Option<String> {
    if state.draining.load(Ordering::Relaxed) {
        return Some("draining".to_owned());
    }
    if let Some(problem) = disk_problem(state) {
        return Some(problem);
    }
    let directory = state.host.directory().status();
    if directory.applied_index == 0 {
        return Some("the directory is not applied here yet".to_owned());
    }
    if directory.age_ms > DIRECTORY_AGE_MS_MAX {
        return Some(format!(
            "no quorum of the directory was heard for more than {DIRECTORY_AGE_MS_MAX} ms"
        ));
    }
    None
}

async fn metrics(State(state): State<DebugState>) -> Response {
    let replicas = state.host.replicas();
    let count = |wanted: &dyn Fn(&ReplicaSummary) -> bool| {
        replicas.iter().filter(|replica| wanted(replica)).count()
    };
    let own = Some(state.host.node());
    let peers = state.host.peers();
    let directory = state.host.directory();
    let clock_ms = state.clock.now_ms();
    let (unsettled_groups, stuck_groups) = state.host.membership_backlog();
    let ((placed, indexes), _) =
        directory.read(|directory| (directory.shows().len(), directory.buyer_indexes().count()));
    let sample = Sample {
        log: state.host.log_counters(),
        snapshots: state.host.snapshot_stats(),
        replicas: state.host.replica_counters(),
        disk_state: state.host.disk_state().code(),
        disk_free_bytes: state.host.disk_free_bytes(),
        clock_ahead_ms: state.host.clock().ahead_ms(),
        group_leaders: count(&|replica| replica.leader == own),
        leaderless_groups: count(&|replica| !replica.leader_alive),
        unreachable_nodes: peers.iter().filter(|peer| !peer.reachable).count(),
        silent_nodes: peers.iter().filter(|peer| !peer.alive).count(),
        invariant_violations: invariants::violations_total(),
        unsettled_groups,
        stuck_groups,
        clock_ms,
        directory_age_ms: directory.status().age_ms,
        catalogue_shows: placed - indexes,
        catalogue_groups: 1 + placed,
        rooms: rooms::rooms(&state.host, clock_ms),
        backlog: state.indexes.backlog(),
    };
    match state.metrics.render(sample) {
        Ok(text) => {
            let content_type = "text/plain; version=0.0.4; charset=utf-8";
            ([(header::CONTENT_TYPE, content_type)], text).into_response()
        }
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// A page of replicas: `?after=7` goes on behind group 7.
#[derive(Debug, Deserialize)]
struct Page {
    after: Option<u64>,
}

/// Replicas in one answer.
const REPLICAS_PER_PAGE: usize = 1_000;

async fn groups(State(state): State<DebugState>, Query(page): Query<Page>) -> Json<Value> {
    let mut replicas = state.host.replicas();
    replicas.retain(|replica| page.after.is_none_or(|after| replica.group.get() > after));
    replicas.sort_by_key(|replica| replica.group);
    let more = replicas.len() > REPLICAS_PER_PAGE;
    replicas.truncate(REPLICAS_PER_PAGE);
    let next = replicas.last().filter(|_| more);
    let next = next.map(|replica| replica.group.get());
    let groups: Vec<Value> = replicas
        .iter()
        .map(|replica| summary(&state.host, replica))
        .collect();
    Json(json!({ "node_id": state.host.node().get(), "groups": groups, "next_after": next }))
}

/// A replica with its Raft status while it is in memory; one on disk is not opened for being looked at.
fn summary(host: &Host, replica: &ReplicaSummary) -> Value {
    let group = replica.group;
    let raft = if group.is_directory() {
        Some(host.directory().status())
    } else {
        host.loaded_status(group)
    };
    json!({
        "group_id": group.get(),
        "memory": match (replica.loaded, replica.asleep) {
            (false, _) => "unloaded",
            (true, true) => "hibernating",
            (true, false) => "awake",
        },
        "leader": replica.leader.map(|node| node.get()),
        "leader_alive": replica.leader_alive,
        "raft": raft.as_ref().map(status),
    })
}

async fn group(State(state): State<DebugState>, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse::<GroupId>() else {
        return refuse(StatusCode::BAD_REQUEST, "not a group id such as g7");
    };
    if id.is_directory() {
        let directory = state.host.directory();
        let (counts, _) = directory.read(|d| {
            json!({
                "version": d.version(),
                "plans": d.plans().len(),
                "events": d.events().len(),
                "shows": d.shows_on_sale().count(),
                "buyer_indexes": d.buyer_indexes().count(),
                "nodes": d.nodes().len(),
            })
        });
        let body = json!({ "raft": status(&directory.status()), "directory": counts });
        return Json(body).into_response();
    }
    let Some(group) = state.host.loaded_show(ShowId(id.get())) else {
        return unloaded(&state.host, id);
    };
    let (show, as_of) = group.read(|state| {
        let counts = state.counts();
        json!({
            "set_up": state.is_set_up(),
            "clock_ms": state.clock_ms(),
            "seats": {
                "available": counts.seats.available,
                "held": counts.seats.held,
                "sold": counts.seats.sold,
                "blocked": counts.seats.blocked,
            },
            "holds_active": counts.holds_active,
            "orders": counts.orders,
            "requests_remembered": counts.requests_remembered,
            "outbox_pending": state.outbox_len(),
            "next_expiry_ms": state.next_expiry_ms(),
            "state_hash": format!("{:016x}", state.state_hash()),
        })
    });
    let raft = status(&group.status());
    Json(json!({ "raft": raft, "show": show, "index": as_of.index, "age_ms": as_of.age_ms }))
        .into_response()
}

async fn topology(State(state): State<DebugState>) -> Json<Value> {
    let peers: Vec<Value> = state
        .host
        .peers()
        .iter()
        .map(|peer| {
            json!({
                "node_id": peer.node.get(),
                "region": peer.region.as_str(),
                "addr": peer.addr,
                "last_heard_ms": peer.last_heard_ms,
                "reachable": peer.reachable,
            })
        })
        .collect();
    Json(json!({
        "node_id": state.host.node().get(),
        "peers": peers,
        "topology": state.host.topology().to_toml(),
    }))
}

fn status(status: &GroupStatus) -> Value {
    json!({
        "group_id": status.group.get(),
        "role": status.role.as_str(),
        "term": status.term,
        "leader": status.leader.map(|node| node.get()),
        "last_log_index": status.last_log_index,
        "applied_index": status.applied_index,
        "snapshot_index": status.snapshot_index,
        "purged_index": status.purged_index,
        "voters": status.voters.iter().map(|node| node.get()).collect::<Vec<_>>(),
        "learners": status.learners.iter().map(|node| node.get()).collect::<Vec<_>>(),
        "age_ms": status.age_ms,
    })
}

/// What is known of a replica that is not in memory.
fn unloaded(host: &Host, group: GroupId) -> Response {
    let show = ShowId(group.get());
    if !host.has_replica(show) {
        return refuse(
            StatusCode::NOT_FOUND,
            "this node has no replica of such a group",
        );
    }
    let leader = host.leader_of(show);
    Json(json!({
        "group_id": group.get(),
        "memory": "unloaded",
        "leader": leader.map(|node| node.get()),
        "leader_alive": leader.is_some_and(|node| host.is_alive(node)),
    }))
    .into_response()
}

fn refuse(code: StatusCode, reason: &str) -> Response {
    (code, Json(json!({ "status": "not ok", "reason": reason }))).into_response()
}
