//! Question in, answer out.
//!
//! | the question | the answer |
//! |---|---|
//! | not of class IN, a zone transfer, a name of another zone | REFUSED: nothing of that is here |
//! | a name that is not there | NXDOMAIN with SOA |
//! | a name that has nothing of this type | nothing, with SOA |
//! | every type | one HINFO (RFC 8482) |
//! | A, AAAA of a steered name | gateways of the chosen regions, nearest first |
//! | HTTPS, SVCB of a steered name | the chosen regions by name, nearest with the best priority, with their addresses as hints |
//! | everything else | what the zone has, with the addresses that come next in mind |
//!
//! Owns: this table. Pure: zone, steering and geography are given. Must never: say "there is no such name" of one that is.

use std::net::IpAddr;

use hickory_proto::op::{LowerQuery, ResponseCode};
use hickory_proto::rr::rdata::svcb::{Alpn, IpHint, SvcParamKey, SvcParamValue};
use hickory_proto::rr::rdata::{A, AAAA, HINFO, HTTPS, SVCB};
use hickory_proto::rr::{DNSClass, LowerName, Name, RData, Record, RecordType};
use holdfast_region_config::ids::RegionId;

use super::config::HttpsConfig;
use super::geography::Geography;
use super::steering::Steering;
use super::zone::{Entry, Zone, is_steered_type};

/// How long the answer to "every type" may be remembered, s: it says nothing that changes.
const ANY_TTL_S: u32 = 3_600;

/// An answer before it is bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its code.
    pub code: ResponseCode,
    /// Whether this zone says so.
    pub authoritative: bool,
    /// What was asked for.
    pub answers: Vec<Record>,
    /// SOA, with a "no".
    pub authority: Vec<Record>,
    /// What is likely to be asked next.
    pub additionals: Vec<Record>,
    /// Every client that shares this many leading bits with the one asked for gets the same; 0 = everybody does.
    pub scope_bits: u8,
}

impl Answer {
    /// A code and nothing else.
    #[must_use]
    pub fn code(code: ResponseCode) -> Self {
        Self {
            code,
            authoritative: false,
            answers: Vec::new(),
            authority: Vec::new(),
            additionals: Vec::new(),
            scope_bits: 0,
        }
    }

    fn authoritative(code: ResponseCode) -> Self {
        Self {
            authoritative: true,
            ..Self::code(code)
        }
    }
}

/// What answers are made from.
#[derive(Clone, Copy)]
pub struct Knowledge<'a> {
    /// The names.
    pub zone: &'a Zone,
    /// Who may be answered now.
    pub steering: &'a Steering,
    /// What is near.
    pub geography: &'a dyn Geography,
}

impl Knowledge<'_> {
    /// The answer to `query` for a user at `client`.
    #[must_use]
    pub fn answer(&self, query: &LowerQuery, client: IpAddr) -> Answer {
        let (name, kind) = (query.name(), query.query_type());
        match (query.query_class(), kind) {
            (_, RecordType::OPT) => return Answer::code(ResponseCode::FormErr),
            (DNSClass::IN, RecordType::AXFR | RecordType::IXFR) => {
                return Answer::code(ResponseCode::Refused);
            }
            (DNSClass::IN, _) if self.zone.origin.zone_of(name) => {}
            _ => return Answer::code(ResponseCode::Refused),
        }
        let Some(entry) = self.zone.entry(name) else {
            return self.no(ResponseCode::NXDomain);
        };
        // Names are given back as they were asked for: resolvers that vary the case look.
        let asked = query.original().name();
        if kind == RecordType::ANY {
            return Self::any(asked);
        }
        if entry.steered && is_steered_type(kind) {
            return self.steered(name, asked, kind, client);
        }
        self.fixed(entry, asked, kind)
    }

    fn no(&self, code: ResponseCode) -> Answer {
        Answer {
            authority: vec![self.zone.soa_of_no.clone()],
            ..Answer::authoritative(code)
        }
    }

    /// RFC 8482, section 4.2.
    fn any(asked: &Name) -> Answer {
        let hinfo = RData::HINFO(HINFO::new("RFC8482".to_owned(), String::new()));
        Answer {
            answers: vec![Record::from_rdata(asked.clone(), ANY_TTL_S, hinfo)],
            ..Answer::authoritative(ResponseCode::NoError)
        }
    }

    fn fixed(&self, entry: &Entry, asked: &Name, kind: RecordType) -> Answer {
        let records = entry.records.iter().filter(|r| r.record_type() == kind);
        let answers: Vec<Record> = records
            .map(|record| {
                let mut record = record.clone();
                record.name = asked.clone();
                record
            })
            .collect();
        if answers.is_empty() {
            return self.no(ResponseCode::NoError);
        }
        let targets = answers.iter().filter_map(|record| match &record.data {
            RData::NS(server) => Some(&server.0),
            RData::SRV(service) => Some(&service.target),
            _ => None,
        });
        let additionals = targets.flat_map(|target| self.zone.addresses(target));
        Answer {
            additionals: additionals.cloned().collect(),
            answers,
            ..Answer::authoritative(ResponseCode::NoError)
        }
    }

    fn steered(&self, name: &LowerName, asked: &Name, kind: RecordType, client: IpAddr) -> Answer {
        let nearest = self.geography.nearest_regions(client);
        let order = nearest.order.iter();
        let open: Vec<RegionId> = order
            .filter(|region| self.zone.gateways.contains_key(*region))
            .cloned()
            .collect();
        let choice = self
            .steering
            .choose(name, &open, self.zone.regions_per_answer);
        let ttl_s = if self.steering.is_degraded() {
            self.zone.ttl_degraded_s
        } else {
            self.zone.ttl_s
        };
        let data: Vec<RData> = match (kind, &self.zone.https) {
            (RecordType::A | RecordType::AAAA, _) => self.addresses(&choice.regions, kind),
            (_, Some(https)) => self.bindings(&choice.regions, https, kind),
            (_, None) => return self.no(ResponseCode::NoError),
        };
        let mut answer = if data.is_empty() {
            self.no(ResponseCode::NoError)
        } else {
            let record = |data| Record::from_rdata(asked.clone(), ttl_s, data);
            Answer {
                answers: data.into_iter().map(record).collect(),
                ..Answer::authoritative(ResponseCode::NoError)
            }
        };
        if choice.depends_on_client {
            answer.scope_bits = nearest.prefix_bits;
        }
        answer
    }

    fn gateways<'b>(&'b self, region: &RegionId) -> impl Iterator<Item = IpAddr> + 'b {
        self.zone
            .gateways
            .get(region)
            .into_iter()
            .flatten()
            .copied()
    }

    fn addresses(&self, regions: &[RegionId], kind: RecordType) -> Vec<RData> {
        let all = regions.iter().flat_map(|region| self.gateways(region));
        all.filter_map(|addr| match (addr, kind) {
            (IpAddr::V4(addr), RecordType::A) => Some(RData::A(A(addr))),
            (IpAddr::V6(addr), RecordType::AAAA) => Some(RData::AAAA(AAAA(addr))),
            _ => None,
        })
        .collect()
    }

    /// RFC 9460: one record a region. Unlike the order of addresses, priorities survive resolvers.
    fn bindings(&self, regions: &[RegionId], https: &HttpsConfig, kind: RecordType) -> Vec<RData> {
        let mut records = Vec::with_capacity(regions.len());
        for (priority, region) in (1..).zip(regions) {
            let Some(target) = self.zone.region_names.get(region) else {
                continue;
            };
            let binding = SVCB::new(priority, target.clone(), self.params(region, https));
            records.push(match kind {
                RecordType::HTTPS => RData::HTTPS(HTTPS(binding)),
                _ => RData::SVCB(binding),
            });
        }
        records
    }

    /// In ascending order of keys, as the wire form wants them.
    fn params(&self, region: &RegionId, https: &HttpsConfig) -> Vec<(SvcParamKey, SvcParamValue)> {
        let mut params = Vec::new();
        if !https.alpn.is_empty() {
            let alpn = SvcParamValue::Alpn(Alpn(https.alpn.clone()));
            params.push((SvcParamKey::Alpn, alpn));
        }
        if let Some(port) = https.port {
            params.push((SvcParamKey::Port, SvcParamValue::Port(port)));
        }
        let (mut four, mut six) = (Vec::new(), Vec::new());
        for addr in self.gateways(region) {
            match addr {
                IpAddr::V4(addr) => four.push(A(addr)),
                IpAddr::V6(addr) => six.push(AAAA(addr)),
            }
        }
        if !four.is_empty() {
            let hint = SvcParamValue::Ipv4Hint(IpHint(four));
            params.push((SvcParamKey::Ipv4Hint, hint));
        }
        if !six.is_empty() {
            let hint = SvcParamValue::Ipv6Hint(IpHint(six));
            params.push((SvcParamKey::Ipv6Hint, hint));
        }
        params
    }
}

#[cfg(test)]
mod tests;
