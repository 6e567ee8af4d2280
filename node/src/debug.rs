//! What a process can be asked over HTTP: health, readiness, metrics, the state of its groups.
//!
//! | path | answers |
//! |---|---|
//! | `/healthz` | 200 while the process works; 503 when its disk has failed |
//! | `/readyz` | 200 when the directory is applied here and its quorum was heard lately, and the node is not draining |
//! | `/metrics` | Prometheus text |
//! | `/debug/groups`, `/debug/group/{id}` | Raft status, as JSON |
//! | `/debug/topology` | the topology as this node dials it, and how it sees the others |
//!
//! Owns: these answers. Must never: change anything, or show what buyers own.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use holdfast_inventory::{ids::ShowId, invariants};
use holdfast_raft::{GroupStatus, Host, Leadership};
use holdfast_region_config::GroupId;
use serde_json::{Value, json};

use crate::metrics::{Metrics, Sample};

/// The directory is current enough when its quorum was heard this lately. Longer than an election between far regions,
/// so that a change of its leader does not make every node unready.
const DIRECTORY_AGE_MS_MAX: u64 = 10_000;

/// What the HTTP side reads.
#[derive(Clone)]
pub struct DebugState {
    /// This node's groups.
    pub host: Host,
    /// Where everything is.
    /// Counters.
    pub metrics: Metrics,
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
    match state.host.disk_failure() {
        None => Json(json!({ "status": "ok" })).into_response(),
        Some(reason) => refuse(StatusCode::SERVICE_UNAVAILABLE, &reason),
    }
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
    if let Some(reason) = state.host.disk_failure() {
        return Some(reason);
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
    let shows = state.host.loaded_shows();
    let directory = state.host.directory().leadership();
    let leaderships = shows.iter().map(|group| *group.leadership().borrow());
    let leaderships: Vec<Leadership> = leaderships.chain([*directory.borrow()]).collect();
    let count = |wanted: fn(&Leadership) -> bool| leaderships.iter().filter(|l| wanted(l)).count();
    let peers = state.host.peers();
    let sample = Sample {
        log: state.host.log_counters(),
        snapshots: state.host.snapshot_stats(),
        replicas: state.host.replica_counters(),
        disk_failed: state.host.disk_failure().is_some(),
        groups: leaderships.len(),
        group_leaders: count(|l| l.leads),
        leaderless_groups: count(|l| l.leader.is_none()),
        unreachable_nodes: peers.iter().filter(|peer| !peer.reachable).count(),
        invariant_violations: invariants::violations_total(),
    };
    match state.metrics.render(sample) {
        Ok(text) => {
            let content_type = "text/plain; version=0.0.4; charset=utf-8";
            ([(header::CONTENT_TYPE, content_type)], text).into_response()
        }
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

async fn groups(State(state): State<DebugState>) -> Json<Value> {
    let mut groups = vec![status(&state.host.directory().status())];
    groups.extend(
        state
            .host
            .loaded_shows()
            .iter()
            .map(|group| status(&group.status())),
    );
    Json(json!({ "node_id": state.host.node().get(), "groups": groups }))
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
                "shows": d.shows().len(),
                "nodes": d.nodes().len(),
            })
        });
        let body = json!({ "raft": status(&directory.status()), "directory": counts });
        return Json(body).into_response();
    }
    let Some(group) = state.host.loaded_show(ShowId(id.get())) else {
        return refuse(
            StatusCode::NOT_FOUND,
            "this node has not opened such a group",
        );
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

fn refuse(code: StatusCode, reason: &str) -> Response {
    (code, Json(json!({ "status": "not ok", "reason": reason }))).into_response()
}
