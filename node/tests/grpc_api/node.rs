//! A node under test: its files, its clients, a show to sell.

use std::{sync::Arc, time::Duration};

use holdfast_node::{
    config::{Config, Limits, Overrides},
    server::{Server, Surroundings},
    workers::payment::PaymentProvider,
};
use holdfast_node_api::{
    client::{ClientOptions, NodeClient},
    v1::{self, submit_reply, submit_request},
};
use tempfile::TempDir;

/// Longest wait for anything here; reached only when something is wrong.
pub const LONG: Duration = Duration::from_secs(30);

/// One node in one region.
pub const TOPOLOGY: &str = include_str!("../../testdata/one_node.toml");

/// Two rows of six seats and an area for forty.
pub const PLAN: &str = r##"{"name": "Test hall", "size": {"width": 300, "height": 200},
 "categories": [{"name": "Stalls", "color": "#123abc"}, {"name": "Floor", "color": "#abc123"}],
 "zones": [{"name": "Main", "position": {"x": 10, "y": 10}, "rows": [
  {"row_number": "A", "position": {"x": 0, "y": 0}, "seats": [
   {"seat_guid": "A-1", "seat_number": "1", "position": {"x": 0, "y": 0}, "category": "Stalls"},
   {"seat_guid": "A-2", "seat_number": "2", "position": {"x": 10, "y": 0}, "category": "Stalls"},
   {"seat_guid": "A-3", "seat_number": "3", "position": {"x": 20, "y": 0}, "category": "Stalls"},
   {"seat_guid": "A-4", "seat_number": "4", "position": {"x": 30, "y": 0}, "category": "Stalls"},
   {"seat_guid": "A-5", "seat_number": "5", "position": {"x": 40, "y": 0}, "category": "Floor"},
   {"seat_guid": "A-6", "seat_number": "6", "position": {"x": 50, "y": 0}, "category": "Floor"}]}]}]}"##;

/// A running node and its directory.
pub struct NodeUnderTest {
    pub server: Server,
    pub client: NodeClient,
    pub dir: TempDir,
}

impl NodeUnderTest {
    pub async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), Surroundings::default()).await
    }

    pub async fn start_with(payments: Arc<dyn PaymentProvider>) -> Self {
        let around = Surroundings {
            payments,
            ..Surroundings::default()
        };
        Self::start_in(tempfile::tempdir().unwrap(), around).await
    }

    pub async fn start_in(dir: TempDir, around: Surroundings) -> Self {
        let topology = dir.path().join("topology.toml");
        std::fs::write(&topology, TOPOLOGY).unwrap();
        let overrides = Overrides {
            node_id: Some(1),
            data_dir: Some(dir.path().join("data")),
            topology: Some(topology),
            grpc_listen: Some("127.0.0.1:0".to_owned()),
            http_listen: Some("127.0.0.1:0".to_owned()),
            ..Overrides::default()
        };
        let mut config = Config::load(None, overrides).unwrap();
        config.limits = Limits {
            payment_timeout_ms: 200,
            ..Limits::default()
        };
        let server = Server::start(config, around).await.unwrap();
        let address = server.grpc_addr.to_string();
        let client = NodeClient::new(&address, &ClientOptions::default()).unwrap();
        Self {
            server,
            client,
            dir,
        }
    }

    /// Stops it in order; what is left is its directory.
    pub async fn stop(self) -> TempDir {
        self.server.stop().await;
        self.dir
    }

    /// A show by its id, whether it exists or not.
    pub fn known_show(&self, id: u64) -> Show {
        Show {
            client: self.client.clone(),
            id,
        }
    }

    /// Creates a show and waits until it can be sold.
    pub async fn show(&self, hold_ttl_ms: u64) -> Show {
        let (event_id, plan_id) = self.event_and_plan().await;
        let request = show_request(event_id, plan_id, hold_ttl_ms);
        let show = self.client.directory().create_show(request).await;
        let show = show.unwrap().into_inner();
        self.wait_sellable(show.show_id).await;
        self.known_show(show.show_id)
    }

    /// Creates what a show is made of.
    pub async fn event_and_plan(&self) -> (u64, u64) {
        let mut directory = self.client.directory();
        let plan = v1::ImportPlanRequest {
            slug: "hall".to_owned(),
            plan_json: PLAN.to_owned(),
        };
        let plan = directory.import_plan(plan).await.unwrap().into_inner();
        assert_eq!(plan.problems, []);
        let event = v1::CreateEventRequest {
            slug: "tides".to_owned(),
            name: "Tides".to_owned(),
            category: "concert".to_owned(),
            description: String::new(),
        };
        let event = directory.create_event(event).await.unwrap().into_inner();
        (event.event_id, plan.plan_id)
    }

    pub async fn wait_sellable(&self, show_id: u64) {
        let until = tokio::time::Instant::now() + LONG;
        loop {
            let request = v1::ShowStatusRequest {
                show_id,
                read: None,
            };
            match self.client.operator().show_status(request).await {
                Ok(reply) if reply.get_ref().ready => return,
                other => assert!(tokio::time::Instant::now() < until, "{other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

pub fn show_request(event_id: u64, plan_id: u64, hold_ttl_ms: u64) -> v1::CreateShowRequest {
    v1::CreateShowRequest {
        slug: "tides-1".to_owned(),
        event_id,
        plan_id,
        venue: "Test hall".to_owned(),
        city: "Amsterdam".to_owned(),
        country: "NL".to_owned(),
        starts_at_ms: 1_800_000_000_000,
        time_zone: "Europe/Amsterdam".to_owned(),
        local_date: "2027-01-15".to_owned(),
        local_time: "09:00".to_owned(),
        home_region: "here".to_owned(),
        currency: "EUR".to_owned(),
        price_minor: [("Stalls".to_owned(), 4_500), ("Floor".to_owned(), 2_000)].into(),
        single_seat_rule: "off".to_owned(),
        hold_ttl_ms,
        ..v1::CreateShowRequest::default()
    }
}

/// A show that can be sold.
#[derive(Clone)]
pub struct Show {
    pub client: NodeClient,
    pub id: u64,
}

impl Show {
    /// Sends a command as buyer `buyer` under `key`, over the pipe.
    pub async fn submit(
        &self,
        buyer: u8,
        key: &str,
        command: submit_request::Command,
    ) -> v1::SubmitReply {
        let request = v1::SubmitRequest {
            show_id: self.id,
            caller: vec![buyer; 16].into(),
            idempotency_key: key.to_owned(),
            command: Some(command),
            ..v1::SubmitRequest::default()
        };
        self.client.pipe().submit(request, LONG).await.unwrap()
    }

    pub async fn order(&self, buyer: u8, order_id: u64, at_least_index: u64) -> v1::Order {
        let request = v1::GetOrderRequest {
            show_id: self.id,
            order_id,
            caller: vec![buyer; 16].into(),
            read: Some(v1::ReadOptions {
                at_least_index,
                ..v1::ReadOptions::default()
            }),
        };
        let reply = self
            .client
            .inventory()
            .get_order(request)
            .await
            .unwrap()
            .into_inner();
        reply.order.unwrap()
    }

    /// Waits until the order is in a state that `done` accepts.
    pub async fn order_until(
        &self,
        buyer: u8,
        order_id: u64,
        done: impl Fn(&v1::Order) -> bool,
    ) -> v1::Order {
        let until = tokio::time::Instant::now() + LONG;
        loop {
            let order = self.order(buyer, order_id, 0).await;
            if done(&order) {
                return order;
            }
            assert!(tokio::time::Instant::now() < until, "{order:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A paying order of `seats`, by `token`.
    pub async fn pay_for(&self, buyer: u8, seats: &[u32], token: &str) -> u64 {
        let key = |step: &str| format!("{step}-{seats:?}");
        let hold = hold_of(self.submit(buyer, &key("hold"), hold_seats(seats)).await);
        let open = submit_request::Command::OpenOrder(v1::OpenOrder {
            hold_id: hold.hold_id,
        });
        let order = order_of(self.submit(buyer, &key("open"), open).await);
        order_of(
            self.submit(buyer, &key("pay"), pay(order.order_id, token))
                .await,
        )
        .order_id
    }

    pub async fn seat_map(&self, read: v1::ReadOptions) -> v1::SeatMap {
        let request = v1::GetSeatMapRequest {
            show_id: self.id,
            read: Some(read),
        };
        self.client
            .inventory()
            .get_seat_map(request)
            .await
            .unwrap()
            .into_inner()
    }
}

pub fn hold_seats(seats: &[u32]) -> submit_request::Command {
    let what = v1::place_hold::What::Seats(v1::NamedSeats {
        seats: seats.to_vec(),
    });
    submit_request::Command::PlaceHold(v1::PlaceHold {
        ttl_ms: 0,
        what: Some(what),
        ..v1::PlaceHold::default()
    })
}

pub fn pay(order_id: u64, token: &str) -> submit_request::Command {
    let payment_token = token.to_owned();
    submit_request::Command::PayOrder(v1::PayOrder {
        order_id,
        payment_token,
    })
}

pub fn hold_of(reply: v1::SubmitReply) -> v1::Hold {
    match reply.result {
        Some(submit_reply::Result::Hold(hold)) => hold,
        other => panic!("expected a hold, got {other:?}"),
    }
}

pub fn order_of(reply: v1::SubmitReply) -> v1::Order {
    match reply.result {
        Some(submit_reply::Result::Order(order)) => order,
        other => panic!("expected an order, got {other:?}"),
    }
}

pub fn rejection_of(reply: v1::SubmitReply) -> v1::Rejection {
    match reply.result {
        Some(submit_reply::Result::Rejection(rejection)) => rejection,
        other => panic!("expected a rejection, got {other:?}"),
    }
}

pub fn failure_of(reply: v1::SubmitReply) -> v1::Failure {
    match reply.result {
        Some(submit_reply::Result::Failure(failure)) => failure,
        other => panic!("expected a failure, got {other:?}"),
    }
}
