//! Opening a log again that has failed.
//!
//! Owns: the order: let go of everything, wait until nobody holds a file any more, open, compare with what was
//! acknowledged, then declare the log healthy. Must never: go on with files on which a sync failed; the system forgets that
//! it could not write a page, so only reading the files anew tells what they hold.

use std::sync::PoisonError;

use super::failure::OpenError;
use super::group_state::GroupState;
use super::ledger::LostState;
use super::opened::Opened;
use super::{Inner, LogEngine};
use crate::blocking;

/// Why a log was not opened again. It stays closed and failed; another attempt may follow.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReopenError {
    /// The directory could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The work was cut short.
    #[error("opening the log again ended early: {reason}")]
    Ended {
        /// How.
        reason: String,
    },
}

impl LogEngine {
    /// Closes the log, waits until every [`super::GroupLog`] is gone, and opens the directory again. The caller lets go of
    /// the groups first, or this waits for ever; it may be given up and called again.
    ///
    /// Returns the groups that hold less than they had acknowledged when the log failed: those must not be opened as if
    /// nothing had happened. Everything else is as it was acknowledged.
    pub(crate) async fn reopen(&self) -> Result<Vec<LostState>, ReopenError> {
        let engine = self.clone();
        run(move || engine.inner.let_go()).await?;
        let letting_go = self.inner.letting_go().clone();
        if let Some(mut open) = letting_go {
            // Ends with an error when the disk is closed; it is never sent anything.
            let _ = open.changed().await;
        }
        let engine = self.clone();
        run(move || engine.inner.open_again()).await?
    }
}

async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ReopenError> {
    blocking::run(work)
        .await
        .map_err(|error| ReopenError::Ended {
            reason: error.to_string(),
        })
}

impl Inner {
    fn letting_go(&self) -> std::sync::MutexGuard<'_, Option<tokio::sync::watch::Receiver<()>>> {
        self.letting_go
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes, and lets go of what is open.
    fn let_go(&self) {
        self.close();
        let opened = self.opened().take();
        if let Some(opened) = opened {
            *self.letting_go() = Some(opened.let_go());
        }
    }

    fn open_again(&self) -> Result<Vec<LostState>, ReopenError> {
        let mut opened = self.opened();
        if opened.is_some() {
            // Somebody else was quicker.
            return Ok(Vec::new());
        }
        let again = Opened::open(&self.dir, &self.options, self.open_disk.as_ref(), |disk| {
            self.lasting.around(disk)
        })?;
        if again.disk_id != self.disk_id {
            return Err(OpenError::Replaced {
                dir: self.dir.clone(),
            }
            .into());
        }
        let load = |group: holdfast_region_config::GroupId| {
            GroupState::load(&**again.parts.disk, group.get()).ok()
        };
        let lost = self.lasting.ledger.lost(load);
        for state in &lost {
            tracing::error!(group = %state.group, "the log holds less than was acknowledged before it failed");
        }
        self.lasting.ledger.clear();
        *opened = Some(again);
        *self.letting_go() = None;
        self.lasting.health.opened_again();
        Ok(lost)
    }
}
