//! A single Redis with its append-only file fsynced before every answer: what most ticket shops run.
//!
//! A hold is one Lua script that sets all seats or none, each with an expiry. A refusal writes nothing, so it costs no
//! fsync. There is no replica: whoever loses this machine's disk has lost the sale.
//!
//! Owns: the script. Must never: keep a connection for each client; they share a few, as clients of Redis do.

mod resp;

use std::sync::Arc;

use anyhow::Context;
use nix::sys::signal::Signal;
use tempfile::TempDir;
use tokio::process::Command;

use self::resp::{Connection, Reply};
use super::program::{self, Program};
use super::{Contender, Seller};
use crate::bench::attempt::{Answer, Attempt};

/// Connections that all clients share.
const CONNECTIONS: usize = 4;
/// All keys or none; a holder's name and a life in ms.
const SCRIPT: &str = "for i = 1, #KEYS do if redis.call('EXISTS', KEYS[i]) == 1 then return 0 end end \
    for i = 1, #KEYS do redis.call('SET', KEYS[i], ARGV[1], 'PX', ARGV[2]) end return 1";
/// How long a hold lives, ms.
const HOLD_TTL_MS: &str = "600000";

/// The running server.
#[derive(Debug)]
pub(in crate::bench) struct Redis {
    program: Program,
    connections: Vec<Connection>,
    script: Arc<str>,
    shows: u64,
    _dir: TempDir,
}

impl Redis {
    /// Starts the server; gives its version, too.
    pub(in crate::bench) async fn start() -> anyhow::Result<(Self, String)> {
        let binary = program::find("redis-server", "redis-server")?;
        let version = program::version(&binary).await;
        let dir = tempfile::Builder::new()
            .prefix("holdfast-redis-")
            .tempdir()?;
        let port = program::free_port()?;
        let mut command = Command::new(&binary);
        command
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--appendonly", "yes", "--appendfsync", "always"])
            .args(["--save", "", "--daemonize", "no"])
            .arg("--dir")
            .arg(dir.path());
        let mut program = Program::start("redis-server", command, &dir.path().join("log"))?;
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let connect = async || Connection::open(([127, 0, 0, 1], port).into()).await;
            connections.push(program.wait(connect).await?);
        }
        let loaded = connections[0].call(&["SCRIPT", "LOAD", SCRIPT]).await?;
        let Reply::Bulk(script) = loaded else {
            anyhow::bail!("redis does not take the script: {loaded:?}");
        };
        let redis = Self {
            program,
            connections,
            script: script.into(),
            shows: 0,
            _dir: dir,
        };
        Ok((redis, version))
    }
}

impl Contender for Redis {
    type Seller = RedisSeller;

    async fn open_show(&mut self, _seats: u32) -> anyhow::Result<u64> {
        self.shows += 1;
        Ok(self.shows)
    }

    async fn sellers(&mut self, show: u64, clients: usize) -> anyhow::Result<Vec<RedisSeller>> {
        let seller = |connection: &Connection| RedisSeller {
            connection: connection.clone(),
            script: Arc::clone(&self.script),
            show,
        };
        let connections = self.connections.iter().cycle();
        Ok(connections.take(clients).map(seller).collect())
    }

    async fn stop(self) {
        self.program.stop(Signal::SIGTERM).await;
    }
}

/// One client.
#[derive(Debug, Clone)]
pub(in crate::bench) struct RedisSeller {
    connection: Connection,
    script: Arc<str>,
    show: u64,
}

impl Seller for RedisSeller {
    async fn hold(&mut self, attempt: Attempt) -> anyhow::Result<Answer> {
        let keys: Vec<String> = attempt
            .seats()
            .map(|seat| format!("s{}:{seat}", self.show))
            .collect();
        let (count, buyer) = (keys.len().to_string(), format!("b{}", attempt.number));
        let mut words = vec!["EVALSHA", &*self.script, &count];
        words.extend(keys.iter().map(String::as_str));
        words.extend([buyer.as_str(), HOLD_TTL_MS]);
        match self.connection.call(&words).await.context("hold")? {
            Reply::Integer(1) => Ok(Answer::Held),
            Reply::Integer(0) => Ok(Answer::Taken),
            other => anyhow::bail!("redis said {other:?}"),
        }
    }
}
