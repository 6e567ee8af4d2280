//! Why a history cannot be written or read.
//!
//! Owns: the closed set of reasons. Must never: be used for what a history says; that is the checker's.

use thiserror::Error;

/// Why a history cannot be written or read.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// The file cannot be read or written.
    #[error("history: {0}")]
    File(#[from] std::io::Error),
    /// A line is not an event.
    #[error("history line {line}: {source}")]
    Line {
        /// Counted from 1.
        line: u64,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A line is longer than any event.
    #[error("history line {line} is longer than {bytes_max} bytes")]
    LongLine {
        /// Counted from 1.
        line: u64,
        /// Bytes, at most.
        bytes_max: usize,
    },
    /// The first event is not a header.
    #[error("the first event of a history is its header")]
    HeaderMissing,
    /// The header is of a format that this release does not know.
    #[error("the history has format {version}; this release reads {known}")]
    Version {
        /// As the header says.
        version: u32,
        /// What can be read.
        known: u32,
    },
    /// Events that contradict each other, such as two answers to one call.
    #[error("history line {line}: {problem}")]
    Contradiction {
        /// Counted from 1.
        line: u64,
        /// What contradicts what.
        problem: String,
    },
    /// The history in memory is full; write to a file instead.
    #[error("a history in memory holds at most {bytes_max} bytes")]
    Full {
        /// Bytes, at most.
        bytes_max: usize,
    },
}
