//! Dials one peer and keeps the link up.
//!
//! Owns: connecting, the Hello, pings, noticing silence. Must never: give up; a peer that is away for a year is dialled
//! every second.

use std::sync::Arc;
use std::time::Duration;

use holdfast_region_config::NodeId;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::StreamExt as _;
use tokio_util::sync::CancellationToken;

use super::dial::{PeerAddress, PeerChannel};
use super::link::Link;
use super::wire::pb;
use super::{
    OUTBOUND_FRAMES_MAX, PING_INTERVAL, PROTOCOL, REDIAL_DELAY_MAX, REDIAL_DELAY_MIN, SILENCE_MAX,
};

/// Who dials whom.
#[derive(Debug, Clone)]
pub(crate) struct Dialler {
    pub(crate) cluster: String,
    pub(crate) from: NodeId,
    /// `host:port` as this process reaches the peer.
    pub(crate) addr: String,
    pub(crate) link: Arc<Link>,
}

impl Dialler {
    /// Where the peer is.
    pub(crate) fn address(&self) -> PeerAddress {
        PeerAddress {
            node: self.link.target(),
            addr: self.addr.clone(),
            rtt: self.link.rtt(),
        }
    }

    /// Keeps the link up until `stop`.
    pub(crate) async fn run(self, channel: Arc<dyn PeerChannel>, stop: CancellationToken) {
        let mut delay = REDIAL_DELAY_MIN;
        let mut announced_down = false;
        while !stop.is_cancelled() {
            let up = tokio::select! {
                () = stop.cancelled() => break,
                up = self.hold_connection(channel.as_ref(), &mut announced_down) => up,
            };
            self.link.disconnected();
            if up {
                delay = REDIAL_DELAY_MIN;
            }
            if !announced_down {
                announced_down = true;
                tracing::warn!(peer = %self.link.target(), addr = %self.addr, "link to peer is down, dialling");
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(delay) => {}
            }
            delay = (delay * 2).min(REDIAL_DELAY_MAX);
        }
        self.link.disconnected();
    }

    /// One connection from dial to break; true when it was ever up.
    async fn hold_connection(&self, channel: &dyn PeerChannel, announced_down: &mut bool) -> bool {
        // What the link is given goes straight to the connection's own task, which sends all that waits in one write.
        let (outbound, from_here) = mpsc::channel::<pb::Frame>(OUTBOUND_FRAMES_MAX);
        let hello = pb::Hello {
            cluster: self.cluster.clone(),
            from_node: self.from.get(),
            to_node: self.link.target().get(),
            protocol: PROTOCOL,
        };
        let first = pb::Frame {
            group: 0,
            session: 0,
            body: Some(pb::frame::Body::Hello(hello)),
        };
        if outbound.try_send(first).is_err() {
            return false;
        }
        let silence_max = SILENCE_MAX + self.link.rtt() * 3;
        let opening = channel.link(from_here);
        let Ok(Ok(mut inbound)) = tokio::time::timeout(silence_max, opening).await else {
            return false;
        };
        if outbound.try_send(self.link.next_ping()).is_err() {
            return false;
        }
        self.link.connected(outbound);
        if std::mem::take(announced_down) {
            tracing::info!(peer = %self.link.target(), "link to peer is up again");
        }
        let mut ping = tokio::time::interval(PING_INTERVAL);
        ping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                frame = inbound.next() => match frame {
                    Some(Ok(frame)) => {
                        heard = Instant::now();
                        self.link.received(frame);
                    }
                    Some(Err(error)) => {
                        tracing::debug!(peer = %self.link.target(), %error, "link broke");
                        return true;
                    }
                    None => return true,
                },
                () = self.link.wants_reset() => return true,
                _ = ping.tick() => {
                    if heard.elapsed() > silence_max {
                        tracing::debug!(peer = %self.link.target(), "peer is silent");
                        return true;
                    }
                    // A peer that reads slowly fills the queue, which then refuses; one that reads nothing is silent,
                    // which the check above sees.
                    self.link.ping();
                }
            }
        }
    }
}

/// How old the last sign of life may be for a peer to count as reachable.
pub(crate) fn reachable(link: &Link) -> bool {
    let silence_max: Duration = SILENCE_MAX + link.rtt() * 3;
    link.is_connected()
        && link
            .last_heard()
            .is_some_and(|heard| heard.elapsed() <= silence_max)
}
