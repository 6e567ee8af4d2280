//! Why a cluster is not as asked, in words that name the process, port or file.
//!
//! Owns: the wording. Must never: hide which process it was.

use std::path::PathBuf;

use holdfast_region_config::ReshapeError;

use crate::wan::WanError;

/// Why a cluster cannot be started or does not run any more.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A port that was asked for is in use.
    #[error(
        "port {port}, wanted for {purpose}, is taken: {source}; choose another --port-base or leave it away"
    )]
    PortTaken {
        /// The port.
        port: u16,
        /// Who was to have it.
        purpose: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The run of ports would go beyond 65535 or begins at 0.
    #[error("--port-base {base} leaves no room for the {count} ports needed, from 1 to 65535")]
    PortRange {
        /// First port asked for.
        base: u16,
        /// How many are needed.
        count: usize,
    },
    /// No free port was found.
    #[error("no free port was found on this machine after {tries} tries")]
    NoFreePort {
        /// How many were tried.
        tries: usize,
    },
    /// A binary has not been built.
    #[error("{} is missing; build it with: cargo build -p holdfast-node -p holdfast-gateway", path.display())]
    MissingBinary {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file or directory cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another cluster runs on this directory.
    #[error("data dir {} is in use by another running cluster", path.display())]
    InUse {
        /// Which.
        path: PathBuf,
    },
    /// The directory was made for other regions or nodes.
    #[error("data dir {} holds a cluster of other regions or nodes ({before}), not ({now}); use another --data-dir", path.display())]
    OtherCluster {
        /// Which.
        path: PathBuf,
        /// What it was made for.
        before: String,
        /// What was asked for now.
        now: String,
    },
    /// A process cannot be started.
    #[error("cannot start {}: {source}", path.display())]
    Spawn {
        /// The binary.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A process ended without being asked.
    #[error("{name} died ({status}); its last words:\n{log}")]
    Died {
        /// Which.
        name: String,
        /// Exit status or signal.
        status: String,
        /// The end of its log.
        log: String,
    },
    /// A process runs and does not become ready.
    #[error("{name} does not become ready; /readyz says: {answer}; its last words:\n{log}")]
    NotReady {
        /// Which.
        name: String,
        /// Its last answer.
        answer: String,
        /// The end of its log.
        log: String,
    },
    /// No member has this name.
    #[error("there is no process {name} in this cluster")]
    UnknownMember {
        /// The name asked for.
        name: String,
    },
    /// The network cannot be started.
    #[error(transparent)]
    Wan(#[from] WanError),
    /// The topology does not allow it.
    #[error(transparent)]
    Topology(#[from] ReshapeError),
}
