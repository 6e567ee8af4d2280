//! Who should lead a group. Pure.
//!
//! ```text
//!  may lead at all   a voter that is heard, does not drain, in a region that is not evacuated
//!  then, in order    the operator's pin · where the buyers are · the home region, then its successors · evenly within a region
//! ```
//!
//! Owns: that order. Must never: want a node that cannot take over, or move a leader that is as well placed where it is.

use holdfast_region_config::{NodeId, RegionId};

use super::conditions::{Conditions, Reach};

/// Where a group's buyers are, when it follows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buyers<'a> {
    /// It does not follow them.
    Ignored,
    /// It follows them, and nothing speaks for another region than its leader's.
    Here,
    /// They are better served from this region.
    Near(&'a RegionId),
}

/// One group.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Who may lead it.
    pub voters: &'a [NodeId],
    /// In this order, best first; voters that it does not name come last.
    pub preference: &'a [NodeId],
    /// An operator wants it led by this node, or by a neighbour while it cannot.
    pub pin: Option<NodeId>,
    /// Its buyers.
    pub buyers: Buyers<'a>,
    /// Who leads it.
    pub leader: NodeId,
}

/// Why a leader should move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Its region is evacuated.
    Evacuated,
    /// Its node drains.
    Draining,
    /// An operator wants it elsewhere.
    Pinned,
    /// Most of its buyers are elsewhere.
    FollowsBuyers,
    /// Its home, or a better successor of it, can lead again.
    Home,
    /// Another node of the same region leads fewer.
    Balance,
}

impl Reason {
    /// Name for logs, labels and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Evacuated => "evacuated",
            Self::Draining => "draining",
            Self::Pinned => "pinned",
            Self::FollowsBuyers => "follows_buyers",
            Self::Home => "home",
            Self::Balance => "balance",
        }
    }

    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::Evacuated,
        Self::Draining,
        Self::Pinned,
        Self::FollowsBuyers,
        Self::Home,
        Self::Balance,
    ];

    /// Somebody waits for it: it does not queue behind what only tidies up.
    #[must_use]
    pub const fn is_urgent(self) -> bool {
        match self {
            Self::Evacuated | Self::Draining | Self::Pinned => true,
            Self::FollowsBuyers | Self::Home | Self::Balance => false,
        }
    }
}

/// What should happen to a group's leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Stay,
    /// It should move.
    Move {
        /// Where to.
        to: NodeId,
        /// Why.
        reason: Reason,
    },
    /// It should leave, and nobody can take it.
    Stuck {
        /// Why it should leave.
        reason: Reason,
    },
}

/// A node of a region is relieved when it leads this many more than another, or by a quarter more: less is not worth a move.
const CROWDED_BY: u32 = 8;

/// Who should lead `group`.
#[must_use]
pub fn wanted_leader(group: &Subject<'_>, conditions: &Conditions) -> Verdict {
    let leader = group.leader;
    let leaves = if conditions.is_evacuated(leader) {
        Some(Reason::Evacuated)
    } else if conditions.is_draining(leader) {
        Some(Reason::Draining)
    } else {
        None
    };
    if let Some(reason) = leaves {
        let target = [Reach::Steady, Reach::Fresh]
            .into_iter()
            .find_map(|least| best(group, conditions, least));
        return target.map_or(Verdict::Stuck { reason }, |to| Verdict::Move { to, reason });
    }
    // A pin is somebody's word: it need not wait until the node has proved itself.
    if let Some(to) = best(group, conditions, Reach::Fresh)
        && misfit(group, to, conditions) < misfit(group, leader, conditions)
    {
        let reason = Reason::Pinned;
        return Verdict::Move { to, reason };
    }
    match best(group, conditions, Reach::Steady) {
        Some(to) if to != leader => settle(group, conditions, to),
        Some(_) | None => Verdict::Stay,
    }
}

/// Whether a leader that is well where it is should go to `to` all the same.
fn settle(group: &Subject<'_>, conditions: &Conditions, to: NodeId) -> Verdict {
    let leader = group.leader;
    let (better, same) = (
        class(group, conditions, to) < class(group, conditions, leader),
        class(group, conditions, to) == class(group, conditions, leader),
    );
    if better {
        let region = conditions.region(to);
        let reason = match group.buyers {
            Buyers::Near(buyers) if region == Some(buyers) => Reason::FollowsBuyers,
            _ => Reason::Home,
        };
        return Verdict::Move { to, reason };
    }
    if same && conditions.led(to) < conditions.led(leader) {
        let reason = Reason::Balance;
        return Verdict::Move { to, reason };
    }
    Verdict::Stay
}

/// A node that should take `group` from a crowded leader, although the leader is its first choice. Asked only once
/// every group that prefers another node is on its way there.
#[must_use]
pub fn relief(group: &Subject<'_>, conditions: &Conditions) -> Option<NodeId> {
    let own = class(group, conditions, group.leader);
    let equals = candidates(group, conditions, Reach::Steady)
        .filter(|node| class(group, conditions, *node) == own);
    let idlest = equals.min_by_key(|node| conditions.led(*node))?;
    crowded(conditions, group.leader, idlest).then_some(idlest)
}

fn crowded(conditions: &Conditions, node: NodeId, than: NodeId) -> bool {
    let fewer = conditions.led(than);
    conditions.led(node) > fewer + CROWDED_BY.max(fewer / 4)
}

/// The best node that is heard for at least that long.
fn best(group: &Subject<'_>, conditions: &Conditions, least: Reach) -> Option<NodeId> {
    let key = |node: &NodeId| (class(group, conditions, *node), position(group, *node));
    let first = candidates(group, conditions, least).min_by_key(key)?;
    let leaves = !conditions.may_lead(group.leader);
    if !leaves {
        return Some(first);
    }
    // Many leave at once: whoever is crowded already shares with its neighbour.
    let own = class(group, conditions, first);
    let equals =
        candidates(group, conditions, least).filter(|node| class(group, conditions, *node) == own);
    let idlest = equals.min_by_key(|node| conditions.led(*node))?;
    Some(if crowded(conditions, first, idlest) {
        idlest
    } else {
        first
    })
}

fn candidates<'a>(
    group: &'a Subject<'_>,
    conditions: &'a Conditions,
    least: Reach,
) -> impl Iterator<Item = NodeId> + 'a {
    // The leader is known to be well: it is the one that asks, or the one that others follow.
    let heard = move |node: NodeId| conditions.reach(node) >= least || node == group.leader;
    let voters = group.voters.iter().copied();
    voters.filter(move |node| heard(*node) && conditions.may_lead(*node))
}

/// How well a node suits, apart from its neighbours in the same region: less is better.
fn class(group: &Subject<'_>, conditions: &Conditions, node: NodeId) -> (u8, bool, usize) {
    let region = conditions.region(node);
    let misses_buyers = match group.buyers {
        Buyers::Ignored => false,
        Buyers::Here => region != conditions.region(group.leader),
        Buyers::Near(buyers) => region != Some(buyers),
    };
    let rank = region_rank(group, conditions, region);
    (misfit(group, node, conditions), misses_buyers, rank)
}

/// The place of a region in the order of preference; home is 0.
fn region_rank(group: &Subject<'_>, conditions: &Conditions, region: Option<&RegionId>) -> usize {
    let mut seen: Vec<Option<&RegionId>> = Vec::with_capacity(4);
    for node in group.preference {
        let of_node = conditions.region(*node);
        if of_node == region {
            return seen.len();
        }
        if !seen.contains(&of_node) {
            seen.push(of_node);
        }
    }
    usize::MAX
}

fn position(group: &Subject<'_>, node: NodeId) -> usize {
    let found = group.preference.iter().position(|other| *other == node);
    found.unwrap_or(usize::MAX)
}

/// How far `node` is from what the operator wants: 0 = it is the one, 1 = its neighbour.
fn misfit(group: &Subject<'_>, node: NodeId, conditions: &Conditions) -> u8 {
    match group.pin {
        Some(pin) if pin == node => 0,
        Some(pin) if conditions.region(pin) == conditions.region(node) => 1,
        Some(_) => 2,
        None => 0,
    }
}

#[cfg(test)]
mod tests;
