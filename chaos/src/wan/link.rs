//! One proxy: accepts, dials the server, joins the two with delayed pumps.
//!
//! Owns: its listener and connections. Must never: let one connection's trouble reach another.
//!
//! A new connection pays the round trip that a TCP handshake costs before its first byte is carried. While the
//! link is cut a new connection is neither refused nor carried: it waits, like a lost SYN, for the cut to heal.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use holdfast_region_config::RegionId;
use prometheus::{IntCounter, IntGauge};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::metrics::Metrics;
use super::pump::{Pump, PumpEnd};
use super::shape::{Direction, LinkShape};
use super::{LinkSpec, WanError, link_name};

/// Most connections of one link; more wait to be accepted.
pub const CONNECTIONS_MAX: usize = 4_096;
/// Longest wait for the server to take a connection; it is on this machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// After a failed accept (no more file descriptors) the loop rests this long.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// One proxy of the network.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) viewer: RegionId,
    pub(crate) target: RegionId,
    pub(crate) listen: SocketAddr,
    pub(crate) upstream: SocketAddr,
    shape: watch::Sender<LinkShape>,
    /// Each connection draws its jitter from this and its number.
    seed: u64,
    connection_count: AtomicU64,
    connections: IntGauge,
    upstream_bytes: IntCounter,
    downstream_bytes: IntCounter,
    pieces: IntCounter,
    blocked: IntGauge,
}

impl Link {
    pub(crate) fn carried_bytes(&self) -> u64 {
        self.upstream_bytes.get() + self.downstream_bytes.get()
    }

    pub(crate) fn new(
        spec: LinkSpec,
        seed: u64,
        metrics: &Metrics,
    ) -> Result<(Self, TcpListener), WanError> {
        let name = link_name(&spec.viewer, &spec.server);
        let listen = spec
            .listener
            .local_addr()
            .map_err(|source| WanError::Socket {
                link: name.clone(),
                source,
            })?;
        let label = [name.as_str()];
        let bytes = |direction: Direction| {
            metrics
                .bytes
                .with_label_values(&[name.as_str(), direction.as_str()])
        };
        let link = Self {
            viewer: spec.viewer,
            target: spec.target,
            listen,
            upstream: spec.upstream,
            shape: watch::Sender::new(LinkShape::new(spec.rtt)),
            seed: name.bytes().fold(seed, |hash, b| {
                (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
            }),
            connection_count: AtomicU64::new(0),
            connections: metrics.connections.with_label_values(&label),
            upstream_bytes: bytes(Direction::Upstream),
            downstream_bytes: bytes(Direction::Downstream),
            pieces: metrics.pieces.clone(),
            blocked: metrics.blocked.with_label_values(&label),
            name,
        };
        Ok((link, spec.listener))
    }

    pub(crate) fn shape(&self) -> LinkShape {
        self.shape.borrow().clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut LinkShape)) {
        self.shape.send_modify(|shape| {
            change(shape);
            let blocked = shape.upstream_cut || shape.downstream_cut || !shape.enabled;
            self.blocked.set(i64::from(blocked));
        });
    }

    /// Runs until dropped; its connections end with it.
    pub(crate) async fn accept_loop(self: Arc<Self>, listener: TcpListener) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let Ok(place) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            let client = match listener.accept().await {
                Ok((client, _)) => client,
                Err(error) => {
                    tracing::warn!(link = %self.name, %error, "cannot accept");
                    sleep(ACCEPT_REST).await;
                    continue;
                }
            };
            let link = Arc::clone(&self);
            connections.spawn(async move {
                link.connections.inc();
                link.carry(client).await;
                link.connections.dec();
                drop(place);
            });
        }
    }

    /// One connection, from handshake to the last byte.
    async fn carry(&self, client: TcpStream) {
        let mut shape = self.shape.subscribe();
        let closed = |shape: &LinkShape| !shape.enabled;
        if closed(&shape.borrow()) {
            return;
        }
        let mut gate = shape.clone();
        tokio::select! {
            _ = shape.wait_for(closed) => {}
            () = self.join(client, &mut gate) => {}
        }
    }

    async fn join(&self, client: TcpStream, gate: &mut watch::Receiver<LinkShape>) {
        // A handshake needs both ways.
        let open = |shape: &LinkShape| !shape.upstream_cut && !shape.downstream_cut;
        let rtt = gate.borrow().rtt;
        sleep(rtt).await;
        if gate.wait_for(open).await.is_err() {
            return;
        }
        let Ok(Ok(server)) = timeout(CONNECT_TIMEOUT, TcpStream::connect(self.upstream)).await
        else {
            return;
        };
        // A proxy must not add Nagle's waits to the delays that it is told to add.
        if client
            .set_nodelay(true)
            .and_then(|()| server.set_nodelay(true))
            .is_err()
        {
            return;
        }
        let number = self.connection_count.fetch_add(1, Ordering::Relaxed);
        let (client_reads, client_writes) = client.into_split();
        let (server_reads, server_writes) = server.into_split();
        let pump = |direction, bytes: &IntCounter| Pump {
            direction,
            shape: self.shape.subscribe(),
            seed: self.seed ^ (number << 1) ^ u64::from(direction == Direction::Upstream),
            bytes: bytes.clone(),
            pieces: self.pieces.clone(),
        };
        let up = pump(Direction::Upstream, &self.upstream_bytes).run(client_reads, server_writes);
        let down =
            pump(Direction::Downstream, &self.downstream_bytes).run(server_reads, client_writes);
        // A clean end of one way leaves the other open (half-close); a failure ends both.
        let fail = |end| {
            if end == PumpEnd::Clean {
                Ok(())
            } else {
                Err(())
            }
        };
        let ended = tokio::try_join!(async { fail(up.await) }, async { fail(down.await) });
        if ended.is_err() {
            tracing::debug!(link = %self.name, "connection ended by one side");
        }
    }
}
