//! A real Prometheus beside the lab, with the rules of `runbooks/alerts/` in time-lapse: would anybody have been paged?
//!
//! Owns: that process and its files below the lab's directory. Must never: decide what should fire.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::rules::in_lapse;
use crate::lab::Lab;

/// Between two looks at Prometheus.
const LOOK: Duration = Duration::from_millis(200);
/// Until every process was scraped.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// Until an alert fires: its time-lapse is a few seconds.
const FIRE_PATIENCE: Duration = Duration::from_secs(60);
/// Scraped for so long before a fault, so that rates have something to start from.
const CALM: Duration = Duration::from_secs(4);
/// How long it may take to end.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// A running Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    url: String,
    http: reqwest::Client,
}

impl Prometheus {
    /// Starts it on the lab's nodes and gateways with the rules in `rules_dir`, and watches for a moment: nothing may fire
    /// while all is well.
    ///
    /// # Errors
    /// When it is not installed, does not scrape everything, or something fires already.
    pub async fn start(lab: &Lab, rules_dir: &Path) -> anyhow::Result<Self> {
        let dir = lab.cluster.data_dir().join("prometheus");
        fs::create_dir_all(&dir)?;
        let targets = write_configuration(lab, rules_dir, &dir)?;
        // Prometheus does not say which port it got. Nobody else on this machine takes the next one in that moment.
        let addr = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let child = spawn(&dir, addr)?;
        let prometheus = Self {
            child,
            url: format!("http://{addr}"),
            http: lab.http.clone(),
        };
        let log = dir.join("prometheus.log");
        let up = prometheus.wait_until_scraped(targets).await;
        up.with_context(|| {
            format!(
                "prometheus: {}",
                fs::read_to_string(log).unwrap_or_default()
            )
        })?;
        tokio::time::sleep(CALM).await;
        let firing = prometheus.firing().await?;
        anyhow::ensure!(
            firing.is_empty(),
            "fires although all is well: {}",
            firing.join(", ")
        );
        Ok(prometheus)
    }

    /// How long it takes from now until `alert` fires.
    ///
    /// # Errors
    /// When it does not, with what fires instead.
    pub async fn fires(&self, alert: &str) -> anyhow::Result<Duration> {
        let started = Instant::now();
        loop {
            let firing = self.firing().await?;
            if firing.iter().any(|name| name == alert) {
                return Ok(started.elapsed());
            }
            anyhow::ensure!(
                started.elapsed() < FIRE_PATIENCE,
                "{alert} does not fire within {FIRE_PATIENCE:?}; firing: {}",
                if firing.is_empty() {
                    "nothing".to_owned()
                } else {
                    firing.join(", ")
                }
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until `query` gives anything: until what a fault leaves in the metrics was scraped, before the next one hides it.
    ///
    /// # Errors
    /// When it never does.
    pub async fn sees(&self, query: &str) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let answer = self.get(&format!("/api/v1/query?query={query}")).await?;
            let found = answer["data"]["result"].as_array();
            if found.is_some_and(|found| !found.is_empty()) {
                return Ok(());
            }
            anyhow::ensure!(
                started.elapsed() < FIRE_PATIENCE,
                "nobody sees {query} within {FIRE_PATIENCE:?}"
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Names of the alerts that fire now.
    async fn firing(&self) -> anyhow::Result<Vec<String>> {
        let alerts = self.get("/api/v1/alerts").await?;
        let alerts = alerts["data"]["alerts"].as_array().into_iter().flatten();
        let mut names: Vec<String> = alerts
            .filter(|alert| alert["state"] == "firing")
            .filter_map(|alert| alert["labels"]["alertname"].as_str().map(str::to_owned))
            .collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    async fn wait_until_scraped(&self, targets: usize) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let answer = self.get("/api/v1/query?query=sum(up)").await;
            let up = answer.as_ref().ok().and_then(|answer| {
                let value = &answer["data"]["result"][0]["value"][1];
                value.as_str()?.parse::<usize>().ok()
            });
            if up == Some(targets) {
                return Ok(());
            }
            anyhow::ensure!(
                started.elapsed() < START_PATIENCE,
                "{up:?} of {targets} processes are scraped"
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let request = self.http.get(format!("{}{path}", self.url));
        Ok(request.send().await?.error_for_status()?.json().await?)
    }

    /// Ends it.
    pub async fn stop(mut self) {
        if let Some(pid) = self.child.id().and_then(|id| i32::try_from(id).ok()) {
            // It has ended already when this fails.
            let _ended = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        // Otherwise it is killed as it is dropped.
        let _ended = tokio::time::timeout(STOP_PATIENCE, self.child.wait()).await;
    }
}

fn spawn(dir: &Path, addr: SocketAddr) -> anyhow::Result<Child> {
    let log = fs::File::create(dir.join("prometheus.log"))?;
    Command::new("prometheus")
        .arg(format!(
            "--config.file={}",
            dir.join("prometheus.yml").display()
        ))
        .arg(format!(
            "--storage.tsdb.path={}",
            dir.join("data").display()
        ))
        .arg(format!("--web.listen-address={addr}"))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .context("cannot run prometheus (Debian package `prometheus`)")
}

/// Writes what it scrapes and the rules; how many processes it scrapes.
fn write_configuration(lab: &Lab, rules_dir: &Path, dir: &Path) -> anyhow::Result<usize> {
    let mut rules = 0;
    for entry in fs::read_dir(rules_dir).with_context(|| rules_dir.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|ext| ext == "yml") {
            let text = fs::read_to_string(&path)?;
            fs::write(dir.join(format!("rules-{rules}.yml")), in_lapse(&text))?;
            rules += 1;
        }
    }
    anyhow::ensure!(rules > 0, "no rules in {}", rules_dir.display());
    let mut jobs = [String::new(), String::new()];
    let names = lab.cluster.names();
    for name in &names {
        let member = lab.cluster.member(name)?;
        let job = usize::from(member.grpc.is_none());
        jobs[job].push_str(&format!(
            "      - targets: ['{}']\n        labels: {{instance: '{name}', region: '{}'}}\n",
            member.http, member.region
        ));
    }
    let [nodes, gateways] = jobs;
    let text = format!(
        "global:\n  scrape_interval: 250ms\n  scrape_timeout: 250ms\n  evaluation_interval: 250ms\n\
         rule_files: ['{}/rules-*.yml']\nscrape_configs:\n\
         \x20 - job_name: holdfast-node\n    static_configs:\n{nodes}\
         \x20 - job_name: holdfast-gateway\n    static_configs:\n{gateways}",
        dir.display()
    );
    fs::write(dir.join("prometheus.yml"), text)?;
    Ok(names.len())
}
