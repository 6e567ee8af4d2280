//! A node that is killed after it has created a show and before it has set it up.

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use holdfast_inventory::{
    ids::{Currency, ShowId},
    show::{SaleRules, SingleSeatRule},
};
use holdfast_node::server::Surroundings;
use holdfast_node_api::v1;
use holdfast_raft::{
    Host, HostOptions, IdleOptions, SnapshotOptions,
    directory::{DirectoryCommand, DirectoryOutcome, NewShow},
};
use holdfast_region_config::{NodeId, RegionId, SurvivalGoal, Topology};
use tokio::time::{Instant, sleep, timeout};

use crate::node::{LONG, NodeUnderTest, TOPOLOGY, hold_of, hold_seats, rejection_of, show_request};

const PAUSE: Duration = Duration::from_millis(10);

/// What a node makes of the request.
fn new_show(request: v1::CreateShowRequest) -> NewShow {
    NewShow {
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
        home_region: RegionId::new(request.home_region.as_str()).unwrap(),
        currency: Currency::parse(&request.currency).unwrap(),
        price_minor: request.price_minor.into_iter().collect(),
        goal: SurvivalGoal::default(),
        jurisdictions: BTreeSet::new(),
        rules: SaleRules {
            opens_at_ms: 0,
            closes_at_ms: 0,
            seats_per_order_max: 0,
            seats_per_buyer_max: 0,
            single_seat: SingleSeatRule::Off,
            hold_ttl_ms: request.hold_ttl_ms,
            hold_ttl_max_ms: 0,
        },
    }
}

/// How far the node comes before it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reached {
    /// The directory has the show; its group may not even have begun.
    Created,
    /// The show's group has begun and has a leader.
    Led,
}

/// Waits until this node leads the show's group.
async fn led(host: &Host, show: ShowId) {
    let until = Instant::now() + LONG;
    loop {
        if let Ok(group) = host.open_show(show).await
            && group.leadership().borrow().leads
        {
            let (is_set_up, _) = group.read(|state| state.is_set_up());
            assert!(!is_set_up, "nobody is there to set it up");
            return;
        }
        assert!(Instant::now() < until, "{show} is not led");
        sleep(PAUSE).await;
    }
}

/// The groups of a node without its workers: creates the show and ends without a word.
async fn create_and_die(data_dir: &Path, show: NewShow, reached: Reached) -> u64 {
    let options = HostOptions {
        node: NodeId::new(1),
        topology: Arc::new(Topology::parse(TOPOLOGY).unwrap()),
        data_dir: data_dir.to_owned(),
        snapshots: SnapshotOptions::default(),
        idle: IdleOptions::default(),
        replace_after: Duration::ZERO,
        disk_reserve_bytes: 0,
    };
    let host = Host::start(options).await.unwrap();
    let voters = vec![NodeId::new(1)];
    let create = DirectoryCommand::CreateShow {
        show: Box::new(show),
        leader_preference: voters.clone(),
        voters,
        learners: Vec::new(),
    };
    let until = Instant::now() + LONG;
    let outcome = loop {
        if let Ok((_, outcome)) = host.directory().propose(create.clone()).await {
            break outcome;
        }
        assert!(Instant::now() < until, "the directory is not led");
        sleep(PAUSE).await;
    };
    let DirectoryOutcome::Show { show_id, .. } = outcome else {
        panic!("{outcome:?}");
    };
    if reached == Reached::Led {
        led(&host, show_id).await;
    }
    timeout(LONG, host.stop_at_once()).await.unwrap();
    show_id.get()
}

async fn a_show_of_a_node_that_was_killed_is_sold_after_its_restart(reached: Reached) {
    let node = NodeUnderTest::start().await;
    let (event_id, plan_id) = node.event_and_plan().await;
    let request = show_request(event_id, plan_id, 0);
    let dir = node.stop().await;
    let data_dir = dir.path().join("data");
    let show_id = create_and_die(&data_dir, new_show(request.clone()), reached).await;

    let node = NodeUnderTest::start_in(dir, Surroundings::default()).await;
    node.wait_sellable(show_id).await;
    // Whoever created it had no answer and asks again.
    let again = node.client.directory().create_show(request).await;
    let again = again.unwrap().into_inner();
    assert_eq!((again.show_id, again.existed), (show_id, true));
    let catalogue = v1::GetCatalogueRequest::default();
    let catalogue = node.client.directory().get_catalogue(catalogue).await;
    assert_eq!(catalogue.unwrap().into_inner().shows.len(), 1);

    let show = node.known_show(show_id);
    let hold = hold_of(show.submit(1, "all", hold_seats(&[0, 1, 2, 3, 4, 5])).await);
    assert_eq!(hold.quantity, 6);
    let taken = rejection_of(show.submit(2, "late", hold_seats(&[5])).await);
    assert_eq!(taken.code, "seats_taken");
    let status = v1::ShowStatusRequest {
        show_id,
        read: None,
    };
    let status = node.client.operator().show_status(status).await;
    let status = status.unwrap().into_inner();
    assert_eq!((status.held, status.available), (6, 0));
    assert_eq!(status.invariant_violations, 0);
    node.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_show_that_was_only_created_comes_on_sale_after_a_restart() {
    a_show_of_a_node_that_was_killed_is_sold_after_its_restart(Reached::Created).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_show_that_was_led_and_not_set_up_comes_on_sale_after_a_restart() {
    a_show_of_a_node_that_was_killed_is_sold_after_its_restart(Reached::Led).await;
}
