//! One buyer at one gateway, over HTTP.
//!
//! Owns: the request forms and what an answer means for a buyer. Must never: call a write refused that may have
//! happened: a time-out, a lost connection and every 5xx leave it open.

mod octets;
mod queue;
mod said;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_node_api::refs::{HoldRef, OrderRef, ShowRef};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use self::queue::Carried;
use self::said::{floored, letters, said, texts};
use crate::history::{self, Asked, Invoke, Op, Outcome, Reading, Recorder};

/// Longest wait for one answer; a gateway gives up before.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Pause before a buyer repeats a request whose outcome is open.
const REPEAT_PAUSE: Duration = Duration::from_millis(200);

/// What a gateway said.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status; 0 when there was no answer.
    pub status: u16,
    /// JSON body; null when there was none.
    pub body: Value,
    /// `Retry-After`, seconds.
    pub retry_after_s: Option<u64>,
    /// `Idempotency-Replayed: true`.
    pub replayed: bool,
    /// Whether the body is RFC 9457 problem+json.
    pub problem: bool,
}

impl Answer {
    fn silence(error: &reqwest::Error) -> Self {
        let body = json!({"code": "no_answer", "detail": error.to_string()});
        Self {
            status: 0,
            body,
            retry_after_s: None,
            replayed: false,
            problem: false,
        }
    }

    /// The stable code of a problem; empty when all is well.
    #[must_use]
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// The `id` of what was made or looked at.
    #[must_use]
    pub fn id(&self) -> String {
        self.body["id"].as_str().unwrap_or_default().to_owned()
    }

    /// The `state` of what was made or looked at.
    #[must_use]
    pub fn state(&self) -> &str {
        self.body["state"].as_str().unwrap_or_default()
    }

    /// The `seats` by plan id.
    #[must_use]
    pub fn seats(&self) -> Vec<String> {
        texts(&self.body["seats"])
    }

    /// What the buyer knows now.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self.status {
            // Accepted: it is being paid, and how that ends is open.
            202 => Outcome::Unknown,
            200..=299 => Outcome::Ok,
            409 if self.code() == "request_in_flight" => Outcome::Unknown,
            400..=499 => Outcome::Rejected,
            _ => Outcome::Unknown,
        }
    }

    /// Whether it is worth asking again with the same key.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.outcome() == Outcome::Unknown
    }
}

/// A guest with an identity of its own. Clones are the same guest.
#[derive(Debug, Clone)]
pub struct Buyer {
    http: reqwest::Client,
    url: String,
    token: String,
    name: String,
    recorder: Option<Recorder>,
    /// Its holds ask the leader, whatever a gateway knows.
    sure: bool,
    carried: Carried,
    /// The highest log index of each show that this guest was shown: what a session read must have. Never held over an
    /// await.
    seen: Arc<Mutex<HashMap<String, u64>>>,
}

/// A client for many buyers; they share connections as browsers behind one proxy do.
///
/// # Panics
/// Never in practice: without TLS and proxies there is nothing to fail at.
#[must_use]
pub fn http_client() -> reqwest::Client {
    let builder = reqwest::Client::builder()
        .timeout(ANSWER_TIMEOUT)
        .no_proxy();
    builder
        .build()
        .expect("a client without TLS and proxies has nothing to fail at")
}

impl Buyer {
    /// A new guest of the gateway at `url`.
    ///
    /// # Errors
    /// When the gateway does not answer with a token.
    pub async fn guest(http: &reqwest::Client, url: &str) -> anyhow::Result<Self> {
        let answer = http
            .post(format!("{url}/v1/guests"))
            .send()
            .await?
            .error_for_status()?;
        let body: Value = answer.json().await?;
        let text = |key: &str| body[key].as_str().map(str::to_owned);
        let (Some(token), Some(name)) = (text("token"), text("buyer")) else {
            anyhow::bail!("{url}/v1/guests answered without token or buyer: {body}");
        };
        Ok(Self {
            http: http.clone(),
            url: url.to_owned(),
            token,
            name,
            recorder: None,
            sure: false,
            carried: Carried::default(),
            seen: Arc::default(),
        })
    }

    /// What the gateway gave it to prove who it is.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Its 16 bytes on the wire between gateway and node, as a number: its name is their text.
    ///
    /// # Errors
    /// When the gateway gave it another kind of name.
    pub fn caller(&self) -> anyhow::Result<u128> {
        said::unnamed(&self.name).ok_or_else(|| anyhow::anyhow!("{} is no buyer", self.name))
    }

    /// The same guest through another gateway.
    #[must_use]
    pub fn through(&self, url: &str) -> Self {
        Self {
            url: url.to_owned(),
            ..self.clone()
        }
    }

    /// Writes down every write and recorded look from now on.
    #[must_use]
    pub fn recorded(self, recorder: &Recorder) -> Self {
        Self {
            recorder: Some(recorder.clone()),
            ..self
        }
    }

    /// The same guest, repeating what it does not know the outcome of: the leader is to be asked, not a copy
    /// (docs/live-maps.md).
    #[must_use]
    pub fn insisting(&self) -> Self {
        Self {
            sure: true,
            ..self.clone()
        }
    }

    /// The gateway in use.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Reads anything below `/v1`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, None, None).await
    }

    /// The same, as sure as `reading` says; not in the history.
    pub(crate) async fn get_as(&self, path: &str, reading: Reading) -> Answer {
        self.look(path, reading).await
    }

    /// Holds named seats.
    pub async fn hold(&self, show: &str, seats: &[&str], key: &str) -> Answer {
        self.hold_with(show, &json!({ "seats": seats }), key).await
    }

    /// Holds with any body: `seats`, `best_available` or `general_admission`.
    pub async fn hold_with(&self, show: &str, body: &Value, key: &str) -> Answer {
        let path = format!("/v1/shows/{show}/holds");
        self.write(Op::Hold, show, Method::POST, &path, Some(body), key)
            .await
    }

    /// Gives a hold back.
    pub async fn release(&self, hold: &str, key: &str) -> Answer {
        let path = format!("/v1/holds/{hold}");
        self.write(Op::Release, hold, Method::DELETE, &path, None, key)
            .await
    }

    /// Asks for more time.
    pub async fn extend(&self, hold: &str, key: &str) -> Answer {
        let path = format!("/v1/holds/{hold}/extend");
        self.write(Op::Extend, hold, Method::POST, &path, None, key)
            .await
    }

    /// Opens an order from a hold.
    pub async fn order(&self, hold: &str, key: &str) -> Answer {
        let body = json!({ "hold": hold });
        self.write(
            Op::Order,
            hold,
            Method::POST,
            "/v1/orders",
            Some(&body),
            key,
        )
        .await
    }

    /// Pays an order with a token of the test provider.
    pub async fn pay(&self, order: &str, payment_token: &str, key: &str) -> Answer {
        let path = format!("/v1/orders/{order}/pay");
        let body = json!({ "payment_token": payment_token });
        self.write(Op::Pay, order, Method::POST, &path, Some(&body), key)
            .await
    }

    /// Cancels an unpaid order.
    pub async fn cancel(&self, order: &str, key: &str) -> Answer {
        let path = format!("/v1/orders/{order}/cancel");
        self.write(Op::Cancel, order, Method::POST, &path, None, key)
            .await
    }

    /// Reads an order until it is in `state` or `patience` is over; the last answer either way.
    pub async fn order_until(&self, order: &str, state: &str, patience: Duration) -> Answer {
        let until = Instant::now() + patience;
        loop {
            let answer = self.get(&format!("/v1/orders/{order}")).await;
            if answer.state() == state || Instant::now() >= until {
                return answer;
            }
            sleep(REPEAT_PAUSE).await;
        }
    }

    /// Looks at every seat of a show; with letters in the order of `seats` in the history.
    pub async fn read_seats(&self, show: &str, seats: &[String], reading: Reading) -> Answer {
        let at_least = self.floor(show, reading);
        let asked = self.asked_to_read(Op::ReadSeats, show, reading, at_least);
        let path = floored(format!("/v1/shows/{show}/seats"), at_least);
        let answer = self.look(&path, reading).await;
        if let Some((recorder, asked)) = asked {
            let mut said = said(&answer);
            said.states = letters(&answer.body, seats);
            said.seats.clear();
            self.answered(recorder, asked, &answer, said);
        }
        answer
    }

    /// Looks at an order.
    pub async fn read_order(&self, order: &str, reading: Reading) -> Answer {
        let show = order
            .parse()
            .map(|OrderRef { show_id, .. }| ShowRef(show_id));
        let at_least = show.map_or(0, |show| self.floor(&show.to_string(), reading));
        let asked = self.asked_to_read(Op::ReadOrder, order, reading, at_least);
        let path = floored(format!("/v1/orders/{order}"), at_least);
        let answer = self.look(&path, reading).await;
        if let Some((recorder, asked)) = asked {
            self.answered(recorder, asked, &answer, said(&answer));
        }
        answer
    }

    fn asked_to_read(
        &self,
        op: Op,
        subject: &str,
        reading: Reading,
        at_least: u64,
    ) -> Option<(&Recorder, Asked)> {
        let (recorder, asked) = self.asked(op, subject, "")?;
        let asked = Invoke {
            reading,
            at_least,
            ..asked
        };
        Some((recorder, recorder.invoke(asked)))
    }

    /// The log index that a read must have seen.
    fn floor(&self, show: &str, reading: Reading) -> u64 {
        match reading {
            Reading::Session => *self.seen().get(show).unwrap_or(&0),
            Reading::Near | Reading::Linearizable => 0,
        }
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers how far an acknowledged answer got.
    fn saw(&self, answer: &Answer) {
        if let Some(show) = answer.body["show"].as_str()
            && answer.outcome() == Outcome::Ok
        {
            self.saw_index(show, said(answer).index);
        }
    }

    fn saw_index(&self, show: &str, index: u64) {
        let mut seen = self.seen();
        let known = seen.entry(show.to_owned()).or_default();
        *known = index.max(*known);
    }

    async fn look(&self, path: &str, reading: Reading) -> Answer {
        let consistency = match reading {
            Reading::Linearizable => Some("linearizable"),
            Reading::Near | Reading::Session => None,
        };
        let answer = self.send(Method::GET, path, None, None, consistency).await;
        self.saw(&answer);
        answer
    }

    async fn write(
        &self,
        op: Op,
        subject: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: &str,
    ) -> Answer {
        let asked = self.asked(op, subject, key).map(|(recorder, asked)| {
            let body = body.unwrap_or(&Value::Null);
            let quantity = body["best_available"]["quantity"].as_u64().unwrap_or(0);
            let asked = Invoke {
                seats: texts(&body["seats"]),
                quantity: u32::try_from(quantity).unwrap_or(u32::MAX),
                ..asked
            };
            (recorder, recorder.invoke(asked))
        });
        let consistency = (self.sure && op == Op::Hold).then_some("linearizable");
        let answer = self.send(method, path, body, Some(key), consistency).await;
        self.saw(&answer);
        if let Some((recorder, asked)) = asked {
            self.answered(recorder, asked, &answer, said(&answer));
        }
        answer
    }

    /// What a call about `subject` (a show, hold or order, as the operation has it) looks like in the history.
    fn asked(&self, op: Op, subject: &str, key: &str) -> Option<(&Recorder, Invoke)> {
        let recorder = self.recorder.as_ref()?;
        let mut asked = Invoke::new(self.name.as_str(), op);
        asked.buyer.clone_from(&self.name);
        key.clone_into(&mut asked.key);
        asked.at.clone_from(&self.url);
        let show_id = match op {
            Op::Hold | Op::ReadSeats | Op::Block | Op::Unblock => {
                subject.clone_into(&mut asked.show);
                None
            }
            Op::Extend | Op::Release | Op::Order | Op::ReadHold => {
                subject.clone_into(&mut asked.hold);
                subject.parse().ok().map(|HoldRef { show_id, .. }| show_id)
            }
            Op::Pay | Op::Cancel | Op::Refund | Op::ReadOrder => {
                subject.clone_into(&mut asked.order);
                subject.parse().ok().map(|OrderRef { show_id, .. }| show_id)
            }
        };
        if let Some(show_id) = show_id {
            asked.show = ShowRef(show_id).to_string();
        }
        Some((recorder, asked))
    }

    fn answered(&self, recorder: &Recorder, asked: Asked, answer: &Answer, said: history::Answer) {
        match answer.outcome() {
            Outcome::Ok => recorder.ok(asked, said),
            Outcome::Rejected => recorder.rejected(asked, said),
            Outcome::Unknown => recorder.unknown(asked, said),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
        consistency: Option<&str>,
    ) -> Answer {
        let url = format!("{}{path}", self.url);
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        for (name, value) in [
            ("X-Holdfast-Ticket", &self.carried.ticket),
            ("X-Holdfast-Pass", &self.carried.pass),
        ] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        if let Some(consistency) = consistency {
            request = request.header("X-Consistency", consistency);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Answer::silence(&error),
        };
        let header = |name: &str| {
            answer
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let status: StatusCode = answer.status();
        let retry_after_s = header("retry-after").and_then(|text| text.parse().ok());
        let replayed = header("idempotency-replayed").as_deref() == Some("true");
        let kind = header("content-type").unwrap_or_default();
        match answer.bytes().await {
            Ok(bytes) => Answer {
                status: status.as_u16(),
                body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
                retry_after_s,
                replayed,
                problem: kind.starts_with("application/problem+json"),
            },
            Err(error) => Answer::silence(&error),
        }
    }
}

/// Repeats a write, with whatever key `attempt` uses every time, until its outcome is known or `patience` is over.
pub async fn insist<F>(patience: Duration, mut attempt: impl FnMut() -> F) -> Answer
where
    F: Future<Output = Answer>,
{
    let until = Instant::now() + patience;
    loop {
        let answer = attempt().await;
        if !answer.is_open() || Instant::now() >= until {
            return answer;
        }
        sleep(REPEAT_PAUSE).await;
    }
}
