//! Nodes that answer from a script: two of them share one small show, so that a leader change loses nothing.
//!
//! Owns: the gRPC side of it. Must never: decide anything; `fake_show` does.

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use holdfast_node_api::codes::STATUS_CODE_KEY;
use holdfast_node_api::v1::buyer_indexes_server::BuyerIndexesServer;
use holdfast_node_api::v1::directory_server::{Directory, DirectoryServer};
use holdfast_node_api::v1::inventory_server::{Inventory, InventoryServer};
use holdfast_node_api::v1::waiting_rooms_server::{WaitingRooms, WaitingRoomsServer};
use holdfast_node_api::v1::{self, FailureCode};
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Code, Request, Response, Status, Streaming};

use crate::fake_show::{SEATS, Shared, Step, failure};

#[derive(Clone)]
pub(crate) struct FakeNode {
    id: u64,
    pub(crate) world: Shared,
}

/// Starts a node on a free port; it ends with the test's runtime.
pub(crate) async fn start(id: u64, world: Shared) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let node = FakeNode { id, world };
    let server = tonic::transport::Server::builder()
        .add_service(InventoryServer::new(node.clone()))
        .add_service(WaitingRoomsServer::new(node.clone()))
        .add_service(BuyerIndexesServer::new(node.clone()))
        .add_service(DirectoryServer::new(node))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);
    address
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
impl WaitingRooms for FakeNode {
    async fn get_room(
        &self,
        request: Request<v1::GetRoomRequest>,
    ) -> Result<Response<v1::Room>, Status> {
        let world = self.world.lock().unwrap();
        let as_of = world.as_of(request.into_inner().read);
        let room = world.room.clone();
        Ok(Response::new(v1::Room { as_of, ..room }))
    }

    async fn report_queue(
        &self,
        request: Request<v1::QueueReport>,
    ) -> Result<Response<v1::QueueReportReply>, Status> {
        let mut world = self.world.lock().unwrap();
        if world.leader != self.id {
            let mut status = Status::new(Code::FailedPrecondition, "not here");
            let code = "not_leader".parse().unwrap();
            status.metadata_mut().insert(STATUS_CODE_KEY, code);
            return Err(status);
        }
        world.reports.push(request.into_inner());
        Ok(Response::new(v1::QueueReportReply {}))
    }
}

#[tonic::async_trait]
impl Inventory for FakeNode {
    type SubmitStreamStream = Pin<Box<dyn Stream<Item = Result<v1::SubmitReply, Status>> + Send>>;
    type WatchSeatsStream = Pin<Box<dyn Stream<Item = Result<v1::SeatsUpdate, Status>> + Send>>;

    async fn watch_seats(
        &self,
        request: Request<Streaming<v1::WatchSeatsRequest>>,
    ) -> Result<Response<Self::WatchSeatsStream>, Status> {
        {
            let mut world = self.world.lock().unwrap();
            if world.watches_down {
                return Err(Status::unavailable("scripted"));
            }
            world.watches_begun += 1;
        }
        let (out, updates) = mpsc::channel(16);
        let world = Shared::clone(&self.world);
        tokio::spawn(crate::fake_watch::tell(request.into_inner(), world, out));
        Ok(Response::new(Box::pin(ReceiverStream::new(updates))))
    }

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
            sale_closes_at_ms: u64::MAX,
            ..v1::Layout::default()
        }))
    }

    async fn get_seat_map(
        &self,
        request: Request<v1::GetSeatMapRequest>,
    ) -> Result<Response<v1::SeatMap>, Status> {
        let read = request.into_inner().read;
        let (delay, behind) = {
            let world = self.world.lock().unwrap();
            let delay = world.map_delays.get(&self.id).copied();
            (
                delay.unwrap_or_default(),
                world.behind.get(&self.id).copied(),
            )
        };
        tokio::time::sleep(delay).await;
        if behind.is_some_and(|index| index < read.unwrap_or_default().at_least_index) {
            // As the real one: it waits for the index, longer than anybody waits for it.
            tokio::time::sleep(Duration::from_secs(3)).await;
            return Err(Status::deadline_exceeded("behind"));
        }
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
        let older = world.old_replicas.get(&self.id).copied();
        let as_of = world.as_of(read).map(|as_of| v1::AsOf {
            index: behind.unwrap_or(as_of.index),
            age_ms: older.unwrap_or(as_of.age_ms),
            ..as_of
        });
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

type Changes = Pin<Box<dyn Stream<Item = Result<v1::Catalogue, Status>> + Send>>;

fn catalogue() -> v1::Catalogue {
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
    let buyers = v1::CatalogueIndex {
        group_id: 1_000_000_000,
        jurisdiction: "XX".to_owned(),
        voters: vec![1, 2],
        ..v1::CatalogueIndex::default()
    };
    let as_of = Some(v1::AsOf {
        index: 1,
        age_ms: 0,
        linearizable: false,
    });
    v1::Catalogue {
        as_of,
        version: 1,
        events: vec![event],
        shows: vec![show],
        buyer_indexes: vec![buyers],
        ..v1::Catalogue::default()
    }
}

#[tonic::async_trait]
impl Directory for FakeNode {
    type WatchCatalogueStream = Changes;

    async fn get_catalogue(
        &self,
        _: Request<v1::GetCatalogueRequest>,
    ) -> Result<Response<v1::Catalogue>, Status> {
        Ok(Response::new(catalogue()))
    }

    async fn watch_catalogue(
        &self,
        _: Request<v1::WatchCatalogueRequest>,
    ) -> Result<Response<Changes>, Status> {
        let (out, pieces) = mpsc::channel(16);
        let mut announced = self.world.lock().unwrap().announced.subscribe();
        tokio::spawn(async move {
            let mut piece = catalogue();
            while out.send(Ok(piece)).await.is_ok() && announced.changed().await.is_ok() {
                let nodes = announced.borrow_and_update().clone();
                piece = v1::Catalogue {
                    version: 1 + nodes.len() as u64,
                    nodes,
                    ..catalogue()
                };
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(pieces))))
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
