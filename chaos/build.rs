//! Embeds every file below `season/`, so that the demo needs nothing but its binary, and generates the few messages of
//! etcd's API that its benchmark speaks.
//!
//! Owns: the list of embedded files. Must never: look at what is in them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    embed_season()?;
    println!("cargo::rerun-if-changed=proto");
    let etcd = protox::compile(["etcd/rpc.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .build_server(false)
        .compile_fds(etcd)?;
    Ok(())
}

fn embed_season() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("season");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    if root.is_dir() {
        collect(&root, &mut files)?;
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
    fs::write(out.join("season_files.rs"), source)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|ext| ext == "toml" || ext == "json")
        {
            files.push(path);
        }
    }
    Ok(())
}
