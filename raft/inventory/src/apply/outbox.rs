//! Taking delivered records off the outbox.

use crate::ids::OutboxSeq;
use crate::outcome::{Effect, Rejection};
use crate::state::InventoryState;

/// Removes the records; those already gone are no error. All or nothing when one wants a fact instead.
pub(super) fn acknowledge(
    state: &mut InventoryState,
    seqs: &[OutboxSeq],
) -> Result<Effect, Rejection> {
    let wants_fact = |seq: &OutboxSeq| {
        state
            .outbox
            .records
            .get(seq)
            .is_some_and(|r| r.job.wants_fact())
    };
    if seqs.iter().any(wants_fact) {
        return Err(Rejection::OutboxWantsFact);
    }
    let mut removed: u32 = 0;
    for seq in seqs {
        removed = removed.saturating_add(u32::from(state.outbox.remove(*seq)));
    }
    Ok(Effect::Acknowledged { removed })
}
