//! The emulator against plain sockets: delay, order, half-close, back-pressure, partitions, its API.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod toxiproxy;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use holdfast_chaos::wan::{LinkSpec, Wan};
use holdfast_region_config::RegionId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

const RTT: Duration = Duration::from_millis(60);
/// Longer than anything here may take, shorter than a patient person.
const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough that a byte which is not held back would have come.
const SILENCE: Duration = Duration::from_millis(300);

fn region(id: &str) -> RegionId {
    id.parse().unwrap()
}

async fn bind() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap()
}

/// A server that sends back what it gets, and closes its side once the other has.
async fn echo() -> SocketAddr {
    let listener = bind().await;
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = socket.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
                let _ = to.shutdown().await;
            });
        }
    });
    addr
}

async fn network() -> (Wan, SocketAddr) {
    let spec = LinkSpec {
        dialler: "east".to_owned(),
        viewer: region("east"),
        target: region("west"),
        server: "n2".to_owned(),
        upstream: echo().await,
        listener: bind().await,
        rtt: RTT,
    };
    let wan = Wan::start(vec![spec], 7).unwrap();
    let addr = wan.address("east", "n2").unwrap();
    (wan, addr)
}

async fn round_trip(socket: &mut TcpStream, text: &[u8]) -> Duration {
    let started_at = Instant::now();
    socket.write_all(text).await.unwrap();
    let mut answer = vec![0; text.len()];
    timeout(PATIENCE, socket.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answer, text);
    started_at.elapsed()
}

#[tokio::test]
async fn a_round_trip_takes_its_time_and_the_first_one_pays_the_handshake() {
    let (_wan, addr) = network().await;
    let mut socket = TcpStream::connect(addr).await.unwrap();
    assert!(round_trip(&mut socket, b"first").await >= 2 * RTT);
    let warm = round_trip(&mut socket, b"second").await;
    assert!(warm >= RTT, "{warm:?}");
}

#[tokio::test]
async fn delays_do_not_add_up_under_load_and_order_is_kept() {
    let (_wan, addr) = network().await;
    let socket = TcpStream::connect(addr).await.unwrap();
    let (mut reads, mut writes) = socket.into_split();
    let started_at = Instant::now();
    // 200 small writes, each of which would take 60 ms more if delays added up: 12 seconds.
    let writer = tokio::spawn(async move {
        for number in 0_u32..200 {
            writes.write_all(&number.to_be_bytes()).await.unwrap();
            tokio::task::yield_now().await;
        }
        writes
    });
    for number in 0_u32..200 {
        assert_eq!(
            timeout(PATIENCE, reads.read_u32()).await.unwrap().unwrap(),
            number
        );
    }
    assert!(
        started_at.elapsed() < Duration::from_secs(3),
        "{:?}",
        started_at.elapsed()
    );
    drop(writer.await.unwrap());
}

#[tokio::test]
async fn a_half_closed_connection_still_gets_its_answer() {
    let (_wan, addr) = network().await;
    let mut socket = TcpStream::connect(addr).await.unwrap();
    socket.write_all(b"last words").await.unwrap();
    socket.shutdown().await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, socket.read_to_end(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answer, b"last words");
}

#[tokio::test]
async fn more_than_fits_on_the_way_arrives_whole() {
    let (_wan, addr) = network().await;
    let sent: Vec<u8> = (0..40_000_000_u32)
        .map(|n| (n % 251).to_be_bytes()[3])
        .collect();
    let (mut reads, mut writes) = TcpStream::connect(addr).await.unwrap().into_split();
    let body = sent.clone();
    tokio::spawn(async move {
        writes.write_all(&body).await.unwrap();
        writes.shutdown().await.unwrap();
    });
    let mut answer = Vec::new();
    timeout(PATIENCE, reads.read_to_end(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer == sent, "{} of {} bytes", answer.len(), sent.len());
}

#[tokio::test]
async fn a_partition_stalls_and_a_heal_delivers() {
    let (wan, addr) = network().await;
    let mut socket = TcpStream::connect(addr).await.unwrap();
    round_trip(&mut socket, b"warm").await;
    wan.isolate(&region("west"));
    socket.write_all(b"stuck").await.unwrap();
    let mut answer = [0; 5];
    let silence = timeout(SILENCE, socket.read_exact(&mut answer)).await;
    assert!(silence.is_err(), "heard {silence:?} through a cut");
    // A new connection is neither refused nor answered.
    let mut late = TcpStream::connect(addr).await.unwrap();
    late.write_all(b"late!").await.unwrap();
    assert!(
        timeout(SILENCE, late.read_exact(&mut answer))
            .await
            .is_err()
    );
    wan.heal_all();
    timeout(PATIENCE, socket.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&answer, b"stuck");
    timeout(PATIENCE, late.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&answer, b"late!");
}

#[tokio::test]
async fn a_one_way_cut_lets_requests_through_and_no_answers_back() {
    let (wan, addr) = network().await;
    let mut socket = TcpStream::connect(addr).await.unwrap();
    round_trip(&mut socket, b"warm").await;
    wan.cut_one_way(&region("west"), &region("east"));
    socket.write_all(b"hello").await.unwrap();
    let mut answer = [0; 5];
    assert!(
        timeout(SILENCE, socket.read_exact(&mut answer))
            .await
            .is_err()
    );
    wan.heal(&region("east"), &region("west"));
    timeout(PATIENCE, socket.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_disabled_proxy_closes_what_it_carried() {
    let (wan, addr) = network().await;
    let mut socket = TcpStream::connect(addr).await.unwrap();
    round_trip(&mut socket, b"warm").await;
    wan.set_enabled("east->n2", false).await.unwrap();
    let mut answer = Vec::new();
    let ended = timeout(PATIENCE, socket.read_to_end(&mut answer))
        .await
        .unwrap();
    assert!(!matches!(ended, Ok(count) if count > 0));
    assert!(wan.set_enabled("east->n9", false).await.is_err());
}
