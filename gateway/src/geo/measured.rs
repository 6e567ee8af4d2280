//! How far networks are from each region, as measured by the gateways of that region.
//!
//! ```text
//!   region ─► network ─► least round trip that was measured, good for a day
//!         └─► number of change ─► network: the first is forgotten first, the last is news to others
//! ```
//!
//! Owns: the bounds, and what others are told: only what was measured here, so that nothing goes round. Must never: keep an
//! address, only the network that it is in.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use holdfast_region_config::ids::RegionId;
use holdfast_region_config::topology::Topology;

use super::prefix_len_max;
use super::told::{Cursor, RoundTrip, TOLD_MAX, Told};
use crate::network::Network;

/// Networks kept for each region, about 170 bytes each, so 11 MB when full. Those that changed longest ago go first.
pub const NETWORKS_MAX: usize = 65_536;
/// A longer round trip is a pause and no way.
pub const ROUND_TRIP_MAX: Duration = Duration::from_secs(2);
/// What was measured longer ago is not believed any more: ways change.
pub const GOOD_FOR: Duration = Duration::from_secs(24 * 3_600);

/// The network of `addr` that a round trip is kept for.
#[must_use]
pub fn network_of(addr: IpAddr) -> Network {
    Network::of(addr, prefix_len_max(addr))
}

/// Round trips to networks, by region.
#[derive(Debug)]
pub struct Measured {
    own: RegionId,
    /// Tells this process from the one that was here before it.
    instance: u64,
    /// By the region that measured. Never held over an await.
    logs: Mutex<BTreeMap<RegionId, Log>>,
}

impl Measured {
    /// Nothing measured yet; `own` is the region of this process and `instance` a number that no other process has.
    #[must_use]
    pub fn new(own: RegionId, instance: u64) -> Self {
        let logs = BTreeMap::from([(own.clone(), Log::default())]);
        Self {
            own,
            instance,
            logs: Mutex::new(logs),
        }
    }

    fn with<T>(&self, f: impl FnOnce(&mut BTreeMap<RegionId, Log>) -> T) -> T {
        f(&mut self.logs.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes what was measured here; says whether it is a round trip at all.
    pub fn take(&self, network: Network, round_trip: Duration, now: Instant) -> bool {
        let is_a_way = round_trip <= ROUND_TRIP_MAX;
        if is_a_way {
            self.with(|logs| {
                let own = logs.entry(self.own.clone()).or_default();
                own.put(network, round_trip, now + GOOD_FOR, now);
            });
        }
        is_a_way
    }

    /// Takes what a gateway of region `from` measured. What cannot be true of a network is left out.
    pub fn hear(&self, from: &RegionId, told: &[RoundTrip], now: Instant) {
        self.with(|logs| {
            let log = logs.entry(from.clone()).or_default();
            for one in told.iter().take(TOLD_MAX) {
                let round_trip = Duration::from_micros(one.round_trip_us);
                let is_whole = one.network == network_of(one.network.addr());
                if is_whole && round_trip <= ROUND_TRIP_MAX {
                    let good_for = Duration::from_millis(one.good_for_ms).min(GOOD_FOR);
                    log.put(one.network, round_trip, now + good_for, now);
                }
            }
        });
    }

    /// What was measured here and is new to somebody who has heard up to `after`; everything, for whoever heard another process.
    #[must_use]
    pub fn tell(&self, after: Option<Cursor>, now: Instant) -> Told {
        let after = after.filter(|after| after.instance == self.instance);
        let after = after.map_or(0, |after| after.change);
        let mut told = Told {
            region: self.own.clone(),
            next: Cursor {
                instance: self.instance,
                change: after,
            },
            round_trips: Vec::new(),
        };
        self.with(|logs| {
            let own = logs.get(&self.own);
            for (change, network, kept) in own.into_iter().flat_map(|log| log.since(after)) {
                if told.round_trips.len() == TOLD_MAX {
                    break;
                }
                told.next.change = change;
                let good_for = kept.good_until.saturating_duration_since(now);
                if !good_for.is_zero() {
                    told.round_trips.push(RoundTrip {
                        network,
                        round_trip_us: whole(kept.round_trip.as_micros()),
                        good_for_ms: whole(good_for.as_millis()),
                    });
                }
            }
        });
        told
    }

    /// Round trips between `network` and those regions that know theirs.
    #[must_use]
    pub fn of(&self, network: Network, now: Instant) -> Vec<(RegionId, Duration)> {
        self.with(|logs| {
            let known = logs.iter().filter_map(|(region, log)| {
                let round_trip = log.get(network, now)?;
                Some((region.clone(), round_trip))
            });
            known.collect()
        })
    }

    /// Whether nothing is known of any network.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.with(|logs| logs.values().all(|log| log.networks.is_empty()))
    }

    /// How many networks are known, by the region that measured.
    #[must_use]
    pub fn networks(&self) -> Vec<(RegionId, usize)> {
        self.with(|logs| {
            let counts = logs.iter();
            let counts = counts.map(|(region, log)| (region.clone(), log.networks.len()));
            counts.collect()
        })
    }

    /// Forgets what is too old, and regions that `topology` does not have any more.
    pub fn tidy(&self, topology: &Topology, now: Instant) {
        self.with(|logs| {
            logs.retain(|region, log| {
                log.forget_old(now);
                *region == self.own || topology.region(region).is_some()
            });
        });
    }
}

fn whole(count: u128) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// What one region measured.
#[derive(Debug, Default)]
struct Log {
    networks: HashMap<Network, Kept>,
    /// Each network by the number of its last change.
    changes: BTreeMap<u64, Network>,
    last_change: u64,
}

#[derive(Debug, Clone, Copy)]
struct Kept {
    round_trip: Duration,
    good_until: Instant,
    change: u64,
}

impl Log {
    /// Keeps the smaller of two round trips. The larger one does not make it last longer: it may be a way that is gone.
    fn put(&mut self, network: Network, round_trip: Duration, good_until: Instant, now: Instant) {
        if let Some(known) = self.networks.get(&network) {
            if known.good_until > now && known.round_trip <= round_trip {
                return;
            }
            self.changes.remove(&known.change);
        }
        self.last_change += 1;
        let change = self.last_change;
        self.changes.insert(change, network);
        let kept = Kept {
            round_trip,
            good_until,
            change,
        };
        self.networks.insert(network, kept);
        self.forget(now);
    }

    /// Forgets whatever is too old. What was heard lasts for different times, so that the order of arrival is not that of ending.
    fn forget_old(&mut self, now: Instant) {
        self.networks.retain(|_, known| known.good_until > now);
        let networks = &self.networks;
        self.changes
            .retain(|_, network| networks.contains_key(network));
    }

    /// Makes room: forgets the first to come, while they are too old or there are too many.
    fn forget(&mut self, now: Instant) {
        while let Some(first) = self.changes.first_entry() {
            let network = *first.get();
            let known = self.networks.get(&network);
            let good = known.is_some_and(|known| known.good_until > now);
            if good && self.networks.len() <= NETWORKS_MAX {
                return;
            }
            first.remove();
            self.networks.remove(&network);
        }
    }

    fn get(&self, network: Network, now: Instant) -> Option<Duration> {
        let known = self.networks.get(&network)?;
        (known.good_until > now).then_some(known.round_trip)
    }

    /// Changes after number `after`, with what is known now.
    fn since(&self, after: u64) -> impl Iterator<Item = (u64, Network, Kept)> {
        let changes = self
            .changes
            .range((Bound::Excluded(after), Bound::Unbounded));
        changes.filter_map(|(change, network)| {
            let kept = self.networks.get(network)?;
            Some((*change, *network, *kept))
        })
    }
}

#[cfg(test)]
mod tests;
