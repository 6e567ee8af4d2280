//! Two halls of one design: curved rows, a centre aisle, odd numbers to the right and even to the left.
//!
//! Owns: their measures. Must never: number across the aisle: seats 1 and 2 look adjacent and are not, which
//! is what makes these plans worth testing on.

use super::drawing::{Plan, Row, Seat, Zone, drawn};

/// Distance between neighbours.
const PITCH: i64 = 28;
/// Distance from the centre line to the first seat; the aisle is more than two pitches wide.
const AISLE_HALF: i64 = 34;
/// Distance between rows.
const ROW_STEP: i64 = 34;
/// Row letters that cannot be taken for a digit.
const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ";

/// What differs between halls.
struct Measures {
    width: i64,
    stall_rows: i64,
    /// Seats on each side of the aisle in the first row; one more every second row.
    stall_side_first: i64,
    front_rows: i64,
    circle_rows: i64,
    circle_side: i64,
    boxes_each_side: i64,
}

/// A concert hall of more than 500 seats: stalls, circle and boxes.
pub(super) fn harbour_hall() -> Plan {
    let measures = Measures {
        width: 1_200,
        stall_rows: 16,
        stall_side_first: 9,
        front_rows: 7,
        circle_rows: 5,
        circle_side: 15,
        boxes_each_side: 4,
    };
    draw("Harbour Hall", &measures)
}

/// A theatre of about 350 seats.
pub(super) fn canal_theatre() -> Plan {
    let measures = Measures {
        width: 1_000,
        stall_rows: 12,
        stall_side_first: 7,
        front_rows: 5,
        circle_rows: 4,
        circle_side: 11,
        boxes_each_side: 2,
    };
    draw("Canal Theatre", &measures)
}

fn draw(name: &'static str, m: &Measures) -> Plan {
    let stage = drawn("Stage", (m.width / 2 - 200, 20), (400, 80));
    let stalls_end = 160 + m.stall_rows * ROW_STEP;
    let circle_top = stalls_end + 90;
    let stalls = Zone {
        name: "Stalls".to_owned(),
        id: "stalls".to_owned(),
        at: (m.width / 2, 160),
        rows: stalls(m),
        areas: Vec::new(),
    };
    let circle = Zone {
        name: "Circle".to_owned(),
        id: "circle".to_owned(),
        at: (m.width / 2, circle_top),
        rows: circle(m),
        areas: Vec::new(),
    };
    let stage = Zone {
        name: "Stage".to_owned(),
        id: "stage".to_owned(),
        at: (0, 0),
        rows: Vec::new(),
        areas: vec![stage],
    };
    let zones = vec![
        stage,
        stalls,
        circle,
        boxes("Boxes left", "left", 50, 0, m),
        boxes("Boxes right", "right", m.width - 50, m.boxes_each_side, m),
    ];
    Plan {
        name,
        width: m.width,
        height: circle_top + m.circle_rows * ROW_STEP + 40,
        categories: vec![
            ("Stalls front", "#0072b2"),
            ("Stalls rear", "#56b4e9"),
            ("Circle", "#009e73"),
            ("Boxes", "#cc79a7"),
        ],
        zones,
    }
}

fn stalls(m: &Measures) -> Vec<Row> {
    let mut rows = Vec::new();
    for (n, letter) in (0..m.stall_rows).zip(LETTERS) {
        let category = if n < m.front_rows {
            "Stalls front"
        } else {
            "Stalls rear"
        };
        let side = m.stall_side_first + n / 2;
        let mut row = curved_row(char::from(*letter).to_string(), n, side, category);
        if n == m.stall_rows - 1 {
            // Step-free from the doors at the back: the outermost seat of each side, and its neighbour.
            row.make_accessible(2 * side - 1, 2 * side - 3);
            row.make_accessible(2 * side, 2 * side - 2);
        }
        if n == 0 {
            // Step-free from the front: the two places at the aisle.
            row.make_accessible(1, 3);
            row.make_accessible(2, 4);
        }
        rows.push(row);
    }
    rows
}

fn circle(m: &Measures) -> Vec<Row> {
    let letters = (0..m.circle_rows).zip(LETTERS);
    letters
        .map(|(n, letter)| {
            let letter = char::from(*letter);
            curved_row(format!("{letter}{letter}"), n, m.circle_side, "Circle")
        })
        .collect()
}

/// Evens from the wall to the aisle, then odds from the aisle to the wall, bent towards the stage.
fn curved_row(number: String, n: i64, side: i64, category: &'static str) -> Row {
    let seat = |number: i64, x: i64| Seat::new(number, (x, -(x * x) / 5_000), category);
    let left = (0..side)
        .rev()
        .map(|k| seat(2 * k + 2, -(AISLE_HALF + k * PITCH)));
    let right = (0..side).map(|k| seat(2 * k + 1, AISLE_HALF + k * PITCH));
    Row {
        number,
        at: (0, n * ROW_STEP),
        seats: left.chain(right).collect(),
    }
}

/// Boxes of four along a wall; each is a row, so that best available never splits a party over two.
fn boxes(name: &str, id: &str, x: i64, before: i64, m: &Measures) -> Zone {
    let rows = (0..m.boxes_each_side).map(|n| Row {
        number: format!("Box {}", before + n + 1),
        at: (0, n * 130),
        seats: (0..4)
            .map(|k| Seat::new(k + 1, (0, k * 26), "Boxes"))
            .collect(),
    });
    Zone {
        name: name.to_owned(),
        id: format!("box-{id}"),
        at: (x, 150),
        rows: rows.collect(),
        areas: Vec::new(),
    }
}
