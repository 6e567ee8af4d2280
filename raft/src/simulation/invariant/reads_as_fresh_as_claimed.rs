//! A read under a lease, or after a confirmation by a quorum, shows everything acknowledged before it began; a stale one everything
//! acknowledged before the moment that its age points to.

use super::{Fact, Invariant};

pub(super) struct ReadsAsFreshAsClaimed;

impl Invariant for ReadsAsFreshAsClaimed {
    fn name(&self) -> &'static str {
        "reads_as_fresh_as_claimed"
    }

    fn see(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::Read {
            node,
            group,
            kind,
            index,
            acknowledged,
        } = fact
        else {
            return Ok(());
        };
        if index >= acknowledged {
            return Ok(());
        }
        Err(format!(
            "a {kind} read of {group} at {node} shows index {index}, but {acknowledged} had been acknowledged before the moment it claims"
        ))
    }
}
