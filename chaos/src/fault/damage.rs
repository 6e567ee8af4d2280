//! Bytes on a disk that are not the ones that were written.
//!
//! Owns: which bits are flipped. Must never: touch the log. A node that forgets its votes is refused, and nothing is learned about
//! damage.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::{NodeChoice, Report, Running, Undo};
use crate::cluster::READY_TIMEOUT;
use crate::lab::Lab;

/// How long a node may take to write its first snapshot.
const SNAPSHOT_PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks; it has no way to tell.
const POLL: Duration = Duration::from_millis(200);

/// SIGKILL, one bit flipped in every snapshot that the node has on disk, start. Its groups find the damage when they read them and
/// rebuild from the log, or from a peer. There is nothing to heal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DamagedSnapshots {
    /// Whose.
    pub node: NodeChoice,
}

impl DamagedSnapshots {
    pub(super) fn describe(&self) -> String {
        format!("flip a bit in every snapshot of {}", self.node.describe())
    }

    pub(super) async fn start(&self, lab: &mut Lab, rng: &mut StdRng) -> anyhow::Result<Running> {
        let node = self.node.resolve(lab, rng).await?;
        let (name, dir) = (
            node.to_string(),
            lab.cluster.node_dir(node).join("snapshots"),
        );
        let until = Instant::now() + SNAPSHOT_PATIENCE;
        while snapshots(&dir).is_empty() {
            anyhow::ensure!(
                Instant::now() < until,
                "{name} has no snapshot to damage: a lower snapshot_every_entries makes one"
            );
            sleep(POLL).await;
        }
        lab.cluster.kill(&name).await?;
        let all = snapshots(&dir);
        for path in &all {
            flip(path).with_context(|| path.display().to_string())?;
        }
        lab.cluster.spawn(&name)?;
        lab.cluster.wait_ready(&name, READY_TIMEOUT).await?;
        let what = format!("killed, a bit flipped in {} snapshots, started", all.len());
        Ok(Running::new(Report::node(lab, node, &what), Undo::Nothing))
    }
}

/// Every snapshot's file, two directories deep.
fn snapshots(dir: &Path) -> Vec<PathBuf> {
    let entries = |dir: &Path| {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let folders = entries(dir).into_iter().filter(|path| path.is_dir());
    let files = folders.flat_map(|folder| entries(&folder));
    files
        .filter(|path| path.extension().is_some_and(|ext| ext == "snapshot"))
        .filter(|path| path.metadata().is_ok_and(|file| file.len() > 0))
        .collect()
}

/// One bit in the middle of the file.
fn flip(path: &Path) -> std::io::Result<()> {
    let mut file = std::fs::File::options().read(true).write(true).open(path)?;
    let at = file.metadata()?.len() / 2;
    let mut byte = [0];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut byte)?;
    byte[0] ^= 0x10;
    file.seek(SeekFrom::Start(at))?;
    file.write_all(&byte)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bit_of_each_snapshot_is_another_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("07");
        std::fs::create_dir(&folder).unwrap();
        let (good, other) = (folder.join("7-1.snapshot"), folder.join("7-1.log"));
        for path in [&good, &other] {
            std::fs::write(path, [5_u8; 9]).unwrap();
        }
        std::fs::write(folder.join("7-2.snapshot"), []).unwrap();
        assert_eq!(snapshots(dir.path()), std::slice::from_ref(&good));
        flip(&good).unwrap();
        let bytes = std::fs::read(&good).unwrap();
        assert_eq!(bytes, [5, 5, 5, 5, 0x15, 5, 5, 5, 5]);
    }
}
