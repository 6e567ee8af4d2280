//! A node that comes back wakes what changed while it was away, and leaves everything else asleep and out of memory.
//!
//! Counted, not timed: how many replicas each node has read from disk.

#[path = "support/cluster.rs"]
mod cluster;

use std::time::{Duration, Instant};

use cluster::{Cluster, PATIENCE, POLL, hold_and_release};
use holdfast_inventory::ids::ShowId;
use holdfast_inventory::outcome::Outcome;
use holdfast_raft::{DiskTrouble, Host, IdleOptions};

const SHOWS: usize = 200;
/// Shows that are created together, so that a slow machine is not behind with all of them.
const AT_ONCE: usize = 50;
/// Of all shows those that are written to while the node is away.
const CHANGED: usize = 5;
/// How often one node may read the replica of a show that changed: once, and again if a machine that stalls is taken for dead meanwhile.
const OPENS_MAX: u64 = 4;
/// Looks at the counters after everything has gone quiet.
const LOOKS: usize = 100;

/// How a node is away.
#[derive(Debug, Clone, Copy)]
enum Away {
    /// Its process ended; another one comes back.
    Stopped,
    /// It says itself that it is to be taken for silent. The process that comes back is the same, as after a cut.
    Resting,
}

fn forgetful() -> IdleOptions {
    IdleOptions {
        hibernate_after: Duration::from_millis(400),
        unload_after: Duration::from_millis(800),
        // Only one node is to be away here, whatever the machine does meanwhile.
        silence_floor: Duration::from_secs(2),
    }
}

fn opens(host: &Host) -> u64 {
    host.replica_counters().opens_total
}

/// Waits until every running node knows who leads each show, and has none in memory.
async fn all_out_of_memory(cluster: &Cluster) {
    cluster
        .until("every show is led and out of memory", |host| {
            let shows = host.replicas().into_iter();
            let shows = shows.filter(|replica| !replica.group.is_directory());
            let quiet = shows.filter(|replica| replica.leader_alive && !replica.loaded);
            quiet.count() == SHOWS
        })
        .await;
}

async fn shows_out_of_memory(cluster: &Cluster) -> Vec<ShowId> {
    let slugs: Vec<String> = (0..SHOWS).map(|n| format!("tides-{n}")).collect();
    let mut shows = Vec::new();
    for slugs in slugs.chunks(AT_ONCE) {
        let created = cluster.create_shows(slugs).await;
        for show in &created {
            // A show that nobody has set up stays in memory.
            let leader = cluster.claimed_leader(*show).await;
            cluster.set_up(leader, *show).await;
        }
        shows.extend(created);
    }
    assert_eq!(shows.len(), SHOWS);
    cluster
        .until("every show has the members that it shall have", |host| {
            host.membership_backlog().0 == 0
        })
        .await;
    all_out_of_memory(cluster).await;
    shows
}

async fn a_returning_node_wakes_no_storm(how: Away) {
    let mut cluster = Cluster::start_with(forgetful()).await;
    let shows = shows_out_of_memory(&cluster).await;
    // All shows are at home at the first node. Whatever another one leads all the same is led by somebody else while that is away.
    let led = |n: &usize| cluster.host(*n).led_shows().len();
    let away = (0..3).min_by_key(led).expect("there are three");
    let changed = CHANGED + led(&away);
    assert!(changed < SHOWS / 8, "the other nodes lead most shows");
    let gone = cluster.node_id(away);

    match how {
        Away::Stopped => cluster.stop(away).await,
        Away::Resting => cluster.disks[away].set(DiskTrouble {
            free_bytes: Some(0),
            ..DiskTrouble::NONE
        }),
    }
    cluster
        .until("the node is away", |host| {
            host.node() == gone || !host.is_alive(gone)
        })
        .await;
    for show in &shows[..CHANGED] {
        let leader = cluster.claimed_leader(*show).await;
        let (_, outcome) = cluster.propose(leader, *show, hold_and_release(0, 1)).await;
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    }
    all_out_of_memory(&cluster).await;
    let staying: Vec<usize> = (0..3).filter(|n| *n != away).collect();
    let before = match how {
        // Its directory is what a process opens by itself.
        Away::Stopped => 1,
        Away::Resting => opens(cluster.host(away)),
    };
    let mut limits = vec![(away, before)];
    limits.extend(staying.iter().map(|n| (*n, opens(cluster.host(*n)))));

    match how {
        Away::Stopped => cluster.restart(away).await,
        Away::Resting => cluster.disks[away].set(DiskTrouble::NONE),
    }
    let deadline = Instant::now() + PATIENCE;
    while opens(cluster.host(away)) < before + CHANGED as u64 {
        assert!(Instant::now() < deadline, "{how:?}: it does not catch up");
        tokio::time::sleep(POLL).await;
    }
    all_out_of_memory(&cluster).await;
    for _ in 0..LOOKS {
        for (n, before) in &limits {
            let opened = opens(cluster.host(*n)) - before;
            let wakes = cluster.host(*n).replica_counters().wakes;
            assert!(
                opened <= changed as u64 * OPENS_MAX,
                "{how:?}: node {n} opened {opened} replicas for {changed} shows: {wakes:?}"
            );
        }
        tokio::time::sleep(POLL).await;
    }

    for show in &shows[..CHANGED] {
        let leader = cluster.claimed_leader(*show).await;
        let (index, _) = cluster.propose(leader, *show, hold_and_release(1, 1)).await;
        let returned = cluster.group(away, *show).await;
        let applied = returned.wait_applied(index, PATIENCE).await;
        applied.expect("it has what it missed, and what came after");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_starts_again_wakes_only_what_changed_while_it_was_away() {
    a_returning_node_wakes_no_storm(Away::Stopped).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_heard_again_wakes_only_what_changed_while_it_was_away() {
    a_returning_node_wakes_no_storm(Away::Resting).await;
}
