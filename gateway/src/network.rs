//! A range of addresses: an address and how many of its leading bits count.
//!
//! Owns: masking, containing and reading `192.0.2.0/24`. Must never: mix the two families; an IPv4 address written inside an
//! IPv6 one is taken out first ([`plain`]).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    addr: IpAddr,
    prefix_len: u8,
}

/// The text is not a range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text} is not a range of addresses such as 192.0.2.0/24 or 2001:db8::/32")]
pub struct BadNetwork {
    /// What was given.
    pub text: String,
}

/// The address itself, when it is an IPv4 one written as `::ffff:192.0.2.1`.
#[must_use]
pub fn plain(addr: IpAddr) -> IpAddr {
    addr.to_canonical()
}

fn bits(addr: IpAddr) -> u8 {
    if addr.is_ipv4() { 32 } else { 128 }
}

impl Network {
    /// The range of the first `prefix_len` bits of `addr`; more bits than the address has are taken as all of them.
    #[must_use]
    pub fn of(addr: IpAddr, prefix_len: u8) -> Self {
        let addr = plain(addr);
        let prefix_len = prefix_len.min(bits(addr));
        let rest = u32::from(bits(addr) - prefix_len);
        let addr = match addr {
            // Shifting out every bit is no shift, so that case is a zero of its own.
            IpAddr::V4(v4) => {
                let kept = u32::MAX.checked_shl(rest).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & kept))
            }
            IpAddr::V6(v6) => {
                let kept = u128::MAX.checked_shl(rest).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & kept))
            }
        };
        Self { addr, prefix_len }
    }

    /// Whether `addr` is in it.
    #[must_use]
    pub fn contains(&self, addr: IpAddr) -> bool {
        let addr = plain(addr);
        addr.is_ipv4() == self.addr.is_ipv4() && Self::of(addr, self.prefix_len) == *self
    }

    /// How many leading bits of `addr` tell that it is not in this range; 0 when it is, or when the first byte on the wire,
    /// the family, tells already.
    #[must_use]
    pub fn told_apart(&self, addr: IpAddr) -> u8 {
        let common = match (plain(addr), self.addr) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            _ => return 0,
        };
        let common = u8::try_from(common).unwrap_or(u8::MAX);
        if common < self.prefix_len {
            common + 1
        } else {
            0
        }
    }

    /// Its first address.
    #[must_use]
    pub fn addr(&self) -> IpAddr {
        self.addr
    }

    /// How many leading bits its addresses share.
    #[must_use]
    pub fn prefix_len(&self) -> u8 {
        self.prefix_len
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix_len)
    }
}

impl FromStr for Network {
    type Err = BadNetwork;

    /// Reads `addr/bits`, or one address.
    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let bad = || BadNetwork {
            text: text.chars().take(60).collect(),
        };
        let (addr, prefix_len) = match text.split_once('/') {
            Some((addr, prefix_len)) => (addr, Some(prefix_len)),
            None => (text, None),
        };
        let addr: IpAddr = addr.parse().map_err(|_| bad())?;
        let prefix_len: u8 = match prefix_len {
            Some(prefix_len) => prefix_len.parse().map_err(|_| bad())?,
            None => bits(addr),
        };
        if prefix_len > bits(addr) {
            return Err(bad());
        }
        Ok(Self::of(addr, prefix_len))
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_contains_what_shares_its_leading_bits() {
        let range: Network = "192.0.2.77/24".parse().unwrap();
        assert_eq!(range.to_string(), "192.0.2.0/24");
        for (addr, inside) in [
            ("192.0.2.255", true),
            ("::ffff:192.0.2.1", true),
            ("192.0.3.0", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(range.contains(addr.parse().unwrap()), inside, "{addr}");
        }
        let all: Network = "::/0".parse().unwrap();
        assert!(all.contains("2001:db8::1".parse().unwrap()));
        assert!(!all.contains("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn text_that_is_no_range_is_refused() {
        for bad in ["", "192.0.2.0/33", "192.0.2/24", "::/129", "::/-1", "x/8"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
        assert_eq!("::1".parse::<Network>().unwrap().prefix_len(), 128);
    }
}
