//! One outgoing link: who waits for which answer, and whether the peer is heard.
//!
//! Owns: the sessions in flight to one peer. Must never: block a caller on a peer that does not answer, or keep a
//! session after its owner is gone.
//!
//! The table of sessions is behind a std `Mutex`: it is held for a map operation and never across an await.

mod round_trip;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_region_config::{GroupId, NodeId};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use self::round_trip::RoundTrip;
use super::wire::pb;
use super::{CALLS_IN_FLIGHT_MAX, Pulses, STREAM_APPENDS_IN_FLIGHT_MAX};

/// Pings whose answer is still of interest: at ten a second, more than the longest silence that is borne.
const PINGS_REMEMBERED: usize = 64;

/// One part in this many of the queue is for what the node says of itself and not for a group.
const NODE_SHARE: usize = 4;

/// Why a frame did not get an answer. Every one of them is worth another try later; none says whether the peer acted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinkError {
    /// No connection now; nothing was sent.
    #[error("no connection to {0}")]
    Down(NodeId),
    /// Too much waits to be sent or answered; nothing was sent.
    #[error("too much is waiting for {0}")]
    Full(NodeId),
    /// The connection broke before the answer.
    #[error("connection to {0} broke")]
    Broken(NodeId),
    /// The peer does not serve this.
    #[error("{0} refused: {1}")]
    Refused(NodeId, String),
}

/// Who waits for a session's frames.
#[derive(Debug)]
enum Waiter {
    Call(oneshot::Sender<pb::frame::Body>),
    Stream(mpsc::Sender<pb::frame::Body>),
}

#[derive(Debug, Default)]
struct State {
    /// Present while connected.
    outbound: Option<mpsc::Sender<pb::Frame>>,
    waiters: BTreeMap<u64, Waiter>,
    last_heard: Option<Instant>,
    /// Number of the connection, from 1.
    connection: u64,
    /// A connection came up and nobody has taken note of it.
    news: bool,
    nonce: u64,
    /// (nonce, sent), oldest first.
    pings: VecDeque<(u64, Instant)>,
    round_trip: RoundTrip,
}

/// The link to one peer; cheap to share.
pub(crate) struct Link {
    target: NodeId,
    made: Instant,
    pulses: Arc<dyn Pulses>,
    next_session: AtomicU64,
    reset: Notify,
    broke: Notify,
    came: Notify,
    state: Mutex<State>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link(to {})", self.target)
    }
}

impl Link {
    /// `rtt` is the topology's round trip to the peer.
    pub(crate) fn new(target: NodeId, rtt: Duration, pulses: Arc<dyn Pulses>) -> Arc<Self> {
        let state = State {
            round_trip: RoundTrip::new(rtt),
            ..State::default()
        };
        Arc::new(Self {
            target,
            made: Instant::now(),
            pulses,
            next_session: AtomicU64::new(1),
            reset: Notify::new(),
            broke: Notify::new(),
            came: Notify::new(),
            state: Mutex::new(state),
        })
    }

    pub(crate) fn target(&self) -> NodeId {
        self.target
    }

    /// The round trip to reckon with: the topology's, or a longer one that was measured.
    pub(crate) fn rtt(&self) -> Duration {
        self.state().round_trip.now()
    }

    /// The topology's round trip.
    pub(crate) fn rtt_expected(&self) -> Duration {
        self.state().round_trip.expected()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while holding it can only leave a waiter too many, which its timeout ends.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When anything last came from the peer; `None` = never.
    pub(crate) fn last_heard(&self) -> Option<Instant> {
        self.state().last_heard
    }

    /// For how long nothing has come from the peer, since the link was made at most: a new address is a new link.
    pub(crate) fn silence(&self) -> Duration {
        self.last_heard().unwrap_or(self.made).elapsed()
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.state().outbound.is_some()
    }

    /// The dialler has a connection: frames go to `outbound` from now on.
    pub(crate) fn connected(&self, outbound: mpsc::Sender<pb::Frame>) {
        let mut state = self.state();
        state.outbound = Some(outbound);
        state.connection += 1;
        state.round_trip.begin_anew();
        state.news = true;
        drop(state);
        self.came.notify_waiters();
    }

    /// Ends when there is a connection.
    pub(crate) async fn until_connected(&self) {
        loop {
            // From here on no connection is missed.
            let mut came = std::pin::pin!(self.came.notified());
            came.as_mut().enable();
            if self.is_connected() {
                return;
            }
            came.await;
        }
    }

    /// Number of the connection that is up; `None` = none is.
    pub(crate) fn connection(&self) -> Option<u64> {
        let state = self.state();
        state.outbound.as_ref().map(|_| state.connection)
    }

    /// Whether a connection came up since the last call.
    pub(crate) fn take_news(&self) -> bool {
        std::mem::take(&mut self.state().news)
    }

    /// Breaks the connection; a new one is dialled.
    pub(crate) fn reset(&self) {
        self.reset.notify_one();
    }

    /// Ends when somebody wants the connection broken.
    pub(crate) async fn wants_reset(&self) {
        self.reset.notified().await;
    }

    /// Says that this node lives. A full queue is itself a sign of life to come or of silence, which others see.
    pub(crate) fn ping(&self) {
        let frame = self.next_ping();
        let _ = self.send(&self.state(), frame);
    }

    /// The next ping, to be sent at once. The first frame of every connection is one, so that its answer, which says who
    /// answers, comes before any other.
    pub(crate) fn next_ping(&self) -> pb::Frame {
        let nonce = {
            let mut state = self.state();
            state.nonce += 1;
            if state.pings.len() == PINGS_REMEMBERED {
                state.pings.pop_front();
            }
            let nonce = state.nonce;
            state.pings.push_back((nonce, Instant::now()));
            nonce
        };
        pb::Frame {
            group: GroupId::DIRECTORY.get(),
            session: 0,
            body: Some(pb::frame::Body::Ping(self.pulses.ping(nonce))),
        }
    }

    fn answered(&self, answer: &pb::Ping) {
        let sent = {
            let state = &mut *self.state();
            let known = state.pings.iter().find(|(nonce, _)| *nonce == answer.nonce);
            let sent = known.map(|(_, sent)| *sent);
            if let Some(sent) = sent {
                state.round_trip.measured(sent.elapsed());
            }
            sent
        };
        if let Some(sent) = sent
            && !self.pulses.answered(self.target, sent, answer)
        {
            // Whatever else it said on this connection is not heard either.
            self.disconnected();
            self.reset();
        }
    }

    /// The connection is gone: everyone who waits is told (by the drop of the waiter).
    pub(crate) fn disconnected(&self) {
        let mut state = self.state();
        state.outbound = None;
        state.waiters.clear();
        drop(state);
        self.broke.notify_waiters();
    }

    /// Runs `work` while the connection lives. What travels beside the link, on a call of its own, would otherwise wait for a
    /// peer that has lost its power until its own limit.
    pub(crate) async fn while_connected<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<T, LinkError> {
        let mut broke = std::pin::pin!(self.broke.notified());
        broke.as_mut().enable();
        if !self.is_connected() {
            return Err(LinkError::Down(self.target));
        }
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = broke => Err(LinkError::Broken(self.target)),
        }
    }

    /// A frame came in: hand it to its waiter.
    pub(crate) fn received(&self, frame: pb::Frame) {
        let mut state = self.state();
        state.last_heard = Some(Instant::now());
        let Some(body) = frame.body else { return };
        if let pb::frame::Body::Pong(answer) = body {
            drop(state);
            self.answered(&answer);
            return;
        }
        let ends_session = matches!(body, pb::frame::Body::Refusal(_));
        match state.waiters.get(&frame.session) {
            Some(Waiter::Call(_)) => {
                if let Some(Waiter::Call(waiter)) = state.waiters.remove(&frame.session) {
                    // The caller may have timed out: nobody to tell then.
                    let _ = waiter.send(body);
                }
            }
            Some(Waiter::Stream(waiter)) => {
                // The window is smaller than the queue, so a full queue means the peer invents replies: end it.
                let overrun = waiter.try_send(body).is_err();
                if overrun || ends_session {
                    state.waiters.remove(&frame.session);
                }
            }
            None => {}
        }
    }

    /// Puts a frame into the queue. What the nodes say of themselves has places of its own there: a ping that finds no room
    /// passes for silence, and a claim that finds none costs the connection and with it everybody's sessions.
    fn send(&self, state: &State, frame: pb::Frame) -> Result<(), LinkError> {
        let outbound = state
            .outbound
            .as_ref()
            .ok_or(LinkError::Down(self.target))?;
        let of_the_node = matches!(
            frame.body,
            Some(pb::frame::Body::Ping(_) | pb::frame::Body::Claims(_))
        );
        if !of_the_node && outbound.capacity() <= outbound.max_capacity() / NODE_SHARE {
            return Err(LinkError::Full(self.target));
        }
        outbound.try_send(frame).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => LinkError::Full(self.target),
            mpsc::error::TrySendError::Closed(_) => LinkError::Down(self.target),
        })
    }

    /// A frame that needs no answer, such as a ping.
    pub(crate) fn tell(
        &self,
        group: GroupId,
        session: u64,
        body: pb::frame::Body,
    ) -> Result<(), LinkError> {
        let state = self.state();
        self.send(
            &state,
            pb::Frame {
                group: group.get(),
                session,
                body: Some(body),
            },
        )
    }

    /// Asks and waits for the one answer. Dropping the future forgets the question.
    pub(crate) async fn call(
        &self,
        group: GroupId,
        body: pb::frame::Body,
    ) -> Result<pb::frame::Body, LinkError> {
        let session = self.next_session.fetch_add(1, Ordering::Relaxed);
        let (waiter, answer) = oneshot::channel();
        {
            let mut state = self.state();
            if state.waiters.len() >= CALLS_IN_FLIGHT_MAX {
                return Err(LinkError::Full(self.target));
            }
            self.send(
                &state,
                pb::Frame {
                    group: group.get(),
                    session,
                    body: Some(body),
                },
            )?;
            state.waiters.insert(session, Waiter::Call(waiter));
        }
        let _forget = Forget {
            link: self,
            session,
        };
        match answer.await {
            Ok(pb::frame::Body::Refusal(refusal)) => {
                Err(LinkError::Refused(self.target, refusal.reason))
            }
            Ok(body) => Ok(body),
            Err(_) => Err(LinkError::Broken(self.target)),
        }
    }

    /// Opens a pipelined session: frames go out with [`Link::tell`], replies come in order from the receiver, which
    /// ends when the connection breaks.
    pub(crate) fn open_stream(self: &Arc<Self>) -> Result<StreamSession, LinkError> {
        let session = self.next_session.fetch_add(1, Ordering::Relaxed);
        let (waiter, replies) = mpsc::channel(STREAM_APPENDS_IN_FLIGHT_MAX * 2);
        let mut state = self.state();
        if state.outbound.is_none() {
            return Err(LinkError::Down(self.target));
        }
        if state.waiters.len() >= CALLS_IN_FLIGHT_MAX {
            return Err(LinkError::Full(self.target));
        }
        state.waiters.insert(session, Waiter::Stream(waiter));
        Ok(StreamSession {
            id: session,
            replies,
        })
    }

    /// Ends a pipelined session here and tells the peer.
    pub(crate) fn close_stream(&self, group: GroupId, session: u64) {
        let mut state = self.state();
        if state.waiters.remove(&session).is_some() {
            let close = pb::frame::Body::Close(pb::CloseSession {});
            // A peer that cannot be told loses the session with the connection.
            let _ = self.send(
                &state,
                pb::Frame {
                    group: group.get(),
                    session,
                    body: Some(close),
                },
            );
        }
    }
}

/// A pipelined session's number and its replies.
#[derive(Debug)]
pub(crate) struct StreamSession {
    pub(crate) id: u64,
    pub(crate) replies: mpsc::Receiver<pb::frame::Body>,
}

/// Removes a call's waiter when the caller gives up.
struct Forget<'a> {
    link: &'a Link,
    session: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.link.state().waiters.remove(&self.session);
    }
}

#[cfg(test)]
mod tests;
