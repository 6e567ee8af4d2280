//! The BuyerIndexes service: a buyer's orders from this replica, and what shows tell their indexes.
//!
//! Owns: messages, pages and their bounds. Must never: name a buyer in an error or a log.

use std::time::Duration;

use holdfast_inventory::ids::{OrderId, OutboxSeq, ShowId};
use holdfast_node_api::v1::{self, OrderState, buyer_indexes_server::BuyerIndexes as Service};
use holdfast_raft::{
    BuyerIndexGroup, Clock as _, Host, Inhabitant, OpenError, ProposeError,
    buyer_index::{EVENTS_PER_ENTRY_MAX, LastState, ORDERS_PER_BUYER_MAX, OrderEvent, Place},
};
use holdfast_region_config::{GroupId, RegionId};
use tonic::{Code, Request, Response, Status};

use super::{convert, directory, status};
use crate::buyer_index::{BuyerIndexes, NotBegun, NotTold};
use crate::submission::SubmitFailure;

/// Longest wait for a replica to be read from disk.
const OPEN_LIMIT: Duration = Duration::from_secs(3);
/// Orders in one answer when the caller does not say.
const ORDERS_DEFAULT: usize = 20;

/// The BuyerIndexes service of this node.
#[derive(Clone)]
pub struct BuyerIndexesService {
    host: Host,
    indexes: BuyerIndexes,
}

impl BuyerIndexesService {
    /// Serves the replicas of `host`.
    #[must_use]
    pub fn new(host: Host, indexes: BuyerIndexes) -> Self {
        Self { host, indexes }
    }

    /// This node's replica, opened if it is not in memory, and kept there while it is read.
    async fn open(&self, group: GroupId) -> Result<(BuyerIndexGroup, Inhabitant), Status> {
        let opening = async {
            loop {
                let index = self.host.open_buyer_index(group).await?;
                // It was put away between the two: the next turn finds it closed.
                if let Some(inside) = index.pin() {
                    return Ok::<_, OpenError>((index, inside));
                }
                index.closed().await;
            }
        };
        let late = || status(Code::Unavailable, "unavailable", "not opened in time");
        let opened = tokio::time::timeout(OPEN_LIMIT, opening).await;
        opened
            .map_err(|_| late())?
            .map_err(|error| not_opened(&error))
    }
}

fn not_opened(error: &OpenError) -> Status {
    let public = match error {
        OpenError::NotHere { .. } => "not_ready",
        OpenError::Failed { .. } => "unavailable",
        OpenError::Stopping => "stopped",
    };
    status(Code::Unavailable, public, error.to_string())
}

fn invalid(failure: &SubmitFailure) -> Status {
    status(Code::InvalidArgument, "invalid", failure.to_string())
}

const STATES: [(LastState, OrderState); 3] = [
    (LastState::Confirmed, OrderState::OrderConfirmed),
    (LastState::Cancelled, OrderState::OrderCancelled),
    (LastState::Expired, OrderState::OrderExpired),
];

fn state_message(state: LastState) -> OrderState {
    let found = STATES.iter().find(|(known, _)| *known == state);
    found.map_or(OrderState::Unspecified, |(_, message)| *message)
}

/// An event as it goes to another node.
pub(crate) fn index_event(event: &OrderEvent) -> v1::IndexedEvent {
    v1::IndexedEvent {
        buyer: event.buyer.0.to_vec().into(),
        show_id: event.show.get(),
        order_id: event.order.get(),
        seq: event.seq.get(),
        at_ms: event.at_ms,
        state: state_message(event.state).into(),
    }
}

fn event(message: &v1::IndexedEvent) -> Result<OrderEvent, Status> {
    let buyer = convert::caller(&message.buyer).map_err(|failure| invalid(&failure))?;
    let found = STATES.iter().find(|(_, known)| *known == message.state());
    let (state, _) = found.ok_or_else(|| directory::invalid("events.state", "not an end"))?;
    Ok(OrderEvent {
        buyer,
        show: ShowId(message.show_id),
        order: OrderId(message.order_id),
        seq: OutboxSeq(message.seq),
        at_ms: message.at_ms,
        state: *state,
    })
}

#[tonic::async_trait]
impl Service for BuyerIndexesService {
    async fn list_orders(
        &self,
        request: Request<v1::ListOrdersRequest>,
    ) -> Result<Response<v1::BuyerOrders>, Status> {
        let request = request.into_inner();
        let buyer = convert::caller(&request.buyer).map_err(|failure| invalid(&failure))?;
        let limit = match request.limit as usize {
            0 => ORDERS_DEFAULT,
            limit => limit.min(ORDERS_PER_BUYER_MAX),
        };
        let after = request.after.map(|after| Place {
            at_ms: after.at_ms,
            show: ShowId(after.show_id),
            order: OrderId(after.order_id),
        });
        let (index, _inside) = self.open(GroupId::new(request.group_id)).await?;
        let now_ms = self.host.clock().now_ms();
        let (mut orders, as_of) = index.read(|state| {
            let orders = state.orders(buyer, after, limit + 1, now_ms);
            let message = orders.map(|order| v1::IndexedOrder {
                show_id: order.show.get(),
                order_id: order.order.get(),
                state: state_message(order.state).into(),
                at_ms: order.at_ms,
            });
            message.collect::<Vec<_>>()
        });
        let more = orders.len() > limit;
        orders.truncate(limit);
        Ok(Response::new(v1::BuyerOrders {
            as_of: Some(convert::as_of(as_of, false)),
            orders,
            more,
        }))
    }

    async fn list_indexes(
        &self,
        _: Request<v1::ListIndexesRequest>,
    ) -> Result<Response<v1::ListIndexesReply>, Status> {
        Ok(Response::new(self.indexes.survey()))
    }

    async fn record_orders(
        &self,
        request: Request<v1::RecordOrdersRequest>,
    ) -> Result<Response<v1::RecordOrdersReply>, Status> {
        let request = request.into_inner();
        if request.events.len() > EVENTS_PER_ENTRY_MAX {
            let reason = format!("more than {EVENTS_PER_ENTRY_MAX}");
            return Err(directory::invalid("events", &reason));
        }
        let events = request.events.iter().map(event);
        let events = events.collect::<Result<Vec<_>, Status>>()?;
        let group = GroupId::new(request.group_id);
        match self.indexes.record_here(group, events).await {
            Ok(index) => Ok(Response::new(v1::RecordOrdersReply { index })),
            Err(error) => Err(not_told(&error)),
        }
    }

    async fn ensure_index(
        &self,
        request: Request<v1::EnsureIndexRequest>,
    ) -> Result<Response<v1::EnsureIndexReply>, Status> {
        let (forwarded, request) = directory::taken(request);
        let region = RegionId::new(request.region)
            .map_err(|error| directory::invalid("region", &error.to_string()))?;
        match self.indexes.ensure(&region, forwarded).await {
            Ok(reply) => Ok(Response::new(reply)),
            Err(NotBegun::Undecided(error)) => Err(directory::change_refused(&error)),
            Err(error @ (NotBegun::UnknownRegion(_) | NotBegun::Unplaceable(_))) => {
                Err(directory::invalid("region", &error.to_string()))
            }
            Err(error @ (NotBegun::MixedReleases(_) | NotBegun::Refused(_))) => {
                Err(status(Code::Unavailable, "unavailable", error.to_string()))
            }
        }
    }
}

fn not_told(error: &NotTold) -> Status {
    let (code, public) = match error {
        NotTold::Busy => (Code::ResourceExhausted, "overloaded"),
        NotTold::Open(error) => return not_opened(error),
        NotTold::Propose(ProposeError::NotLeader { .. }) => {
            (Code::FailedPrecondition, "not_leader")
        }
        NotTold::Propose(ProposeError::TooLarge { .. }) => (Code::InvalidArgument, "invalid"),
        NotTold::Propose(ProposeError::Stopped { .. }) => (Code::Unavailable, "stopped"),
        NotTold::Late => (Code::DeadlineExceeded, "deadline"),
        NotTold::Propose(_) | NotTold::Refused { .. } | NotTold::Nobody => {
            (Code::Unavailable, "unavailable")
        }
    };
    status(code, public, error.to_string())
}
