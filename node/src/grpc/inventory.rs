//! The Inventory service: commands and reads of one show.
//!
//! Owns: request in, reply out. Must never: hold the state's lock while it converts a whole layout.

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use holdfast_inventory::{
    ids::{HoldId, OrderId, ShowId},
    layout::Layout,
};
use holdfast_node_api::{
    pipe::REGION_KEY,
    v1::{self, inventory_server::Inventory},
};
use holdfast_raft::Host;
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status, Streaming};

use super::{
    convert,
    read::{self, Reading},
    seats_watch, status,
    submit_stream::SubmitStream,
};
use crate::{
    proposers::Proposers,
    submission::{Answer, SubmitFailure},
};

/// The Inventory service of this node.
#[derive(Clone)]
pub struct InventoryService {
    host: Host,
    proposers: Proposers,
    deadline_default: Duration,
    /// Places for watches of seats.
    watches: Arc<Semaphore>,
    /// Ends the streams.
    stop: CancellationToken,
}

impl InventoryService {
    /// Serves the groups of `host`; `deadline_default` is for callers who name none. Streams end with `stop`.
    #[must_use]
    pub fn new(
        host: Host,
        proposers: Proposers,
        deadline_default: Duration,
        stop: CancellationToken,
    ) -> Self {
        Self {
            host,
            proposers,
            deadline_default,
            watches: Arc::new(Semaphore::new(seats_watch::WATCHES_MAX)),
            stop,
        }
    }

    /// The place of a caller's region in the topology.
    fn region_number(&self, name: &str) -> Option<usize> {
        let topology = self.host.topology();
        let mut regions = topology.regions.iter();
        regions.position(|region| region.id.as_str() == name)
    }

    async fn submit_one(&self, request: v1::SubmitRequest) -> v1::SubmitReply {
        let (show, tag) = (request.show_id, request.tag);
        let answered = async {
            let now = Instant::now();
            let item = convert::item(request, now, self.deadline_default)?;
            let deadline = item.give_up_at - now;
            self.proposers
                .submit_one(ShowId(show), item.envelope, item.bytes, deadline)
                .await
        };
        match answered.await {
            Ok((index, outcome)) => convert::reply(show, tag, index, Answer::Outcome(outcome)),
            Err(failed) => convert::reply(show, tag, 0, Answer::Failed(failed)),
        }
    }
}

type Replies = Pin<Box<dyn Stream<Item = Result<v1::SubmitReply, Status>> + Send>>;
type SeatsUpdates = Pin<Box<dyn Stream<Item = Result<v1::SeatsUpdate, Status>> + Send>>;

#[tonic::async_trait]
impl Inventory for InventoryService {
    type SubmitStreamStream = Replies;
    type WatchSeatsStream = SeatsUpdates;

    async fn submit(
        &self,
        request: Request<v1::SubmitRequest>,
    ) -> Result<Response<v1::SubmitReply>, Status> {
        Ok(Response::new(self.submit_one(request.into_inner()).await))
    }

    async fn submit_stream(
        &self,
        request: Request<Streaming<v1::SubmitRequest>>,
    ) -> Result<Response<Replies>, Status> {
        let region = request.metadata().get(REGION_KEY);
        let region = region.and_then(|name| self.region_number(name.to_str().ok()?));
        let requests = request.into_inner();
        let proposers = self.proposers.clone();
        let stream = SubmitStream::new(requests, region, proposers, self.deadline_default);
        let stream = stream.take_until(self.stop.clone().cancelled_owned());
        Ok(Response::new(Box::pin(stream)))
    }

    async fn get_layout(
        &self,
        request: Request<v1::GetLayoutRequest>,
    ) -> Result<Response<v1::Layout>, Status> {
        let show = request.into_inner().show_id;
        let Reading { group, .. } = &read::group(&self.host, show).await?;
        // The layout is immutable and shared: only the pointer is taken under the lock.
        let (layout, _) = group.read(|state| state.layout().cloned());
        let layout: Arc<Layout> = layout.ok_or_else(|| not_ready(show))?;
        Ok(Response::new(layout_message(show, &layout)))
    }

    async fn get_seat_map(
        &self,
        request: Request<v1::GetSeatMapRequest>,
    ) -> Result<Response<v1::SeatMap>, Status> {
        let request = request.into_inner();
        let Reading { group, .. } = &read::group(&self.host, request.show_id).await?;
        let linearizable = read::wait(group, request.read.as_ref()).await?;
        let (map, as_of) = group.read(|state| {
            state.is_set_up().then(|| v1::SeatMap {
                as_of: None,
                seats: state.seat_codes().collect::<Vec<u8>>().into(),
                areas: state
                    .area_states()
                    .map(|area| v1::AreaState {
                        available: area.available,
                        held: area.held,
                        sold: area.sold,
                        blocked: area.blocked,
                    })
                    .collect(),
                now_ms: state.clock_ms(),
            })
        });
        #[cfg(feature = "sabotage")]
        let as_of = crate::sabotage::as_if_fresh(as_of);
        read::check_age(as_of, request.read.as_ref())?;
        let map = map.ok_or_else(|| not_ready(request.show_id))?;
        let as_of = Some(convert::as_of(as_of, linearizable));
        Ok(Response::new(v1::SeatMap { as_of, ..map }))
    }

    async fn watch_seats(
        &self,
        request: Request<Streaming<v1::WatchSeatsRequest>>,
    ) -> Result<Response<SeatsUpdates>, Status> {
        let mut requests = request.into_inner();
        let place = Arc::clone(&self.watches).try_acquire_owned();
        let place = place.map_err(|_| seats_watch::full())?;
        let asked = seats_watch::first(&mut requests).await?;
        let reading = read::group(&self.host, asked.show_id).await?;
        seats_watch::caught_up(&reading, asked.from_index).await?;
        let updates =
            seats_watch::updates(requests, asked.probe, reading, place, self.stop.clone());
        Ok(Response::new(Box::pin(updates)))
    }

    async fn get_hold(
        &self,
        request: Request<v1::GetHoldRequest>,
    ) -> Result<Response<v1::HoldReply>, Status> {
        let request = request.into_inner();
        let caller = caller(&request.caller)?;
        let Reading { group, .. } = &read::group(&self.host, request.show_id).await?;
        let linearizable = read::wait(group, request.read.as_ref()).await?;
        let (view, as_of) = group.read(|state| state.hold_view(HoldId(request.hold_id)));
        read::check_age(as_of, request.read.as_ref())?;
        let name = format!("h{}-{}", request.show_id, request.hold_id);
        let view = view.ok_or_else(|| {
            status(
                Code::NotFound,
                "hold_unknown",
                format!("there is no hold {name}"),
            )
        })?;
        if view.buyer != caller {
            let message = format!("hold {name} belongs to another buyer");
            return Err(status(Code::PermissionDenied, "hold_not_yours", message));
        }
        let as_of = Some(convert::as_of(as_of, linearizable));
        Ok(Response::new(v1::HoldReply {
            as_of,
            hold: Some(convert::hold(&view)),
        }))
    }

    async fn get_order(
        &self,
        request: Request<v1::GetOrderRequest>,
    ) -> Result<Response<v1::OrderReply>, Status> {
        let request = request.into_inner();
        let caller = caller(&request.caller)?;
        let Reading { group, .. } = &read::group(&self.host, request.show_id).await?;
        let linearizable = read::wait(group, request.read.as_ref()).await?;
        let (view, as_of) = group.read(|state| state.order_view(OrderId(request.order_id)));
        read::check_age(as_of, request.read.as_ref())?;
        let name = format!("o{}-{}", request.show_id, request.order_id);
        let view = view.ok_or_else(|| {
            status(
                Code::NotFound,
                "order_unknown",
                format!("there is no order {name}"),
            )
        })?;
        if view.buyer != caller {
            let message = format!("order {name} belongs to another buyer");
            return Err(status(Code::PermissionDenied, "order_not_yours", message));
        }
        let as_of = Some(convert::as_of(as_of, linearizable));
        Ok(Response::new(v1::OrderReply {
            as_of,
            order: Some(convert::order(&view)),
        }))
    }
}

fn caller(bytes: &Bytes) -> Result<holdfast_inventory::ids::BuyerId, Status> {
    convert::caller(bytes)
        .map_err(|error: SubmitFailure| status(Code::InvalidArgument, "invalid", error.to_string()))
}

fn not_ready(show: u64) -> Status {
    status(
        Code::Unavailable,
        "not_ready",
        format!("show s{show} is being set up"),
    )
}

fn layout_message(show: u64, layout: &Layout) -> v1::Layout {
    let set_up = layout.set_up();
    let rules = layout.rules();
    let seats = set_up.seats.iter().enumerate().map(|(index, seat)| {
        let number = holdfast_inventory::ids::SeatNo::from_index(index);
        v1::LayoutSeat {
            id: seat.id.clone(),
            zone: seat.zone.clone(),
            row: seat.row.clone(),
            number: seat.number.clone(),
            category: u32::from(seat.category.get()),
            x: seat.x,
            y: seat.y,
            accessible: seat.accessible,
            companion_of: seat.companion_of.map(|seat| seat.get()),
            left: number.and_then(|no| layout.left(no)).map(|seat| seat.get()),
            right: number
                .and_then(|no| layout.right(no))
                .map(|seat| seat.get()),
        }
    });
    let categories = set_up.categories.iter().map(|category| v1::Category {
        name: category.name.clone(),
        color: category.color.clone(),
        price_minor: category.price_minor,
    });
    let areas = set_up.areas.iter().map(|area| v1::Area {
        id: area.id.clone(),
        name: area.name.clone(),
        category: u32::from(area.category.get()),
        capacity: area.capacity,
        x: area.x,
        y: area.y,
    });
    v1::Layout {
        show_id: show,
        currency: set_up.currency.to_string(),
        categories: categories.collect(),
        seats: seats.collect(),
        areas: areas.collect(),
        seats_per_order_max: rules.seats_per_order_max,
        seats_per_buyer_max: rules.seats_per_buyer_max,
        width: set_up.width,
        height: set_up.height,
        single_seat_rule: rules.single_seat.as_str().to_owned(),
        sale_opens_at_ms: rules.opens_at_ms,
        sale_closes_at_ms: rules.closes_at_ms,
    }
}
