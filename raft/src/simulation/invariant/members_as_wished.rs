//! At the end, when everything has healed, every replica knows the members that the directory wants, and no others.

use super::{Fact, Invariant};

pub(super) struct MembersAsWished;

impl Invariant for MembersAsWished {
    fn name(&self) -> &'static str {
        "members_as_wished"
    }

    fn see(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::Member {
            node,
            group,
            knows,
            wanted,
        } = fact
        else {
            return Ok(());
        };
        if knows == wanted {
            return Ok(());
        }
        Err(format!(
            "{node} ends with {knows:?} as members of {group}, the directory says {wanted:?}"
        ))
    }
}
