//! The open loop: attempts at fixed times, whether or not the system keeps up.
//!
//! An attempt's time runs from the moment it was *due*, not from when it could be sent: a system that stands still
//! for a second is charged with every attempt that was due in it (no coordinated omission).
//!
//! Owns: the schedule. Must never: slow down because answers are late; only [`IN_FLIGHT_MAX`] holds it back, and the
//! wait counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::attempt::{Answer, Attempt, Seller, Size, Tally};
use super::stats::{Times, micros};

/// Attempts without an answer at one time; below the client's own bound, so that the wait is here and is counted.
const IN_FLIGHT_MAX: u32 = 8_192;
/// The pacer sleeps at least this long, so that at high rates it wakes for a handful of attempts and not for each.
const STEP_MIN: Duration = Duration::from_micros(200);

/// What an open loop saw beside its tally.
#[derive(Debug)]
pub(super) struct Paced {
    /// Times run from when each attempt was due.
    pub(super) tally: Tally,
    /// How far behind its schedule the generator itself was when it handed an attempt over.
    pub(super) lag: Times,
}

struct Shared {
    micros: Vec<AtomicU32>,
    holds: AtomicU64,
    failed: AtomicU64,
}

/// Makes the first `attempts` attempts of a show at `rate` a second. Attempts without a definite answer are counted
/// as failed, with the time they took to fail.
pub(super) async fn open_loop<S: Seller + Clone + Sync>(
    seller: S,
    show: u64,
    size: Size,
    rate: f64,
) -> anyhow::Result<Paced> {
    let shared = Arc::new(Shared {
        micros: (0..size.attempts).map(|_| AtomicU32::new(0)).collect(),
        holds: AtomicU64::new(0),
        failed: AtomicU64::new(0),
    });
    let runtime = Handle::current();
    let (mine, started) = (Arc::clone(&shared), Instant::now());
    // A thread of its own: the runtime's timer is good to a millisecond only.
    let pacing =
        tokio::task::spawn_blocking(move || pace(&runtime, &seller, show, size, rate, &mine));
    let lag = pacing.await??;
    let took = started.elapsed();
    let mut times = Times::default();
    for time in &shared.micros {
        times.push_micros(time.load(Ordering::Relaxed));
    }
    let tally = Tally {
        attempts: u64::from(size.attempts),
        holds: shared.holds.load(Ordering::Relaxed),
        failed: shared.failed.load(Ordering::Relaxed),
        took,
        times,
    };
    Ok(Paced { tally, lag })
}

/// Hands every attempt to the runtime when it is due; returns when all have their answers.
fn pace<S: Seller + Clone + Sync>(
    runtime: &Handle,
    seller: &S,
    show: u64,
    size: Size,
    rate: f64,
    shared: &Arc<Shared>,
) -> anyhow::Result<Times> {
    let in_flight = Arc::new(Semaphore::new(IN_FLIGHT_MAX as usize));
    let mut lag = Times::default();
    let started = Instant::now();
    for number in 0..size.attempts {
        let due = started + due_after(number, rate);
        let early = due.saturating_duration_since(Instant::now());
        if !early.is_zero() {
            std::thread::sleep(early.max(STEP_MIN));
        }
        let permit = runtime.block_on(Arc::clone(&in_flight).acquire_owned())?;
        lag.push(due.elapsed());
        let (mut seller, shared) = (seller.clone(), Arc::clone(shared));
        runtime.spawn(async move {
            let attempt = Attempt::new(show, number, size.seats);
            match seller.hold(attempt).await {
                Ok(Answer::Held) => shared.holds.fetch_add(1, Ordering::Relaxed),
                Ok(Answer::Taken) => 0,
                Err(error) => {
                    tracing::debug!(number, %error, "no definite answer");
                    shared.failed.fetch_add(1, Ordering::Relaxed)
                }
            };
            shared.micros[number as usize].store(micros(due.elapsed()), Ordering::Relaxed);
            drop(permit);
        });
    }
    // All permits back: all attempts have their answers.
    runtime
        .block_on(in_flight.acquire_many(IN_FLIGHT_MAX))?
        .forget();
    Ok(lag)
}

/// When attempt `number` is due after the start.
fn due_after(number: u32, rate: f64) -> Duration {
    Duration::from_secs_f64(f64::from(number) / rate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::attempt::tests::Hall;
    use tokio::sync::Mutex;

    /// Serves one after the other, and the first attempt for 100 ms.
    #[derive(Clone)]
    struct Stalls(Arc<Mutex<Hall>>);

    impl Seller for Stalls {
        async fn hold(&mut self, attempt: Attempt) -> anyhow::Result<Answer> {
            let mut hall = self.0.lock().await;
            if attempt.number == 0 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            hall.hold(attempt).await
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn everything_due_in_a_stall_is_charged_with_the_rest_of_it() {
        let size = Size {
            seats: 1_000,
            attempts: 100,
        };
        let hall = Stalls(Arc::new(Mutex::new(Hall::new(size.seats))));
        let mut paced = open_loop(hall, 1, size, 1_000.0).await.unwrap();
        assert_eq!((paced.tally.attempts, paced.tally.failed), (100, 0));
        let q = paced.tally.times.quantiles();
        // One in a hundred stalled, all hundred were due in the stall. A closed loop would have seen p50 near zero.
        assert!(q.p50_ms >= 40.0, "{q:?}");
        assert!(q.max_ms >= 100.0, "{q:?}");
    }

    #[test]
    fn the_schedule_depends_on_nothing_but_number_and_rate() {
        assert_eq!(due_after(0, 50.0), Duration::ZERO);
        assert_eq!(due_after(100, 50.0), Duration::from_secs(2));
    }
}
