//! The one replica that everybody in the node holds on to: the directory's.
//!
//! Owns: that whoever follows the directory goes on following it when its replica is closed and opened again, as after a disk
//! that was full. Meanwhile it is read as it was.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use crate::group::{GroupCore, Leadership};

/// See the module's head.
pub(crate) struct DirectorySlot {
    core: RwLock<Arc<GroupCore>>,
    applied: watch::Sender<u64>,
    leadership: watch::Sender<Leadership>,
}

impl DirectorySlot {
    pub(crate) fn new(core: Arc<GroupCore>) -> Self {
        Self {
            core: RwLock::new(core),
            applied: watch::Sender::new(0),
            leadership: watch::Sender::default(),
        }
    }

    pub(crate) fn core(&self) -> Arc<GroupCore> {
        Arc::clone(&self.core.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn applied(&self) -> watch::Receiver<u64> {
        self.applied.subscribe()
    }

    pub(crate) fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.subscribe()
    }

    /// From now on this replica is the directory's.
    pub(crate) fn replace(&self, core: Arc<GroupCore>) {
        *self.core.write().unwrap_or_else(PoisonError::into_inner) = core;
    }

    /// Passes on what the present replica says until it is closed.
    pub(crate) async fn follow(&self) {
        let core = self.core();
        let mut applied = core.shared.watch_applied();
        let mut leadership = core.leadership.clone();
        loop {
            self.applied.send_replace(*applied.borrow_and_update());
            let now = *leadership.borrow_and_update();
            self.leadership.send_if_modified(|before| {
                let changed = *before != now;
                *before = now;
                changed
            });
            let ended = tokio::select! {
                biased;
                () = core.closed.cancelled() => true,
                changed = applied.changed() => changed.is_err(),
                changed = leadership.changed() => changed.is_err(),
            };
            if ended {
                break;
            }
        }
        self.leadership.send_modify(|now| {
            now.leads = false;
            now.leader = None;
        });
    }
}
