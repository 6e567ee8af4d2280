//! The model's view of places: who claims what, which seats are free, which choice is a good one.

use std::collections::BTreeSet;

use holdfast_inventory::ids::BuyerId;
use holdfast_inventory::outcome::{HoldState, OrderState};
use holdfast_inventory::show::SingleSeatRule;

use super::Model;
use crate::plan;
use crate::said::Said;

/// Neighbours in order, known by heart and not computed. The second row is numbered odd to the left and even to the right.
const RUNS: [&[u32]; 4] = [&[0, 1, 2, 3], &[4, 5], &[10, 8, 6, 7, 9], &[11, 12, 13]];
impl Model {
    /// Every claim on places there is: buyer, seats, area, count, sold.
    pub(crate) fn claims(
        &self,
    ) -> impl Iterator<Item = (BuyerId, &[u32], Option<usize>, u32, bool)> {
        let holds = self
            .holds
            .iter()
            .filter(|h| h.said.state == HoldState::Active)
            .map(|h| {
                (
                    h.buyer,
                    h.said.seats.as_slice(),
                    h.said.area,
                    h.said.quantity,
                    false,
                )
            });
        let orders = self.orders.iter().filter_map(|o| {
            let sold = match o.said.state {
                OrderState::Open | OrderState::Paying => false,
                OrderState::Paid | OrderState::Confirmed => true,
                OrderState::Cancelled | OrderState::Expired => return None,
            };
            Some((
                o.buyer,
                o.said.seats.as_slice(),
                o.area,
                o.said.quantity,
                sold,
            ))
        });
        holds.chain(orders)
    }

    pub(crate) fn is_free(&self, seat: u32) -> bool {
        seat < plan::SEATS
            && !self.blocked.contains(&seat)
            && !self.claims().any(|(_, seats, ..)| seats.contains(&seat))
    }

    pub(crate) fn in_area(&self, area: usize) -> u32 {
        self.claims()
            .filter(|c| c.2 == Some(area))
            .map(|c| c.3)
            .sum()
    }

    pub(crate) fn of_buyer(&self, buyer: BuyerId) -> u32 {
        self.claims().filter(|c| c.0 == buyer).map(|c| c.3).sum()
    }

    pub(crate) fn over_limits(&self, who: BuyerId, quantity: usize) -> Vec<&'static str> {
        let mut no = Vec::new();
        if quantity > plan::PER_ORDER {
            no.push("too_many_seats");
        }
        if self.now_ms < plan::OPENS_MS {
            no.push("sale_not_open");
        }
        if self.now_ms >= plan::CLOSES_MS {
            no.push("sale_closed");
        }
        if self.of_buyer(who) as usize + quantity > plan::PER_BUYER as usize {
            no.push("buyer_limit");
        }
        no
    }

    /// The single seats that taking `seats` leaves: (all of them, those that the rule forbids).
    fn singles(&self, seats: &[u32]) -> (usize, usize) {
        let free_before = (0..plan::SEATS).filter(|s| self.is_free(*s)).count();
        let nearly_sold_out = free_before * 100 <= plan::SEATS as usize * 5;
        let (mut all, mut forbidden) = (0, 0);
        for run in RUNS {
            let before: Vec<bool> = run.iter().map(|s| self.is_free(*s)).collect();
            let after: Vec<bool> = run
                .iter()
                .zip(&before)
                .map(|(s, free)| *free && !seats.contains(s))
                .collect();
            let alone = |free: &[bool], i: usize| {
                (i == 0 || !free[i - 1]) && (i + 1 == free.len() || !free[i + 1])
            };
            for i in 0..run.len() {
                if !after[i] || !alone(&after, i) || alone(&before, i) {
                    continue;
                }
                all += 1;
                let start = (0..=i).rev().take_while(|j| before[*j]).last().unwrap();
                let end = (i..run.len()).take_while(|j| before[*j]).last().unwrap();
                let only_one = (start..=end).filter(|j| after[*j]).count() == 1;
                let excused = self.rule == SingleSeatRule::Lenient && (nearly_sold_out || only_one);
                if !excused && self.rule != SingleSeatRule::Off {
                    forbidden += 1;
                }
            }
        }
        (
            all,
            if seats.contains(&plan::ACCESSIBLE) {
                0
            } else {
                forbidden
            },
        )
    }

    pub(crate) fn leaves_forbidden_single(&self, seats: &[u32]) -> bool {
        self.singles(seats).1 > 0
    }

    /// Whether the seats that came are good ones: `None` when rightly none came.
    pub(crate) fn check_best(
        &self,
        quantity: u32,
        category: Option<usize>,
        accessible: u32,
        came: &Said,
    ) -> Result<Option<Vec<u32>>, String> {
        let right = |s: &u32| self.is_free(*s) && category.is_none_or(|c| plan::category(*s) == c);
        let suits = |s: &u32| right(s) && *s != plan::ACCESSIBLE && *s != plan::COMPANION;
        let windows: Vec<&[u32]> = RUNS
            .iter()
            .flat_map(|run| run.windows(quantity as usize))
            .filter(|w| w.iter().all(suits) && !self.leaves_forbidden_single(w))
            .collect();
        let Said::Hold(hold) = came else {
            let enough = match accessible {
                0 => !windows.is_empty(),
                1 => {
                    let others = (0..plan::SEATS).filter(right).count();
                    right(&plan::ACCESSIBLE) && others >= quantity as usize
                }
                _ => false,
            };
            return if enough {
                Err("there are such seats".to_owned())
            } else {
                Ok(None)
            };
        };
        let seats = &hold.seats;
        let distinct: BTreeSet<&u32> = seats.iter().collect();
        if distinct.len() != quantity as usize || !seats.iter().all(right) {
            return Err(format!("{seats:?} are not {quantity} right seats"));
        }
        let has_accessible = u32::from(seats.contains(&plan::ACCESSIBLE));
        if has_accessible != accessible {
            return Err(format!("{seats:?} have {has_accessible} accessible seats"));
        }
        if accessible == 0 {
            if !seats.iter().all(suits) || self.leaves_forbidden_single(seats) {
                return Err(format!(
                    "{seats:?} are kept for others or leave a single seat"
                ));
            }
            let is = |w: &&&[u32]| w.iter().all(|s| seats.contains(s));
            let window = windows.iter().find(is);
            if window.is_none() && !windows.is_empty() {
                return Err(format!("{seats:?} are apart although {windows:?} are free"));
            }
            let clean = |w: &[u32]| self.singles(w).0 == 0;
            if window.is_some_and(|w| !clean(w)) && windows.iter().any(|w| clean(w)) {
                return Err(format!("{seats:?} leave a single seat needlessly"));
            }
        } else if seats.len() > 1 && right(&plan::COMPANION) && !seats.contains(&plan::COMPANION) {
            return Err(format!("{seats:?} leave the companion seat out"));
        }
        Ok(Some(seats.clone()))
    }
}
