//! dig and kdig as clients, where they are installed (Debian: bind9-dnsutils, knot-dnsutils).

use std::process::Command;

use crate::server::{Server, TICKETS};

/// What the program prints; `None`, said plainly, when it is not installed.
async fn run(program: &'static str, server: &Server, arguments: &str) -> Option<String> {
    let mut command = Command::new(program);
    command
        .arg(format!("@{}", server.address.ip()))
        .args(["-p", &server.address.port().to_string()]);
    command.args(arguments.split_whitespace());
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap();
    match output {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{program} {arguments}: {text}");
            Some(text)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: {program} is not installed");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dig_sees_what_it_expects_and_complains_about_nothing() {
    let server = Server::start(60, 1_000).await;
    let asked = [
        (
            format!("{TICKETS} A +subnet=10.2.7.0/24"),
            "CLIENT-SUBNET: 10.2.7.0/24/16",
            "192.0.2.20",
        ),
        (
            format!("{TICKETS} AAAA +tcp"),
            "status: NOERROR",
            "2001:db8:1::10",
        ),
        (
            format!("{TICKETS} HTTPS"),
            "ipv4hint=192.0.2.10",
            "1 eastus.holdfast.example.",
        ),
        (
            "holdfast.example. SOA +norec".to_owned(),
            "flags: qr aa;",
            "ns1.holdfast.example.",
        ),
        (
            "nobody.holdfast.example. A".to_owned(),
            "status: NXDOMAIN",
            "SOA",
        ),
        (
            "elsewhere.example. A".to_owned(),
            "status: REFUSED",
            "ANSWER: 0",
        ),
        (
            format!("{TICKETS} A +edns=1 +noednsnegotiation"),
            "status: BADVERS",
            "EDNS: version: 0",
        ),
        (
            format!("{TICKETS} A +opcode=notify"),
            "status: NOTIMP",
            "ANSWER: 0",
        ),
        (
            "version.bind. CH TXT".to_owned(),
            "status: REFUSED",
            "ANSWER: 0",
        ),
        (format!("{TICKETS} ANY +notcp"), "HINFO", "RFC8482"),
        (
            "_holdfast-node._tcp.holdfast.example. SRV +ignore".to_owned(),
            "flags: qr aa tc",
            "ANSWER: 0",
        ),
        (
            "_holdfast-node._tcp.holdfast.example. SRV".to_owned(),
            "ANSWER: 60",
            "n60.nodes",
        ),
    ];
    for (arguments, first, second) in asked {
        let Some(text) = run("dig", &server, &format!("+tries=1 +time=10 {arguments}")).await
        else {
            return;
        };
        assert!(
            text.contains(first) && text.contains(second),
            "{arguments}: {text}"
        );
        let complains = [
            "Warning",
            "malformed",
            "mismatch",
            "BAD (HORIZONTAL) REFERRAL",
        ];
        assert!(
            !complains.iter().any(|word| text.contains(word)),
            "{arguments}: {text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kdig_takes_cookies_and_subnets() {
    let server = Server::start(3, 1_000).await;
    let arguments = format!("+retry=0 +time=10 {TICKETS} A +cookie +subnet=2001:db8:a::/48");
    let Some(text) = run("kdig", &server, &arguments).await else {
        return;
    };
    assert!(
        text.contains("192.0.2.30") && text.contains("2001:db8:a::/48/48"),
        "{text}"
    );
    assert!(text.contains("COOKIE") || text.contains("Cookie"), "{text}");
}
