//! The tick. Its work, expiring and forgetting, is done at the start of every entry; a tick is an entry
//! when nothing else is.

use crate::outcome::Effect;

pub(super) fn tick(expired: u32) -> Effect {
    Effect::Ticked { expired }
}
