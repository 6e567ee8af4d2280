//! Many commands in flight on one bidirectional stream; answers matched by tag.
//!
//! ```text
//!  submit ─► slot + tag ─► bounded queue ─► SubmitStream ─► node
//!     ▲                                                      │
//!     └──────────── slot's oneshot ◄── reader task ◄─────────┘
//! ```
//!
//! Owns: tags, the bound on what is in flight, reconnecting. Must never: send a command twice. When a stream
//! breaks, whatever was in flight ends as [`SubmitError::Lost`] and the caller, who knows the idempotency key,
//! decides.

mod slots;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::StreamExt;
use thiserror::Error;
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    task::AbortHandle,
    time::Instant,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, metadata::MetadataValue, transport::Channel};

use self::slots::Slots;
use crate::v1::{SubmitReply, SubmitRequest, inventory_client::InventoryClient};

/// Answers taken from the stream under one lock: bounds how long the lock is held.
const REPLIES_PER_LOCK_MAX: usize = 256;

/// Bounds of one pipe.
#[derive(Debug, Clone)]
pub struct PipeOptions {
    /// Commands in flight at most, 1 to 1,048,576; beyond it a submit is refused at once.
    pub in_flight_max: usize,
    /// Longest wait for the stream to open.
    pub open_timeout: Duration,
    /// After a failed opening, submits are refused for this long instead of each waiting for the next one.
    pub reopen_delay: Duration,
    /// Region of the caller, said once for the whole stream: leaders that follow their buyers count by it.
    pub region: Option<String>,
}

/// Metadata key of [`PipeOptions::region`].
pub const REGION_KEY: &str = "holdfast-region";

impl Default for PipeOptions {
    fn default() -> Self {
        Self {
            in_flight_max: 16_384,
            open_timeout: Duration::from_secs(2),
            reopen_delay: Duration::from_millis(100),
            region: None,
        }
    }
}

/// Why a submit has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SubmitError {
    /// As many commands as allowed are in flight; this one was not sent.
    #[error("too many commands in flight to this node")]
    Full,
    /// The node cannot be reached; the command was not sent.
    #[error("the node cannot be reached")]
    Unreachable,
    /// No answer before the deadline; the command may have happened or may yet.
    #[error("no answer before the deadline")]
    Deadline,
    /// The stream broke before the answer; the command may have happened or may yet.
    #[error("the connection was lost before the answer")]
    Lost,
}

impl SubmitError {
    /// Whether the same command with the same key may succeed later or elsewhere. Always true: none is a decision.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        true
    }

    /// Whether the command may have happened or may yet happen.
    #[must_use]
    pub const fn maybe_happened(self) -> bool {
        matches!(self, Self::Deadline | Self::Lost)
    }
}

/// A cheap, cloneable handle to one pipe. The stream closes when the last handle is dropped.
#[derive(Debug, Clone)]
pub struct SubmitPipe {
    owner: Arc<Owner>,
}

#[derive(Debug)]
struct Owner {
    shared: Arc<Shared>,
    driver: AbortHandle,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

#[derive(Debug)]
struct Shared {
    options: PipeOptions,
    /// Guards tags and the link. Never held over an await; held for at most [`REPLIES_PER_LOCK_MAX`] answers.
    state: Mutex<State>,
    /// Counts changes of the link, for submits that wait for it.
    changes: watch::Sender<u64>,
    /// A submit wants the link open.
    wanted: Notify,
}

#[derive(Debug)]
struct State {
    slots: Slots,
    link: Link,
}

#[derive(Debug)]
enum Link {
    /// Nobody has wanted it yet, or the last stream ended.
    Idle,
    Opening,
    Up(mpsc::Sender<SubmitRequest>),
    /// Opening failed; not tried again before this time.
    Down(Instant),
}

/// What became of handing one command over.
enum Start {
    Sent {
        tag: u64,
        answer: oneshot::Receiver<SubmitReply>,
    },
    Wait(SubmitRequest),
    Refused(SubmitError),
}

impl SubmitPipe {
    /// A pipe over `channel`; opens its stream on first use. Must be called within a Tokio runtime.
    #[must_use]
    pub fn new(channel: Channel, options: PipeOptions) -> Self {
        let in_flight_max = options.in_flight_max.clamp(1, 1 << 20);
        let shared = Arc::new(Shared {
            options: PipeOptions {
                in_flight_max,
                ..options
            },
            state: Mutex::new(State {
                slots: Slots::new(in_flight_max),
                link: Link::Idle,
            }),
            changes: watch::Sender::new(0),
            wanted: Notify::new(),
        });
        let driver = tokio::spawn(drive(Arc::clone(&shared), channel)).abort_handle();
        Self {
            owner: Arc::new(Owner { shared, driver }),
        }
    }

    /// Asks for the stream to be opened before there is something to send, so that the first command does not pay for
    /// the connection: three round trips over an ocean. Returns at once; does nothing while the stream is up.
    pub fn open_early(&self) {
        let shared = &self.owner.shared;
        let wanted = match shared.lock().link {
            Link::Idle => true,
            Link::Down(until) => Instant::now() >= until,
            Link::Opening | Link::Up(_) => false,
        };
        if wanted {
            shared.wanted.notify_one();
        }
    }

    /// Sends `request` and waits for its answer, at most `deadline`. The pipe chooses the tag, and tells the node
    /// the deadline when the request names none. Dropping the future forgets the answer, not the command.
    ///
    /// # Errors
    /// See [`SubmitError`]; [`SubmitError::maybe_happened`] says which are ambiguous.
    pub async fn submit(
        &self,
        mut request: SubmitRequest,
        deadline: Duration,
    ) -> Result<SubmitReply, SubmitError> {
        let shared = &self.owner.shared;
        let until = Instant::now() + deadline;
        if request.deadline_ms == 0 {
            request.deadline_ms = u32::try_from(deadline.as_millis()).unwrap_or(u32::MAX);
        }
        let (tag, answer) = match shared.start(request) {
            Start::Sent { tag, answer } => (tag, answer),
            Start::Refused(error) => return Err(error),
            Start::Wait(request) => shared.start_when_open(request, until).await?,
        };
        let _slot = SlotGuard { shared, tag };
        match tokio::time::timeout_at(until, answer).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(_)) => Err(SubmitError::Lost),
            Err(_) => Err(SubmitError::Deadline),
        }
    }
}

/// Gives the slot back, also when the submit is cancelled.
struct SlotGuard<'a> {
    shared: &'a Shared,
    tag: u64,
}

impl Drop for SlotGuard<'_> {
    fn drop(&mut self) {
        self.shared.lock().slots.free(self.tag);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave the slots half changed: every change is one call.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends every wait and closes the link in one step, or a submit between the two would wait for nobody.
    fn stream_ended(&self) {
        let mut state = self.lock();
        state.slots.fail_all();
        state.link = Link::Idle;
        drop(state);
        self.changes.send_modify(|n| *n += 1);
    }

    fn set_link(&self, link: Link) {
        self.lock().link = link;
        self.changes.send_modify(|n| *n += 1);
    }

    fn start(&self, mut request: SubmitRequest) -> Start {
        let mut state = self.lock();
        match &state.link {
            Link::Up(out) => {
                let out = out.clone();
                let Some((tag, answer)) = state.slots.take() else {
                    return Start::Refused(SubmitError::Full);
                };
                request.tag = tag;
                match out.try_send(request) {
                    Ok(()) => Start::Sent { tag, answer },
                    Err(error) => {
                        state.slots.free(tag);
                        match error {
                            mpsc::error::TrySendError::Full(_) => Start::Refused(SubmitError::Full),
                            // The stream has just ended; the driver is about to say so.
                            mpsc::error::TrySendError::Closed(request) => {
                                state.link = Link::Idle;
                                self.wanted.notify_one();
                                Start::Wait(request)
                            }
                        }
                    }
                }
            }
            Link::Down(until) if Instant::now() < *until => {
                Start::Refused(SubmitError::Unreachable)
            }
            Link::Idle | Link::Down(_) => {
                self.wanted.notify_one();
                Start::Wait(request)
            }
            Link::Opening => Start::Wait(request),
        }
    }

    async fn start_when_open(
        &self,
        mut request: SubmitRequest,
        until: Instant,
    ) -> Result<(u64, oneshot::Receiver<SubmitReply>), SubmitError> {
        // Subscribe before looking, or a change between the two would be missed.
        let mut changes = self.changes.subscribe();
        loop {
            changes.borrow_and_update();
            match self.start(request) {
                Start::Sent { tag, answer } => return Ok((tag, answer)),
                Start::Refused(error) => return Err(error),
                Start::Wait(back) => request = back,
            }
            match tokio::time::timeout_at(until, changes.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Err(SubmitError::Unreachable),
            }
        }
    }
}

/// Opens the stream when wanted and reads answers until it ends; again and again, until the pipe is dropped.
async fn drive(pipe: Arc<Shared>, channel: Channel) {
    loop {
        pipe.wanted.notified().await;
        pipe.set_link(Link::Opening);
        let (out, queued) = mpsc::channel(pipe.options.in_flight_max);
        let mut client = InventoryClient::new(channel.clone());
        let mut request = Request::new(ReceiverStream::new(queued));
        let region = pipe.options.region.as_deref();
        // A region's id is plain ASCII; what is not one is nobody's region.
        if let Some(region) = region.and_then(|region| MetadataValue::try_from(region).ok()) {
            request.metadata_mut().insert(REGION_KEY, region);
        }
        let opening = client.submit_stream(request);
        match tokio::time::timeout(pipe.options.open_timeout, opening).await {
            Ok(Ok(answers)) => {
                pipe.set_link(Link::Up(out));
                let mut batches = answers.into_inner().ready_chunks(REPLIES_PER_LOCK_MAX);
                'stream: while let Some(batch) = batches.next().await {
                    let mut state = pipe.lock();
                    for reply in batch {
                        match reply {
                            Ok(reply) => state.slots.answer(reply),
                            Err(_) => break 'stream,
                        }
                    }
                }
                pipe.stream_ended();
            }
            Ok(Err(_)) | Err(_) => {
                pipe.set_link(Link::Down(Instant::now() + pipe.options.reopen_delay));
            }
        }
    }
}

#[cfg(test)]
mod tests;
