//! The nearest free block to seats that somebody else got first.
//!
//! ```text
//! wanted  . . [A5 A6] . .      somebody has A6
//! offer   . A3 A4 . . . .      same number, side by side, nearest by distance; nothing is held until the buyer takes it
//! ```
//!
//! Owns: which block is nearest. Pure. Must never: hold it: a swap that nobody asked for is not a service.

use holdfast_node_api::v1::LayoutSeat;

use crate::layouts::ShowLayout;

/// On the wire, a seat that is free.
const AVAILABLE: u8 = 0;

/// Seats side by side, as many as `wanted`, near to them and free by `states`; never one of `lost`, which are known to be
/// gone whatever `states` says. Seats for wheelchair users and their companions only when some were wanted.
///
/// The same price comes first, then the same section, then the distance. A block that leaves one seat alone beside it is passed
/// over unless the show does not mind (`single_seat_rule` is `off`).
#[must_use]
pub fn nearest_block(
    layout: &ShowLayout,
    states: &[u8],
    wanted: &[u32],
    lost: &[u32],
) -> Option<Vec<u32>> {
    let seats: Vec<&LayoutSeat> = wanted
        .iter()
        .filter_map(|number| layout.seat(*number))
        .collect();
    let first = *seats.first()?;
    let special = seats.iter().any(|seat| is_special(seat));
    let hall = Hall {
        layout,
        states,
        lost,
        special,
    };
    let centre = centre(&seats);
    let blocks = (0..u32::try_from(states.len()).unwrap_or(0))
        .filter_map(|start| hall.block(start, wanted.len()));
    blocks
        .filter(|block| layout.layout.single_seat_rule == "off" || !hall.leaves_one_alone(block))
        .min_by_key(|block| {
            let seats: Vec<&LayoutSeat> = block
                .iter()
                .filter_map(|number| layout.seat(*number))
                .collect();
            let other_price = seats.iter().any(|seat| seat.category != first.category);
            let other_zone = seats.iter().any(|seat| seat.zone != first.zone);
            (
                other_price,
                other_zone,
                distance(centre, self::centre(&seats)),
                block.first().copied(),
            )
        })
}

fn is_special(seat: &LayoutSeat) -> bool {
    seat.accessible || seat.companion_of.is_some()
}

fn centre(seats: &[&LayoutSeat]) -> (i64, i64) {
    let count = i64::try_from(seats.len()).unwrap_or(1).max(1);
    let sum =
        |of: fn(&LayoutSeat) -> i32| seats.iter().map(|seat| i64::from(of(seat))).sum::<i64>();
    (sum(|seat| seat.x) / count, sum(|seat| seat.y) / count)
}

fn distance(a: (i64, i64), b: (i64, i64)) -> i64 {
    (a.0 - b.0).pow(2) + (a.1 - b.1).pow(2)
}

struct Hall<'a> {
    layout: &'a ShowLayout,
    states: &'a [u8],
    lost: &'a [u32],
    special: bool,
}

impl Hall<'_> {
    fn is_free(&self, number: u32) -> bool {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        self.states.get(at) == Some(&AVAILABLE) && !self.lost.contains(&number)
    }

    fn may_be_offered(&self, number: u32) -> bool {
        let seat = self.layout.seat(number);
        self.is_free(number) && seat.is_some_and(|seat| self.special || !is_special(seat))
    }

    /// `count` free seats from `start` to the right.
    fn block(&self, start: u32, count: usize) -> Option<Vec<u32>> {
        let mut block = Vec::with_capacity(count);
        let mut next = Some(start);
        while block.len() < count {
            let number = next.filter(|number| self.may_be_offered(*number))?;
            block.push(number);
            next = self.layout.seat(number)?.right;
        }
        Some(block)
    }

    /// Whether taking `block` would leave a free seat beside it without a free neighbour.
    fn leaves_one_alone(&self, block: &[u32]) -> bool {
        let free = |number: Option<u32>| number.filter(|number| self.is_free(*number));
        let seat = |number: Option<&u32>| number.and_then(|number| self.layout.seat(*number));
        let left = seat(block.first()).and_then(|seat| free(seat.left));
        let right = seat(block.last()).and_then(|seat| free(seat.right));
        let alone_left = left.is_some_and(|n| free(seat(Some(&n)).and_then(|s| s.left)).is_none());
        let alone_right =
            right.is_some_and(|n| free(seat(Some(&n)).and_then(|s| s.right)).is_none());
        alone_left || alone_right
    }
}

#[cfg(test)]
mod tests {
    use holdfast_node_api::v1::Layout;

    use super::*;

    /// Two rows of eight; row 1 is dearer; seat 8 of row 1 is for a wheelchair.
    fn hall(rule: &str) -> ShowLayout {
        let seat = |row: i32, at: u32| {
            let number = u32::try_from(row).unwrap() * 8 + at;
            LayoutSeat {
                id: format!("{row}-{at}"),
                zone: "Stalls".to_owned(),
                row: row.to_string(),
                category: u32::from(row == 0),
                x: i32::try_from(at).unwrap() * 100,
                y: row * 100,
                left: (at > 0).then(|| number - 1),
                right: (at < 7).then_some(number + 1),
                accessible: row == 0 && at == 7,
                ..LayoutSeat::default()
            }
        };
        let seats = (0..2).flat_map(|row| (0..8).map(move |at| seat(row, at)));
        ShowLayout::new(Layout {
            seats: seats.collect(),
            single_seat_rule: rule.to_owned(),
            ..Layout::default()
        })
    }

    fn offer(rule: &str, taken: &[u32], wanted: &[u32]) -> Option<Vec<u32>> {
        let mut states = vec![AVAILABLE; 16];
        for number in taken {
            states[*number as usize] = 2;
        }
        nearest_block(&hall(rule), &states, wanted, &[])
    }

    #[test]
    fn the_nearest_seats_side_by_side_at_the_same_price_are_offered() {
        assert_eq!(offer("off", &[4], &[3, 4]), Some(vec![2, 3]));
        // Row 1 right behind is nearer, but costs something else.
        assert_eq!(offer("off", &[2, 3, 4], &[3, 4]), Some(vec![5, 6]));
        assert_eq!(
            offer("off", &[0, 1, 2, 3, 4, 5, 6], &[3, 4]),
            Some(vec![11, 12])
        );
    }

    #[test]
    fn nobody_is_left_alone_where_the_show_forbids_it() {
        // Any two of 1 to 3 leave the third alone, and 5 with 6 leave 7: the row behind is next.
        assert_eq!(offer("off", &[0, 4], &[3, 4]), Some(vec![2, 3]));
        assert_eq!(offer("strict", &[0, 4], &[3, 4]), Some(vec![11, 12]));
    }

    #[test]
    fn wheelchair_spaces_are_offered_only_to_who_asked_for_one() {
        let all_but_the_last: Vec<u32> = (0..7).chain(8..16).collect();
        assert_eq!(offer("off", &all_but_the_last, &[3]), None);
        assert_eq!(offer("off", &all_but_the_last, &[7]), Some(vec![7]));
    }

    #[test]
    fn seats_known_to_be_lost_are_not_offered_whatever_the_map_says() {
        let offered = nearest_block(&hall("off"), &[AVAILABLE; 16], &[3], &[3]);
        assert_eq!(offered, Some(vec![2]));
        assert_eq!(nearest_block(&hall("off"), &[2; 16], &[3], &[3]), None);
        assert_eq!(nearest_block(&hall("off"), &[], &[], &[]), None);
    }
}
