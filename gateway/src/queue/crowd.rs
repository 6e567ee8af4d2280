//! Who waits for one show at this gateway: the tickets that were heard of here.
//!
//! Owns: one place for each buyer, how many are alive, and their summary for the leader. Must never: be needed to know
//! somebody's place (the ticket says it), or grow without bound.

use std::collections::HashMap;

use holdfast_node_api::queue::{GRACE_MS, Line, REPORT_POINTS_MAX, Seed};

use super::token::{Sub, Ticket};

/// Tickets of one show that one gateway remembers, at most; about 150 bytes each.
pub const TICKETS_MAX: usize = 1_000_000;
/// A ticket is remembered so long after it was last heard of, for an owner who comes back without it.
const REMEMBERED_MS: u64 = 6 * GRACE_MS;

#[derive(Debug, Clone, Copy)]
struct Known {
    ticket: Ticket,
    seen_ms: u64,
    /// Claimed here; until when the pass is good.
    pass_expires_at_ms: Option<u64>,
    /// The line came, and they did not.
    late: bool,
}

/// The tickets.
#[derive(Debug, Default)]
pub struct Crowd {
    by_sub: HashMap<Sub, Known>,
}

/// There is no room to remember another ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowded;

impl Crowd {
    /// The ticket of this buyer that was heard of here.
    #[must_use]
    pub fn ticket_of(&self, sub: &Sub) -> Option<Ticket> {
        self.by_sub.get(sub).map(|known| known.ticket)
    }

    /// Until when the pass is good that this ticket became here.
    #[must_use]
    pub fn pass_expires_at_ms(&self, ticket: &Ticket) -> Option<u64> {
        let known = self.by_sub.get(&ticket.sub);
        let same = known.filter(|known| known.ticket.qid == ticket.qid);
        same.and_then(|known| known.pass_expires_at_ms)
    }

    /// Hears of a ticket, and gives the one that counts for its owner: of two, the one further back.
    ///
    /// # Errors
    /// [`Crowded`] when it is new and there is no room.
    pub fn heard_of(
        &mut self,
        ticket: Ticket,
        seed: Option<&Seed>,
        now_ms: u64,
    ) -> Result<Ticket, Crowded> {
        let full = self.by_sub.len() >= TICKETS_MAX;
        match self.by_sub.get_mut(&ticket.sub) {
            Some(known) => {
                known.seen_ms = now_ms;
                // A late comer's later ticket, once it was given, is the one that lives.
                let further = ticket.entry > known.ticket.entry
                    || (ticket.entry == known.ticket.entry
                        && ticket.key(seed) > known.ticket.key(seed));
                if further {
                    *known = Known {
                        ticket,
                        seen_ms: now_ms,
                        pass_expires_at_ms: None,
                        late: false,
                    };
                }
                Ok(known.ticket)
            }
            None if full => Err(Crowded),
            None => {
                let known = Known {
                    ticket,
                    seen_ms: now_ms,
                    pass_expires_at_ms: None,
                    late: false,
                };
                self.by_sub.insert(ticket.sub, known);
                Ok(ticket)
            }
        }
    }

    /// A ticket became a pass.
    pub fn came_in(&mut self, ticket: &Ticket, expires_at_ms: u64) {
        if let Some(known) = self.by_sub.get_mut(&ticket.sub) {
            known.pass_expires_at_ms = Some(expires_at_ms);
        }
    }

    /// A ticket was not claimed in time.
    pub fn was_late(&mut self, ticket: &Ticket) {
        if let Some(known) = self.by_sub.get_mut(&ticket.sub)
            && known.ticket.qid == ticket.qid
        {
            known.late = true;
        }
    }

    /// Forgets who was not heard of for long. With the line's record, finds those who are late by now.
    pub fn forget_old(&mut self, now_ms: u64) {
        let kept = |known: &Known| known.seen_ms.saturating_add(REMEMBERED_MS) > now_ms;
        self.by_sub.retain(|_, known| kept(known));
    }

    /// Whether anybody is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_sub.is_empty()
    }

    /// Where the living stand, and how many of them are not drawn yet. `is_late` says of a key whether its time to claim is
    /// over.
    #[must_use]
    pub fn summary(
        &self,
        seed: Option<&Seed>,
        now_ms: u64,
        is_late: impl Fn(u128) -> bool,
    ) -> (Line, u64) {
        let alive = |known: &&Known| {
            let heard = known.seen_ms.saturating_add(GRACE_MS) > now_ms;
            heard && known.pass_expires_at_ms.is_none() && !known.late
        };
        let mut keys = Vec::with_capacity(self.by_sub.len());
        let mut undrawn = 0;
        for known in self.by_sub.values().filter(alive) {
            match known.ticket.key(seed) {
                Some(key) if !is_late(key) => keys.push(key),
                Some(_) => {}
                None => undrawn += 1,
            }
        }
        (Line::of(keys, REPORT_POINTS_MAX), undrawn)
    }
}

#[cfg(test)]
mod tests {
    use super::super::token::Phase;
    use super::*;

    fn ticket(owner: u8, phase: Phase) -> Ticket {
        Ticket {
            show_id: 7,
            sub: [owner; 16],
            qid: [owner; 16],
            phase,
            entry: 0,
            issued_at_ms: 0,
        }
    }

    #[test]
    fn of_two_tickets_of_one_buyer_the_one_further_back_counts() {
        let mut crowd = Crowd::default();
        let (near, far) = (ticket(1, Phase::Late(10)), ticket(1, Phase::Late(20)));
        assert_eq!(crowd.heard_of(near, None, 0), Ok(near));
        assert_eq!(crowd.heard_of(far, None, 1), Ok(far));
        assert_eq!(crowd.heard_of(near, None, 2), Ok(far));
        let (line, undrawn) = crowd.summary(None, 3, |_| false);
        assert_eq!((line.total(), undrawn), (1, 0));
    }

    #[test]
    fn who_is_silent_late_or_inside_does_not_count_and_comes_back_by_asking() {
        let mut crowd = Crowd::default();
        let seed = [3; 32];
        for owner in 0..10 {
            assert!(crowd.heard_of(ticket(owner, Phase::Draw), None, 0).is_ok());
        }
        assert_eq!(crowd.summary(None, 1, |_| false).1, 10);
        let total = |crowd: &Crowd, now_ms| {
            let (line, undrawn) = crowd.summary(Some(&seed), now_ms, |_| false);
            assert_eq!(undrawn, 0);
            line.total()
        };
        assert_eq!(total(&crowd, 1), 10);
        crowd.came_in(&ticket(0, Phase::Draw), 500);
        crowd.was_late(&ticket(1, Phase::Draw));
        assert_eq!(total(&crowd, 1), 8);
        assert_eq!(crowd.summary(Some(&seed), 1, |_| true).0.total(), 0);
        assert_eq!(total(&crowd, GRACE_MS), 0);
        let back = ticket(5, Phase::Draw);
        assert_eq!(crowd.heard_of(back, Some(&seed), GRACE_MS), Ok(back));
        assert_eq!(total(&crowd, GRACE_MS + 1), 1);
        crowd.forget_old(REMEMBERED_MS);
        assert!(crowd.ticket_of(&[4; 16]).is_none() && crowd.ticket_of(&[5; 16]).is_some());
    }

    #[test]
    fn a_ticket_of_a_second_entry_replaces_the_first_also_when_that_was_late() {
        let mut crowd = Crowd::default();
        let first = ticket(1, Phase::Late(10));
        assert_eq!(crowd.heard_of(first, None, 0), Ok(first));
        crowd.was_late(&first);
        let again = Ticket {
            entry: 1,
            qid: [9; 16],
            ..ticket(1, Phase::Late(99))
        };
        assert_eq!(crowd.heard_of(again, None, 0), Ok(again));
        assert_eq!(crowd.summary(None, 1, |_| false).0.total(), 1);
    }
}
