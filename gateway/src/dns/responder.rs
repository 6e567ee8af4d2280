//! One packet to one packet.
//!
//! ```text
//! bytes ─► look ─► token or cookie ─► decode ─► answer ─► encode ─(too long)─► without additionals ─► "ask over TCP"
//! ```
//!
//! Owns: that order, EDNS, and what is counted. hickory decodes and encodes; its own server is not used, because it starts a
//! task for every packet without a bound, logs every question with the address of who asked, and answers malformed
//! responses. Must never: keep anything about a client, or wait for anything.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_trait::async_trait;
use hickory_proto::op::{Edns, Header, HeaderCounts, Metadata, ResponseCode};
use hickory_proto::rr::Record;
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsOption};
use hickory_proto::serialize::binary::BinEncoder;
use hickory_server::net::NetError;
use hickory_server::net::runtime::{Time, TokioTime};
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::{MessageResponse, MessageResponseBuilder};

use super::answer::{Answer, Knowledge};
use super::cookie::Cookies;
use super::geography::Geography;
use super::rate_limit::{RateLimit, Verdict};
use super::steering::Steering;
use super::wire::{self, Look, Query, Subnet, UDP_BYTES_MAX, UDP_BYTES_MIN};
use super::zone::Zone;
use crate::clock;
use crate::metrics::dns::DnsMetrics;

/// Longest prefix that is told apart, bits (RFC 7871, 11.1): more would say more about one household than anybody needs.
const SUBNET_V4_BITS_MAX: u8 = 24;
const SUBNET_V6_BITS_MAX: u8 = 56;
const OPTION_COOKIE: u16 = 10;
const TOO_LONG: NetError = NetError::Message("the answer does not fit");

/// What answers are made from, replaced as a whole.
pub struct Live {
    /// The names.
    pub zone: Arc<Zone>,
    /// Who may be answered.
    pub steering: Arc<Steering>,
    /// What is near.
    pub geography: Arc<dyn Geography>,
}

/// See the module's head.
pub struct Responder {
    /// Guards the pointer only; never held over an await.
    live: RwLock<Arc<Live>>,
    cookies: Cookies,
    limit: RateLimit,
    metrics: DnsMetrics,
}

impl Responder {
    /// Answers from `live` until it is replaced.
    #[must_use]
    pub fn new(live: Live, cookies: Cookies, limit: RateLimit, metrics: DnsMetrics) -> Self {
        Self {
            live: RwLock::new(Arc::new(live)),
            cookies,
            limit,
            metrics,
        }
    }

    /// What is answered from now.
    #[must_use]
    pub fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Answers from `live` from now on.
    pub fn replace(&self, live: Live) {
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(live);
    }

    /// What to send back for a packet from `src`; `None` = nothing.
    pub async fn respond(
        &self,
        packet: Vec<u8>,
        src: SocketAddr,
        protocol: Protocol,
    ) -> Option<Vec<u8>> {
        let looked = wire::look(&packet);
        if looked == Look::Silence || src.port() == 0 {
            self.metrics.silent.inc();
            return None;
        }
        if protocol == Protocol::Udp && !self.is_known(&looked, src.ip()) {
            match self.limit.take(src.ip(), clock::now()) {
                Verdict::Send => {}
                Verdict::Drop => {
                    self.metrics.limited_dropped.inc();
                    return None;
                }
                Verdict::Slip => {
                    self.metrics.limited_slipped.inc();
                    return wire::truncated(&packet);
                }
            }
        }
        if let Look::Refuse(refusal) = looked {
            self.metrics.count(protocol, refusal.code);
            return Some(refusal.to_bytes());
        }
        let Ok(request) = Request::from_bytes(packet.clone(), src, protocol) else {
            // In the right form, with something in it that cannot be: a name of a record's data, for one.
            self.metrics.count(protocol, ResponseCode::FormErr);
            return wire::bare(&packet, ResponseCode::FormErr);
        };
        let reply = Reply::to(&request);
        self.handle_request::<_, TokioTime>(&request, reply.clone())
            .await;
        reply.take()
    }

    /// Whether `addr` has proven to be its own.
    fn is_known(&self, looked: &Look<'_>, addr: IpAddr) -> bool {
        let Look::Query(query) = looked else {
            return false;
        };
        let cookie = query
            .cookie
            .and_then(|cookie| Some((cookie.client, cookie.server?)));
        cookie.is_some_and(|(client, server)| self.cookies.is_good(client, server, addr, now_s()))
    }

    fn answer(&self, live: &Live, request: &Request, query: &Query) -> Answer {
        let Ok(info) = request.request_info() else {
            return Answer::code(ResponseCode::FormErr);
        };
        let knowledge = Knowledge {
            zone: &live.zone,
            steering: &live.steering,
            geography: live.geography.as_ref(),
        };
        let told = query.subnet.filter(|subnet| subnet.source_bits > 0);
        let client = told.map_or_else(|| request.src().ip(), |subnet| cut(subnet.addr));
        knowledge.answer(info.query, client.to_canonical())
    }

    fn edns(&self, asked: &Edns, query: &Query, scope_bits: u8, addr: IpAddr) -> Edns {
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_BYTES_MAX);
        edns.set_dnssec_ok(asked.flags().dnssec_ok);
        if let Some(subnet) = query.subnet {
            edns.options_mut()
                .insert(EdnsOption::Subnet(echo(subnet, scope_bits)));
        }
        if let Some(cookie) = query.cookie {
            let client = cookie.client;
            let server = self.cookies.make(client, addr, now_s());
            let both = [client.as_slice(), &server].concat();
            edns.options_mut()
                .insert(EdnsOption::Unknown(OPTION_COOKIE, both));
        }
        edns
    }

    fn edns_of(&self, request: &Request, query: &Query, answer: &Answer) -> Option<Edns> {
        let asked = request.edns.as_ref()?;
        Some(self.edns(asked, query, answer.scope_bits, request.src().ip()))
    }
}

#[async_trait]
impl RequestHandler for Responder {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut handle: R,
    ) -> ResponseInfo {
        let live = self.live();
        let query = match wire::look(request.as_slice()) {
            Look::Query(query) => query,
            Look::Silence | Look::Refuse(_) => Query::default(),
        };
        // RFC 6891, 6.1.3: which version we have, and nothing else.
        let answer = if request.version() > 0 {
            Answer::code(ResponseCode::BADVERS)
        } else {
            self.answer(&live, request, &query)
        };
        let edns = self.edns_of(request, &query, &answer);
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.response_code = answer.code;
        metadata.authoritative = answer.authoritative;
        let nothing: &[Record] = &[];
        let shapes = [
            (
                answer.answers.as_slice(),
                answer.authority.as_slice(),
                answer.additionals.as_slice(),
            ),
            (
                answer.answers.as_slice(),
                answer.authority.as_slice(),
                nothing,
            ),
            (nothing, nothing, nothing),
        ];
        for (at, (answers, authority, additionals)) in shapes.into_iter().enumerate() {
            metadata.truncation = at == 2;
            let mut builder = MessageResponseBuilder::from_message_request(request);
            if let Some(edns) = &edns {
                builder.edns(edns);
            }
            let response = builder.build(metadata, answers, nothing, authority, additionals);
            if let Ok(info) = handle.send_response(response).await {
                self.metrics.count(request.protocol(), answer.code);
                if metadata.truncation {
                    self.metrics.truncated.inc();
                }
                return info;
            }
        }
        metadata.response_code = ResponseCode::ServFail;
        ResponseInfo::from(Header {
            metadata,
            counts: HeaderCounts::default(),
        })
    }
}

/// Takes one answer as bytes.
#[derive(Clone)]
struct Reply {
    /// Never held over an await.
    bytes: Arc<Mutex<Option<Vec<u8>>>>,
    bytes_max: u16,
}

impl Reply {
    fn to(request: &Request) -> Self {
        let bytes_max = match request.protocol() {
            Protocol::Udp => request.max_payload().clamp(UDP_BYTES_MIN, UDP_BYTES_MAX),
            _ => u16::MAX,
        };
        Self {
            bytes: Arc::default(),
            bytes_max,
        }
    }

    fn take(&self) -> Option<Vec<u8>> {
        self.bytes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

#[async_trait]
impl ResponseHandler for Reply {
    /// Refuses what does not fit: hickory would leave records out, and the OPT with them.
    async fn send_response<'a>(
        &mut self,
        mut response: MessageResponse<
            '_,
            'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
        >,
    ) -> Result<ResponseInfo, NetError> {
        let meant = response.metadata_mut().truncation;
        let mut bytes = Vec::with_capacity(usize::from(UDP_BYTES_MIN));
        let mut encoder = BinEncoder::new(&mut bytes);
        encoder.set_max_size(self.bytes_max);
        let info = response.destructive_emit(&mut encoder)?;
        if info.truncation != meant {
            return Err(TOO_LONG);
        }
        *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes);
        Ok(info)
    }
}

fn now_s() -> u32 {
    // The field of a cookie wraps around in 2106, and so may this.
    u32::try_from((clock::unix_ms() / 1_000) & u64::from(u32::MAX)).unwrap_or(0)
}

const fn bits_max(addr: IpAddr) -> u8 {
    match addr {
        IpAddr::V4(_) => SUBNET_V4_BITS_MAX,
        IpAddr::V6(_) => SUBNET_V6_BITS_MAX,
    }
}

/// As much of it as is told apart.
fn cut(addr: IpAddr) -> IpAddr {
    wire::masked(addr, bits_max(addr))
}

/// The option of the answer: as it came, with how wide the answer holds (RFC 7871, 7.2.1).
fn echo(subnet: Subnet, scope_bits: u8) -> ClientSubnet {
    // A client that does not want to be told apart was not.
    let scope_bits = match subnet.source_bits {
        0 => 0,
        _ => scope_bits.min(bits_max(subnet.addr)),
    };
    ClientSubnet::new(subnet.addr, subnet.source_bits, scope_bits)
}
