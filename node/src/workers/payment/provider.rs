//! Who moves the money.
//!
//! Owns: the trait, and the test provider that is built in. Must never: be asked twice with different content for one
//! [`AttemptId`]; a provider drops repeats by it.

use futures_util::future::BoxFuture;
use holdfast_inventory::ids::{AttemptNo, Currency, OrderId, ShowId};
use thiserror::Error;

/// Names one payment attempt for ever: the provider's idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    /// The show.
    pub show: ShowId,
    /// The order being paid.
    pub order: OrderId,
    /// Which attempt.
    pub attempt: AttemptNo,
}

/// An amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Money {
    /// Minor units.
    pub amount_minor: u64,
    /// Of what.
    pub currency: Currency,
}

/// The provider's word on setting money aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorisation {
    /// The money is set aside.
    Authorised,
    /// No money is set aside.
    Declined,
}

/// The provider's word on moving money that is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capture {
    /// The money has moved.
    Captured,
    /// It cannot be moved, for good.
    Refused,
}

/// The provider's word is not known: it may have acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the payment provider did not answer")]
pub struct NoWord;

/// A payment provider. Every call may be repeated with the same id and content, and then has the first one's effect.
pub trait PaymentProvider: Send + Sync + 'static {
    /// Sets money aside.
    fn authorise(
        &self,
        id: AttemptId,
        money: Money,
        token: String,
    ) -> BoxFuture<'static, Result<Authorisation, NoWord>>;

    /// Moves money that is set aside.
    fn capture(&self, id: AttemptId, money: Money) -> BoxFuture<'static, Result<Capture, NoWord>>;

    /// Lets go of money that may be set aside. No effect when there is none. From then on an authorisation under this
    /// id must be declined, also one that was sent before and arrives late: the order may be paid under the next id.
    fn void(&self, id: AttemptId) -> BoxFuture<'static, Result<(), NoWord>>;
}

/// Decides by the token alone, so it needs no memory and is idempotent by construction: `tok_approve` is
/// authorised, `tok_timeout` never answers, everything else (`tok_decline`) is declined. What it says can be written down:
/// [`super::PaymentJournal`].
#[derive(Debug, Clone, Copy, Default)]
pub struct TestProvider;

impl PaymentProvider for TestProvider {
    fn authorise(
        &self,
        _: AttemptId,
        _: Money,
        token: String,
    ) -> BoxFuture<'static, Result<Authorisation, NoWord>> {
        Box::pin(async move {
            match token.as_str() {
                "tok_approve" => Ok(Authorisation::Authorised),
                "tok_timeout" => std::future::pending().await,
                _ => Ok(Authorisation::Declined),
            }
        })
    }

    fn capture(&self, _: AttemptId, _: Money) -> BoxFuture<'static, Result<Capture, NoWord>> {
        Box::pin(std::future::ready(Ok(Capture::Captured)))
    }

    fn void(&self, _: AttemptId) -> BoxFuture<'static, Result<(), NoWord>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
