//! One DNS question as a resolver near some network would ask it.
//!
//! Owns: the question, the wait, and reading the answer. Must never: ask anybody but the server that it was given.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr as _;
use std::time::Duration;

use anyhow::Context as _;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsCode, EdnsOption};
use hickory_proto::rr::{Name, RecordType};
use tokio::net::UdpSocket;

/// A server on this machine answers in a millisecond; a busy machine takes its time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
const UDP_BYTES_MAX: usize = 4_096;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its code.
    pub code: ResponseCode,
    /// Addresses in the order of the answer.
    pub addrs: Vec<IpAddr>,
    /// Of the first record, s.
    pub ttl_s: Option<u32>,
    /// For how wide a network it holds, bits; `None` without a client subnet.
    pub scope_bits: Option<u8>,
}

/// The question as bytes: addresses of `name` for a user in `subnet`.
///
/// # Errors
/// When the name or the subnet cannot be one.
pub fn question(name: &str, subnet: Option<&str>, id: u16) -> anyhow::Result<Vec<u8>> {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    let mut name = Name::from_str(name)?;
    name.set_fqdn(true);
    message.add_query(Query::query(name, RecordType::A));
    if let Some(subnet) = subnet {
        let subnet = ClientSubnet::from_str(subnet)?;
        let mut edns = Edns::new();
        edns.set_max_payload(1_232);
        edns.options_mut().insert(EdnsOption::Subnet(subnet));
        message.edns = Some(edns);
    }
    Ok(message.to_vec()?)
}

/// Asks `server` for the IPv4 addresses of `name`, for a user in `subnet`, such as `10.2.3.0/24`.
///
/// # Errors
/// When no answer comes in time, or one that is none.
pub async fn ask(server: SocketAddr, name: &str, subnet: Option<&str>) -> anyhow::Result<Answer> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    socket.connect(server).await?;
    socket.send(&question(name, subnet, 1)?).await?;
    let mut bytes = [0; UDP_BYTES_MAX];
    let received = tokio::time::timeout(ANSWER_TIMEOUT, socket.recv(&mut bytes)).await;
    let length = received.context("the DNS server did not answer")??;
    let message = Message::from_vec(&bytes[..length])?;
    let scope_bits =
        message
            .edns
            .as_ref()
            .and_then(|edns| match edns.option(EdnsCode::Subnet)? {
                EdnsOption::Subnet(subnet) => Some(subnet.scope_prefix()),
                _ => None,
            });
    let records = &message.answers;
    Ok(Answer {
        code: message.metadata.response_code,
        addrs: records
            .iter()
            .filter_map(|record| record.data.ip_addr())
            .collect(),
        ttl_s: records.first().map(|record| record.ttl),
        scope_bits,
    })
}
