//! Setting a show up: what is sellable is checked once, here.
//!
//! Owns: the rules that make a layout sellable. Must never: change a show that is set up.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::layout::Layout;
use crate::limits;
use crate::outcome::{Effect, Rejection};
use crate::show::{Area, Category, Seat, ShowSetUp};
use crate::state::{AreaUse, Derived, InventoryState, SeatState};

/// Makes the show sellable. The same set-up again changes nothing and is fine.
pub(super) fn set_up(state: &mut InventoryState, set_up: &ShowSetUp) -> Result<Effect, Rejection> {
    if let Some(layout) = &state.layout {
        return if layout.set_up() == set_up {
            Ok(Effect::ShowSetUp)
        } else {
            Err(Rejection::ShowAlreadySetUp {
                show: layout.set_up().show,
            })
        };
    }
    check(set_up).map_err(|reason| Rejection::PlanInvalid { reason })?;
    let layout = Layout::new(set_up.clone());
    state.seats = vec![SeatState::Available; layout.seat_count()];
    state.areas = vec![AreaUse::default(); set_up.areas.len()];
    state.layout = Some(Arc::new(layout));
    state.derived = Derived::of(state);
    Ok(Effect::ShowSetUp)
}

/// What is wrong with a set-up, if anything: the first problem found, in words.
pub(crate) fn check(set_up: &ShowSetUp) -> Result<(), String> {
    if !set_up.currency.is_well_formed() {
        return Err("currency is not three upper-case letters".to_owned());
    }
    check_categories(&set_up.categories)?;
    check_seats(set_up)?;
    check_areas(set_up)?;
    if set_up.seats.is_empty() && set_up.areas.is_empty() {
        return Err("there is neither a seat nor an area".to_owned());
    }
    check_rules(set_up)
}

fn check_categories(categories: &[Category]) -> Result<(), String> {
    let max = limits::CATEGORIES_MAX;
    if categories.is_empty() || categories.len() > max {
        return Err(format!(
            "{} categories; expected 1 to {max}",
            categories.len()
        ));
    }
    for (no, category) in categories.iter().enumerate() {
        check_name(&category.name, || format!("categories[{no}].name"))?;
        if category.color.len() > limits::NAME_BYTES_MAX {
            return Err(format!("categories[{no}].color is too long"));
        }
        if category.price_minor > limits::PRICE_MINOR_MAX {
            let max = limits::PRICE_MINOR_MAX;
            return Err(format!("categories[{no}].price_minor is above {max}"));
        }
    }
    Ok(())
}

fn check_seats(set_up: &ShowSetUp) -> Result<(), String> {
    let max = limits::SEATS_MAX;
    if set_up.seats.len() > max {
        return Err(format!(
            "{} seats; expected at most {max}",
            set_up.seats.len()
        ));
    }
    let mut ids = BTreeSet::new();
    let mut rows = std::collections::BTreeMap::<(&str, &str), usize>::new();
    for (no, seat) in set_up.seats.iter().enumerate() {
        check_seat(set_up, no, seat)?;
        if !ids.insert(seat.id.as_str()) {
            return Err(format!("seats[{no}].id {:?} is used twice", seat.id));
        }
        let row = rows.entry((&seat.zone, &seat.row)).or_default();
        *row = row.saturating_add(1);
        if *row > limits::ROW_SEATS_MAX {
            let max = limits::ROW_SEATS_MAX;
            return Err(format!("row {:?} has more than {max} seats", seat.row));
        }
    }
    Ok(())
}

fn check_seat(set_up: &ShowSetUp, no: usize, seat: &Seat) -> Result<(), String> {
    check_name(&seat.id, || format!("seats[{no}].id"))?;
    for (field, text) in [
        ("zone", &seat.zone),
        ("row", &seat.row),
        ("number", &seat.number),
    ] {
        if text.len() > limits::NAME_BYTES_MAX {
            return Err(format!("seats[{no}].{field} is too long"));
        }
    }
    if set_up.categories.get(seat.category.index()).is_none() {
        return Err(format!(
            "seats[{no}].category is not in the list of categories"
        ));
    }
    check_position(seat.x, seat.y, || format!("seats[{no}]"))?;
    if let Some(of) = seat.companion_of {
        let accompanied = set_up.seats.get(of.index());
        if of.index() == no || !accompanied.is_some_and(|s| s.accessible) {
            return Err(format!(
                "seats[{no}].companion_of is not another, accessible seat"
            ));
        }
    }
    Ok(())
}

fn check_areas(set_up: &ShowSetUp) -> Result<(), String> {
    let max = limits::AREAS_MAX;
    if set_up.areas.len() > max {
        return Err(format!(
            "{} areas; expected at most {max}",
            set_up.areas.len()
        ));
    }
    let mut ids = BTreeSet::new();
    for (no, area) in set_up.areas.iter().enumerate() {
        check_area(set_up, no, area)?;
        if !ids.insert(area.id.as_str()) {
            return Err(format!("areas[{no}].id {:?} is used twice", area.id));
        }
    }
    Ok(())
}

fn check_area(set_up: &ShowSetUp, no: usize, area: &Area) -> Result<(), String> {
    check_name(&area.id, || format!("areas[{no}].id"))?;
    if area.name.len() > limits::NAME_BYTES_MAX {
        return Err(format!("areas[{no}].name is too long"));
    }
    if set_up.categories.get(area.category.index()).is_none() {
        return Err(format!(
            "areas[{no}].category is not in the list of categories"
        ));
    }
    let max = limits::AREA_CAPACITY_MAX;
    if area.capacity == 0 || area.capacity > max {
        return Err(format!(
            "areas[{no}].capacity is {}; expected 1 to {max}",
            area.capacity
        ));
    }
    check_position(area.x, area.y, || format!("areas[{no}]"))
}

fn check_rules(set_up: &ShowSetUp) -> Result<(), String> {
    let rules = set_up.rules.with_defaults();
    if rules.opens_at_ms >= rules.closes_at_ms {
        return Err("rules.closes_at_ms is not after rules.opens_at_ms".to_owned());
    }
    let max = limits::SEATS_PER_ORDER_MAX;
    if rules.seats_per_order_max > max {
        return Err(format!("rules.seats_per_order_max is above {max}"));
    }
    let (min, max) = (limits::HOLD_TTL_MS_MIN, limits::HOLD_TTL_MS_MAX);
    if rules.hold_ttl_ms < min || rules.hold_ttl_ms > rules.hold_ttl_max_ms {
        return Err(format!(
            "rules.hold_ttl_ms is not between {min} and rules.hold_ttl_max_ms"
        ));
    }
    if rules.hold_ttl_max_ms > max {
        return Err(format!("rules.hold_ttl_max_ms is above {max}"));
    }
    Ok(())
}

fn check_name(name: &str, field: impl Fn() -> String) -> Result<(), String> {
    let max = limits::NAME_BYTES_MAX;
    if name.is_empty() || name.len() > max {
        return Err(format!(
            "{} has {} bytes; expected 1 to {max}",
            field(),
            name.len()
        ));
    }
    Ok(())
}

fn check_position(x: i32, y: i32, field: impl Fn() -> String) -> Result<(), String> {
    let range = -limits::COORDINATE_MAX..=limits::COORDINATE_MAX;
    if range.contains(&x) && range.contains(&y) {
        return Ok(());
    }
    Err(format!("{} lies outside the drawing", field()))
}
