//! Why a command could not be carried out.
//!
//! Owns: the exit codes and the words. Must never: hide the address or the file that it is about.

use holdfast_node_api::codes;
use serde_json::json;
use thiserror::Error;

/// Exit code of an answer that is not well.
pub(super) const UNWELL: u8 = 1;

/// Everything that can keep a command from being answered.
#[derive(Debug, Error)]
pub enum Failure {
    /// No node was named.
    #[error("which node? give --node HOST:PORT, or set HOLDFAST_NODE_ADDR")]
    NoNode,
    /// An argument parsed but makes no sense.
    #[error("{argument}: {reason}")]
    Argument {
        /// Which one.
        argument: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answers at the address.
    #[error(
        "cannot reach a node at {address}: {reason}; is it running, and is this its gRPC address (not the HTTP one)? \
         `cargo demo` prints the addresses of its nodes, and any node of the cluster will do"
    )]
    Unreachable {
        /// What was dialled.
        address: String,
        /// What the network said.
        reason: String,
    },
    /// The node took too long. A change may or may not have been made.
    #[error(
        "no answer from {address} within {timeout_ms} ms; a change may have been made: look before trying again"
    )]
    TimedOut {
        /// Who was asked.
        address: String,
        /// How long it was waited.
        timeout_ms: u64,
    },
    /// The node answered with an error.
    #[error("{address} answered {code}: {message}")]
    Refused {
        /// Who answered.
        address: String,
        /// Public error code (`docs/errors/`), or gRPC's name when the node gave none.
        code: String,
        /// The node's words.
        message: String,
    },
    /// A file could not be read, or its content makes no sense.
    #[error("{file}: {reason}")]
    File {
        /// Its path.
        file: String,
        /// What is wrong.
        reason: String,
    },
}

impl Failure {
    /// A file that could not be used.
    pub(super) fn file(file: impl Into<String>, reason: &dyn std::fmt::Display) -> Self {
        Self::File {
            file: file.into(),
            reason: reason.to_string(),
        }
    }

    /// What `status`, got from the node at `address`, means.
    pub(super) fn of_status(address: &str, status: &tonic::Status) -> Self {
        let address = address.to_owned();
        let published = codes::of_status(status);
        // A status that no node wrote was made by our own end of the connection.
        let ours = published.is_none() && std::error::Error::source(status).is_some();
        if ours || (published.is_none() && status.code() == tonic::Code::Unavailable) {
            return Self::Unreachable {
                address,
                reason: root_cause(status),
            };
        }
        let code =
            published.map_or_else(|| format!("{:?}", status.code()), |row| row.code.to_owned());
        Self::Refused {
            address,
            code,
            message: status.message().to_owned(),
        }
    }

    /// The exit code that `--help` promises.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoNode | Self::Argument { .. } => 2,
            Self::Unreachable { .. } | Self::TimedOut { .. } => 3,
            Self::Refused { .. } => 4,
            Self::File { .. } => 5,
        }
    }

    fn code(&self) -> &str {
        match self {
            Self::NoNode => "no_node",
            Self::Argument { .. } => "argument",
            Self::Unreachable { .. } => "unreachable",
            Self::TimedOut { .. } => "timed_out",
            Self::Refused { code, .. } => code,
            Self::File { .. } => "file",
        }
    }

    pub(super) fn to_json_line(&self) -> String {
        let error = json!({"code": self.code(), "message": self.to_string(), "exit_code": self.exit_code()});
        json!({ "error": error }).to_string()
    }
}

/// The innermost reason: "connection refused" rather than "transport error".
fn root_cause(status: &tonic::Status) -> String {
    let mut cause: &dyn std::error::Error = status;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let text = cause.to_string();
    if text.is_empty() {
        status.message().to_owned()
    } else {
        text.to_lowercase()
    }
}
