//! The proposer against a scripted log.

use std::{future::pending, sync::Mutex};

use holdfast_inventory::{
    command::Command,
    ids::{BuyerId, HoldId, RequestId, RequestKey},
    outcome::Effect,
};
use holdfast_raft::ManualClock;
use holdfast_region_config::GroupId;

use super::*;
use crate::submission::Answers;

/// Commits when told to; remembers every entry.
#[derive(Clone)]
struct Script {
    entries: Arc<Mutex<Vec<Entry>>>,
    /// One permit per entry that may commit.
    gate: Arc<Semaphore>,
    answer: Result<(), ProposeError>,
    /// Holds of this number are doomed.
    doomed: Option<HoldId>,
}

impl Script {
    fn new(gate: usize) -> Self {
        Self {
            entries: Arc::default(),
            gate: Arc::new(Semaphore::new(gate)),
            answer: Ok(()),
            doomed: None,
        }
    }
}

impl Target for Script {
    async fn propose(&self, entry: &Entry) -> Result<Committed<Outcome>, ProposeError> {
        let index = {
            let mut entries = self.entries.lock().unwrap();
            entries.push(entry.clone());
            entries.len() as u64
        };
        self.gate.acquire().await.unwrap().forget();
        self.answer.clone()?;
        let outcomes = entry
            .commands
            .iter()
            .map(|envelope| match envelope.command {
                Command::ReleaseHold { hold } => Outcome::Done(Effect::Ticked {
                    expired: u32::try_from(hold.get()).unwrap(),
                }),
                _ => unreachable!("the tests send releases only"),
            });
        Ok(Committed {
            index,
            outcomes: outcomes.collect(),
        })
    }
}

impl Judge for Script {
    fn doomed(&self, items: &[Item], _: u64) -> Vec<Option<Rejection>> {
        let verdict = |item: &Item| match item.envelope.command {
            Command::ReleaseHold { hold } if Some(hold) == self.doomed => {
                Some(Rejection::HoldUnknown { hold })
            }
            _ => None,
        };
        items.iter().map(verdict).collect()
    }

    fn spread_ends(&self, _: &mut [Item]) {}
}

fn context(limits: Limits) -> ProposerContext {
    ProposerContext {
        clock: Arc::new(ManualClock::at(1_000)),
        limits: Arc::new(limits),
        metrics: Metrics::new().unwrap(),
        stop: CancellationToken::new(),
    }
}

fn release(n: u64) -> Envelope {
    let request = RequestId {
        caller: BuyerId([1; 16]),
        key: RequestKey::internal("t", n),
    };
    Envelope {
        request,
        command: Command::ReleaseHold { hold: HoldId(n) },
    }
}

fn submission(tags: std::ops::Range<u64>, answers: &mpsc::Sender<Answers>) -> Submission {
    let give_up_at = Instant::now() + Duration::from_secs(60);
    let items = tags
        .map(|tag| Item {
            tag,
            envelope: release(tag),
            give_up_at,
            through_log: false,
            end_is_spread: false,
            bytes: 10,
        })
        .collect();
    Submission {
        show: 7,
        items,
        answers: answers.clone(),
    }
}

/// (tag, what the script made of it) of every answer until `count` have come.
async fn collect(answers: &mut mpsc::Receiver<Answers>, count: usize) -> Vec<(u64, Answer)> {
    let mut all = Vec::new();
    while all.len() < count {
        all.extend(answers.recv().await.unwrap().answers);
    }
    all
}

#[tokio::test]
async fn what_waits_while_entries_are_in_flight_becomes_one_entry_and_answers_find_their_tags() {
    let script = Script::new(0);
    let limits = Limits {
        entries_in_flight_max: 1,
        ..Limits::default()
    };
    let (proposer, run) = Proposer::new(script.clone(), context(limits), pending());
    let running = tokio::spawn(run);
    let (answers, mut answered) = mpsc::channel(1_000);
    proposer.submit(submission(0..1, &answers)).unwrap();
    while script.entries.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    for n in 0..10 {
        proposer
            .submit(submission(10 * n + 10..10 * n + 20, &answers))
            .unwrap();
    }
    script.gate.add_permits(2);
    for (tag, answer) in collect(&mut answered, 101).await {
        let Answer::Outcome(Outcome::Done(Effect::Ticked { expired })) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(u64::from(expired), tag);
    }
    let entries = script.entries.lock().unwrap().clone();
    assert_eq!(
        entries.iter().map(|e| e.commands.len()).collect::<Vec<_>>(),
        [1, 100]
    );
    assert!(entries.iter().all(|entry| entry.now_ms == 1_000));
    drop(proposer);
    running.await.unwrap();
}

#[tokio::test]
async fn an_entry_stops_at_its_bound() {
    let script = Script::new(100);
    let limits = Limits {
        commands_per_entry_max: 20,
        ..Limits::default()
    };
    let (proposer, run) = Proposer::new(script.clone(), context(limits), pending());
    let (answers, mut answered) = mpsc::channel(1_000);
    for n in 0..10 {
        proposer
            .submit(submission(10 * n..10 * n + 10, &answers))
            .unwrap();
    }
    let running = tokio::spawn(run);
    collect(&mut answered, 100).await;
    assert!(
        script
            .entries
            .lock()
            .unwrap()
            .iter()
            .all(|entry| entry.commands.len() == 20)
    );
    drop(proposer);
    running.await.unwrap();
}

#[tokio::test]
async fn beyond_its_room_the_queue_refuses_and_gives_the_commands_back() {
    let limits = Limits {
        commands_per_show_max: 10,
        ..Limits::default()
    };
    let context = context(limits);
    let counted = context.metrics.commands_overloaded.clone();
    let (proposer, _run) = Proposer::new(Script::new(0), context, pending());
    let (answers, _answered) = mpsc::channel(100);
    proposer.submit(submission(0..8, &answers)).unwrap();
    let (back, failure) = proposer.submit(submission(8..11, &answers)).unwrap_err();
    assert_eq!(
        (back.items.len(), failure.clone()),
        (3, SubmitFailure::Overloaded)
    );
    assert!(!failure.maybe_happened());
    assert_eq!(counted.get(), 3);
    proposer.submit(submission(8..10, &answers)).unwrap();
}

#[tokio::test]
async fn a_doomed_command_is_refused_at_once_and_writes_nothing() {
    let script = Script {
        doomed: Some(HoldId(3)),
        ..Script::new(0)
    };
    let (proposer, run) = Proposer::new(script.clone(), context(Limits::default()), pending());
    let running = tokio::spawn(run);
    let (answers, mut answered) = mpsc::channel(100);
    proposer.submit(submission(2..5, &answers)).unwrap();
    let first = answered.recv().await.unwrap();
    assert_eq!(first.index, 0, "no entry stands behind it");
    let [(3, Answer::Outcome(Outcome::Rejected(_)))] = first.answers.as_slice() else {
        panic!("{first:?}")
    };
    script.gate.add_permits(1);
    let tags: Vec<u64> = collect(&mut answered, 2)
        .await
        .into_iter()
        .map(|(tag, _)| tag)
        .collect();
    assert_eq!(tags, [2, 4]);
    assert_eq!(script.entries.lock().unwrap()[0].commands.len(), 2);
    drop(proposer);
    running.await.unwrap();
}

#[tokio::test]
async fn what_is_doomed_at_the_door_takes_no_place_in_the_queue() {
    let script = Script {
        doomed: Some(HoldId(3)),
        ..Script::new(0)
    };
    let limits = Limits {
        commands_per_show_max: 2,
        ..Limits::default()
    };
    let (proposer, _run) = Proposer::new(script, context(limits), pending());
    let (answers, _answered) = mpsc::channel(10);
    let mut batch = submission(2..5, &answers);
    batch.items[0].through_log = true;
    let refused = proposer.refuse_doomed(&mut batch);
    let [(3, Answer::Outcome(Outcome::Rejected(_)))] = refused.as_slice() else {
        panic!("{refused:?}")
    };
    proposer.submit(batch).unwrap();
    let mut doomed = submission(3..4, &answers);
    assert_eq!(
        proposer.refuse_doomed(&mut doomed).len(),
        1,
        "however full the queue"
    );
    let mut insists = submission(3..4, &answers);
    insists.items[0].through_log = true;
    assert!(proposer.refuse_doomed(&mut insists).is_empty());
}

#[tokio::test]
async fn a_command_that_waited_too_long_is_dropped_for_certain() {
    let script = Script::new(10);
    let (proposer, run) = Proposer::new(script.clone(), context(Limits::default()), pending());
    let (answers, mut answered) = mpsc::channel(10);
    let mut late = submission(0..1, &answers);
    late.items[0].give_up_at = Instant::now();
    proposer.submit(late).unwrap();
    let running = tokio::spawn(run);
    let (_, answer) = collect(&mut answered, 1).await.remove(0);
    assert!(
        matches!(answer, Answer::Failed(SubmitFailure::Expired)),
        "{answer:?}"
    );
    assert!(script.entries.lock().unwrap().is_empty());
    drop(proposer);
    running.await.unwrap();
}

#[tokio::test]
async fn an_entry_that_fails_fails_each_of_its_commands_alike() {
    let error = ProposeError::NotLeader {
        group: GroupId::new(7),
        leader: None,
    };
    let script = Script {
        answer: Err(error.clone()),
        ..Script::new(10)
    };
    let (proposer, run) = Proposer::new(script, context(Limits::default()), pending());
    let running = tokio::spawn(run);
    let (answers, mut answered) = mpsc::channel(10);
    proposer.submit(submission(0..3, &answers)).unwrap();
    for (_, answer) in collect(&mut answered, 3).await {
        let Answer::Failed(failure) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(failure, SubmitFailure::Propose(error.clone()));
    }
    drop(proposer);
    running.await.unwrap();
}

#[tokio::test]
async fn without_a_quorum_the_caller_learns_that_it_may_yet_happen() {
    let limits = Limits {
        deadline_default_ms: 20,
        ..Limits::default()
    };
    let (proposer, run) = Proposer::new(Script::new(0), context(limits), pending());
    let running = tokio::spawn(run);
    let (answers, mut answered) = mpsc::channel(10);
    proposer.submit(submission(0..1, &answers)).unwrap();
    let (_, answer) = collect(&mut answered, 1).await.remove(0);
    let Answer::Failed(failure) = answer else {
        panic!("{answer:?}")
    };
    assert!(failure.maybe_happened());
    running.abort();
}

#[tokio::test]
async fn stopping_refuses_what_waits_and_answers_what_is_in_flight() {
    let script = Script::new(0);
    let limits = Limits {
        entries_in_flight_max: 1,
        ..Limits::default()
    };
    let context = context(limits);
    let (proposer, run) = Proposer::new(script.clone(), context.clone(), pending());
    let running = tokio::spawn(run);
    let (answers, mut answered) = mpsc::channel(10);
    proposer.submit(submission(0..1, &answers)).unwrap();
    while script.entries.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    proposer.submit(submission(1..2, &answers)).unwrap();
    context.stop.cancel();
    let (tag, answer) = collect(&mut answered, 1).await.remove(0);
    assert!(matches!(
        (tag, answer),
        (1, Answer::Failed(SubmitFailure::Stopping))
    ));
    script.gate.add_permits(1);
    let (tag, answer) = collect(&mut answered, 1).await.remove(0);
    assert!(matches!((tag, answer), (0, Answer::Outcome(_))));
    running.await.unwrap();
    assert!(proposer.is_stopped());
}

#[tokio::test]
async fn a_replica_that_leaves_memory_takes_what_waits_with_it_and_no_more() {
    let script = Script::new(100);
    let closed = CancellationToken::new();
    let ends = closed.clone().cancelled_owned();
    let (proposer, run) = Proposer::new(script.clone(), context(Limits::default()), ends);
    let (answers, mut answered) = mpsc::channel(100);
    proposer.submit(submission(0..5, &answers)).unwrap();
    closed.cancel();
    tokio::spawn(run).await.unwrap();
    for (_, answer) in collect(&mut answered, 5).await {
        assert!(matches!(answer, Answer::Outcome(_)), "{answer:?}");
    }
    assert!(proposer.is_stopped());
    let (back, failure) = proposer.submit(submission(5..6, &answers)).unwrap_err();
    assert_eq!((back.items.len(), failure), (1, SubmitFailure::Stopping));
}
