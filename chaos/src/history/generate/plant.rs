//! Defects that a made-up system may have, to see whether the checker finds them.
//!
//! Owns: their names. Must never: be in a history that is called good.

use clap::ValueEnum;

/// One defect of the made-up system. It sets in after two fifths of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Plant {
    /// A sold seat is given to another buyer, once.
    DoubleSale,
    /// A confirmed order is forgotten, and its seats are free again.
    LostSale,
    /// Repeats of an order request open second orders.
    ActsTwice,
    /// A hold of two seats gets one.
    HalfHold,
    /// Holds lapse long before their time.
    EarlyExpiry,
    /// An order is opened from a hold that has lapsed.
    LateOrder,
    /// Near reads show an old state as the newest.
    StaleAsFresh,
    /// Session reads do not wait for what the session has seen.
    SessionBack,
    /// Near reads say that they are younger than they are.
    AgeUnderstated,
    /// One replica has another state.
    ReplicaDiffers,
    /// An order is paid twice.
    PaidTwice,
    /// A confirmation is never announced.
    LostNotice,
    /// Writes get log positions that go back.
    IndexBack,
}

impl Plant {
    /// Checks of which at least one must find it.
    #[must_use]
    pub const fn caught_by(self) -> &'static [&'static str] {
        match self {
            Self::DoubleSale => &["one-owner", "linearizable"],
            // Unless its seats are sold once more: then the seat has two owners.
            Self::LostSale => &["acknowledged-survives", "one-owner"],
            Self::ActsTwice => &["one-outcome-per-key"],
            Self::HalfHold => &["all-or-nothing"],
            Self::EarlyExpiry | Self::LateOrder => &["hold-expiry"],
            Self::StaleAsFresh | Self::IndexBack => &["log-positions"],
            Self::SessionBack => &["session-reads"],
            Self::AgeUnderstated => &["stale-reads"],
            Self::ReplicaDiffers => &["replicas-agree"],
            Self::PaidTwice => &["ledger"],
            Self::LostNotice => &["outbox"],
        }
    }
}
