//! The loop that every system goes through: what one attempt is, and clients that make them one after the other.
//!
//! 10,000 seats, 20,000 attempts a show, half of them one seat and half two, drawn uniformly, each by a buyer of its
//! own; at the end five seats in six are taken and a third of all attempts succeeded. Then the next show.
//!
//! Owns: what one attempt is, the closed loop. Must never: count an attempt without a definite answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::stats::Times;

/// The size of one show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) seats: u32,
    pub(super) attempts: u32,
}

/// The show that all published figures are about.
pub(super) const REFERENCE: Size = Size {
    seats: 10_000,
    attempts: 20_000,
};

/// One buyer's wish for one or two seats, all or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attempt {
    /// From 0; with the show's number the buyer's identity.
    pub(super) number: u32,
    first: u32,
    second: Option<u32>,
}

impl Attempt {
    /// What attempt `number` of a show wants; the same on every run and every system.
    pub(super) fn new(show: u64, number: u32, seats: u32) -> Self {
        let mut random = StdRng::seed_from_u64(show ^ (u64::from(number) << 20));
        let first = random.random_range(0..seats);
        // Every second attempt wants another one as well, as likely as any.
        let second = (!number.is_multiple_of(2) && seats > 1)
            .then(|| (first + random.random_range(1..seats)) % seats);
        Self {
            number,
            first,
            second,
        }
    }

    /// The one or two seats.
    pub(super) fn seats(&self) -> impl Iterator<Item = u32> + use<> {
        std::iter::once(self.first).chain(self.second)
    }
}

/// A definite answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// The seats are this buyer's.
    Held,
    /// At least one was gone.
    Taken,
}

/// One client of some system, bound to one show.
pub(super) trait Seller: Send + 'static {
    /// Makes one attempt.
    ///
    /// # Errors
    /// When there is no definite answer.
    fn hold(&mut self, attempt: Attempt) -> impl Future<Output = anyhow::Result<Answer>> + Send;
}

/// What became of a loop, or of several.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) attempts: u64,
    pub(super) holds: u64,
    /// Without a definite answer. A closed loop has none: it ends with the first.
    pub(super) failed: u64,
    pub(super) took: Duration,
    pub(super) times: Times,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.attempts += other.attempts;
        self.holds += other.holds;
        self.failed += other.failed;
        self.took += other.took;
        self.times.append(other.times);
    }
}

/// Runs one show's attempts, each client one after the other.
pub(super) async fn closed_loop<S: Seller>(
    sellers: Vec<S>,
    show: u64,
    size: Size,
) -> anyhow::Result<Tally> {
    let next = Arc::new(AtomicU32::new(0));
    let started = Instant::now();
    let mut clients = JoinSet::new();
    for seller in sellers {
        clients.spawn(client(seller, show, size, Arc::clone(&next)));
    }
    let mut tally = Tally::default();
    while let Some(result) = clients.join_next().await {
        tally.add(result??);
    }
    tally.took = started.elapsed();
    Ok(tally)
}

async fn client<S: Seller>(
    mut seller: S,
    show: u64,
    size: Size,
    next: Arc<AtomicU32>,
) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= size.attempts {
            return Ok(tally);
        }
        let attempt = Attempt::new(show, number, size.seats);
        let started = Instant::now();
        let answer = seller.hold(attempt).await?;
        tally.times.push(started.elapsed());
        tally.attempts += 1;
        tally.holds += u64::from(answer == Answer::Held);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::sync::Mutex;

    /// A hall in memory.
    #[derive(Clone)]
    pub(in crate::bench) struct Hall(Arc<Mutex<Vec<bool>>>);

    impl Hall {
        pub(in crate::bench) fn new(seats: u32) -> Self {
            Self(Arc::new(Mutex::new(vec![false; seats as usize])))
        }

        pub(in crate::bench) fn taken(&self) -> usize {
            self.0.lock().unwrap().iter().filter(|seat| **seat).count()
        }
    }

    impl Seller for Hall {
        async fn hold(&mut self, attempt: Attempt) -> anyhow::Result<Answer> {
            let mut hall = self.0.lock().unwrap();
            if attempt.seats().any(|seat| hall[seat as usize]) {
                return Ok(Answer::Taken);
            }
            for seat in attempt.seats() {
                hall[seat as usize] = true;
            }
            Ok(Answer::Held)
        }
    }

    #[test]
    fn half_of_the_attempts_want_two_different_seats() {
        let seats = REFERENCE.seats;
        let all: Vec<Vec<u32>> = (0..1_000)
            .map(|number| Attempt::new(1, number, seats).seats().collect())
            .collect();
        assert_eq!(all.iter().filter(|seats| seats.len() == 2).count(), 500);
        assert!(all.iter().flatten().all(|seat| *seat < seats));
        assert!(all.iter().filter(|s| s.len() == 2).all(|s| s[0] != s[1]));
        assert_eq!(Attempt::new(1, 7, seats), Attempt::new(1, 7, seats));
    }

    #[tokio::test]
    async fn a_whole_show_leaves_five_seats_in_six_taken_and_a_third_of_the_attempts_lucky() {
        let hall = Hall::new(REFERENCE.seats);
        let tally = closed_loop(vec![hall.clone(); 8], 1, REFERENCE)
            .await
            .unwrap();
        assert_eq!(tally.attempts, u64::from(REFERENCE.attempts));
        assert!((5_900..6_600).contains(&tally.holds), "{}", tally.holds);
        assert!((8_200..8_600).contains(&hall.taken()), "{}", hall.taken());
    }
}
