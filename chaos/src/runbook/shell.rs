//! Runs one block of a page.
//!
//! Owns: the shell's process group, its time, its output. Must never: leave a command behind.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout_at};

use super::host::Hosts;
use crate::lab::Lab;

/// Output that is kept of a command, bytes.
const OUTPUT_BYTES_MAX: u64 = 256 * 1024;

/// What every block sees.
#[derive(Debug)]
pub struct Shell {
    /// Variables beside those of this process.
    pub environment: Vec<(String, String)>,
    /// Where commands stand.
    pub work_dir: PathBuf,
}

/// How a block ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Exit code; `None` when it was killed because its time was up.
    pub exit: Option<i32>,
    /// Standard output and standard error, as they came.
    pub output: String,
}

impl Shell {
    /// Runs `script`; meanwhile the lab does what its commands ask of it.
    ///
    /// # Errors
    /// When there is no `bash`.
    pub async fn run(
        &self,
        script: &str,
        timeout: Duration,
        lab: &mut Lab,
        hosts: &mut Hosts,
    ) -> anyhow::Result<Ended> {
        let mut child = Command::new("bash")
            .args(["-euo", "pipefail", "-c"])
            .arg(format!("exec 2>&1\n{script}"))
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .current_dir(&self.work_dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("cannot run bash")?;
        let group = child.id().and_then(|id| i32::try_from(id).ok());
        let until = Instant::now() + timeout;
        let mut output = Vec::new();
        let ended = {
            let running = finish(&mut child, &mut output);
            tokio::pin!(running);
            loop {
                tokio::select! {
                    ended = timeout_at(until, &mut running) => break ended,
                    Some(request) = hosts.next() => request.carry_out(lab, &mut hosts.newcomers).await,
                }
            }
        };
        let exit = match ended {
            Ok(code) => code?,
            Err(_) => {
                if let Some(group) = group {
                    // Its children too; they are gone already when this fails.
                    let _gone = killpg(Pid::from_raw(group), Signal::SIGKILL);
                }
                child.wait().await?;
                None
            }
        };
        let output = String::from_utf8_lossy(&output).into_owned();
        Ok(Ended { exit, output })
    }
}

async fn finish(child: &mut Child, output: &mut Vec<u8>) -> anyhow::Result<Option<i32>> {
    let stdout = child.stdout.take().context("bash has no output")?;
    stdout.take(OUTPUT_BYTES_MAX).read_to_end(output).await?;
    Ok(child.wait().await?.code())
}
