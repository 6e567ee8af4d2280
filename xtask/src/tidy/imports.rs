//! Who may import whom: our crates from each other, and foreign crates at their address.
//!
//! Owns: the two tables of CONTRIBUTING.md. Must never: be the first line of defence; absence from Cargo.toml is.

use toml::Table;

use super::Finding;
use super::tree::{File, Tree};

/// Crate name as it stands in code, and the path prefixes where it may stand.
const ADDRESSES: &[(&str, &[&str])] = &[
    ("openraft", &["raft/src/", "raft/tests/", "raft/benches/"]),
    (
        "raft_engine",
        &[
            "raft/src/log_store",
            "raft/src/simulation/disk/files.rs",
            "raft/tests/",
            "raft/benches/",
        ],
    ),
    (
        "sled",
        &[
            "raft/src/snapshot_store",
            "raft/src/local_registry",
            "raft/tests/",
        ],
    ),
    (
        "tonic",
        &[
            "raft/src/transport",
            "raft/src/host.rs",
            "raft/tests/",
            "raft/build.rs",
            "node/api/",
            "node/src/grpc",
            "node/src/server",
            "node/src/directory_client",
            "node/src/ctl/",
            "node/tests/",
            "gateway/src/upstream",
            "gateway/src/catalogue",
            "gateway/src/http/holds.rs",
            "gateway/tests/",
            "chaos/src/",
            "chaos/tests/",
        ],
    ),
    ("prometheus", &["node/", "gateway/", "chaos/"]),
];

/// Folder of each crate, and which of ours it may depend on.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("region-config", &[]),
    ("raft/inventory", &[]),
    (
        "node/api",
        &["holdfast-inventory", "holdfast-region-config"],
    ),
    ("raft", &["holdfast-inventory", "holdfast-region-config"]),
    (
        "node",
        &[
            "holdfast-inventory",
            "holdfast-node-api",
            "holdfast-raft",
            "holdfast-region-config",
        ],
    ),
    ("gateway", &["holdfast-node-api", "holdfast-region-config"]),
    ("chaos", &["holdfast-node-api", "holdfast-region-config"]),
    ("xtask", &[]),
];

/// Foreign crates and the only folders whose manifest may name them.
const MAY_DEPEND: &[(&str, &[&str])] = &[
    ("openraft", &["raft"]),
    ("openraft-rt", &["raft"]),
    ("openraft-rt-tokio", &["raft"]),
    ("openraft-macros", &["raft"]),
    ("raft-engine", &["raft"]),
    ("sled", &["raft"]),
    ("tokio", &["raft", "node/api", "node", "gateway", "chaos"]),
    ("tonic", &["raft", "node/api", "node", "gateway", "chaos"]),
    ("rand", &["raft", "node", "gateway", "chaos"]),
];

/// Foreign names appear only where the tables say.
pub(super) fn foreign_crates_stay_at_their_address(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree
        .ending_in(".rs")
        .filter(|file| !file.path.starts_with("xtask/"))
    {
        for (name, addresses) in ADDRESSES {
            if addresses
                .iter()
                .any(|address| file.path.starts_with(address))
            {
                continue;
            }
            let line = file.lines().find(|(_, line)| names_crate(line, name));
            if let Some((n, _)) = line {
                let message = format!("{name} may be used only in {}", addresses.join(", "));
                findings.push(Finding::new(&file.path, n, message));
            }
        }
    }
    findings
}

/// Each crate's manifest keeps to the tables.
pub(super) fn crates_import_only_what_they_may(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (folder, file, manifest) in manifests(tree) {
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(known, _)| *known == folder) else {
            let message = "a new crate: say in xtask/src/tidy/imports.rs what it may import";
            findings.push(Finding::new(&file.path, 0, message));
            continue;
        };
        for dependency in dependencies(&manifest) {
            let ours = dependency.starts_with("holdfast-");
            let foreign = MAY_DEPEND.iter().find(|(name, _)| *name == dependency);
            let may = match foreign {
                Some((_, folders)) => folders.contains(&folder.as_str()),
                None => !ours || allowed.contains(&dependency.as_str()),
            };
            if !may {
                findings.push(Finding::new(
                    &file.path,
                    0,
                    format!("{folder} may not depend on {dependency}"),
                ));
            }
        }
    }
    findings
}

/// A crate without the workspace's lints would be judged by weaker ones.
pub(super) fn crates_take_the_workspace_lints(tree: &Tree) -> Vec<Finding> {
    let without = |manifest: &Table| {
        manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace")?.as_bool())
            != Some(true)
    };
    let manifests = manifests(tree)
        .into_iter()
        .filter(|(_, _, manifest)| without(manifest));
    manifests
        .map(|(_, file, _)| Finding::new(&file.path, 0, "needs [lints] workspace = true"))
        .collect()
}

/// Folder, file and content of each crate's manifest.
fn manifests(tree: &Tree) -> Vec<(String, &File, Table)> {
    let mut manifests = Vec::new();
    for file in tree.ending_in("/Cargo.toml") {
        let folder = file.path.trim_end_matches("/Cargo.toml").to_owned();
        if let Ok(manifest) = file.text.parse::<Table>() {
            manifests.push((folder, file, manifest));
        }
    }
    manifests
}

fn dependencies(manifest: &Table) -> Vec<String> {
    ["dependencies", "dev-dependencies", "build-dependencies"]
        .iter()
        .filter_map(|section| manifest.get(*section)?.as_table())
        .flat_map(|table| table.keys().cloned())
        .collect()
}

/// Whether a line of code names the crate: `name::`, or `use name`.
fn names_crate(line: &str, name: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices(&format!("{name}::")).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':'))
    })
}
