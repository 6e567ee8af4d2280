//! The origins at which a browser measures how far it is from each region.
//!
//! Owns: what may stand in the configuration: these texts go into a header and into documents as they are. Must never: let
//! anything through that could end either.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use holdfast_region_config::ids::RegionId;
use serde::{Deserialize, Deserializer, de};

/// Origins that may be listed: as many as there may be regions.
pub const ORIGINS_MAX: usize = 32;
/// Longest name of a host, bytes, as in DNS.
const HOST_BYTES_MAX: usize = 253;

/// What an operator says about measuring. `[geo.round_trips]` of the configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoundTripConfig {
    /// By region, where its gateways and no others answer. Without any, a page measures the way to where it came from.
    pub origins: BTreeMap<RegionId, Origin>,
}

impl RoundTripConfig {
    /// All origins with a space between them; `None` without any.
    #[must_use]
    pub fn listed(&self) -> Option<String> {
        let origins: Vec<&str> = self.origins.values().map(|one| one.0.as_str()).collect();
        (!origins.is_empty()).then(|| origins.join(" "))
    }
}

/// Scheme, host and port as a browser writes them: `https://eastus.tickets.example`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

/// The text is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text} is not an origin such as https://eastus.tickets.example: http or https, a host in lower case, a port if need be, nothing else"
)]
pub struct BadOrigin {
    /// What was given.
    pub text: String,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Origin {
    type Err = BadOrigin;

    fn from_str(text: &str) -> Result<Self, BadOrigin> {
        let authority = text.strip_prefix("https://");
        let authority = authority.or_else(|| text.strip_prefix("http://"));
        if authority.is_some_and(is_authority) {
            return Ok(Self(text.to_owned()));
        }
        Err(BadOrigin {
            text: text.chars().take(60).collect(),
        })
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// `host`, `host:port`, `[2001:db8::1]`, `[2001:db8::1]:port`.
fn is_authority(text: &str) -> bool {
    let (is_host, rest) = match text.strip_prefix('[') {
        Some(inner) => {
            let (addr, rest) = inner.split_once(']').unwrap_or(("", inner));
            (addr.parse::<Ipv6Addr>().is_ok(), rest)
        }
        None => {
            let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            (is_host(host), rest)
        }
    };
    is_host && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))
}

fn is_host(text: &str) -> bool {
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    (1..=HOST_BYTES_MAX).contains(&text.len()) && text.bytes().all(known)
}

fn is_port(text: &str) -> bool {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    digits && text.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_what_browsers_take_for_one() {
        for good in [
            "https://eastus.tickets.example",
            "http://127.0.0.1:8080",
            "https://localhost:1",
            "http://[2001:db8::1]:8080",
            "https://[::1]",
        ] {
            assert_eq!(good.parse::<Origin>().unwrap().to_string(), good);
        }
        let long = format!("https://{}", "a".repeat(HOST_BYTES_MAX + 1));
        for bad in [
            "",
            "eastus.tickets.example",
            "https://",
            "https://:443",
            "ftp://a.example",
            "HTTPS://a.example",
            "https://A.example",
            "https://a.example/",
            "https://a.example/path",
            "https://a.example?q",
            "https://a.example:",
            "https://a.example:0",
            "https://a.example:+80",
            "https://a.example:65536",
            "https://user@a.example",
            "https://a.example; script-src *",
            "https://a.example 'unsafe-inline'",
            "https://a.example\"",
            "https://[::1",
            "https://[fe80::1%eth0]",
            "https://[::1]x",
            &long,
        ] {
            let error = bad.parse::<Origin>().unwrap_err().to_string();
            assert!(error.contains("is not an origin such as"), "{bad}");
            assert!(error.len() < 300, "{error}");
        }
    }

    #[test]
    fn the_configuration_names_the_region_and_the_reason() {
        let read = |text: &str| toml::from_str::<RoundTripConfig>(text);
        let two =
            read("origins = { b = \"http://b.example:81\", a = \"https://a.example\" }").unwrap();
        assert_eq!(
            two.listed().unwrap(),
            "https://a.example http://b.example:81"
        );
        assert_eq!(read("").unwrap().listed(), None);
        for (bad, named) in [
            (
                "origins = { a = \"https://a.example/x\" }",
                "https://a.example/x is not an origin",
            ),
            ("origins = { A = \"https://a.example\" }", "region id"),
            ("origin = {}", "origin"),
        ] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains(named), "{error} does not name {named}");
        }
    }
}
