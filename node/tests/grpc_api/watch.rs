//! Seats as a stream: everything once, what changes, and an answer to each probe.

use std::time::Duration;

use holdfast_node_api::{print, v1};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::node::{LONG, NodeUnderTest, Show, hold_of, hold_seats};

struct Watch {
    probes: mpsc::Sender<v1::WatchSeatsRequest>,
    updates: Streaming<v1::SeatsUpdate>,
}

impl Watch {
    async fn of(show: &Show, from_index: u64) -> Self {
        let (probes, requests) = mpsc::channel(4);
        let first = v1::WatchSeatsRequest {
            show_id: show.id,
            from_index,
            probe: 1,
        };
        probes.send(first).await.unwrap();
        let requests = ReceiverStream::new(requests);
        let updates = show.client.inventory().watch_seats(requests).await;
        Self {
            probes,
            updates: updates.unwrap().into_inner(),
        }
    }

    async fn next(&mut self) -> v1::SeatsUpdate {
        let next = tokio::time::timeout(LONG, self.updates.message()).await;
        next.unwrap().unwrap().expect("the stream goes on")
    }

    /// The next update that changes a seat.
    async fn change(&mut self) -> v1::SeatsUpdate {
        loop {
            let update = self.next().await;
            if !update.seats_changed.is_empty() {
                return update;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_gets_everything_then_what_changes_with_the_requests_behind_it() {
    let node = NodeUnderTest::start().await;
    let show = node.show(0).await;
    let before = show.submit(1, "early", hold_seats(&[5])).await;
    let mut watch = Watch::of(&show, before.index).await;
    let first = watch.next().await;
    assert!(first.everything && first.probe == 1);
    assert_eq!(first.seats[..], [0, 0, 0, 0, 0, 1]);
    assert_eq!(first.prints, [print::of_text([1; 16], "early")]);
    assert!(first.as_of.unwrap().index >= before.index);

    let held = show.submit(2, "k", hold_seats(&[1, 2])).await;
    let index = held.index;
    let hold = hold_of(held);
    let change = watch.change().await;
    assert_eq!(change.seats_changed, [1 << 2 | 1, 2 << 2 | 1]);
    assert_eq!(change.prints, [print::of_text([2; 16], "k")]);
    assert!(!change.everything && change.as_of.unwrap().index >= index);

    let release = v1::submit_request::Command::ReleaseHold(v1::ReleaseHold {
        hold_id: hold.hold_id,
    });
    show.submit(2, "r", release).await;
    assert_eq!(watch.change().await.seats_changed, [1 << 2, 2 << 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_is_answered_while_nothing_changes() {
    let node = NodeUnderTest::start().await;
    let show = node.show(0).await;
    let mut watch = Watch::of(&show, 0).await;
    assert!(watch.next().await.everything);
    for probe in 2..5 {
        let request = v1::WatchSeatsRequest {
            probe,
            ..v1::WatchSeatsRequest::default()
        };
        watch.probes.send(request).await.unwrap();
        let answer = loop {
            let update = watch.next().await;
            if update.probe == probe {
                break update;
            }
        };
        assert!(answer.seats_changed.is_empty() && !answer.everything);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_show_is_named_and_a_stopping_node_says_so() {
    let node = NodeUnderTest::start().await;
    let show = node.show(0).await;
    let nobody = node.known_show(999);
    let (probes, requests) = mpsc::channel(4);
    let first = v1::WatchSeatsRequest {
        show_id: nobody.id,
        from_index: 0,
        probe: 1,
    };
    probes.send(first).await.unwrap();
    let mut inventory = nobody.client.inventory();
    let refused = inventory.watch_seats(ReceiverStream::new(requests)).await;
    assert_eq!(refused.unwrap_err().code(), tonic::Code::NotFound);

    let mut watch = Watch::of(&show, 0).await;
    assert!(watch.next().await.everything);
    let stopping = tokio::spawn(node.server.stop());
    let ended = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            match watch.updates.message().await {
                Ok(Some(_)) => {}
                other => return other,
            }
        }
    });
    let ended = ended.await.unwrap();
    assert!(ended.is_err() || matches!(ended, Ok(None)), "{ended:?}");
    stopping.await.unwrap();
}
