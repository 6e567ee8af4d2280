//! Tells every peer which groups this node leads.
//!
//! Owns: what has been said to whom. Must never: let a peer believe that a group sleeps after it was woken: what cannot be said
//! at once breaks the link, and a new one begins with the whole list.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_region_config::{GroupId, NodeId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Fabric;
use super::claims::Parked;
use crate::transport::link::Link;
use crate::transport::wire::pb;

/// Claims that change together, as after a region was lost, travel together.
const GATHER: Duration = Duration::from_millis(5);
/// A link that could not take a list is tried again this much later.
const RETRY: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mine {
    term: u64,
    parked: Option<Parked>,
}

#[derive(Debug, Default)]
struct Said {
    mine: BTreeMap<GroupId, Mine>,
    /// Not yet said, by peer.
    unsaid: BTreeMap<NodeId, Unsaid>,
}

#[derive(Debug, Default)]
struct Unsaid {
    /// Connection to which the whole list was said; another one needs it anew.
    connection: u64,
    groups: BTreeSet<GroupId>,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Announcer {
    said: Mutex<Said>,
    news: Notify,
}

impl Announcer {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn watch_peer(&self, node: NodeId) {
        self.said().unsaid.entry(node).or_default();
    }

    pub(crate) fn forget_peer(&self, node: NodeId) {
        self.said().unsaid.remove(&node);
    }

    /// Something may have to be said: a link came up.
    pub(crate) fn wake(&self) {
        self.news.notify_one();
    }

    /// This node leads `group` in this term, asleep since an index or awake; `None` = it does not lead it.
    pub(super) fn set(&self, group: GroupId, claim: Option<(u64, Option<Parked>)>) {
        let mut said = self.said();
        match claim {
            Some((term, parked)) => said.mine.insert(group, Mine { term, parked }),
            None => said.mine.remove(&group),
        };
        for unsaid in said.unsaid.values_mut() {
            unsaid.groups.insert(group);
        }
        drop(said);
        self.news.notify_one();
    }

    /// Says what is unsaid to one peer; false when its link could not take it.
    fn say(&self, node: NodeId, link: &Link) -> bool {
        let Some(connection) = link.connection() else {
            return true;
        };
        let mut said = self.said();
        let Said { mine, unsaid } = &mut *said;
        let Some(unsaid) = unsaid.get_mut(&node) else {
            return true;
        };
        let full = unsaid.connection != connection;
        let claims: Vec<pb::Claim> = if full {
            let all = mine.iter();
            all.map(|(group, mine)| named(*group, Some(mine))).collect()
        } else {
            let changed = unsaid.groups.iter();
            changed
                .map(|group| named(*group, mine.get(group)))
                .collect()
        };
        if !full && claims.is_empty() {
            return true;
        }
        let body = pb::frame::Body::Claims(pb::Claims { full, claims });
        if link.tell(GroupId::DIRECTORY, 0, body).is_err() {
            return false;
        }
        unsaid.connection = connection;
        unsaid.groups.clear();
        true
    }
}

fn named(group: GroupId, mine: Option<&Mine>) -> pb::Claim {
    let parked = mine.and_then(|mine| mine.parked);
    pb::Claim {
        group: group.get(),
        term: mine.map_or(0, |mine| mine.term),
        withdrawn: mine.is_none(),
        parked_at: parked.map(|parked| parked.index),
        parked_ms: parked.map_or(0, |parked| parked.since_ms),
    }
}

impl Fabric {
    /// Notes that this node leads `group` or not, and tells the others in a moment.
    pub(crate) fn claim(&self, group: GroupId, claim: Option<(u64, Option<Parked>)>) {
        if self.board.claim_here(group, claim) {
            self.announcer.set(group, claim);
        }
    }

    /// Notes that a sleeping group wakes and tells the others before anything else can be said to them.
    pub(crate) fn claim_awake(&self, group: GroupId, term: u64) {
        self.claim(group, Some((term, None)));
        for (node, link) in self.links() {
            if !self.announcer.say(node, &link) {
                link.reset();
            }
        }
    }

    /// Says what is unsaid until `stop`.
    pub(super) async fn announce(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.announcer.news.notified() => {}
            }
            tokio::time::sleep(GATHER).await;
            let mut failed = false;
            for (node, link) in self.links() {
                failed |= !self.announcer.say(node, &link);
            }
            if failed {
                tokio::time::sleep(RETRY).await;
                self.announcer.wake();
            }
        }
    }
}
