//! Builds what the demo needs and becomes it.
//!
//! Owns: the list of packages. Must never: start the demo as a child: Ctrl-C and signals must reach the real
//! process, and its exit code must be ours.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

const PACKAGES: [&str; 3] = ["holdfast-node", "holdfast-gateway", "holdfast-chaos"];

/// Builds, then replaces this process by `holdfast-chaos demo ARGS`. Returns only on failure.
///
/// # Errors
/// The build failed, or the program could not be started.
pub(crate) fn start(root: &Path, args: &[String]) -> anyhow::Result<()> {
    let (release, args) = split(args);
    eprintln!("building {} …", PACKAGES.join(", "));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .current_dir(root)
        .args(["build", "--locked", "--bins"]);
    build.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    if release {
        build.arg("--release");
    }
    // With --json, stdout carries one object and nothing else.
    build.stdout(Stdio::null()).stderr(Stdio::inherit());
    let status = build.status().context("cannot run cargo")?;
    if !status.success() {
        bail!("the build failed");
    }
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root.join(dir),
        None => root.join("target"),
    };
    let program = target
        .join(if release { "release" } else { "debug" })
        .join("holdfast-chaos");
    let error = Command::new(&program).arg("demo").args(args).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}

/// Takes `--release`, which is for the build, and a leading `--`, which is habit, out of `args`.
fn split(args: &[String]) -> (bool, Vec<&String>) {
    let release = args.iter().any(|arg| arg == "--release");
    let habit = usize::from(args.first().is_some_and(|arg| arg == "--"));
    (
        release,
        args[habit..]
            .iter()
            .filter(|arg| *arg != "--release")
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::split;

    fn args(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn arguments_pass_with_and_without_dashes_in_front() {
        for given in ["--json --regions 5", "-- --json --regions 5"] {
            let given = args(given);
            let (release, rest) = split(&given);
            assert!(!release);
            assert_eq!(rest, ["--json", "--regions", "5"]);
        }
    }

    #[test]
    fn release_is_for_the_build() {
        let given = args("--json --release");
        assert_eq!(split(&given), (true, vec![&"--json".to_owned()]));
    }
}
