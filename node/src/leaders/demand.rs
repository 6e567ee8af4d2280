//! Where a show's buyers are, and from where they would be served best. Pure.
//!
//! ```text
//!  cost(l) = Σ_u weight(u) · (round trip u→l + floor(l))      u: a gateway's region, l: a region that may lead
//! ```
//!
//! Weights are commands, fading with a half-life. A region must be cheaper by a good part for a good while before it is wanted:
//! a leader that chases every wave is worse than one that stays. Owns: that damping. Must never: read a clock, or want a region
//! from which the group cannot be led.

use std::{collections::BTreeMap, time::Duration};

use holdfast_region_config::{RegionId, RttMatrix};
use tokio::time::Instant;

/// A command counts half after this long.
pub const HALF_LIFE: Duration = Duration::from_secs(60);
/// Another region must be cheaper by this part of the cost.
pub const GAIN_MIN: f64 = 0.15;
/// And for this long without a break.
pub const GAIN_FOR: Duration = Duration::from_secs(60);
/// Fewer commands than this, faded, say nothing about where the buyers are.
pub const WEIGHT_MIN: f64 = 10.0;

/// A region that may lead, and the least time in which it commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// The region.
    pub region: RegionId,
    /// Its commit floor.
    pub floor: Duration,
}

/// What one show's leader knows of its buyers.
#[derive(Debug, Default)]
pub struct Demand {
    weights: BTreeMap<RegionId, f64>,
    faded_at: Option<Instant>,
    better: Option<(RegionId, Instant)>,
}

impl Demand {
    /// Takes in the commands that came since the last look, by the region of the gateway that sent them.
    pub fn count(&mut self, now: Instant, commands: impl IntoIterator<Item = (RegionId, u64)>) {
        let since = self
            .faded_at
            .map_or(Duration::ZERO, |at| now.duration_since(at));
        self.faded_at = Some(now);
        let fading = 0.5_f64.powf(since.as_secs_f64() / HALF_LIFE.as_secs_f64());
        self.weights
            .values_mut()
            .for_each(|weight| *weight *= fading);
        for (region, commands) in commands {
            // A count beyond 2^52 is no count of commands.
            *self.weights.entry(region).or_default() += commands as f64;
        }
        self.weights.retain(|_, weight| *weight > 0.01);
    }

    /// The region that should lead instead of `here`, once that is certain enough.
    pub fn better_than(
        &mut self,
        here: &RegionId,
        seats: &[Seat],
        rtt: &RttMatrix,
        now: Instant,
    ) -> Option<RegionId> {
        let found = self.cheapest(here, seats, rtt);
        let Some(found) = found else {
            self.better = None;
            return None;
        };
        match &self.better {
            Some((region, since)) if *region == found => {
                (now.duration_since(*since) >= GAIN_FOR).then_some(found)
            }
            Some(_) | None => {
                self.better = Some((found, now));
                None
            }
        }
    }

    /// The cheapest region, when it is cheaper than `here` by enough.
    fn cheapest(&self, here: &RegionId, seats: &[Seat], rtt: &RttMatrix) -> Option<RegionId> {
        if self.weights.values().sum::<f64>() < WEIGHT_MIN {
            return None;
        }
        let own = seats.iter().find(|seat| seat.region == *here)?;
        let best = seats
            .iter()
            .min_by(|a, b| self.cost(a, rtt).total_cmp(&self.cost(b, rtt)))?;
        let enough = self.cost(best, rtt) < self.cost(own, rtt) * (1.0 - GAIN_MIN);
        enough.then(|| best.region.clone())
    }

    fn cost(&self, seat: &Seat, rtt: &RttMatrix) -> f64 {
        let from = |(region, weight): (&RegionId, &f64)| {
            let way = rtt.between(region, &seat.region).saturating_add(seat.floor);
            weight * way.as_secs_f64()
        };
        self.weights.iter().map(from).sum()
    }
}

#[cfg(test)]
mod tests {
    use holdfast_region_config::Topology;

    use super::*;

    const TRIO: [&str; 3] = ["eastus", "westeurope", "southeastasia"];

    struct Sale {
        demand: Demand,
        topology: Topology,
        now: Instant,
        here: RegionId,
        moves: Vec<RegionId>,
    }

    fn region(name: &str) -> RegionId {
        RegionId::new(name).unwrap()
    }

    impl Sale {
        fn led_from(here: &str) -> Self {
            Self {
                demand: Demand::default(),
                topology: Topology::preset("three-regions").unwrap(),
                now: Instant::now(),
                here: region(here),
                moves: Vec::new(),
            }
        }

        /// `seconds` in which each region sends so many holds a second.
        fn run(&mut self, seconds: u64, holds_per_s: [u64; 3]) {
            let rtt = &self.topology.rtt;
            let seats: Vec<Seat> = TRIO
                .iter()
                .map(|name| Seat {
                    region: region(name),
                    floor: rtt.commit_floor(
                        &region(name),
                        TRIO.iter()
                            .filter(|other| *other != name)
                            .map(|n| region(n))
                            .collect::<Vec<_>>()
                            .iter(),
                    ),
                })
                .collect();
            for _ in 0..seconds {
                self.now += Duration::from_secs(1);
                let holds = TRIO.iter().map(|name| region(name)).zip(holds_per_s);
                self.demand.count(self.now, holds);
                let better = self.demand.better_than(&self.here, &seats, rtt, self.now);
                if let Some(better) = better {
                    // The next leader begins with nothing.
                    self.demand = Demand::default();
                    self.here = better.clone();
                    self.moves.push(better);
                }
            }
        }
    }

    #[test]
    fn a_leader_goes_where_the_buyers_are_and_stays_there() {
        let mut sale = Sale::led_from("eastus");
        sale.run(59, [0, 50, 0]);
        assert_eq!(sale.moves, []);
        sale.run(600, [0, 50, 0]);
        assert_eq!(sale.moves, [region("westeurope")]);
    }

    #[test]
    fn buyers_who_wake_up_elsewhere_take_the_leader_with_them() {
        let mut sale = Sale::led_from("westeurope");
        sale.run(300, [2, 40, 0]);
        sale.run(900, [40, 2, 0]);
        assert_eq!(sale.moves, [region("eastus")]);
    }

    #[test]
    fn waves_shorter_than_the_damping_move_nothing() {
        let mut sale = Sale::led_from("eastus");
        for _ in 0..20 {
            sale.run(30, [0, 50, 0]);
            sale.run(60, [80, 0, 0]);
        }
        assert_eq!(sale.moves, []);
    }

    #[test]
    fn a_gain_that_is_too_small_is_not_taken() {
        // Half and half: the other side of the Atlantic is no better for both together.
        let mut sale = Sale::led_from("eastus");
        sale.run(900, [50, 52, 0]);
        assert_eq!(sale.moves, []);
    }

    #[test]
    fn a_handful_of_buyers_says_nothing() {
        let mut sale = Sale::led_from("eastus");
        for _ in 0..10 {
            sale.run(1, [0, 4, 0]);
            sale.run(120, [0, 0, 0]);
        }
        assert_eq!(sale.moves, []);
    }

    #[test]
    fn far_buyers_count_for_a_leader_between_them_and_its_quorum() {
        // Singapore's own floor is 160 ms and more: most of its buyers are served faster from elsewhere only by others' weight.
        let mut sale = Sale::led_from("eastus");
        sale.run(400, [0, 30, 30]);
        assert_eq!(sale.moves, [region("westeurope")]);
    }
}
