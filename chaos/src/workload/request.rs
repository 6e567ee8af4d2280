//! A write that a buyer wants done, whatever it takes.
//!
//! Owns: how it is sent. Must never: be changed between two tries.

use crate::buyer::{Answer, Buyer};

/// Approved by the test provider.
const PAYMENT_TOKEN: &str = "tok_approve";

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Hold named seats.
    Hold {
        /// Of which show.
        show: String,
        /// By plan id.
        seats: Vec<String>,
    },
    /// More time.
    Extend {
        /// For which hold.
        hold: String,
    },
    /// Give it back.
    Release {
        /// Which hold.
        hold: String,
    },
    /// Make an order of it.
    Order {
        /// Which hold.
        hold: String,
    },
    /// Pay it.
    Pay {
        /// Which order.
        order: String,
    },
    /// Call it off.
    Cancel {
        /// Which order.
        order: String,
    },
}

impl Request {
    /// `hold`, `pay`.
    #[must_use]
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Hold { .. } => "hold",
            Self::Extend { .. } => "extend",
            Self::Release { .. } => "release",
            Self::Order { .. } => "order",
            Self::Pay { .. } => "pay",
            Self::Cancel { .. } => "cancel",
        }
    }

    /// Show, hold or order that it is about.
    #[must_use]
    pub fn subject(&self) -> &str {
        match self {
            Self::Hold { show, .. } => show,
            Self::Extend { hold } | Self::Release { hold } | Self::Order { hold } => hold,
            Self::Pay { order } | Self::Cancel { order } => order,
        }
    }

    /// Sends it once.
    pub async fn send(&self, buyer: &Buyer, key: &str) -> Answer {
        match self {
            Self::Hold { show, seats } => {
                let seats: Vec<&str> = seats.iter().map(String::as_str).collect();
                buyer.hold(show, &seats, key).await
            }
            Self::Extend { hold } => buyer.extend(hold, key).await,
            Self::Release { hold } => buyer.release(hold, key).await,
            Self::Order { hold } => buyer.order(hold, key).await,
            Self::Pay { order } => buyer.pay(order, PAYMENT_TOKEN, key).await,
            Self::Cancel { order } => buyer.cancel(order, key).await,
        }
    }
}
