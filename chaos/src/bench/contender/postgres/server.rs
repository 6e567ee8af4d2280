//! One PostgreSQL server process in a directory of its own.
//!
//! Owns: finding the programs, making data directories, the settings. Must never: touch a cluster that the machine
//! already has. PostgreSQL refuses to run as root; then its own system user runs it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use nix::sys::signal::Signal;
use tempfile::TempDir;
use tokio::process::Command;

use super::super::program::{self, Program};
use super::wire::Connection;

/// Superuser of the bench's clusters, and the system user that Debian's package makes.
const USER: &str = "postgres";
/// Where Debian keeps the server programs, by version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// One connection a client, and a few to spare.
const CONNECTIONS_MAX: u32 = 1_100;
/// The settings of the published figures beside the defaults, which flush before every commit.
const SETTINGS: [&str; 8] = [
    "shared_buffers=512MB",
    "max_wal_size=4GB",
    "synchronous_commit=on",
    "fsync=on",
    "wal_level=replica",
    "max_wal_senders=8",
    "hot_standby=on",
    "unix_socket_directories=",
];

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    program: Program,
    port: u16,
    _dir: TempDir,
}

/// Who runs the servers.
#[derive(Debug, Clone, Copy)]
struct Owner {
    uid: u32,
    gid: u32,
}

/// As in `postgres (PostgreSQL) 15.14`.
pub(super) async fn version() -> anyhow::Result<String> {
    Ok(program::version(&tool("postgres")?).await)
}

/// Whether all programs are there.
pub(super) fn installed() -> anyhow::Result<()> {
    for name in ["initdb", "postgres", "pg_basebackup"] {
        tool(name)?;
    }
    Ok(())
}

impl Server {
    /// A fresh cluster; with standbys a commit waits until one of `s1` and `s2` has flushed it.
    pub(super) async fn primary(standbys: bool) -> anyhow::Result<Self> {
        let dir = private_dir()?;
        let mut initdb = as_owner(&tool("initdb")?)?;
        initdb.args([
            "-A",
            "trust",
            "-E",
            "UTF8",
            "-U",
            USER,
            "--no-locale",
            "-N",
            "-D",
        ]);
        run(initdb.arg(data(&dir)), "initdb").await?;
        let mut more = Vec::new();
        if standbys {
            more.push("synchronous_standby_names=ANY 1 (s1, s2)".to_owned());
        }
        let mut server = Self::spawn(dir, "postgres", &more)?;
        // Local until the standbys are there: `connect` writes nothing, so it does not wait for them.
        server.wait_up().await?;
        Ok(server)
    }

    /// A streaming copy of this server, named as the primary's setting expects.
    pub(super) async fn standby(&self, name: &str) -> anyhow::Result<Self> {
        let dir = private_dir()?;
        let mut copy = as_owner(&tool("pg_basebackup")?)?;
        let port = self.port.to_string();
        copy.args([
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-U",
            USER,
            "-R",
            "-X",
            "stream",
        ]);
        copy.args(["-c", "fast", "-N", "-D"]);
        run(copy.arg(data(&dir)), "pg_basebackup").await?;
        let from = format!(
            "primary_conninfo=host=127.0.0.1 port={port} user={USER} application_name={name}"
        );
        let mut server = Self::spawn(dir, name, &[from])?;
        server.wait_up().await?;
        Ok(server)
    }

    fn spawn(dir: TempDir, name: &str, more: &[String]) -> anyhow::Result<Self> {
        let port = program::free_port()?;
        let mut command = as_owner(&tool("postgres")?)?;
        command.arg("-D").arg(data(&dir));
        command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        command.args(["-N", &CONNECTIONS_MAX.to_string()]);
        for setting in SETTINGS
            .iter()
            .copied()
            .chain(more.iter().map(String::as_str))
        {
            command.args(["-c", setting]);
        }
        let program = Program::start(name, command, &dir.path().join("log"))?;
        Ok(Self {
            program,
            port,
            _dir: dir,
        })
    }

    async fn wait_up(&mut self) -> anyhow::Result<()> {
        let addr = self.addr();
        let up = async || Ok(Connection::open(addr, USER).await?);
        self.program.wait(up).await.map(drop)
    }

    /// Waits until that many standbys stream.
    pub(super) async fn wait_streaming(
        &mut self,
        control: &mut Connection,
        count: usize,
    ) -> anyhow::Result<()> {
        let sql = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
        let control = tokio::sync::Mutex::new(control);
        self.program
            .wait(async || {
                let now = control.lock().await.simple(sql).await?;
                let enough = now.as_deref() == Some(count.to_string().as_str());
                anyhow::ensure!(enough, "standbys that stream: {now:?}");
                Ok(())
            })
            .await
    }

    pub(super) async fn connect(&self) -> anyhow::Result<Connection> {
        Ok(Connection::open(self.addr(), USER).await?)
    }

    fn addr(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Fast shutdown: clients are not waited for.
    pub(super) async fn stop(self) {
        self.program.stop(Signal::SIGINT).await;
    }
}

fn data(dir: &TempDir) -> PathBuf {
    dir.path().join("data")
}

/// A program of PostgreSQL's: in the path, or in the newest version that Debian has installed.
fn tool(name: &str) -> anyhow::Result<PathBuf> {
    let versions = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let newest = versions
        .map(|entry| entry.path().join("bin").join(name))
        .filter(|path| path.is_file())
        .max();
    newest.map_or_else(|| program::find(name, "postgresql"), Ok)
}

/// The user that must run the servers when this program runs as root.
fn owner() -> anyhow::Result<Option<Owner>> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    let passwd = std::fs::read_to_string("/etc/passwd")?;
    let found = parse_passwd(&passwd, USER);
    Ok(Some(found.context(
        "postgres does not run as root and there is no user postgres to run it as",
    )?))
}

fn parse_passwd(passwd: &str, user: &str) -> Option<Owner> {
    let mut fields = passwd
        .lines()
        .map(|line| line.split(':'))
        .find_map(|mut fields| (fields.next() == Some(user)).then_some(fields))?;
    Some(Owner {
        uid: fields.nth(1)?.parse().ok()?,
        gid: fields.next()?.parse().ok()?,
    })
}

fn as_owner(binary: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new(binary);
    // A directory that the other user may stand in.
    command.current_dir("/");
    if let Some(owner) = owner()? {
        command.uid(owner.uid).gid(owner.gid);
    }
    Ok(command)
}

/// A new directory that belongs to whoever runs the server.
fn private_dir() -> anyhow::Result<TempDir> {
    let dir = tempfile::Builder::new()
        .prefix("holdfast-postgres-")
        .tempdir()?;
    if let Some(owner) = owner()? {
        std::os::unix::fs::chown(dir.path(), Some(owner.uid), Some(owner.gid))?;
    }
    Ok(dir)
}

async fn run(command: &mut Command, name: &str) -> anyhow::Result<()> {
    let output = command
        .output()
        .await
        .with_context(|| format!("cannot run {name}"))?;
    anyhow::ensure!(
        output.status.success(),
        "{name}: {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_user_is_found_by_its_whole_name() {
        let passwd = "root:x:0:0::/root:/bin/sh\npostgresql:x:7:8::/:/bin/sh\npostgres:x:105:109::/:/bin/sh\n";
        let owner = parse_passwd(passwd, "postgres").unwrap();
        assert_eq!((owner.uid, owner.gid), (105, 109));
        assert!(parse_passwd(passwd, "nobody").is_none());
    }
}
