//! Holds through HTTP and JSON at a gateway, beside a bare echo in the same run.
//!
//! Owns: that loop. Must never: be read as the gateway's limit: the HTTP client in this process takes most of the
//! processor, from the echo as from the gateway.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use holdfast_node_api::refs::ShowRef;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::attempt::{Attempt, Size, Tally};
use super::contender::Contender;
use super::contender::holdfast::{Holdfast, hall};
use super::echo::Echo;
use super::report::Measurement;
use super::stats::figure;

/// One loop's surroundings.
struct Loop<'a> {
    http: &'a reqwest::Client,
    url: String,
    token: &'a str,
    show: u64,
    size: Size,
    /// Plan ids by seat number.
    seats: Arc<[String]>,
}

pub(super) async fn measure(
    holdfast: &mut Holdfast,
    clients: usize,
    size: Size,
    for_time: Duration,
) -> anyhow::Result<Vec<Measurement>> {
    let show = holdfast.open_show(size.seats).await?;
    let lab = &holdfast.lab;
    lab.wait_on_sale(&lab.region(0), show).await?;
    let guest = lab.guest(0).await?;
    let mut of = Loop {
        http: &lab.http,
        url: format!("{}/v1/shows/{}/holds", lab.gateway(0), ShowRef(show)),
        token: guest.token(),
        show,
        size,
        seats: hall(size.seats).seats().into(),
    };
    let mut hold = of.run(clients, for_time).await?;
    let echo = Echo::start().await?;
    of.url = echo.url();
    let bare = of.run(clients, for_time).await;
    drop(echo);
    let rate = |tally: &Tally| figure(tally.attempts) / tally.took.as_secs_f64();
    let (hold_rate, echo_rate) = (rate(&hold), rate(&bare?));
    let prefix = format!("http.{clients}_clients");
    let name = |what: &str| format!("{prefix}.{what}");
    let holds_rate = figure(hold.holds) / hold.took.as_secs_f64();
    let mut results = vec![
        Measurement::new(name("attempts_rate"), hold_rate, "attempts/s"),
        Measurement::new(name("holds_rate"), holds_rate, "holds/s"),
        Measurement::new(name("echo_rate"), echo_rate, "requests/s"),
        Measurement::new(name("echo_ratio"), hold_rate / echo_rate, "x echo").against(">= 0.25"),
    ];
    results.extend(hold.times.quantiles().measurements(&prefix));
    Ok(results)
}

impl Loop<'_> {
    /// Posts hold requests in a closed loop until one show's attempts are through or the time is over.
    async fn run(&self, clients: usize, for_time: Duration) -> anyhow::Result<Tally> {
        let next = Arc::new(AtomicU32::new(0));
        let started = Instant::now();
        let mut loops = JoinSet::new();
        for _ in 0..clients {
            let (http, url, token) = (self.http.clone(), self.url.clone(), self.token.to_owned());
            let (next, seats) = (Arc::clone(&next), Arc::clone(&self.seats));
            let (show, size) = (self.show, self.size);
            loops.spawn(async move {
                let mut tally = Tally::default();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= size.attempts || started.elapsed() >= for_time {
                        return anyhow::Ok(tally);
                    }
                    let request = http.post(&url).bearer_auth(&token);
                    let attempt = Attempt::new(show, number, size.seats);
                    let wanted = attempt.seats().map(|seat| seats[seat as usize].as_str());
                    let body = json!({ "seats": wanted.collect::<Vec<_>>() });
                    one(request.json(&body), number, &mut tally).await?;
                }
            });
        }
        let mut tally = Tally::default();
        while let Some(result) = loops.join_next().await {
            tally.add(result??);
        }
        tally.took = started.elapsed();
        Ok(tally)
    }
}

async fn one(
    request: reqwest::RequestBuilder,
    number: u32,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let request = request.header("Idempotency-Key", format!("bench-{number}"));
    let began = Instant::now();
    let answer = request.send().await?;
    let status = answer.status().as_u16();
    let body = answer.bytes().await?;
    tally.times.push(began.elapsed());
    tally.attempts += 1;
    match status {
        200 | 201 => tally.holds += 1,
        409 => {}
        _ => anyhow::bail!("{status} {}", String::from_utf8_lossy(&body)),
    }
    Ok(())
}
