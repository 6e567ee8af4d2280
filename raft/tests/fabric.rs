//! Idle shows sleep, leave memory and come back; a lost node's shows are led again, asleep or not.

#[path = "support/cluster.rs"]
mod cluster;

use std::time::Duration;

use cluster::{Cluster, hold_and_release, hold_seat};
use holdfast_inventory::ids::ShowId;
use holdfast_inventory::outcome::Outcome;
use holdfast_raft::{IdleOptions, WakeCause, WakeTotals};

const SHOWS: usize = 8;

fn drowsy() -> IdleOptions {
    IdleOptions {
        hibernate_after: Duration::from_millis(400),
        unload_after: Duration::from_secs(3_600),
        ..IdleOptions::default()
    }
}

fn forgetful() -> IdleOptions {
    IdleOptions {
        unload_after: Duration::from_millis(800),
        ..drowsy()
    }
}

async fn sleeping_shows(cluster: &Cluster) -> Vec<ShowId> {
    let mut shows = Vec::new();
    for n in 0..SHOWS {
        let (show, _) = cluster.on_sale(&format!("tides-{n}")).await;
        shows.push(show);
    }
    for show in &shows {
        cluster
            .until("every replica sleeps", |host| {
                let of_show = host.replicas().into_iter();
                of_show
                    .filter(|r| r.group.get() == show.get())
                    .all(|r| r.asleep)
            })
            .await;
    }
    shows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_show_sleeps_everywhere_and_takes_the_first_write() {
    let cluster = Cluster::start_with(drowsy()).await;
    let shows = sleeping_shows(&cluster).await;
    for show in &shows {
        let leader = cluster.claimed_leader(*show).await;
        let term = cluster.group(leader, *show).await.status().term;
        let (index, outcome) = cluster.propose(leader, *show, hold_and_release(0, 1)).await;
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
        for node in 0..3 {
            let group = cluster.group(node, *show).await;
            group
                .wait_applied(index, Duration::from_secs(10))
                .await
                .expect("the replica wakes");
            assert_eq!(group.status().term, term, "waking is no election");
        }
    }
    let woken: u64 = wakes(&cluster, |totals| totals.hibernating).iter().sum();
    assert!(woken >= shows.len() as u64, "{woken}");
    cluster.shutdown().await;
}

/// There is nobody to acknowledge its heartbeat, and nobody has to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn show_with_a_single_voter_takes_the_first_write_after_its_sleep() {
    let cluster = Cluster::start_in(&[1], 1, drowsy(), Duration::ZERO).await;
    for show in sleeping_shows(&cluster).await {
        let group = cluster.group(0, show).await;
        let committed = group.propose(&hold_and_release(0, 1)).await;
        assert!(committed.is_ok(), "{committed:?}");
    }
    cluster.shutdown().await;
}

/// What all nodes counted by cause, one kind of it.
fn wakes(cluster: &Cluster, kind: impl Fn(WakeTotals) -> [u64; WakeCause::ALL.len()]) -> Vec<u64> {
    let counts = (0..3).map(|node| kind(cluster.host(node).replica_counters().wakes));
    let sum = counts.fold([0; WakeCause::ALL.len()], |sum, counts| {
        std::array::from_fn(|at| sum[at] + counts[at])
    });
    sum.to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sleeping_replica_knows_that_it_is_current() {
    let cluster = Cluster::start_with(drowsy()).await;
    let show = sleeping_shows(&cluster).await[0];
    for node in 0..3 {
        let group = cluster.group(node, show).await;
        let current = async {
            while group.read(|_| ()).1.age_ms > 1_000 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), current)
            .await
            .expect("its leader's pings vouch for it");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unused_show_leaves_memory_and_comes_back() {
    let cluster = Cluster::start_with(forgetful()).await;
    let shows = sleeping_shows(&cluster).await;
    cluster
        .until("only the directory is in memory", |host| {
            host.loaded_shows().is_empty()
        })
        .await;
    for show in &shows {
        let leader = cluster.claimed_leader(*show).await;
        let (_, outcome) = cluster.propose(leader, *show, hold_and_release(0, 1)).await;
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    }
    let opened = wakes(&cluster, |totals| totals.unloaded);
    assert!(
        opened[WakeCause::Request as usize] >= shows.len() as u64,
        "{opened:?}"
    );
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_nodes_sleeping_shows_are_led_again_and_lose_nothing() {
    for idle in [drowsy(), forgetful()] {
        let mut cluster = Cluster::start_with(idle).await;
        let shows = sleeping_shows(&cluster).await;
        let lost = cluster.claimed_leader(shows[0]).await;
        let mut held = Vec::new();
        for show in &shows {
            let leader = cluster.claimed_leader(*show).await;
            let (_, outcome) = cluster.propose(leader, *show, hold_seat(1, "a", 2)).await;
            assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
            held.push(*show);
        }
        cluster.kill(lost).await;
        for show in &held {
            let leader = cluster.claimed_leader(*show).await;
            assert_ne!(leader, lost);
            let (_, thief) = cluster.propose(leader, *show, hold_seat(2, "b", 2)).await;
            assert!(matches!(thief, Outcome::Rejected(_)), "{thief:?}");
            let (_, other) = cluster.propose(leader, *show, hold_seat(3, "b", 3)).await;
            assert!(matches!(other, Outcome::Done(_)), "{other:?}");
        }
        cluster.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shows_of_a_node_that_restarts_at_once_do_not_stay_without_a_leader() {
    for idle in [drowsy(), forgetful()] {
        let mut cluster = Cluster::start_with(idle).await;
        let shows = sleeping_shows(&cluster).await;
        let first = cluster.claimed_leader(shows[0]).await;
        cluster.kill(first).await;
        cluster.restart(first).await;
        for show in &shows {
            let leader = cluster.claimed_leader(*show).await;
            let (_, outcome) = cluster.propose(leader, *show, hold_seat(1, "a", 2)).await;
            assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
        }
        cluster.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_that_is_cut_off_does_not_raise_the_term_of_a_show_that_its_users_want() {
    let mut cluster = Cluster::start().await;
    let (show, leader) = cluster.on_sale("cut-off").await;
    let alone = (leader + 1) % 3;
    let group = cluster.group(alone, show).await;
    let term = group.status().term;
    // The leader last: else the other two may elect before the second of them is gone.
    cluster.kill((leader + 2) % 3).await;
    cluster.kill(leader).await;
    // Users go on asking; each time somebody is wanted who leads.
    for round in 0..20 {
        let entry = hold_and_release(round, 3);
        let asked = group.propose(&entry);
        let answer = tokio::time::timeout(Duration::from_millis(250), asked).await;
        assert!(!matches!(answer, Ok(Ok(_))), "nobody can commit");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert_eq!(group.status().term, term);
    drop(group);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_the_newest_entry_leads_however_near_the_other_is() {
    for step in [1, 2] {
        let mut cluster = Cluster::start().await;
        let (show, leader) = cluster.on_sale("behind").await;
        let (behind, ahead) = ((leader + step) % 3, (leader + 3 - step) % 3);
        cluster.kill(behind).await;
        let (_, outcome) = cluster.propose(leader, show, hold_seat(1, "a", 2)).await;
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
        cluster.kill(leader).await;
        cluster.restart(behind).await;
        assert_eq!(cluster.claimed_leader(show).await, ahead);
        let (_, thief) = cluster.propose(ahead, show, hold_seat(2, "b", 2)).await;
        assert!(matches!(thief, Outcome::Rejected(_)), "{thief:?}");
        cluster.shutdown().await;
    }
}
