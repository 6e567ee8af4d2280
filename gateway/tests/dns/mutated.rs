//! Thousands of packets that are almost right, from one seed: the server never panics, never answers what is no query, and
//! what it answers is what an independent reader of the packet expects, and not longer than allowed.
//!
//! `HOLDFAST_DNS_PACKETS` says how many packets, `HOLDFAST_DNS_SEED` which (`docs/dns.md`, "Trying to break it").

use std::collections::{BTreeMap, BTreeSet};

use hickory_proto::op::Message;
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{DNSClass, RecordType};
use hickory_server::net::xfer::Protocol;
use holdfast_gateway::dns::rate_limit::PER_SECOND_MAX;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::oracle::judge;
use crate::packets::{question, with_options};
use crate::server::{Server, TICKETS};

const SEED: u64 = 20_261_121;
const PACKETS: u64 = 20_000;
const NODES: usize = 40;

fn from_environment(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| text.parse().unwrap())
}

/// Good packets, and some that are refused for a reason that small harm does not take away.
fn seeds() -> Vec<Vec<u8>> {
    let subnet = || EdnsOption::Subnet("10.2.7.0/24".parse().unwrap());
    let subnet6 = || EdnsOption::Subnet("2001:db8:a::/48".parse().unwrap());
    let cookie = || EdnsOption::Unknown(10, vec![3; 24]);
    let services = "_holdfast-node._tcp.holdfast.example.";
    let deep = "a.very.deep.name.that.is.not.there.holdfast.example.";
    let mut messages = vec![
        question(TICKETS, RecordType::A),
        question(deep, RecordType::TXT),
        question("eastus.holdfast.example.", RecordType::AAAA),
        question("holdfast.example.", RecordType::SOA),
        question("holdfast.example.", RecordType::AXFR),
        question("somebody.elses.zone.", RecordType::NS),
        with_options(TICKETS, RecordType::HTTPS, vec![subnet(), cookie()]),
        with_options(TICKETS, RecordType::AAAA, vec![subnet6()]),
        with_options(services, RecordType::SRV, vec![cookie()]),
        with_options(services, RecordType::SRV, vec![]),
        with_options("holdfast.example.", RecordType::ANY, vec![subnet()]),
    ];
    messages.push(with_class(DNSClass::CH));
    messages.push(with_version(1));
    messages
        .into_iter()
        .map(|message| message.to_vec().unwrap())
        .collect()
}

fn with_class(class: DNSClass) -> Message {
    let mut message = question("version.bind.", RecordType::TXT);
    message.queries[0].set_query_class(class);
    message
}

fn with_version(version: u8) -> Message {
    let mut message = with_options(TICKETS, RecordType::A, vec![]);
    message.edns.as_mut().unwrap().set_version(version);
    message
}

/// Every name that the zone has, as `docs/dns.md` lists them, and those above them.
fn names() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut add = |name: &str| {
        let dot = if name.is_empty() { "" } else { "." };
        names.insert(format!("{name}{dot}holdfast.example."));
    };
    for name in ["", "tickets", "ns1", "_regions", "_tcp", "nodes"] {
        add(name);
    }
    for node in 1..=NODES {
        add(&format!("n{node}.nodes"));
    }
    for service in ["_holdfast-gateway._tcp", "_holdfast-node._tcp"] {
        add(service);
    }
    for region in ["eastus", "westeurope", "southeastasia"] {
        for below in [
            "",
            "_tcp.",
            "_holdfast-gateway._tcp.",
            "_holdfast-node._tcp.",
        ] {
            add(&format!("{below}{region}"));
        }
    }
    names
}

/// One to four small harms, or none at all.
fn mutate(packet: &mut Vec<u8>, rng: &mut StdRng) {
    for _ in 0..rng.random_range(0..=4) {
        let at = rng.random_range(0..packet.len().max(1));
        match rng.random_range(0..9) {
            0 if at < packet.len() => packet[at] = rng.random(),
            1 if at < packet.len() => packet[at] ^= 1 << rng.random_range(0..8),
            2 => packet.truncate(at),
            3 => packet.insert(at.min(packet.len()), rng.random()),
            4 if at < packet.len() => drop(packet.remove(at)),
            5 if at + 1 < packet.len() => packet[at..at + 2].copy_from_slice(&[0xc0, 12]),
            // Counts and lengths at their edges.
            6 if at + 1 < packet.len() => {
                let edge: [u16; 6] = [0, 1, 2, 255, 0x7fff, 0xffff];
                let edge = edge[rng.random_range(0..edge.len())].to_be_bytes();
                packet[at..at + 2].copy_from_slice(&edge);
            }
            // A piece of it once more.
            7 => {
                let end = (at + rng.random_range(0..24)).min(packet.len());
                let piece = packet.get(at..end).unwrap_or_default().to_vec();
                packet.extend(piece);
            }
            _ => packet.extend((0..rng.random_range(0..64)).map(|_| rng.random::<u8>())),
        }
    }
}

#[tokio::test]
async fn mutated_packets_get_the_right_code_or_silence() {
    let seed = from_environment("HOLDFAST_DNS_SEED", SEED);
    let packets = from_environment("HOLDFAST_DNS_PACKETS", PACKETS);
    println!("seed {seed}, {packets} packets");
    let server = Server::start(NODES, PER_SECOND_MAX).await;
    let (mut rng, seeds, names) = (StdRng::seed_from_u64(seed), seeds(), names());
    let mut codes: BTreeMap<String, u64> = BTreeMap::new();
    for n in 0..packets {
        let mut packet = seeds[rng.random_range(0..seeds.len())].clone();
        mutate(&mut packet, &mut rng);
        let protocol = if n % 7 == 0 {
            Protocol::Tcp
        } else {
            Protocol::Udp
        };
        let answer = server.respond(&packet, protocol).await;
        match judge(&packet, protocol, answer.as_deref(), &names) {
            Ok(code) => *codes.entry(code).or_default() += 1,
            Err(wrong) => {
                panic!("packet {n} of seed {seed}: {wrong}: {packet:02x?} got {answer:02x?}")
            }
        }
    }
    println!("{codes:?}");
    let all = [
        "silence", "NOTIMP", "NoError", "FormErr", "Refused", "NXDomain", "BADSIG",
    ];
    for code in all
        .into_iter()
        .take(if packets < PACKETS { 0 } else { all.len() })
    {
        // 16 is BADVERS in an OPT and BADSIG in a signature; the decoder cannot tell.
        let seen = codes
            .keys()
            .any(|seen| seen == code || (code == "BADSIG" && seen == "BADVERS"));
        assert!(seen, "no mutation led to {code}: {codes:?}");
    }
}
