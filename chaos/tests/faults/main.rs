//! Every family of faults on real processes: start, effect seen, heal, effect gone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod damage;
mod doors;
mod network;
mod processes;

use std::time::Duration;

use holdfast_chaos::fault::{FaultSpec, Running};
use holdfast_chaos::lab::{Lab, LabOptions};
use holdfast_chaos::season::GridShow;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::time::Instant;

/// A bound against hanging; nothing here is judged by it.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks at a process; it has no other way to tell.
const POLL: Duration = Duration::from_millis(100);

/// A lab of three regions with one show, and what draws for its faults.
struct Stage {
    lab: Lab,
    rng: StdRng,
    http: reqwest::Client,
}

impl Stage {
    async fn set() -> Self {
        Self::with_node_limits(Vec::new()).await
    }

    async fn with_node_limits(node_limits: Vec<(&'static str, u32)>) -> Self {
        let hall = GridShow {
            hold_ttl_ms: 600_000,
            ..GridShow::new("faults", "eastus", 6, 10)
        };
        let options = LabOptions {
            node_limits,
            ..LabOptions::breakable(vec![hall], 1)
        };
        let lab = Lab::start(options).await.unwrap();
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(1))
            .no_proxy()
            .build();
        Self {
            lab,
            rng: StdRng::seed_from_u64(1),
            http: http.unwrap(),
        }
    }

    /// Starts the fault of a drill file's table.
    async fn start(&mut self, text: &str) -> Running {
        let fault: FaultSpec = toml::from_str(text).unwrap();
        fault.check(self.lab.cluster.topology()).unwrap();
        let running = fault.start(&mut self.lab, &mut self.rng).await.unwrap();
        assert_eq!(running.report().skipped, None);
        running
    }

    async fn heal(&mut self, running: Running) {
        running.heal(&mut self.lab).await.unwrap();
    }

    /// One metric of a member, summed over its labels; `None` when the member does not answer within a second.
    async fn metric(&self, member: &str, name: &str) -> Option<f64> {
        let addr = self.lab.cluster.member(member).unwrap().http;
        let answer = self.http.get(format!("http://{addr}/metrics")).send().await;
        let text = answer.ok()?.text().await.ok()?;
        let series = text.lines().filter(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['{', ' ']))
        });
        Some(
            series
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum(),
        )
    }

    /// Waits until a metric of a member is as wanted.
    async fn until_metric(&self, member: &str, name: &str, wanted: impl Fn(f64) -> bool) {
        let until = Instant::now() + PATIENCE;
        loop {
            let now = self.metric(member, name).await;
            if now.is_some_and(&wanted) {
                return;
            }
            assert!(Instant::now() < until, "{member} says {name} = {now:?}");
            tokio::time::sleep(POLL).await;
        }
    }

    async fn answers(&self, member: &str) -> bool {
        let addr = self.lab.cluster.member(member).unwrap().http;
        let answer = self.http.get(format!("http://{addr}/healthz")).send().await;
        answer.is_ok()
    }

    fn pid(&self, member: &str) -> Option<u32> {
        self.lab.cluster.member(member).unwrap().pid()
    }

    /// Whether a member is stopped, as the system says: the letter behind its name.
    fn stands(&self, member: &str) -> bool {
        let pid = self.pid(member).unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let (_, state) = stat.rsplit_once(')').unwrap();
        state.trim_start().starts_with('T')
    }

    async fn until_stands(&self, member: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.stands(member) {
            assert!(Instant::now() < until, "{member} does not stand still");
            tokio::time::sleep(POLL).await;
        }
    }

    async fn ready(&mut self, member: &str) {
        self.lab.cluster.wait_ready(member, PATIENCE).await.unwrap();
    }
}
