//! The last events of one show, shared by all its viewers. A viewer is a position in it and owns no queue.
//!
//! Owns: what is kept, and from where a reader may go on. Must never: grow with the number of viewers, or with a slow one.

use std::collections::VecDeque;

use bytes::Bytes;

/// Events kept: half a minute of a show in which something changes all the time.
const EVENTS_MAX: usize = 512;
/// Bytes kept.
const BYTES_MAX: usize = 1 << 20;

#[derive(Debug)]
struct Kept {
    /// The seats after it: index of the last change.
    id: u64,
    text: Bytes,
}

/// See the module's head.
#[derive(Debug, Default)]
pub struct Ring {
    events: VecDeque<Kept>,
    bytes: usize,
    /// Number of the first event kept; numbers count from the show's first event here.
    first: u64,
}

/// What a reader at some position gets.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// This event; its position moves on by one.
    Event(Bytes),
    /// Nothing yet.
    Wait,
    /// It fell out: a snapshot, and then on from [`Ring::end`].
    Behind,
}

impl Ring {
    /// The position behind the last event.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    /// Adds an event, after which the last change is the one at index `id`.
    pub fn push(&mut self, id: u64, text: Bytes) {
        self.bytes += text.len();
        self.events.push_back(Kept { id, text });
        while self.events.len() > EVENTS_MAX || (self.bytes > BYTES_MAX && self.events.len() > 1) {
            if let Some(gone) = self.events.pop_front() {
                self.bytes -= gone.text.len();
                self.first += 1;
            }
        }
    }

    /// The event at a position.
    #[must_use]
    pub fn at(&self, position: u64) -> Next {
        if position >= self.end() {
            return Next::Wait;
        }
        let kept = position
            .checked_sub(self.first)
            .and_then(|at| self.events.get(usize::try_from(at).ok()?));
        kept.map_or(Next::Behind, |kept| Next::Event(kept.text.clone()))
    }

    /// The position of a reader who has everything up to the change at index `id`; `None` when what followed is not known from
    /// exactly there. Deltas say what differs from the one before, so "somewhere in between" is not enough.
    #[must_use]
    pub fn after(&self, id: u64, now: u64) -> Option<u64> {
        if id == now {
            return Some(self.end());
        }
        let at = self.events.iter().rposition(|kept| kept.id == id)?;
        Some(self.first + at as u64 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(n: u64) -> Bytes {
        Bytes::from(n.to_string())
    }

    #[test]
    fn readers_go_on_from_their_own_positions() {
        let mut ring = Ring::default();
        assert_eq!(ring.at(0), Next::Wait);
        ring.push(5, event(1));
        ring.push(9, event(2));
        assert_eq!(ring.at(0), Next::Event(event(1)));
        assert_eq!(ring.at(1), Next::Event(event(2)));
        assert_eq!(ring.at(2), Next::Wait);
    }

    #[test]
    fn who_is_too_slow_falls_out_and_the_ring_stays_small() {
        let mut ring = Ring::default();
        for n in 0..EVENTS_MAX as u64 + 3 {
            ring.push(n, event(n));
        }
        assert_eq!(ring.events.len(), EVENTS_MAX);
        assert_eq!(ring.at(2), Next::Behind);
        assert_eq!(ring.at(3), Next::Event(event(3)));
        let large = Bytes::from(vec![0; BYTES_MAX]);
        ring.push(9_999, large.clone());
        ring.push(10_000, large);
        assert_eq!(ring.events.len(), 1);
        assert_eq!(ring.at(3), Next::Behind);
    }

    #[test]
    fn a_reader_resumes_only_from_exactly_where_a_change_was() {
        let mut ring = Ring::default();
        ring.push(5, event(1));
        ring.push(9, event(2));
        ring.push(9, event(3));
        ring.push(12, event(4));
        assert_eq!(ring.after(5, 12), Some(1));
        assert_eq!(ring.after(9, 12), Some(3));
        assert_eq!(ring.after(12, 12), Some(4));
        assert_eq!(ring.after(7, 12), None);
        assert_eq!(Ring::default().after(3, 3), Some(0));
        assert_eq!(Ring::default().after(2, 3), None);
    }
}
