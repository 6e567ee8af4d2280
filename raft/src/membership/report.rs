//! Tells the directory what this node has reached: groups that settled, replicas that it deleted.
//!
//! Owns: reports until the directory has them. Must never: lose one for good: what is lost with this process is found again,
//! because the directory still says that it is to be done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use holdfast_inventory::ids::ShowId;
use holdfast_region_config::{GroupId, NodeId};
use tokio::sync::Notify;

use crate::Host;
use crate::directory::{DirectoryCommand, decode_commands, encode_commands};
use crate::transport::wire::pb;

/// Reports that come together go as one entry.
const GATHER: Duration = Duration::from_millis(50);
/// Reports in one entry.
const BATCH_MAX: usize = 256;
/// One attempt: a round trip to the leader and a commit.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(5);
/// After an attempt that failed.
const RETRY_DELAY: Duration = Duration::from_millis(500);

#[derive(Debug, Default)]
struct Pending {
    settled: BTreeMap<ShowId, u64>,
    gone: BTreeSet<ShowId>,
}

/// What the directory is to be told.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    pending: Mutex<Pending>,
    news: Notify,
}

impl Reports {
    fn pending(&self) -> std::sync::MutexGuard<'_, Pending> {
        // Whole entries only are inserted and removed.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The group of `show` has the membership that `generation` asks for.
    pub(crate) fn settled(&self, show: ShowId, generation: u64) {
        self.pending().settled.insert(show, generation);
        self.news.notify_one();
    }

    /// This node has deleted its replica of `show`.
    pub(crate) fn gone(&self, show: ShowId) {
        self.pending().gone.insert(show);
        self.news.notify_one();
    }

    fn batch(&self, node: NodeId) -> Vec<DirectoryCommand> {
        let pending = self.pending();
        let settled = pending.settled.iter().take(BATCH_MAX);
        let mut commands: Vec<DirectoryCommand> = settled
            .map(|(show, generation)| DirectoryCommand::ReplicasSettled {
                show: *show,
                generation: *generation,
            })
            .collect();
        let shows: Vec<ShowId> = pending.gone.iter().take(BATCH_MAX).copied().collect();
        if !shows.is_empty() {
            commands.push(DirectoryCommand::ReplicasGone { node, shows });
        }
        commands
    }

    /// The directory has these.
    fn delivered(&self, commands: &[DirectoryCommand]) {
        let mut pending = self.pending();
        for command in commands {
            match command {
                DirectoryCommand::ReplicasSettled { show, generation }
                    if pending.settled.get(show) == Some(generation) =>
                {
                    pending.settled.remove(show);
                }
                DirectoryCommand::ReplicasGone { shows, .. } => {
                    for show in shows {
                        pending.gone.remove(show);
                    }
                }
                _ => {}
            }
        }
    }
}

/// Whether a peer may have these commands committed on its word: only what it alone can know.
pub(crate) fn is_report(bytes: &[u8], from: NodeId) -> bool {
    decode_commands(bytes).is_ok_and(|commands| {
        commands.iter().all(|command| match command {
            DirectoryCommand::ReplicasSettled { .. } => true,
            DirectoryCommand::ReplicasGone { node, .. } => *node == from,
            _ => false,
        })
    })
}

impl Host {
    /// Delivers reports to the directory's leader until stopped.
    pub(crate) async fn report_until_stopped(self) {
        let stop = self.inner.stop_duties.clone();
        loop {
            let commands = self.inner.reports.batch(self.inner.node);
            let pause = if commands.is_empty() {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = self.inner.reports.news.notified() => GATHER,
                }
            } else if self.deliver(&commands).await {
                self.inner.reports.delivered(&commands);
                Duration::ZERO
            } else {
                RETRY_DELAY
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn deliver(&self, commands: &[DirectoryCommand]) -> bool {
        let directory = self.directory();
        let leadership = *directory.leadership().borrow();
        let delivering = async {
            if leadership.leads {
                return directory.propose_all(commands).await.is_ok();
            }
            let link = leadership
                .leader
                .and_then(|leader| self.inner.fabric.link(leader));
            let (Some(link), Ok(commands)) = (link, encode_commands(commands)) else {
                return false;
            };
            let report = pb::frame::Body::Report(pb::Report { commands });
            let answer = link.call(GroupId::DIRECTORY, report).await;
            matches!(answer, Ok(pb::frame::Body::ReportReply(reply)) if reply.taken)
        };
        tokio::time::timeout(ATTEMPT_LIMIT, delivering)
            .await
            .unwrap_or(false)
    }
}

/// Has a peer's report committed; false when this node does not lead the directory or could not.
pub(crate) async fn take_report(
    core: &crate::group::GroupCore,
    from: NodeId,
    commands: Bytes,
) -> bool {
    if !core.group.is_directory() || !is_report(&commands, from) {
        return false;
    }
    let committing = core.propose(commands);
    matches!(
        tokio::time::timeout(ATTEMPT_LIMIT, committing).await,
        Ok(Ok(_))
    )
}
