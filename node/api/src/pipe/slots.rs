//! Which tag waits for which answer.
//!
//! Owns: a dense table of waiting answers; a tag is slot number and generation, so an answer that comes after
//! its slot was given up cannot reach the slot's next owner. Must never: grow beyond its bound.

use tokio::sync::oneshot;

use crate::v1::SubmitReply;

#[derive(Debug)]
struct Slot {
    generation: u32,
    waiting: Option<oneshot::Sender<SubmitReply>>,
    used: bool,
}

/// A bounded table of waiting answers.
#[derive(Debug)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
    slots_max: usize,
}

impl Slots {
    pub(super) fn new(slots_max: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            slots_max,
        }
    }

    /// A fresh tag and where its answer will arrive; `None` when all are in use.
    pub(super) fn take(&mut self) -> Option<(u64, oneshot::Receiver<SubmitReply>)> {
        let number = match self.free.pop() {
            Some(number) => number,
            None if self.slots.len() < self.slots_max => {
                self.slots.push(Slot {
                    generation: 0,
                    waiting: None,
                    used: false,
                });
                u32::try_from(self.slots.len() - 1).ok()?
            }
            None => return None,
        };
        let (sender, receiver) = oneshot::channel();
        let slot = self.slots.get_mut(number as usize)?;
        slot.waiting = Some(sender);
        slot.used = true;
        Some((tag(number, slot.generation), receiver))
    }

    /// Delivers an answer; one that nobody waits for is dropped.
    pub(super) fn answer(&mut self, reply: SubmitReply) {
        if let Some(slot) = self.current(reply.tag)
            && let Some(waiting) = slot.waiting.take()
        {
            // The receiver may have given up in this moment: then nobody wants the answer.
            let _ = waiting.send(reply);
        }
    }

    /// Ends every wait without an answer.
    pub(super) fn fail_all(&mut self) {
        for slot in &mut self.slots {
            slot.waiting = None;
        }
    }

    /// Gives the tag's slot back. Exactly once per [`Slots::take`].
    pub(super) fn free(&mut self, tag: u64) {
        if let Some(slot) = self.current(tag) {
            slot.generation = slot.generation.wrapping_add(1);
            slot.waiting = None;
            slot.used = false;
            self.free.push(slot_number(tag));
        }
    }

    fn current(&mut self, tag: u64) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(slot_number(tag) as usize)?;
        (slot.used && u64::from(slot.generation) == tag >> 32).then_some(slot)
    }
}

const fn tag(number: u32, generation: u32) -> u64 {
    ((generation as u64) << 32) | number as u64
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the low half is the slot number"
)]
const fn slot_number(tag: u64) -> u32 {
    tag as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(tag: u64) -> SubmitReply {
        SubmitReply {
            tag,
            ..SubmitReply::default()
        }
    }

    #[test]
    fn a_late_answer_does_not_reach_the_next_owner_of_its_slot() {
        let mut slots = Slots::new(1);
        let (first, _) = slots.take().unwrap();
        slots.free(first);
        let (second, mut answer) = slots.take().unwrap();
        assert_ne!(first, second);
        slots.answer(reply(first));
        assert!(answer.try_recv().is_err());
        slots.answer(reply(second));
        assert_eq!(answer.try_recv().unwrap().tag, second);
    }

    #[test]
    fn the_table_stops_at_its_bound_and_a_tag_is_freed_once() {
        let mut slots = Slots::new(2);
        let (first, _a) = slots.take().unwrap();
        let (_second, _b) = slots.take().unwrap();
        assert!(slots.take().is_none());
        slots.free(first);
        slots.free(first);
        let (_third, _c) = slots.take().unwrap();
        assert!(slots.take().is_none());
    }

    #[test]
    fn an_answer_to_a_tag_never_given_is_dropped() {
        let mut slots = Slots::new(2);
        slots.answer(reply(77));
        slots.free(77);
        assert!(slots.take().is_some());
    }
}
