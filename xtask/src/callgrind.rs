//! `cargo xtask callgrind`: instructions that one command costs in the state machine.
//!
//! Owns: running the inventory's `instructions` benchmark under valgrind, and the difference of two runs. Must never:
//! print a figure when valgrind is not there.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

/// Commands of the longer run; the shorter one carries out none.
const COMMANDS: u64 = 4_096;

/// Counts every scenario and prints a table, or one JSON object.
pub(crate) fn run(root: &Path, as_json: bool) -> anyhow::Result<()> {
    let version = valgrind_version()?;
    let program = build(root)?;
    let mut results = Vec::new();
    for scenario in scenarios(&program)? {
        let with = instructions(&program, &scenario, COMMANDS)?;
        let without = instructions(&program, &scenario, 0)?;
        let each = with.saturating_sub(without) / COMMANDS;
        if !as_json {
            println!("{scenario:<28} {each:>8} instructions a command");
        }
        results.push(json!({ "name": scenario, "value": each, "unit": "instructions" }));
    }
    if as_json {
        let report = json!({ "bench": "callgrind", "tool": version, "results": results });
        println!("{report}");
    }
    Ok(())
}

fn valgrind_version() -> anyhow::Result<String> {
    match Command::new("valgrind").arg("--version").output() {
        Ok(output) => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "valgrind is not installed, nothing was measured (Debian, Ubuntu: apt-get install valgrind)"
        ),
        Err(error) => Err(error).context("cannot run valgrind"),
    }
}

/// Builds the benchmark and says where it is.
fn build(root: &Path) -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root)
        .args(["bench", "--package", "holdfast-inventory"])
        .args(["--bench", "instructions", "--no-run"])
        .arg("--message-format=json-render-diagnostics")
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!("the benchmark does not build");
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let executable = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        (message["target"]["name"] == "instructions")
            .then(|| message["executable"].as_str().map(PathBuf::from))?
    };
    let found = messages.lines().find_map(executable);
    found.context("cargo does not say where the benchmark is")
}

fn scenarios(program: &Path) -> anyhow::Result<Vec<String>> {
    let output = Command::new(program).arg("--list").output();
    let output = output.context("cannot run the benchmark")?;
    let names = String::from_utf8_lossy(&output.stdout);
    Ok(names.lines().map(str::to_owned).collect())
}

/// Instructions of one whole run.
fn instructions(program: &Path, scenario: &str, commands: u64) -> anyhow::Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([scenario, &commands.to_string()])
        .output()
        .context("cannot run valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{scenario} failed under valgrind:\n{said}");
    }
    collected(&said).with_context(|| format!("valgrind gives no count:\n{said}"))
}

/// The count in callgrind's last words, such as `==42== Collected : 123`.
fn collected(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains("Collected : "))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_in_what_callgrind_says() {
        let said = "==42== Events    : Ir\n==42== Collected : 1234567\n==42== \n";
        assert_eq!(collected(said), Some(1_234_567));
        assert_eq!(collected("==42== nothing"), None);
    }
}
