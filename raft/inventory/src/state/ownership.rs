//! Whose hold, whose order, and does it still stand.
//!
//! Owns: the checks that every command on an existing hold or order begins with.
//! Must never: tell a stranger more than that the thing is not theirs.

use super::{Expiring, Hold, HoldStanding, InventoryState, Order};
use crate::ids::{BuyerId, HoldId, OrderId};
use crate::outcome::{OrderState, Rejection};

impl InventoryState {
    /// The caller's hold, active at `now_ms`.
    pub(crate) fn require_active_hold(
        &self,
        caller: BuyerId,
        hold: HoldId,
        now_ms: u64,
    ) -> Result<&Hold, Rejection> {
        let record = self
            .holds
            .get(&hold)
            .ok_or(Rejection::HoldUnknown { hold })?;
        if record.buyer != caller {
            return Err(Rejection::HoldNotYours { hold });
        }
        match record.standing {
            HoldStanding::Active if self.is_due(Expiring::Hold(hold), now_ms) => {
                Err(Rejection::HoldExpired { hold })
            }
            HoldStanding::Active => Ok(record),
            HoldStanding::Released => Err(Rejection::HoldReleased { hold }),
            HoldStanding::Expired => Err(Rejection::HoldExpired { hold }),
            HoldStanding::Ordered(order) => Err(Rejection::HoldOrdered { hold, order }),
        }
    }

    /// The caller's order, waiting for payment at `now_ms`.
    pub(crate) fn require_open_order(
        &self,
        caller: BuyerId,
        order: OrderId,
        now_ms: u64,
    ) -> Result<&Order, Rejection> {
        let record = self
            .orders
            .get(&order)
            .ok_or(Rejection::OrderUnknown { order })?;
        if record.buyer != caller {
            return Err(Rejection::OrderNotYours { order });
        }
        match record.state {
            OrderState::Cancelled => Err(Rejection::OrderCancelled { order }),
            OrderState::Expired => Err(Rejection::OrderExpired { order }),
            OrderState::Open | OrderState::Paying
                if self.is_due(Expiring::Order(order), now_ms) =>
            {
                Err(Rejection::OrderExpired { order })
            }
            OrderState::Paying => Err(Rejection::OrderPaying { order }),
            OrderState::Paid | OrderState::Confirmed => Err(Rejection::OrderPaid { order }),
            OrderState::Open => Ok(record),
        }
    }
}
