//! Nodes find each other by the SRV records of a gateway's zone, and gateways find each other.

use holdfast_node_api::discovery::{
    Discovery, DiscoveryError, Finder, FoundGateways, GatewayFinder,
};

use crate::server::{Server, region};

fn discovery(server: &Server, srv: &str) -> Discovery {
    Discovery {
        srv: srv.to_owned(),
        resolver: server.address,
    }
}

/// More than fit into one packet: the resolver has to come back over TCP.
#[tokio::test]
async fn every_node_is_found_by_its_number() {
    let server = Server::start(60, 1_000).await;
    let found = discovery(&server, "_holdfast-node._tcp.holdfast.example");
    let found = found.find(1).await.unwrap();
    assert_eq!(found.len(), 60);
    for (number, addr) in found {
        assert_eq!(addr.to_string(), format!("127.0.0.1:{}", 7_000 + number));
    }
}

#[tokio::test]
async fn gateways_are_not_taken_for_nodes_and_unknown_names_are_told() {
    let server = Server::start(1, 1_000).await;
    let gateways = discovery(&server, "_holdfast-gateway._tcp.holdfast.example");
    let error = gateways.find(1).await.unwrap_err();
    assert!(matches!(error, DiscoveryError::NoNodes { .. }), "{error}");
    let nobody = discovery(&server, "_holdfast-node._tcp.mars.holdfast.example");
    let error = nobody.find(1).await.unwrap_err();
    assert!(matches!(error, DiscoveryError::Lookup { .. }), "{error}");
}

#[tokio::test]
async fn what_was_told_last_holds_while_nobody_answers() {
    let server = Server::start(2, 1_000).await;
    let finder = Finder::new(discovery(&server, "_holdfast-node._tcp.holdfast.example"));
    assert_eq!(finder.addresses().await.len(), 2);
    drop(server);
    assert_eq!(finder.addresses().await.len(), 2);
}

fn lines(found: &FoundGateways) -> Vec<String> {
    let regions = found.iter();
    let lines = regions.map(|(region, addrs)| format!("{region} {addrs:?}"));
    lines.collect()
}

#[tokio::test]
async fn gateways_are_found_region_by_region_and_kept_while_nobody_answers() {
    let server = Server::start(1, 1_000).await;
    let nodes = discovery(&server, "_holdfast-node._tcp.holdfast.example");
    let finder = GatewayFinder::new(&nodes).unwrap();
    assert!(finder.addresses().is_empty(), "nobody was asked yet");
    finder
        .look(&["eastus", "mars", "westeurope"].map(region))
        .await;
    let both = ["eastus [127.0.0.1:8101]", "westeurope [127.0.0.1:8102]"];
    assert_eq!(lines(&finder.addresses()), both, "mars has none");
    drop(server);
    finder.look(&["eastus", "westeurope"].map(region)).await;
    assert_eq!(lines(&finder.addresses()), both);
    finder.look(&[region("eastus")]).await;
    assert_eq!(
        lines(&finder.addresses()),
        both[..1],
        "no region, no gateway"
    );
}
