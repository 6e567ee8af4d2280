//! What becomes of an order by what the payment provider says, against a scripted provider.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use futures_util::future::BoxFuture;
use holdfast_node::workers::payment::{
    AttemptId, Authorisation, Capture, Money, NoWord, PaymentProvider, TestProvider,
};
use holdfast_node_api::v1::{self, submit_request};

use crate::node::{NodeUnderTest, order_of, rejection_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_payment_leaves_the_order_open_for_another_try() {
    let node = NodeUnderTest::start().await;
    let show = node.show(0).await;
    let order = show.pay_for(1, &[0], "tok_decline").await;
    let declined = show
        .order_until(1, order, |o| !o.payment_problem.is_empty())
        .await;
    assert_eq!(declined.payment_problem, "declined");
    assert_eq!(declined.state(), v1::OrderState::OrderOpen);
    order_of(
        show.submit(1, "again", crate::node::pay(order, "tok_approve"))
            .await,
    );
    show.order_until(1, order, |o| o.state() == v1::OrderState::OrderConfirmed)
        .await;
    node.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_never_answers_is_voided_and_the_order_can_be_cancelled() {
    let node = NodeUnderTest::start().await;
    let show = node.show(0).await;
    let order = show.pay_for(1, &[0, 1], "tok_timeout").await;
    let timed_out = show
        .order_until(1, order, |o| !o.payment_problem.is_empty())
        .await;
    assert_eq!(timed_out.payment_problem, "provider_timeout");
    let cancel = submit_request::Command::CancelOrder(v1::CancelOrder { order_id: order });
    let cancelled = order_of(show.submit(1, "cancel", cancel.clone()).await);
    assert_eq!(cancelled.state(), v1::OrderState::OrderCancelled);
    assert_eq!(
        show.seat_map(v1::ReadOptions::default()).await.seats[..2],
        [0, 0]
    );
    let again = rejection_of(show.submit(1, "cancel-again", cancel).await);
    assert_eq!(again.code, "order_cancelled");
    node.server.stop().await;
}

/// Fails the first calls of each kind, and writes down what it was asked.
#[derive(Default)]
struct Flaky {
    captures: AtomicU32,
    asked: Mutex<Vec<(&'static str, AttemptId, Option<Money>)>>,
}

impl Flaky {
    fn note(&self, what: &'static str, id: AttemptId, money: Option<Money>) {
        self.asked.lock().unwrap().push((what, id, money));
    }
}

impl PaymentProvider for Flaky {
    fn authorise(
        &self,
        id: AttemptId,
        money: Money,
        token: String,
    ) -> BoxFuture<'static, Result<Authorisation, NoWord>> {
        self.note("authorise", id, Some(money));
        TestProvider.authorise(id, money, token)
    }

    fn capture(&self, id: AttemptId, money: Money) -> BoxFuture<'static, Result<Capture, NoWord>> {
        self.note("capture", id, Some(money));
        let failures_left = self.captures.fetch_add(1, Ordering::SeqCst) < 3;
        let word = if failures_left {
            Err(NoWord)
        } else {
            Ok(Capture::Captured)
        };
        Box::pin(std::future::ready(word))
    }

    fn void(&self, id: AttemptId) -> BoxFuture<'static, Result<(), NoWord>> {
        self.note("void", id, None);
        Box::pin(std::future::ready(Ok(())))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_is_repeated_with_the_same_id_and_amount_until_it_is_known() {
    let provider = Arc::new(Flaky::default());
    let node = NodeUnderTest::start_with(Arc::clone(&provider) as Arc<dyn PaymentProvider>).await;
    let show = node.show(0).await;
    let order = show.pay_for(1, &[0, 4], "tok_approve").await;
    show.order_until(1, order, |o| o.state() == v1::OrderState::OrderConfirmed)
        .await;
    node.server.stop().await;
    let asked = provider.asked.lock().unwrap().clone();
    let kinds: Vec<_> = asked.iter().map(|(what, ..)| *what).collect();
    assert_eq!(
        kinds,
        ["authorise", "capture", "capture", "capture", "capture"]
    );
    for (_, id, money) in &asked {
        assert_eq!(*id, asked[0].1);
        assert_eq!(money.map(|m| m.amount_minor), Some(6_500));
    }
}

/// Panics when it is first asked, as a broken client library would.
#[derive(Default)]
struct Panicky {
    asked: AtomicU32,
}

impl PaymentProvider for Panicky {
    fn authorise(
        &self,
        id: AttemptId,
        money: Money,
        token: String,
    ) -> BoxFuture<'static, Result<Authorisation, NoWord>> {
        let first = self.asked.fetch_add(1, Ordering::SeqCst) == 0;
        assert!(!first, "the provider's client is broken");
        TestProvider.authorise(id, money, token)
    }

    fn capture(&self, id: AttemptId, money: Money) -> BoxFuture<'static, Result<Capture, NoWord>> {
        TestProvider.capture(id, money)
    }

    fn void(&self, id: AttemptId) -> BoxFuture<'static, Result<(), NoWord>> {
        TestProvider.void(id)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_the_providers_client_does_not_strand_the_payment() {
    let provider = Arc::new(Panicky::default());
    let node = NodeUnderTest::start_with(Arc::clone(&provider) as Arc<dyn PaymentProvider>).await;
    let show = node.show(0).await;
    let order = show.pay_for(1, &[0], "tok_approve").await;
    show.order_until(1, order, |o| o.state() == v1::OrderState::OrderConfirmed)
        .await;
    assert_eq!(provider.asked.load(Ordering::SeqCst), 2);
    node.server.stop().await;
}
