//! The real binary: how it starts, how it refuses to, how it ends.
//!
//! Owns: exit codes and signals. Must never: leave a process behind; each is ended by its own handle.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up must fail loudly"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const TOPOLOGY: &str = "cluster = \"test\"\n[[region]]\nid = \"here\"\nname = \"Here\"\nlat = 0.0\nlon = 0.0\n\
    [[node]]\nid = 1\nregion = \"here\"\naddr = \"127.0.0.1:1\"\n[rtt]\nsource = \"a test\"\n";
const CONFIG: &str = "region = \"here\"\nhttp_listen = \"127.0.0.1:0\"\ntopology = \"topology.toml\"\n\
    session_key_file = \"key\"\n";

/// Ends the process when the test does.
struct Gateway(Child);

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn files(config: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("topology.toml"), TOPOLOGY).unwrap();
    fs::write(dir.path().join("key"), "07".repeat(32)).unwrap();
    fs::write(dir.path().join("gateway.toml"), config).unwrap();
    dir
}

fn start(dir: &Path, arguments: &[&str]) -> Gateway {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast-gateway"));
    command
        .arg("--config")
        .arg(dir.join("gateway.toml"))
        .args(arguments);
    command.stdin(Stdio::piped()).stderr(Stdio::piped());
    Gateway(command.spawn().unwrap())
}

/// Waits until the log says that it listens; returns the rest of the log's reader, so that the pipe stays open.
fn listening(gateway: &mut Gateway) -> impl BufRead + use<> {
    let mut log = BufReader::new(gateway.0.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("gateway listens") {
        line.clear();
        assert!(
            log.read_line(&mut line).unwrap() > 0,
            "it ended before it listened"
        );
    }
    log
}

fn ended(gateway: &mut Gateway) -> ExitStatus {
    let until = Instant::now() + Duration::from_secs(15);
    loop {
        if let Some(status) = gateway.0.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < until, "it did not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Exit code and standard error of a start that must fail.
fn refused(config: &str) -> (Option<i32>, String) {
    let dir = files(config);
    let mut gateway = start(dir.path(), &[]);
    let status = ended(&mut gateway);
    let mut said = String::new();
    gateway
        .0
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    (status.code(), said)
}

#[test]
fn sigterm_ends_it_cleanly() {
    let dir = files(CONFIG);
    let mut gateway = start(dir.path(), &[]);
    let _log = listening(&mut gateway);
    let pid = gateway.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(ended(&mut gateway).code(), Some(0));
}

#[test]
fn it_does_not_outlive_its_parent_when_asked() {
    let dir = files(CONFIG);
    let mut gateway = start(dir.path(), &["--exit-with-parent"]);
    let _log = listening(&mut gateway);
    drop(gateway.0.stdin.take());
    assert_eq!(ended(&mut gateway).code(), Some(0));
}

#[test]
fn a_bad_configuration_is_named_and_has_its_own_exit_code() {
    let (code, said) = refused("region = \"here\"\n");
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("http_listen"), "{said}");
}

#[test]
fn what_the_configuration_points_at_is_named_when_it_cannot_be_used() {
    let (code, said) = refused(&CONFIG.replace("here", "elsewhere"));
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("elsewhere is not a region"), "{said}");
    let (_, said) = refused(&CONFIG.replace("\"key\"", "\"topology.toml\""));
    assert!(said.contains("64 hexadecimal digits"), "{said}");
    let (code, said) = refused(&CONFIG.replace("127.0.0.1:0", "192.0.2.1:1"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("http_listen"), "{said}");
}
