//! Nodes that answer from a script: two of them share one small show, so that a leader change loses nothing.
//!
//! Owns: a naive show of six seats and one area, with request ids. Must never: be taken for the real state machine.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use holdfast_node_api::codes::STATUS_CODE_KEY;
use holdfast_node_api::v1::directory_server::{Directory, DirectoryServer};
use holdfast_node_api::v1::inventory_server::{Inventory, InventoryServer};
use holdfast_node_api::v1::submit_reply::Result as Outcome;
use holdfast_node_api::v1::submit_request::Command;
use holdfast_node_api::v1::{self, FailureCode, HoldState, OrderState, place_hold::What};
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Code, Request, Response, Status, Streaming};

pub(crate) const SEATS: u32 = 6;

/// What a node does with the next command, before its usual behaviour.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Fail with this code; nothing happened.
    Fail(FailureCode),
    /// Do it and never answer.
    DoAndKeepSilent,
    /// Neither do it nor answer.
    KeepSilent,
}

/// What both nodes share.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) leader: u64,
    pub(crate) steps: VecDeque<Step>,
    /// Commands that reached a node, with the node, their caller and their key.
    pub(crate) seen: Vec<(u64, Vec<u8>, String)>,
    /// What reads say of their age, ms.
    pub(crate) age_ms: u64,
    /// Seat map reads are refused.
    pub(crate) reads_down: bool,
    index: u64,
    taken: HashMap<u32, u64>,
    holds: Vec<(Vec<u8>, v1::Hold)>,
    orders: Vec<(Vec<u8>, v1::Order)>,
    remembered: HashMap<(Vec<u8>, String), (String, v1::SubmitReply)>,
}

pub(crate) type Shared = Arc<Mutex<World>>;

#[derive(Clone)]
struct FakeNode {
    id: u64,
    world: Shared,
}

/// Starts a node on a free port; it ends with the test's runtime.
pub(crate) async fn start(id: u64, world: Shared) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let node = FakeNode { id, world };
    let server = tonic::transport::Server::builder()
        .add_service(InventoryServer::new(node.clone()))
        .add_service(DirectoryServer::new(node))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);
    address
}

fn rejected(code: &str, seats: Vec<u32>) -> Outcome {
    let message = format!("no: {code}");
    Outcome::Rejection(v1::Rejection {
        code: code.to_owned(),
        message,
        seats,
        limit: None,
    })
}

fn failure(code: FailureCode, leader_node_id: u64) -> Outcome {
    let field = if code == FailureCode::Invalid {
        "place_hold.seats"
    } else {
        ""
    };
    Outcome::Failure(v1::Failure {
        code: code.into(),
        message: "scripted".to_owned(),
        retry_after_ms: 20,
        leader_node_id,
        field: field.to_owned(),
        maybe_happened: code == FailureCode::Deadline,
    })
}

impl World {
    pub(crate) fn led_by(leader: u64) -> Self {
        Self {
            leader,
            ..Self::default()
        }
    }

    fn apply(&mut self, request: &v1::SubmitRequest) -> v1::SubmitReply {
        let id = (request.caller.to_vec(), request.idempotency_key.clone());
        let digest = format!("{:?}", request.command);
        if let Some((first, reply)) = self.remembered.get(&id) {
            let replayed = v1::SubmitReply {
                replayed: true,
                ..reply.clone()
            };
            let reused = Some(rejected("request_reused", vec![]));
            return if *first == digest {
                replayed
            } else {
                v1::SubmitReply {
                    result: reused,
                    ..replayed
                }
            };
        }
        self.index += 1;
        let result = self.decide(request);
        let effect = !matches!(result, Outcome::Rejection(_));
        let reply = v1::SubmitReply {
            tag: 0,
            index: self.index,
            result: Some(result),
            replayed: false,
        };
        if effect {
            self.remembered.insert(id, (digest, reply.clone()));
        }
        reply
    }

    fn decide(&mut self, request: &v1::SubmitRequest) -> Outcome {
        let caller = request.caller.to_vec();
        match request.command.clone().expect("a command") {
            Command::PlaceHold(place) => self.place(caller, place.what.expect("what")),
            Command::ExtendHold(c) => self.hold(c.hold_id, |hold| hold.expires_at_ms += 1_000),
            Command::ReleaseHold(c) => {
                self.taken.retain(|_, by| *by != c.hold_id);
                self.hold(c.hold_id, |hold| hold.set_state(HoldState::HoldReleased))
            }
            Command::OpenOrder(c) => self.open(caller, c.hold_id),
            Command::PayOrder(c) => self.order(c.order_id, |order| pay(order, &c.payment_token)),
            Command::CancelOrder(c) => self.order(c.order_id, |order| {
                order.set_state(OrderState::OrderCancelled)
            }),
            Command::BlockSeats(_) | Command::UnblockSeats(_) => {
                rejected("seats_not_blocked", vec![])
            }
        }
    }

    fn place(&mut self, caller: Vec<u8>, what: What) -> Outcome {
        let hold_id = self.holds.len() as u64 + 1;
        let mut hold = v1::Hold {
            hold_id,
            state: HoldState::HoldActive.into(),
            expires_at_ms: 60_000,
            expires_at_max_ms: 120_000,
            currency: "EUR".to_owned(),
            now_ms: 1,
            ..v1::Hold::default()
        };
        match what {
            What::Seats(named) => hold.seats = named.seats,
            What::BestAvailable(best) => {
                let free = (0..SEATS).filter(|seat| !self.taken.contains_key(seat));
                hold.seats = free.take(best.quantity as usize).collect();
            }
            What::GeneralAdmission(ga) => (hold.area, hold.quantity) = (Some(ga.area), ga.quantity),
        }
        let gone: Vec<u32> = hold
            .seats
            .iter()
            .copied()
            .filter(|s| self.taken.contains_key(s))
            .collect();
        if !gone.is_empty() {
            return rejected("seats_taken", gone);
        }
        self.taken
            .extend(hold.seats.iter().map(|seat| (*seat, hold_id)));
        self.holds.push((caller, hold.clone()));
        Outcome::Hold(hold)
    }

    fn hold(&mut self, hold_id: u64, change: impl FnOnce(&mut v1::Hold)) -> Outcome {
        match self
            .holds
            .iter_mut()
            .find(|(_, hold)| hold.hold_id == hold_id)
        {
            Some((_, hold)) => {
                change(hold);
                Outcome::Hold(hold.clone())
            }
            None => rejected("hold_unknown", vec![]),
        }
    }

    fn open(&mut self, caller: Vec<u8>, hold_id: u64) -> Outcome {
        let order_id = self.orders.len() as u64 + 1;
        let Outcome::Hold(hold) = self.hold(hold_id, |hold| hold.order_id = Some(order_id)) else {
            return rejected("hold_unknown", vec![]);
        };
        let order = v1::Order {
            order_id,
            hold_id,
            state: OrderState::OrderOpen.into(),
            seats: hold.seats,
            currency: hold.currency,
            ..v1::Order::default()
        };
        self.orders.push((caller, order.clone()));
        Outcome::Order(order)
    }

    fn order(&mut self, order_id: u64, change: impl FnOnce(&mut v1::Order)) -> Outcome {
        match self
            .orders
            .iter_mut()
            .find(|(_, order)| order.order_id == order_id)
        {
            Some((_, order)) => {
                change(order);
                let mut told = order.clone();
                // Like the real one: the command's own answer is "paying"; what came of it is read later.
                if order.state() == OrderState::OrderConfirmed || !order.payment_problem.is_empty()
                {
                    told.set_state(OrderState::OrderPaying);
                }
                Outcome::Order(told)
            }
            None => rejected("order_unknown", vec![]),
        }
    }

    fn as_of(&self, read: Option<v1::ReadOptions>) -> Option<v1::AsOf> {
        let linearizable = read.is_some_and(|read| read.linearizable);
        Some(v1::AsOf {
            index: self.index,
            age_ms: self.age_ms,
            linearizable,
        })
    }
}

fn pay(order: &mut v1::Order, token: &str) {
    match token {
        "tok_approve" => {
            order.set_state(OrderState::OrderConfirmed);
            order.ticket_ids = (1..).take(order.seats.len()).collect();
        }
        "tok_decline" => "declined".clone_into(&mut order.payment_problem),
        "tok_timeout" => "provider_timeout".clone_into(&mut order.payment_problem),
        _ => order.set_state(OrderState::OrderPaying),
    }
}

impl FakeNode {
    /// The answer, or nothing.
    fn answer(&self, request: &v1::SubmitRequest) -> Option<v1::SubmitReply> {
        let mut world = self.world.lock().unwrap();
        world.seen.push((
            self.id,
            request.caller.to_vec(),
            request.idempotency_key.clone(),
        ));
        if world.leader != self.id {
            let result = Some(failure(FailureCode::NotLeader, world.leader));
            return Some(v1::SubmitReply {
                tag: request.tag,
                result,
                ..v1::SubmitReply::default()
            });
        }
        match world.steps.pop_front() {
            Some(Step::KeepSilent) => None,
            Some(Step::DoAndKeepSilent) => {
                world.apply(request);
                None
            }
            Some(Step::Fail(code)) => {
                let result = Some(failure(code, 0));
                Some(v1::SubmitReply {
                    tag: request.tag,
                    result,
                    ..v1::SubmitReply::default()
                })
            }
            None => Some(v1::SubmitReply {
                tag: request.tag,
                ..world.apply(request)
            }),
        }
    }

    fn own<T: Clone>(
        list: &[(Vec<u8>, T)],
        id: u64,
        caller: &[u8],
        what: &str,
    ) -> Result<T, Status> {
        let refuse = |code, public: &'static str| {
            let mut status = Status::new(code, "no");
            status
                .metadata_mut()
                .insert(STATUS_CODE_KEY, public.parse().unwrap());
            status
        };
        let (unknown, not_yours) = match what {
            "hold" => ("hold_unknown", "hold_not_yours"),
            _ => ("order_unknown", "order_not_yours"),
        };
        match usize::try_from(id)
            .ok()
            .and_then(|id| list.get(id.checked_sub(1)?))
        {
            None => Err(refuse(Code::NotFound, unknown)),
            Some((owner, _)) if owner != caller => Err(refuse(Code::PermissionDenied, not_yours)),
            Some((_, thing)) => Ok(thing.clone()),
        }
    }
}

#[tonic::async_trait]
impl Inventory for FakeNode {
    type SubmitStreamStream = Pin<Box<dyn Stream<Item = Result<v1::SubmitReply, Status>> + Send>>;

    async fn submit(
        &self,
        request: Request<v1::SubmitRequest>,
    ) -> Result<Response<v1::SubmitReply>, Status> {
        let answer = self.answer(&request.into_inner());
        answer
            .map(Response::new)
            .ok_or_else(|| Status::deadline_exceeded("silent"))
    }

    async fn submit_stream(
        &self,
        request: Request<Streaming<v1::SubmitRequest>>,
    ) -> Result<Response<Self::SubmitStreamStream>, Status> {
        let (out, answers) = mpsc::channel(16);
        let node = self.clone();
        let mut requests = request.into_inner();
        tokio::spawn(async move {
            while let Some(Ok(request)) = requests.next().await {
                if let Some(answer) = node.answer(&request) {
                    let _ = out.send(Ok(answer)).await;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }

    async fn get_layout(
        &self,
        _: Request<v1::GetLayoutRequest>,
    ) -> Result<Response<v1::Layout>, Status> {
        let seat = |n: u32| v1::LayoutSeat {
            id: format!("A-{}", n + 1),
            zone: "Stalls".to_owned(),
            row: "A".to_owned(),
            number: (n + 1).to_string(),
            accessible: n == 0,
            companion_of: (n == 1).then_some(0),
            ..v1::LayoutSeat::default()
        };
        let category = v1::Category {
            name: "Best".to_owned(),
            color: "#123456".to_owned(),
            price_minor: 4_500,
        };
        let area = v1::Area {
            id: "floor".to_owned(),
            name: "Floor".to_owned(),
            capacity: 50,
            ..v1::Area::default()
        };
        Ok(Response::new(v1::Layout {
            show_id: 1,
            currency: "EUR".to_owned(),
            categories: vec![category],
            seats: (0..SEATS).map(seat).collect(),
            areas: vec![area],
            seats_per_order_max: 10,
            single_seat_rule: "off".to_owned(),
            ..v1::Layout::default()
        }))
    }

    async fn get_seat_map(
        &self,
        request: Request<v1::GetSeatMapRequest>,
    ) -> Result<Response<v1::SeatMap>, Status> {
        let world = self.world.lock().unwrap();
        if world.reads_down {
            return Err(Status::unavailable("scripted"));
        }
        let seats: Vec<u8> = (0..SEATS)
            .map(|seat| u8::from(world.taken.contains_key(&seat)))
            .collect();
        let areas = vec![v1::AreaState {
            available: 50,
            ..v1::AreaState::default()
        }];
        let as_of = world.as_of(request.into_inner().read);
        Ok(Response::new(v1::SeatMap {
            as_of,
            seats: seats.into(),
            areas,
            now_ms: 1,
        }))
    }

    async fn get_hold(
        &self,
        request: Request<v1::GetHoldRequest>,
    ) -> Result<Response<v1::HoldReply>, Status> {
        let request = request.into_inner();
        let world = self.world.lock().unwrap();
        let hold = Self::own(&world.holds, request.hold_id, &request.caller, "hold")?;
        Ok(Response::new(v1::HoldReply {
            as_of: world.as_of(request.read),
            hold: Some(hold),
        }))
    }

    async fn get_order(
        &self,
        request: Request<v1::GetOrderRequest>,
    ) -> Result<Response<v1::OrderReply>, Status> {
        let request = request.into_inner();
        let world = self.world.lock().unwrap();
        let order = Self::own(&world.orders, request.order_id, &request.caller, "order")?;
        Ok(Response::new(v1::OrderReply {
            as_of: world.as_of(request.read),
            order: Some(order),
        }))
    }
}

type Versions = Pin<Box<dyn Stream<Item = Result<v1::CatalogueVersion, Status>> + Send>>;

#[tonic::async_trait]
impl Directory for FakeNode {
    type WatchCatalogueStream = Versions;

    async fn get_catalogue(
        &self,
        _: Request<v1::GetCatalogueRequest>,
    ) -> Result<Response<v1::Catalogue>, Status> {
        let event = v1::Event {
            event_id: 1,
            name: "Night Music".to_owned(),
            category: "concert".to_owned(),
            ..v1::Event::default()
        };
        let show = v1::Show {
            show_id: 1,
            event_id: 1,
            city: "Porto".to_owned(),
            local_date: "2027-05-01".to_owned(),
            home_region: "here".to_owned(),
            voters: vec![1, 2],
            currency: "EUR".to_owned(),
            ..v1::Show::default()
        };
        let as_of = Some(v1::AsOf {
            index: 1,
            age_ms: 0,
            linearizable: false,
        });
        let catalogue = v1::Catalogue {
            as_of,
            version: 1,
            events: vec![event],
            shows: vec![show],
            plans: vec![],
        };
        Ok(Response::new(catalogue))
    }

    async fn watch_catalogue(
        &self,
        _: Request<v1::WatchCatalogueRequest>,
    ) -> Result<Response<Versions>, Status> {
        Ok(Response::new(Box::pin(tokio_stream::pending())))
    }

    async fn import_plan(
        &self,
        _: Request<v1::ImportPlanRequest>,
    ) -> Result<Response<v1::ImportPlanReply>, Status> {
        Err(Status::unimplemented("not asked by a gateway"))
    }

    async fn create_event(
        &self,
        _: Request<v1::CreateEventRequest>,
    ) -> Result<Response<v1::CreateEventReply>, Status> {
        Err(Status::unimplemented("not asked by a gateway"))
    }

    async fn create_show(
        &self,
        _: Request<v1::CreateShowRequest>,
    ) -> Result<Response<v1::CreateShowReply>, Status> {
        Err(Status::unimplemented("not asked by a gateway"))
    }
}
