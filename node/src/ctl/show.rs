//! `holdfastctl show`: the shows of the catalogue and the state of one.
//!
//! Owns: how a show is listed and judged. Must never: sell; that is the gateway's.

mod audit;
mod replicas;

use std::path::PathBuf;

use clap::Subcommand;
use holdfast_node_api::refs::{EventRef, ShowRef};
use holdfast_node_api::v1::{
    Catalogue, CreateEventRequest, GetCatalogueRequest, Show, ShowStatusReply, ShowStatusRequest,
};
use serde_json::{Value, json};

use super::answer::{age, ids, table};
use super::cluster::{as_of_json, group_json};
use super::connect::Node;
use super::leaders::change::{Change, Place, Wish};
use super::leaders::{Follow, follow_buyers};
use super::show_file::{EventChoice, ShowFile};
use super::{Answer, Failure, Target};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// All shows that the node knows of
    List,
    /// Seats, group and replica state of one show, as the node's replica has it
    Status {
        /// The show, such as s7
        show: ShowRef,
    },
    /// Where a show's replicas shall be, are, and were, and how far it is on its way
    Replicas {
        /// The show, such as s7
        show: ShowRef,
    },
    /// Check every replica of a show against every invariant, and all of them against each other
    Audit {
        /// The show, such as s7
        show: ShowRef,
        /// Say whose this seat is on each replica, by its id in the plan
        #[arg(long, value_name = "SEAT")]
        seat: Option<String>,
        /// Longest time to catch all replicas at one place of the log, seconds
        #[arg(long, value_name = "S", default_value_t = 10)]
        wait_s: u64,
    },
    /// Keep a show's leader at a node or in a region until further notice; no request fails
    #[command(group = clap::ArgGroup::new("where").required(true))]
    MoveLeader {
        /// The show, such as s7
        show: ShowRef,
        /// A node such as n2, or a region such as westeurope
        #[arg(long, value_name = "NODE|REGION", group = "where")]
        to: Option<Place>,
        /// Give the leader back to the show's own preference
        #[arg(long, group = "where")]
        clear: bool,
        #[command(flatten)]
        how: Change,
    },
    /// Whether a show's leader goes where its buyers are
    FollowBuyers {
        /// The show, such as s7
        show: ShowRef,
        /// on, off, or as the whole cluster does
        #[arg(value_enum)]
        follow: Follow,
    },
    /// Create a show from a TOML file; the same file creates it once
    #[command(after_help = super::show_file::HELP)]
    Create {
        /// The show's description; its form is shown below
        file: PathBuf,
    },
}

pub(super) async fn run(command: &Command, target: &Target) -> Result<Answer, Failure> {
    match command {
        Command::List => Ok(list(&catalogue(&target.node()?).await?)),
        Command::Status { show } => {
            let node = target.node()?;
            let request = ShowStatusRequest {
                show_id: show.0,
                read: None,
            };
            let mut operator = node.client.operator();
            Ok(status(&node.ask(operator.show_status(request)).await?))
        }
        Command::Replicas { show } => replicas::run(&target.node()?, *show).await,
        Command::Audit { show, seat, wait_s } => {
            audit::run(target, *show, seat.as_deref(), *wait_s).await
        }
        Command::MoveLeader { show, to, how, .. } => {
            let wish = match to {
                Some(place) => Wish::Pin(*show, place.clone()),
                None => Wish::Unpin(*show),
            };
            how.run(&target.node()?, &wish).await
        }
        Command::FollowBuyers { show, follow } => {
            follow_buyers(&target.node()?, Some(*show), *follow).await
        }
        Command::Create { file } => {
            let wanted = ShowFile::read(file)?;
            create(&wanted, &target.node()?).await
        }
    }
}

async fn catalogue(node: &Node) -> Result<Catalogue, Failure> {
    let mut directory = node.client.directory();
    node.ask(directory.get_catalogue(GetCatalogueRequest { read: None }))
        .await
}

async fn create(wanted: &ShowFile, node: &Node) -> Result<Answer, Failure> {
    let catalogue = catalogue(node).await?;
    let unknown = |argument: &str, slug: &str, hint: &str| Failure::Argument {
        argument: argument.to_owned(),
        reason: format!("{slug:?} is not known to the cluster; {hint}"),
    };
    let plan = catalogue.plans.iter().find(|plan| plan.slug == wanted.plan);
    let hint = "import it first: holdfastctl plan import FILE --slug SLUG";
    let plan_id = plan
        .ok_or_else(|| unknown("plan", &wanted.plan, hint))?
        .plan_id;
    let mut directory = node.client.directory();
    let event_id = match &wanted.event {
        EventChoice::Slug(slug) => {
            let event = catalogue.events.iter().find(|event| event.slug == *slug);
            let hint = "give a table [event] with slug, name and category to create it";
            event.ok_or_else(|| unknown("event", slug, hint))?.event_id
        }
        EventChoice::New(event) => {
            let request = CreateEventRequest {
                slug: event.slug.clone(),
                name: event.name.clone(),
                category: event.category.clone(),
                description: event.description.clone(),
            };
            node.ask(directory.create_event(request)).await?.event_id
        }
    };
    let reply = node
        .ask(directory.create_show(wanted.request(event_id, plan_id)))
        .await?;
    if let Some(config) = wanted.waiting_room() {
        super::queue::open_new(node, ShowRef(reply.show_id), config).await?;
    }
    let show = ShowRef(reply.show_id).to_string();
    let verb = if reply.existed {
        "had already"
    } else {
        "created"
    };
    let text = format!(
        "{verb} show {show} ({}), group {}",
        wanted.slug, reply.group_id
    );
    let json = json!({
        "show_id": show, "slug": wanted.slug, "group_id": reply.group_id, "existed": reply.existed,
        "event_id": EventRef(event_id).to_string(), "plan_id": plan_id,
    });
    Ok(Answer {
        text,
        json,
        well: true,
    })
}

fn list(catalogue: &Catalogue) -> Answer {
    let event_name = |id: u64| {
        let event = catalogue.events.iter().find(|event| event.event_id == id);
        event.map_or("?", |event| event.name.as_str())
    };
    let row = |show: &Show| {
        [
            ShowRef(show.show_id).to_string(),
            event_name(show.event_id).to_owned(),
            format!("{}, {}", show.venue, show.city),
            format!("{} {} {}", show.local_date, show.local_time, show.time_zone),
            show.home_region.clone(),
            show.places.to_string(),
            ids(&show.voters),
        ]
    };
    let rows: Vec<_> = catalogue.shows.iter().map(row).collect();
    let as_of = catalogue.as_of.unwrap_or_default();
    let head = [
        "show", "event", "venue", "starts", "home", "places", "voters",
    ];
    let text = format!(
        "{} shows; catalogue version {}, {} old\n\n{}",
        rows.len(),
        catalogue.version,
        age(as_of.age_ms),
        table(head, &rows),
    );
    let shows: Vec<Value> = catalogue
        .shows
        .iter()
        .map(|show| {
            let mut json = show_json(show);
            json["event"] = json!(event_name(show.event_id));
            json
        })
        .collect();
    let json = json!({"version": catalogue.version, "as_of": as_of_json(&as_of), "shows": shows});
    Answer {
        text,
        json,
        well: true,
    }
}

fn status(reply: &ShowStatusReply) -> Answer {
    let show = reply.show.clone().unwrap_or_default();
    let group = reply.group.clone().unwrap_or_default();
    let as_of = reply.as_of.unwrap_or_default();
    let leader = if group.leader == 0 {
        "none known".to_owned()
    } else {
        format!("node {}", group.leader)
    };
    let well = reply.ready && group.leader != 0 && reply.invariant_violations == 0;
    let text = format!(
        "{} {} at {}, {}, {} {} ({})\n\
         state      {}, as of index {}, {} old, hash {:016x}\n\
         places     {} available, {} held, {} sold, {} blocked of {}\n\
         open       {} holds, {} orders on record, {} outbox records waiting\n\
         group      {}: {} here, led by {leader} in term {}; voters {}; learners {}\n\
         log        applied {} of {}, snapshot at {}, purged to {}\n\
         invariants {}",
        ShowRef(show.show_id),
        show.slug,
        show.venue,
        show.city,
        show.local_date,
        show.local_time,
        show.time_zone,
        if reply.ready { "ready" } else { "being set up" },
        as_of.index,
        age(as_of.age_ms),
        reply.state_hash,
        reply.available,
        reply.held,
        reply.sold,
        reply.blocked,
        show.places,
        reply.holds_active,
        reply.orders,
        reply.outbox_pending,
        group.group_id,
        group.role,
        group.term,
        ids(&group.voters),
        ids(&group.learners),
        group.applied_index,
        group.last_log_index,
        group.snapshot_index,
        group.purged_index,
        match reply.invariant_violations {
            0 => "none broken on this replica".to_owned(),
            n => format!("{n} BROKEN on this replica since it started (docs/INVARIANTS.md)"),
        },
    );
    let json = json!({
        "well": well, "show": show_json(&show), "ready": reply.ready, "as_of": as_of_json(&as_of),
        "group": group_json(&group), "available": reply.available, "held": reply.held, "sold": reply.sold,
        "blocked": reply.blocked, "holds_active": reply.holds_active, "orders": reply.orders,
        "outbox_pending": reply.outbox_pending, "state_hash": format!("{:016x}", reply.state_hash),
        "invariant_violations": reply.invariant_violations,
    });
    Answer { text, json, well }
}

fn show_json(show: &Show) -> Value {
    json!({
        "id": ShowRef(show.show_id).to_string(), "slug": show.slug,
        "event_id": EventRef(show.event_id).to_string(), "plan_id": show.plan_id,
        "venue": show.venue, "city": show.city, "country": show.country, "starts_at_ms": show.starts_at_ms,
        "time_zone": show.time_zone, "local_date": show.local_date, "local_time": show.local_time,
        "home_region": show.home_region, "group_id": show.group_id, "voters": show.voters,
        "learners": show.learners, "currency": show.currency, "places": show.places,
        "price_minor_min": show.price_minor_min, "price_minor_max": show.price_minor_max,
    })
}
