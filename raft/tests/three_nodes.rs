//! Three real hosts in one process, over real sockets and real disks: what a cluster of replicas promises.

#[path = "support/cluster.rs"]
mod cluster;

use std::time::{Duration, Instant};

use cluster::{Cluster, PATIENCE, POLL, harbour_show, hold_seat};
use holdfast_inventory::ids::{SeatNo, ShowId};
use holdfast_inventory::outcome::{Effect, Outcome};
use holdfast_raft::directory::DirectoryOutcome;
use holdfast_raft::{DiskTrouble, MoveError, TransferError};
use holdfast_region_config::GroupId;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn show_created_anywhere_is_sold_everywhere_once() {
    let cluster = Cluster::start().await;
    let (show, leader) = cluster.on_sale("tides-1").await;
    let (index, first) = cluster
        .propose(leader, show, hold_seat(1, "first", 3))
        .await;
    assert!(matches!(first, Outcome::Done(Effect::Hold(_))), "{first:?}");
    let (_, second) = cluster
        .propose(leader, show, hold_seat(2, "second", 3))
        .await;
    assert!(matches!(second, Outcome::Rejected(_)), "{second:?}");
    let (_, again) = cluster
        .propose(leader, show, hold_seat(1, "first", 3))
        .await;
    assert!(
        matches!(again, Outcome::Replayed(Effect::Hold(_))),
        "{again:?}"
    );
    for node in 0..3 {
        let group = cluster.group(node, show).await;
        group
            .wait_applied(index, Duration::from_secs(10))
            .await
            .expect("every replica catches up");
        let (codes, as_of) = group.read(|state| state.seat_codes().collect::<Vec<_>>());
        assert_eq!(codes[3], 1, "held on node {node}");
        assert!(as_of.index >= index);
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survivors_go_on_and_the_lost_node_catches_up() {
    let mut cluster = Cluster::start().await;
    let (show, leader) = cluster.on_sale("tides-1").await;
    cluster
        .propose(leader, show, hold_seat(1, "before", 0))
        .await;
    cluster.stop(leader).await;
    let successor = cluster.show_leader(show).await;
    assert_ne!(successor, leader);
    let (_, kept) = cluster
        .propose(successor, show, hold_seat(2, "thief", 0))
        .await;
    assert!(
        matches!(kept, Outcome::Rejected(_)),
        "an acknowledged hold survives: {kept:?}"
    );
    let (index, after) = cluster
        .propose(successor, show, hold_seat(2, "after", 1))
        .await;
    assert!(matches!(after, Outcome::Done(_)), "{after:?}");
    cluster.restart(leader).await;
    let returned = cluster.group(leader, show).await;
    returned
        .wait_applied(index, Duration::from_secs(20))
        .await
        .expect("it catches up");
    let (codes, _) = returned.read(|state| state.seat_codes().collect::<Vec<_>>());
    assert_eq!(&codes[..3], &[1, 1, 0]);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lagging_replica_is_caught_up_by_snapshot() {
    let mut cluster = Cluster::start().await;
    let (show, leader) = cluster.on_sale("tides-1").await;
    let lagging = (leader + 1) % 3;
    cluster.stop(lagging).await;
    // More entries than are kept behind two snapshots, so that the log alone cannot help.
    let mut last = 0;
    for round in 0..400u64 {
        let seat = u32::try_from(round % 4).expect("small");
        let leader = cluster.show_leader(show).await;
        let (index, _) = cluster
            .propose(leader, show, cluster::hold_and_release(round, seat))
            .await;
        last = index;
    }
    let leader = cluster.show_leader(show).await;
    let led = cluster.group(leader, show).await;
    // A leader lets go of entries each time when it has found the lost one away once more.
    cluster
        .until("the leader has purged its log", |_| {
            led.status().purged_index > 100
        })
        .await;
    drop(led);
    cluster.restart(lagging).await;
    let returned = cluster.group(lagging, show).await;
    returned
        .wait_applied(last, Duration::from_secs(30))
        .await
        .expect("it catches up");
    assert_eq!(
        cluster.state_hash(lagging, show).await,
        cluster.state_hash(leader, show).await
    );
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_that_was_down_learns_of_new_shows() {
    let mut cluster = Cluster::start().await;
    cluster.create_show(harbour_show("tides-1")).await;
    cluster.stop(2).await;
    let late = cluster.create_show(harbour_show("tides-2")).await;
    assert_eq!(late, ShowId(2));
    cluster.restart(2).await;
    let group = cluster.group(2, late).await;
    let mut leadership = group.leadership();
    let known = leadership.wait_for(|l| l.leader.is_some());
    tokio::time::timeout(Duration::from_secs(20), known)
        .await
        .expect("in time")
        .expect("the group runs");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_moves_to_a_caught_up_voter_on_request() {
    let cluster = Cluster::start().await;
    let (show, leader) = cluster.on_sale("tides-1").await;
    let target = (leader + 1) % 3;
    let group = cluster.group(leader, show).await;
    let until = Instant::now() + Duration::from_secs(20);
    // It may have been the other follower that made the majority so far.
    while let Err(why) = group.transfer_leader(cluster.node_id(target)).await {
        assert!(Instant::now() < until, "{why}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut leadership = cluster.group(target, show).await.leadership();
    let moved = leadership.wait_for(|l| l.leads);
    tokio::time::timeout(Duration::from_secs(10), moved)
        .await
        .expect("in time")
        .expect("the group runs");
    let (_, outcome) = cluster
        .propose(target, show, hold_seat(7, "moved", SeatNo(2).get()))
        .await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_is_not_moved_to_a_node_whose_disk_hangs_and_is_once_it_works() {
    let cluster = Cluster::start().await;
    let (show, leader) = cluster.on_sale("stones-1").await;
    let group = cluster.group(leader, show).await;
    let term = group.leadership().borrow().term;
    let target = (leader + 1) % 3;
    let to = cluster.node_id(target);
    let moved = || {
        cluster
            .host(leader)
            .move_group_leader(GroupId::new(show.get()), to)
    };
    // Longer than a move to it may take.
    cluster.disks[target].set(DiskTrouble {
        delay_ms: 5_000,
        ..DiskTrouble::NONE
    });
    for _ in 0..2 {
        let refused = moved().await;
        assert!(
            matches!(
                refused,
                Err(MoveError::Transfer(TransferError::NotReady { .. }))
            ),
            "{refused:?}"
        );
    }
    // Buyers have noticed nothing.
    let now = *group.leadership().borrow();
    assert!(now.leads && now.term == term, "{now:?}");
    let (_, outcome) = cluster
        .propose(leader, show, hold_seat(7, "stays", SeatNo(2).get()))
        .await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");

    cluster.disks[target].set(DiskTrouble::NONE);
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = moved().await {
        assert!(Instant::now() < deadline, "{error}");
        tokio::time::sleep(POLL).await;
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lone_survivor_refuses_writes_and_its_reads_grow_old() {
    let mut cluster = Cluster::start().await;
    let (show, leader) = cluster.on_sale("tides-1").await;
    let lone = cluster.group(leader, show).await;
    cluster.stop((leader + 1) % 3).await;
    cluster.stop((leader + 2) % 3).await;
    // The lease lapses by itself: no message tells of it, so its age is watched, for a bounded time.
    let lapsed = async {
        while lone.read(|_| ()).1.age_ms < 2_000 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), lapsed)
        .await
        .expect("in time");
    assert!(!lone.has_lease());
    assert!(
        cluster
            .host(leader)
            .peers()
            .iter()
            .all(|peer| !peer.reachable)
    );
    let error = lone
        .propose(&hold_seat(1, "alone", 1))
        .await
        .expect_err("no quorum");
    assert!(error.is_retryable() && !error.maybe_happened(), "{error:?}");
    assert!(lone.read_linearizable().await.is_err());
    let (_, as_of) = lone.read(|state| state.is_set_up());
    assert!(as_of.age_ms >= 2_000, "{as_of:?}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn second_create_with_the_same_slug_gets_the_same_show() {
    let cluster = Cluster::start().await;
    let first = cluster.create_show(harbour_show("tides-1")).await;
    let again = cluster.create_show_outcome(harbour_show("tides-1")).await;
    let DirectoryOutcome::Show {
        show_id, existed, ..
    } = again
    else {
        panic!("{again:?}")
    };
    assert_eq!((show_id, existed), (first, true));
    cluster.shutdown().await;
}
