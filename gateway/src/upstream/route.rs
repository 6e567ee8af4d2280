//! In what order the nodes are asked to take one write. Pure.
//!
//! Owns: rounds and hints. A round asks each node at most once; a hint jumps the queue. Must never: wait.

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Ask this node.
    Ask(u64),
    /// Every node was asked in this round: pause, then go on.
    Pause,
}

/// The order of tries of one write.
#[derive(Debug)]
pub(crate) struct Route {
    order: Vec<u64>,
    asked: Vec<u64>,
    /// Did not answer during this write.
    silent: Vec<u64>,
    hint: Option<u64>,
}

impl Route {
    /// Begins with `guess`; then the voters in the order of `near`; then everyone else in that order: a learner does not
    /// lead, but knows who does.
    pub(crate) fn new(guess: Option<u64>, voters: &[u64], near: &[u64]) -> Self {
        let near_voters = near.iter().filter(|id| voters.contains(id));
        let others = near.iter().filter(|id| !voters.contains(id));
        let mut order: Vec<u64> = Vec::with_capacity(near.len());
        for id in guess
            .iter()
            .filter(|id| near.contains(id))
            .chain(near_voters)
            .chain(others)
        {
            if !order.contains(id) {
                order.push(*id);
            }
        }
        Self {
            order,
            asked: Vec::new(),
            silent: Vec::new(),
            hint: None,
        }
    }

    /// A node may be asked too: one that joined the cluster after this write began.
    pub(crate) fn admit(&mut self, node: u64) {
        if !self.order.contains(&node) {
            self.order.push(node);
        }
    }

    /// A node said that `leader` leads. Ignored when that node was asked in this round already: two nodes that point at
    /// each other must not keep us from the others.
    pub(crate) fn hint(&mut self, leader: u64) {
        let known = self.order.contains(&leader);
        if known && !self.asked.contains(&leader) && !self.silent.contains(&leader) {
            self.hint = Some(leader);
        }
    }

    /// Whether the next one to ask is one that another node pointed at.
    pub(crate) fn has_hint(&self) -> bool {
        self.hint.is_some()
    }

    /// A node did not answer: from now on it is asked last, and hints that still point at it are not followed. Waiting for
    /// a lost leader once is the price of not knowing; twice would be a mistake.
    pub(crate) fn silent(&mut self, node: u64) {
        if !self.silent.contains(&node) {
            self.silent.push(node);
        }
        if let Some(at) = self.order.iter().position(|id| *id == node) {
            let node = self.order.remove(at);
            self.order.push(node);
        }
    }

    /// The next step; after [`Next::Pause`] a new round begins.
    pub(crate) fn next(&mut self) -> Next {
        let untried = || {
            self.order
                .iter()
                .copied()
                .find(|id| !self.asked.contains(id))
        };
        match self.hint.take().or_else(untried) {
            Some(id) => {
                self.asked.push(id);
                Next::Ask(id)
            }
            None => {
                self.asked.clear();
                Next::Pause
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guess_comes_first_then_near_voters_then_the_rest() {
        let mut route = Route::new(Some(3), &[1, 3], &[2, 1, 3, 4]);
        let order: Vec<_> = (0..5).map(|_| route.next()).collect();
        assert_eq!(
            order,
            [
                Next::Ask(3),
                Next::Ask(1),
                Next::Ask(2),
                Next::Ask(4),
                Next::Pause
            ]
        );
        assert_eq!(route.next(), Next::Ask(3));
    }

    #[test]
    fn a_hint_jumps_the_queue_once_a_round() {
        let mut route = Route::new(Some(1), &[1, 2, 3], &[1, 2, 3]);
        assert_eq!(route.next(), Next::Ask(1));
        route.hint(3);
        assert_eq!(route.next(), Next::Ask(3));
        route.hint(1);
        assert_eq!(route.next(), Next::Ask(2));
        assert_eq!(route.next(), Next::Pause);
    }

    #[test]
    fn a_silent_node_is_asked_last_and_hints_at_it_are_not_followed() {
        let mut route = Route::new(Some(1), &[1, 2, 3], &[1, 2, 3]);
        assert_eq!(route.next(), Next::Ask(1));
        route.silent(1);
        assert_eq!(route.next(), Next::Ask(2));
        assert_eq!(route.next(), Next::Ask(3));
        assert_eq!(route.next(), Next::Pause);
        assert_eq!(route.next(), Next::Ask(2));
        route.hint(1);
        assert_eq!(route.next(), Next::Ask(3));
        assert_eq!(route.next(), Next::Ask(1));
    }

    #[test]
    fn strangers_are_not_asked() {
        let mut route = Route::new(Some(9), &[8], &[1]);
        route.hint(7);
        assert_eq!(route.next(), Next::Ask(1));
        assert_eq!(route.next(), Next::Pause);
        route.admit(7);
        route.hint(7);
        assert_eq!(route.next(), Next::Ask(7));
    }
}
