//! Neighbourhood from geometry.

use crate::ids::{CategoryNo, Currency, ShowId};
use crate::show::Category;

use super::*;

fn layout(rows: &[(&str, &[(i32, i32)])]) -> Layout {
    let seats = rows
        .iter()
        .flat_map(|(row, at)| {
            at.iter().enumerate().map(move |(i, (x, y))| Seat {
                id: format!("{row}{i}"),
                zone: "z".to_owned(),
                row: (*row).to_owned(),
                number: i.to_string(),
                category: CategoryNo(0),
                x: *x,
                y: *y,
                accessible: false,
                companion_of: None,
            })
        })
        .collect();
    Layout::new(ShowSetUp {
        show: ShowId(1),
        currency: Currency::parse("EUR").unwrap(),
        categories: vec![Category {
            name: "c".to_owned(),
            color: String::new(),
            price_minor: 1,
        }],
        seats,
        areas: Vec::new(),
        width: 1000,
        height: 1000,
        rules: SaleRules::default(),
    })
}

fn runs(layout: &Layout) -> Vec<Vec<u32>> {
    layout
        .runs()
        .iter()
        .map(|run| run.iter().map(|s| s.0).collect())
        .collect()
}

#[test]
fn odd_and_even_numbering_does_not_matter() {
    // Seats are listed 1, 3, 5 leftwards and 2, 4, 6 rightwards of the middle.
    let l = layout(&[(
        "A",
        &[(400, 0), (300, 0), (200, 0), (500, 0), (600, 0), (700, 0)],
    )]);
    assert_eq!(runs(&l), vec![vec![2, 1, 0, 3, 4, 5]]);
    assert_eq!(l.left(SeatNo(0)), Some(SeatNo(1)));
    assert_eq!(l.right(SeatNo(0)), Some(SeatNo(3)));
    assert_eq!(l.left(SeatNo(2)), None);
}

#[test]
fn an_aisle_breaks_the_run() {
    let l = layout(&[("A", &[(0, 0), (100, 0), (200, 0), (420, 0), (520, 0)])]);
    assert_eq!(runs(&l), vec![vec![0, 1, 2], vec![3, 4]]);
    assert!(l.is_contiguous(&[SeatNo(4), SeatNo(3)]));
    assert!(!l.is_contiguous(&[SeatNo(2), SeatNo(3)]));
    assert!(!l.is_contiguous(&[]));
}

#[test]
fn a_gap_of_one_and_a_half_is_no_aisle() {
    let l = layout(&[("A", &[(0, 0), (100, 0), (250, 0), (350, 0)])]);
    assert_eq!(runs(&l), vec![vec![0, 1, 2, 3]]);
}

#[test]
fn curved_and_sloping_and_upright_rows_keep_their_order() {
    let l = layout(&[
        (
            "curved",
            &[(0, 60), (100, 20), (200, 0), (300, 20), (400, 60)],
        ),
        ("sloping", &[(70, 1070), (0, 1000), (140, 1140)]),
        ("upright", &[(5, 2200), (5, 2000), (5, 2100)]),
    ]);
    assert_eq!(
        runs(&l),
        vec![vec![0, 1, 2, 3, 4], vec![6, 5, 7], vec![9, 10, 8]]
    );
}

#[test]
fn rows_are_never_neighbours() {
    let l = layout(&[("A", &[(0, 0), (100, 0)]), ("B", &[(200, 0), (300, 0)])]);
    assert_eq!(runs(&l), vec![vec![0, 1], vec![2, 3]]);
}

#[test]
fn seats_on_one_spot_keep_the_order_of_the_plan() {
    let l = layout(&[("A", &[(0, 0), (0, 0), (0, 0)])]);
    assert_eq!(runs(&l), vec![vec![0, 1, 2]]);
}

#[test]
fn the_extremes_of_the_drawing_do_not_overflow() {
    let m = crate::limits::COORDINATE_MAX;
    let l = layout(&[("A", &[(-m, -m), (m, m), (0, 0)])]);
    assert_eq!(runs(&l), vec![vec![0, 2, 1]]);
}
