//! What a peer, or something that pretends to be one, gets for an answer.

use std::net::SocketAddr;

use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Status};

use super::*;
use crate::clock::SystemClock;
use crate::fabric::board::Board;
use crate::fabric::liveness::SILENCE_FLOOR;
use crate::transport::SNAPSHOT_BYTES_MAX;
use crate::transport::wire::pb::peer_client::PeerClient;

struct NoGroups;

impl Groups for NoGroups {
    fn loaded(&self, _group: GroupId) -> Option<Arc<GroupCore>> {
        None
    }

    fn is_here(&self, _group: GroupId) -> bool {
        false
    }

    fn open(&self, _group: GroupId) -> BoxFuture<'static, Option<Arc<GroupCore>>> {
        Box::pin(async { None })
    }
}

/// A peer service without groups on a free port; it ends with the returned token.
async fn serve() -> (SocketAddr, CancellationToken) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let addr = listener.local_addr().expect("bound");
    let stop = CancellationToken::new();
    let server = PeerServer {
        cluster: Arc::from("holdfast"),
        node: NodeId::new(2),
        groups: Arc::new(NoGroups),
        pulses: Arc::new(Board::new(
            NodeId::new(2),
            1,
            SILENCE_FLOOR,
            Arc::new(SystemClock),
        )),
        stop: stop.clone(),
        arriving: Arc::new(Semaphore::new(1)),
    };
    let router = Server::builder().add_service(crate::transport::grpc::service(server));
    let stopped = stop.clone().cancelled_owned();
    tokio::spawn(router.serve_with_incoming_shutdown(TcpListenerStream::new(listener), stopped));
    (addr, stop)
}

async fn client(addr: SocketAddr) -> PeerClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{addr}")).expect("an address");
    PeerClient::new(endpoint.connect().await.expect("it listens"))
}

fn hello(cluster: &str, to_node: u64, protocol: u32) -> pb::Frame {
    let hello = pb::Hello {
        cluster: cluster.to_owned(),
        from_node: 1,
        to_node,
        protocol,
    };
    frame(0, Some(Body::Hello(hello)))
}

fn frame(session: u64, body: Option<Body>) -> pb::Frame {
    pb::Frame {
        group: 7,
        session,
        body,
    }
}

async fn refusal_of(first: pb::Frame) -> Status {
    let (addr, stop) = serve().await;
    let answer = client(addr).await.link(tokio_stream::iter([first])).await;
    stop.cancel();
    answer.expect_err("refused")
}

#[tokio::test]
async fn stranger_is_told_what_does_not_fit() {
    let status = refusal_of(hello("other", 2, PROTOCOL)).await;
    assert!(status.message().starts_with("cluster:"), "{status}");
    let status = refusal_of(hello("holdfast", 3, PROTOCOL)).await;
    assert!(status.message().starts_with("to_node:"), "{status}");
    let status = refusal_of(hello("holdfast", 2, PROTOCOL + 1)).await;
    assert!(status.message().starts_with("hello.protocol:"), "{status}");
    let status = refusal_of(frame(1, None)).await;
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn frames_that_make_no_sense_are_refused_one_by_one() {
    let (addr, stop) = serve().await;
    let frames = [
        hello("holdfast", 2, PROTOCOL),
        frame(1, None),
        frame(2, Some(Body::Vote(pb::VoteRequest::default()))),
        frame(
            3,
            Some(Body::Ping(pb::Ping {
                nonce: 9,
                ..Default::default()
            })),
        ),
    ];
    // The requests must not end before the answers are in.
    let frames = tokio_stream::iter(frames).chain(futures_util::stream::pending());
    let mut replies = client(addr)
        .await
        .link(frames)
        .await
        .expect("let in")
        .into_inner();
    let mut codes = Vec::new();
    while codes.len() < 3 {
        let reply = replies.message().await.expect("goes on").expect("goes on");
        codes.push(match reply.body {
            Some(Body::Refusal(refusal)) => (reply.session, refusal.code),
            Some(Body::Pong(pong)) => (reply.session, i32::try_from(pong.nonce).expect("small")),
            other => panic!("{other:?}"),
        });
    }
    let malformed = i32::from(pb::RefusalCode::Malformed);
    let no_group = i32::from(pb::RefusalCode::NoSuchGroup);
    assert_eq!(codes, [(1, malformed), (2, no_group), (3, 9)]);
    stop.cancel();
}

#[tokio::test]
async fn snapshot_for_a_group_that_is_not_here_is_refused_before_its_bytes() {
    let (addr, stop) = serve().await;
    let header = pb::SnapshotHeader {
        group: 7,
        cluster: "holdfast".to_owned(),
        to_node: 2,
        vote: Some(pb::Vote {
            term: 1,
            node: 1,
            committed: true,
        }),
        membership: Some(pb::StoredMembership {
            log_id: None,
            membership: Some(pb::Membership::default()),
        }),
        bytes_total: 10,
        ..Default::default()
    };
    let install = |header: pb::SnapshotHeader| async move {
        let part = pb::snapshot_part::Part::Header(header);
        let parts = tokio_stream::iter([pb::SnapshotPart { part: Some(part) }]);
        client(addr)
            .await
            .install_snapshot(parts)
            .await
            .expect_err("refused")
    };
    assert_eq!(install(header.clone()).await.code(), Code::Unavailable);
    let huge = pb::SnapshotHeader {
        bytes_total: SNAPSHOT_BYTES_MAX + 1,
        ..header.clone()
    };
    assert!(
        install(huge)
            .await
            .message()
            .starts_with("header.bytes_total")
    );
    let voteless = pb::SnapshotHeader {
        vote: None,
        ..header
    };
    assert!(install(voteless).await.message().contains("header.vote"));
    stop.cancel();
}

#[tokio::test]
async fn bytes_that_are_no_http_do_not_disturb_the_next_caller() {
    use tokio::io::AsyncWriteExt as _;
    let (addr, stop) = serve().await;
    for seed in 0..20u8 {
        let mut socket = tokio::net::TcpStream::connect(addr)
            .await
            .expect("it listens");
        let garbage: Vec<u8> = (0..4_096u32)
            .map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3] ^ seed)
            .collect();
        // The server may hang up in the middle: that is an answer too.
        let _ = socket.write_all(&garbage).await;
    }
    let frames = tokio_stream::iter([hello("holdfast", 2, PROTOCOL)]);
    assert!(client(addr).await.link(frames).await.is_ok());
    stop.cancel();
}
