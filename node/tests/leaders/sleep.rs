//! Shows that nobody asks for leave memory, and come back for whoever asks.

use std::time::Duration;

use holdfast_node::config::Limits;
use holdfast_node_api::v1::{self, submit_reply, submit_request};
use tokio::time::Instant;

use crate::cluster::{Cluster, LONG, PAUSE, hold_id};

fn sleepy() -> Limits {
    Limits {
        hibernate_after_ms: 300,
        unload_after_ms: 300,
        ..Limits::default()
    }
}

/// Waits until no node has a show in memory.
async fn all_unloaded(cluster: &Cluster) {
    let until = Instant::now() + LONG;
    loop {
        let mut loaded = Vec::new();
        for client in &cluster.clients {
            let request = v1::ClusterStatusRequest::default();
            let reply = client.operator().cluster_status(request).await.unwrap();
            let counts = reply.into_inner().replicas.unwrap();
            loaded.push((counts.unloaded, counts.replicas));
        }
        // The directory stays.
        if loaded.iter().all(|(unloaded, all)| unloaded + 1 == *all) {
            return;
        }
        assert!(Instant::now() < until, "{loaded:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_show_leaves_memory_and_takes_the_next_hold_at_once() {
    let mut cluster = Cluster::start_with(sleepy()).await;
    let show_id = cluster.show().await;
    let leader = cluster.leader(show_id, &[0, 1, 2]).await;
    for round in 0..3_u32 {
        all_unloaded(&cluster).await;
        // A follower on disk knows from memory who leads.
        let other = (leader + 1) % 3;
        let release = submit_request::Command::ReleaseHold(v1::ReleaseHold { hold_id: 99 });
        let request = v1::SubmitRequest {
            show_id,
            caller: vec![1; 16].into(),
            idempotency_key: format!("elsewhere-{round}"),
            command: Some(release),
            ..v1::SubmitRequest::default()
        };
        let reply = cluster.clients[other].pipe().submit(request, LONG).await;
        let Some(submit_reply::Result::Failure(failure)) = reply.unwrap().result else {
            panic!("a follower took a command");
        };
        assert_eq!(failure.leader_node_id, leader as u64 + 1, "{failure:?}");

        let held = cluster
            .hold(show_id, round, &format!("h{round}"), &[leader])
            .await;
        let release = submit_request::Command::ReleaseHold(v1::ReleaseHold {
            hold_id: hold_id(&held),
        });
        let request = v1::SubmitRequest {
            show_id,
            caller: vec![1; 16].into(),
            idempotency_key: format!("r{round}"),
            command: Some(release),
            ..v1::SubmitRequest::default()
        };
        cluster.clients[leader]
            .pipe()
            .submit(request, LONG)
            .await
            .unwrap();
    }
    for at in 0..3 {
        cluster.stop(at).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_is_read_from_disk_on_a_follower_and_a_hold_keeps_its_leader_in_memory() {
    let mut cluster = Cluster::start_with(sleepy()).await;
    let show_id = cluster.show().await;
    let leader = cluster.leader(show_id, &[0, 1, 2]).await;
    all_unloaded(&cluster).await;
    let other = (leader + 1) % 3;
    let request = v1::GetSeatMapRequest {
        show_id,
        read: None,
    };
    let map = cluster.clients[other]
        .inventory()
        .get_seat_map(request)
        .await;
    assert_eq!(map.unwrap().into_inner().seats.len(), 20);

    cluster.hold(show_id, 3, "kept", &[leader]).await;
    // Long beyond the time after which an idle show leaves memory.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let reply = cluster.clients[leader]
        .operator()
        .cluster_status(v1::ClusterStatusRequest::default())
        .await
        .unwrap();
    assert_eq!(reply.into_inner().replicas.unwrap().unloaded, 0);
    for at in 0..3 {
        cluster.stop(at).await;
    }
}

/// Replicas of a node that are in memory with stopped timers.
async fn hibernating(client: &holdfast_node_api::client::NodeClient) -> u64 {
    let request = v1::ClusterStatusRequest::default();
    let reply = client.operator().cluster_status(request).await.unwrap();
    reply.into_inner().replicas.unwrap().hibernating
}

#[tokio::test(flavor = "multi_thread")]
async fn a_show_that_is_only_watched_sleeps_stays_in_memory_and_is_known_to_be_current() {
    let cluster = Cluster::start_with(sleepy()).await;
    let show_id = cluster.show().await;
    let leader = cluster.leader(show_id, &[0, 1, 2]).await;
    let follower = &cluster.clients[(leader + 1) % 3];
    let ask = |probe| v1::WatchSeatsRequest {
        show_id,
        from_index: 0,
        probe,
    };
    let until = Instant::now() + LONG;
    let (probes, mut updates) = loop {
        let (probes, requests) = tokio::sync::mpsc::channel(4);
        probes.send(ask(1)).await.unwrap();
        let requests = tokio_stream::wrappers::ReceiverStream::new(requests);
        let updates = follower.inventory().watch_seats(requests).await;
        let mut updates = updates.unwrap().into_inner();
        // The follower may not have applied yet how the show is set up.
        match updates.message().await {
            Ok(first) => {
                assert!(first.is_some_and(|first| first.everything));
                break (probes, updates);
            }
            Err(refused) => assert!(Instant::now() < until, "{refused}"),
        }
        tokio::time::sleep(PAUSE).await;
    };
    let mut asleep = 0;
    // Long past the time after which it would leave memory, if nobody watched.
    for probe in 2.. {
        tokio::time::sleep(PAUSE).await;
        probes.send(ask(probe)).await.unwrap();
        let update = loop {
            let update = updates.message().await.unwrap().expect("goes on");
            if update.probe == probe {
                break update;
            }
        };
        let young = update.as_of.unwrap().age_ms < 1_000;
        asleep = if young && hibernating(follower).await == 1 {
            asleep + 1
        } else {
            0
        };
        if asleep == 40 {
            return;
        }
        assert!(
            Instant::now() < until,
            "asleep for {asleep} looks, {update:?}"
        );
    }
}
