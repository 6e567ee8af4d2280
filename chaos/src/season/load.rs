//! Puts a season into a running cluster through the directory service of any node.
//!
//! Owns: retries while a new cluster elects its first leaders. Must never: retry what was refused.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use holdfast_node_api::client::{BadAddress, ClientOptions, NodeClient};
use holdfast_node_api::v1::{
    CreateEventRequest, CreateShowRequest, ImportPlanRequest, ShowStatusRequest,
};
use holdfast_region_config::Topology;
use tokio::time::{Instant, sleep};
use tonic::{Code, Status};

use super::file::{EventEntry, PlanEntry, Season, ShowEntry};

/// How long each step may take before loading gives up.
const STEP_TIMEOUT: Duration = Duration::from_secs(60);
/// Shows being created at one time.
const IN_FLIGHT: usize = 16;
/// Pause between two tries.
const RETRY_PAUSE: Duration = Duration::from_millis(150);

/// A show that is on sale.
#[derive(Debug, Clone)]
pub struct LoadedShow {
    /// Number of the show, as on the wire.
    pub show_id: u64,
    /// Slug in the season.
    pub slug: String,
    /// Event, house, city and date: for people.
    pub name: String,
    /// Where its leader should be.
    pub home_region: String,
    /// Seats and general-admission places together.
    pub places: u64,
    /// Whether it was there before.
    pub existed: bool,
}

/// Why a season is not in the cluster.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A node refused or did not answer in time.
    #[error("{what}: {}", status.message())]
    Refused {
        /// What was asked.
        what: String,
        /// What the node said last.
        status: Box<Status>,
    },
    /// The plan's problems, as the node sees them.
    #[error("plan {slug} is refused: {problems}")]
    Plan {
        /// Which.
        slug: String,
        /// Path, problem and what was expected, of each.
        problems: String,
    },
    /// An address of the topology cannot be dialled.
    #[error(transparent)]
    Address(#[from] BadAddress),
    /// A show exists and nobody leads it.
    #[error("show {slug} does not get ready")]
    NotReady {
        /// Which.
        slug: String,
    },
}

/// Creates what is missing and waits until every show is ready. `step` is told what is being done.
///
/// # Errors
/// Every kind of [`LoadError`].
pub async fn load(
    season: &Season,
    node: &NodeClient,
    topology: &Topology,
    mut step: impl FnMut(&str),
) -> Result<Vec<LoadedShow>, LoadError> {
    let mut plans = BTreeMap::new();
    for plan in &season.plans {
        step(&format!("plan {}", plan.slug));
        plans.insert(plan.slug.as_str(), import_plan(node, plan).await?);
    }
    let mut events = BTreeMap::new();
    for event in &season.events {
        step(&format!("event {}", event.slug));
        events.insert(
            event.slug.as_str(),
            (create_event(node, event).await?, event.name.as_str()),
        );
    }
    step(&format!("{} shows", season.shows.len()));
    let creating = season.shows.iter().map(|show| {
        let (event_id, event_name) = events[show.event.as_str()];
        let request = show_request(show, event_id, plans[show.plan.as_str()], topology);
        create_show(node, request, event_name)
    });
    // Each takes several commits between regions; in order, so that a place in the season is a place in the result.
    let mut loaded: Vec<LoadedShow> = stream::iter(creating)
        .buffered(IN_FLIGHT)
        .try_collect()
        .await?;
    let replicas = everyone(topology)?;
    for show in &mut loaded {
        step(&format!("waiting for {}", show.slug));
        show.places = wait_ready(&replicas, show).await?;
    }
    Ok(loaded)
}

pub(crate) async fn import_plan(node: &NodeClient, plan: &PlanEntry) -> Result<u64, LoadError> {
    let request = ImportPlanRequest {
        slug: plan.slug.clone(),
        plan_json: plan.json.clone(),
    };
    let reply = patiently(&format!("import plan {}", plan.slug), || {
        let (request, mut directory) = (request.clone(), node.directory());
        async move { directory.import_plan(request).await }
    })
    .await?;
    if reply.plan_id == 0 {
        let problems = reply.problems.iter();
        let problems =
            problems.map(|p| format!("{}: {}, expected {}", p.path, p.problem, p.expected));
        let problems = problems.collect::<Vec<_>>().join("; ");
        return Err(LoadError::Plan {
            slug: plan.slug.clone(),
            problems,
        });
    }
    Ok(reply.plan_id)
}

pub(crate) async fn create_event(node: &NodeClient, event: &EventEntry) -> Result<u64, LoadError> {
    let request = CreateEventRequest {
        slug: event.slug.clone(),
        name: event.name.clone(),
        category: event.category.clone(),
        description: event.description.clone(),
    };
    let reply = patiently(&format!("create event {}", event.slug), || {
        let (request, mut directory) = (request.clone(), node.directory());
        async move { directory.create_event(request).await }
    })
    .await?;
    Ok(reply.event_id)
}

async fn create_show(
    node: &NodeClient,
    request: CreateShowRequest,
    event_name: &str,
) -> Result<LoadedShow, LoadError> {
    let reply = patiently(&format!("create show {}", request.slug), || {
        let (request, mut directory) = (request.clone(), node.directory());
        async move { directory.create_show(request).await }
    })
    .await?;
    let CreateShowRequest {
        slug,
        venue,
        city,
        local_date,
        home_region,
        ..
    } = request;
    Ok(LoadedShow {
        show_id: reply.show_id,
        slug,
        name: format!("{event_name}, {venue}, {city} {local_date}"),
        home_region,
        places: 0,
        existed: reply.existed,
    })
}

pub(crate) fn show_request(
    show: &ShowEntry,
    event_id: u64,
    plan_id: u64,
    topology: &Topology,
) -> CreateShowRequest {
    // A season made for three regions plays in a cluster of one, too.
    let known = topology
        .regions
        .iter()
        .find(|region| region.id.as_str() == show.home_region);
    let home = known.or_else(|| topology.regions.first());
    CreateShowRequest {
        slug: show.slug.clone(),
        event_id,
        plan_id,
        venue: show.venue.clone(),
        city: show.city.clone(),
        country: show.country.clone(),
        starts_at_ms: show.starts_at_ms,
        time_zone: show.time_zone.clone(),
        local_date: show.local_date.clone(),
        local_time: show.local_time.clone(),
        home_region: home.map_or_else(String::new, |region| region.id.to_string()),
        currency: show.currency.clone(),
        price_minor: show.price_minor.clone().into_iter().collect(),
        sale_opens_at_ms: show.sale_opens_at_ms,
        sale_closes_at_ms: show.sale_closes_at_ms,
        seats_per_order_max: show.seats_per_order_max,
        seats_per_buyer_max: show.seats_per_buyer_max,
        single_seat_rule: show.single_seat_rule.clone(),
        hold_ttl_ms: show.hold_ttl_ms,
        hold_ttl_max_ms: show.hold_ttl_max_ms,
        survival_goal: String::new(),
        jurisdictions: Vec::new(),
    }
}

/// Repeats a call that failed for a passing reason. Everything created here is idempotent by slug.
pub(crate) async fn patiently<T, F>(what: &str, mut call: impl FnMut() -> F) -> Result<T, LoadError>
where
    F: Future<Output = Result<tonic::Response<T>, Status>>,
{
    let until = Instant::now() + STEP_TIMEOUT;
    loop {
        let status = match tokio::time::timeout(STEP_TIMEOUT, call()).await {
            Ok(Ok(reply)) => return Ok(reply.into_inner()),
            Ok(Err(status)) => status,
            Err(_) => Status::deadline_exceeded("no answer"),
        };
        let passing = matches!(
            status.code(),
            Code::Unavailable
                | Code::DeadlineExceeded
                | Code::Aborted
                | Code::ResourceExhausted
                | Code::Cancelled
                | Code::Unknown
        );
        if !passing || Instant::now() >= until {
            return Err(LoadError::Refused {
                what: what.to_owned(),
                status: Box::new(status),
            });
        }
        sleep(RETRY_PAUSE).await;
    }
}

/// A client of every node: a show has replicas on some of them only.
fn everyone(topology: &Topology) -> Result<Vec<NodeClient>, LoadError> {
    let options = ClientOptions::default();
    let clients = topology
        .nodes
        .iter()
        .map(|node| NodeClient::new(&node.addr, &options));
    clients
        .map(|client| client.map_err(LoadError::from))
        .collect()
}

/// Waits until some replica says that the show can be sold, and says how many places it has.
async fn wait_ready(nodes: &[NodeClient], show: &LoadedShow) -> Result<u64, LoadError> {
    let until = Instant::now() + STEP_TIMEOUT;
    while Instant::now() < until {
        for node in nodes {
            let request = ShowStatusRequest {
                show_id: show.show_id,
                read: None,
            };
            let asked = node.operator().show_status(request).await;
            if let Some(status) = asked.ok().map(tonic::Response::into_inner)
                && status.ready
            {
                let places = status.show.map_or(0, |show| show.places);
                let counted = status.available + status.held + status.sold + status.blocked;
                return Ok(places.max(counted));
            }
        }
        sleep(RETRY_PAUSE).await;
    }
    Err(LoadError::NotReady {
        slug: show.slug.clone(),
    })
}
