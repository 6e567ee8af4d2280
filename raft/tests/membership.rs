//! Real hosts in one process: members come, go and are replaced while the group sells.

#[path = "support/cluster.rs"]
mod cluster;

use std::time::{Duration, Instant};

use cluster::{Cluster, PATIENCE, POLL, hold_and_release, hold_seat};
use holdfast_inventory::ids::ShowId;
use holdfast_inventory::outcome::Outcome;
use holdfast_raft::directory::{DirectoryCommand, DirectoryOutcome, NodeRegistration, NodeState};
use holdfast_raft::{Host, IdleOptions};
use holdfast_region_config::{NodeId, RegionId};

fn ids(numbers: &[u64]) -> Vec<NodeId> {
    numbers.iter().copied().map(NodeId::new).collect()
}

/// Groups stay in memory, so that a test sees them.
fn awake() -> IdleOptions {
    IdleOptions {
        hibernate_after: Duration::from_secs(3_600),
        ..IdleOptions::default()
    }
}

/// Answers the new generation.
async fn set_replicas(cluster: &Cluster, show: ShowId, voters: &[u64], learners: &[u64]) -> u64 {
    let (expected, _) = cluster
        .running_host()
        .directory()
        .read(|d| d.shows()[&show].generation);
    let outcome = cluster
        .directory(DirectoryCommand::SetReplicas {
            show,
            expected,
            voters: ids(voters),
            learners: ids(learners),
            leader_preference: ids(voters),
        })
        .await;
    match outcome {
        DirectoryOutcome::Set {
            generation,
            changed: true,
        } => generation,
        other => panic!("{other:?}"),
    }
}

/// The host knows that the show's group has reached `generation`.
fn settled(show: ShowId, generation: u64) -> impl Fn(&Host) -> bool {
    move |host: &Host| {
        let (settled, _) = host.directory().read(|d| {
            d.shows()
                .get(&show)
                .is_some_and(|record| record.settled == generation)
        });
        settled
    }
}

/// Voters and learners as the group's leader has them, sorted.
async fn members(cluster: &Cluster, show: ShowId) -> (Vec<u64>, Vec<u64>) {
    let leader = cluster.show_leader(show).await;
    let status = cluster.group(leader, show).await.status();
    let sorted = |nodes: Vec<NodeId>| {
        let mut nodes: Vec<u64> = nodes.into_iter().map(NodeId::get).collect();
        nodes.sort_unstable();
        nodes
    };
    (sorted(status.voters), sorted(status.learners))
}

async fn deleted_at_node_3(cluster: &Cluster, show: ShowId) {
    cluster
        .until("node 3 has deleted its replica", |host| {
            let (left, _) = host.directory().read(|d| d.shows()[&show].leaving.len());
            left == 0
        })
        .await;
    assert!(!cluster.host(2).has_replica(show));
}

/// Waits until it is so, by looking again and again.
async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// Sells one seat at whoever leads now; answers its index.
async fn sell(cluster: &Cluster, show: ShowId, key: &str, seat: u32) -> u64 {
    let leader = cluster.show_leader(show).await;
    let (index, outcome) = cluster.propose(leader, show, hold_seat(1, key, seat)).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{key}: {outcome:?}");
    index
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fourth_node_joins_and_takes_over_a_replica_while_the_show_sells() {
    let mut cluster = Cluster::start_in(&[1, 2, 3, 3], 3, awake(), Duration::ZERO).await;
    let (show, _) = cluster.on_sale("tides-1").await;
    // More than the log keeps, so that the newcomer needs a snapshot.
    for round in 0..250u64 {
        let leader = cluster.show_leader(show).await;
        cluster
            .propose(leader, show, hold_and_release(round, 0))
            .await;
    }
    cluster.widen(4);
    cluster.restart(3).await;
    cluster
        .until(
            "the directory's vote in the third region is node 4's, whose turn it is",
            |host| {
                let status = host.directory().status();
                status.voters == ids(&[1, 2, 4]) && status.learners == ids(&[3])
            },
        )
        .await;
    let generation = set_replicas(&cluster, show, &[1, 2, 4], &[]).await;
    let mut round = 1_000;
    while !settled(show, generation)(cluster.host(0)) {
        let leader = cluster.show_leader(show).await;
        cluster
            .propose(leader, show, hold_and_release(round, 1))
            .await;
        round += 1;
        assert!(round < 20_000, "it never settles");
    }
    assert_eq!(members(&cluster, show).await, (vec![1, 2, 4], vec![]));
    deleted_at_node_3(&cluster, show).await;
    let index = sell(&cluster, show, "after", 3).await;
    let leader = cluster.show_leader(show).await;
    let newcomer = cluster.group(3, show).await;
    newcomer
        .wait_applied(index, Duration::from_secs(20))
        .await
        .expect("it follows");
    assert_eq!(
        cluster.state_hash(3, show).await,
        cluster.state_hash(leader, show).await
    );
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_node_is_replaced_by_itself_after_the_set_time() {
    let mut cluster =
        Cluster::start_in(&[1, 2, 3, 3], 4, awake(), Duration::from_millis(1_500)).await;
    let (show, _) = cluster.on_sale("tides-1").await;
    sell(&cluster, show, "before", 0).await;
    cluster.kill(2).await;
    cluster
        .until("node 4 votes in node 3's stead", |host| {
            let (is_so, _) = host.directory().read(|d| {
                let record = &d.shows()[&show];
                record.is_settled() && record.voters.contains(&NodeId::new(4))
            });
            is_so
        })
        .await;
    assert_eq!(members(&cluster, show).await, (vec![1, 2, 4], vec![]));
    sell(&cluster, show, "after", 1).await;
    cluster
        .until("the directory has let go of node 3", |host| {
            let status = host.directory().status();
            status.voters == ids(&[1, 2, 4]) && status.learners.is_empty()
        })
        .await;
    // It comes back, finds that it keeps nothing, and says so.
    cluster.restart(2).await;
    deleted_at_node_3(&cluster, show).await;
    cluster
        .until("node 3 follows the directory again", |host| {
            let status = host.directory().status();
            status.voters == ids(&[1, 2, 4]) && status.learners == ids(&[3])
        })
        .await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_of_a_dead_node_that_no_other_may_take_are_counted() {
    let mut cluster = Cluster::start_in(&[1, 2, 3], 3, awake(), Duration::from_millis(200)).await;
    let (show, _) = cluster.on_sale("tides-1").await;
    cluster.kill(2).await;
    // Only the host that leads the directory looks for places, and only that one counts.
    eventually("a show with nowhere to go is counted", async || {
        let hosts = [cluster.host(0), cluster.host(1)];
        hosts.iter().any(|host| host.membership_backlog().1 == 1)
    })
    .await;
    let (voters, _) = members(&cluster, show).await;
    assert_eq!(
        voters,
        [1, 2, 3],
        "two voters alone would be below the goal"
    );
    sell(&cluster, show, "two of three", 7).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaving_node_is_emptied_and_can_be_removed() {
    let cluster = Cluster::start_in(&[1, 2, 3, 3], 4, awake(), Duration::ZERO).await;
    let (show, _) = cluster.on_sale("tides-1").await;
    let node = NodeId::new(3);
    let registered = NodeRegistration {
        region: RegionId::new("r3").expect("a region id"),
        zone: None,
        addr: "127.0.0.1:1".to_owned(),
        disk: Some(cluster.host(2).disk_id()),
        release: "test".to_owned(),
    };
    cluster
        .directory(DirectoryCommand::RegisterNode { node, registered })
        .await;
    let set = |state| DirectoryCommand::SetNodeState {
        node,
        state,
        expected: None,
    };
    let early = cluster.directory(set(NodeState::Removed)).await;
    assert!(matches!(early, DirectoryOutcome::Rejected(_)), "{early:?}");
    cluster.directory(set(NodeState::Leaving)).await;
    cluster
        .until("nothing is left on node 3", |host| {
            let (left, _) = host.directory().read(|d| {
                let record = &d.shows()[&show];
                record.keeps_replica(node) || !record.leaving.is_empty()
            });
            !left
        })
        .await;
    assert_eq!(members(&cluster, show).await, (vec![1, 2, 4], vec![]));
    let removed = cluster.directory(set(NodeState::Removed)).await;
    assert!(
        matches!(removed, DirectoryOutcome::Set { .. }),
        "{removed:?}"
    );
    sell(&cluster, show, "after", 1).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn change_goes_on_when_its_leader_is_killed_in_the_middle() {
    let mut cluster = Cluster::start_in(&[1, 2, 3, 3], 4, awake(), Duration::ZERO).await;
    let (show, leader) = cluster.on_sale("tides-1").await;
    sell(&cluster, show, "before", 0).await;
    // Node 4 is away, so the change stops half-way: it is a learner already and cannot be made a voter.
    cluster.stop(3).await;
    let generation = set_replicas(&cluster, show, &[1, 2, 4], &[]).await;
    eventually("node 4 learns", async || {
        let group = cluster.host(leader).loaded_show(show);
        group.is_some_and(|group| group.status().learners == ids(&[4]))
    })
    .await;
    cluster.kill(leader).await;
    cluster.restart(3).await;
    let successor = cluster.show_leader(show).await;
    assert_ne!(successor, leader);
    // The killed node may be one that stays: the group cannot settle without it, but its voters change.
    eventually("the change is resumed", async || {
        members(&cluster, show).await.0 == [1, 2, 4]
    })
    .await;
    sell(&cluster, show, "between", 1).await;
    cluster.restart(leader).await;
    cluster
        .until("the change is complete", settled(show, generation))
        .await;
    assert_eq!(members(&cluster, show).await, (vec![1, 2, 4], vec![]));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leader_that_is_to_go_hands_over_and_goes() {
    let cluster = Cluster::start_in(&[1, 1, 2, 3], 4, awake(), Duration::ZERO).await;
    let (show, leader) = cluster.on_sale("tides-1").await;
    let gone = leader as u64 + 1;
    let rest: Vec<u64> = (1..=4).filter(|node| *node != gone).collect();
    let generation = set_replicas(&cluster, show, &rest, &[]).await;
    cluster
        .until("the change is complete", settled(show, generation))
        .await;
    assert_eq!(members(&cluster, show).await, (rest, vec![]));
    sell(&cluster, show, "after", 1).await;
    cluster.shutdown().await;
}
