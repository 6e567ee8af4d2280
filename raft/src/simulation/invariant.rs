//! What must be true whatever happens; one file each.
//!
//! Owns: the list. Must never: use the code under test to decide; the judges keep books of their own.

mod acknowledged_survives;
mod applied_forward;
mod committed_for_ever;
mod enough_voters;
mod first_seen;
mod members_as_wished;
mod memberships;
mod one_effect_per_request;
mod one_leader_per_term;
mod one_log_per_term;
mod one_owner_per_seat;
mod one_vote_per_term;
mod reads_as_fresh_as_claimed;
mod removed_never_votes;
mod same_index_same_state;
mod voters_have_caught_up;

use super::fact::Fact;

/// One invariant.
pub(super) trait Invariant: Send {
    /// Its name, for reports.
    fn name(&self) -> &'static str;
    /// Looks at one fact; an error says what is broken.
    fn see(&mut self, fact: &Fact<'_>) -> Result<(), String>;
}

/// All of them.
pub(super) fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(one_vote_per_term::OneVotePerTerm::default()),
        Box::new(one_leader_per_term::OneLeaderPerTerm::default()),
        Box::new(one_log_per_term::OneLogPerTerm::default()),
        Box::new(committed_for_ever::CommittedForEver::default()),
        Box::new(same_index_same_state::SameIndexSameState::default()),
        Box::new(applied_forward::AppliedForward::default()),
        Box::new(one_effect_per_request::OneEffectPerRequest::default()),
        Box::new(one_owner_per_seat::OneOwnerPerSeat::default()),
        Box::new(acknowledged_survives::AcknowledgedSurvives::default()),
        Box::new(reads_as_fresh_as_claimed::ReadsAsFreshAsClaimed),
        Box::new(enough_voters::EnoughVoters::default()),
        Box::new(voters_have_caught_up::VotersHaveCaughtUp::default()),
        Box::new(removed_never_votes::RemovedNeverVotes::default()),
        Box::new(members_as_wished::MembersAsWished),
    ]
}
