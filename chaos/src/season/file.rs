//! The season's file form: what `season.toml` says.
//!
//! Owns: reading it and checking that its parts refer to each other. Must never: talk to a cluster.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Every file of `season/`, embedded: path below it, content.
static EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/season_files.rs"));

/// A season: plans, events, shows. Each has a slug, unique among its kind, by which the others refer to it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Season {
    /// Seating plans.
    #[serde(rename = "plan", default)]
    pub plans: Vec<PlanEntry>,
    /// Events.
    #[serde(rename = "event", default)]
    pub events: Vec<EventEntry>,
    /// Shows.
    #[serde(rename = "show", default)]
    pub shows: Vec<ShowEntry>,
}

/// A plan by file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanEntry {
    /// Unique among plans.
    pub slug: String,
    /// Path below the season's directory.
    pub file: String,
    /// The file's content; filled in when the season is read.
    #[serde(skip)]
    pub json: String,
}

/// An event.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventEntry {
    /// Unique among events.
    pub slug: String,
    /// For people.
    pub name: String,
    /// "concert", "match", "theatre", …
    pub category: String,
    /// For people, a sentence or two.
    #[serde(default)]
    pub description: String,
}

/// A show. The fields are those of `CreateShowRequest`, whose defaults hold for what is left away.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowEntry {
    /// Unique among shows.
    pub slug: String,
    /// Slug of the event.
    pub event: String,
    /// Slug of the plan.
    pub plan: String,
    /// Name of the house.
    pub venue: String,
    /// City of the house.
    pub city: String,
    /// Country of the house.
    pub country: String,
    /// Start, ms since the Unix epoch.
    pub starts_at_ms: u64,
    /// The venue's IANA time zone.
    pub time_zone: String,
    /// Local date at the venue, YYYY-MM-DD.
    pub local_date: String,
    /// Local time at the venue, HH:MM.
    pub local_time: String,
    /// Where the leader should be. A cluster without this region puts it into its first one.
    pub home_region: String,
    /// ISO 4217.
    pub currency: String,
    /// Price of each category of the plan, in minor units.
    pub price_minor: BTreeMap<String, u64>,
    /// Sale opens, ms since the epoch; 0 = at once.
    #[serde(default)]
    pub sale_opens_at_ms: u64,
    /// Sale closes, ms since the epoch; 0 = at the start.
    #[serde(default)]
    pub sale_closes_at_ms: u64,
    /// 0 = the node's default.
    #[serde(default)]
    pub seats_per_order_max: u32,
    /// 0 = the node's default.
    #[serde(default)]
    pub seats_per_buyer_max: u32,
    /// "strict", "lenient", "off"; empty = the node's default.
    #[serde(default)]
    pub single_seat_rule: String,
    /// How long a hold lives, ms; 0 = the node's default.
    #[serde(default)]
    pub hold_ttl_ms: u64,
    /// How long a hold may be extended to, ms; 0 = the node's default.
    #[serde(default)]
    pub hold_ttl_max_ms: u64,
}

/// Why a season cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SeasonError {
    /// A file is not there.
    #[error("{}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The program was built without a season.
    #[error("this program was built without a sample season")]
    NotEmbedded,
    /// Not TOML, or a key is unknown, missing or of the wrong type.
    #[error("season.toml cannot be understood: {0}")]
    Syntax(#[from] toml::de::Error),
    /// A slug is given twice or refers to nothing.
    #[error("season.toml: {key}: {reason}")]
    Reference {
        /// As in `show[3].plan`.
        key: String,
        /// What is wrong.
        reason: String,
    },
}

impl Season {
    /// The season that comes with the program.
    ///
    /// # Errors
    /// When it is broken, which its test rules out, or was not there at build time.
    pub fn embedded() -> Result<Self, SeasonError> {
        let find = |name: &str| {
            EMBEDDED
                .iter()
                .find(|(known, _)| *known == name)
                .map(|f| f.1)
        };
        let text = find("season.toml").ok_or(SeasonError::NotEmbedded)?;
        Self::read(text, |file| {
            let missing = || SeasonError::Read {
                path: file.into(),
                source: std::io::ErrorKind::NotFound.into(),
            };
            find(file).map(str::to_owned).ok_or_else(missing)
        })
    }

    /// A season from a directory with a `season.toml`.
    ///
    /// # Errors
    /// Every kind of [`SeasonError`].
    pub fn from_dir(dir: &Path) -> Result<Self, SeasonError> {
        let read = |file: &str| {
            let path = dir.join(file);
            std::fs::read_to_string(&path).map_err(|source| SeasonError::Read { path, source })
        };
        Self::read(&read("season.toml")?, read)
    }

    fn read(
        text: &str,
        file: impl Fn(&str) -> Result<String, SeasonError>,
    ) -> Result<Self, SeasonError> {
        let mut season: Self = toml::from_str(text)?;
        season.check()?;
        for plan in &mut season.plans {
            plan.json = file(&plan.file)?;
        }
        Ok(season)
    }

    fn check(&self) -> Result<(), SeasonError> {
        let plans: Vec<&str> = self.plans.iter().map(|plan| plan.slug.as_str()).collect();
        let events: Vec<&str> = self
            .events
            .iter()
            .map(|event| event.slug.as_str())
            .collect();
        let shows: Vec<&str> = self.shows.iter().map(|show| show.slug.as_str()).collect();
        for (kind, slugs) in [("plan", &plans), ("event", &events), ("show", &shows)] {
            for (at, slug) in slugs.iter().enumerate() {
                if slugs[..at].contains(slug) {
                    return Err(fault(kind, at, "slug", format!("{slug:?} is there twice")));
                }
            }
        }
        for (at, show) in self.shows.iter().enumerate() {
            if !plans.contains(&show.plan.as_str()) {
                return Err(fault(
                    "show",
                    at,
                    "plan",
                    format!("there is no plan {:?}", show.plan),
                ));
            }
            if !events.contains(&show.event.as_str()) {
                return Err(fault(
                    "show",
                    at,
                    "event",
                    format!("there is no event {:?}", show.event),
                ));
            }
        }
        Ok(())
    }
}

fn fault(kind: &str, at: usize, key: &str, reason: String) -> SeasonError {
    SeasonError::Reference {
        key: format!("{kind}[{at}].{key}"),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOW: &str = "event = 'e'\nplan = 'p'\nvenue = 'V'\ncity = 'C'\ncountry = 'DE'\nstarts_at_ms = 1\n\
        time_zone = 'UTC'\nlocal_date = '2027-01-01'\nlocal_time = '20:00'\nhome_region = 'a'\ncurrency = 'EUR'\n\
        [show.price_minor]\nA = 100\n";

    fn read(text: &str) -> Result<Season, SeasonError> {
        Season::read(text, |_| Ok(String::new()))
    }

    #[test]
    fn the_embedded_season_is_sound_and_plays_in_three_regions() {
        let season = Season::embedded().unwrap();
        let mut homes: Vec<_> = season
            .shows
            .iter()
            .map(|show| show.home_region.as_str())
            .collect();
        homes.sort_unstable();
        homes.dedup();
        assert_eq!(homes, ["eastus", "southeastasia", "westeurope"]);
        assert!(season.plans.iter().all(|plan| plan.json.starts_with('{')));
    }

    #[test]
    fn a_show_without_its_plan_is_named() {
        let error = read(&format!("[[show]]\nslug = 's'\n{SHOW}")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "season.toml: show[0].plan: there is no plan \"p\""
        );
    }

    #[test]
    fn a_slug_given_twice_and_an_unknown_key_are_named() {
        let plan = "[[plan]]\nslug = 'p'\nfile = 'p.json'\n";
        let error = read(&plan.repeat(2)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "season.toml: plan[1].slug: \"p\" is there twice"
        );
        assert!(
            read("[[plan]]\nslug = 'p'\nfiel = 'p'")
                .unwrap_err()
                .to_string()
                .contains("fiel")
        );
    }
}
