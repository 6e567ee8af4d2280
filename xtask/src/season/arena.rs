//! An arena: numbered stands on four sides, a floor and a terrace sold by count.
//!
//! Owns: its measures. Must never: fall below 10,000 places; the sample season is also a load.

use super::drawing::{Plan, Row, Seat, Zone, drawn, general_admission};

const ROWS: i64 = 20;
const SEATS: i64 = 22;
const PITCH: i64 = 24;
const ROW_STEP: i64 = 28;
/// Rows nearer to the floor cost more.
const LOWER_ROWS: i64 = 8;
/// Width of a stand and of the stairs beside it.
const STAND_STEP: i64 = SEATS * PITCH + 60;
/// Depth of the stands around the floor, with the gangway in front of them.
const DEPTH: i64 = ROWS * ROW_STEP + 60;
const FLOOR_WIDTH: i64 = 4 * STAND_STEP;
const FLOOR_HEIGHT: i64 = 2 * STAND_STEP;

/// Twelve stands: four north, four south, two east, two west.
pub(super) fn lagoon_arena() -> Plan {
    let mut zones = vec![floor()];
    for n in 0..4 {
        let x = DEPTH + n * STAND_STEP;
        zones.push(stand(101 + n, (x, DEPTH - 60), (1, 0), (0, -1)));
        zones.push(stand(
            107 + n,
            (x, DEPTH + FLOOR_HEIGHT + 60),
            (1, 0),
            (0, 1),
        ));
    }
    for n in 0..2 {
        let y = DEPTH + n * STAND_STEP;
        zones.push(stand(
            105 + n,
            (DEPTH + FLOOR_WIDTH + 60, y),
            (0, 1),
            (1, 0),
        ));
        zones.push(stand(111 + n, (DEPTH - 60, y), (0, 1), (-1, 0)));
    }
    zones.sort_by(|a, b| a.id.cmp(&b.id));
    Plan {
        name: "Lagoon Arena",
        width: FLOOR_WIDTH + 2 * DEPTH,
        height: FLOOR_HEIGHT + 2 * DEPTH,
        categories: vec![
            ("Stand lower", "#0072b2"),
            ("Stand upper", "#56b4e9"),
            ("Floor", "#d55e00"),
            ("Terrace", "#e69f00"),
        ],
        zones,
    }
}

/// Seats run `along`, rows go `away` from the floor.
fn stand(number: i64, at: (i64, i64), along: (i64, i64), away: (i64, i64)) -> Zone {
    let rows = (0..ROWS).map(|r| {
        let category = if r < LOWER_ROWS {
            "Stand lower"
        } else {
            "Stand upper"
        };
        let seat = |k: i64| Seat::new(k + 1, (along.0 * k * PITCH, along.1 * k * PITCH), category);
        let mut row = Row {
            number: (r + 1).to_string(),
            at: (away.0 * r * ROW_STEP, away.1 * r * ROW_STEP),
            seats: (0..SEATS).map(seat).collect(),
        };
        // Every third stand has places at both ends of its lowest row.
        if r == 0 && number % 3 == 0 {
            row.make_accessible(1, 2);
            row.make_accessible(SEATS, SEATS - 1);
        }
        row
    });
    Zone {
        name: format!("Stand {number}"),
        id: format!("stand-{number}"),
        at,
        rows: rows.collect(),
        areas: Vec::new(),
    }
}

fn floor() -> Zone {
    let third = FLOOR_WIDTH / 3;
    let size = (third - 40, FLOOR_HEIGHT - 80);
    let areas = vec![
        drawn("Stage", (40, 40), (third / 2, FLOOR_HEIGHT - 80)),
        general_admission(
            "floor-front",
            "Floor front",
            "Floor",
            1_800,
            (third / 2 + 80, 40),
            size,
        ),
        general_admission(
            "floor-rear",
            "Floor rear",
            "Floor",
            2_200,
            (third / 2 + third + 80, 40),
            size,
        ),
        general_admission(
            "terrace",
            "Terrace",
            "Terrace",
            1_400,
            (third / 2 + 2 * third + 80, 40),
            (third / 2 - 120, FLOOR_HEIGHT - 80),
        ),
    ];
    Zone {
        name: "Floor".to_owned(),
        id: "floor".to_owned(),
        at: (DEPTH, DEPTH),
        rows: Vec::new(),
        areas,
    }
}
