//! The TOML file from which a show is created.
//!
//! Owns: its fields and their meaning. Must never: accept a field that it does not know: a misspelt limit would
//! silently be no limit.

use std::collections::BTreeMap;
use std::path::Path;

use holdfast_node_api::v1::{CreateShowRequest, RoomConfig};
use serde::Deserialize;

use super::Failure;

/// Longest file that can be a show, bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

pub(super) const HELP: &str = r#"The file:
  slug = "tides-friday"              # names the show for ever; the same file again changes nothing
  event = "tides"                    # slug of an event; or a table, which creates the event:
                                     # event = { slug = "tides", name = "Tides", category = "concert" }
  plan = "town-hall"                 # slug of an imported plan
  venue = "Town Hall"
  city = "Amsterdam"
  country = "NL"
  local_date = "2027-03-05"          # at the venue
  local_time = "20:15"
  time_zone = "Europe/Amsterdam"
  starts_at_ms = 1_804_274_100_000   # the same moment, milliseconds since 1970-01-01 UTC
  home_region = "westeurope"         # where the show's leader should be
  currency = "EUR"                   # ISO 4217
  # Optional, with the cluster's defaults when left out:
  # sale_opens_at_ms, sale_closes_at_ms, seats_per_order_max, seats_per_buyer_max,
  # single_seat_rule = "strict" | "lenient" | "off", hold_ttl_ms, hold_ttl_max_ms,
  # survival_goal = "region" | "zone" | "nothing" (the strongest possible when left out),
  # jurisdictions = ["EU"]             # where replicas may be, as the topology names it; anywhere when left out
  [price_minor]                      # minor units, for every category of the plan
  "Stalls front" = 6_500
  # Optional: a waiting room before the sale (docs/waiting-room.md)
  [waiting_room]
  opens_at_ms = 1_804_270_000_000    # people join the draw
  sale_at_ms = 1_804_270_600_000     # the draw is made, people are let in
  capacity = 3_000                   # people inside at once
  rate_per_minute = 3_000            # people let in, at most
  # claim_window_s = 600, pass_s = 600"#;

/// A show to be created.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShowFile {
    pub(super) slug: String,
    pub(super) event: EventChoice,
    pub(super) plan: String,
    venue: String,
    city: String,
    country: String,
    local_date: String,
    local_time: String,
    time_zone: String,
    starts_at_ms: u64,
    home_region: String,
    currency: String,
    price_minor: BTreeMap<String, u64>,
    #[serde(default)]
    sale_opens_at_ms: u64,
    #[serde(default)]
    sale_closes_at_ms: u64,
    #[serde(default)]
    seats_per_order_max: u32,
    #[serde(default)]
    seats_per_buyer_max: u32,
    #[serde(default)]
    single_seat_rule: String,
    #[serde(default)]
    hold_ttl_ms: u64,
    #[serde(default)]
    hold_ttl_max_ms: u64,
    #[serde(default)]
    survival_goal: String,
    #[serde(default)]
    jurisdictions: Vec<String>,
    waiting_room: Option<WaitingRoom>,
}

/// A waiting room before the sale.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WaitingRoom {
    opens_at_ms: u64,
    sale_at_ms: u64,
    capacity: u32,
    rate_per_minute: u32,
    #[serde(default)]
    claim_window_s: u64,
    #[serde(default)]
    pass_s: u64,
}

/// The event that a show belongs to.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum EventChoice {
    /// One that is there.
    Slug(String),
    /// One that is created unless it is there.
    New(NewEvent),
}

/// An event to be created.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewEvent {
    pub(super) slug: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) category: String,
    #[serde(default)]
    pub(super) description: String,
}

impl ShowFile {
    /// Reads `path`; an error names the line and the field.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let fail =
            |reason: &dyn std::fmt::Display| Failure::file(path.display().to_string(), reason);
        let length = std::fs::metadata(path).map_err(|error| fail(&error))?.len();
        if length > FILE_BYTES_MAX {
            return Err(fail(&format!(
                "is {length} bytes long; a show has at most {FILE_BYTES_MAX}"
            )));
        }
        let text = std::fs::read_to_string(path).map_err(|error| fail(&error))?;
        toml::from_str(&text).map_err(|error| fail(&error.to_string().trim_end()))
    }

    /// The waiting room that the show is to have.
    pub(super) fn waiting_room(&self) -> Option<RoomConfig> {
        let room = self.waiting_room.as_ref()?;
        Some(RoomConfig {
            opens_at_ms: room.opens_at_ms,
            sale_at_ms: room.sale_at_ms,
            capacity: room.capacity,
            rate_per_min: room.rate_per_minute,
            claim_window_ms: room.claim_window_s.saturating_mul(1_000),
            pass_ttl_ms: room.pass_s.saturating_mul(1_000),
        })
    }

    /// What the directory is asked for.
    pub(super) fn request(&self, event_id: u64, plan_id: u64) -> CreateShowRequest {
        CreateShowRequest {
            slug: self.slug.clone(),
            event_id,
            plan_id,
            venue: self.venue.clone(),
            city: self.city.clone(),
            country: self.country.clone(),
            starts_at_ms: self.starts_at_ms,
            time_zone: self.time_zone.clone(),
            local_date: self.local_date.clone(),
            local_time: self.local_time.clone(),
            home_region: self.home_region.clone(),
            currency: self.currency.clone(),
            price_minor: self.price_minor.clone().into_iter().collect(),
            sale_opens_at_ms: self.sale_opens_at_ms,
            sale_closes_at_ms: self.sale_closes_at_ms,
            seats_per_order_max: self.seats_per_order_max,
            seats_per_buyer_max: self.seats_per_buyer_max,
            single_seat_rule: self.single_seat_rule.clone(),
            hold_ttl_ms: self.hold_ttl_ms,
            hold_ttl_max_ms: self.hold_ttl_max_ms,
            survival_goal: self.survival_goal.clone(),
            jurisdictions: self.jurisdictions.clone(),
        }
    }
}
