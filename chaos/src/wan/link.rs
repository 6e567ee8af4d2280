//! One proxy: accepts, dials the server, joins the two with delayed pumps.
//!
//! Owns: its connections. Must never: let one connection's trouble reach another.
//!
//! A new connection pays the round trip that a TCP handshake costs before its first byte is carried. While the
//! link is cut a new connection is neither refused nor carried: it waits, like a lost SYN, for the cut to heal.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_region_config::RegionId;
use prometheus::{IntCounter, IntGauge};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::alarm::Alarm;
use super::doom::doom;
use super::flow::FlowEnd;
use super::metrics::Metrics;
use super::pump::{Pump, PumpEnd};
use super::shape::{Direction, LinkShape, Partitions};

/// Most connections of one link; more wait to be accepted.
pub const CONNECTIONS_MAX: usize = 4_096;
/// Longest wait for the server to take a connection; it is on this machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// After a failed accept (no more file descriptors) the loop rests this long.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Whom a link joins; a proxy made over the API joins no regions.
#[derive(Debug, Clone)]
pub(crate) struct Ends {
    pub(crate) viewer: RegionId,
    pub(crate) target: RegionId,
    /// A region, or one process in it.
    pub(crate) dialler: String,
    pub(crate) server: String,
}

/// Where a link listens and where it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) listen: SocketAddr,
    /// `host:port`.
    pub(crate) upstream: String,
}

/// One proxy of the network.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) ends: Option<Ends>,
    /// Changed over the API while the link does not run. Held for a copy only.
    places: Mutex<Places>,
    shape: watch::Sender<LinkShape>,
    /// Each connection draws from this and its number.
    seed: u64,
    connection_count: AtomicU64,
    connections: IntGauge,
    upstream_bytes: IntCounter,
    downstream_bytes: IntCounter,
    pieces: IntCounter,
    blocked: IntGauge,
    alarm: Alarm,
}

impl Link {
    pub(crate) fn new(
        name: String,
        ends: Option<Ends>,
        places: Places,
        shape: LinkShape,
        seed: u64,
        metrics: &Metrics,
        alarm: &Alarm,
    ) -> Self {
        let label = [name.as_str()];
        let bytes = |direction: Direction| {
            metrics
                .bytes
                .with_label_values(&[name.as_str(), direction.as_str()])
        };
        Self {
            ends,
            places: Mutex::new(places),
            shape: watch::Sender::new(shape),
            seed: name.bytes().fold(seed, |hash, b| {
                (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
            }),
            connection_count: AtomicU64::new(0),
            connections: metrics.connections.with_label_values(&label),
            upstream_bytes: bytes(Direction::Upstream),
            downstream_bytes: bytes(Direction::Downstream),
            pieces: metrics.pieces.clone(),
            blocked: metrics.blocked.with_label_values(&label),
            alarm: alarm.clone(),
            name,
        }
    }

    pub(crate) fn carried_bytes(&self) -> u64 {
        self.upstream_bytes.get() + self.downstream_bytes.get()
    }

    pub(crate) fn places(&self) -> Places {
        self.lock_places().clone()
    }

    pub(crate) fn set_places(&self, places: Places) {
        *self.lock_places() = places;
    }

    fn lock_places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Cuts and heals both ways as `partitions` say.
    pub(crate) fn obey(&self, partitions: &Partitions) {
        let Some(ends) = &self.ends else {
            return;
        };
        let apart = partitions.is_isolated(&ends.dialler) || partitions.is_isolated(&ends.server);
        let up = apart || partitions.is_cut(&ends.viewer, &ends.target);
        let down = apart || partitions.is_cut(&ends.target, &ends.viewer);
        self.change(|shape| {
            shape.upstream_cut = up;
            shape.downstream_cut = down;
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
                let _open = Open::new(&link.connections);
                link.carry(client).await;
                drop(place);
            });
        }
    }

    /// One connection, from handshake to the last byte.
    async fn carry(&self, mut client: TcpStream) {
        let number = self.connection_count.fetch_add(1, Ordering::Relaxed);
        let seed = self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let Some(mut server) = self.handshake(seed, &client).await else {
            return;
        };
        let end = tokio::select! {
            end = doom(self.shape.subscribe(), seed) => end,
            end = self.join(seed, &mut client, &mut server) => end,
        };
        if end == FlowEnd::Reset {
            reset(&client);
            reset(&server);
        }
    }

    /// The time that a handshake takes, then the server; `None`: there is no connection.
    async fn handshake(&self, seed: u64, client: &TcpStream) -> Option<TcpStream> {
        let mut gate = self.shape.subscribe();
        let rtt = gate.borrow().rtt;
        let opened = async {
            sleep(rtt).await;
            // A handshake needs both ways.
            let open = |shape: &LinkShape| !shape.upstream_cut && !shape.downstream_cut;
            gate.wait_for(open).await.ok()?;
            let upstream = self.places().upstream;
            let server = timeout(CONNECT_TIMEOUT, TcpStream::connect(&upstream)).await;
            server.ok()?.ok()
        };
        let server = tokio::select! {
            end = doom(self.shape.subscribe(), seed) => {
                if end == FlowEnd::Reset {
                    reset(client);
                }
                None
            }
            server = opened => server,
        }?;
        // A proxy must not add Nagle's waits to the delays that it is told to add.
        let nodelay = client
            .set_nodelay(true)
            .and_then(|()| server.set_nodelay(true));
        nodelay.is_ok().then_some(server)
    }

    async fn join(&self, seed: u64, client: &mut TcpStream, server: &mut TcpStream) -> FlowEnd {
        let (client_reads, client_writes) = client.split();
        let (server_reads, server_writes) = server.split();
        let pump = |direction, bytes: &IntCounter| Pump {
            direction,
            shape: self.shape.subscribe(),
            connection_seed: seed,
            bytes: bytes.clone(),
            pieces: self.pieces.clone(),
            alarm: self.alarm.clone(),
        };
        let up = pump(Direction::Upstream, &self.upstream_bytes);
        let down = pump(Direction::Downstream, &self.downstream_bytes);
        // A clean end of one way leaves the other open (half-close); a failure ends both.
        let fail = |end| match end {
            PumpEnd::Clean => Ok(()),
            PumpEnd::Broken => Err(FlowEnd::Close),
            PumpEnd::Reset => Err(FlowEnd::Reset),
        };
        let ended = tokio::try_join!(
            async { fail(up.run(client_reads, server_writes).await) },
            async { fail(down.run(server_reads, client_writes).await) }
        );
        if ended.is_err() {
            tracing::debug!(link = %self.name, "connection ended by one side");
        }
        ended.err().unwrap_or(FlowEnd::Close)
    }
}

/// Makes the coming close a reset.
fn reset(stream: &TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        tracing::debug!(%error, "closed instead of reset");
    }
}

/// Counts a connection for as long as it is open, however it ends.
struct Open<'a>(&'a IntGauge);

impl<'a> Open<'a> {
    fn new(gauge: &'a IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
