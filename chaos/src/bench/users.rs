//! Users of gateways, each holding seats of a show of their own, at an easy pace, for as long as a bench lasts.
//!
//! Owns: what a user sees: how long each request took and whether it failed. Must never: repeat a request; a gateway's
//! own retries are its business, and what comes out of it is what counts.

use std::sync::Arc;
use std::time::Duration;

use holdfast_node_api::refs::ShowRef;
use holdfast_region_config::RegionId;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::report::Measurement;
use super::shows::Made;
use super::stats::{Times, figure};
use crate::buyer::Buyer;
use crate::lab::Lab;
use crate::season::GridShow;

/// Rows and seats of a user's show: enough for the longest bench.
const HALL: (u32, u32) = (100, 100);
/// Between two requests of one user.
const PAUSE: Duration = Duration::from_millis(100);

/// A request that has ended.
#[derive(Debug, Clone, Copy)]
struct Ended {
    began: Instant,
    took: Duration,
    granted: bool,
}

/// Running users; they stop when this is dropped.
pub(super) struct Users {
    stop: CancellationToken,
    tasks: JoinSet<Vec<Ended>>,
}

/// All that users saw.
#[derive(Debug)]
pub(super) struct Log(Vec<Ended>);

/// What users saw over some time.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) requests: u64,
    pub(super) failed: u64,
    pub(super) times: Times,
}

/// The hall of a user's show.
pub(super) fn hall(home: &str) -> GridShow {
    let mut hall = GridShow::new("user", home, HALL.0, HALL.1);
    hall.seats_per_buyer_max = HALL.0 * HALL.1;
    hall.hold_ttl_ms = 600_000;
    hall
}

impl Users {
    /// One user for each show, at these regions' gateways in turn, once those know the shows.
    pub(super) async fn start(
        lab: &Lab,
        shows: &[Made],
        regions: &[RegionId],
    ) -> anyhow::Result<Self> {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let seats: Arc<[String]> = hall("any").seats().into();
        for (show, region) in shows.iter().zip(regions.iter().cycle()) {
            let gateway = lab.cluster.gateway_url(region)?;
            let url = format!("{gateway}/v1/shows/{}", ShowRef(show.show_id));
            lab.wait_on_sale(region, show.show_id).await?;
            let user = User {
                http: lab.http.clone(),
                url: format!("{url}/holds"),
                token: Buyer::guest(&lab.http, &gateway).await?.token().to_owned(),
                seats: Arc::clone(&seats),
            };
            tasks.spawn(user.buy(stop.clone()));
        }
        Ok(Self { stop, tasks })
    }

    /// Lets every user finish what they are at, and gives what all have seen.
    pub(super) async fn end(mut self) -> anyhow::Result<Log> {
        self.stop.cancel();
        let mut all = Vec::new();
        while let Some(ended) = self.tasks.join_next().await {
            all.extend(ended?);
        }
        Ok(Log(all))
    }
}

impl Log {
    /// What was seen of the requests that began in this time.
    pub(super) fn between(&self, from: Instant, to: Instant) -> Seen {
        Seen::of(self.0.iter().filter(|e| (from..to).contains(&e.began)))
    }
}

impl Seen {
    fn of<'a>(ended: impl Iterator<Item = &'a Ended>) -> Self {
        let mut seen = Self {
            requests: 0,
            failed: 0,
            times: Times::default(),
        };
        for request in ended {
            seen.requests += 1;
            seen.failed += u64::from(!request.granted);
            seen.times.push(request.took);
        }
        seen
    }

    /// `PREFIX.requests`, `.failed` and the quantiles of their times.
    pub(super) fn measurements(mut self, prefix: &str) -> Vec<Measurement> {
        let name = |what: &str| format!("{prefix}.{what}");
        let mut results = vec![
            Measurement::new(name("requests"), figure(self.requests), "requests"),
            Measurement::new(name("failed"), figure(self.failed), "requests"),
        ];
        results.extend(self.times.quantiles().measurements(prefix));
        results
    }
}

struct User {
    http: reqwest::Client,
    url: String,
    token: String,
    seats: Arc<[String]>,
}

impl User {
    async fn buy(self, stop: CancellationToken) -> Vec<Ended> {
        let mut ended = Vec::new();
        for (number, seat) in self.seats.iter().enumerate() {
            let request = self.http.post(&self.url).bearer_auth(&self.token);
            let request = request.header("Idempotency-Key", format!("user-{number}"));
            let began = Instant::now();
            let answer = request.json(&json!({ "seats": [seat] })).send().await;
            let granted = matches!(&answer, Ok(answer) if answer.status().as_u16() == 201);
            if !granted {
                tracing::debug!(seat, ?answer, "a user was failed");
            }
            ended.push(Ended {
                began,
                took: began.elapsed(),
                granted,
            });
            tokio::select! {
                () = stop.cancelled() => break,
                () = sleep(PAUSE) => {}
            }
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_requests_are_failures_and_their_times_count() {
        let request = |granted, millis| Ended {
            began: Instant::now(),
            took: Duration::from_millis(millis),
            granted,
        };
        let all = [request(true, 1), request(false, 9), request(true, 2)];
        let mut seen = Seen::of(all.iter());
        assert_eq!((seen.requests, seen.failed), (3, 1));
        assert_eq!(seen.times.quantiles().max_ms, 9.0);
    }
}
