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
        let claim = claim.map(|(term, parked)| Mine { term, parked });
        let before = match claim {
            Some(mine) => said.mine.insert(group, mine),
            None => said.mine.remove(&group),
        };
        if before == claim {
            return;
        }
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
        // Somebody else's later claim is all that is known here by the time this node finds that it leads no more. It still has
        // to take back what it said itself, or whoever starts anew would believe it.
        if self.board.claim_here(group, claim) || claim.is_none() {
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

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: GroupId = GroupId::new(7);
    const PEER: NodeId = NodeId::new(2);

    fn unsaid(announcer: &Announcer) -> usize {
        let mut said = announcer.said();
        let peer = said.unsaid.get_mut(&PEER).expect("it is watched");
        std::mem::take(&mut peer.groups).len()
    }

    #[test]
    fn what_was_claimed_is_taken_back_once_and_what_was_not_is_not_spoken_of() {
        let announcer = Announcer::default();
        announcer.watch_peer(PEER);
        announcer.set(GROUP, None);
        assert_eq!(unsaid(&announcer), 0);
        announcer.set(GROUP, Some((3, None)));
        assert_eq!(unsaid(&announcer), 1);
        announcer.set(GROUP, None);
        assert_eq!(unsaid(&announcer), 1);
        assert!(announcer.said().mine.is_empty());
        announcer.set(GROUP, None);
        assert_eq!(unsaid(&announcer), 0);
    }
}
