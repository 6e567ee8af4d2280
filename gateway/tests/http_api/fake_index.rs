//! The scripted nodes' index of buyers: the orders of the one show that something has come of.
//!
//! Owns: the pages. Must never: be told anything; it reads the show.

use holdfast_node_api::v1::buyer_indexes_server::BuyerIndexes;
use holdfast_node_api::v1::{self, OrderState};
use tonic::{Request, Response, Status};

use crate::fake_node::FakeNode;

#[tonic::async_trait]
impl BuyerIndexes for FakeNode {
    async fn list_orders(
        &self,
        request: Request<v1::ListOrdersRequest>,
    ) -> Result<Response<v1::BuyerOrders>, Status> {
        let request = request.into_inner();
        let world = self.world.lock().unwrap();
        if world.index_down {
            return Err(Status::unavailable("scripted"));
        }
        let own = world.orders.iter().filter(|(owner, order)| {
            *owner == request.buyer.to_vec() && order.state() == OrderState::OrderConfirmed
        });
        let listed = own.map(|(_, order)| v1::IndexedOrder {
            show_id: 1,
            order_id: order.order_id,
            state: order.state,
            at_ms: order.order_id,
        });
        let behind =
            |order: &v1::IndexedOrder| request.after.is_none_or(|after| order.at_ms < after.at_ms);
        let mut orders: Vec<_> = listed.filter(behind).collect();
        orders.reverse();
        let limit = usize::try_from(request.limit).unwrap();
        let more = orders.len() > limit;
        orders.truncate(limit);
        Ok(Response::new(v1::BuyerOrders {
            as_of: world.as_of(None),
            orders,
            more,
        }))
    }

    async fn list_indexes(
        &self,
        _: Request<v1::ListIndexesRequest>,
    ) -> Result<Response<v1::ListIndexesReply>, Status> {
        Err(Status::unimplemented("not asked by a gateway"))
    }

    async fn record_orders(
        &self,
        _: Request<v1::RecordOrdersRequest>,
    ) -> Result<Response<v1::RecordOrdersReply>, Status> {
        Err(Status::unimplemented("not asked by a gateway"))
    }

    async fn ensure_index(
        &self,
        _: Request<v1::EnsureIndexRequest>,
    ) -> Result<Response<v1::EnsureIndexReply>, Status> {
        Err(Status::unimplemented("not asked by a gateway"))
    }
}
