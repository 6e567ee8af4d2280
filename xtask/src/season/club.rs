//! A small club: a few short rows and a standing area.
//!
//! Owns: its measures. Must never: grow; tests sell it out.

use super::drawing::{Plan, Row, Seat, Zone, drawn, general_admission};

/// 48 seats and 120 places to stand.
pub(super) fn cellar_club() -> Plan {
    let row = |n: i64| Row {
        number: (n + 1).to_string(),
        at: (0, n * 40),
        seats: (0..8)
            .map(|k| Seat::new(k + 1, (k * 30, 0), "Seated"))
            .collect(),
    };
    let mut rows: Vec<Row> = (0..6).map(row).collect();
    rows[5].make_accessible(8, 7);
    let bar = general_admission("bar", "Bar", "Standing", 120, (20, 20), (300, 120));
    Plan {
        name: "Cellar Club",
        width: 400,
        height: 560,
        categories: vec![("Seated", "#0072b2"), ("Standing", "#e69f00")],
        zones: vec![
            Zone {
                name: "Stage".to_owned(),
                id: "stage".to_owned(),
                at: (0, 0),
                rows: Vec::new(),
                areas: vec![drawn("Stage", (120, 10), (160, 70))],
            },
            Zone {
                name: "Room".to_owned(),
                id: "room".to_owned(),
                at: (90, 120),
                rows,
                areas: Vec::new(),
            },
            Zone {
                name: "Bar".to_owned(),
                id: "bar".to_owned(),
                at: (30, 390),
                rows: Vec::new(),
                areas: vec![bar],
            },
        ],
    }
}
