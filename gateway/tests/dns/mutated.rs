//! Thousands of packets that are almost right, from one seed: the server never panics, never answers what is no query, and
//! what it answers is a DNS message with the same id that is not longer than allowed.

use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_server::net::xfer::Protocol;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::packets::{question, with_options};
use crate::server::{Server, TICKETS};

const SEED: u64 = 20_261_121;
const PACKETS: usize = 20_000;

fn seeds() -> Vec<Vec<u8>> {
    let subnet = || EdnsOption::Subnet("10.2.7.0/24".parse().unwrap());
    let cookie = || EdnsOption::Unknown(10, vec![3; 24]);
    let services = "_holdfast-node._tcp.holdfast.example.";
    let messages = [
        question(TICKETS, RecordType::A),
        question(
            "a.very.deep.name.that.is.not.there.holdfast.example.",
            RecordType::TXT,
        ),
        with_options(TICKETS, RecordType::HTTPS, vec![subnet(), cookie()]),
        with_options(services, RecordType::SRV, vec![cookie()]),
        with_options("holdfast.example.", RecordType::ANY, vec![subnet()]),
    ];
    messages.map(|message| message.to_vec().unwrap()).to_vec()
}

/// One to four small harms.
fn mutate(packet: &mut Vec<u8>, rng: &mut StdRng) {
    for _ in 0..rng.random_range(1..=4) {
        let at = rng.random_range(0..packet.len().max(1));
        match rng.random_range(0..7) {
            0 if at < packet.len() => packet[at] = rng.random(),
            1 if at < packet.len() => packet[at] ^= 1 << rng.random_range(0..8),
            2 => packet.truncate(at),
            3 => packet.insert(at.min(packet.len()), rng.random()),
            4 if at < packet.len() => drop(packet.remove(at)),
            5 if at + 1 < packet.len() => packet[at..at + 2].copy_from_slice(&[0xc0, 12]),
            _ => packet.extend((0..rng.random_range(0..64)).map(|_| rng.random::<u8>())),
        }
    }
}

#[tokio::test]
async fn mutated_packets_get_the_right_kind_of_answer_or_silence() {
    println!("seed {SEED}");
    let server = Server::start(40, 1_000_000).await;
    let (mut rng, seeds) = (StdRng::seed_from_u64(SEED), seeds());
    let mut codes = std::collections::BTreeMap::new();
    for n in 0..PACKETS {
        let mut packet = seeds[n % seeds.len()].clone();
        mutate(&mut packet, &mut rng);
        let protocol = if n % 7 == 0 {
            Protocol::Tcp
        } else {
            Protocol::Udp
        };
        let Some(answer) = server.respond(&packet, protocol).await else {
            // The limit is far above what this test sends, but counts by the clock.
            let is_query = packet.len() >= 12 && packet[2] & 0x80 == 0;
            assert!(!is_query, "{n}: silence to {packet:02x?}");
            *codes.entry("silence".to_owned()).or_insert(0) += 1;
            continue;
        };
        assert!(
            packet.len() >= 12 && packet[2] & 0x80 == 0,
            "{n}: answered {packet:02x?}"
        );
        assert_eq!(answer[..2], packet[..2], "{n}: another id");
        if protocol == Protocol::Udp {
            assert!(answer.len() <= 1_232, "{n}: {} bytes", answer.len());
        }
        // Opcodes that nobody knows are given back, which hickory's decoder does not take.
        if (packet[2] >> 3) & 15 != 0 {
            assert_eq!((answer.len(), answer[3] & 15), (12, 4), "{n}");
            *codes.entry("NOTIMP".to_owned()).or_insert(0) += 1;
            continue;
        }
        let message =
            Message::from_vec(&answer).unwrap_or_else(|e| panic!("{n}: {e}: {packet:02x?}"));
        assert_eq!(message.metadata.message_type, MessageType::Response);
        *codes
            .entry(format!("{:?}", message.metadata.response_code))
            .or_insert(0) += 1;
    }
    println!("{codes:?}");
    for code in [
        "silence", "NOTIMP", "NoError", "FormErr", "Refused", "NXDomain",
    ] {
        assert!(
            codes.contains_key(code),
            "no mutation led to {code}: {codes:?}"
        );
    }
}
