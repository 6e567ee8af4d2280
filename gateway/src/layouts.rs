//! The unchanging part of each show: seats, areas, categories. Read once from the nearest node, kept in bounded memory.
//!
//! Owns: the way between plan identifiers, which people and the API use, and seat numbers, which nodes use. Must never:
//! hold what can change.

mod document;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use holdfast_node_api::v1::{Category, GetLayoutRequest, Layout, LayoutSeat};
use tokio::sync::OnceCell;

pub use self::document::Document;
use crate::limits;
use crate::upstream::read::Freshness;
use crate::upstream::{ShowPlace, Upstream, UpstreamError};

/// One show's layout with its look-ups.
#[derive(Debug)]
pub struct ShowLayout {
    /// As the node gave it.
    pub layout: Layout,
    seat_numbers: HashMap<String, u32>,
    document: OnceLock<Document>,
}

impl ShowLayout {
    /// Prepares the look-ups.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        let seat_numbers = layout
            .seats
            .iter()
            .zip(0u32..)
            .map(|(seat, number)| (seat.id.clone(), number))
            .collect();
        Self {
            layout,
            seat_numbers,
            document: OnceLock::new(),
        }
    }

    /// As browsers keep it; made when it is first wanted.
    pub fn document(&self) -> &Document {
        self.document.get_or_init(|| Document::of(&self.layout))
    }

    /// The number of the seat with this plan identifier.
    #[must_use]
    pub fn seat_number(&self, id: &str) -> Option<u32> {
        self.seat_numbers.get(id).copied()
    }

    /// The seat with this number.
    #[must_use]
    pub fn seat(&self, number: u32) -> Option<&LayoutSeat> {
        self.layout.seats.get(usize::try_from(number).ok()?)
    }

    /// The plan identifier of a seat number; a number beyond the plan is shown as itself.
    #[must_use]
    pub fn seat_id(&self, number: u32) -> String {
        self.seat(number)
            .map_or_else(|| format!("#{number}"), |seat| seat.id.clone())
    }

    /// Plan identifiers of seat numbers, in the same order.
    #[must_use]
    pub fn seat_ids(&self, numbers: &[u32]) -> Vec<String> {
        numbers.iter().map(|number| self.seat_id(*number)).collect()
    }

    /// The number of the category with this name.
    #[must_use]
    pub fn category_number(&self, name: &str) -> Option<u32> {
        position(
            self.layout
                .categories
                .iter()
                .position(|category| category.name == name),
        )
    }

    /// The category with this number.
    #[must_use]
    pub fn category(&self, number: u32) -> Option<&Category> {
        self.layout.categories.get(usize::try_from(number).ok()?)
    }

    /// The number of the area with this plan identifier.
    #[must_use]
    pub fn area_number(&self, id: &str) -> Option<u32> {
        position(self.layout.areas.iter().position(|area| area.id == id))
    }

    /// The plan identifier of an area number; a number beyond the plan is shown as itself.
    #[must_use]
    pub fn area_id(&self, number: u32) -> String {
        let area = usize::try_from(number)
            .ok()
            .and_then(|at| self.layout.areas.get(at));
        area.map_or_else(|| format!("#{number}"), |area| area.id.clone())
    }

    fn weight(&self) -> usize {
        self.layout.seats.len() + self.layout.areas.len() + 1
    }
}

fn position(at: Option<usize>) -> Option<u32> {
    at.and_then(|at| u32::try_from(at).ok())
}

type Cell = Arc<OnceCell<Arc<ShowLayout>>>;

#[derive(Debug, Default)]
struct Shelf {
    cells: HashMap<u64, (Cell, u64)>,
    /// Counts look-ups, to know which show was asked for longest ago.
    clock: u64,
}

/// Layouts by show.
#[derive(Debug, Default)]
pub struct Layouts {
    /// Guards the shelf; never held over an await. Each cell is filled outside it, once, by whoever comes first.
    shelf: Mutex<Shelf>,
}

impl Layouts {
    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The layout of `place`, from memory or from the nearest node.
    ///
    /// # Errors
    /// As a read has them; `not_ready` while the show is being set up.
    pub async fn get(
        &self,
        upstream: &Upstream,
        place: &ShowPlace,
    ) -> Result<Arc<ShowLayout>, UpstreamError> {
        let show_id = place.show_id;
        let cell = {
            let mut shelf = self.lock();
            shelf.clock += 1;
            let now = shelf.clock;
            let (cell, used) = shelf.cells.entry(show_id).or_default();
            *used = now;
            Arc::clone(cell)
        };
        let mut fresh = false;
        let layout = cell
            .get_or_try_init(|| async {
                fresh = true;
                let ask = |node: holdfast_node_api::client::NodeClient| async move {
                    node.inventory()
                        .get_layout(GetLayoutRequest { show_id })
                        .await
                };
                let layout = upstream.read(place, Freshness::Near, ask).await?;
                Ok::<_, UpstreamError>(Arc::new(ShowLayout::new(layout)))
            })
            .await
            .map(Arc::clone);
        if fresh {
            self.lock().trim(show_id);
        }
        layout
    }
}

impl Shelf {
    /// Forgets what was asked for longest ago until the rest fits; never `keep`.
    fn trim(&mut self, keep: u64) {
        let weight = |cell: &Cell| cell.get().map_or(1, |layout| layout.weight());
        let mut total: usize = self.cells.values().map(|(cell, _)| weight(cell)).sum();
        while total > limits::LAYOUT_PLACES_CACHED_MAX {
            let others = self.cells.iter().filter(|(show_id, _)| **show_id != keep);
            let oldest = others
                .min_by_key(|(_, (_, used))| *used)
                .map(|(show_id, _)| *show_id);
            let Some(gone) = oldest.and_then(|oldest| self.cells.remove(&oldest)) else {
                return;
            };
            total -= weight(&gone.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use holdfast_node_api::v1::Area;

    use super::*;

    fn layout(seats: usize) -> ShowLayout {
        let seat = |n| LayoutSeat {
            id: format!("A-{n}"),
            ..LayoutSeat::default()
        };
        ShowLayout::new(Layout {
            seats: (0..seats).map(seat).collect(),
            categories: vec![Category {
                name: "Stalls".to_owned(),
                ..Category::default()
            }],
            areas: vec![Area {
                id: "floor".to_owned(),
                ..Area::default()
            }],
            ..Layout::default()
        })
    }

    #[test]
    fn identifiers_and_numbers_lead_to_each_other() {
        let layout = layout(3);
        assert_eq!(layout.seat_number("A-2"), Some(2));
        assert_eq!(layout.seat_number("A-3"), None);
        assert_eq!(layout.seat_ids(&[1, 9]), ["A-1", "#9"]);
        assert_eq!(layout.category_number("Stalls"), Some(0));
        assert_eq!(layout.area_number("floor"), Some(0));
        assert_eq!(layout.area_id(0), "floor");
    }

    #[test]
    fn the_shelf_forgets_the_longest_unused_first() {
        let mut shelf = Shelf::default();
        let half = limits::LAYOUT_PLACES_CACHED_MAX / 2;
        for show_id in 1..=3u64 {
            let cell = Arc::new(OnceCell::new_with(Some(Arc::new(layout(half)))));
            shelf.cells.insert(show_id, (cell, show_id));
        }
        shelf.trim(1);
        assert_eq!(shelf.cells.keys().copied().collect::<Vec<_>>(), [1]);
    }
}
