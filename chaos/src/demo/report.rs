//! What a ready demo says about itself: a JSON object for machines, a walk-through for people.
//!
//! Owns: both texts. Must never: say that something is there that was not asked.

use holdfast_node_api::refs::ShowRef;
use serde_json::{Value, json};

use crate::cluster::{Cluster, ClusterError, gateway_name};
use crate::season::LoadedShow;

/// The first region's DNS server and the name that users are steered by; all servers; whose networks are near which region.
fn dns(cluster: &Cluster) -> Value {
    let servers = cluster.dns_servers();
    let Some(first) = servers.first() else {
        return Value::Null;
    };
    let networks = cluster.dns_networks().into_iter();
    let networks = networks.map(|near| json!({"range": near.range, "region": near.region}));
    let all = servers.iter();
    let all = all.map(|server| json!({"region": server.region, "addr": server.addr}));
    json!({
        "addr": first.addr,
        "name": cluster.dns_name(),
        "servers": all.collect::<Vec<Value>>(),
        "networks": networks.collect::<Vec<Value>>(),
    })
}

/// `gateways`, `nodes`, `wan`, `dns`, `shows`, on one line.
pub(crate) fn json(cluster: &Cluster, shows: &[LoadedShow]) -> Result<String, ClusterError> {
    let topology = cluster.topology();
    let gateways = topology.regions.iter().map(|region| {
        let member = cluster.member(&gateway_name(&region.id))?;
        let url = cluster.gateway_url(&region.id)?;
        Ok(json!({"region": region.id, "url": url, "pid": member.pid()}))
    });
    let nodes = topology.nodes.iter().map(|node| {
        let member = cluster.member(&node.id.to_string())?;
        Ok(json!({
            "id": node.id, "region": node.region, "grpc": node.addr,
            "http": format!("http://{}", member.http), "pid": member.pid(),
        }))
    });
    let shows = shows.iter().map(|show| {
        json!({
            "id": ShowRef(show.show_id).to_string(), "name": show.name,
            "home_region": show.home_region, "seats": show.places,
        })
    });
    let report = json!({
        "gateways": gateways.collect::<Result<Vec<Value>, ClusterError>>()?,
        "nodes": nodes.collect::<Result<Vec<Value>, ClusterError>>()?,
        "wan": {"control": cluster.control_url()},
        "dns": dns(cluster),
        "shows": shows.collect::<Vec<Value>>(),
        "data_dir": cluster.data_dir(),
    });
    Ok(report.to_string())
}

/// Addresses, a walk-through with curl, how to stop.
pub(crate) fn text(cluster: &Cluster, shows: &[LoadedShow]) -> Result<String, ClusterError> {
    let topology = cluster.topology();
    let mut lines = vec![
        String::new(),
        "Holdfast is selling. Open one of these:".to_owned(),
    ];
    for region in &topology.regions {
        lines.push(format!(
            "  {:<16} {:<18} {}",
            region.id,
            region.name,
            cluster.gateway_url(&region.id)?
        ));
    }
    lines.push(String::new());
    lines.push("Nodes:".to_owned());
    for node in &topology.nodes {
        let http = cluster.member(&node.id.to_string())?.http;
        lines.push(format!(
            "  {:<4} {:<16} grpc {}  http://{http}/metrics",
            node.id.to_string(),
            node.region,
            node.addr
        ));
    }
    if let Some(control) = cluster.control_url() {
        lines.push(String::new());
        lines.push(format!(
            "Network between the regions (Toxiproxy's API): {control}/proxies"
        ));
        if let Some(region) = topology.regions.last() {
            lines.push(format!(
                "  cut {0} off:  curl -X POST {control}/partitions -d '{{\"isolate\": \"{0}\"}}'",
                region.id
            ));
            lines.push(format!(
                "  heal:         curl -X DELETE {control}/partitions"
            ));
        }
    }
    lines.extend(dns_lines(cluster));
    if !shows.is_empty() {
        lines.push(String::new());
        lines.push("On sale:".to_owned());
        for show in shows {
            lines.push(format!(
                "  {:<4} {} ({} places, home {})",
                ShowRef(show.show_id).to_string(),
                show.name,
                show.places,
                show.home_region
            ));
        }
        lines.extend(walk_through(cluster, shows)?);
    }
    lines.push(String::new());
    lines.push(format!("Logs and data: {}", cluster.data_dir().display()));
    lines.push("Stop with Ctrl-C. What was sold is there at the next start.".to_owned());
    Ok(lines.join("\n"))
}

fn dns_lines(cluster: &Cluster) -> Vec<String> {
    let servers = cluster.dns_servers();
    let (Some(first), Some(last)) = (servers.first(), cluster.dns_networks().pop()) else {
        return Vec::new();
    };
    let (host, port) = (first.addr.ip(), first.addr.port());
    vec![
        String::new(),
        format!(
            "DNS ({} servers), as users near {} would ask:",
            servers.len(),
            last.region
        ),
        format!(
            "  dig @{host} -p {port} {} A +subnet={}",
            cluster.dns_name(),
            last.range
        ),
    ]
}

fn walk_through(cluster: &Cluster, shows: &[LoadedShow]) -> Result<Vec<String>, ClusterError> {
    let regions = &cluster.topology().regions;
    let (Some(first), Some(last), Some(show)) = (regions.first(), regions.last(), shows.first())
    else {
        return Ok(Vec::new());
    };
    let show = ShowRef(show.show_id);
    let number = show.0;
    let write = |key: &str| {
        format!(
            "-H \"Authorization: Bearer $TOKEN\" -H 'Idempotency-Key: {key}' -H 'Content-Type: application/json'"
        )
    };
    Ok(vec![
        String::new(),
        "Buy two seats, each step through whichever region you like:".to_owned(),
        format!(
            "  A={}; B={}",
            cluster.gateway_url(&first.id)?,
            cluster.gateway_url(&last.id)?
        ),
        "  curl -s $A/v1/events".to_owned(),
        format!("  curl -s \"$A/v1/shows/{show}/seats\" | head -c 600"),
        "  TOKEN=$(curl -s -X POST $A/v1/guests | sed 's/.*\"token\":\"\\([^\"]*\\)\".*/\\1/')"
            .to_owned(),
        format!(
            "  curl -s -X POST $A/v1/shows/{show}/holds {} -d '{{\"best_available\": {{\"quantity\": 2}}}}'",
            write("hold-1")
        ),
        format!(
            "  curl -s -X POST $B/v1/orders {} -d '{{\"hold\": \"h{number}-1\"}}'",
            write("order-1")
        ),
        format!(
            "  curl -s -X POST $B/v1/orders/o{number}-1/pay {} -d '{{\"payment_token\": \"tok_approve\"}}'",
            write("pay-1")
        ),
        format!("  curl -s $A/v1/orders/o{number}-1 -H \"Authorization: Bearer $TOKEN\""),
        "(take the ids from the answers; these are those of the first sale)".to_owned(),
    ])
}
