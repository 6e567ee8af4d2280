//! Turns a checked plan and a show's prices into what the inventory sets a show up from.
//!
//! Owns: the mapping from plan to layout. Must never: invent a price, or reorder seats: a seat's number is
//! its place in the plan's file.

use std::collections::BTreeMap;

use holdfast_inventory::ids::{CategoryNo, Currency, SeatNo, ShowId};
use holdfast_inventory::show::{Area, Category, SaleRules, Seat, ShowSetUp};
use thiserror::Error;

use super::SeatingPlan;

/// A category of the plan has no price, so its places could not be sold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no price for category {category:?}")]
pub struct UnpricedCategory {
    /// Name of the first such category in the plan.
    pub category: String,
}

impl SeatingPlan {
    /// The set-up of `show` in this plan's venue, at `price_minor` a place by category name.
    ///
    /// # Errors
    /// A category of the plan is not in `price_minor`. Prices for categories that the plan does not have
    /// are not looked at.
    pub fn set_up(
        &self,
        show: ShowId,
        currency: Currency,
        price_minor: &BTreeMap<String, u64>,
        rules: SaleRules,
    ) -> Result<ShowSetUp, UnpricedCategory> {
        let mut categories = Vec::with_capacity(self.categories.len());
        for category in &self.categories {
            let unpriced = || UnpricedCategory {
                category: category.name.clone(),
            };
            categories.push(Category {
                name: category.name.clone(),
                color: category.color.clone(),
                price_minor: *price_minor.get(&category.name).ok_or_else(unpriced)?,
            });
        }
        let seats = self.seats.iter().map(|seat| Seat {
            id: seat.id.clone(),
            zone: seat.zone.clone(),
            row: seat.row.clone(),
            number: seat.number.clone(),
            category: CategoryNo(seat.category),
            x: seat.x,
            y: seat.y,
            accessible: seat.accessible,
            companion_of: seat.companion_of.map(SeatNo),
        });
        let areas = self.areas.iter().map(|area| Area {
            id: area.id.clone(),
            name: area.name.clone(),
            category: CategoryNo(area.category),
            capacity: area.capacity,
            x: area.x,
            y: area.y,
        });
        Ok(ShowSetUp {
            show,
            currency,
            categories,
            seats: seats.collect(),
            areas: areas.collect(),
            width: self.width,
            height: self.height,
            rules,
        })
    }
}
