//! Two logs that agree on (term, index) agree on the entry there.

use std::collections::BTreeMap;

use super::{Fact, Invariant};
use crate::simulation::trace::hash_of;
use crate::transport::wire::pb::frame::Body;

#[derive(Default)]
pub(super) struct OneLogPerTerm {
    /// (group, index, term) to the entry's hash.
    entries: BTreeMap<(u64, u64, u64), u64>,
}

impl Invariant for OneLogPerTerm {
    fn name(&self) -> &'static str {
        "one_log_per_term"
    }

    fn see(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::FrameSent { from, frame, .. } = fact else {
            return Ok(());
        };
        let Some(Body::Append(append) | Body::StreamAppend(append)) = &frame.body else {
            return Ok(());
        };
        for entry in &append.entries {
            let key = (frame.group, entry.index, entry.term);
            let hash = hash_of(entry);
            if *self.entries.entry(key).or_insert(hash) != hash {
                return Err(format!(
                    "{from} sends another entry {} of term {} in g{} than was sent before",
                    entry.index, entry.term, frame.group
                ));
            }
        }
        Ok(())
    }
}
