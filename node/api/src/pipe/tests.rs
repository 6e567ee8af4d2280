//! The pipe against a scripted node.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::Stream;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming, transport::Server};

use super::*;
use crate::{
    client::{ClientOptions, NodeClient},
    v1::{
        self,
        inventory_server::{Inventory, InventoryServer},
        submit_reply,
    },
};

/// Answers by the command's idempotency key: `echo` at once, `drop` breaks the stream, anything else never.
#[derive(Clone, Default)]
struct Scripted {
    streams: Arc<AtomicUsize>,
}

type Replies = Pin<Box<dyn Stream<Item = Result<SubmitReply, Status>> + Send>>;

#[tonic::async_trait]
impl Inventory for Scripted {
    type SubmitStreamStream = Replies;
    type WatchSeatsStream = Pin<Box<dyn Stream<Item = Result<v1::SeatsUpdate, Status>> + Send>>;

    async fn watch_seats(
        &self,
        _: Request<Streaming<v1::WatchSeatsRequest>>,
    ) -> Result<Response<Self::WatchSeatsStream>, Status> {
        Err(Status::unimplemented("scripted"))
    }

    async fn submit(&self, _: Request<SubmitRequest>) -> Result<Response<SubmitReply>, Status> {
        Err(Status::unimplemented("scripted"))
    }

    async fn submit_stream(
        &self,
        request: Request<Streaming<SubmitRequest>>,
    ) -> Result<Response<Replies>, Status> {
        self.streams.fetch_add(1, Ordering::SeqCst);
        let replies = request.into_inner().filter_map(|request| async move {
            let request = request.ok()?;
            match request.idempotency_key.as_str() {
                "echo" => Some(Ok(SubmitReply {
                    tag: request.tag,
                    index: u64::from(request.deadline_ms),
                    result: Some(submit_reply::Result::SeatsChanged(
                        v1::SeatsChanged::default(),
                    )),
                    replayed: false,
                })),
                "drop" => Some(Err(Status::unavailable("scripted"))),
                _ => None,
            }
        });
        Ok(Response::new(Box::pin(replies)))
    }

    async fn get_layout(
        &self,
        _: Request<v1::GetLayoutRequest>,
    ) -> Result<Response<v1::Layout>, Status> {
        Err(Status::unimplemented("scripted"))
    }

    async fn get_seat_map(
        &self,
        _: Request<v1::GetSeatMapRequest>,
    ) -> Result<Response<v1::SeatMap>, Status> {
        Err(Status::unimplemented("scripted"))
    }

    async fn get_hold(
        &self,
        _: Request<v1::GetHoldRequest>,
    ) -> Result<Response<v1::HoldReply>, Status> {
        Err(Status::unimplemented("scripted"))
    }

    async fn get_order(
        &self,
        _: Request<v1::GetOrderRequest>,
    ) -> Result<Response<v1::OrderReply>, Status> {
        Err(Status::unimplemented("scripted"))
    }
}

async fn serve(node: Scripted) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder()
        .add_service(InventoryServer::new(node))
        .serve_with_incoming(TcpListenerStream::new(listener));
    (address, tokio::spawn(async move { server.await.unwrap() }))
}

fn keyed(key: &str) -> SubmitRequest {
    SubmitRequest {
        idempotency_key: key.to_owned(),
        ..SubmitRequest::default()
    }
}

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(80);

#[tokio::test]
async fn answers_find_their_submit_over_one_stream() {
    let node = Scripted::default();
    let (address, server) = serve(node.clone()).await;
    let client = NodeClient::new(&address.to_string(), &ClientOptions::default()).unwrap();
    let mut waiting = Vec::new();
    for n in 1..=200_u32 {
        let pipe = client.pipe().clone();
        let request = SubmitRequest {
            deadline_ms: n,
            ..keyed("echo")
        };
        waiting.push(tokio::spawn(async move {
            (n, pipe.submit(request, LONG).await)
        }));
    }
    for submit in waiting {
        let (n, reply) = submit.await.unwrap();
        assert_eq!(reply.unwrap().index, u64::from(n));
    }
    assert_eq!(node.streams.load(Ordering::SeqCst), 1);
    server.abort();
}

#[tokio::test]
async fn silence_ends_at_the_deadline_and_frees_the_slot() {
    let (address, server) = serve(Scripted::default()).await;
    let options = ClientOptions {
        pipe: PipeOptions {
            in_flight_max: 1,
            ..PipeOptions::default()
        },
        ..ClientOptions::default()
    };
    let client = NodeClient::new(&address.to_string(), &options).unwrap();
    for _ in 0..3 {
        let error = client
            .pipe()
            .submit(keyed("silent"), SHORT)
            .await
            .unwrap_err();
        assert_eq!(error, SubmitError::Deadline);
        assert!(error.maybe_happened());
    }
    client.pipe().submit(keyed("echo"), LONG).await.unwrap();
    server.abort();
}

#[tokio::test]
async fn beyond_the_bound_a_submit_is_refused_without_being_sent() {
    let (address, server) = serve(Scripted::default()).await;
    let options = ClientOptions {
        pipe: PipeOptions {
            in_flight_max: 1,
            ..PipeOptions::default()
        },
        ..ClientOptions::default()
    };
    let client = NodeClient::new(&address.to_string(), &options).unwrap();
    client.pipe().submit(keyed("echo"), LONG).await.unwrap();
    let silent = client.pipe().submit(keyed("silent"), LONG);
    tokio::pin!(silent);
    tokio::select! {
        biased;
        _ = &mut silent => panic!("the node never answers this"),
        refused = client.pipe().submit(keyed("echo"), LONG) => {
            assert_eq!(refused, Err(SubmitError::Full));
            assert!(!SubmitError::Full.maybe_happened());
        }
    }
    server.abort();
}

#[tokio::test]
async fn a_broken_stream_is_ambiguous_and_the_next_submit_opens_another() {
    let node = Scripted::default();
    let (address, server) = serve(node.clone()).await;
    let client = NodeClient::new(&address.to_string(), &ClientOptions::default()).unwrap();
    let error = client.pipe().submit(keyed("drop"), LONG).await.unwrap_err();
    assert_eq!(error, SubmitError::Lost);
    client.pipe().submit(keyed("echo"), LONG).await.unwrap();
    assert_eq!(node.streams.load(Ordering::SeqCst), 2);
    server.abort();
}

#[tokio::test]
async fn a_node_that_is_not_there_is_unreachable_and_nothing_happened() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = NodeClient::new(&address.to_string(), &ClientOptions::default()).unwrap();
    let error = client.pipe().submit(keyed("echo"), LONG).await.unwrap_err();
    assert_eq!(error, SubmitError::Unreachable);
    assert!(!error.maybe_happened());
    let again = client.pipe().submit(keyed("echo"), LONG).await;
    assert_eq!(again, Err(SubmitError::Unreachable));
}
