//! Embeds every file below `season/` and `drills/`, so that demo and drills need nothing but the binary, says which revision
//! is built, and generates the few messages of etcd's API that its benchmark speaks.
//!
//! Owns: the lists of embedded files. Must never: look at what is in them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    embed("season", &["toml", "json"])?;
    embed("drills", &["toml"])?;
    println!("cargo::rustc-env=HOLDFAST_COMMIT={}", commit());
    println!("cargo::rerun-if-changed=proto");
    let etcd = protox::compile(["etcd/rpc.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .build_server(false)
        .compile_fds(etcd)?;
    Ok(())
}

/// The revision that is built, with `-dirty` when files of it were changed; `unknown` outside a repository.
fn commit() -> String {
    let git = |words: &[&str]| {
        let output = Command::new("git").args(words).output().ok()?;
        let said = String::from_utf8(output.stdout).ok()?;
        (output.status.success() && !said.trim().is_empty()).then(|| said.trim().to_owned())
    };
    // Every commit, checkout and reset writes a line there.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    git(&[
        "describe",
        "--always",
        "--dirty",
        "--abbrev=12",
        "--exclude=*",
    ])
    .unwrap_or_else(|| "unknown".to_owned())
}

/// Writes `OUT_DIR/season_files.rs` and the like: path below the directory and text of each file.
fn embed(directory: &str, kinds: &[&str]) -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join(directory);
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    if root.is_dir() {
        collect(&root, kinds, &mut files)?;
    }
    files.sort();
    let mut source = "&[".to_owned();
    for file in &files {
        let name = file.strip_prefix(&root).unwrap_or(file);
        writeln!(
            source,
            "({:?}, include_str!({:?})),",
            name.display().to_string(),
            file
        )
        .map_err(io::Error::other)?;
    }
    source.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(
        out.join(format!("{}_files.rs", directory.trim_end_matches('s'))),
        source,
    )
}

fn collect(folder: &Path, kinds: &[&str], files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, kinds, files)?;
        } else if path
            .extension()
            .is_some_and(|ext| kinds.iter().any(|kind| ext == *kind))
        {
            files.push(path);
        }
    }
    Ok(())
}
