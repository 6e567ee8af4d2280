//! A closed loop of clients on one hot show, through the leader's gRPC stream.
//!
//! The loop: 10,000 seats, 20,000 attempts a show, half of them one seat and half two, drawn uniformly, each by a
//! buyer of its own; at the end five seats in six are taken and a third of all attempts succeeded. Then the next show.
//!
//! Owns: what one attempt is. Must never: count an attempt without a definite answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use holdfast_node_api::client::NodeClient;
use holdfast_node_api::v1::submit_request::Command;
use holdfast_node_api::v1::{NamedSeats, PlaceHold, SubmitRequest, place_hold::What, submit_reply};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Seats of one show.
pub(super) const SEATS: u32 = 10_000;
/// Attempts on one show.
pub(super) const ATTEMPTS: u32 = 20_000;
/// Longest wait for one answer.
const DEADLINE: Duration = Duration::from_secs(20);

/// What became of a loop, or of several.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) attempts: u64,
    pub(super) holds: u64,
    pub(super) took: Duration,
    /// Time of each attempt, ms, unsorted.
    pub(super) times_ms: Vec<f64>,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.attempts += other.attempts;
        self.holds += other.holds;
        self.took += other.took;
        self.times_ms.extend(other.times_ms);
    }
}

/// Which seats attempt `number` wants; the same on every run.
pub(super) fn wanted(random: &mut StdRng, number: u32) -> Vec<u32> {
    let first = random.random_range(0..SEATS);
    if number.is_multiple_of(2) {
        return vec![first];
    }
    // Another one, as likely as any.
    let step = random.random_range(1..SEATS);
    vec![first, (first + step) % SEATS]
}

/// Runs one show's attempts with `clients` in a closed loop.
pub(super) async fn one_show(
    node: &NodeClient,
    show_id: u64,
    clients: usize,
) -> anyhow::Result<Tally> {
    let next = Arc::new(AtomicU32::new(0));
    let started = Instant::now();
    let mut loops = JoinSet::new();
    for _ in 0..clients {
        loops.spawn(client(node.clone(), show_id, Arc::clone(&next)));
    }
    let mut tally = Tally::default();
    while let Some(result) = loops.join_next().await {
        tally.add(result??);
    }
    tally.took = started.elapsed();
    Ok(tally)
}

async fn client(node: NodeClient, show_id: u64, next: Arc<AtomicU32>) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= ATTEMPTS {
            return Ok(tally);
        }
        let mut random = StdRng::seed_from_u64(show_id ^ (u64::from(number) << 20));
        let seats = NamedSeats {
            seats: wanted(&mut random, number),
        };
        let request = SubmitRequest {
            show_id,
            caller: u128::from(number + 1).to_be_bytes().to_vec().into(),
            idempotency_key: "bench".to_owned(),
            command: Some(Command::PlaceHold(PlaceHold {
                ttl_ms: 0,
                what: Some(What::Seats(seats)),
            })),
            ..SubmitRequest::default()
        };
        let started = Instant::now();
        let reply = node.pipe().submit(request, DEADLINE).await?;
        tally
            .times_ms
            .push(started.elapsed().as_secs_f64() * 1_000.0);
        tally.attempts += 1;
        match reply.result {
            Some(submit_reply::Result::Hold(_)) => tally.holds += 1,
            Some(submit_reply::Result::Rejection(no)) if no.code == "seats_taken" => {}
            other => anyhow::bail!("attempt {number} of show {show_id}: {other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_attempts_want_two_different_seats() {
        let mut random = StdRng::seed_from_u64(1);
        let all: Vec<_> = (0..1_000)
            .map(|number| wanted(&mut random, number))
            .collect();
        assert_eq!(all.iter().filter(|seats| seats.len() == 2).count(), 500);
        assert!(all.iter().all(|s| s.iter().all(|seat| *seat < SEATS)));
        assert!(all.iter().filter(|s| s.len() == 2).all(|s| s[0] != s[1]));
    }
}
