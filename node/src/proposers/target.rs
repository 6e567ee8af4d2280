//! A show's replica as its proposer writes to it.
//!
//! Owns: what is done about an entry that was certainly not appended: the replica had just been put away, or nobody led just then.
//! Must never: send an entry again that may have been appended.

use std::time::Duration;

use holdfast_inventory::{
    command::Entry,
    outcome::{Outcome, Rejection},
};
use holdfast_raft::{Committed, Host, Leadership, ProposeError, ShowGroup};
use holdfast_region_config::{GroupId, NodeId};
use tokio::time::Instant;

use crate::{
    propose::{Judge, Target},
    submission::Item,
};

/// How long an entry waits for somebody to lead: a lost leader is replaced in less, a planned move takes a few round trips.
/// Shorter than a caller's usual deadline, so that the answer is a definite one.
const LEADER_WAIT: Duration = Duration::from_millis(2_500);
/// A replica that is put away again and again while it is written to is a fault; this many times is none.
const REOPENS_MAX: u32 = 3;

/// See the module's head.
pub(super) struct ShowTarget {
    host: Host,
    group: ShowGroup,
}

impl ShowTarget {
    pub(super) fn new(host: Host, group: ShowGroup) -> Self {
        Self { host, group }
    }

    /// Whether `leader`, as named by a refusal, is one that could be asked now.
    fn can_be_asked(&self, leader: Option<NodeId>) -> bool {
        leader.is_some_and(|leader| leader != self.host.node() && self.host.is_alive(leader))
    }

    /// Waits until this replica leads (`Ok`) or another one does (`Err`, with its name), at most until `until`.
    async fn leader(&self, group: &ShowGroup, until: Instant) -> Result<(), ProposeError> {
        let mut leadership = group.leadership();
        let decided = |now: &Leadership| now.leads || self.can_be_asked(now.leader);
        let waited = tokio::select! {
            waited = tokio::time::timeout_at(until, leadership.wait_for(decided)) => waited,
            () = group.closed() => return Err(put_away(group.group_id())),
        };
        match waited {
            Ok(Ok(now)) if now.leads => Ok(()),
            Ok(Ok(now)) => Err(not_leader(group.group_id(), now.leader)),
            Ok(Err(_)) => Err(put_away(group.group_id())),
            Err(_) => Err(not_leader(group.group_id(), None)),
        }
    }
}

fn put_away(group: GroupId) -> ProposeError {
    ProposeError::PutAway { group }
}

fn not_leader(group: GroupId, leader: Option<NodeId>) -> ProposeError {
    ProposeError::NotLeader { group, leader }
}

impl Target for ShowTarget {
    async fn propose(&self, entry: &Entry) -> Result<Committed<Outcome>, ProposeError> {
        let mut group = self.group.clone();
        #[cfg(feature = "sabotage")]
        if let Some(answer) = crate::sabotage::acknowledged_at_once(&group, entry) {
            let entry = entry.clone();
            tokio::spawn(async move { group.propose(&entry).await });
            return Ok(answer);
        }
        let mut reopens = 0;
        // Begins with the first refusal: an entry that is taken at once needs no clock.
        let mut until = None;
        loop {
            match group.propose(entry).await {
                Err(ProposeError::PutAway { .. }) if reopens < REOPENS_MAX => {
                    reopens += 1;
                    let opened = self.host.open_show(group.show_id()).await;
                    group = opened.map_err(|_| put_away(group.group_id()))?;
                }
                Err(ProposeError::NotLeader { leader, .. }) if !self.can_be_asked(leader) => {
                    let until = *until.get_or_insert_with(|| Instant::now() + LEADER_WAIT);
                    self.leader(&group, until).await?;
                }
                other => return other,
            }
        }
    }
}

impl Judge for ShowTarget {
    fn doomed(&self, items: &[Item], now_ms: u64) -> Vec<Option<Rejection>> {
        self.group.doomed(items, now_ms)
    }

    fn spread_ends(&self, items: &mut [Item]) {
        self.group.spread_ends(items);
    }
}
