//! A node that stops and comes back knows everything it said yes to.

use holdfast_node::server::Surroundings;
use holdfast_node_api::v1;

use crate::node::{NodeUnderTest, hold_of, hold_seats, rejection_of};

#[tokio::test(flavor = "multi_thread")]
async fn everything_acknowledged_is_there_after_a_restart() {
    let node = NodeUnderTest::start().await;
    let show = node.show(0).await;
    let hold = hold_of(show.submit(1, "hold", hold_seats(&[0, 1])).await);
    let order = show.pay_for(2, &[2], "tok_approve").await;
    show.order_until(2, order, |o| o.state() == v1::OrderState::OrderConfirmed)
        .await;
    let dir = node.stop().await;

    let node = NodeUnderTest::start_in(dir, Surroundings::default()).await;
    node.wait_sellable(show.id).await;
    let show = node.known_show(show.id);
    // A restarted single node leads again only after an election; the pipe's answer says so until then.
    let replay = loop {
        let reply = show.submit(1, "hold", hold_seats(&[0, 1])).await;
        match reply.result {
            Some(v1::submit_reply::Result::Failure(_)) => {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            _ => break reply,
        }
    };
    assert!(replay.replayed);
    assert_eq!(hold_of(replay).hold_id, hold.hold_id);
    let taken = rejection_of(show.submit(3, "late", hold_seats(&[1, 2])).await);
    assert_eq!(
        (taken.code.as_str(), taken.seats),
        ("seats_taken", vec![1, 2])
    );
    assert_eq!(show.order(2, order, 0).await.ticket_ids.len(), 1);
    node.server.stop().await;
}
