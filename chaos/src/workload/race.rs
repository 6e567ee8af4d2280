//! Two buyers race for one pair of seats, over and over: exactly one gets it, or nobody while it cannot be told.
//!
//! Owns: whom it pairs up and who won. Must never: count an open outcome as lost.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use futures_util::future::BoxFuture;

use super::Workload;
use super::client::Client;
use super::request::Request;
use super::scene::Stall;
use crate::history::Outcome;

#[derive(Debug)]
pub(super) struct Race {
    /// Pairs of seats, each raced for once.
    pairs: Vec<(String, [String; 2])>,
    /// Every pair is given out twice.
    next: AtomicUsize,
    /// Never held over an await.
    results: Mutex<Vec<Results>>,
}

#[derive(Debug, Clone, Default)]
struct Results {
    winners: Vec<String>,
    losers: usize,
    open: usize,
}

impl Race {
    pub(super) fn set_up(stalls: &[Stall]) -> Self {
        let mut pairs = Vec::new();
        for stall in stalls {
            for pair in stall.seats.chunks_exact(2) {
                pairs.push((stall.show.clone(), [pair[0].clone(), pair[1].clone()]));
            }
        }
        Self {
            results: Mutex::new(vec![Results::default(); pairs.len()]),
            pairs,
            next: AtomicUsize::new(0),
        }
    }

    async fn one(&self, client: &mut Client) {
        let at = self.next.fetch_add(1, Ordering::Relaxed) / 2;
        let Some((show, seats)) = self.pairs.get(at) else {
            // Every pair has been raced for: watch until the end.
            client.think(std::time::Duration::from_secs(3_600)).await;
            return;
        };
        client.go_home();
        let request = Request::Hold {
            show: show.clone(),
            seats: seats.to_vec(),
        };
        let answer = client.write(request).await;
        let won = answer
            .as_ref()
            .is_some_and(|answer| answer.outcome() == Outcome::Ok);
        {
            let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
            let of = &mut results[at];
            match &answer {
                Some(answer) if won => of.winners.push(answer.id()),
                Some(_) => of.losers += 1,
                None => of.open += 1,
            }
        }
        if let Some(answer) = answer.filter(|_| won) {
            client.buy(answer.id()).await;
        }
    }
}

impl Results {
    fn problem(&self) -> Option<&'static str> {
        match (self.winners.len(), self.losers, self.open) {
            (2.., _, _) => Some("was given to both"),
            (0, 2.., 0) => Some("was refused to both"),
            _ => None,
        }
    }
}

impl Workload for Race {
    fn turn<'a>(&'a self, client: &'a mut Client) -> BoxFuture<'a, ()> {
        Box::pin(self.one(client))
    }

    fn check(&self) -> (u64, Vec<String>) {
        let results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        let raced = self.next.load(Ordering::Relaxed) / 2;
        let raced = raced.min(self.pairs.len());
        let each = self.pairs.iter().zip(results.iter()).take(raced);
        let problems = each.filter_map(|((show, seats), results)| {
            let problem = results.problem()?;
            Some(format!("{} of {show} {problem}", seats.join(" and ")))
        });
        (u64::try_from(raced).unwrap_or(0), problems.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_winners_or_none_at_all_are_problems_and_open_outcomes_are_not() {
        let results = |winners: usize, losers, open| Results {
            winners: vec![String::new(); winners],
            losers,
            open,
        };
        assert!(results(2, 0, 0).problem().is_some());
        assert!(results(0, 2, 0).problem().is_some());
        for fair in [
            results(1, 1, 0),
            results(0, 1, 1),
            results(1, 0, 1),
            results(0, 0, 2),
        ] {
            assert_eq!(fair.problem(), None);
        }
    }
}
