//! One replica of a show, checked as a whole: is there anything that must never be?
//!
//! Owns: the message. Must never: repair; what is broken is evidence.

use holdfast_inventory::{ids::SeatNo, invariants, read::SeatOwner};
use holdfast_node_api::v1::{self, audit_show_reply::Owner};
use holdfast_raft::Host;
use tonic::{Response, Status};

use super::{
    convert,
    read::{self, Reading},
};

/// Broken invariants in one answer.
const BROKEN_MAX: usize = 100;

/// This node's replica of a show against every invariant, and whose one seat is.
pub(super) async fn audit(
    host: &Host,
    request: &v1::AuditShowRequest,
) -> Result<Response<v1::AuditShowReply>, Status> {
    let Reading { group, .. } = &read::group(host, request.show_id).await?;
    let linearizable = read::wait(group, request.read.as_ref()).await?;
    let (reply, as_of) = group.read(|state| {
        let broken = invariants::check(state);
        let counts = state.counts().seats;
        let owner = request.seat.and_then(|seat| state.seat_owner(SeatNo(seat)));
        v1::AuditShowReply {
            as_of: None,
            node_id: host.node().get(),
            state_hash: state.state_hash(),
            broken: broken
                .iter()
                .take(BROKEN_MAX)
                .map(ToString::to_string)
                .collect(),
            seats: state.seat_codes().len() as u64,
            available: counts.available,
            held: counts.held,
            sold: counts.sold,
            blocked: counts.blocked,
            owner: owner.map(|owner| match owner {
                SeatOwner::Nobody => Owner::Nobody("available".to_owned()),
                SeatOwner::Blocked => Owner::Nobody("blocked".to_owned()),
                SeatOwner::Hold(hold) => Owner::HoldId(hold.get()),
                SeatOwner::Order(order) => Owner::OrderId(order.get()),
            }),
        }
    });
    read::check_age(as_of, request.read.as_ref())?;
    let as_of = Some(convert::as_of(as_of, linearizable));
    Ok(Response::new(v1::AuditShowReply { as_of, ..reply }))
}
