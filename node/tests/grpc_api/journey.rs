//! From an empty node to a ticket, and what others see meanwhile.

use holdfast_node_api::v1::{self, submit_request};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::node::{
    LONG, NodeUnderTest, hold_of, hold_seats, order_of, pay, rejection_of, show_request,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_holds_orders_pays_and_gets_tickets() {
    let node = NodeUnderTest::start().await;
    let show = node.show(0).await;
    let layout = v1::GetLayoutRequest { show_id: show.id };
    let layout = node
        .client
        .inventory()
        .get_layout(layout)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        layout
            .seats
            .iter()
            .map(|s| s.id.as_str())
            .collect::<Vec<_>>()[..2],
        ["A-1", "A-2"]
    );
    assert_eq!(
        (layout.seats[1].left, layout.seats[1].right),
        (Some(0), Some(2))
    );

    let reply = show.submit(1, "hold", hold_seats(&[0, 1])).await;
    let index = reply.index;
    let hold = hold_of(reply);
    assert_eq!(
        (hold.total_minor, hold.currency.as_str(), hold.quantity),
        (9_000, "EUR", 2)
    );
    let read = v1::ReadOptions {
        at_least_index: index,
        linearizable: true,
        age_ms_max: 0,
    };
    let map = show.seat_map(read).await;
    assert_eq!(map.seats[..], [1, 1, 0, 0, 0, 0]);
    let as_of = map.as_of.unwrap();
    assert!(as_of.index >= index && as_of.linearizable);

    let open = submit_request::Command::OpenOrder(v1::OpenOrder {
        hold_id: hold.hold_id,
    });
    let order = order_of(show.submit(1, "open", open).await);
    let paying = order_of(
        show.submit(1, "pay", pay(order.order_id, "tok_approve"))
            .await,
    );
    assert_eq!(paying.state(), v1::OrderState::OrderPaying);
    let is_confirmed = |order: &v1::Order| order.state() == v1::OrderState::OrderConfirmed;
    let confirmed = show.order_until(1, order.order_id, is_confirmed).await;
    assert_eq!(confirmed.ticket_ids.len(), 2);
    assert_eq!(
        show.seat_map(v1::ReadOptions::default()).await.seats[..],
        [2, 2, 0, 0, 0, 0]
    );
    node.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_gets_the_first_answer_and_a_changed_body_is_refused() {
    let node = NodeUnderTest::start().await;
    let show = node.show(0).await;
    let first = show.submit(1, "k", hold_seats(&[0])).await;
    assert!(!first.replayed);
    let second = show.submit(1, "k", hold_seats(&[0])).await;
    assert!(second.replayed);
    assert_eq!(hold_of(second).hold_id, hold_of(first).hold_id);
    assert_eq!(
        rejection_of(show.submit(1, "k", hold_seats(&[1])).await).code,
        "request_reused"
    );
    // Another caller's keys are another caller's.
    assert_eq!(
        hold_of(show.submit(2, "k", hold_seats(&[1])).await).seats,
        [1]
    );
    node.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_buyers_of_one_seat_one_wins_and_the_rest_hear_which_seat_is_gone() {
    let node = NodeUnderTest::start().await;
    let show = node.show(0).await;
    let mut racing = Vec::new();
    for buyer in 1..=60 {
        let show = show.clone();
        racing.push(tokio::spawn(async move {
            show.submit(buyer, "race", hold_seats(&[3])).await
        }));
    }
    let mut wins = 0;
    for race in racing {
        let reply = race.await.unwrap();
        match reply.result {
            Some(v1::submit_reply::Result::Hold(_)) => wins += 1,
            Some(v1::submit_reply::Result::Rejection(no)) => {
                assert_eq!(
                    (no.code.as_str(), no.seats.as_slice()),
                    ("seats_taken", &[3][..])
                );
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(wins, 1);
    node.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_is_not_used_lapses_by_itself() {
    let node = NodeUnderTest::start().await;
    let show = node.show(1_000).await;
    let hold = hold_of(show.submit(1, "hold", hold_seats(&[0])).await);
    let until = tokio::time::Instant::now() + LONG;
    while show.seat_map(v1::ReadOptions::default()).await.seats[0] != 0 {
        assert!(tokio::time::Instant::now() < until, "the hold never lapsed");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let request = v1::GetHoldRequest {
        show_id: show.id,
        hold_id: hold.hold_id,
        caller: vec![1; 16].into(),
        read: None,
    };
    let reply = node
        .client
        .inventory()
        .get_hold(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(reply.hold.unwrap().state(), v1::HoldState::HoldExpired);
    node.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_is_served_watched_and_idempotent_by_slug() {
    let node = NodeUnderTest::start().await;
    let mut directory = node.client.directory();
    let watching = directory
        .watch_catalogue(v1::WatchCatalogueRequest::default())
        .await
        .unwrap();
    let mut changes = watching.into_inner();
    let first = changes.message().await.unwrap().unwrap().version;
    let show = node.show(0).await;
    let heard = async {
        loop {
            let piece = changes.message().await.unwrap().unwrap();
            assert!(piece.version >= first);
            if piece.shows.iter().any(|heard| heard.show_id == show.id) {
                return piece.version;
            }
        }
    };
    let seen = tokio::time::timeout(LONG, heard).await.unwrap();
    let request = v1::WatchCatalogueRequest {
        since_version: seen,
    };
    let later = directory.watch_catalogue(request).await.unwrap();
    let later = later.into_inner().message().await.unwrap().unwrap();
    assert!(
        later.plans.is_empty() && later.events.is_empty(),
        "it knows those"
    );
    let catalogue = directory
        .get_catalogue(v1::GetCatalogueRequest::default())
        .await
        .unwrap();
    let catalogue = catalogue.into_inner();
    assert_eq!(catalogue.events[0].name, "Tides");
    let listed = &catalogue.shows[0];
    assert_eq!((listed.show_id, listed.places), (show.id, 6));
    assert_eq!(
        (listed.price_minor_min, listed.price_minor_max),
        (2_000, 4_500)
    );
    let request = show_request(listed.event_id, listed.plan_id, 0);
    let again = directory
        .create_show(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert!(again.existed && again.show_id == show.id);
    let other = v1::CreateShowRequest {
        city: "Rotterdam".to_owned(),
        ..request
    };
    let refused = directory.create_show(other).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::AlreadyExists);
    node.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_can_be_asked_over_http() {
    let node = NodeUnderTest::start().await;
    let show = node.show(0).await;
    show.submit(1, "hold", hold_seats(&[0])).await;
    let ask = async |path: &str| {
        let mut stream = TcpStream::connect(node.server.http_addr).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    for path in [
        "/healthz",
        "/readyz",
        "/debug/groups",
        "/debug/group/g0",
        "/debug/topology",
    ] {
        assert!(ask(path).await.starts_with("HTTP/1.1 200"), "{path}");
    }
    assert!(ask("/debug/group/g1").await.contains("\"held\":1"));
    assert!(ask("/debug/group/g99").await.starts_with("HTTP/1.1 404"));
    assert!(ask("/debug/group/x").await.starts_with("HTTP/1.1 400"));
    let metrics = ask("/metrics").await;
    assert!(
        metrics.contains("holdfast_raft_commands_total 1"),
        "{metrics}"
    );
    assert!(metrics.contains("holdfast_group_leaders 2"), "{metrics}");
    assert!(
        metrics.contains("holdfast_invariant_violations_total 0"),
        "{metrics}"
    );
    node.server.stop().await;
}
