//! What buyers asked, when, and what they were told: the evidence that a checker judges.
//!
//! One JSON object a line. Times are microseconds of one clock that never goes back; `started_us` is before the request
//! left, `ended_us` after the answer was read, so what happened happened between the two. An `unknown` outcome may have
//! happened at any time after `started_us`, or never.
//!
//! Owns: the format. Must never: judge.

use std::io::{BufRead, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// Hold seats of a show.
    Hold,
    /// More time for a hold.
    Extend,
    /// Give a hold back.
    Release,
    /// Open an order from a hold.
    Order,
    /// Pay an order.
    Pay,
    /// Cancel an unpaid order.
    Cancel,
}

/// What the buyer knows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It happened.
    Ok,
    /// It did not and will not happen.
    Refused,
    /// It may have happened or may yet.
    Unknown,
}

/// One request and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Before the request left, µs.
    pub started_us: u64,
    /// After the answer was read, µs.
    pub ended_us: u64,
    /// Who.
    pub buyer: String,
    /// Through which gateway.
    pub gateway: String,
    /// Idempotency key; with the buyer it names the request.
    pub key: String,
    /// What.
    pub op: Op,
    /// Of what: a show for a hold, a hold for an order, an order for a payment.
    pub subject: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Problem code, when there was one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// Id of the hold or order in the answer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Its state in the answer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub state: String,
    /// Seats by plan id: those got, or those asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seats: Vec<String>,
    /// Life of a hold from the answer on, µs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_us: Option<u64>,
}

/// Why a history cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file cannot be read or written.
    #[error("history: {0}")]
    File(#[from] std::io::Error),
    /// A line is not an operation.
    #[error("history line {line}: {source}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        source: serde_json::Error,
    },
}

/// Collects operations of many buyers.
#[derive(Debug)]
pub struct Recorder {
    started: Instant,
    /// Never held over an await.
    operations: Mutex<Vec<Operation>>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            operations: Mutex::new(Vec::new()),
        }
    }
}

impl Recorder {
    /// µs since the recorder was made.
    #[must_use]
    pub fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Adds one operation.
    pub fn record(&self, operation: Operation) {
        self.operations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(operation);
    }

    /// Everything so far, by start.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        let mut all = self
            .operations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        all.sort_by_key(|operation| operation.started_us);
        all
    }
}

/// Writes a history as JSON lines.
///
/// # Errors
/// [`HistoryError::File`].
pub fn write(operations: &[Operation], mut to: impl Write) -> Result<(), HistoryError> {
    for operation in operations {
        serde_json::to_writer(&mut to, operation)
            .map_err(std::io::Error::from)
            .and_then(|()| to.write_all(b"\n"))?;
    }
    Ok(())
}

/// Reads a history of JSON lines; empty lines and lines that begin with `#` are skipped.
///
/// # Errors
/// Both kinds of [`HistoryError`].
pub fn read(from: impl BufRead) -> Result<Vec<Operation>, HistoryError> {
    let mut operations = Vec::new();
    for (at, line) in from.lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let operation = serde_json::from_str(&line).map_err(|source| HistoryError::Line {
            line: at + 1,
            source,
        })?;
        operations.push(operation);
    }
    Ok(operations)
}
