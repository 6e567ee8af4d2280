//! Doors of nodes: the files through which a drill breaks a clock or a disk of a process that runs.
//!
//! Owns: what each file says, and that two faults of one node both stay in it. Must never: write a key that is not on.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use holdfast_region_config::NodeId;
use toml::{Table, Value};

use crate::lab::Lab;

/// A node reads its door every 100 ms; after this long it has obeyed, also on a busy machine. It has no way to say so.
const OBEYED_AFTER: Duration = Duration::from_millis(300);

/// Keys that one fault has set in one node's door.
#[derive(Debug)]
pub(crate) struct Opened {
    path: PathBuf,
    /// With what each was before, when it was there.
    keys: Vec<(&'static str, Option<Value>)>,
}

impl Opened {
    /// Sets keys in a node's door and waits until the node has obeyed.
    pub(super) async fn new(
        lab: &Lab,
        node: NodeId,
        keys: Vec<(&'static str, Value)>,
    ) -> anyhow::Result<Self> {
        let path = lab.cluster.fault_door(node);
        let path = path.context("this fault needs nodes with fault doors, and the lab has none")?;
        let mut table = read(&path)?;
        let mut before = Vec::new();
        for (key, value) in keys {
            before.push((key, table.insert(key.to_owned(), value)));
        }
        write(&path, &table)?;
        tokio::time::sleep(OBEYED_AFTER).await;
        let keys = before;
        Ok(Self { path, keys })
    }

    /// Another value of a key that is set.
    pub(super) fn change(&self, key: &'static str, value: Value) -> anyhow::Result<()> {
        let mut table = read(&self.path)?;
        table.insert(key.to_owned(), value);
        write(&self.path, &table)
    }

    /// Every key as it was before, and waits until the node has obeyed.
    pub(super) async fn shut(self) -> anyhow::Result<()> {
        let mut table = read(&self.path)?;
        for (key, before) in self.keys {
            match before {
                Some(value) => table.insert(key.to_owned(), value),
                None => table.remove(key),
            };
        }
        write(&self.path, &table)?;
        tokio::time::sleep(OBEYED_AFTER).await;
        Ok(())
    }
}

fn read(path: &PathBuf) -> anyhow::Result<Table> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.parse()?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Table::new()),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Beside it first: a node must not read half a file.
fn write(path: &PathBuf, table: &Table) -> anyhow::Result<()> {
    let beside = path.with_extension("new");
    std::fs::write(&beside, table.to_string())?;
    std::fs::rename(&beside, path).with_context(|| path.display().to_string())
}
