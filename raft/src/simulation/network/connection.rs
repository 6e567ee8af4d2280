//! One connection between two machines: its two directions and who waits at their ends.
//!
//! Owns: the channels to the real link and the real server. Must never: decide when something arrives.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use holdfast_region_config::NodeId;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

use super::{Listener, Network, Parcel};
use crate::transport::dial::{DialError, FrameStream, PartStream};
use crate::transport::wire::pb;

/// Parcels that may wait at one end for the machine to take them. A machine that stands still for seconds has this much
/// waiting; then the connection breaks, as with a full socket.
const WAITING_MAX: usize = 16_384;

/// An end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Client,
    Server,
}

type Frames = mpsc::Receiver<pb::Frame>;

/// What a connection is for.
pub(super) enum Purpose {
    Link {
        /// What the client sends; `None` once it has closed.
        from_client: Option<Frames>,
        /// Where its frames go; `None` before the server has them.
        to_client: Option<mpsc::Sender<Result<pb::Frame, DialError>>>,
        from_server: Option<Frames>,
        to_server: Option<mpsc::Sender<Result<pb::Frame, DialError>>>,
        /// Tells the client that it is up.
        accepted: Option<oneshot::Sender<Result<(), DialError>>>,
    },
    Snapshot {
        from_client: Option<mpsc::Receiver<pb::SnapshotPart>>,
        to_server: Option<mpsc::Sender<Result<pb::SnapshotPart, DialError>>>,
        installed: Option<oneshot::Sender<Result<pb::SnapshotReply, DialError>>>,
    },
}

pub(super) struct Connection {
    pub(super) client: NodeId,
    pub(super) server: NodeId,
    pub(super) purpose: Purpose,
    /// Ends whose machine is gone without a word.
    lost: Option<NodeId>,
    /// When the last parcel of a session arrives at an end, ms.
    last_due_ms: BTreeMap<(End, u64), u64>,
}

fn dial_error(reason: String) -> DialError {
    DialError { reason }
}

impl Connection {
    pub(super) fn new(client: NodeId, server: NodeId, purpose: Purpose) -> Self {
        Self {
            client,
            server,
            purpose,
            lost: None,
            last_due_ms: BTreeMap::new(),
        }
    }

    /// From whom to whom a parcel for `to` travels.
    pub(super) fn direction(&self, to: End) -> (NodeId, NodeId) {
        match to {
            End::Server => (self.client, self.server),
            End::Client => (self.server, self.client),
        }
    }

    /// `due_ms`, or later so that the session's parcels stay in order.
    pub(super) fn in_order(&mut self, to: End, session: u64, due_ms: u64) -> u64 {
        let last = self.last_due_ms.entry((to, session)).or_default();
        *last = due_ms.max(*last);
        *last
    }

    /// The machine is gone; the other end is not told.
    pub(super) fn lose(&mut self, node: NodeId) {
        self.lost = Some(node);
    }

    /// The next thing sent towards `to`.
    pub(super) fn next_sent(&mut self, to: End) -> Option<Parcel> {
        match (&mut self.purpose, to) {
            (Purpose::Link { from_client, .. }, End::Server) => next(from_client, Parcel::Frame),
            (Purpose::Link { from_server, .. }, End::Client) => next(from_server, Parcel::Frame),
            (Purpose::Snapshot { from_client, .. }, End::Server) => next(from_client, Parcel::Part),
            (Purpose::Snapshot { .. }, End::Client) => None,
        }
    }

    /// Hands the server's end to the machine. False = the connection is over (as of every method below).
    pub(super) fn open(&mut self, id: u64, listener: &Listener, network: Network) -> bool {
        let server = listener.server.clone();
        match &mut self.purpose {
            Purpose::Link { to_server, .. } => {
                let (sender, receiver) = mpsc::channel(WAITING_MAX);
                *to_server = Some(sender);
                listener.runtime.spawn(async move {
                    let inbound: FrameStream = ReceiverStream::new(receiver).boxed();
                    match server.serve_link(inbound).await {
                        Ok(replies) => network.accept(id, replies),
                        Err(refused) => {
                            let refused = Parcel::Accepted(Err(refused.to_string()));
                            network.answer(id, End::Client, refused);
                        }
                    }
                });
            }
            Purpose::Snapshot { to_server, .. } => {
                let (sender, receiver) = mpsc::channel(WAITING_MAX);
                *to_server = Some(sender);
                listener.runtime.spawn(async move {
                    let parts: PartStream = ReceiverStream::new(receiver).boxed();
                    let outcome = server.receive_snapshot(parts).await;
                    let reply = outcome
                        .map(|vote| pb::SnapshotReply { vote: Some(vote) })
                        .map_err(|refused| refused.to_string());
                    network.answer(id, End::Client, Parcel::Installed(reply));
                });
            }
        }
        true
    }

    pub(super) fn accepted(&mut self, outcome: Result<(), String>) -> bool {
        let Purpose::Link { accepted, .. } = &mut self.purpose else {
            return false;
        };
        let up = outcome.is_ok();
        // A client that gave up has dropped its end.
        let told = accepted
            .take()
            .is_some_and(|tell| tell.send(outcome.map_err(dial_error)).is_ok());
        up && told
    }

    pub(super) fn take_frame(&mut self, to: End, frame: pb::Frame) -> bool {
        if self.lost.is_some() {
            return true;
        }
        let Purpose::Link {
            to_client,
            to_server,
            ..
        } = &self.purpose
        else {
            return false;
        };
        let end = match to {
            End::Client => to_client,
            End::Server => to_server,
        };
        match end {
            Some(end) => end.try_send(Ok(frame)).is_ok(),
            // Sent before the server was there: it never will be.
            None => true,
        }
    }

    pub(super) fn take_part(&mut self, part: pb::SnapshotPart) -> bool {
        if self.lost.is_some() {
            return true;
        }
        match &self.purpose {
            Purpose::Snapshot {
                to_server: Some(end),
                ..
            } => end.try_send(Ok(part)).is_ok(),
            _ => true,
        }
    }

    pub(super) fn installed(&mut self, outcome: Result<pb::SnapshotReply, String>) -> bool {
        if let Purpose::Snapshot { installed, .. } = &mut self.purpose
            && self.lost.is_none()
            && let Some(tell) = installed.take()
        {
            // The client may have given up.
            let _ = tell.send(outcome.map_err(dial_error));
        }
        self.lost.is_some()
    }

    /// The other end has closed its direction: a link is over with it, a snapshot is complete.
    pub(super) fn closed(&mut self, to: End) -> bool {
        if self.lost.is_some() {
            return true;
        }
        match &mut self.purpose {
            Purpose::Link { .. } => false,
            Purpose::Snapshot { to_server, .. } => {
                if to == End::Server {
                    *to_server = None;
                }
                true
            }
        }
    }
}

/// What a channel has; its end, once, as [`Parcel::Closed`].
fn next<T>(from: &mut Option<mpsc::Receiver<T>>, parcel: fn(T) -> Parcel) -> Option<Parcel> {
    match from.as_mut()?.try_recv() {
        Ok(sent) => Some(parcel(sent)),
        Err(TryRecvError::Empty) => None,
        Err(TryRecvError::Disconnected) => {
            *from = None;
            Some(Parcel::Closed)
        }
    }
}

impl Network {
    /// The server has taken connection `id` and will answer through `replies`.
    fn accept(&self, id: u64, replies: Frames) {
        let mut state = self.state();
        let Some(connection) = state.connections.get_mut(&id) else {
            return;
        };
        if let Purpose::Link { from_server, .. } = &mut connection.purpose {
            *from_server = Some(replies);
        }
        state.send(id, End::Client, Parcel::Accepted(Ok(())));
    }
}
