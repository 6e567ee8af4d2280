//! The worker on a real group that nobody has set up: what a node finds that was killed in between.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use holdfast_inventory::{
    ids::{CategoryNo, Currency, ShowId},
    show::{SaleRules, Seat},
};
use holdfast_raft::{
    Host, HostOptions, IdleOptions, SnapshotOptions,
    directory::{DirectoryCommand, DirectoryOutcome, NewEvent, NewPlan, NewShow},
};
use holdfast_region_config::{NodeId, RegionId, SurvivalGoal, Topology};
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    buyer_index::BuyerIndexes,
    config::Limits,
    directory_client::DirectoryDesk,
    leader_scope::WorkerContext,
    metrics::Metrics,
    propose::ProposerContext,
    proposers::Proposers,
    room::reports::Reports,
    workers::{outbox::AcceptingSink, payment::TestProvider},
};

/// A bound against hanging; nothing here is timed.
const LONG: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(10);
const SEATS: usize = 4;

const TOPOLOGY: &str = include_str!("../../../testdata/one_node.toml");

/// The groups of a node, and none of its workers.
async fn start(dir: &Path) -> Host {
    let options = HostOptions {
        node: NodeId::new(1),
        topology: Arc::new(Topology::parse(TOPOLOGY).unwrap()),
        data_dir: dir.to_owned(),
        snapshots: SnapshotOptions::default(),
        idle: IdleOptions::default(),
        replace_after: Duration::ZERO,
        disk_reserve_bytes: 0,
    };
    Host::start(options).await.unwrap()
}

fn plan() -> NewPlan {
    let seat = |n: usize| Seat {
        id: format!("A-{n}"),
        zone: "Floor".to_owned(),
        row: "A".to_owned(),
        number: n.to_string(),
        category: CategoryNo(0),
        x: i32::try_from(n).unwrap() * 100,
        y: 0,
        accessible: false,
        companion_of: None,
    };
    NewPlan {
        slug: "hall".to_owned(),
        name: "Hall".to_owned(),
        width: 1_000,
        height: 1_000,
        categories: vec![("Stalls".to_owned(), "#aa0000".to_owned())],
        seats: (0..SEATS).map(seat).collect(),
        areas: Vec::new(),
    }
}

fn event() -> NewEvent {
    NewEvent {
        slug: "tides".to_owned(),
        name: "Tides".to_owned(),
        category: "concert".to_owned(),
        description: String::new(),
    }
}

fn show() -> NewShow {
    NewShow {
        slug: "tides-1".to_owned(),
        event_id: 1,
        plan_id: 1,
        venue: "Hall".to_owned(),
        city: "Amsterdam".to_owned(),
        country: "NL".to_owned(),
        starts_at_ms: 1,
        time_zone: "Europe/Amsterdam".to_owned(),
        local_date: "2027-03-01".to_owned(),
        local_time: "20:00".to_owned(),
        home_region: RegionId::new("here").unwrap(),
        currency: Currency::parse("EUR").unwrap(),
        price_minor: BTreeMap::from([("Stalls".to_owned(), 4_500)]),
        rules: SaleRules::default(),
        goal: SurvivalGoal::default(),
        jurisdictions: BTreeSet::new(),
    }
}

/// Creates the show in the directory, once that is led.
async fn create_show(host: &Host) -> ShowId {
    let voters = vec![host.node()];
    let commands = [
        DirectoryCommand::ImportPlan(Box::new(plan())),
        DirectoryCommand::CreateEvent(event()),
        DirectoryCommand::CreateShow {
            show: Box::new(show()),
            leader_preference: voters.clone(),
            voters,
            learners: Vec::new(),
        },
    ];
    loop {
        if let Ok((_, outcomes)) = host.directory().propose_all(&commands).await {
            let Some(DirectoryOutcome::Show { show_id, .. }) = outcomes.last() else {
                panic!("{outcomes:?}");
            };
            return *show_id;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn context(host: &Host) -> WorkerContext {
    let metrics = Metrics::new().unwrap();
    let proposing = ProposerContext {
        clock: host.clock(),
        limits: Arc::new(Limits::default()),
        metrics: metrics.clone(),
        stop: CancellationToken::new(),
    };
    WorkerContext {
        host: host.clone(),
        proposers: Proposers::new(host.clone(), proposing),
        clock: host.clock(),
        metrics,
        payments: Arc::new(TestProvider),
        payment_timeout: Duration::from_secs(1),
        notices: Arc::new(AcceptingSink),
        indexes: BuyerIndexes::new(host.clone(), DirectoryDesk::new(host.clone())),
        reports: Reports::default(),
    }
}

/// What a worker is begun with once this node leads the show; asking for the show is what makes it lead.
async fn led(host: &Host, show: ShowId) -> Led {
    let request = RequestId::internal("tick", 1);
    let entry = Entry {
        now_ms: 1,
        commands: vec![Envelope {
            request,
            command: Command::Tick,
        }],
    };
    loop {
        if let Ok(group) = host.open_show(show).await
            && group.propose(&entry).await.is_ok()
        {
            let term = group.leadership().borrow().term;
            return Led {
                group,
                term,
                context: context(host),
            };
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Seats that the show sells, none before it is set up, and how many entries it took to come here.
fn seats(led: &Led) -> (usize, u64) {
    let (seats, as_of) = led.group.read(|state| state.seat_codes().count());
    (seats, as_of.index)
}

/// A show that is created and led, after a node was killed that had come so far.
async fn after_a_restart(dir: &Path) -> Led {
    let host = start(dir).await;
    let show = timeout(LONG, create_show(&host)).await.unwrap();
    let before = timeout(LONG, led(&host, show)).await.unwrap();
    assert_eq!(seats(&before).0, 0);
    timeout(LONG, host.stop_at_once()).await.unwrap();
    drop((before, host));

    let host = start(dir).await;
    let after = timeout(LONG, led(&host, show)).await.unwrap();
    assert_eq!(seats(&after).0, 0);
    after
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_show_that_was_only_created_is_set_up_by_one_entry_and_by_no_other() {
    let dir = TempDir::new().unwrap();
    let led = after_a_restart(dir.path()).await;
    let (_, before) = seats(&led);
    timeout(LONG, run(led.clone())).await.unwrap();
    assert_eq!(seats(&led), (SEATS, before + 1));
    // As in the next term, and in every one after it.
    timeout(LONG, run(led.clone())).await.unwrap();
    assert_eq!(seats(&led), (SEATS, before + 1));
    led.context.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_looked_before_another_was_done_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let led = after_a_restart(dir.path()).await;
    let (_, before) = seats(&led);
    let show = led.group.show_id();
    let directory = led.context.host.directory();
    let (wanted, _) = directory.read(|directory| directory.show_set_up(show));
    // The last term's entry may still be on its way when the next term's worker looks.
    let late = entry(&led, wanted.clone().unwrap());
    timeout(LONG, run(led.clone())).await.unwrap();
    let repeated = timeout(LONG, led.group.propose(&late)).await.unwrap();
    let outcomes = repeated.unwrap().outcomes;
    assert!(
        !matches!(outcomes[..], [Outcome::Rejected(_)]),
        "{outcomes:?}"
    );
    let (found, _) = led.group.read(|state| {
        let layout = state.layout();
        layout.map(|layout| layout.set_up().clone())
    });
    assert!(found.is_some() && found == wanted, "{found:?}");
    assert_eq!(seats(&led), (SEATS, before + 2));
    led.context.host.shutdown().await;
}
