//! One entry on its way: which answer belongs to whom.
//!
//! Owns: the split of a batch into what is refused at once and what is written, and of the outcomes back to their
//! callers. Must never: lose an answer: every command of a batch gets exactly one.

use std::{sync::Arc, time::Duration};

use holdfast_inventory::{command::Entry, outcome::Outcome};
use holdfast_raft::Committed;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::Instant,
};
use tracing::Instrument;

use super::{Judge, ProposerContext, Queued, Target};
use crate::submission::{Answer, Answers, Item, SubmitFailure};

/// The commands of one caller in an entry: as many outcomes as tags belong to it, in order.
struct Route {
    show: u64,
    answers: mpsc::Sender<Answers>,
    tags: Vec<u64>,
    arrived: Instant,
    /// Room in the queue, given back when the answers are out.
    _room: OwnedSemaphorePermit,
}

/// An entry and the routes of its outcomes.
pub(super) struct Flight {
    entry: Entry,
    routes: Vec<Route>,
}

impl Flight {
    /// Answers what needs no entry; makes one entry of the rest, if there is any.
    ///
    /// What was not doomed when it queued is judged once more: over an ocean it may have waited for as long as a commit
    /// takes, and lost its seats meanwhile.
    pub(super) fn prepare<T: Target>(
        batch: Vec<Queued>,
        target: &T,
        context: &ProposerContext,
    ) -> Option<Self> {
        let now = Instant::now();
        let mut entry = Entry {
            now_ms: context.clock.now_ms(),
            commands: Vec::new(),
        };
        let mut routes = Vec::with_capacity(batch.len());
        for Queued {
            mut submission,
            room,
            arrived,
        } in batch
        {
            let show = submission.show;
            let mut early = refuse_expired(&mut submission.items, now);
            early.extend(refuse_doomed(&mut submission.items, target, context));
            if !early.is_empty() {
                send(
                    &submission.answers,
                    Answers {
                        show,
                        index: 0,
                        answers: early,
                    },
                );
            }
            if submission.items.is_empty() {
                context.metrics.observe_submit(arrived.elapsed());
                continue;
            }
            let tags = submission.items.iter().map(|item| item.tag).collect();
            let envelopes = submission.items.into_iter().map(|item| item.envelope);
            entry.commands.extend(envelopes);
            routes.push(Route {
                show,
                answers: submission.answers,
                tags,
                arrived,
                _room: room,
            });
        }
        #[cfg(feature = "sabotage")]
        let entry = crate::sabotage::tampered(entry);
        (!routes.is_empty()).then_some(Self { entry, routes })
    }

    /// Proposes the entry and delivers its outcomes; how long the commit took, when there was one.
    pub(super) fn fly<T: Target>(
        self,
        target: Arc<T>,
        context: &ProposerContext,
    ) -> impl Future<Output = Option<Duration>> + Send + use<T> {
        let patience = Duration::from_millis(u64::from(context.limits.deadline_default_ms));
        let metrics = context.metrics.clone();
        async move {
            let Self { entry, routes } = self;
            let span = tracing::info_span!("commit_entry", commands = entry.commands.len());
            let proposing = target.propose(&entry).instrument(span);
            let begun = Instant::now();
            let proposed = tokio::time::timeout(patience, proposing).await;
            let took = matches!(proposed, Ok(Ok(_))).then(|| begun.elapsed());
            let started: Vec<Instant> = routes.iter().map(|route| route.arrived).collect();
            match proposed {
                Ok(Ok(committed)) => {
                    metrics.raft_entries.inc();
                    metrics
                        .raft_commands
                        .inc_by(committed.outcomes.len() as u64);
                    for outcome in &committed.outcomes {
                        metrics.answered(outcome);
                    }
                    deliver(routes, committed);
                }
                Ok(Err(error)) => fail(routes, &SubmitFailure::Propose(error)),
                Err(_) => fail(routes, &SubmitFailure::Unconfirmed),
            }
            for arrived in started {
                metrics.observe_submit(arrived.elapsed());
            }
            took
        }
    }
}

/// Takes out and answers what nobody waits for any more.
fn refuse_expired(items: &mut Vec<Item>, now: Instant) -> Vec<(u64, Answer)> {
    let expired = items.extract_if(.., |item| item.give_up_at <= now);
    expired
        .map(|item| (item.tag, Answer::Failed(SubmitFailure::Expired)))
        .collect()
}

/// Takes out and answers what is bound to be refused; what stays is as it is to be written.
pub(super) fn refuse_doomed(
    items: &mut Vec<Item>,
    judge: &(impl Judge + ?Sized),
    context: &ProposerContext,
) -> Vec<(u64, Answer)> {
    judge.spread_ends(items);
    let mut verdicts = judge.doomed(items, context.clock.now_ms()).into_iter();
    let mut refused = Vec::new();
    items.retain(|item| match verdicts.next().flatten() {
        Some(rejection) if !item.through_log => {
            let outcome = Outcome::Rejected(rejection);
            context.metrics.answered(&outcome);
            refused.push((item.tag, Answer::Outcome(outcome)));
            false
        }
        Some(_) | None => true,
    });
    let count = refused.len() as u64;
    context.metrics.commands_refused_early.inc_by(count);
    refused
}

fn deliver(routes: Vec<Route>, committed: Committed<Outcome>) {
    let index = committed.index;
    let mut outcomes = committed.outcomes.into_iter();
    for route in routes {
        let answers = route
            .tags
            .into_iter()
            // One outcome per command is the state machine's promise; should it ever break, say "unknown".
            .map(|tag| (tag, outcomes.next().map_or_else(unknown, Answer::Outcome)))
            .collect();
        send(
            &route.answers,
            Answers {
                show: route.show,
                index,
                answers,
            },
        );
    }
}

fn unknown() -> Answer {
    Answer::Failed(SubmitFailure::Unconfirmed)
}

fn fail(routes: Vec<Route>, failure: &SubmitFailure) {
    for route in routes {
        let failed = route
            .tags
            .into_iter()
            .map(|tag| (tag, Answer::Failed(failure.clone())));
        send(
            &route.answers,
            Answers {
                show: route.show,
                index: 0,
                answers: failed.collect(),
            },
        );
    }
}

/// Answers every command of a submission that was never looked at.
pub(super) fn fail_all(queued: Queued, failure: &SubmitFailure) {
    let show = queued.submission.show;
    let items = queued.submission.items.into_iter();
    let answers = items
        .map(|item| (item.tag, Answer::Failed(failure.clone())))
        .collect();
    send(
        &queued.submission.answers,
        Answers {
            show,
            index: 0,
            answers,
        },
    );
}

fn send(to: &mpsc::Sender<Answers>, answers: Answers) {
    match to.try_send(answers) {
        // A closed channel is a caller that has gone; its key will find the effect.
        Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
        Err(mpsc::error::TrySendError::Full(answers)) => {
            debug_assert!(
                false,
                "a caller's channel holds every command it has in flight"
            );
            tracing::error!(
                lost = answers.answers.len(),
                "answers lost, the caller's channel is full"
            );
        }
    }
}
