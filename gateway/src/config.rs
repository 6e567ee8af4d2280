//! The gateway's configuration: TOML, overridden key by key from the environment, checked as a whole.
//!
//! Owns: names, defaults, minimums and the wording of configuration errors. Must never: print a secret.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_node_api::discovery::{Discovery, Finder, TopologySource};
use holdfast_node_api::telemetry::TelemetryConfig;
use holdfast_region_config::ids::RegionId;
use serde::Deserialize;
use toml::{Table, Value};

use crate::client_address::{self, ProxyConfig};
use crate::dns::config::DnsConfig;
use crate::geo::{self, GeoConfig, origins};
use crate::limits;
use crate::live::settings::LiveSettings;
use crate::rates::{self, RateConfig};

/// Variables with this prefix override keys of the file.
const PREFIX: &str = "HOLDFAST_GATEWAY_";
/// Names with the prefix that are not keys of the file.
const NOT_KEYS: &[&str] = &["CONFIG"];

/// Why there is no usable configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration {path} cannot be read: {source}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is not TOML, or a key is unknown, missing or of the wrong type.
    #[error("configuration {origin} cannot be used: {message}")]
    Syntax {
        /// Where the text came from.
        origin: String,
        /// Which key and why.
        message: String,
    },
    /// A value makes no sense.
    #[error("configuration key {key}: {reason}")]
    Value {
        /// The key, dotted.
        key: &'static str,
        /// What is wrong and what was expected.
        reason: String,
    },
}

/// Everything a gateway is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The region this gateway stands in; must be in the topology.
    pub region: RegionId,
    /// Where it listens for HTTP; port 0 picks a free one.
    pub http_listen: SocketAddr,
    /// The topology file, with the addresses by which this process dials the nodes.
    /// Relative to the directory of the configuration file.
    pub topology: PathBuf,
    /// File with the secret that signs guest tokens: 64 hexadecimal digits. Relative as `topology`.
    pub session_key_file: PathBuf,
    /// Whether browsers are told to send the guest cookie over TLS only. Default false: no TLS here yet.
    #[serde(default)]
    pub cookie_secure: bool,
    /// Bounds.
    #[serde(default)]
    pub limits: Limits,
    /// Proxies that stand before this gateway.
    #[serde(default)]
    pub proxies: ProxyConfig,
    /// How often somebody may ask.
    #[serde(default)]
    pub rates: RateConfig,
    /// Where addresses are.
    #[serde(default)]
    pub geo: GeoConfig,
    /// Live maps and quick rejections.
    #[serde(default)]
    pub live: LiveSettings,
    /// Who is asked where the nodes are, and the gateways of other regions; without it the topology file says it.
    #[serde(default)]
    pub discovery: Option<Discovery>,
    /// The authoritative DNS server; none without it.
    #[serde(default)]
    pub dns: Option<DnsConfig>,
    /// Logs and traces.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
}

/// Bounds that an operator may lower. Defaults and reasons: `limits.rs`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Requests in work at once, at least 1.
    pub requests_in_flight_max: usize,
    /// Writes in work at once, 1 to `requests_in_flight_max`.
    pub writes_in_flight_max: usize,
    /// Connections open at once, at least 1.
    pub connections_max: usize,
    /// Largest request body, 1,024 to 1,048,576 bytes.
    pub body_bytes_max: usize,
    /// Time to send the request head, ms, 100 to 60,000.
    pub header_timeout_ms: u64,
    /// Whole time of a write over all its tries, ms, 500 to 14,000.
    pub write_budget_ms: u64,
    /// Whole time of a read over all its tries, ms, 100 to 14,000.
    pub read_budget_ms: u64,
    /// How long paying waits for the result before it answers 202, ms, 0 to 6,000.
    pub payment_wait_ms: u64,
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_in_flight_max: limits::REQUESTS_IN_FLIGHT_MAX,
            writes_in_flight_max: limits::WRITES_IN_FLIGHT_MAX,
            connections_max: limits::CONNECTIONS_MAX,
            body_bytes_max: limits::BODY_BYTES_MAX,
            header_timeout_ms: ms(limits::HEADER_READ_TIMEOUT),
            write_budget_ms: ms(limits::WRITE_BUDGET),
            read_budget_ms: ms(limits::READ_BUDGET),
            payment_wait_ms: ms(limits::PAYMENT_WAIT),
        }
    }
}

/// The process environment, as [`Config::load`] wants it.
#[must_use]
pub fn environment() -> BTreeMap<String, String> {
    // Variables that are not text cannot be ours.
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect()
}

impl Config {
    /// Reads `path`, applies the overrides of `environment` and checks the result.
    ///
    /// # Errors
    /// [`ConfigError`] names the file or key and what was expected.
    pub fn load(path: &Path, environment: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let origin = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: origin.clone(),
            source,
        })?;
        let base = path.parent().unwrap_or_else(|| Path::new(""));
        Self::parse(&text, &origin, base, environment)
    }

    /// Like [`Self::load`], from text; relative paths are taken from `base`.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn parse(
        text: &str,
        origin: &str,
        base: &Path,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        let syntax = |message: String| ConfigError::Syntax {
            origin: origin.to_owned(),
            message: message.trim_end().to_owned(),
        };
        let mut table: Table = toml::from_str(text).map_err(|error| syntax(error.to_string()))?;
        let overridden = override_from(&mut table, environment);
        let checked = if overridden {
            // Positions in the file would mislead once a variable changed the tree.
            table
                .try_into::<Self>()
                .map_err(|error| syntax(error.to_string()))
        } else {
            toml::from_str::<Self>(text).map_err(|error| syntax(error.to_string()))
        };
        let mut config = checked?;
        config.topology = base.join(&config.topology);
        config.session_key_file = base.join(&config.session_key_file);
        if let Some(database) = &mut config.geo.database {
            *database = base.join(&*database);
        }
        if let Some(file) = &mut config.rates.office_keys_file {
            *file = base.join(&*file);
        }
        config.limits.check()?;
        config.check_rates()?;
        config.check_lists()?;
        config.live.check()?;
        config.dns.as_ref().map_or(Ok(()), DnsConfig::check)?;
        Ok(config)
    }
}

impl Config {
    /// Where the topology comes from.
    #[must_use]
    pub fn topology_source(&self) -> TopologySource {
        let finder = self.discovery.clone().map(Finder::new);
        TopologySource::new(self.topology.clone(), finder)
    }

    fn check_rates(&self) -> Result<(), ConfigError> {
        let rates = &self.rates;
        for (key, value) in [
            ("rates.address_per_s", rates.address_per_s),
            ("rates.address_burst", rates.address_burst),
            ("rates.network_per_s", rates.network_per_s),
            ("rates.network_burst", rates.network_burst),
            ("rates.account_per_s", rates.account_per_s),
            ("rates.account_burst", rates.account_burst),
        ] {
            if !(1..=1_000_000).contains(&value) {
                let reason = format!("must be from 1 to 1000000, found {value}");
                return Err(ConfigError::Value { key, reason });
            }
        }
        Ok(())
    }

    fn check_lists(&self) -> Result<(), ConfigError> {
        let lists = [
            (
                "proxies.trusted",
                self.proxies.trusted.len(),
                client_address::TRUSTED_MAX,
            ),
            ("rates.exempt", self.rates.exempt.len(), rates::EXEMPT_MAX),
            ("geo.network", self.geo.network.len(), geo::NETWORKS_MAX),
            (
                "geo.round_trips.origins",
                self.geo.round_trips.origins.len(),
                origins::ORIGINS_MAX,
            ),
        ];
        for (key, found, max) in lists {
            if found > max {
                let reason = format!("must have at most {max} entries, found {found}");
                return Err(ConfigError::Value { key, reason });
            }
        }
        let name = self.proxies.country_header.as_deref();
        if name.is_some_and(|name| name.parse::<axum::http::HeaderName>().is_err()) {
            let reason = "must be the name of a header".to_owned();
            return Err(ConfigError::Value {
                key: "proxies.country_header",
                reason,
            });
        }
        Ok(())
    }
}

/// Puts variables into the tree; says whether there were any. Unknown names end up as unknown keys, which are refused.
fn override_from(table: &mut Table, environment: &BTreeMap<String, String>) -> bool {
    let mut any = false;
    for (name, value) in environment {
        let Some(key) = name
            .strip_prefix(PREFIX)
            .filter(|key| !NOT_KEYS.contains(key))
        else {
            continue;
        };
        any = true;
        let key = key.to_ascii_lowercase();
        let nested = [
            "limits",
            "live",
            "telemetry",
            "geo",
            "rates",
            "dns",
            "discovery",
        ]
        .into_iter()
        .find_map(|section| {
            let inner = key.strip_prefix(section)?.strip_prefix('_')?;
            Some((section, inner.to_owned()))
        });
        match nested {
            Some((section, inner)) => {
                let empty = || Value::Table(Table::new());
                if let Value::Table(section) = table.entry(section.to_owned()).or_insert_with(empty)
                {
                    section.insert(inner, scalar(value));
                }
            }
            None => {
                table.insert(key, scalar(value));
            }
        }
    }
    any
}

fn scalar(text: &str) -> Value {
    let integer = text.parse().map(Value::Integer).ok();
    let boolean = || text.parse().map(Value::Boolean).ok();
    integer
        .or_else(boolean)
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

impl Limits {
    fn check(&self) -> Result<(), ConfigError> {
        let range = |key: &'static str, value: u64, min: u64, max: u64| {
            let reason = || format!("must be from {min} to {max}, found {value}");
            if (min..=max).contains(&value) {
                Ok(())
            } else {
                Err(ConfigError::Value {
                    key,
                    reason: reason(),
                })
            }
        };
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let requests = count(self.requests_in_flight_max);
        range("limits.requests_in_flight_max", requests, 1, 1_000_000)?;
        range(
            "limits.writes_in_flight_max",
            count(self.writes_in_flight_max),
            1,
            requests,
        )?;
        range(
            "limits.connections_max",
            count(self.connections_max),
            1,
            1_000_000,
        )?;
        range(
            "limits.body_bytes_max",
            count(self.body_bytes_max),
            1_024,
            1 << 20,
        )?;
        range(
            "limits.header_timeout_ms",
            self.header_timeout_ms,
            100,
            60_000,
        )?;
        range("limits.write_budget_ms", self.write_budget_ms, 500, 14_000)?;
        range("limits.read_budget_ms", self.read_budget_ms, 100, 14_000)?;
        range("limits.payment_wait_ms", self.payment_wait_ms, 0, 6_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "region = \"westeurope\"\nhttp_listen = \"127.0.0.1:0\"\n\
                        topology = \"t.toml\"\nsession_key_file = \"/k\"\n";

    fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let environment = variables
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Config::parse(text, "g.toml", Path::new("/etc/holdfast"), &environment)
    }

    #[test]
    fn paths_are_relative_to_the_file_and_bounds_have_defaults() {
        let config = parse(GOOD, &[]).unwrap();
        assert_eq!(config.topology, Path::new("/etc/holdfast/t.toml"));
        assert_eq!(config.session_key_file, Path::new("/k"));
        assert_eq!(config.limits.body_bytes_max, limits::BODY_BYTES_MAX);
    }

    #[test]
    fn the_environment_overrides_key_by_key() {
        let variables = [
            ("HOLDFAST_GATEWAY_REGION", "eastus"),
            ("HOLDFAST_GATEWAY_LIMITS_WRITE_BUDGET_MS", "900"),
            ("HOLDFAST_GATEWAY_TELEMETRY_LOG", "debug"),
            ("HOLDFAST_GATEWAY_CONFIG", "/not/a/key"),
        ];
        let config = parse(GOOD, &variables).unwrap();
        assert_eq!(config.region.as_str(), "eastus");
        assert_eq!(config.limits.write_budget_ms, 900);
        assert_eq!(config.telemetry.log, "debug");
    }

    #[test]
    fn every_bad_key_is_named() {
        let cases = [
            (format!("{GOOD}speed = 1\n"), "speed"),
            ("region = \"a\"\n".to_owned(), "missing field"),
            (GOOD.replace("127.0.0.1:0", "nowhere"), "socket address"),
            (
                format!("{GOOD}[limits]\nbody_bytes_max = 1\n"),
                "limits.body_bytes_max",
            ),
            (
                format!("{GOOD}[limits]\nwrites_in_flight_max = 9999\n"),
                "limits.writes_in_flight_max",
            ),
            (format!("{GOOD}[telemetry]\nlogs = 1\n"), "logs"),
            ("region = ".to_owned(), "g.toml"),
        ];
        for (text, named) in cases {
            let error = parse(&text, &[]).unwrap_err().to_string();
            assert!(error.contains(named), "{error} does not name {named}");
        }
        let typo = parse(GOOD, &[("HOLDFAST_GATEWAY_REGOIN", "x")])
            .unwrap_err()
            .to_string();
        assert!(typo.contains("regoin"), "{typo}");
    }
}
