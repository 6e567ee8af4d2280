//! An on-sale rush: everybody wants the best seats, a few take what is left, some change their minds.
//!
//! Seats are wanted after Zipf: the best one twice as often as the second, three times as often as the third.
//!
//! Owns: who wants what. Must never: give up its own count of sales because the system says otherwise.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use futures_util::future::BoxFuture;
use rand::Rng;
use rand::rngs::StdRng;

use super::Workload;
use super::client::Client;
use super::request::Request;
use super::scene::Stall;

/// How often a buyer looks for other seats before leaving.
const TRIES_MAX: usize = 3;
/// Of a hundred holds so many are paid; the rest is given back or left to lapse.
const PAID_PERCENT: u32 = 80;
const GIVEN_BACK_PERCENT: u32 = 10;

#[derive(Debug)]
pub(super) struct Rush {
    stalls: Vec<(Stall, Zipf)>,
    /// Seat of a show → order. Never held over an await.
    sold: Mutex<Sold>,
}

#[derive(Debug, Default)]
struct Sold {
    seats: BTreeMap<(String, String), String>,
    twice: Vec<String>,
}

impl Rush {
    pub(super) fn set_up(stalls: Vec<Stall>) -> Self {
        let stalls = stalls.into_iter().map(|stall| {
            let zipf = Zipf::new(stall.seats.len());
            (stall, zipf)
        });
        Self {
            stalls: stalls.collect(),
            sold: Mutex::default(),
        }
    }

    async fn one(&self, client: &mut Client) {
        client.go_home();
        let at = client.random.random_range(0..self.stalls.len());
        let (stall, zipf) = &self.stalls[at];
        let good = |random: &mut StdRng| zipf.draw(random);
        let held = client.hold_some(stall, TRIES_MAX, good).await;
        let Some(hold) = held else { return };
        let lot = client.random.random_range(0..100);
        if lot < PAID_PERCENT {
            self.pay(client, stall, hold).await;
        } else if lot < PAID_PERCENT + GIVEN_BACK_PERCENT {
            client.write(Request::Release { hold }).await;
        }
    }

    async fn pay(&self, client: &mut Client, stall: &Stall, hold: String) {
        let Some(order) = client.done(Request::Order { hold }).await else {
            return;
        };
        let pay = Request::Pay {
            order: order.clone(),
        };
        let Some(paid) = client.write(pay).await else {
            return;
        };
        if paid.state() == "confirmed" {
            let mut sold = self.sold.lock().unwrap_or_else(PoisonError::into_inner);
            sold.take(&stall.show, &order, paid.seats());
        }
    }
}

impl Sold {
    fn take(&mut self, show: &str, order: &str, seats: Vec<String>) {
        for seat in seats {
            let place = (show.to_owned(), seat);
            let other = self.seats.insert(place.clone(), order.to_owned());
            if let Some(other) = other.filter(|other| other != order) {
                let (show, seat) = place;
                self.twice.push(format!(
                    "{seat} of {show} was sold in {other} and in {order}"
                ));
            }
        }
    }
}

impl Workload for Rush {
    fn turn<'a>(&'a self, client: &'a mut Client) -> BoxFuture<'a, ()> {
        Box::pin(self.one(client))
    }

    fn check(&self) -> (u64, Vec<String>) {
        let sold = self.sold.lock().unwrap_or_else(PoisonError::into_inner);
        let count = u64::try_from(sold.seats.len()).unwrap_or(u64::MAX);
        (count, sold.twice.clone())
    }
}

/// Ranks drawn in proportion to 1 ÷ (rank + 1).
#[derive(Debug)]
struct Zipf {
    /// Share of all draws up to and with each rank.
    up_to: Vec<f64>,
}

impl Zipf {
    fn new(ranks: usize) -> Self {
        let mut sum = 0.0;
        let mut rank = 0.0;
        let up_to = std::iter::repeat_with(|| {
            rank += 1.0;
            sum += 1.0 / rank;
            sum
        });
        let up_to: Vec<f64> = up_to.take(ranks).collect();
        Self { up_to }
    }

    fn draw(&self, random: &mut impl Rng) -> usize {
        let whole = self.up_to.last().copied().unwrap_or(1.0);
        let lot = random.random_range(0.0..whole);
        self.up_to.partition_point(|up_to| *up_to <= lot)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn the_best_seat_is_wanted_twice_as_often_as_the_second() {
        let zipf = Zipf::new(1_000);
        let mut random = StdRng::seed_from_u64(1);
        let mut wanted = [0_u32; 1_000];
        for _ in 0..100_000 {
            wanted[zipf.draw(&mut random)] += 1;
        }
        let ratio = f64::from(wanted[0]) / f64::from(wanted[1]);
        assert!((1.8..2.2).contains(&ratio), "{ratio}");
        assert!(wanted.iter().filter(|count| **count > 0).count() > 900);
    }

    #[test]
    fn a_seat_in_two_orders_is_found_and_a_repeated_order_is_not() {
        let mut sold = Sold::default();
        sold.take("s1", "o1", vec!["A".into(), "B".into()]);
        sold.take("s1", "o1", vec!["A".into()]);
        sold.take("s2", "o3", vec!["A".into()]);
        assert!(sold.twice.is_empty());
        sold.take("s1", "o2", vec!["B".into()]);
        assert_eq!(sold.twice, ["B of s1 was sold in o1 and in o2"]);
    }
}
