//! Waiting rooms on the wire: the room as anybody may see it, and what gateways report.
//!
//! Owns: field-by-field meaning. Must never: put a seed on the wire before the shard reveals it.

use holdfast_inventory::{
    command::Command,
    ids::{PassId, ShowId},
    room::{ClaimPass, LineKey, RoomChange, RoomConfig, RoomView},
};
use holdfast_node_api::{
    queue::{Line, REPORT_POINTS_MAX},
    v1::{self, LinePoint, change_room::Change, waiting_rooms_server::WaitingRooms},
};
use holdfast_raft::Host;
use tonic::{Code, Request, Response, Status};

use super::{convert, read, status};
use crate::{
    room::{
        self,
        reports::{Report, Reports},
    },
    submission::SubmitFailure,
};

fn invalid(field: &'static str, reason: impl Into<String>) -> SubmitFailure {
    SubmitFailure::Invalid {
        field,
        reason: reason.into(),
    }
}

/// The number of a pass.
pub(super) fn pass(field: &'static str, bytes: &[u8]) -> Result<PassId, SubmitFailure> {
    let found = bytes.len();
    let bytes = bytes
        .try_into()
        .map_err(|_| invalid(field, format!("must be 16 bytes, got {found}")))?;
    Ok(PassId(bytes))
}

/// A room to be opened. Its seed is made here, by the node that was asked; only the one that leads writes it.
pub(super) fn open(open: v1::OpenRoom) -> Result<Command, SubmitFailure> {
    let config = open
        .config
        .ok_or_else(|| invalid("open_room.config", "missing"))?;
    let config = RoomConfig {
        opens_at_ms: config.opens_at_ms,
        sale_at_ms: config.sale_at_ms,
        capacity: config.capacity,
        rate_per_min: config.rate_per_min,
        claim_window_ms: config.claim_window_ms,
        pass_ttl_ms: config.pass_ttl_ms,
    };
    Ok(Command::OpenRoom(Box::new(room::with_seed(config))))
}

/// A change of a room.
pub(super) fn change(change: v1::ChangeRoom) -> Result<Command, SubmitFailure> {
    let no = || invalid("change_room.change", "must be true, or left out");
    let change = change
        .change
        .ok_or_else(|| invalid("change_room.change", "missing"))?;
    Ok(Command::ChangeRoom(match change {
        Change::Pause(true) => RoomChange::Pause,
        Change::Resume(true) => RoomChange::Resume,
        Change::End(true) => RoomChange::End,
        Change::Pause(false) | Change::Resume(false) | Change::End(false) => return Err(no()),
        Change::RatePerMin(per_min) => RoomChange::Rate { per_min },
        Change::Capacity(people) => RoomChange::Capacity { people },
    }))
}

/// A claim.
pub(super) fn claim(claim: &v1::ClaimPass) -> Result<Command, SubmitFailure> {
    let key = claim
        .key
        .ok_or_else(|| invalid("claim_pass.key", "missing"))?;
    Ok(Command::ClaimPass(ClaimPass {
        pass: pass("claim_pass.pass", &claim.pass)?,
        key: LineKey(key.key()),
    }))
}

/// A room as anybody may see it.
fn message(view: &RoomView) -> v1::Room {
    let config = &view.config;
    let passed = view.passed.iter();
    let line = view.line.iter();
    v1::Room {
        as_of: None,
        config: Some(v1::RoomConfig {
            opens_at_ms: config.opens_at_ms,
            sale_at_ms: config.sale_at_ms,
            capacity: config.capacity,
            rate_per_min: config.rate_per_min,
            claim_window_ms: config.claim_window_ms,
            pass_ttl_ms: config.pass_ttl_ms,
        }),
        commit: view.commit.to_vec().into(),
        seed: view
            .seed
            .map_or_else(Vec::new, |seed| seed.0.to_vec())
            .into(),
        seq: view.seq,
        paused: view.paused,
        ended: view.ended,
        threshold: Some(LinePoint::at(view.threshold.0, 0)),
        passed: passed.map(|(at, to)| LinePoint::at(to.0, *at)).collect(),
        passed_before: Some(LinePoint::at(view.passed_before.0, 0)),
        stalled_until_ms: view.stalled_until_ms,
        waiting: view.waiting,
        per_min: view.per_min,
        line: line.map(|p| LinePoint::at(p.key.0, p.count)).collect(),
        inside: view.inside,
        claimed: view.claimed,
        waitlisted: view.waitlisted,
        places_free: view.places_free,
        places_held: view.places_held,
        now_ms: 0,
    }
}

/// The WaitingRooms service of this node.
#[derive(Clone)]
pub struct WaitingRoomsService {
    host: Host,
    reports: Reports,
}

impl WaitingRoomsService {
    /// Serves the groups of `host`; what gateways report goes into `reports`.
    #[must_use]
    pub fn new(host: Host, reports: Reports) -> Self {
        Self { host, reports }
    }
}

#[tonic::async_trait]
impl WaitingRooms for WaitingRoomsService {
    async fn get_room(
        &self,
        request: Request<v1::GetRoomRequest>,
    ) -> Result<Response<v1::Room>, Status> {
        let request = request.into_inner();
        let read::Reading { group, .. } = &read::group(&self.host, request.show_id).await?;
        let linearizable = read::wait(group, request.read.as_ref()).await?;
        let ((view, now_ms), as_of) = group.read(|state| (state.room_view(), state.clock_ms()));
        read::check_age(as_of, request.read.as_ref())?;
        let room = view.as_ref().map(message).unwrap_or_default();
        Ok(Response::new(v1::Room {
            as_of: Some(convert::as_of(as_of, linearizable)),
            now_ms,
            ..room
        }))
    }

    async fn report_queue(
        &self,
        request: Request<v1::QueueReport>,
    ) -> Result<Response<v1::QueueReportReply>, Status> {
        let report = request.into_inner();
        let show = ShowId(report.show_id);
        let leads = self
            .host
            .loaded_show(show)
            .is_some_and(|group| group.leadership().borrow().leads);
        if !leads {
            let message = format!("show {show} is not led here");
            return Err(status(Code::FailedPrecondition, "not_leader", message));
        }
        let bad = |reason: &str| status(Code::InvalidArgument, "invalid", reason);
        if report.line.len() > REPORT_POINTS_MAX {
            return Err(bad("line: too many points"));
        }
        let line = Line::from_wire(&report.line).ok_or_else(|| bad("line: must ascend"))?;
        let taken = Report {
            seq: report.seq,
            line,
            undrawn: report.undrawn,
        };
        if self.reports.take(show, report.reporter, taken) {
            Ok(Response::new(v1::QueueReportReply {}))
        } else {
            let message = "too many gateways or shows report here";
            Err(status(Code::ResourceExhausted, "overloaded", message))
        }
    }
}
