//! What becomes of orders gets into the index of buyers, once, and is there after a restart; what makes no sense is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use holdfast_inventory::ids::ShowId;
use holdfast_inventory::outbox::OutboxRecord;
use holdfast_node::server::Surroundings;
use holdfast_node::workers::outbox::{NotTaken, NoticeSink};
use holdfast_node_api::v1::{self, OrderState};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::node::{LONG, NodeUnderTest};

const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

async fn begin(node: &NodeUnderTest) -> v1::EnsureIndexReply {
    let until = tokio::time::Instant::now() + LONG;
    loop {
        let request = v1::EnsureIndexRequest {
            region: "here".to_owned(),
        };
        match node.client.buyer_indexes().ensure_index(request).await {
            Ok(reply) => return reply.into_inner(),
            other => assert!(tokio::time::Instant::now() < until, "{other:?}"),
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

fn request(group_id: u64, buyer: u8) -> v1::ListOrdersRequest {
    v1::ListOrdersRequest {
        group_id,
        buyer: vec![buyer; 16].into(),
        ..v1::ListOrdersRequest::default()
    }
}

/// Waits until the index lists so many orders of the buyer, and nothing more waits for it.
async fn listed(node: &NodeUnderTest, group: u64, buyer: u8, count: usize) -> v1::BuyerOrders {
    let until = tokio::time::Instant::now() + LONG;
    loop {
        let mut indexes = node.client.buyer_indexes();
        let orders = indexes.list_orders(request(group, buyer)).await;
        let survey = indexes.list_indexes(v1::ListIndexesRequest::default());
        let survey = survey.await.unwrap().into_inner();
        match orders {
            Ok(orders) if orders.get_ref().orders.len() == count && survey.waiting == 0 => {
                return orders.into_inner();
            }
            other => assert!(tokio::time::Instant::now() < until, "{other:?} {survey:?}"),
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_listed_once_it_is_confirmed_and_after_a_restart() {
    let node = NodeUnderTest::start().await;
    let show = node.show(0).await;
    // Before there is an index nobody is told, and nothing waits for one.
    let early = show.pay_for(1, &[0], "tok_approve").await;
    let confirmed = |o: &v1::Order| o.state() == OrderState::OrderConfirmed;
    show.order_until(1, early, confirmed).await;
    let until = tokio::time::Instant::now() + LONG;
    loop {
        let status = v1::ShowStatusRequest {
            show_id: show.id,
            read: None,
        };
        let status = node.client.operator().show_status(status).await.unwrap();
        if status.get_ref().outbox_pending == 0 {
            break;
        }
        assert!(tokio::time::Instant::now() < until, "{status:?}");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    let begun = begin(&node).await;
    assert!(!begun.existed);
    assert_eq!(begin(&node).await.group_id, begun.group_id);
    let group = begun.group_id;

    let first = show.pay_for(1, &[1], "tok_approve").await;
    show.order_until(1, first, confirmed).await;
    let orders = listed(&node, group, 1, 1).await;
    assert_eq!(orders.orders[0].order_id, first);
    assert_eq!(orders.orders[0].state(), OrderState::OrderConfirmed);
    assert!(orders.as_of.unwrap().index > 0);
    let second = show.pay_for(1, &[2, 3], "tok_approve").await;
    listed(&node, group, 1, 2).await;
    listed(&node, group, 2, 0).await;
    let mut directory = node.client.directory();
    let catalogue = directory.get_catalogue(v1::GetCatalogueRequest::default());
    let catalogue = catalogue.await.unwrap().into_inner();
    assert_eq!(catalogue.shows.len(), 1, "an index is not on sale");
    assert_eq!(catalogue.buyer_indexes[0].group_id, group);

    let dir = node.stop().await;
    let node = NodeUnderTest::start_in(dir, Surroundings::default()).await;
    node.wait_sellable(show.id).await;
    let orders = listed(&node, group, 1, 2).await.orders;
    let ids: Vec<u64> = orders.iter().map(|order| order.order_id).collect();
    assert_eq!(ids, [second, first], "the latest first");
    let third = node.known_show(show.id);
    let until = tokio::time::Instant::now() + LONG;
    // Led again only after an election; until then the pipe says so.
    while third
        .submit(2, "probe", crate::node::hold_seats(&[4]))
        .await
        .result
        .is_none_or(|result| matches!(result, v1::submit_reply::Result::Failure(_)))
    {
        assert!(tokio::time::Instant::now() < until);
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    third.pay_for(1, &[5], "tok_approve").await;
    listed(&node, group, 1, 3).await;
    node.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_twice_is_listed_once_and_what_makes_no_sense_is_refused() {
    let node = NodeUnderTest::start().await;
    let group_id = begin(&node).await.group_id;
    let event = |seq, state: OrderState| v1::IndexedEvent {
        buyer: vec![7; 16].into(),
        show_id: 9,
        order_id: 1,
        seq,
        at_ms: u64::MAX / 4,
        state: state.into(),
    };
    let tell = |events: Vec<v1::IndexedEvent>| {
        let mut indexes = node.client.buyer_indexes();
        async move {
            let request = v1::RecordOrdersRequest { group_id, events };
            indexes.record_orders(request).await
        }
    };
    let later = event(5, OrderState::OrderCancelled);
    let until = tokio::time::Instant::now() + LONG;
    while let Err(status) = tell(vec![later.clone()]).await {
        assert!(tokio::time::Instant::now() < until, "{status:?}");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    tell(vec![later.clone(), event(4, OrderState::OrderConfirmed)])
        .await
        .unwrap();
    let orders = listed(&node, group_id, 7, 1).await;
    assert_eq!(orders.orders[0].state(), OrderState::OrderCancelled);
    assert!(!orders.more);

    let open = tell(vec![event(6, OrderState::OrderOpen)]).await;
    assert_eq!(open.unwrap_err().code(), tonic::Code::InvalidArgument);
    let many = tell(vec![later; 1_025]).await;
    assert_eq!(many.unwrap_err().code(), tonic::Code::InvalidArgument);
    let mut indexes = node.client.buyer_indexes();
    let system = indexes.list_orders(request(group_id, 0)).await;
    assert_eq!(system.unwrap_err().code(), tonic::Code::InvalidArgument);
    let elsewhere = indexes.list_orders(request(1, 7)).await;
    assert_eq!(elsewhere.unwrap_err().code(), tonic::Code::Unavailable);
    let nowhere = v1::EnsureIndexRequest {
        region: "nowhere".to_owned(),
    };
    let nowhere = indexes.ensure_index(nowhere).await;
    assert_eq!(nowhere.unwrap_err().code(), tonic::Code::InvalidArgument);
    node.server.stop().await;
}

/// Takes nothing until it is told to.
#[derive(Default)]
struct Shut(AtomicBool);

impl NoticeSink for Shut {
    fn deliver(&self, _: ShowId, _: OutboxRecord) -> BoxFuture<'static, Result<(), NotTaken>> {
        let taken = self.0.load(Ordering::Relaxed);
        let reason = "nobody is there".to_owned();
        Box::pin(async move {
            if taken {
                Ok(())
            } else {
                Err(NotTaken { reason })
            }
        })
    }
}

/// How many records wait for a provider or a sink, and how many for an index, as an operator reads it.
async fn waiting(node: &NodeUnderTest) -> (u64, u64) {
    let mut stream = TcpStream::connect(node.server.http_addr).await.unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let of = |name: &str| {
        let line = answer.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.trim().parse().ok()).unwrap()
    };
    (
        of("holdfast_outbox_waiting_records "),
        of("holdfast_buyer_index_waiting_records "),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_takes_nothing_is_not_taken_for_an_index_that_is_behind() {
    let sink = Arc::new(Shut::default());
    let around = Surroundings {
        notices: Arc::<Shut>::clone(&sink),
        ..Surroundings::default()
    };
    let node = NodeUnderTest::start_in(tempfile::tempdir().unwrap(), around).await;
    let show = node.show(0).await;
    let group = begin(&node).await.group_id;
    let order = show.pay_for(1, &[0], "tok_approve").await;
    let confirmed = |o: &v1::Order| o.state() == OrderState::OrderConfirmed;
    show.order_until(1, order, confirmed).await;
    // The notice and the event of one order.
    assert_eq!(waiting(&node).await, (2, 0));
    listed(&node, group, 1, 0).await;

    sink.0.store(true, Ordering::Relaxed);
    listed(&node, group, 1, 1).await;
    let until = tokio::time::Instant::now() + LONG;
    while waiting(&node).await != (0, 0) {
        assert!(tokio::time::Instant::now() < until);
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    node.server.stop().await;
}
