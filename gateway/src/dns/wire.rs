//! The form of a packet, looked at before anything is decoded.
//!
//! ```text
//! header ── not a query: silence ── another opcode: NOTIMP ── not one question: FORMERR
//! names, records ── do not add up: FORMERR
//! OPT ── options do not add up, or a client subnet that RFC 7871 forbids: FORMERR, with an OPT of ours
//! ```
//!
//! Owns: these rules, and the short refusals. hickory decodes what comes through, and forgets on the way how long an option
//! was; RFC 7871, section 6, wants that checked. It also would answer a malformed *response*, which two servers could play
//! for ever. Must never: answer what is not a query, or say more than was asked with.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::op::ResponseCode;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 12;
/// Largest UDP answer, bytes, as agreed on the DNS Flag Day of 2020: what passes everywhere without fragments.
pub const UDP_BYTES_MAX: u16 = 1_232;
/// Largest UDP answer to someone who says nothing, bytes (RFC 1035, 4.2.1).
pub const UDP_BYTES_MIN: u16 = 512;
/// Records of an honest query: an OPT, a signature, some room.
const RECORDS_MAX: usize = 16;
const NAME_BYTES_MAX: usize = 255;
const TYPE_OPT: u16 = 41;
const OPTION_SUBNET: u16 = 8;
const OPTION_COOKIE: u16 = 10;
const CLIENT_COOKIE_BYTES: usize = 8;

/// What to do with a packet.
#[derive(Debug, PartialEq, Eq)]
pub enum Look<'a> {
    /// Nothing at all.
    Silence,
    /// Say this and no more.
    Refuse(Refusal<'a>),
    /// Decode it.
    Query(Query),
}

/// A short answer to a bad packet.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal<'a> {
    /// Why.
    pub code: ResponseCode,
    header: &'a [u8],
    /// As it came; empty where it cannot be read.
    question: &'a [u8],
    has_edns: bool,
}

/// What was seen of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Query {
    /// The network of the client behind the resolver, if the resolver tells.
    pub subnet: Option<Subnet>,
    /// Client cookie, and the server cookie where one came along.
    pub cookie: Option<CookieOption>,
}

/// A client subnet in the right form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    /// With zeros behind the prefix.
    pub addr: IpAddr,
    /// Bits of it that are meant; 0 = the client does not want to be told apart.
    pub source_bits: u8,
}

/// A cookie of the right length (RFC 7873, 5.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CookieOption {
    /// Chosen by the client.
    pub client: [u8; CLIENT_COOKIE_BYTES],
    /// What it says it got from us, if that has the length of ours.
    pub server: Option<[u8; 16]>,
}

/// Looks at a packet.
#[must_use]
pub fn look(packet: &[u8]) -> Look<'_> {
    let Some((header, body)) = packet.split_at_checked(HEADER_BYTES) else {
        return Look::Silence;
    };
    if header[2] & 0x80 != 0 {
        return Look::Silence;
    }
    let refuse = |code, question, has_edns| {
        Look::Refuse(Refusal {
            code,
            header,
            question,
            has_edns,
        })
    };
    if (header[2] >> 3) & 0x0f != 0 {
        return refuse(ResponseCode::NotImp, &[], false);
    }
    let count = |at: usize| usize::from(u16::from_be_bytes([header[at], header[at + 1]]));
    let records = count(6) + count(8) + count(10);
    if count(4) != 1 || records > RECORDS_MAX {
        return refuse(ResponseCode::FormErr, &[], false);
    }
    let mut rest = Reader(body);
    let Some(()) = rest.question() else {
        return refuse(ResponseCode::FormErr, &[], false);
    };
    let question = &body[..body.len() - rest.0.len()];
    let Some(opt) = rest.records(records, records - count(10)) else {
        return refuse(ResponseCode::FormErr, question, false);
    };
    match opt.map_or_else(|| Some(Query::default()), options) {
        Some(query) => Look::Query(query),
        None => refuse(ResponseCode::FormErr, question, true),
    }
}

impl Refusal<'_> {
    /// The packet.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.question.len() + 11);
        bytes.extend_from_slice(&self.header[..2]);
        // An answer; opcode and "recursion desired" as asked.
        bytes.push(0x80 | (self.header[2] & 0x79));
        bytes.push(self.code.low());
        bytes.extend_from_slice(&[0, u8::from(!self.question.is_empty()), 0, 0, 0, 0]);
        bytes.extend_from_slice(&[0, u8::from(self.has_edns)]);
        bytes.extend_from_slice(self.question);
        if self.has_edns {
            let [high, low] = UDP_BYTES_MAX.to_be_bytes();
            bytes.extend_from_slice(&[0, 0, 41, high, low, 0, 0, 0, 0, 0, 0]);
        }
        bytes
    }
}

/// An answer with this code that says nothing else; `None` to what is not even a header.
#[must_use]
pub fn bare(packet: &[u8], code: ResponseCode) -> Option<Vec<u8>> {
    let (header, body) = packet.split_at_checked(HEADER_BYTES)?;
    let mut rest = Reader(body);
    let question = match rest.question() {
        Some(()) => &body[..body.len() - rest.0.len()],
        None => &[],
    };
    let refusal = Refusal {
        code,
        header,
        question,
        has_edns: false,
    };
    Some(refusal.to_bytes())
}

/// The answer that says nothing but "ask again over TCP".
#[must_use]
pub fn truncated(packet: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = bare(packet, ResponseCode::NoError)?;
    bytes[2] |= 0x02;
    Some(bytes)
}

/// What is left of a packet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// Past a name. `pointers`: it may end in a pointer to another.
    fn name(&mut self, pointers: bool) -> Option<()> {
        let mut bytes = 0;
        loop {
            let length = usize::from(*self.take(1)?.first()?);
            match length >> 6 {
                0 if length == 0 => return Some(()),
                0 => drop(self.take(length)?),
                3 if pointers => return self.take(1).map(drop),
                _ => return None,
            }
            bytes += length + 1;
            if bytes > NAME_BYTES_MAX {
                return None;
            }
        }
    }

    fn question(&mut self) -> Option<()> {
        self.name(false)?;
        self.take(4).map(drop)
    }

    /// Past `count` records, of which the ones from `additional_from` may be an OPT; its data, when there is one. `None`
    /// when they do not add up, or something is left behind them.
    #[expect(clippy::option_option, reason = "no OPT and no sense are two things")]
    fn records(&mut self, count: usize, additional_from: usize) -> Option<Option<&'a [u8]>> {
        let mut opt = None;
        for at in 0..count {
            let named = self.0.first().is_some_and(|first| *first != 0);
            self.name(true)?;
            let kind = self.u16()?;
            self.take(6)?;
            let length = usize::from(self.u16()?);
            let data = self.take(length)?;
            if kind == TYPE_OPT {
                if named || opt.is_some() || at < additional_from {
                    return None;
                }
                opt = Some(data);
            }
        }
        self.0.is_empty().then_some(opt)
    }
}

/// The options that matter here; `None` when they are not in the right form.
fn options(data: &[u8]) -> Option<Query> {
    let mut rest = Reader(data);
    let mut seen = Query::default();
    while !rest.0.is_empty() {
        let code = rest.u16()?;
        let length = usize::from(rest.u16()?);
        let value = rest.take(length)?;
        match code {
            OPTION_SUBNET if seen.subnet.is_none() => seen.subnet = Some(subnet(value)?),
            OPTION_SUBNET => return None,
            OPTION_COOKIE if seen.cookie.is_none() => seen.cookie = Some(cookie(value)?),
            // RFC 7873, 5.2: all but the first are ignored; and so is what nobody here knows.
            _ => {}
        }
    }
    Some(seen)
}

/// RFC 7871, sections 6 and 7.1.2: family known, exactly the bytes of the prefix, no bit behind it, scope 0 in a query.
fn subnet(value: &[u8]) -> Option<Subnet> {
    let (&[family_high, family_low, source_bits, scope_bits], addr) =
        value.split_first_chunk::<4>()?;
    if scope_bits != 0 || addr.len() != usize::from(source_bits).div_ceil(8) {
        return None;
    }
    let addr = match u16::from_be_bytes([family_high, family_low]) {
        1 if source_bits <= 32 => {
            let mut octets = [0; 4];
            octets[..addr.len()].copy_from_slice(addr);
            IpAddr::from(Ipv4Addr::from(octets))
        }
        2 if source_bits <= 128 => {
            let mut octets = [0; 16];
            octets[..addr.len()].copy_from_slice(addr);
            IpAddr::from(Ipv6Addr::from(octets))
        }
        _ => return None,
    };
    (masked(addr, source_bits) == addr).then_some(Subnet { addr, source_bits })
}

/// `addr` with zeros behind its first `bits`.
#[must_use]
pub fn masked(addr: IpAddr, bits: u8) -> IpAddr {
    let bits = u32::from(bits);
    match addr {
        IpAddr::V4(addr) => {
            let mask = u32::MAX
                .checked_shl(32_u32.saturating_sub(bits))
                .unwrap_or(0);
            Ipv4Addr::from_bits(addr.to_bits() & mask).into()
        }
        IpAddr::V6(addr) => {
            let mask = u128::MAX
                .checked_shl(128_u32.saturating_sub(bits))
                .unwrap_or(0);
            Ipv6Addr::from_bits(addr.to_bits() & mask).into()
        }
    }
}

/// 8 bytes, or 8 and a server cookie of 8 to 32.
fn cookie(value: &[u8]) -> Option<CookieOption> {
    let (client, server) = value.split_first_chunk::<CLIENT_COOKIE_BYTES>()?;
    if !server.is_empty() && !(8..=32).contains(&server.len()) {
        return None;
    }
    Some(CookieOption {
        client: *client,
        server: server.try_into().ok(),
    })
}

#[cfg(test)]
mod tests;
