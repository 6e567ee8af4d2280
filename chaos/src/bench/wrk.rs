//! `wrk`, an HTTP load tool that is not ours: what drives the benches of a gateway.
//!
//! Owns: its command line and what it prints. Must never: count an answer for more than wrk says it was.

use std::path::{Path, PathBuf};

use anyhow::Context;
use tokio::process::Command;

use super::contender::program;
use super::report::Measurement;

/// Connections of one shot: enough that the gateway always has something to do, few enough that two cores can hold them.
const CONNECTIONS: u32 = 64;

/// The program.
#[derive(Debug)]
pub(super) struct Wrk {
    binary: PathBuf,
    dir: tempfile::TempDir,
    seconds: u64,
}

/// What one shot came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shot {
    /// Answers a second, whatever they were.
    pub(super) rate: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// Answers that were not 2xx or 3xx, of all.
    pub(super) refused_ratio: f64,
    /// Connections that broke or answers that did not come.
    pub(super) errors: f64,
}

impl Wrk {
    /// Shots of `seconds` each.
    ///
    /// # Errors
    /// When it is not installed; the text says what to install.
    pub(super) fn new(seconds: u64) -> anyhow::Result<Self> {
        Ok(Self {
            binary: program::find("wrk", "wrk")?,
            dir: tempfile::Builder::new().prefix("holdfast-wrk-").tempdir()?,
            seconds,
        })
    }

    /// Asks `url` with what the Lua `script` makes of each request.
    pub(super) async fn shoot(&self, url: &str, script: &str) -> anyhow::Result<Shot> {
        let file = self.dir.path().join("request.lua");
        tokio::fs::write(&file, script).await?;
        let output = self.command(&file, url).output().await?;
        let text = String::from_utf8_lossy(&output.stdout);
        anyhow::ensure!(output.status.success(), "wrk failed: {text}");
        parse(&text).with_context(|| format!("wrk is not understood: {text}"))
    }

    fn command(&self, script: &Path, url: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(["--threads", "1", "--latency"])
            .args(["--connections", &CONNECTIONS.to_string()])
            .args(["--duration", &format!("{}s", self.seconds)])
            .args(["--timeout", "10s", "--script"])
            .arg(script)
            .arg(url)
            .kill_on_drop(true);
        command
    }
}

impl Shot {
    /// `NAME.rate`, `.p50`, `.p99`.
    pub(super) fn measurements(&self, name: &str) -> Vec<Measurement> {
        vec![
            Measurement::new(format!("{name}.rate"), self.rate, "requests/s"),
            Measurement::new(format!("{name}.p50"), self.p50_ms, "ms"),
            Measurement::new(format!("{name}.p99"), self.p99_ms, "ms"),
        ]
    }
}

fn parse(text: &str) -> Option<Shot> {
    let field = |name: &str| {
        let line = text
            .lines()
            .map(str::trim)
            .find_map(|line| line.strip_prefix(name));
        line.map(str::trim)
    };
    let total: f64 = text
        .lines()
        .find_map(|line| line.trim().split_once(" requests in "))
        .and_then(|(count, _)| count.parse().ok())?;
    let refused = field("Non-2xx or 3xx responses:").and_then(|n| n.parse().ok());
    let errors = field("Socket errors:").map_or(0.0, |errors| {
        let counts = errors
            .split([' ', ','])
            .filter_map(|n| n.parse::<f64>().ok());
        counts.sum()
    });
    Some(Shot {
        rate: field("Requests/sec:")?.parse().ok()?,
        p50_ms: ms(field("50%")?)?,
        p99_ms: ms(field("99%")?)?,
        refused_ratio: refused.unwrap_or(0.0) / total.max(1.0),
        errors,
    })
}

fn ms(text: &str) -> Option<f64> {
    for (unit, factor) in [("us", 0.001), ("ms", 1.0), ("s", 1_000.0), ("m", 60_000.0)] {
        if let Some(number) = text.strip_suffix(unit) {
            return Some(number.parse::<f64>().ok()? * factor);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_prints_is_understood() {
        let text = "Running 3s test @ http://127.0.0.1:1/\n  1 threads and 64 connections\n\
            \x20 Latency Distribution\n     50%  812.00us\n     75%    1.02ms\n     90%    1.31ms\n     99%    2.50ms\n\
            \x20 1000 requests in 3.00s, 43.21MB read\n  Socket errors: connect 0, read 1, write 0, timeout 2\n\
            \x20 Non-2xx or 3xx responses: 250\nRequests/sec:  60511.19\nTransfer/sec:     14.36MB\n";
        let shot = parse(text).unwrap();
        assert_eq!(
            (shot.rate, shot.p50_ms, shot.p99_ms),
            (60_511.19, 0.812, 2.5)
        );
        assert_eq!((shot.refused_ratio, shot.errors), (0.25, 3.0));
        assert_eq!(ms("1.50s"), Some(1_500.0));
        assert_eq!(parse("nothing"), None);
    }
}
