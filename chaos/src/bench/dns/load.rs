//! Clients that ask over UDP, each one question at a time.
//!
//! Owns: the questions and the loop. Must never: take an answer for good that is not one to the question.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::bench::stats::Times;
use crate::dns_client::question;

/// Networks that ask.
const SUBNETS: u16 = 256;
/// After this an answer is taken for lost.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
const OPTION_COOKIE: u16 = 10;
const CLIENT_COOKIE: [u8; 8] = *b"holdfast";

/// The questions, as bytes whose first two are to be written over.
pub(super) struct Shots {
    packets: Arc<[Vec<u8>]>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Load {
    pub(super) answers: u64,
    pub(super) lost: u64,
    pub(super) took: Duration,
    pub(super) times: Times,
}

impl Load {
    pub(super) fn add(&mut self, other: Self) {
        self.answers += other.answers;
        self.lost += other.lost;
        self.took += other.took;
        self.times.append(other.times);
    }
}

fn with_cookie(bytes: &[u8], cookie: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let mut message = Message::from_vec(bytes)?;
    let edns = message.edns.as_mut().context("the question has no EDNS")?;
    edns.options_mut()
        .insert(EdnsOption::Unknown(OPTION_COOKIE, cookie));
    Ok(message.to_vec()?)
}

impl Shots {
    /// Gets a cookie from `server` and writes the questions.
    pub(super) async fn load(server: SocketAddr, name: &str) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        socket.connect(server).await?;
        let first = question(name, Some("10.1.0.0/24"), 1)?;
        socket
            .send(&with_cookie(&first, CLIENT_COOKIE.to_vec())?)
            .await?;
        let mut bytes = [0; 4_096];
        let length = tokio::time::timeout(ANSWER_TIMEOUT, socket.recv(&mut bytes)).await??;
        let answer = Message::from_vec(&bytes[..length])?;
        let option = answer
            .edns
            .as_ref()
            .and_then(|edns| edns.option(EdnsCode::Cookie));
        let Some(EdnsOption::Unknown(_, cookie)) = option else {
            anyhow::bail!("the server gave no cookie");
        };
        let packet = |n: u16| {
            let subnet = format!("10.{}.{}.0/24", n % 5, n % 251);
            with_cookie(&question(name, Some(&subnet), 0)?, cookie.clone())
        };
        let packets = (0..SUBNETS)
            .map(packet)
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self {
            packets: packets.into(),
        })
    }
}

/// `clients` ask `server` in a closed loop for this long.
pub(super) async fn run(
    server: SocketAddr,
    shots: &Shots,
    clients: u16,
    for_time: Duration,
) -> anyhow::Result<Load> {
    let started = Instant::now();
    let mut asking = JoinSet::new();
    for client in 0..clients {
        asking.spawn(ask(
            server,
            Arc::clone(&shots.packets),
            client,
            started + for_time,
        ));
    }
    let mut load = Load::default();
    while let Some(asked) = asking.join_next().await {
        load.add(asked??);
    }
    load.took = started.elapsed();
    Ok(load)
}

async fn ask(
    server: SocketAddr,
    packets: Arc<[Vec<u8>]>,
    client: u16,
    until: Instant,
) -> anyhow::Result<Load> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    socket.connect(server).await?;
    let (mut load, mut bytes, mut id) = (Load::default(), [0; 4_096], client);
    while Instant::now() < until {
        id = id.wrapping_add(1);
        let mut packet = packets[usize::from(id) % packets.len()].clone();
        packet[..2].copy_from_slice(&id.to_be_bytes());
        let began = Instant::now();
        socket.send(&packet).await?;
        match tokio::time::timeout(ANSWER_TIMEOUT, answer_to(&socket, id, &mut bytes)).await {
            Ok(code) => {
                let code = code?;
                anyhow::ensure!(
                    code == ResponseCode::NoError.low(),
                    "the server answered code {code}"
                );
                load.times.push(began.elapsed());
                load.answers += 1;
            }
            Err(_) => load.lost += 1,
        }
    }
    Ok(load)
}

/// The code of the answer with this id; late answers to earlier questions are passed over.
async fn answer_to(socket: &UdpSocket, id: u16, bytes: &mut [u8]) -> anyhow::Result<u8> {
    loop {
        let length = socket.recv(bytes).await?;
        if let [high, low, flags, code, ..] = bytes[..length]
            && u16::from_be_bytes([high, low]) == id
            && flags & 0x80 != 0
        {
            return Ok(code & 0x0f);
        }
    }
}
