//! The section `[dns]` of the configuration.
//!
//! Owns: its keys, defaults and bounds. Where users are is said in `[geo]`, for DNS as for everything else. Must never: look
//! anything up.

use std::net::{IpAddr, SocketAddr};

use hickory_proto::rr::Name;
use serde::Deserialize;

use super::rate_limit::PER_SECOND_MAX;
use crate::config::ConfigError;

/// The zone itself, where a name below it is asked for.
pub const APEX: &str = "@";
/// Most names that are steered.
pub const NAMES_MAX: usize = 16;
/// Most name servers: their glue has to fit beside an answer.
pub const NAMESERVERS_MAX: usize = 8;
/// Most regions in one answer.
pub const REGIONS_PER_ANSWER_MAX: usize = 4;
/// No resolver should remember an answer for longer than this, s: it is how long a dead region would be remembered.
const TTL_S_MAX: u32 = 300;

/// The DNS server; there is none without the section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsConfig {
    /// Where it listens, UDP and TCP; port 0 picks one that is free for both.
    pub listen: SocketAddr,
    /// The zone that it has authority over, such as `holdfast.example`.
    pub zone: String,
    /// The names in it that users are sent to their nearest region by; `@` is the zone itself.
    #[serde(default = "apex")]
    pub names: Vec<String>,
    /// The zone's name servers, at least one; the first is the primary one in SOA.
    pub nameservers: Vec<Nameserver>,
    /// Who answers for the zone, the mail address with a dot for the `@`; relative to the zone unless it ends in a dot.
    #[serde(default = "hostmaster")]
    pub hostmaster: String,
    /// How long answers may be remembered while all is well, s, 1 to 300.
    #[serde(default = "ttl_s")]
    pub ttl_s: u32,
    /// The same while any region is not as it should be, s, 1 to `ttl_s`.
    #[serde(default = "ttl_degraded_s")]
    pub ttl_degraded_s: u32,
    /// How long "there is no such thing" may be remembered, s, 1 to 300.
    #[serde(default = "ttl_s")]
    pub ttl_negative_s: u32,
    /// Regions in one answer, nearest first, 1 to 4. The second one is for browsers whose first try fails.
    #[serde(default = "regions_per_answer")]
    pub regions_per_answer: usize,
    /// HTTPS and SVCB records; none without it. Browsers that see one use TLS, so have it only where TLS is spoken.
    #[serde(default)]
    pub https: Option<HttpsConfig>,
    /// Bounds.
    #[serde(default)]
    pub limits: DnsLimits,
}

/// One name server of the zone.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nameserver {
    /// Relative to the zone unless it ends in a dot.
    pub name: String,
    /// Its addresses; wanted when the name is in the zone.
    #[serde(default)]
    pub addrs: Vec<IpAddr>,
}

/// What HTTPS and SVCB records say.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpsConfig {
    /// Protocols over TLS, such as `["h2", "http/1.1"]`; empty = only the default.
    #[serde(default)]
    pub alpn: Vec<String>,
    /// Port; absent = 443.
    #[serde(default)]
    pub port: Option<u16>,
}

/// Bounds that an operator may change.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DnsLimits {
    /// UDP answers a second to one client network (/24, /56), 1 to 1,000,000. Whoever shows a valid cookie or uses TCP is
    /// not limited: their address is known to be theirs.
    pub responses_per_second_max: u32,
    /// TCP connections open at once, 1 to 10,000.
    pub tcp_connections_max: usize,
}

impl Default for DnsLimits {
    fn default() -> Self {
        Self {
            // A busy resolver of a city asks a name with a TTL of 30 s far less often, also with every subnet in its cache.
            responses_per_second_max: 1_000,
            tcp_connections_max: 256,
        }
    }
}

fn apex() -> Vec<String> {
    vec![APEX.to_owned()]
}

fn hostmaster() -> String {
    "hostmaster".to_owned()
}

const fn ttl_s() -> u32 {
    30
}

const fn ttl_degraded_s() -> u32 {
    5
}

const fn regions_per_answer() -> usize {
    2
}

fn wrong(key: &'static str, reason: impl Into<String>) -> ConfigError {
    ConfigError::Value {
        key,
        reason: reason.into(),
    }
}

impl DnsConfig {
    /// The zone's name, absolute.
    ///
    /// # Errors
    /// When it is not a name.
    pub fn origin(&self) -> Result<Name, ConfigError> {
        let name = Name::from_ascii(&self.zone);
        let mut name = name.map_err(|error| wrong("dns.zone", error.to_string()))?;
        name.set_fqdn(true);
        if name.is_root() {
            return Err(wrong("dns.zone", "must not be the root"));
        }
        Ok(name)
    }

    /// `text` as a name: of the zone, below it, or absolute.
    ///
    /// # Errors
    /// When it is not a name.
    pub fn name(&self, key: &'static str, text: &str) -> Result<Name, ConfigError> {
        let origin = self.origin()?;
        if text == APEX {
            return Ok(origin);
        }
        let name = Name::parse(text, Some(&origin));
        name.map_err(|error| wrong(key, format!("{text:?}: {error}")))
    }

    /// Checks everything that can be checked without a topology.
    ///
    /// # Errors
    /// Names the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        let origin = self.origin()?;
        let count = |key, count: usize, max: usize| {
            if (1..=max).contains(&count) {
                return Ok(());
            }
            Err(wrong(key, format!("must have 1 to {max}, found {count}")))
        };
        count("dns.names", self.names.len(), NAMES_MAX)?;
        count("dns.nameservers", self.nameservers.len(), NAMESERVERS_MAX)?;
        for name in &self.names {
            if !origin.zone_of(&self.name("dns.names", name)?) {
                return Err(wrong("dns.names", format!("{name} is not in {origin}")));
            }
        }
        for server in &self.nameservers {
            let name = self.name("dns.nameservers", &server.name)?;
            if origin.zone_of(&name) && server.addrs.is_empty() {
                let reason = format!("{name} is in the zone, so it needs addrs");
                return Err(wrong("dns.nameservers", reason));
            }
        }
        self.name("dns.hostmaster", &self.hostmaster)?;
        let range = |key, value: u64, min: u64, max: u64| {
            if (min..=max).contains(&value) {
                return Ok(());
            }
            let reason = format!("must be from {min} to {max}, found {value}");
            Err(wrong(key, reason))
        };
        range("dns.ttl_s", self.ttl_s.into(), 1, TTL_S_MAX.into())?;
        let (degraded_s, negative_s) = (self.ttl_degraded_s, self.ttl_negative_s);
        range(
            "dns.ttl_degraded_s",
            degraded_s.into(),
            1,
            self.ttl_s.into(),
        )?;
        range("dns.ttl_negative_s", negative_s.into(), 1, TTL_S_MAX.into())?;
        let regions = self.regions_per_answer as u64;
        let regions_max = REGIONS_PER_ANSWER_MAX as u64;
        range("dns.regions_per_answer", regions, 1, regions_max)?;
        let limits = &self.limits;
        let per_second = limits.responses_per_second_max.into();
        range(
            "dns.limits.responses_per_second_max",
            per_second,
            1,
            PER_SECOND_MAX.into(),
        )?;
        let connections = limits.tcp_connections_max as u64;
        range("dns.limits.tcp_connections_max", connections, 1, 10_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "listen = \"127.0.0.1:0\"\nzone = \"holdfast.example\"\n\
                        [[nameservers]]\nname = \"ns1\"\naddrs = [\"192.0.2.53\"]\n";

    fn parse(text: &str) -> DnsConfig {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn names_are_relative_to_the_zone_unless_they_end_in_a_dot() {
        let config = parse(GOOD);
        config.check().unwrap();
        let name = |text| config.name("dns.names", text).unwrap().to_string();
        assert_eq!(name("@"), "holdfast.example.");
        assert_eq!(name("tickets"), "tickets.holdfast.example.");
        assert_eq!(name("ns.elsewhere.example."), "ns.elsewhere.example.");
    }

    #[test]
    fn every_bad_key_is_named() {
        let top = |line: &str| format!("{line}\n{GOOD}");
        let cases = [
            (top("ttl_s = 0"), "dns.ttl_s"),
            (top("ttl_degraded_s = 31"), "dns.ttl_degraded_s"),
            (top("names = []"), "dns.names"),
            (top("names = [\"other.example.\"]"), "is not in"),
            (top("regions_per_answer = 5"), "dns.regions_per_answer"),
            (
                GOOD.replace("addrs = [\"192.0.2.53\"]\n", ""),
                "needs addrs",
            ),
            (GOOD.replace("holdfast.example", "."), "root"),
            (GOOD.replace("holdfast.example", "a..b"), "dns.zone"),
            (
                format!("{GOOD}[limits]\ntcp_connections_max = 0\n"),
                "dns.limits.tcp_connections_max",
            ),
        ];
        for (text, named) in cases {
            let error = parse(&text).check().unwrap_err().to_string();
            assert!(error.contains(named), "{error} does not name {named}");
        }
    }
}
