//! Sockets: UDP and TCP on one port, and their limits.
//!
//! Owns: reading and writing packets. Must never: let one client have more than its share of the TCP connections ([`Connections`]),
//! or have more than one of its questions in work on any of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_server::net::xfer::Protocol;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connections::{Connection, Connections, EACH_MAX};
use super::responder::Responder;
use super::wire::HEADER_BYTES;

/// Longest query that is read over UDP, bytes: twice what fits into one packet on the way here.
const UDP_QUERY_BYTES_MAX: usize = 4_096;
/// Longest query over TCP, bytes. Honest ones have a few hundred.
const TCP_QUERY_BYTES_MAX: usize = 4_096;
/// A connection that says nothing for this long is closed (RFC 7766, 6.2.3, wants seconds).
const TCP_IDLE_MAX: Duration = Duration::from_secs(5);
/// Queries on one connection.
const TCP_QUERIES_MAX: usize = 1_000;
/// Tries to find a port that is free for UDP and TCP, when any will do.
const PORT_TRIES: usize = 16;
/// Pause after the system refused to accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Tasks that read the UDP socket: enough to use the cores, few enough to leave some to buyers.
const UDP_READERS_MAX: usize = 4;

/// Both sockets, bound and not read yet.
#[derive(Debug)]
pub struct Sockets {
    udp: Arc<UdpSocket>,
    tcp: TcpListener,
    address: SocketAddr,
}

impl Sockets {
    /// Takes the address for UDP and TCP; with port 0 one that is free for both.
    ///
    /// # Errors
    /// What the system says.
    pub async fn bind(listen: SocketAddr) -> std::io::Result<Self> {
        let mut tries = if listen.port() == 0 { PORT_TRIES } else { 1 };
        loop {
            tries -= 1;
            let tcp = TcpListener::bind(listen).await?;
            let address = tcp.local_addr()?;
            match UdpSocket::bind(address).await {
                Ok(udp) => {
                    return Ok(Self {
                        udp: Arc::new(udp),
                        tcp,
                        address,
                    });
                }
                Err(_) if tries > 0 => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop`; the tasks are `tasks`'.
    pub fn serve(
        self,
        responder: &Arc<Responder>,
        tcp_connections_max: usize,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..cores.min(UDP_READERS_MAX) {
            let reading = read_udp(Arc::clone(&self.udp), Arc::clone(responder));
            let stop = stop.clone();
            tasks.spawn(async move { stop.run_until_cancelled(reading).await });
        }
        let places = Arc::new(Connections::new(tcp_connections_max, EACH_MAX));
        let accepting = accept(
            self.tcp,
            Arc::clone(responder),
            places,
            tasks.clone(),
            stop.clone(),
        );
        let stop = stop.clone();
        tasks.spawn(async move { stop.run_until_cancelled(accepting).await });
    }
}

/// Answers come without a wait in between, so that one reader has one packet in work.
async fn read_udp(socket: Arc<UdpSocket>, responder: Arc<Responder>) {
    let mut buffer = vec![0; UDP_QUERY_BYTES_MAX];
    loop {
        // Errors are about packets that were sent before: nobody was there (ICMP). They say nothing about this one.
        let Ok((length, src)) = socket.recv_from(&mut buffer).await else {
            tokio::task::yield_now().await;
            continue;
        };
        let packet = buffer[..length].to_vec();
        if let Some(answer) = responder.respond(packet, src, Protocol::Udp).await {
            let _ = socket.send_to(&answer, src).await;
        }
    }
}

async fn accept(
    listener: TcpListener,
    responder: Arc<Responder>,
    places: Arc<Connections>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    loop {
        let Ok((stream, src)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Without a place the connection is closed at once: a resolver then asks another server.
        if let Some(place) = places.take(src.ip()) {
            let serving = serve_tcp(stream, src, Arc::clone(&responder), place);
            let stop = stop.clone();
            tasks.spawn(async move { stop.run_until_cancelled(serving).await });
        }
    }
}

async fn serve_tcp(
    mut stream: TcpStream,
    src: SocketAddr,
    responder: Arc<Responder>,
    place: Connection,
) {
    let _place = place;
    let _ = stream.set_nodelay(true);
    for _ in 0..TCP_QUERIES_MAX {
        let asked = tokio::time::timeout(TCP_IDLE_MAX, read_query(&mut stream)).await;
        let Ok(Some(packet)) = asked else { return };
        // Silence on a connection is its end.
        let Some(answer) = responder.respond(packet, src, Protocol::Tcp).await else {
            return;
        };
        let Ok(length) = u16::try_from(answer.len()) else {
            return;
        };
        let framed = [length.to_be_bytes().as_slice(), &answer].concat();
        let written = tokio::time::timeout(TCP_IDLE_MAX, stream.write_all(&framed)).await;
        if !matches!(written, Ok(Ok(()))) {
            return;
        }
    }
}

/// One query; `None` when the connection ended or its length makes no sense.
async fn read_query(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let length = usize::from(stream.read_u16().await.ok()?);
    if !(HEADER_BYTES..=TCP_QUERY_BYTES_MAX).contains(&length) {
        return None;
    }
    let mut packet = vec![0; length];
    stream.read_exact(&mut packet).await.ok()?;
    Some(packet)
}
