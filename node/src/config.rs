//! What one node is told: TOML file, then flags and `HOLDFAST_NODE_*`, each over the one before.
//!
//! Owns: every field's meaning, default and bounds. Must never: start anything, or stop at the first fault.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use holdfast_node_api::discovery::{Discovery, Finder, TopologySource};
use holdfast_node_api::telemetry::TelemetryConfig;
use holdfast_region_config::NodeId;
use serde::Deserialize;
use thiserror::Error;

/// Where gRPC listens when nothing else is said: this machine only.
pub const GRPC_LISTEN_DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7400);
/// Where HTTP (health, metrics, debug) listens when nothing else is said: this machine only.
pub const HTTP_LISTEN_DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7401);

/// More threads than any machine that this runs on has cores.
const WORKER_THREADS_MAX: usize = 1_024;

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// This node's number in the topology.
    pub node_id: NodeId,
    /// Directory for everything durable; made when missing, never shared by two nodes.
    pub data_dir: PathBuf,
    /// gRPC: peers, inventory, directory, operator.
    pub grpc_listen: SocketAddr,
    /// HTTP: health, metrics, debug.
    pub http_listen: SocketAddr,
    /// Topology file; its addresses are how this node dials the others.
    pub topology: PathBuf,
    /// Who is asked where the other nodes are; `None` = the topology file says it.
    pub discovery: Option<Discovery>,
    /// End when standard input does: a supervisor that dies takes its node with it.
    pub exit_with_parent: bool,
    /// Logs and traces.
    pub telemetry: TelemetryConfig,
    /// Threads that run the node's tasks, 1 to 1,024. `None` = one per core, which is right where the node has the
    /// machine to itself; nodes that share one do better with their share of it.
    pub worker_threads: Option<usize>,
    /// File to which notices are appended, one JSON object a line; `None` = they are only counted.
    pub notices_journal: Option<PathBuf>,
    /// File to which the payment provider's word is appended before it counts, one JSON object a line; `None` = nobody writes it
    /// down.
    pub payments_journal: Option<PathBuf>,
    /// Bounds.
    pub limits: Limits,
}

/// The `[limits]` section. Defaults suit a machine with a few cores.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Commands of one show that wait or are in flight, 1 to 1,048,576; beyond it callers are told to come back.
    pub commands_per_show_max: u32,
    /// Commands in one Raft entry, 1 to 16,384.
    pub commands_per_entry_max: u32,
    /// Bytes of commands in one Raft entry, 1,024 to 4,194,304.
    pub entry_bytes_max: u32,
    /// Raft entries of one show in flight at once, 1 to 64. A near quorum is given fewer: about one each millisecond.
    pub entries_in_flight_max: u32,
    /// Longest wait for a command's answer when the caller names none, 10 to 60,000 ms.
    pub deadline_default_ms: u32,
    /// Longest wait for the payment provider before the attempt is voided, 10 to 60,000 ms.
    pub payment_timeout_ms: u32,
    /// A snapshot of a group after this many entries, 10 to 1,000,000.
    pub snapshot_every_entries: u32,
    /// Entries kept behind a snapshot, so that a follower that missed a moment gets entries instead, 1 to 1,000,000.
    pub snapshot_keep_entries: u32,
    /// A show without writes for this long stops its heartbeats and timers, 100 to 86,400,000 ms.
    pub hibernate_after_ms: u32,
    /// A hibernating show that nobody reads for this long leaves memory until it is wanted, 100 to 86,400,000 ms.
    pub unload_after_ms: u32,
    /// A node silent for this long is taken for lost: its replicas are placed on other nodes. 0 to 2,592,000 s; 0 = never by
    /// itself, and not less than it takes to restart a machine.
    pub replace_after_s: u32,
    /// Room on the data directory's file system, MiB, below which the node takes no new work, 0 to 1,048,576; 0 = never. It
    /// works again by itself above one and a half times this.
    pub disk_reserve_mib: u32,
    /// Longest wait of a draining node for what is in flight, 0 to 60,000 ms.
    pub drain_ms_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            commands_per_show_max: 65_536,
            commands_per_entry_max: 4_096,
            entry_bytes_max: 512 * 1024,
            entries_in_flight_max: 32,
            deadline_default_ms: 5_000,
            payment_timeout_ms: 3_000,
            snapshot_every_entries: 2_000,
            snapshot_keep_entries: 500,
            hibernate_after_ms: 10_000,
            unload_after_ms: 60_000,
            replace_after_s: 600,
            disk_reserve_mib: 256,
            drain_ms_max: 5_000,
        }
    }
}

impl Limits {
    fn check(&self, problems: &mut Vec<Problem>) {
        let bounds = [
            (
                "commands_per_show_max",
                self.commands_per_show_max,
                1,
                1 << 20,
            ),
            (
                "commands_per_entry_max",
                self.commands_per_entry_max,
                1,
                16_384,
            ),
            ("entry_bytes_max", self.entry_bytes_max, 1_024, 4 << 20),
            ("entries_in_flight_max", self.entries_in_flight_max, 1, 64),
            ("deadline_default_ms", self.deadline_default_ms, 10, 60_000),
            ("payment_timeout_ms", self.payment_timeout_ms, 10, 60_000),
            (
                "snapshot_every_entries",
                self.snapshot_every_entries,
                10,
                1_000_000,
            ),
            (
                "snapshot_keep_entries",
                self.snapshot_keep_entries,
                1,
                1_000_000,
            ),
            (
                "hibernate_after_ms",
                self.hibernate_after_ms,
                100,
                86_400_000,
            ),
            ("unload_after_ms", self.unload_after_ms, 100, 86_400_000),
            ("replace_after_s", self.replace_after_s, 0, 2_592_000),
            ("disk_reserve_mib", self.disk_reserve_mib, 0, 1 << 20),
            ("drain_ms_max", self.drain_ms_max, 0, 60_000),
        ];
        for (field, value, min, max) in bounds {
            if !(min..=max).contains(&value) {
                problems.push(Problem {
                    field: format!("limits.{field}"),
                    reason: format!("{value} is not between {min} and {max}"),
                });
            }
        }
    }
}

/// Values given outside the file; each one wins over the file's.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `node_id`.
    pub node_id: Option<u64>,
    /// `data_dir`.
    pub data_dir: Option<PathBuf>,
    /// `grpc_listen`.
    pub grpc_listen: Option<String>,
    /// `http_listen`.
    pub http_listen: Option<String>,
    /// `topology`.
    pub topology: Option<PathBuf>,
    /// `telemetry.log`.
    pub log: Option<String>,
    /// `telemetry.otlp_endpoint`.
    pub otlp_endpoint: Option<String>,
    /// `exit_with_parent`, when true.
    pub exit_with_parent: bool,
}

/// One field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its name, with its section.
    pub field: String,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)
    }
}

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read config {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not TOML, or a key is unknown or of the wrong type.
    #[error("config {}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, column and reason.
        message: String,
    },
    /// Fields are missing or out of bounds; all of them are listed.
    #[error("config: {}", list(.0))]
    Fields(Vec<Problem>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    node_id: Option<u64>,
    data_dir: Option<PathBuf>,
    grpc_listen: Option<String>,
    http_listen: Option<String>,
    topology: Option<PathBuf>,
    discovery: Option<Discovery>,
    exit_with_parent: bool,
    worker_threads: Option<usize>,
    notices_journal: Option<PathBuf>,
    payments_journal: Option<PathBuf>,
    telemetry: TelemetryConfig,
    limits: Limits,
}

impl Config {
    /// Where the topology comes from.
    #[must_use]
    pub fn topology_source(&self) -> TopologySource {
        let finder = self.discovery.clone().map(Finder::new);
        TopologySource::new(self.topology.clone(), finder)
    }

    /// Reads `path` (when given), lays `overrides` over it, checks every field.
    ///
    /// # Errors
    /// See [`ConfigError`]. Paths in the file are relative to the working directory.
    pub fn load(path: Option<&Path>, overrides: Overrides) -> Result<Self, ConfigError> {
        let file = match path {
            None => File::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
                    path: path.to_owned(),
                    source,
                })?;
                toml::from_str(&text).map_err(|error| ConfigError::Syntax {
                    path: path.to_owned(),
                    message: error.to_string().trim_end().to_owned(),
                })?
            }
        };
        Self::check(file, overrides)
    }

    fn check(file: File, overrides: Overrides) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let node_id = required("node_id", overrides.node_id.or(file.node_id), &mut problems);
        if node_id == Some(0) {
            problems.push(Problem {
                field: "node_id".to_owned(),
                reason: "0 is not a node; the topology numbers them from 1".to_owned(),
            });
        }
        let data_dir = required(
            "data_dir",
            overrides.data_dir.or(file.data_dir),
            &mut problems,
        );
        let topology = required(
            "topology",
            overrides.topology.or(file.topology),
            &mut problems,
        );
        let grpc = overrides.grpc_listen.or(file.grpc_listen);
        let grpc_listen = address("grpc_listen", grpc, GRPC_LISTEN_DEFAULT, &mut problems);
        let http = overrides.http_listen.or(file.http_listen);
        let http_listen = address("http_listen", http, HTTP_LISTEN_DEFAULT, &mut problems);
        if let Some(threads) = file.worker_threads
            && !(1..=WORKER_THREADS_MAX).contains(&threads)
        {
            problems.push(Problem {
                field: "worker_threads".to_owned(),
                reason: format!("{threads} is not between 1 and {WORKER_THREADS_MAX}"),
            });
        }
        file.limits.check(&mut problems);
        let mut telemetry = file.telemetry;
        telemetry.log = overrides.log.unwrap_or(telemetry.log);
        telemetry.otlp_endpoint = overrides.otlp_endpoint.or(telemetry.otlp_endpoint);
        match (node_id, data_dir, topology) {
            (Some(node_id), Some(data_dir), Some(topology)) if problems.is_empty() => Ok(Self {
                node_id: NodeId::new(node_id),
                data_dir,
                grpc_listen,
                http_listen,
                topology,
                discovery: file.discovery,
                exit_with_parent: overrides.exit_with_parent || file.exit_with_parent,
                telemetry,
                worker_threads: file.worker_threads,
                notices_journal: file.notices_journal,
                payments_journal: file.payments_journal,
                limits: file.limits,
            }),
            _ => Err(ConfigError::Fields(problems)),
        }
    }
}

fn required<T>(field: &str, value: Option<T>, problems: &mut Vec<Problem>) -> Option<T> {
    if value.is_none() {
        let upper = field.to_uppercase();
        problems.push(Problem {
            field: field.to_owned(),
            reason: format!("missing; set it in the file or as HOLDFAST_NODE_{upper}"),
        });
    }
    value
}

fn address(
    field: &str,
    value: Option<String>,
    default: SocketAddr,
    problems: &mut Vec<Problem>,
) -> SocketAddr {
    let Some(text) = value else { return default };
    text.parse().unwrap_or_else(|_| {
        problems.push(Problem {
            field: field.to_owned(),
            reason: format!("\"{text}\" is not an address with a port, such as {default}"),
        });
        default
    })
}

fn list(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(Problem::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, overrides: Overrides) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(Some(&path), overrides)
    }

    const SMALL: &str = "node_id = 2\ndata_dir = \"d\"\ntopology = \"t.toml\"\n";

    #[test]
    fn three_fields_are_enough_and_listen_on_loopback_only() {
        let config = parse(SMALL, Overrides::default()).unwrap();
        assert_eq!(config.node_id, NodeId::new(2));
        assert!(config.grpc_listen.ip().is_loopback() && config.http_listen.ip().is_loopback());
        assert!(config.telemetry.otlp_endpoint.is_none());
        assert!(config.notices_journal.is_none() && config.payments_journal.is_none());
        assert_eq!(config.limits, Limits::default());
    }

    #[test]
    fn overrides_win_over_the_file() {
        let overrides = Overrides {
            node_id: Some(3),
            grpc_listen: Some("127.0.0.1:0".to_owned()),
            log: Some("debug".to_owned()),
            ..Overrides::default()
        };
        let config = parse(SMALL, overrides).unwrap();
        assert_eq!(config.node_id, NodeId::new(3));
        assert_eq!(config.grpc_listen.port(), 0);
        assert_eq!(config.telemetry.log, "debug");
    }

    #[test]
    fn every_bad_field_is_named_at_once_with_the_reason() {
        let text = "node_id = 0\ngrpc_listen = \"here\"\n[limits]\nentries_in_flight_max = 0\n";
        let error = parse(text, Overrides::default()).unwrap_err().to_string();
        for part in [
            "node_id: 0",
            "data_dir: missing",
            "topology: missing",
            "\"here\"",
            "limits.entries_in_flight_max: 0 is not between 1 and 64",
        ] {
            assert!(error.contains(part), "{part} in {error}");
        }
    }

    #[test]
    fn a_misspelled_key_is_refused_and_named() {
        let error = parse("node_idd = 1\n", Overrides::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains("node_idd"), "{error}");
        let missing = Config::load(Some(Path::new("no-such-file.toml")), Overrides::default());
        assert!(matches!(missing, Err(ConfigError::Read { .. })));
    }
}
