//! What a packet may be answered with, worked out in another way than the server does: hickory's decoder and the words of
//! `docs/dns.md`.
//!
//! Owns: that second opinion. Must never: ask the code under test.

use std::collections::BTreeSet;

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType};
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder};
use hickory_server::net::xfer::Protocol;

/// As in `docs/dns.md`.
const UDP_BYTES_MAX: usize = 1_232;
const UDP_BYTES_MIN: usize = 512;
const RECORDS_MAX: usize = 16;

/// Says what is wrong with an answer to a packet, or with silence; names the kind of answer otherwise.
pub(crate) fn judge(
    packet: &[u8],
    protocol: Protocol,
    answer: Option<&[u8]>,
    names: &BTreeSet<String>,
) -> Result<String, String> {
    let is_query = packet.len() >= 12 && packet[2] & 0x80 == 0;
    let Some(answer) = answer else {
        // The limit is far above what a test sends.
        return if is_query {
            Err("silence".into())
        } else {
            Ok("silence".into())
        };
    };
    must(is_query, "an answer to what is no query")?;
    must(
        answer.len() >= 12 && answer[..2] == packet[..2],
        "another id",
    )?;
    must(
        answer[2] & 0xf8 == 0x80 | (packet[2] & 0x78),
        "another opcode, or no answer",
    )?;
    must(answer.len() <= most(packet, protocol), "too long")?;
    // Opcodes that nobody knows are given back, which hickory's decoder does not take.
    if (packet[2] >> 3) & 15 != 0 {
        must((answer.len(), answer[3] & 15) == (12, 4), "not NOTIMP")?;
        return Ok("NOTIMP".into());
    }
    let said = Message::from_vec(answer).map_err(|error| format!("cannot be read: {error}"))?;
    must(
        said.metadata.message_type == MessageType::Response,
        "no answer",
    )?;
    let code = said.metadata.response_code;
    match expected(packet, names) {
        // In order as far as can be seen from here. What the options say may be wrong all the same.
        Some((expected, has_options)) => {
            let code = u16::from(code);
            let forgiven = has_options && code == u16::from(ResponseCode::FormErr);
            must(
                code == u16::from(expected) || forgiven,
                &format!("{code} instead of {expected}"),
            )?;
        }
        None => must(
            code == ResponseCode::FormErr,
            &format!("{code} instead of FORMERR"),
        )?,
    }
    let nothing = said.answers.is_empty() && said.authorities.is_empty();
    let bad = matches!(code, ResponseCode::FormErr | ResponseCode::Refused);
    must(nothing || !bad, "records with a refusal")?;
    must(
        nothing || !said.metadata.truncation,
        "records in an answer that is cut short",
    )?;
    Ok(format!("{code:?}"))
}

fn must(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

/// Longest answer, bytes.
fn most(packet: &[u8], protocol: Protocol) -> usize {
    if protocol == Protocol::Tcp {
        return usize::from(u16::MAX);
    }
    let told = Message::from_vec(packet)
        .ok()
        .and_then(|message| message.edns);
    let told = told.map_or(UDP_BYTES_MIN, |edns| usize::from(edns.max_payload()));
    told.clamp(UDP_BYTES_MIN, UDP_BYTES_MAX)
}

/// The code for a query that is in order, and whether it has options; `None` for one that is not.
fn expected(packet: &[u8], names: &BTreeSet<String>) -> Option<(ResponseCode, bool)> {
    let count = |at: usize| usize::from(u16::from_be_bytes([packet[at], packet[at + 1]]));
    if count(4) != 1 || count(6) + count(8) + count(10) > RECORDS_MAX {
        return None;
    }
    let mut decoder = BinDecoder::new(packet);
    let message = Message::read(&mut decoder).ok()?;
    if !decoder.is_empty() || pointers_in_question(packet) {
        return None;
    }
    let query = message.queries.first()?;
    let has_options = message.edns.is_some() && options_bytes(packet) != Some(0);
    let is_opt = query.query_type() == RecordType::OPT;
    let code = if message.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
        ResponseCode::BADVERS
    } else if is_opt {
        return None;
    } else if query.query_class() != DNSClass::IN
        || matches!(query.query_type(), RecordType::AXFR | RecordType::IXFR)
    {
        ResponseCode::Refused
    } else {
        let name = query.name().to_lowercase().to_string();
        if !(name == "holdfast.example." || name.ends_with(".holdfast.example.")) {
            ResponseCode::Refused
        } else if names.contains(&name) {
            ResponseCode::NoError
        } else {
            ResponseCode::NXDomain
        }
    };
    Some((code, has_options))
}

/// Length of the data of the OPT record: hickory leaves options out that do not add up.
fn options_bytes(packet: &[u8]) -> Option<usize> {
    let pair = |at: usize| {
        Some(usize::from(u16::from_be_bytes([
            *packet.get(at)?,
            *packet.get(at + 1)?,
        ])))
    };
    let mut at = after_name(packet, 12)? + 4;
    while at < packet.len() {
        let fixed = after_name(packet, at)?;
        let length = pair(fixed + 8)?;
        if pair(fixed)? == usize::from(u16::from(RecordType::OPT)) {
            return Some(length);
        }
        at = fixed + 10 + length;
    }
    None
}

/// The place behind a name, which may end in a pointer.
fn after_name(packet: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let length = usize::from(*packet.get(at)?);
        match length >> 6 {
            0 if length == 0 => return Some(at + 1),
            0 => at += length + 1,
            _ => return Some(at + 2),
        }
    }
}

/// A question has nothing before it that its name could point to.
fn pointers_in_question(packet: &[u8]) -> bool {
    let mut at = 12;
    while let Some(&length) = packet.get(at) {
        match length >> 6 {
            0 if length == 0 => return false,
            0 => at += usize::from(length) + 1,
            _ => return true,
        }
    }
    true
}
