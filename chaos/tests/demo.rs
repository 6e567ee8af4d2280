//! The demo from outside: what it prints, that it ends everything, that it finds what was sold, what it says in trouble.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use holdfast_chaos::buyer::{Buyer, http_client};
use holdfast_chaos::lab::build_siblings;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::{Instant, sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(90);

struct Demo {
    child: Child,
    report: Value,
    /// What it says on standard error.
    said: Lines<BufReader<ChildStderr>>,
}

fn command(data_dir: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast-chaos"));
    command
        .args(["demo", "--json", "--no-wan", "--data-dir"])
        .arg(data_dir)
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn start(data_dir: &Path, more: &[&str]) -> Demo {
    tokio::task::spawn_blocking(build_siblings)
        .await
        .unwrap()
        .unwrap();
    let mut child = command(data_dir, more).spawn().unwrap();
    // The little that it says fits into the pipe.
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let Some(line) = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap() else {
        let mut last = Vec::new();
        while let Ok(Some(line)) = said.next_line().await {
            last.push(line);
        }
        panic!("the demo ended: {}", last.join("\n"));
    };
    let report = serde_json::from_str(&line).unwrap();
    Demo {
        child,
        report,
        said,
    }
}

impl Demo {
    fn pids(&self) -> Vec<i32> {
        let members = ["gateways", "nodes"].map(|key| self.report[key].as_array().unwrap().clone());
        let pids = members.iter().flatten().map(|m| m["pid"].as_i64().unwrap());
        pids.map(|pid| i32::try_from(pid).unwrap()).collect()
    }

    fn gateway(&self, at: usize) -> String {
        self.report["gateways"][at]["url"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    async fn end_with(mut self, signal: Signal) -> Option<i32> {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        let pids = self.pids();
        kill(Pid::from_raw(pid), signal).unwrap();
        let status = timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
        nobody_is_left(&pids).await;
        status.code()
    }
}

/// Whether a process still does something; one that waits to be reaped does not.
fn runs(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

async fn nobody_is_left(pids: &[i32]) {
    let until = Instant::now() + PATIENCE;
    while pids.iter().any(|pid| runs(*pid)) {
        assert!(Instant::now() < until, "some of {pids:?} still run");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_finds_what_was_sold_and_no_start_leaves_a_process_behind() {
    let dir = tempfile::tempdir().unwrap();
    let demo = start(dir.path(), &[]).await;
    let regions: Vec<_> = (0..3)
        .map(|at| {
            demo.report["gateways"][at]["region"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(regions, ["eastus", "westeurope", "southeastasia"]);
    assert!(demo.report["wan"]["control"].is_null());
    let show = demo.report["shows"][0]["id"].as_str().unwrap().to_owned();
    assert!(demo.report["shows"][0]["seats"].as_u64().unwrap() >= 500);

    let http = http_client();
    let buyer = Buyer::guest(&http, &demo.gateway(0)).await.unwrap();
    let two = serde_json::json!({"best_available": {"quantity": 2}});
    let hold = buyer.hold_with(&show, &two, "hold").await;
    assert_eq!(hold.status, 201, "{:?}", hold.body);
    let order = buyer.order(&hold.id(), "order").await;
    buyer.pay(&order.id(), "tok_approve", "pay").await;
    let sold = buyer.order_until(&order.id(), "confirmed", PATIENCE).await;
    assert_eq!(sold.state(), "confirmed", "{:?}", sold.body);
    assert_eq!(demo.end_with(Signal::SIGTERM).await, Some(0));

    let again = start(dir.path(), &[]).await;
    assert_eq!(again.report["shows"][0]["id"], show.as_str());
    // The same guest, known by the key in the data dir, at another gateway.
    let found = buyer
        .through(&again.gateway(2))
        .order_until(&order.id(), "confirmed", PATIENCE)
        .await;
    assert_eq!(found.seats(), sold.seats());
    // However it ends.
    again.end_with(Signal::SIGKILL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_dies_is_named_and_the_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = start(dir.path(), &["--no-season"]).await;
    let node = demo.report["nodes"][0]["pid"].as_i64().unwrap();
    kill(Pid::from_raw(i32::try_from(node).unwrap()), Signal::SIGKILL).unwrap();
    timeout(PATIENCE, async {
        while !demo
            .said
            .next_line()
            .await
            .unwrap()
            .unwrap()
            .contains("n1 died (killed by SIGKILL)")
        {}
    })
    .await
    .unwrap();
    let url = format!("{}/readyz", demo.gateway(1));
    assert_eq!(http_client().get(url).send().await.unwrap().status(), 200);
    assert_eq!(demo.end_with(Signal::SIGTERM).await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_and_a_wrong_topology_are_named() {
    tokio::task::spawn_blocking(build_siblings)
        .await
        .unwrap()
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = command(dir.path(), &["--port-base", &port])
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&format!("port {port}, wanted for the gateway in eastus")),
        "{said}"
    );

    let file = dir.path().join("wrong.toml");
    std::fs::write(
        &file,
        "cluster = \"x\"\n[[node]]\nid = 1\nregion = \"mars\"\naddr = \"a:1\"\n",
    )
    .unwrap();
    let output = command(dir.path(), &["--topology", file.to_str().unwrap()])
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("node[0].region: there is no region mars"),
        "{said}"
    );
    assert!(output.stdout.is_empty());

    let output = command(dir.path(), &["--regions", "33"])
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}
