//! Commands on their way to a show's log, and what comes back.
//!
//! Owns: the types that callers and the proposer exchange. A caller hands over many commands at once and gets their
//! answers in pieces, matched by tag, on one bounded channel: no task and no allocation per command.
//! Must never: know a wire format.

use holdfast_inventory::{command::Envelope, outcome::Outcome};
use holdfast_raft::ProposeError;
use holdfast_region_config::NodeId;
use thiserror::Error;
use tokio::{sync::mpsc, time::Instant};

/// One command.
#[derive(Debug)]
pub struct Item {
    /// The caller's name for it; unique among what the caller has in flight.
    pub tag: u64,
    /// Who asks for what.
    pub envelope: Envelope,
    /// A command still waiting at this time is dropped: nobody waits for its answer any more.
    pub give_up_at: Instant,
    /// Not to be refused early: an earlier try with the same key may be in the log and not yet applied.
    pub through_log: bool,
    /// The end of the hold that it asks for has been spread.
    pub end_is_spread: bool,
    /// About its size in an entry.
    pub bytes: usize,
}

/// Commands of one caller for one show.
#[derive(Debug)]
pub struct Submission {
    /// The show; echoed in the answers.
    pub show: u64,
    /// At least one.
    pub items: Vec<Item>,
    /// Where answers go. Its capacity must cover every command that the caller has in flight, so that the
    /// proposer never waits for a caller.
    pub answers: mpsc::Sender<Answers>,
}

impl Submission {
    /// About their size in an entry.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.items.iter().map(|item| item.bytes).sum()
    }

    /// Answers every command with `failure`.
    pub fn fail(self, failure: &SubmitFailure) {
        let items = self.items.into_iter();
        let answers = items.map(|item| (item.tag, Answer::Failed(failure.clone())));
        let answers = Answers {
            show: self.show,
            index: 0,
            answers: answers.collect(),
        };
        // The channel holds everything that its caller has in flight; one that is closed has no caller any more.
        let _gone = self.answers.try_send(answers);
    }
}

/// Answers to some commands of one submission.
#[derive(Debug)]
pub struct Answers {
    /// The show they are about.
    pub show: u64,
    /// Log index behind them; 0 when no entry was written for them.
    pub index: u64,
    /// By tag.
    pub answers: Vec<(u64, Answer)>,
}

/// What one command came to.
#[derive(Debug, Clone)]
pub enum Answer {
    /// The shard decided.
    Outcome(Outcome),
    /// No decision was reached, or none that can be told.
    Failed(SubmitFailure),
}

/// Why a command has no outcome.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SubmitFailure {
    /// A field of the request is malformed.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field at fault.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The directory, as known here, has no such show.
    #[error("no show s{show} is known here")]
    UnknownShow {
        /// The show asked for.
        show: u64,
    },
    /// The show exists, but cannot be sold yet.
    #[error("show s{show} is being set up")]
    NotReady {
        /// The show asked for.
        show: u64,
    },
    /// Another node leads the show, as far as is known here.
    #[error("show s{show} is led by another node")]
    Elsewhere {
        /// The show asked for.
        show: u64,
        /// The node that leads it, or is likely to.
        node: Option<NodeId>,
    },
    /// The show's replica could not be read from disk in time; nothing happened.
    #[error("show s{show} could not be opened in time")]
    NotOpened {
        /// The show asked for.
        show: u64,
    },
    /// The show's queue is full; nothing happened.
    #[error("too many commands are waiting for this show")]
    Overloaded,
    /// The caller's time was up before the command was written; nothing happened.
    #[error("the deadline passed while the command was waiting")]
    Expired,
    /// The entry was written and is not committed yet.
    #[error("no quorum confirmed the command in time")]
    Unconfirmed,
    /// Consensus refused or lost it.
    #[error(transparent)]
    Propose(#[from] ProposeError),
    /// This node is stopping; nothing happened.
    #[error("this node is shutting down")]
    Stopping,
}

impl SubmitFailure {
    /// Whether the same command, with the same key, is worth another try here or elsewhere.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Invalid { .. } | Self::UnknownShow { .. } => false,
            Self::Propose(error) => error.is_retryable(),
            Self::NotReady { .. }
            | Self::Elsewhere { .. }
            | Self::NotOpened { .. }
            | Self::Overloaded
            | Self::Expired
            | Self::Unconfirmed
            | Self::Stopping => true,
        }
    }

    /// Whether the command may have happened or may yet.
    #[must_use]
    pub const fn maybe_happened(&self) -> bool {
        match self {
            Self::Unconfirmed => true,
            Self::Propose(error) => error.maybe_happened(),
            Self::Invalid { .. }
            | Self::UnknownShow { .. }
            | Self::NotReady { .. }
            | Self::Elsewhere { .. }
            | Self::NotOpened { .. }
            | Self::Overloaded
            | Self::Expired
            | Self::Stopping => false,
        }
    }
}
