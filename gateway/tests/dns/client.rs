//! hickory-resolver as the client: what a resolver makes of the answers, over UDP and over TCP.

use std::collections::BTreeSet;

use hickory_proto::rr::{RData, RecordType};
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{Resolver, TokioResolver};
use holdfast_gateway::dns::steering::Steering;

use crate::server::{Server, TICKETS, region};

fn resolver(server: &Server, mut connections: Vec<ConnectionConfig>) -> TokioResolver {
    for connection in &mut connections {
        connection.port = server.address.port();
    }
    let servers = vec![NameServerConfig::new(
        server.address.ip(),
        true,
        connections,
    )];
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.options_mut().cache_size = 0;
    builder.build().unwrap()
}

async fn addresses(resolver: &TokioResolver, name: &str, kind: RecordType) -> Vec<String> {
    let found = resolver.lookup(name, kind).await.unwrap();
    found
        .answers()
        .iter()
        .map(|record| record.data.to_string())
        .collect()
}

#[tokio::test]
async fn a_resolver_is_sent_to_the_nearest_regions_over_udp_and_over_tcp() {
    let server = Server::start(3, 1_000).await;
    for connection in [ConnectionConfig::udp(), ConnectionConfig::tcp()] {
        let resolver = resolver(&server, vec![connection]);
        let found = addresses(&resolver, TICKETS, RecordType::A).await;
        assert_eq!(found, ["192.0.2.10", "192.0.2.20"]);
        let found = addresses(&resolver, TICKETS, RecordType::AAAA).await;
        assert_eq!(found, ["2001:db8:1::10", "2001:db8:2::10"]);
        let found = addresses(&resolver, TICKETS, RecordType::HTTPS).await;
        assert!(
            found[0].starts_with("1 eastus.holdfast.example."),
            "{found:?}"
        );
    }
}

#[tokio::test]
async fn a_lost_region_is_not_answered_any_more() {
    let server = Server::start(3, 1_000).await;
    let resolver = resolver(&server, vec![ConnectionConfig::udp()]);
    server.steer(Steering {
        down: BTreeSet::from([region("eastus")]),
        ..Steering::default()
    });
    let found = addresses(&resolver, TICKETS, RecordType::A).await;
    assert_eq!(found, ["192.0.2.20", "192.0.2.30"]);
}

#[tokio::test]
async fn a_no_tells_a_name_without_records_from_no_name() {
    let server = Server::start(3, 1_000).await;
    let resolver = resolver(&server, vec![ConnectionConfig::udp()]);
    let nothing = resolver.lookup(TICKETS, RecordType::MX).await.unwrap_err();
    assert!(
        nothing.is_no_records_found() && !nothing.is_nx_domain(),
        "{nothing}"
    );
    let nobody = resolver.lookup("no.holdfast.example.", RecordType::A).await;
    assert!(nobody.unwrap_err().is_nx_domain());
}

/// 60 nodes do not fit into one packet: the answer over UDP says so, and the resolver comes back over TCP.
#[tokio::test]
async fn what_does_not_fit_into_a_packet_is_fetched_over_tcp() {
    let server = Server::start(60, 1_000).await;
    let both = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    let resolver = resolver(&server, both);
    let found = resolver
        .lookup("_holdfast-node._tcp.holdfast.example.", RecordType::SRV)
        .await;
    let found = found.unwrap();
    let services = found.answers().iter();
    let services = services.filter(|record| matches!(record.data, RData::SRV(_)));
    assert_eq!(services.count(), 60);
}
