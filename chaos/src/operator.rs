//! The operator's tool, run as an operator runs it.
//!
//! Owns: what a failed run says. Must never: do by itself what the tool is for.

use std::path::Path;
use std::process::{Output, Stdio};

use anyhow::Context;
use tokio::process::Command;

/// Runs `holdfastctl` with these words, however it ends.
///
/// # Errors
/// When the tool is not there.
pub(crate) async fn run(bin_dir: &Path, words: &[&str]) -> anyhow::Result<Output> {
    let tool = bin_dir.join("holdfastctl");
    let mut command = Command::new(&tool);
    command.args(words).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await;
    output.with_context(|| format!("cannot run {}", tool.display()))
}

/// Runs `holdfastctl` with these words and gives what it printed; it returns when what was asked for is done.
///
/// # Errors
/// When the tool is not there or its exit code is not 0, with all that it said.
pub(crate) async fn operate(bin_dir: &Path, words: &[&str]) -> anyhow::Result<String> {
    let output = run(bin_dir, words).await?;
    anyhow::ensure!(
        output.status.success(),
        "holdfastctl {}: {}\n{}{}",
        words.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
