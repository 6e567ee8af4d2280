//! What the DNS server counts.
//!
//! Owns: names and label values: two transports, a closed set of codes, regions of the topology. Must never: label by name
//! asked for or by client.

use hickory_proto::op::ResponseCode;
use hickory_server::net::xfer::Protocol;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Codes that are answered; others share the last.
const CODES: [(ResponseCode, &str); 8] = [
    (ResponseCode::NoError, "NOERROR"),
    (ResponseCode::FormErr, "FORMERR"),
    (ResponseCode::ServFail, "SERVFAIL"),
    (ResponseCode::NXDomain, "NXDOMAIN"),
    (ResponseCode::NotImp, "NOTIMP"),
    (ResponseCode::Refused, "REFUSED"),
    (ResponseCode::BADVERS, "BADVERS"),
    (ResponseCode::Unknown(0), "other"),
];

/// Counters of the DNS server; cheap to clone.
#[derive(Debug, Clone)]
pub struct DnsMetrics {
    answers: IntCounterVec,
    /// In the order of `CODES`.
    over_udp: [IntCounter; CODES.len()],
    over_tcp: [IntCounter; CODES.len()],
    /// Packets that got no answer because they were none to answer.
    pub silent: IntCounter,
    /// Answers that said "ask over TCP" because they were too long.
    pub truncated: IntCounter,
    limited: IntCounterVec,
    /// Answers that a network did not get because it asks too often.
    pub limited_dropped: IntCounter,
    /// Answers that became "ask over TCP" for the same reason.
    pub limited_slipped: IntCounter,
    /// By region that it is about: 1 = answered as healthy, 0 = not. (`region` is a label of every target already.)
    pub region_up: IntGaugeVec,
    /// 1 while answers are to be forgotten soon.
    pub degraded: IntGauge,
}

impl DnsMetrics {
    /// All zero.
    ///
    /// # Errors
    /// Never in practice: names are right.
    pub fn new() -> Result<Self, prometheus::Error> {
        let answers = IntCounterVec::new(
            Opts::new("holdfast_gateway_dns_answers_total", "DNS answers sent."),
            &["transport", "code"],
        )?;
        let limited = IntCounterVec::new(
            Opts::new(
                "holdfast_gateway_dns_limited_total",
                "DNS answers not sent, or sent to TCP, because one network asks too often.",
            ),
            &["action"],
        )?;
        let counters =
            |transport: &str| CODES.map(|(_, code)| answers.with_label_values(&[transport, code]));
        Ok(Self {
            over_udp: counters("udp"),
            over_tcp: counters("tcp"),
            limited_dropped: limited.with_label_values(&["dropped"]),
            limited_slipped: limited.with_label_values(&["slipped"]),
            answers,
            limited,
            silent: IntCounter::new(
                "holdfast_gateway_dns_silent_total",
                "DNS packets that are not to be answered.",
            )?,
            truncated: IntCounter::new(
                "holdfast_gateway_dns_truncated_total",
                "DNS answers too long for UDP.",
            )?,
            region_up: IntGaugeVec::new(
                Opts::new(
                    "holdfast_gateway_dns_region_up_ratio",
                    "1 for a region that DNS takes to be healthy, 0 for one that it does not.",
                ),
                &["about"],
            )?,
            degraded: IntGauge::new(
                "holdfast_gateway_dns_degraded_ratio",
                "1 while DNS answers have a short time to live because something is wrong, else 0.",
            )?,
        })
    }

    /// Makes them part of `registry`.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.answers.clone()))?;
        registry.register(Box::new(self.limited.clone()))?;
        registry.register(Box::new(self.silent.clone()))?;
        registry.register(Box::new(self.truncated.clone()))?;
        registry.register(Box::new(self.region_up.clone()))?;
        registry.register(Box::new(self.degraded.clone()))
    }

    /// Counts an answer.
    pub fn count(&self, protocol: Protocol, code: ResponseCode) {
        let place = CODES.iter().position(|(known, _)| *known == code);
        let counters = match protocol {
            Protocol::Udp => &self.over_udp,
            _ => &self.over_tcp,
        };
        counters[place.unwrap_or(CODES.len() - 1)].inc();
    }
}
