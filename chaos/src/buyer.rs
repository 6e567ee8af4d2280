//! One buyer at one gateway, over HTTP.
//!
//! Owns: the request forms and what an answer means for a buyer. Must never: call a write refused that may have
//! happened: a time-out, a lost connection and every 5xx leave it open.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::history::{Op, Operation, Outcome, Recorder};

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
        let seats = self.body["seats"].as_array().into_iter().flatten();
        seats
            .filter_map(|seat| seat.as_str().map(str::to_owned))
            .collect()
    }

    /// What the buyer knows now.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self.status {
            // Accepted: it is being paid, and how that ends is open.
            202 => Outcome::Unknown,
            200..=299 => Outcome::Ok,
            409 if self.code() == "request_in_flight" => Outcome::Unknown,
            400..=499 => Outcome::Refused,
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
    recorder: Option<Arc<Recorder>>,
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
        })
    }

    /// What the gateway gave it to prove who it is.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The same guest through another gateway.
    #[must_use]
    pub fn through(&self, url: &str) -> Self {
        Self {
            url: url.to_owned(),
            ..self.clone()
        }
    }

    /// Writes down every write from now on.
    #[must_use]
    pub fn recorded(self, recorder: &Arc<Recorder>) -> Self {
        Self {
            recorder: Some(Arc::clone(recorder)),
            ..self
        }
    }

    /// The gateway in use.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Reads anything below `/v1`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, None).await
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

    async fn write(
        &self,
        op: Op,
        subject: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: &str,
    ) -> Answer {
        let Some(recorder) = &self.recorder else {
            return self.send(method, path, body, Some(key)).await;
        };
        let started = recorder.now();
        let answer = self.send(method, path, body, Some(key)).await;
        let asked = body.map_or_else(Vec::new, |body| {
            let seats = body["seats"].as_array().into_iter().flatten();
            seats
                .filter_map(|seat| seat.as_str().map(str::to_owned))
                .collect()
        });
        let seats = answer.seats();
        recorder.record(Operation {
            started_us: started,
            ended_us: recorder.now(),
            buyer: self.name.clone(),
            gateway: self.url.clone(),
            key: key.to_owned(),
            op,
            subject: subject.to_owned(),
            outcome: answer.outcome(),
            code: answer.code().to_owned(),
            id: answer.id(),
            state: answer.state().to_owned(),
            seats: if answer.outcome() == Outcome::Ok && !seats.is_empty() {
                seats
            } else {
                asked
            },
            expires_in_us: answer.body["expires_at_ms"]
                .as_u64()
                .zip(answer.body["now_ms"].as_u64())
                .map(|(expires, now)| expires.saturating_sub(now).saturating_mul(1_000)),
        });
        answer
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Answer {
        let url = format!("{}{path}", self.url);
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
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
