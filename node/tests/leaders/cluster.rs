//! Three nodes in this process, one in each of three regions, and callers who do what a gateway does.

use std::{fmt::Write as _, path::Path, time::Duration};

use holdfast_node::{
    config::{Config, Limits, Overrides},
    server::{Listeners, Server, Surroundings},
};
use holdfast_node_api::{
    client::{ClientOptions, NodeClient},
    v1::{self, submit_reply, submit_request},
};
use tempfile::TempDir;
use tokio::time::Instant;

pub(crate) const LONG: Duration = Duration::from_secs(60);
pub(crate) const PAUSE: Duration = Duration::from_millis(20);

pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Option<Server>>,
    pub(crate) addresses: Vec<String>,
    pub(crate) clients: Vec<NodeClient>,
    limits: Limits,
    dir: TempDir,
}

const TOPOLOGY: &str = "topology.toml";

fn config(dir: &Path, limits: &Limits, id: u64) -> Config {
    let any = || Some("127.0.0.1:0".to_owned());
    let overrides = Overrides {
        node_id: Some(id),
        data_dir: Some(dir.join(format!("n{id}"))),
        topology: Some(dir.join(TOPOLOGY)),
        grpc_listen: any(),
        http_listen: any(),
        ..Overrides::default()
    };
    let mut config = Config::load(None, overrides).unwrap();
    config.limits = limits.clone();
    config
}

fn topology(listeners: &[Listeners]) -> String {
    let mut text = "cluster = \"three\"\n".to_owned();
    for (at, listener) in listeners.iter().enumerate() {
        let (region, id, addr) = (["a", "b", "c"][at], at + 1, listener.grpc_addr);
        writeln!(
            text,
            "[[region]]\nid = \"{region}\"\nname = \"{region}\"\nlat = {at}.0\nlon = 0.0"
        )
        .unwrap();
        writeln!(
            text,
            "[[node]]\nid = {id}\nregion = \"{region}\"\naddr = \"{addr}\""
        )
        .unwrap();
    }
    text.push_str("[rtt]\nsource = \"one machine\"\n");
    text.push_str(
        "[rtt.ms]\na = { b = 1.0, c = 1.0 }\nb = { a = 1.0, c = 1.0 }\nc = { a = 1.0, b = 1.0 }\n",
    );
    text
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        Self::start_with(Limits::default()).await
    }

    pub(crate) async fn start_with(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = |id: u64| config(dir.path(), &limits, id);
        let mut listeners = Vec::new();
        for id in 1..=3 {
            listeners.push(Listeners::bind(&config(id)).await.unwrap());
        }
        std::fs::write(dir.path().join(TOPOLOGY), topology(&listeners)).unwrap();
        let (mut nodes, mut clients, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
        for (id, listener) in (1..).zip(listeners) {
            let address = listener.grpc_addr.to_string();
            let around = Surroundings::default();
            nodes.push(Some(
                Server::start_on(listener, config(id), around)
                    .await
                    .unwrap(),
            ));
            clients.push(NodeClient::new(&address, &ClientOptions::default()).unwrap());
            addresses.push(address);
        }
        Self {
            nodes,
            addresses,
            clients,
            limits: limits.clone(),
            dir,
        }
    }

    /// Starts a node that was stopped, at its old address, after its data directory was lost.
    pub(crate) async fn start_without_its_disk(&mut self, at: usize) {
        let id = at as u64 + 1;
        let mut config = config(self.dir.path(), &self.limits, id);
        std::fs::remove_dir_all(&config.data_dir).unwrap();
        config.grpc_listen = self.addresses[at].parse().unwrap();
        let until = Instant::now() + LONG;
        let listeners = loop {
            match Listeners::bind(&config).await {
                Ok(listeners) => break listeners,
                Err(error) => assert!(Instant::now() < until, "{error}"),
            }
            tokio::time::sleep(PAUSE).await;
        };
        let server = Server::start_on(listeners, config, Surroundings::default());
        self.nodes[at] = Some(server.await.unwrap());
    }

    /// Writes another node of `region` into the topology's file, without anybody being told; answers where it will listen.
    pub(crate) async fn name_another(&self, region: &str) -> Listeners {
        let id = self.nodes.len() as u64 + 1;
        let config = config(self.dir.path(), &self.limits, id);
        let listeners = Listeners::bind(&config).await.unwrap();
        let path = self.dir.path().join(TOPOLOGY);
        let mut text = std::fs::read_to_string(&path).unwrap();
        let addr = listeners.grpc_addr;
        writeln!(
            text,
            "[[node]]\nid = {id}\nregion = \"{region}\"\naddr = \"{addr}\""
        )
        .unwrap();
        std::fs::write(&path, text).unwrap();
        listeners
    }

    /// Starts the node that was named last.
    pub(crate) async fn start_another(&mut self, listeners: Listeners) {
        let id = self.nodes.len() as u64 + 1;
        let config = config(self.dir.path(), &self.limits, id);
        let address = listeners.grpc_addr.to_string();
        let server = Server::start_on(listeners, config, Surroundings::default());
        self.nodes.push(Some(server.await.unwrap()));
        self.clients
            .push(NodeClient::new(&address, &ClientOptions::default()).unwrap());
        self.addresses.push(address);
    }

    /// Waits until the directory knows every node: an operator cannot drain one that has not announced itself.
    pub(crate) async fn announced(&self) {
        let until = Instant::now() + LONG;
        loop {
            let mut cluster = self.clients[0].cluster();
            let listed = cluster.list_nodes(v1::ListNodesRequest {}).await;
            let nodes = listed.unwrap().into_inner().nodes;
            if nodes.iter().filter(|node| node.generation > 0).count() == 3 {
                return;
            }
            assert!(Instant::now() < until, "{nodes:?}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Creates a show at home in region `a`, asking the node of region `c`.
    pub(crate) async fn show(&self) -> u64 {
        let mut directory = self.clients[2].directory();
        let seats: Vec<String> = (1..=20)
            .map(|n| {
                let x = 10 * n;
                format!(r#"{{"seat_guid":"A-{n}","seat_number":"{n}","position":{{"x":{x},"y":0}},"category":"S"}}"#)
            })
            .collect();
        let plan_json = format!(
            r##"{{"name":"Hall","size":{{"width":300,"height":50}},"categories":[{{"name":"S","color":"#123abc"}}],
            "zones":[{{"name":"Z","position":{{"x":0,"y":0}},"rows":[{{"row_number":"A","position":{{"x":0,"y":0}},"seats":[{}]}}]}}]}}"##,
            seats.join(",")
        );
        let plan = v1::ImportPlanRequest {
            slug: "hall".to_owned(),
            plan_json,
        };
        let plan = directory.import_plan(plan).await.unwrap().into_inner();
        assert_eq!(plan.problems, []);
        let text = |text: &str| text.to_owned();
        let event = v1::CreateEventRequest {
            slug: text("tides"),
            name: text("Tides"),
            category: text("concert"),
            description: String::new(),
        };
        let event = directory.create_event(event).await.unwrap().into_inner();
        let show = v1::CreateShowRequest {
            slug: text("tides-1"),
            event_id: event.event_id,
            plan_id: plan.plan_id,
            venue: text("Hall"),
            city: text("Amsterdam"),
            country: text("NL"),
            starts_at_ms: 1_800_000_000_000,
            time_zone: text("Europe/Amsterdam"),
            local_date: text("2027-01-15"),
            local_time: text("09:00"),
            home_region: text("a"),
            currency: text("EUR"),
            price_minor: [(text("S"), 1_000)].into(),
            single_seat_rule: text("off"),
            ..v1::CreateShowRequest::default()
        };
        directory
            .create_show(show)
            .await
            .unwrap()
            .into_inner()
            .show_id
    }

    /// The node that leads `show`, once one does, `among` these and the show can be sold there.
    pub(crate) async fn leader(&self, show_id: u64, among: &[usize]) -> usize {
        let until = Instant::now() + LONG;
        loop {
            for at in among {
                let request = v1::ShowStatusRequest {
                    show_id,
                    read: None,
                };
                if let Ok(reply) = self.clients[*at].operator().show_status(request).await {
                    let reply = reply.into_inner();
                    if reply.ready && reply.group.unwrap().role == "leader" {
                        return *at;
                    }
                }
            }
            assert!(Instant::now() < until, "no leader of show {show_id}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Sends a hold of one seat to whoever takes it, with one key, as a gateway does.
    pub(crate) async fn hold(
        &self,
        show_id: u64,
        seat: u32,
        key: &str,
        among: &[usize],
    ) -> v1::SubmitReply {
        let until = Instant::now() + LONG;
        let what = Some(v1::place_hold::What::Seats(v1::NamedSeats {
            seats: vec![seat],
        }));
        let request = v1::SubmitRequest {
            show_id,
            caller: vec![1; 16].into(),
            idempotency_key: key.to_owned(),
            command: Some(submit_request::Command::PlaceHold(v1::PlaceHold {
                ttl_ms: 0,
                what,
                ..v1::PlaceHold::default()
            })),
            ..v1::SubmitRequest::default()
        };
        for at in among.iter().copied().cycle() {
            assert!(
                Instant::now() < until,
                "nobody takes the hold of seat {seat}"
            );
            let answer = self.clients[at]
                .pipe()
                .submit(request.clone(), Duration::from_secs(2))
                .await;
            match answer {
                Ok(reply) if !matches!(reply.result, Some(submit_reply::Result::Failure(_))) => {
                    return reply;
                }
                Ok(_) | Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
        unreachable!("the cycle is endless")
    }

    pub(crate) async fn stop(&mut self, at: usize) {
        self.nodes[at].take().unwrap().stop().await;
    }
}

pub(crate) fn hold_id(reply: &v1::SubmitReply) -> u64 {
    match &reply.result {
        Some(submit_reply::Result::Hold(hold)) => hold.hold_id,
        other => panic!("expected a hold, got {other:?}"),
    }
}
