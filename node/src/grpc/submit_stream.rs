//! Many commands in flight on one stream.
//!
//! The reply stream is the driver: each time the connection can take more, it reads whatever requests have arrived,
//! hands them to their shows' proposers in one go, and turns whatever answers have come into replies. One stream
//! costs no task of its own, and one command costs no task, lock or timer.
//!
//! Owns: the bound on what one stream has in flight. Must never: answer a tag twice, or read on while its bound is
//! reached: the connection's flow control then holds the caller back.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{
    Stream, StreamExt,
    stream::{Fuse, ReadyChunks},
};
use holdfast_inventory::ids::ShowId;
use holdfast_node_api::v1::{SubmitReply, SubmitRequest};
use tokio::{sync::mpsc, time::Instant};
use tonic::Status;

use super::convert;
use crate::{
    proposers::Proposers,
    submission::{Answer, Answers, Submission, SubmitFailure},
};

/// Requests taken from the stream at once.
const REQUESTS_PER_TURN_MAX: usize = 256;
/// Commands of one stream without an answer, at most.
const IN_FLIGHT_MAX: usize = 32_768;

/// See the module's head.
pub(super) struct SubmitStream<S: Stream> {
    requests: Fuse<ReadyChunks<S>>,
    requests_ended: bool,
    /// The caller's region, as numbered by the topology.
    region: Option<usize>,
    proposers: Proposers,
    deadline_default: Duration,
    /// Holds every command in flight, so a proposer's answer always finds room.
    sender: mpsc::Sender<Answers>,
    answers: mpsc::Receiver<Answers>,
    in_flight: usize,
    ready: VecDeque<SubmitReply>,
}

impl<S> SubmitStream<S>
where
    S: Stream<Item = Result<SubmitRequest, Status>> + Unpin,
{
    pub(super) fn new(
        requests: S,
        region: Option<usize>,
        proposers: Proposers,
        deadline_default: Duration,
    ) -> Self {
        let (sender, answers) = mpsc::channel(IN_FLIGHT_MAX + REQUESTS_PER_TURN_MAX);
        Self {
            requests: requests.ready_chunks(REQUESTS_PER_TURN_MAX).fuse(),
            requests_ended: false,
            region,
            proposers,
            deadline_default,
            sender,
            answers,
            in_flight: 0,
            ready: VecDeque::new(),
        }
    }

    /// Hands a turn's requests over, grouped by show.
    fn dispatch(&mut self, requests: Vec<Result<SubmitRequest, Status>>) {
        let now = Instant::now();
        // Nearly always one show: a short list beats a map.
        let mut by_show: Vec<Submission> = Vec::with_capacity(1);
        for request in requests {
            let Ok(request) = request else {
                // The caller is gone or speaks another language; what is in flight is still answered.
                self.requests_ended = true;
                break;
            };
            let (show, tag) = (request.show_id, request.tag);
            match convert::item(request, now, self.deadline_default) {
                Err(failed) => self.answer(show, tag, failed),
                Ok(item) => match by_show.iter_mut().find(|s| s.show == show) {
                    Some(submission) => submission.items.push(item),
                    None => by_show.push(Submission {
                        show,
                        items: vec![item],
                        answers: self.sender.clone(),
                    }),
                },
            }
        }
        for submission in by_show {
            self.submit(submission);
        }
    }

    fn submit(&mut self, mut submission: Submission) {
        let show = submission.show;
        let mut commands = submission.items.len();
        let handed = match self.proposers.of(ShowId(show)) {
            Ok(Some(proposer)) => {
                if let Some(region) = self.region {
                    proposer.count_callers(region, commands);
                }
                for (tag, answer) in proposer.refuse_doomed(&mut submission) {
                    self.ready.push_back(convert::reply(show, tag, 0, answer));
                }
                commands = submission.items.len();
                if commands == 0 {
                    return;
                }
                match proposer.submit(submission) {
                    // Its replica has just left memory.
                    Err((submission, SubmitFailure::Stopping)) => {
                        self.proposers.submit_when_open(submission)
                    }
                    handed => handed,
                }
            }
            Ok(None) => self.proposers.submit_when_open(submission),
            Err(failure) => Err((submission, failure)),
        };
        let Err((submission, failure)) = handed else {
            self.in_flight += commands;
            return;
        };
        for item in submission.items {
            self.answer(show, item.tag, failure.clone());
        }
    }

    fn answer(&mut self, show: u64, tag: u64, failure: SubmitFailure) {
        self.ready
            .push_back(convert::reply(show, tag, 0, Answer::Failed(failure)));
    }

    fn settle(&mut self, answers: Answers) {
        let Answers {
            show,
            index,
            answers,
        } = answers;
        self.in_flight = self.in_flight.saturating_sub(answers.len());
        self.ready.reserve(answers.len());
        for (tag, answer) in answers {
            self.ready
                .push_back(convert::reply(show, tag, index, answer));
        }
    }

    /// Reads one turn of requests; true when there was one.
    fn poll_requests(&mut self, cx: &mut Context<'_>) -> bool {
        if self.requests_ended || self.in_flight >= IN_FLIGHT_MAX {
            return false;
        }
        match self.requests.poll_next_unpin(cx) {
            Poll::Ready(Some(requests)) => {
                self.dispatch(requests);
                true
            }
            Poll::Ready(None) => {
                self.requests_ended = true;
                true
            }
            Poll::Pending => false,
        }
    }
}

impl<S> Stream for SubmitStream<S>
where
    S: Stream<Item = Result<SubmitRequest, Status>> + Unpin,
{
    type Item = Result<SubmitReply, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            // Requests first: replies that are ready must not keep commands from their proposer.
            let read = self.poll_requests(cx);
            if let Some(reply) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(reply)));
            }
            if self.requests_ended && self.in_flight == 0 {
                return Poll::Ready(None);
            }
            if read && self.in_flight == 0 {
                continue;
            }
            match self.answers.poll_recv(cx) {
                Poll::Ready(Some(answers)) => self.settle(answers),
                // This stream holds a sender itself, so the channel is never closed here.
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending if read => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

const _: () = assert!(
    IN_FLIGHT_MAX >= 2 * REQUESTS_PER_TURN_MAX,
    "one turn must not fill a stream"
);
