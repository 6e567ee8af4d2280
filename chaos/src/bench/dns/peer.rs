//! Knot, or else BIND's named, with the steered name in a zone file.
//!
//! Owns: its configuration and process. Must never: use the machine's own name server or its port.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use nix::sys::signal::Signal;
use tempfile::TempDir;
use tokio::process::Command;

use crate::bench::contender::program::{self, Program};
use crate::dns_client::ask;

const ZONE: &str = "\
$ORIGIN holdfast.example.
$TTL 30
@ IN SOA ns1 hostmaster 1 3600 600 86400 30
@ IN NS ns1
ns1 IN A 127.0.0.1
tickets IN A 192.0.2.10
tickets IN A 192.0.2.20
tickets IN AAAA 2001:db8:1::10
tickets IN AAAA 2001:db8:2::10
";

/// A running name server.
pub(super) struct Peer {
    name: &'static str,
    version: String,
    addr: SocketAddr,
    program: Program,
    _dir: TempDir,
}

impl Peer {
    /// Starts the first that is installed and waits until it answers `name`.
    pub(super) async fn start(name: &str) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, program::free_port()?));
        std::fs::write(dir.path().join("zone"), ZONE)?;
        let (kind, binary, command) = match program::find("knotd", "knot") {
            Ok(binary) => ("knot", binary.clone(), knot(&binary, dir.path(), addr)?),
            Err(knot_missing) => {
                let binary = program::find("named", "bind9");
                let binary = binary.map_err(|error| knot_missing.context(error.to_string()))?;
                ("named", binary.clone(), named(&binary, dir.path(), addr)?)
            }
        };
        let version = format!("{kind}: {}", program::version(&binary).await);
        let mut program = Program::start(kind, command, &dir.path().join("log"))?;
        program
            .wait(async || {
                let answer = ask(addr, name, None).await?;
                anyhow::ensure!(answer.addrs.len() == 2, "it does not know the zone yet");
                Ok(())
            })
            .await?;
        Ok(Self {
            name: kind,
            version,
            addr,
            program,
            _dir: dir,
        })
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    pub(super) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its process; 0 when it has ended.
    pub(super) fn pid(&self) -> u32 {
        self.program.pid().unwrap_or(0)
    }

    pub(super) async fn stop(self) {
        self.program.stop(Signal::SIGTERM).await;
    }
}

fn knot(binary: &Path, dir: &Path, addr: SocketAddr) -> anyhow::Result<Command> {
    let root = dir.display();
    let config = format!(
        "server:\n    rundir: \"{root}\"\n    listen: {}@{}\ndatabase:\n    storage: \"{root}\"\n\
         zone:\n  - domain: holdfast.example\n    storage: \"{root}\"\n    file: zone\n    zonefile-sync: -1\n",
        addr.ip(),
        addr.port()
    );
    let file = dir.join("knot.conf");
    std::fs::write(&file, config)?;
    let mut command = Command::new(binary);
    command.arg("-c").arg(file);
    Ok(command)
}

fn named(binary: &Path, dir: &Path, addr: SocketAddr) -> anyhow::Result<Command> {
    let root = dir.display();
    let config = format!(
        "options {{ directory \"{root}\"; pid-file none; session-keyfile none; recursion no; listen-on-v6 {{ none; }};\n\
         listen-on port {} {{ {}; }}; }};\ncontrols {{ }};\n\
         zone \"holdfast.example\" {{ type primary; file \"zone\"; }};\n",
        addr.port(),
        addr.ip()
    );
    let file = dir.join("named.conf");
    std::fs::write(&file, config)?;
    let mut command = Command::new(binary);
    command.arg("-g").arg("-c").arg(file);
    Ok(command)
}
