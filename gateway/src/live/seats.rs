//! The seats of one show at one log index, and what is made of them once for everybody.
//!
//! Owns: the packed forms (two bits a seat) and that each is made once. Must never: change; a later state is another value.

use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use holdfast_node_api::v1::AreaState;

use crate::layouts::ShowLayout;
use crate::packing::gzip;

/// State of a seat: on sale and free.
pub const AVAILABLE: u8 = 0;
/// State of a seat: set aside for somebody.
pub const HELD: u8 = 1;
/// State of a seat: sold.
pub const SOLD: u8 = 2;
/// State of a seat: off sale.
pub const BLOCKED: u8 = 3;

const MAGIC: &[u8; 4] = b"HFS1";

/// What the seats are, by content: two indexes with the same content share one.
#[derive(Debug)]
pub struct Seats {
    /// Index at which the content became what it is.
    pub changed_index: u64,
    /// One state a seat, by seat number.
    pub states: Vec<u8>,
    /// By area number.
    pub areas: Vec<AreaState>,
    /// Available seats, without areas, by category number.
    pub seats_left: Vec<u32>,
    /// Available seats and places by category number.
    pub left: Vec<u32>,
    octets: OnceLock<Bytes>,
    octets_gzip: OnceLock<Bytes>,
    base64: OnceLock<String>,
}

impl Seats {
    /// Counts what is left.
    #[must_use]
    pub fn new(
        changed_index: u64,
        states: Vec<u8>,
        areas: Vec<AreaState>,
        layout: &ShowLayout,
    ) -> Self {
        let mut seats_left = vec![0_u32; layout.layout.categories.len()];
        let count = |left: &mut Vec<u32>, category: u32, more: u32| {
            let at = usize::try_from(category).unwrap_or(usize::MAX);
            if let Some(left) = left.get_mut(at) {
                *left = left.saturating_add(more);
            }
        };
        for (seat, state) in layout.layout.seats.iter().zip(&states) {
            if *state == AVAILABLE {
                count(&mut seats_left, seat.category, 1);
            }
        }
        let mut left = seats_left.clone();
        for (area, state) in layout.layout.areas.iter().zip(&areas) {
            count(&mut left, area.category, state.available);
        }
        Self {
            changed_index,
            states,
            areas,
            seats_left,
            left,
            octets: OnceLock::new(),
            octets_gzip: OnceLock::new(),
            base64: OnceLock::new(),
        }
    }

    /// The octets of docs/live-maps.md.
    pub fn octets(&self) -> Bytes {
        let made = self.octets.get_or_init(|| {
            let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
            let mut bytes = Vec::with_capacity(12 + self.states.len() / 4 + 1);
            bytes.extend_from_slice(MAGIC);
            bytes.extend_from_slice(&count(self.states.len()));
            bytes.extend_from_slice(&count(self.areas.len()));
            bytes.extend(packed(&self.states));
            for area in &self.areas {
                for n in [area.available, area.held, area.sold, area.blocked] {
                    bytes.extend_from_slice(&n.to_le_bytes());
                }
            }
            bytes.into()
        });
        made.clone()
    }

    /// [`Self::octets`], compressed.
    pub fn octets_gzip(&self) -> Bytes {
        let made = self.octets_gzip.get_or_init(|| gzip(&self.octets()));
        made.clone()
    }

    /// The packed states as text.
    pub fn base64(&self) -> &str {
        self.base64
            .get_or_init(|| STANDARD.encode(packed(&self.states).collect::<Vec<u8>>()))
    }
}

/// Four seats a byte, the first in the lowest bits.
fn packed(states: &[u8]) -> impl Iterator<Item = u8> + '_ {
    states.chunks(4).map(|four| {
        let bits = four.iter().zip([0, 2, 4, 6]);
        bits.fold(0, |byte, (state, shift)| byte | (state & 3) << shift)
    })
}

/// Everything known of a show at one moment.
#[derive(Debug, Clone)]
pub struct State {
    /// Log index.
    pub index: u64,
    /// The shard's clock there, ms since the Unix epoch.
    pub time_ms: u64,
    /// What the seats are.
    pub seats: Arc<Seats>,
}

#[cfg(test)]
pub(crate) mod tests {
    use holdfast_node_api::v1::{Area, Category, Layout, LayoutSeat};

    use super::*;

    /// `seats` seats and one area for 50, all of one category.
    pub(crate) fn hall(seats: u32) -> ShowLayout {
        let seat = |n| LayoutSeat {
            id: format!("A-{n}"),
            ..LayoutSeat::default()
        };
        ShowLayout::new(Layout {
            seats: (0..seats).map(seat).collect(),
            categories: vec![Category::default()],
            areas: vec![Area {
                id: "floor".to_owned(),
                capacity: 50,
                ..Area::default()
            }],
            seats_per_order_max: 8,
            sale_closes_at_ms: u64::MAX,
            ..Layout::default()
        })
    }

    pub(crate) fn seats(index: u64, states: &[u8], places: u32) -> Seats {
        let areas = vec![AreaState {
            available: places,
            ..AreaState::default()
        }];
        let hall = hall(u32::try_from(states.len()).unwrap());
        Seats::new(index, states.to_vec(), areas, &hall)
    }

    #[test]
    fn four_seats_are_a_byte_with_the_first_in_the_lowest_bits() {
        let seats = seats(7, &[1, 2, 3, 0, 2], 9);
        let octets = seats.octets();
        assert_eq!(octets[..12], *b"HFS1\x05\0\0\0\x01\0\0\0");
        assert_eq!(octets[12..14], [0b00_11_10_01, 0b10]);
        assert_eq!(octets[14..18], [9, 0, 0, 0]);
        assert_eq!(octets.len(), 14 + 16);
        assert_eq!(seats.base64(), "OQI=");
    }

    #[test]
    fn an_arena_is_a_few_kilobytes() {
        let states: Vec<u8> = (0..20_000u32).map(|n| (n % 7 % 4) as u8).collect();
        let seats = seats(1, &states, 0);
        assert!(seats.octets().len() <= 5_028);
        assert!(seats.octets_gzip().len() < seats.octets().len());
        assert_eq!(seats.octets_gzip()[..2], [0x1f, 0x8b]);
    }

    #[test]
    fn what_is_left_counts_seats_and_places_of_the_category() {
        let seats = seats(1, &[0, 0, 1, 2, 3], 40);
        assert_eq!((seats.seats_left[0], seats.left[0]), (2, 42));
    }
}
