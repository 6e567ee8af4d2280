//! The Directory service: the catalogue from local memory, changes through whoever leads group 0.
//!
//! Owns: catalogue messages, and the checks of a change that need this node's topology. Must never: cross the network
//! for a read.

use std::{collections::BTreeSet, pin::Pin};

use futures_util::{Stream, StreamExt};
use holdfast_inventory::{
    ids::{CategoryNo, Currency, SeatNo},
    show::{Area, SaleRules, Seat, SingleSeatRule},
};
use holdfast_node_api::{
    client::NodeClient,
    codes,
    v1::{self, directory_server::Directory},
};
use holdfast_raft::{
    Host,
    directory::{
        DirectoryCommand, DirectoryOutcome, DirectoryRejection, NewEvent, NewPlan, NewShow,
    },
};
use holdfast_region_config::placement::GoalError;
use holdfast_region_config::{
    GroupId, Jurisdiction, Placement, PlacementError, PlacementRequest, RegionId, SurvivalGoal,
    Topology, place_for, strongest_goal,
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status, metadata::MetadataValue};

use super::{catalogue::catalogue, catalogue_watch, convert, read, status};
use crate::{
    directory_client::{ChangeError, Changed, DirectoryDesk, FORWARDED_KEY, Forwarded},
    plan::{self, SeatingPlan},
};

/// The Directory service of this node.
#[derive(Clone)]
pub struct DirectoryService {
    host: Host,
    desk: DirectoryDesk,
    /// Ends the watches.
    stop: CancellationToken,
}

type Changes = Pin<Box<dyn Stream<Item = Result<v1::Catalogue, Status>> + Send>>;

impl DirectoryService {
    /// Serves the directory of `host`; watches end with `stop`.
    #[must_use]
    pub fn new(host: Host, desk: DirectoryDesk, stop: CancellationToken) -> Self {
        Self { host, desk, stop }
    }

    async fn change<R, F>(
        &self,
        command: DirectoryCommand,
        forwarded: bool,
        forward: impl Fn(NodeClient) -> F,
    ) -> Result<Changed<R>, Status>
    where
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let pass_on = (!forwarded).then_some(|client| {
            let call = forward(client);
            async { outcome_of(call.await) }
        });
        match self.desk.change(command, pass_on).await {
            Ok(Ok(changed)) => Ok(changed),
            Ok(Err(refusal)) => Err(refusal),
            Err(error) => Err(change_refused(&error)),
        }
    }

    fn new_show(&self, request: v1::CreateShowRequest) -> Result<DirectoryCommand, Status> {
        let home = RegionId::new(request.home_region.as_str())
            .map_err(|error| invalid("home_region", &error.to_string()))?;
        let single_seat = single_seat_rule(&request.single_seat_rule)?;
        let currency = Currency::parse(&request.currency)
            .ok_or_else(|| invalid("currency", "must be an ISO 4217 code such as EUR"))?;
        // The number decides only which node of a region serves; a guess that another create overtakes is as good.
        let (number, _) = self.host.directory().read(|directory| {
            let last = directory.shows_on_sale().next_back();
            last.map_or(1, |last| last.show_id.get() + 1)
        });
        let jurisdictions = jurisdictions(&request.jurisdictions)?;
        let topology = self.host.topology();
        let mut wanted = PlacementRequest {
            jurisdictions: jurisdictions.clone(),
            unavailable: self.host.unavailable_nodes(),
            ..PlacementRequest::new(home.clone(), GroupId::new(number))
        };
        let unplaceable = |error: PlacementError| invalid("home_region", &error.to_string());
        // Not asked for means the strongest there is: what is kept is the same on every day, so that a repeat is one.
        let goal = match request.survival_goal.as_str() {
            "" => {
                wanted.goal = strongest_goal(&topology, &wanted).map_err(unplaceable)?;
                SurvivalGoal::default()
            }
            text => {
                let parsed: Result<SurvivalGoal, GoalError> = text.parse();
                wanted.goal =
                    parsed.map_err(|error| invalid("survival_goal", &error.to_string()))?;
                wanted.goal
            }
        };
        let placement = place_now(&topology, &mut wanted).map_err(unplaceable)?;
        let show = NewShow {
            slug: request.slug,
            event_id: request.event_id,
            plan_id: request.plan_id,
            venue: request.venue,
            city: request.city,
            country: request.country,
            starts_at_ms: request.starts_at_ms,
            time_zone: request.time_zone,
            local_date: request.local_date,
            local_time: request.local_time,
            home_region: home,
            currency,
            price_minor: request.price_minor.into_iter().collect(),
            goal,
            jurisdictions,
            rules: SaleRules {
                opens_at_ms: request.sale_opens_at_ms,
                closes_at_ms: request.sale_closes_at_ms,
                seats_per_order_max: request.seats_per_order_max,
                seats_per_buyer_max: request.seats_per_buyer_max,
                single_seat,
                hold_ttl_ms: request.hold_ttl_ms,
                hold_ttl_max_ms: request.hold_ttl_max_ms,
            },
        };
        Ok(DirectoryCommand::CreateShow {
            show: Box::new(show),
            leader_preference: placement.leader_preference,
            voters: placement.voters,
            learners: placement.learners,
        })
    }
}

#[tonic::async_trait]
impl Directory for DirectoryService {
    type WatchCatalogueStream = Changes;

    async fn get_catalogue(
        &self,
        request: Request<v1::GetCatalogueRequest>,
    ) -> Result<Response<v1::Catalogue>, Status> {
        let options = request.into_inner().read;
        let directory = self.host.directory();
        let mut linearizable = false;
        if let Some(options) = &options {
            if options.at_least_index > 0 {
                let wait =
                    directory.wait_applied(options.at_least_index, read::AT_LEAST_INDEX_WAIT);
                wait.await.map_err(|error| read::refused(&error))?;
            }
            if options.linearizable {
                directory
                    .read_linearizable()
                    .await
                    .map_err(|error| read::refused(&error))?;
                linearizable = true;
            }
        }
        let (catalogue, as_of) = directory.read(catalogue);
        read::check_age(as_of, options.as_ref())?;
        let as_of = Some(convert::as_of(as_of, linearizable));
        Ok(Response::new(v1::Catalogue { as_of, ..catalogue }))
    }

    async fn watch_catalogue(
        &self,
        request: Request<v1::WatchCatalogueRequest>,
    ) -> Result<Response<Changes>, Status> {
        let since = request.into_inner().since_version;
        let changes = catalogue_watch::changes(self.host.directory(), since);
        let changes = changes.take_until(self.stop.clone().cancelled_owned());
        Ok(Response::new(Box::pin(changes)))
    }

    async fn import_plan(
        &self,
        request: Request<v1::ImportPlanRequest>,
    ) -> Result<Response<v1::ImportPlanReply>, Status> {
        let (forwarded, request) = taken(request);
        // A large hall takes a while to check: not on a thread that heartbeats need.
        let plan_json = request.plan_json.clone();
        let parsed = tokio::task::spawn_blocking(move || plan::parse(&plan_json)).await;
        let plan = match parsed.map_err(|_| Status::internal("the plan's check ended early"))? {
            Ok(plan) => plan,
            Err(problems) => {
                let problems = problems.into_iter().map(|problem| v1::PlanProblem {
                    path: problem.path,
                    problem: problem.problem,
                    expected: problem.expected,
                });
                let problems = problems.collect();
                return Ok(Response::new(v1::ImportPlanReply {
                    problems,
                    ..Default::default()
                }));
            }
        };
        let command = DirectoryCommand::ImportPlan(Box::new(new_plan(request.slug.clone(), plan)));
        let forward = |client: NodeClient| {
            let request = passed_on(request.clone());
            async move { client.directory().import_plan(request).await }
        };
        match self.change(command, forwarded, forward).await? {
            Changed::There(reply) => Ok(Response::new(reply)),
            Changed::Here(DirectoryOutcome::Plan { plan_id, existed }) => {
                let problems = Vec::new();
                Ok(Response::new(v1::ImportPlanReply {
                    plan_id,
                    existed,
                    problems,
                }))
            }
            Changed::Here(other) => Err(unexpected(other)),
        }
    }

    async fn create_event(
        &self,
        request: Request<v1::CreateEventRequest>,
    ) -> Result<Response<v1::CreateEventReply>, Status> {
        let (forwarded, request) = taken(request);
        let v1::CreateEventRequest {
            slug,
            name,
            category,
            description,
        } = request.clone();
        let command = DirectoryCommand::CreateEvent(NewEvent {
            slug,
            name,
            category,
            description,
        });
        let forward = |client: NodeClient| {
            let request = passed_on(request.clone());
            async move { client.directory().create_event(request).await }
        };
        match self.change(command, forwarded, forward).await? {
            Changed::There(reply) => Ok(Response::new(reply)),
            Changed::Here(DirectoryOutcome::Event { event_id, existed }) => {
                Ok(Response::new(v1::CreateEventReply { event_id, existed }))
            }
            Changed::Here(other) => Err(unexpected(other)),
        }
    }

    async fn create_show(
        &self,
        request: Request<v1::CreateShowRequest>,
    ) -> Result<Response<v1::CreateShowReply>, Status> {
        let (forwarded, request) = taken(request);
        let command = self.new_show(request.clone())?;
        let forward = |client: NodeClient| {
            let request = passed_on(request.clone());
            async move { client.directory().create_show(request).await }
        };
        match self.change(command, forwarded, forward).await? {
            Changed::There(reply) => Ok(Response::new(reply)),
            Changed::Here(DirectoryOutcome::Show {
                show_id,
                group_id,
                existed,
            }) => Ok(Response::new(v1::CreateShowReply {
                show_id: show_id.get(),
                group_id: group_id.get(),
                existed,
            })),
            Changed::Here(other) => Err(unexpected(other)),
        }
    }
}

/// Places a new group without the nodes that are out; when its goal cannot be kept without them, with them: it begins as soon
/// as a majority is there, and is moved as soon as there is somewhere to go.
pub(crate) fn place_now(
    topology: &Topology,
    wanted: &mut PlacementRequest,
) -> Result<Placement, PlacementError> {
    match place_for(topology, wanted) {
        Err(PlacementError::GoalOutOfReach { .. }) if !wanted.unavailable.is_empty() => {
            wanted.unavailable.clear();
            place_for(topology, wanted)
        }
        placed => placed,
    }
}

fn jurisdictions(names: &[String]) -> Result<BTreeSet<Jurisdiction>, Status> {
    let parse = |name: &String| {
        Jurisdiction::new(name.as_str())
            .map_err(|error| invalid("jurisdictions", &error.to_string()))
    };
    names.iter().map(parse).collect()
}

fn single_seat_rule(text: &str) -> Result<SingleSeatRule, Status> {
    if text.is_empty() {
        return Ok(SingleSeatRule::default());
    }
    let expected = "must be \"strict\", \"lenient\" or \"off\"";
    SingleSeatRule::parse(text).ok_or_else(|| invalid("single_seat_rule", expected))
}

/// Whether another node passed the request on, and the request.
pub(super) fn taken<T>(request: Request<T>) -> (bool, T) {
    let forwarded = request.metadata().contains_key(FORWARDED_KEY);
    (forwarded, request.into_inner())
}

/// The request, marked so that nobody passes it on again.
pub(crate) fn passed_on<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert(FORWARDED_KEY, MetadataValue::from_static("1"));
    request
}

/// Sorts a forwarded call's end: only a leader's word is final.
pub(crate) fn outcome_of<R>(call: Result<Response<R>, Status>) -> Forwarded<R, Status> {
    match call {
        Ok(reply) => Forwarded::Reply(reply.into_inner()),
        Err(status) => match status.code() {
            // A leader that cannot decide says so by a code of its own; this one is about what was asked.
            Code::FailedPrecondition if public_code(&status) != Some("not_leader") => {
                Forwarded::Refused(status)
            }
            Code::InvalidArgument
            | Code::AlreadyExists
            | Code::NotFound
            | Code::ResourceExhausted => Forwarded::Refused(status),
            _ => Forwarded::TryAgain,
        },
    }
}

fn public_code(status: &Status) -> Option<&'static str> {
    codes::of_status(status).map(|row| row.code)
}

/// A change that no leader decided.
pub(super) fn change_refused(error: &ChangeError) -> Status {
    match error {
        ChangeError::Unavailable => status(Code::Unavailable, "unavailable", error.to_string()),
        ChangeError::NotLeader => status(Code::FailedPrecondition, "not_leader", error.to_string()),
        ChangeError::TooLarge(_) => status(Code::InvalidArgument, "invalid", error.to_string()),
    }
}

pub(super) fn unexpected(outcome: DirectoryOutcome) -> Status {
    let DirectoryOutcome::Rejected(rejection) = outcome else {
        return status(
            Code::Internal,
            "internal",
            "the directory answered another question",
        );
    };
    let code = match rejection {
        DirectoryRejection::SlugTaken { .. } => Code::AlreadyExists,
        DirectoryRejection::EventUnknown { .. }
        | DirectoryRejection::PlanUnknown { .. }
        | DirectoryRejection::ShowUnknown { .. }
        | DirectoryRejection::NodeUnknown { .. }
        | DirectoryRejection::RegionUnknown { .. } => Code::NotFound,
        DirectoryRejection::NodeRemoved { .. }
        | DirectoryRejection::DiskChanged { .. }
        | DirectoryRejection::NodeInUse { .. }
        | DirectoryRejection::ReplicaLeaving { .. }
        | DirectoryRejection::LastRegion { .. }
        | DirectoryRejection::StaleGeneration { .. } => Code::FailedPrecondition,
        DirectoryRejection::Invalid { .. } => Code::InvalidArgument,
        DirectoryRejection::Full { .. } => Code::ResourceExhausted,
    };
    debug_assert!(
        codes::find(rejection.code()).is_some(),
        "every public code is in the table"
    );
    status(code, rejection.code(), rejection.to_string())
}

pub(super) fn invalid(field: &str, reason: &str) -> Status {
    status(
        Code::InvalidArgument,
        "invalid",
        format!("{field}: {reason}"),
    )
}

fn new_plan(slug: String, plan: SeatingPlan) -> NewPlan {
    let seats = plan.seats.into_iter().map(|seat| Seat {
        id: seat.id,
        zone: seat.zone,
        row: seat.row,
        number: seat.number,
        category: CategoryNo(seat.category),
        x: seat.x,
        y: seat.y,
        accessible: seat.accessible,
        companion_of: seat.companion_of.map(SeatNo),
    });
    let areas = plan.areas.into_iter().map(|area| Area {
        id: area.id,
        name: area.name,
        category: CategoryNo(area.category),
        capacity: area.capacity,
        x: area.x,
        y: area.y,
    });
    NewPlan {
        slug,
        name: plan.name,
        width: plan.width,
        height: plan.height,
        categories: plan
            .categories
            .into_iter()
            .map(|c| (c.name, c.color))
            .collect(),
        seats: seats.collect(),
        areas: areas.collect(),
    }
}
