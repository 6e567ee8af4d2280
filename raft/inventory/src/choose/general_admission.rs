//! A number of places in an area.

use super::{Choice, Scene};
use crate::ids::{AreaNo, BuyerId};
use crate::outcome::Rejection;
use crate::state::Places;

pub(super) fn choose(
    scene: Scene<'_>,
    buyer: BuyerId,
    area: AreaNo,
    quantity: u32,
) -> Result<Choice, Rejection> {
    if quantity == 0 {
        return Err(Rejection::QuantityInvalid);
    }
    let set_up = scene.layout.set_up();
    let described = set_up
        .areas
        .get(area.index())
        .ok_or(Rejection::AreaUnknown)?;
    scene.check_limits(buyer, quantity as usize)?;
    let available = scene.state.area_free(area, scene.now_ms);
    if quantity > available {
        return Err(Rejection::AreaFull { available });
    }
    let price_minor = set_up
        .categories
        .get(described.category.index())
        .map_or(0, |c| c.price_minor);
    Ok(Choice {
        places: Places::Area { area, quantity },
        total_minor: price_minor.saturating_mul(u64::from(quantity)),
        contiguous: true,
    })
}
