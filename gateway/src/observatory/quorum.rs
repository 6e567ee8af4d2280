//! What many who look have seen together.
//!
//! Owns: the rule. Calling a region ill takes more than half of *all other* regions, heard or not, so that one that is cut
//! off cannot do it alone; calling it well takes more than half of *those heard*, so that a lost region does not keep another
//! from coming back. Must never: decide when neither is so.

/// How many other regions see a region well or ill, of those that were heard lately; the one that counts is among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// See it well.
    pub well: usize,
    /// Do not.
    pub ill: usize,
}

/// Well, ill, or nobody can tell, for a region that has so many `others`.
#[must_use]
pub const fn decide(seen: Seen, others: usize) -> Option<bool> {
    if seen.ill * 2 > others {
        return Some(false);
    }
    if seen.well * 2 > seen.well + seen.ill {
        return Some(true);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(well: usize, ill: usize, others: usize) -> Option<bool> {
        decide(Seen { well, ill }, others)
    }

    #[test]
    fn one_of_two_others_cannot_call_a_region_ill_and_both_can() {
        assert_eq!(decided(1, 1, 2), None);
        assert_eq!(
            decided(0, 1, 2),
            None,
            "the other one is not heard: who is cut off?"
        );
        assert_eq!(decided(0, 2, 2), Some(false));
        assert_eq!(decided(2, 0, 2), Some(true));
    }

    #[test]
    fn a_region_may_come_back_while_another_is_lost() {
        assert_eq!(decided(1, 0, 2), Some(true));
        assert_eq!(decided(2, 1, 4), Some(true));
    }

    #[test]
    fn of_five_regions_three_others_are_needed() {
        assert_eq!(decided(2, 2, 4), None);
        assert_eq!(decided(1, 3, 4), Some(false));
        assert_eq!(decided(0, 2, 4), None);
    }

    #[test]
    fn a_region_alone_is_never_judged() {
        assert_eq!(decided(0, 0, 0), None);
    }

    #[test]
    fn with_two_regions_the_other_one_decides() {
        assert_eq!(decided(0, 1, 1), Some(false));
        assert_eq!(decided(1, 0, 1), Some(true));
    }
}
