//! `holdfastctl queue`: the waiting room of a show.
//!
//! Owns: what an operator may ask of it, and how it is shown. Must never: show a seed that the show does not.

use std::time::Duration;

use clap::Subcommand;
use holdfast_node_api::client::{ClientOptions, NodeClient};
use holdfast_node_api::queue::{hex, show_key};
use holdfast_node_api::refs::ShowRef;
use holdfast_node_api::v1::{
    ChangeRoom, FailureCode, GetRoomRequest, OpenRoom, Room, RoomConfig, SubmitReply,
    SubmitRequest, change_room::Change, submit_reply, submit_request::Command as Wire,
};
use holdfast_raft::{Clock as _, SystemClock};
use serde_json::json;

use super::answer::age;
use super::connect::Node;
use super::{Answer, Failure, Target};

/// The caller of an operator's commands; no buyer has it, because theirs are random.
const OPERATOR: [u8; 16] = *b"holdfastctl-oper";
/// How often a change is taken from one node to the next before it is given up: longer than an election takes.
const TRIES_MAX: u32 = 40;
/// Between two tries.
const TRY_PAUSE: Duration = Duration::from_millis(250);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Put a waiting room before a show's sale; the same room again changes nothing
    Open {
        /// The show, such as s7
        show: ShowRef,
        /// When people may begin to join the draw: a time in ms since 1970-01-01 UTC, or +SECONDS from now
        #[arg(long, value_name = "TIME", default_value = "+0", value_parser = time_ms)]
        opens_at: u64,
        /// When the draw is made and people are let in: as --opens-at
        #[arg(long, value_name = "TIME", value_parser = time_ms)]
        sale_at: u64,
        /// People inside at once
        #[arg(long, value_name = "PEOPLE")]
        capacity: u32,
        /// People let in per minute, at most
        #[arg(long, value_name = "PEOPLE")]
        rate: u32,
        /// How long a place that was reached can be claimed, seconds; 0 = 600
        #[arg(long, value_name = "S", default_value_t = 0)]
        claim_window_s: u64,
        /// How long a pass is good for its hold, seconds; 0 = 600
        #[arg(long, value_name = "S", default_value_t = 0)]
        pass_s: u64,
    },
    /// Let nobody in until further notice; who is inside goes on, who waits keeps their place
    Pause {
        /// The show, such as s7
        show: ShowRef,
    },
    /// Let people in again
    Resume {
        /// The show, such as s7
        show: ShowRef,
    },
    /// Change how many people are let in per minute, and how many may be inside
    Rate {
        /// The show, such as s7
        show: ShowRef,
        /// People per minute
        per_minute: u32,
        /// People inside at once; as before when left out
        #[arg(long, value_name = "PEOPLE")]
        capacity: Option<u32>,
    },
    /// Take the room away for good: the show sells to everybody
    End {
        /// The show, such as s7
        show: ShowRef,
    },
    /// How many wait, how many are inside, how far the line has come
    Status {
        /// The show, such as s7
        show: ShowRef,
    },
}

/// `1804274000000` or `+90`.
fn time_ms(text: &str) -> Result<u64, String> {
    let bad = || format!("{text:?} is neither a time in ms nor +SECONDS");
    match text.strip_prefix('+') {
        None => text.parse().map_err(|_| bad()),
        Some(seconds) => {
            let seconds: u64 = seconds.parse().map_err(|_| bad())?;
            let now_ms = SystemClock.now_ms();
            Ok(now_ms.saturating_add(seconds.saturating_mul(1_000)))
        }
    }
}

pub(super) async fn run(command: &Command, target: &Target) -> Result<Answer, Failure> {
    let node = target.node()?;
    let change = |change| {
        Wire::ChangeRoom(ChangeRoom {
            change: Some(change),
        })
    };
    let (show, commands) = match command {
        Command::Open {
            show,
            opens_at,
            sale_at,
            capacity,
            rate,
            claim_window_s,
            pass_s,
        } => {
            let config = RoomConfig {
                opens_at_ms: *opens_at,
                sale_at_ms: *sale_at,
                capacity: *capacity,
                rate_per_min: *rate,
                claim_window_ms: claim_window_s.saturating_mul(1_000),
                pass_ttl_ms: pass_s.saturating_mul(1_000),
            };
            let open = OpenRoom {
                config: Some(config),
            };
            (show, vec![Wire::OpenRoom(open)])
        }
        Command::Pause { show } => (show, vec![change(Change::Pause(true))]),
        Command::Resume { show } => (show, vec![change(Change::Resume(true))]),
        Command::End { show } => (show, vec![change(Change::End(true))]),
        Command::Rate {
            show,
            per_minute,
            capacity,
        } => {
            let rate = change(Change::RatePerMin(*per_minute));
            let capacity = capacity.map(|people| change(Change::Capacity(people)));
            (show, [Some(rate), capacity].into_iter().flatten().collect())
        }
        Command::Status { show } => return Ok(status(*show, &room(&node, *show, 0).await?)),
    };
    let mut index = 0;
    for command in commands {
        index = tell(&node, *show, command, false).await?;
    }
    Ok(status(*show, &room(&node, *show, index).await?))
}

/// The room as the node's replica has it once it has seen `at_least_index`.
async fn room(node: &Node, show: ShowRef, at_least_index: u64) -> Result<Room, Failure> {
    let read = holdfast_node_api::v1::ReadOptions {
        at_least_index,
        ..Default::default()
    };
    let request = GetRoomRequest {
        show_id: show.0,
        read: Some(read),
    };
    let mut rooms = node.client.waiting_rooms();
    node.ask(rooms.get_room(request)).await
}

/// Opens the room of a show that was created just now, once its seats are loaded.
pub(super) async fn open_new(
    node: &Node,
    show: ShowRef,
    config: RoomConfig,
) -> Result<(), Failure> {
    let open = OpenRoom {
        config: Some(config),
    };
    let opened = tell(node, show, Wire::OpenRoom(open), true).await;
    opened.map(drop)
}

/// Takes one command to whoever leads the show; gives the log index of its answer. Every command here is the same when it
/// is repeated. A new show may not be known everywhere yet.
async fn tell(node: &Node, show: ShowRef, command: Wire, new: bool) -> Result<u64, Failure> {
    let request = SubmitRequest {
        show_id: show.0,
        caller: OPERATOR.to_vec().into(),
        idempotency_key: "queue".to_owned(),
        command: Some(command),
        ..SubmitRequest::default()
    };
    let mut leader: Option<NodeClient> = None;
    let mut refused = None;
    for _ in 0..TRIES_MAX {
        let client = leader.take().unwrap_or_else(|| node.client.clone());
        let reply = node.ask(client.inventory().submit(request.clone())).await?;
        match said(node, &reply, new) {
            Ok(()) => return Ok(reply.index),
            Err((failure, None)) => return Err(failure),
            Err((failure, Some(elsewhere))) => {
                refused = Some(failure);
                leader = client_of(node, elsewhere).await?;
                tokio::time::sleep(TRY_PAUSE).await;
            }
        }
    }
    Err(refused.unwrap_or(Failure::NoNode))
}

/// What a reply comes to; with the node to ask next when another might know better (0 = not known).
fn said(node: &Node, reply: &SubmitReply, new: bool) -> Result<(), (Failure, Option<u64>)> {
    match &reply.result {
        Some(submit_reply::Result::RoomChanged(_)) => Ok(()),
        Some(submit_reply::Result::Rejection(no)) => {
            Err((node.refused(&no.code, &no.message), None))
        }
        Some(submit_reply::Result::Failure(failure)) => {
            let code = holdfast_node_api::codes::of_failure(failure.code());
            let next = match failure.code() {
                FailureCode::UnknownShow if new => Some(0),
                FailureCode::Invalid | FailureCode::UnknownShow => None,
                _ => Some(failure.leader_node_id),
            };
            Err((node.refused(code, &failure.message), next))
        }
        _ => Err((
            node.refused("internal", "an answer to something else"),
            None,
        )),
    }
}

/// A client of another node of the cluster, by the addresses that the asked one knows.
async fn client_of(node: &Node, id: u64) -> Result<Option<NodeClient>, Failure> {
    let mut cluster = node.client.cluster();
    let nodes = node
        .ask(cluster.list_nodes(holdfast_node_api::v1::ListNodesRequest::default()))
        .await?;
    let found = nodes.nodes.iter().find(|known| known.node_id == id);
    Ok(found.and_then(|known| NodeClient::new(&known.addr, &ClientOptions::default()).ok()))
}

/// In which state the room is, by the shard's clock; the words of `docs/waiting-room.md`.
fn state(room: &Room) -> &'static str {
    let Some(config) = room.config else {
        return "none";
    };
    if room.ended {
        "ended"
    } else if room.seed.is_empty() {
        if room.now_ms < config.opens_at_ms {
            "closed"
        } else if room.now_ms < config.sale_at_ms {
            "prequeue"
        } else {
            "drawing"
        }
    } else if room.paused {
        "paused"
    } else if room.places_free == 0 && room.places_held == 0 {
        "sold_out"
    } else if room.places_free < u64::from(config.capacity) {
        "low"
    } else {
        "serving"
    }
}

fn status(show: ShowRef, room: &Room) -> Answer {
    let Some(config) = room.config else {
        return Answer {
            text: format!("{show} has no waiting room"),
            json: json!({"show": show.to_string(), "state": "none"}),
            well: true,
        };
    };
    let as_of = room.as_of.unwrap_or_default();
    let threshold = show_key(room.threshold.map_or(0, |at| at.key()));
    let state = state(room);
    let text = format!(
        "{show} waiting room: {state}, change {}, {} old\n\
         waiting    {} in line, {} let in per minute of late (at most {})\n\
         inside     {} of {}; {} passes given\n\
         line       up to {threshold}\n\
         places     {} free, {} held; {} on the waitlist\n\
         commit     {}",
        room.seq,
        age(as_of.age_ms),
        room.waiting,
        room.per_min,
        config.rate_per_min,
        room.inside,
        config.capacity,
        room.claimed,
        room.places_free,
        room.places_held,
        room.waitlisted,
        hex(&room.commit),
    );
    let json = json!({
        "show": show.to_string(), "state": state, "seq": room.seq, "age_ms": as_of.age_ms, "waiting": room.waiting,
        "per_min": room.per_min, "rate_per_min": config.rate_per_min, "inside": room.inside,
        "capacity": config.capacity, "passes": room.claimed, "threshold": threshold, "opens_at_ms": config.opens_at_ms,
        "sale_at_ms": config.sale_at_ms, "claim_window_ms": config.claim_window_ms, "places_free": room.places_free,
        "places_held": room.places_held, "waitlisted": room.waitlisted, "commit": hex(&room.commit),
        "revealed": !room.seed.is_empty(),
    });
    Answer {
        text,
        json,
        well: true,
    }
}
