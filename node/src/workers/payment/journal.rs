//! The payment provider's word as lines of a file: for drills that ask what money moved.
//!
//! ```text
//! {"show":1,"order":"o1-7","attempt":1,"moved":"captured","amount_minor":6500,"currency":"EUR","at_ns":1795273042247000000}
//! ```
//!
//! Owns: one line per yes, written before anybody hears of it. Must never: answer what is not written down, or remember: a call
//! that is repeated is written again, the same but for its time, and whoever reads drops it, as a provider does.
//!
//! A node that is killed between line and answer leaves a line of a call that its successor repeats. A line has reached the kernel
//! when its word counts: it outlives the process, and may be lost with the machine.

use std::{
    io,
    path::Path,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use futures_util::future::BoxFuture;
use serde_json::json;

use super::provider::{AttemptId, Authorisation, Capture, Money, NoWord, PaymentProvider};
use crate::workers::line_file::LineFile;

/// A provider whose every yes is written down.
pub struct PaymentJournal {
    provider: Arc<dyn PaymentProvider>,
    file: LineFile,
}

impl PaymentJournal {
    /// Asks `provider` and appends to `path`, made when missing. A line that a crash left half-written is ended, so that readers
    /// can skip it.
    ///
    /// # Errors
    /// What the file system said.
    pub fn open(path: &Path, provider: Arc<dyn PaymentProvider>) -> io::Result<Self> {
        let file = LineFile::open(path)?;
        Ok(Self { provider, file })
    }
}

impl PaymentProvider for PaymentJournal {
    fn authorise(
        &self,
        id: AttemptId,
        money: Money,
        token: String,
    ) -> BoxFuture<'static, Result<Authorisation, NoWord>> {
        let asked = self.provider.authorise(id, money, token);
        let file = self.file.clone();
        Box::pin(async move {
            let word = asked.await?;
            if word == Authorisation::Authorised {
                write_down(&file, id, "authorised", Some(money)).await?;
            }
            Ok(word)
        })
    }

    fn capture(&self, id: AttemptId, money: Money) -> BoxFuture<'static, Result<Capture, NoWord>> {
        let asked = self.provider.capture(id, money);
        let file = self.file.clone();
        Box::pin(async move {
            let word = asked.await?;
            if word == Capture::Captured {
                write_down(&file, id, "captured", Some(money)).await?;
            }
            Ok(word)
        })
    }

    fn void(&self, id: AttemptId) -> BoxFuture<'static, Result<(), NoWord>> {
        let asked = self.provider.void(id);
        let file = self.file.clone();
        Box::pin(async move {
            asked.await?;
            write_down(&file, id, "voided", None).await
        })
    }
}

/// A word that cannot be written down was not given: the worker asks again, or lets the money go.
async fn write_down(
    file: &LineFile,
    id: AttemptId,
    moved: &'static str,
    money: Option<Money>,
) -> Result<(), NoWord> {
    let written = file.append(move || line(id, moved, money, now_ns())).await;
    written.map_err(|error| {
        tracing::warn!(show = %id.show, order = %id.order, %error, "payment not written down");
        NoWord
    })
}

/// A void names no amount: it lets go of whatever is set aside.
fn line(id: AttemptId, moved: &str, money: Option<Money>, at_ns: u64) -> String {
    let mut line = json!({
        "show": id.show.get(),
        "order": format!("o{}-{}", id.show.get(), id.order.get()),
        "attempt": id.attempt.get(),
        "moved": moved,
        "at_ns": at_ns,
    });
    if let Some(money) = money {
        line["amount_minor"] = json!(money.amount_minor);
        line["currency"] = json!(money.currency.as_str());
    }
    line.to_string()
}

#[expect(
    clippy::disallowed_methods,
    reason = "orders the lines of all nodes of a machine, whose own clocks a drill may set wrong"
)]
fn now_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use holdfast_inventory::ids::{AttemptNo, Currency, OrderId, ShowId};
    use serde_json::Value;

    use super::*;
    use crate::workers::payment::TestProvider;

    const ID: AttemptId = AttemptId {
        show: ShowId(3),
        order: OrderId(7),
        attempt: AttemptNo(2),
    };

    fn money() -> Money {
        Money {
            amount_minor: 6_500,
            currency: Currency::parse("EUR").expect("a currency"),
        }
    }

    fn journal(path: &Path) -> PaymentJournal {
        PaymentJournal::open(path, Arc::new(TestProvider)).expect("opened")
    }

    fn lines(path: &Path) -> Vec<Value> {
        let text = std::fs::read_to_string(path).expect("read");
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    #[tokio::test]
    async fn every_yes_is_a_line_by_the_time_it_is_heard_and_a_no_is_none() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("payments.jsonl");
        let journal = journal(&path);
        let no = journal.authorise(ID, money(), "tok_decline".to_owned());
        assert_eq!(no.await, Ok(Authorisation::Declined));
        assert!(lines(&path).is_empty());
        let yes = journal.authorise(ID, money(), "tok_approve".to_owned());
        assert_eq!(yes.await, Ok(Authorisation::Authorised));
        assert_eq!(lines(&path).len(), 1);
        assert_eq!(journal.capture(ID, money()).await, Ok(Capture::Captured));
        assert_eq!(lines(&path).len(), 2);
        assert_eq!(journal.void(ID).await, Ok(()));
        let lines = lines(&path);
        let moved: Vec<_> = lines.iter().map(|line| line["moved"].as_str()).collect();
        assert_eq!(
            moved,
            [Some("authorised"), Some("captured"), Some("voided")]
        );
        for line in &lines {
            assert_eq!((&line["show"], &line["attempt"]), (&json!(3), &json!(2)));
            assert_eq!(line["order"], "o3-7");
            assert!(line["at_ns"].as_u64() > Some(0));
        }
        for line in &lines[..2] {
            assert_eq!(line["amount_minor"], 6_500);
            assert_eq!(line["currency"], "EUR");
        }
        assert_eq!(lines[2].get("amount_minor"), None);
    }

    #[tokio::test]
    async fn a_repeat_after_a_restart_is_the_same_line_but_for_its_time() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("payments.jsonl");
        for _ in 0..2 {
            let captured = journal(&path).capture(ID, money()).await;
            assert_eq!(captured, Ok(Capture::Captured));
        }
        let mut lines = lines(&path);
        assert_eq!(lines.len(), 2);
        for line in &mut lines {
            line["at_ns"] = json!(0);
        }
        assert_eq!(lines[0], lines[1]);
    }

    #[tokio::test]
    async fn what_cannot_be_written_down_is_no_word() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("payments.jsonl");
        std::fs::write(&path, "").expect("written");
        let journal = PaymentJournal {
            provider: Arc::new(TestProvider),
            file: LineFile::read_only(&path).expect("opened"),
        };
        assert_eq!(journal.capture(ID, money()).await, Err(NoWord));
        assert_eq!(journal.void(ID).await, Err(NoWord));
        let authorised = journal.authorise(ID, money(), "tok_approve".to_owned());
        assert_eq!(authorised.await, Err(NoWord));
        let declined = journal.authorise(ID, money(), "tok_decline".to_owned());
        assert_eq!(declined.await, Ok(Authorisation::Declined));
    }
}
