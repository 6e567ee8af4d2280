//! Where DNS leads a client, and why.
//!
//! Owns: putting DNS's own decision ([`Steering::choose`]) into words. Must never: decide by a rule of its own, which would
//! say something else than DNS does.

use std::time::{Duration, Instant};

use hickory_proto::rr::{LowerName, Name};
use holdfast_region_config::ids::RegionId;
use serde_json::{Value, json};

use super::ms;
use crate::app::App;
use crate::client_address::Client;
use crate::clock;
use crate::dns::config::DnsConfig;
use crate::dns::service;
use crate::dns::steering::{Choice, Steering};
use crate::dns::zone::public_addresses;
use crate::geo::Nearest;
use crate::routing::score::{Candidate, Health};

/// Where the client is taken to be, and what DNS makes of it.
pub(super) fn entry(app: &App, client: Client, now: Instant) -> (Nearest, Value) {
    let topology = app.upstream.topology();
    let nearest = app
        .geo
        .nearest_regions_of(&topology, client.addr, client.country);
    let steering = service::steering(app, clock::unix_ms());
    let name = steered_name(app.config.dns.as_ref());
    let gateways = public_addresses(&topology);
    // DNS names only what has an address. Where nothing has one there is no DNS, and all could be meant.
    let can_be_named = |region: &RegionId| gateways.is_empty() || gateways.contains_key(region);
    let order = nearest.regions.iter().map(|(region, _)| region.clone());
    let order: Vec<RegionId> = order.filter(can_be_named).collect();
    // Without a name of its own, this gateway tells what holds for every name that has no pin.
    let asked = LowerName::new(&name.clone().unwrap_or_else(Name::root));
    let told = Told::new(&steering, &asked, order);
    let known = app.upstream.candidates(&app.catalogue, now);
    let body = json!({
        "name": name.map(|name| name.to_string()),
        "region": told.choice.regions.first().map(|region| region.as_str()),
        "pinned": told.pinned.as_ref().map(|region| region.as_str()),
        "fail_open": told.fails_open(),
        "candidates": told.candidates(&nearest.regions, &nearest.measured, &known),
    });
    (nearest, body)
}

/// The first name that this gateway's own DNS server leads users by.
fn steered_name(config: Option<&DnsConfig>) -> Option<Name> {
    let config = config?;
    let first = config.names.first()?;
    config.name("dns.names", first).ok()
}

/// DNS's decision, and what it was made from.
struct Told<'a> {
    steering: &'a Steering,
    /// What can be named, nearest first.
    order: Vec<RegionId>,
    pinned: Option<RegionId>,
    choice: Choice,
}

impl<'a> Told<'a> {
    fn new(steering: &'a Steering, name: &LowerName, order: Vec<RegionId>) -> Self {
        let pinned = steering.pin(name).filter(|pin| order.contains(pin));
        Self {
            steering,
            pinned: pinned.cloned(),
            choice: steering.choose(name, &order, order.len()),
            order,
        }
    }

    /// Whether regions are named that look ill, and that nobody pinned.
    fn fails_open(&self) -> bool {
        let ill = |region: &RegionId| self.steering.down.contains(region);
        self.pinned.is_none() && self.choice.regions.iter().any(ill)
    }

    /// Where DNS would name `region`; what it would not name comes last.
    fn position(&self, region: &RegionId) -> usize {
        let at = self.choice.regions.iter().position(|one| one == region);
        at.unwrap_or(usize::MAX)
    }

    fn reason(&self, region: &RegionId) -> &'static str {
        let named = self.choice.regions.contains(region);
        let ill = self.steering.down.contains(region);
        let drained = self.steering.drained.contains(region);
        match &self.pinned {
            Some(pin) if pin == region => "pinned by an operator",
            Some(_) => "another region is pinned by an operator",
            None if !self.order.contains(region) => "has no address that DNS could name",
            None if named && ill => "ill, named all the same: fewer than half look well",
            None if named && drained => "drained by an operator, as every other is",
            None if named => "well, by distance",
            None if drained => "drained by an operator: nothing new goes there",
            None => "ill, as most regions see it",
        }
    }

    /// Every region, in the order of DNS and then of distance. The way to the client was measured by those in `measured`.
    fn candidates(
        &self,
        regions: &[(RegionId, Duration)],
        measured: &[RegionId],
        known: &[Candidate],
    ) -> Vec<Value> {
        let mut ordered: Vec<&(RegionId, Duration)> = regions.iter().collect();
        ordered.sort_by_key(|(region, _)| self.position(region));
        let one = |(region, estimate): &(RegionId, Duration)| {
            let seen = known.iter().find(|one| one.region == *region);
            let health = if self.steering.down.contains(region) {
                Health::Dead
            } else {
                seen.map_or(Health::Unknown, |seen| seen.health)
            };
            json!({
                "region": region.as_str(),
                "chosen": self.choice.regions.first() == Some(region),
                "reason": self.reason(region),
                "health": health.as_str(),
                "drained": self.steering.drained.contains(region),
                "cost_ms": ms(*estimate),
                "measured_ms": measured.contains(region).then(|| ms(*estimate)),
                "expected_ms": ms(*estimate),
            })
        };
        ordered.into_iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::str::FromStr as _;

    use super::*;

    fn id(text: &str) -> RegionId {
        RegionId::new(text).unwrap()
    }

    fn set(ids: &[&str]) -> BTreeSet<RegionId> {
        ids.iter().map(|text| id(text)).collect()
    }

    /// Regions with reasons as they are told to somebody nearest to `a`, then `b`, `c`, and whether it fails open. `d` has no
    /// address.
    fn told(steering: &Steering) -> (Vec<(String, String)>, bool) {
        let name = LowerName::from_str("tickets.example.").unwrap();
        let told = Told::new(steering, &name, ["a", "b", "c"].map(id).to_vec());
        let far = Duration::from_millis;
        let regions = [
            (id("d"), far(1)),
            (id("a"), far(2)),
            (id("b"), far(3)),
            (id("c"), far(4)),
        ];
        let listed = told.candidates(&regions, &[id("a")], &[]);
        assert_eq!(listed[0]["chosen"], true);
        for one in &listed {
            let measured = one["measured_ms"] == one["cost_ms"];
            assert_eq!(measured, one["region"] == "a", "the rest is estimated");
        }
        assert_eq!(
            listed[0]["region"].as_str(),
            told.choice.regions.first().map(|region| region.as_str()),
            "the first is what DNS would say first"
        );
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        let pairs = listed
            .iter()
            .map(|one| (text(&one["region"]), text(&one["reason"])));
        (pairs.collect(), told.fails_open())
    }

    fn regions(told: &(Vec<(String, String)>, bool)) -> String {
        let names: Vec<&str> = told.0.iter().map(|(region, _)| region.as_str()).collect();
        names.join(" ")
    }

    #[test]
    fn a_pin_is_told_before_distance_and_health() {
        let mut steering = Steering {
            down: set(&["c"]),
            pin_all: Some(id("c")),
            ..Steering::default()
        };
        let all = told(&steering);
        assert_eq!(regions(&all), "c d a b");
        assert_eq!(all.0[0].1, "pinned by an operator");
        assert_eq!(all.0[1].1, "another region is pinned by an operator");
        assert!(!all.1, "an operator wants it");
        let name = LowerName::from_str("tickets.example.").unwrap();
        steering.pins.insert(name, id("b"));
        assert_eq!(regions(&told(&steering)), "b d a c");
        steering.pins.clear();
        steering.pin_all = Some(id("d"));
        let all = told(&steering);
        assert_eq!(regions(&all), "a b d c", "what has no address is no pin");
        assert_eq!(all.0[2].1, "has no address that DNS could name");
    }

    #[test]
    fn ill_regions_are_named_once_fewer_than_half_are_well() {
        let mut steering = Steering {
            down: set(&["a"]),
            ..Steering::default()
        };
        let all = told(&steering);
        assert_eq!((regions(&all).as_str(), all.1), ("b c d a", false));
        assert_eq!(all.0[3].1, "ill, as most regions see it");
        steering.down = set(&["a", "b"]);
        let all = told(&steering);
        assert_eq!((regions(&all).as_str(), all.1), ("c a b d", true));
        assert!(all.0[1].1.starts_with("ill, named all the same"));
    }

    #[test]
    fn drained_regions_come_last_unless_nobody_is_left() {
        let mut steering = Steering {
            drained: set(&["a"]),
            ..Steering::default()
        };
        let all = told(&steering);
        assert_eq!((regions(&all).as_str(), all.1), ("b c d a", false));
        steering.drained = set(&["a", "b", "c"]);
        let all = told(&steering);
        assert_eq!((regions(&all).as_str(), all.1), ("a b c d", false));
        assert_eq!(all.0[0].1, "drained by an operator, as every other is");
    }
}
