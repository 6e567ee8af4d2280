//! Three nodes in this process: what callers and workers see when leadership moves.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on stops where it is"
)]

use std::{fmt::Write as _, time::Duration};

use holdfast_node::{
    config::{Config, Overrides},
    server::{Listeners, Server, Surroundings},
};
use holdfast_node_api::{
    client::{ClientOptions, NodeClient},
    v1::{self, FailureCode, submit_reply, submit_request},
};
use tempfile::TempDir;
use tokio::time::Instant;

const LONG: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

struct Cluster {
    nodes: Vec<Option<Server>>,
    clients: Vec<NodeClient>,
    _dir: TempDir,
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
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("topology.toml");
        let config = |id: u64| {
            let any = || Some("127.0.0.1:0".to_owned());
            let overrides = Overrides {
                node_id: Some(id),
                data_dir: Some(dir.path().join(format!("n{id}"))),
                topology: Some(path.clone()),
                grpc_listen: any(),
                http_listen: any(),
                ..Overrides::default()
            };
            Config::load(None, overrides).unwrap()
        };
        let mut listeners = Vec::new();
        for id in 1..=3 {
            listeners.push(Listeners::bind(&config(id)).await.unwrap());
        }
        std::fs::write(&path, topology(&listeners)).unwrap();
        let (mut nodes, mut clients) = (Vec::new(), Vec::new());
        for (id, listener) in (1..).zip(listeners) {
            let address = listener.grpc_addr.to_string();
            let around = Surroundings::default();
            nodes.push(Some(
                Server::start_on(listener, config(id), around)
                    .await
                    .unwrap(),
            ));
            clients.push(NodeClient::new(&address, &ClientOptions::default()).unwrap());
        }
        Self {
            nodes,
            clients,
            _dir: dir,
        }
    }

    /// Creates a show at home in region `a`, asking the node of region `c`.
    async fn show(&self) -> u64 {
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
    async fn leader(&self, show_id: u64, among: &[usize]) -> usize {
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
    async fn hold(&self, show_id: u64, seat: u32, key: &str, among: &[usize]) -> v1::SubmitReply {
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

    async fn stop(&mut self, at: usize) {
        self.nodes[at].take().unwrap().stop().await;
    }
}

fn hold_id(reply: &v1::SubmitReply) -> u64 {
    match &reply.result {
        Some(submit_reply::Result::Hold(hold)) => hold.hold_id,
        other => panic!("expected a hold, got {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_show_is_led_at_home_and_other_nodes_say_who_leads() {
    let mut cluster = Cluster::start().await;
    let show_id = cluster.show().await;
    assert_eq!(cluster.leader(show_id, &[0, 1, 2]).await, 0);
    let request = v1::SubmitRequest {
        show_id,
        caller: vec![1; 16].into(),
        idempotency_key: "k".to_owned(),
        command: Some(submit_request::Command::ReleaseHold(v1::ReleaseHold {
            hold_id: 1,
        })),
        ..v1::SubmitRequest::default()
    };
    let until = Instant::now() + LONG;
    let failure = loop {
        // A follower learns of the show, and of its leader, a moment later than the leader itself.
        let reply = cluster.clients[1]
            .pipe()
            .submit(request.clone(), LONG)
            .await
            .unwrap();
        let Some(submit_reply::Result::Failure(failure)) = reply.result else {
            panic!("{reply:?}")
        };
        if failure.leader_node_id != 0 {
            break failure;
        }
        assert!(Instant::now() < until, "{failure:?}");
        tokio::time::sleep(PAUSE).await;
    };
    assert_eq!(
        (failure.code(), failure.leader_node_id),
        (FailureCode::NotLeader, 1)
    );
    assert!(!failure.maybe_happened);
    for at in 0..3 {
        cluster.stop(at).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_leader_hands_over_and_everything_it_acknowledged_stays() {
    let mut cluster = Cluster::start().await;
    let show_id = cluster.show().await;
    let leader = cluster.leader(show_id, &[0, 1, 2]).await;
    let mut first = Vec::new();
    for seat in 0..10 {
        first.push(hold_id(
            &cluster
                .hold(show_id, seat, &format!("k{seat}"), &[leader])
                .await,
        ));
    }
    let others: Vec<usize> = (0..3).filter(|at| *at != leader).collect();
    cluster.stop(leader).await;
    let next = cluster.leader(show_id, &others).await;
    assert_ne!(next, leader);
    for (seat, hold) in (0..10).zip(first) {
        let again = cluster
            .hold(show_id, seat, &format!("k{seat}"), &others)
            .await;
        assert!(again.replayed, "{again:?}");
        assert_eq!(hold_id(&again), hold);
    }
    let fresh = cluster.hold(show_id, 11, "fresh", &others).await;
    assert!(!fresh.replayed);
    for at in others {
        cluster.stop(at).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_under_way_is_finished_by_the_next_leader() {
    let mut cluster = Cluster::start().await;
    let show_id = cluster.show().await;
    let leader = cluster.leader(show_id, &[0, 1, 2]).await;
    let hold = hold_id(&cluster.hold(show_id, 0, "hold", &[leader]).await);
    let submit = async |key: &str, command| {
        let request = v1::SubmitRequest {
            show_id,
            caller: vec![1; 16].into(),
            idempotency_key: key.to_owned(),
            command: Some(command),
            ..v1::SubmitRequest::default()
        };
        cluster.clients[leader]
            .pipe()
            .submit(request, LONG)
            .await
            .unwrap()
    };
    let open = submit_request::Command::OpenOrder(v1::OpenOrder { hold_id: hold });
    let reply = submit("open", open).await;
    let Some(submit_reply::Result::Order(order)) = reply.result else {
        panic!("{reply:?}")
    };
    let order_id = order.order_id;
    // This token is never answered, so the attempt is still open when the leader goes.
    let payment_token = "tok_timeout".to_owned();
    submit(
        "pay",
        submit_request::Command::PayOrder(v1::PayOrder {
            order_id,
            payment_token,
        }),
    )
    .await;
    cluster.stop(leader).await;
    let others: Vec<usize> = (0..3).filter(|at| *at != leader).collect();
    let next = cluster.leader(show_id, &others).await;
    let until = Instant::now() + LONG;
    loop {
        let request = v1::GetOrderRequest {
            show_id,
            order_id,
            caller: vec![1; 16].into(),
            read: None,
        };
        let reply = cluster.clients[next]
            .inventory()
            .get_order(request)
            .await
            .unwrap();
        let order = reply.into_inner().order.unwrap();
        if order.payment_problem == "provider_timeout" {
            break;
        }
        assert!(Instant::now() < until, "{order:?}");
        tokio::time::sleep(PAUSE).await;
    }
    for at in others {
        cluster.stop(at).await;
    }
}
