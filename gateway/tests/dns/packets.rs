//! Packets made by hand: EDNS, client subnets, cookies, limits.

use std::net::SocketAddr;
use std::str::FromStr as _;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsCode, EdnsOption};
use hickory_proto::rr::{DNSClass, Name, RecordType};
use hickory_server::net::xfer::Protocol;
use holdfast_gateway::dns::connections::EACH_MAX;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

use crate::server::{CONNECTIONS_MAX, Server, TICKETS};

/// A question with a random-looking id.
pub(crate) fn question(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(0x1f2e, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_str(name).unwrap(), kind));
    message
}

/// The same with EDNS and these options.
pub(crate) fn with_options(name: &str, kind: RecordType, options: Vec<EdnsOption>) -> Message {
    let mut message = question(name, kind);
    let mut edns = Edns::new();
    edns.set_max_payload(4_096);
    for option in options {
        edns.options_mut().insert(option);
    }
    message.edns = Some(edns);
    message
}

async fn ask(address: SocketAddr, message: &Message) -> Message {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket
        .send_to(&message.to_vec().unwrap(), address)
        .await
        .unwrap();
    let mut buffer = [0; 4_096];
    let received = tokio::time::timeout(Duration::from_secs(10), socket.recv_from(&mut buffer));
    let (length, from) = received.await.expect("an answer").unwrap();
    assert_eq!(from, address);
    Message::from_vec(&buffer[..length]).unwrap()
}

fn subnet_of(message: &Message) -> Option<ClientSubnet> {
    match message.edns.as_ref()?.option(EdnsCode::Subnet)? {
        EdnsOption::Subnet(subnet) => Some(*subnet),
        _ => None,
    }
}

fn first(message: &Message) -> String {
    message.answers[0].data.to_string()
}

fn from_subnet(name: &str, subnet: &str) -> Message {
    let subnet = EdnsOption::Subnet(subnet.parse().unwrap());
    with_options(name, RecordType::A, vec![subnet])
}

#[tokio::test]
async fn the_subnet_decides_and_comes_back_with_how_wide_the_answer_holds() {
    let server = Server::start(1, 1_000).await;
    let europe = ask(server.address, &from_subnet(TICKETS, "10.2.7.0/24")).await;
    assert_eq!(first(&europe), "192.0.2.20");
    assert!(europe.metadata.authoritative);
    let told = subnet_of(&europe).unwrap();
    assert_eq!(
        (told.addr().to_string(), told.source_prefix()),
        ("10.2.7.0".to_owned(), 24)
    );
    assert_eq!(told.scope_prefix(), 16);
    let asia = ask(server.address, &from_subnet(TICKETS, "2001:db8:a:1::/64")).await;
    assert_eq!(first(&asia), "192.0.2.30");
    assert_eq!(subnet_of(&asia).unwrap().scope_prefix(), 48);
    // Nobody is told apart who does not want to be, and a fixed answer is everybody's.
    let shy = ask(server.address, &from_subnet(TICKETS, "0.0.0.0/0")).await;
    assert_eq!(
        (
            first(&shy).as_str(),
            subnet_of(&shy).unwrap().scope_prefix()
        ),
        ("192.0.2.10", 0)
    );
    let fixed = ask(
        server.address,
        &from_subnet("westeurope.holdfast.example.", "10.2.7.0/24"),
    )
    .await;
    assert_eq!(subnet_of(&fixed).unwrap().scope_prefix(), 0);
    // Without the option there is none in the answer.
    let plain = ask(
        server.address,
        &with_options(TICKETS, RecordType::A, vec![]),
    )
    .await;
    assert!(subnet_of(&plain).is_none() && plain.edns.is_some());
    let old = ask(server.address, &question(TICKETS, RecordType::A)).await;
    assert!(old.edns.is_none());
}

#[tokio::test]
async fn another_version_of_edns_is_told_which_one_is_spoken() {
    let server = Server::start(1, 1_000).await;
    let mut message = with_options(TICKETS, RecordType::A, vec![]);
    message
        .edns
        .as_mut()
        .unwrap()
        .set_version(1)
        .set_dnssec_ok(true);
    let answer = ask(server.address, &message).await;
    // 16 is BADVERS in an OPT and BADSIG in a signature; the decoder cannot tell.
    assert_eq!(
        u16::from(answer.metadata.response_code),
        u16::from(ResponseCode::BADVERS)
    );
    let edns = answer.edns.unwrap();
    assert_eq!((edns.version(), edns.flags().dnssec_ok), (0, true));
    assert!(answer.answers.is_empty());
}

#[tokio::test]
async fn other_classes_are_refused() {
    let server = Server::start(1, 1_000).await;
    let mut message = question("version.bind.", RecordType::TXT);
    message.queries[0].set_query_class(DNSClass::CH);
    let answer = ask(server.address, &message).await;
    assert_eq!(answer.metadata.response_code, ResponseCode::Refused);
}

#[tokio::test]
async fn answers_have_the_size_that_was_asked_for() {
    let server = Server::start(60, 1_000).await;
    let services = "_holdfast-node._tcp.holdfast.example.";
    for (payload, bytes_max) in [(512, 512), (1_100, 1_100), (4_096, 1_232)] {
        let mut message = with_options(services, RecordType::SRV, vec![]);
        message.edns.as_mut().unwrap().set_max_payload(payload);
        let bytes = message.to_vec().unwrap();
        let answer = server.respond(&bytes, Protocol::Udp).await.unwrap();
        assert!(answer.len() <= bytes_max, "{} bytes", answer.len());
        let answer = Message::from_vec(&answer).unwrap();
        assert!(answer.metadata.truncation && answer.edns.is_some());
        assert!(answer.answers.is_empty(), "half an answer helps nobody");
        let whole = server.respond(&bytes, Protocol::Tcp).await.unwrap();
        let whole = Message::from_vec(&whole).unwrap();
        assert_eq!(
            (whole.answers.len(), whole.metadata.truncation),
            (60, false)
        );
    }
    // What fits without the additional addresses is answered without them.
    let server = Server::start(8, 1_000).await;
    let bytes = question(services, RecordType::SRV).to_vec().unwrap();
    let answer = server.respond(&bytes, Protocol::Udp).await.unwrap();
    let answer = Message::from_vec(&answer).unwrap();
    assert_eq!(
        (answer.answers.len(), answer.metadata.truncation),
        (8, false)
    );
    assert!(answer.additionals.is_empty());
}

fn cookie_of(message: &Message) -> Vec<u8> {
    match message
        .edns
        .as_ref()
        .and_then(|edns| edns.option(EdnsCode::Cookie))
    {
        Some(EdnsOption::Unknown(_, cookie)) => cookie.clone(),
        other => panic!("{other:?} is not a cookie"),
    }
}

#[tokio::test]
async fn a_network_that_asks_too_often_is_silenced_and_a_cookie_opens_the_door() {
    let server = Server::start(1, 5).await;
    let client = EdnsOption::Unknown(10, vec![9; 8]);
    let stranger = with_options(TICKETS, RecordType::A, vec![client]);
    let answer = ask(server.address, &stranger).await;
    let cookie = cookie_of(&answer);
    assert_eq!((cookie.len(), &cookie[..8]), (24, [9; 8].as_slice()));
    // From here without sockets: how often is a matter of counting, not of time.
    let plain = question(TICKETS, RecordType::A).to_vec().unwrap();
    let mut told = [0, 0, 0];
    for _ in 0..400 {
        match server.respond(&plain, Protocol::Udp).await {
            None => told[2] += 1,
            Some(answer) if Message::from_vec(&answer).unwrap().metadata.truncation => told[1] += 1,
            Some(_) => told[0] += 1,
        }
    }
    let [answered, slipped, dropped] = told;
    assert!(answered < 100 && slipped > 100 && dropped > 100, "{told:?}");
    assert!(server.respond(&plain, Protocol::Tcp).await.is_some());
    // The cookie is good for 127.0.0.1, over the socket, where the tokens of that network are used up first.
    let flood = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for _ in 0..50 {
        flood.send_to(&plain, server.address).await.unwrap();
    }
    let known = with_options(
        TICKETS,
        RecordType::A,
        vec![EdnsOption::Unknown(10, cookie)],
    );
    for _ in 0..20 {
        let answer = ask(server.address, &known).await;
        assert_eq!(
            (answer.answers.len(), answer.metadata.truncation),
            (2, false)
        );
    }
}

/// A question as it goes over TCP.
fn framed() -> Vec<u8> {
    let bytes = question(TICKETS, RecordType::A).to_vec().unwrap();
    let length = u16::try_from(bytes.len()).unwrap();
    [length.to_be_bytes().as_slice(), &bytes].concat()
}

/// A connection from an address of this machine that asked a question; `None` when it was closed without an answer.
async fn asks_from(source: &str, server: &Server) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{source}:0").parse().unwrap()).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    let _ = stream.write_all(&framed()).await;
    let answered = stream.read_u16().await.is_ok();
    answered.then_some(stream)
}

#[tokio::test]
async fn many_questions_go_over_one_connection_and_nonsense_ends_it() {
    let server = Server::start(1, 1_000).await;
    let mut one = TcpStream::connect(server.address).await.unwrap();
    one.write_all(&framed().repeat(3)).await.unwrap();
    for _ in 0..3 {
        let length = one.read_u16().await.unwrap();
        let mut answer = vec![0; usize::from(length)];
        one.read_exact(&mut answer).await.unwrap();
        assert_eq!(Message::from_vec(&answer).unwrap().answers.len(), 2);
    }
    // A length that no query has ends a connection.
    one.write_all(&[0xff, 0xff, 0, 0]).await.unwrap();
    assert!(one.read_u16().await.is_err());
}

#[tokio::test]
async fn a_client_with_its_share_of_connections_is_refused_while_another_is_served() {
    let server = Server::start(1, 1_000).await;
    let mut held = Vec::new();
    for _ in 0..EACH_MAX {
        held.push(asks_from("127.0.0.1", &server).await.unwrap());
    }
    let beyond = asks_from("127.0.0.1", &server).await;
    assert!(beyond.is_none(), "one more than its share");
    for _ in EACH_MAX..CONNECTIONS_MAX {
        held.push(asks_from("127.0.0.2", &server).await.unwrap());
    }
    let beyond = asks_from("127.0.0.3", &server).await;
    assert!(beyond.is_none(), "one more than there are");
}
