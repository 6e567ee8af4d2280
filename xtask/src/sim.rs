//! Builds the simulation and becomes it.
//!
//! Owns: how it has to be built. Must never: build into the ordinary target directory: the flag below would make every ordinary build
//! after it start anew.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// Only with this flag can tokio's own random choices be seeded.
const FLAG: &str = "--cfg tokio_unstable";

/// Builds, then replaces this process by `holdfast-sim ARGS`. Returns only on failure.
///
/// # Errors
/// The build failed, or the program could not be started.
pub(crate) fn start(root: &Path, args: &[String]) -> anyhow::Result<()> {
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root.join(dir),
        None => root.join("target"),
    };
    let target = target.join("sim");
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .current_dir(root)
        .env("RUSTFLAGS", format!("{flags} {FLAG}").trim())
        .args(["build", "--locked", "--quiet", "--profile", "sim"])
        .args(["--package", "holdfast-raft", "--features", "simulation"])
        .args(["--bin", "holdfast-sim", "--target-dir"])
        .arg(&target)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit());
    let status = build.status().context("cannot run cargo")?;
    if !status.success() {
        bail!("the build failed");
    }
    let program = target.join("sim").join("holdfast-sim");
    let error = Command::new(&program).args(args).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}
