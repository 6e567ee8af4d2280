//! Which address a request comes from, when listed proxies stand in between.
//!
//! ```text
//!   X-Forwarded-For: made up, 198.51.100.7, 203.0.113.9     socket: 10.0.0.2
//!                    └ never believed ┘ ▲    └── listed ──────── listed ──┘
//!                                       └ the right-most that is not listed: the client
//! ```
//!
//! Owns: that rule, and the one header by which an edge names the client's country. Must never: believe a header that did not
//! come through a listed proxy, or a part of it that no listed proxy wrote.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};
use serde::Deserialize;

use crate::geo::countries::Country;
use crate::network::{Network, plain};

/// Hops that are read from the right; a longer way is not that of any proxy we know.
const HOPS_MAX: usize = 16;
/// Ranges of proxies that may be listed.
pub const TRUSTED_MAX: usize = 1_024;

/// Who stands before this gateway. `[proxies]` of the configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProxyConfig {
    /// Whose forwarding headers are believed; nobody's by default.
    pub trusted: Vec<Network>,
    /// The header in which a listed proxy names the client's country by two letters, such as `cf-ipcountry`.
    pub country_header: Option<String>,
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The nearest address that is not one of ours.
    pub addr: IpAddr,
    /// As a listed proxy said.
    pub country: Option<Country>,
}

/// The socket's other end, put into each request by the server.
#[derive(Debug, Clone, Copy)]
pub struct Socket(pub SocketAddr);

/// Tells clients from proxies.
#[derive(Debug, Clone)]
pub struct ClientAddresses {
    trusted: Vec<Network>,
    country_header: Option<HeaderName>,
}

impl ClientAddresses {
    /// By what an operator listed; a header name that cannot be one is refused by the configuration before this.
    #[must_use]
    pub fn new(config: &ProxyConfig) -> Self {
        let header = config.country_header.as_deref();
        Self {
            trusted: config.trusted.clone(),
            country_header: header.and_then(|name| name.parse().ok()),
        }
    }

    fn trusts(&self, addr: IpAddr) -> bool {
        self.trusted.iter().any(|range| range.contains(addr))
    }

    /// Where a request with `headers` that came in over a socket from `socket` really comes from.
    #[must_use]
    pub fn client(&self, socket: IpAddr, headers: &HeaderMap) -> Client {
        let socket = plain(socket);
        if self.trusted.is_empty() || !self.trusts(socket) {
            return Client {
                addr: socket,
                country: None,
            };
        }
        let mut addr = socket;
        for hop in hops(headers).into_iter().rev().take(HOPS_MAX) {
            // A hop that is no address was not written by a proxy that knows its own business: stop before it.
            let Some(hop) = hop else { break };
            addr = hop;
            if !self.trusts(hop) {
                break;
            }
        }
        let country = self.country_header.as_ref();
        let country = country.and_then(|name| headers.get(name)?.to_str().ok());
        Client {
            addr,
            country: country.and_then(Country::new),
        }
    }
}

/// All hops in the order of the headers. `Forwarded` counts when there is one, since a proxy that speaks it writes no other.
fn hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let lists = |name: &str| -> Vec<String> {
        let lines = headers.get_all(name).iter();
        let lines = lines.map(|line| line.to_str().unwrap_or("?"));
        lines
            .flat_map(|line| line.split(','))
            .map(|part| part.trim().to_owned())
            .collect()
    };
    let forwarded = lists("forwarded");
    if forwarded.is_empty() {
        let hops = lists("x-forwarded-for");
        return hops.iter().map(|hop| address(hop)).collect();
    }
    let by = |element: &String| {
        let mut pairs = element
            .split(';')
            .filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = pairs.find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
        address(value.trim_matches('"'))
    };
    forwarded.iter().map(by).collect()
}

/// `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:443`.
fn address(text: &str) -> Option<IpAddr> {
    if let Ok(addr) = text.parse::<IpAddr>() {
        return Some(plain(addr));
    }
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Some(plain(socket.ip()));
    }
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    inner.parse().ok().map(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &[&str], socket: &str, headers: &[(&str, &str)]) -> Client {
        let config = ProxyConfig {
            trusted: trusted.iter().map(|range| range.parse().unwrap()).collect(),
            country_header: Some("cf-ipcountry".to_owned()),
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        ClientAddresses::new(&config).client(socket.parse().unwrap(), &map)
    }

    fn addr(trusted: &[&str], socket: &str, headers: &[(&str, &str)]) -> String {
        client(trusted, socket, headers).addr.to_string()
    }

    #[test]
    fn nobody_is_believed_unless_listed() {
        let forged = [
            ("x-forwarded-for", "198.51.100.7"),
            ("cf-ipcountry", "JP"),
            ("forwarded", "for=198.51.100.7"),
        ];
        let seen = client(&["10.0.0.0/8"], "203.0.113.9", &forged);
        assert_eq!(seen.addr.to_string(), "203.0.113.9");
        assert_eq!(seen.country, None);
        assert_eq!(addr(&[], "10.0.0.1", &forged), "10.0.0.1");
    }

    #[test]
    fn the_right_most_address_that_is_not_listed_is_the_client() {
        let headers = [("x-forwarded-for", "1.1.1.1, 198.51.100.7, 10.9.9.9")];
        assert_eq!(addr(&["10.0.0.0/8"], "10.0.0.1", &headers), "198.51.100.7");
        let split = [
            ("x-forwarded-for", "1.1.1.1, 198.51.100.7"),
            ("x-forwarded-for", "10.9.9.9"),
        ];
        assert_eq!(addr(&["10.0.0.0/8"], "10.0.0.1", &split), "198.51.100.7");
        assert_eq!(addr(&["10.0.0.0/8"], "10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn what_is_no_address_ends_the_way() {
        let headers = [("x-forwarded-for", "198.51.100.7, unknown, 10.9.9.9")];
        assert_eq!(addr(&["10.0.0.0/8"], "10.0.0.1", &headers), "10.9.9.9");
    }

    #[test]
    fn the_standard_header_is_read_in_all_its_forms() {
        for (value, expected) in [
            ("for=198.51.100.7;proto=https", "198.51.100.7"),
            ("For=\"[2001:db8::1]:443\"", "2001:db8::1"),
            ("for=\"[2001:db8::1]\", for=10.2.2.2", "2001:db8::1"),
            ("proto=https;for=198.51.100.7:1234", "198.51.100.7"),
            ("for=_hidden", "10.0.0.1"),
        ] {
            let headers = [("forwarded", value)];
            assert_eq!(
                addr(&["10.0.0.0/8"], "10.0.0.1", &headers),
                expected,
                "{value}"
            );
        }
    }

    #[test]
    fn a_way_without_end_is_not_walked() {
        let long = vec!["10.1.1.1"; 5_000].join(",");
        let headers = [("x-forwarded-for", long.as_str())];
        assert_eq!(addr(&["10.0.0.0/8"], "10.0.0.1", &headers), "10.1.1.1");
    }

    #[test]
    fn a_listed_proxy_names_the_country() {
        let headers = [("x-forwarded-for", "198.51.100.7"), ("cf-ipcountry", "jp")];
        let seen = client(&["10.0.0.0/8"], "10.0.0.1", &headers);
        assert_eq!(seen.country, Country::new("JP"));
    }
}
