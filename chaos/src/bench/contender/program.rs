//! A foreign server program: found, started in a directory of its own, ended with the bench.
//!
//! Owns: its process and its log. Must never: touch a service that the machine runs already; every port is a free one.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::cluster::{ports, process::last_lines};

/// How long a server may take to answer.
pub(in crate::bench) const READY_MAX: Duration = Duration::from_secs(30);
/// Time between two looks whether it does.
const READY_POLL: Duration = Duration::from_millis(50);
/// How long it may take to end when asked; then it is killed.
const STOP_MAX: Duration = Duration::from_secs(10);
/// Where packages put servers that are not in everybody's path.
const SBIN: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

/// A running foreign program; killed when dropped.
#[derive(Debug)]
pub(in crate::bench) struct Program {
    child: Child,
    name: String,
    log: PathBuf,
}

/// Where a program is, by its name.
///
/// # Errors
/// When it is not installed; the text says what to install.
pub(in crate::bench) fn find(name: &str, package: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(SBIN.map(PathBuf::from));
    dirs.map(|dir| dir.join(name))
        .find(|file| file.is_file())
        .with_context(|| format!("{name} is not installed (Debian: apt-get install {package})"))
}

/// The first line that a program prints about its version.
pub(in crate::bench) async fn version(binary: &Path) -> String {
    let said = Command::new(binary).arg("--version").output().await;
    let text = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.ok()
        .and_then(|text| text.lines().next().map(str::to_owned))
        .unwrap_or_else(|| "version unknown".to_owned())
}

/// A port that was free a moment ago.
pub(in crate::bench) fn free_port() -> anyhow::Result<u16> {
    Ok(ports::free_port()?.local_addr()?.port())
}

impl Program {
    /// Starts `command`, its output going to `log`.
    pub(in crate::bench) fn start(
        name: &str,
        mut command: Command,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let out = std::fs::File::create(log)?;
        let err = out.try_clone()?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self {
            child,
            name: name.to_owned(),
            log: log.to_owned(),
        })
    }

    /// Asks `ready` until it succeeds.
    ///
    /// # Errors
    /// When the program ends first or takes too long, with what it wrote last.
    pub(in crate::bench) async fn wait<T, F>(
        &mut self,
        mut ready: impl FnMut() -> F,
    ) -> anyhow::Result<T>
    where
        F: Future<Output = anyhow::Result<T>>,
    {
        let until = Instant::now() + READY_MAX;
        loop {
            let error = match ready().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!("{} ended: {status}\n{}", self.name, last_lines(&self.log));
            }
            if Instant::now() >= until {
                let log = last_lines(&self.log);
                return Err(error.context(format!("{} does not get ready\n{log}", self.name)));
            }
            tokio::time::sleep(READY_POLL).await;
        }
    }

    /// Its process id while it runs.
    pub(in crate::bench) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Asks it to end, and kills it when it does not.
    pub(in crate::bench) async fn stop(mut self, with: Signal) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = pid
            && let Err(error) = kill(Pid::from_raw(pid), with)
        {
            tracing::debug!(name = self.name, %error, "signal not delivered");
        }
        if tokio::time::timeout(STOP_MAX, self.child.wait())
            .await
            .is_err()
        {
            tracing::warn!(name = self.name, "does not end when asked, is killed");
            // Already gone is as good.
            let _ = self.child.kill().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_installed_is_named_with_its_package() {
        let error = find("no-such-server-program", "no-such-package").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("apt-get install no-such-package")
        );
        assert!(find("sh", "dash").is_ok());
    }

    #[tokio::test]
    async fn a_program_that_ends_is_reported_with_its_last_words() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such luck; exit 3"]);
        let mut program = Program::start("sh", command, &dir.path().join("log")).unwrap();
        let never = program.wait(async || anyhow::Result::<()>::Err(anyhow::anyhow!("not yet")));
        let error = never.await.unwrap_err().to_string();
        assert!(
            error.contains("exit status: 3") && error.contains("no such luck"),
            "{error}"
        );
    }
}
