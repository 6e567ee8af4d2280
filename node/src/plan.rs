//! Reads a venue's seating plan (pretix's open JSON format and our optional fields) into plain data.
//!
//! Owns: what a plan may say, its limits, and the words in which its faults are explained. Must never:
//! stop at the first fault, guess at something a buyer would pay for, do I/O, panic on any input.
//!
//! The format and our additions are described for people in `docs/seating-plans.md`.

mod check;
mod geometry;
mod json;
mod pretix;
mod set_up;

#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;

pub use set_up::UnpricedCategory;

/// Most bytes of one plan's JSON text. `SEATS_MAX` seats of compact JSON are about 7 MiB; a plan is
/// carried in one directory entry, so it is kept well below what an entry may hold.
pub const PLAN_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most numbered seats in one plan.
pub const SEATS_MAX: usize = 60_000;
/// Most places (seats and general admission together) in one plan.
pub const PLACES_MAX: u64 = 200_000;
/// Most price categories in one plan.
pub const CATEGORIES_MAX: usize = 64;
/// Most zones in one plan.
pub const ZONES_MAX: usize = 512;
/// Most general-admission areas in one plan.
pub const AREAS_MAX: usize = 64;
/// Most seats in one row. The longest rows of real stadiums are near 100.
pub const ROW_SEATS_MAX: usize = 1_000;
/// Most bytes of a name that a buyer reads (plan, zone, row, seat number, category, area).
pub const NAME_BYTES_MAX: usize = 100;
/// Most bytes of a seat's or an area's identifier.
pub const ID_BYTES_MAX: usize = 64;
/// Largest coordinate, positive or negative, in plan units, of any one position in the file.
pub const COORDINATE_MAX: f64 = 500_000.0;
/// Most problems that are reported one by one; the rest are counted.
pub const PROBLEMS_MAX: usize = 1_000;

const _: () = assert!(
    COORDINATE_MAX * 3.0 * 100.0 <= holdfast_inventory::limits::COORDINATE_MAX as f64,
    "zone + row + seat positions, in hundredths, must be ones that a layout takes"
);
const _: () = assert!(
    SEATS_MAX <= holdfast_inventory::limits::SEATS_MAX
        && ROW_SEATS_MAX <= holdfast_inventory::limits::ROW_SEATS_MAX
        && CATEGORIES_MAX <= holdfast_inventory::limits::CATEGORIES_MAX
        && AREAS_MAX <= holdfast_inventory::limits::AREAS_MAX
        && NAME_BYTES_MAX <= holdfast_inventory::limits::NAME_BYTES_MAX
        && ID_BYTES_MAX <= holdfast_inventory::limits::NAME_BYTES_MAX
        && PLACES_MAX <= holdfast_inventory::limits::AREA_CAPACITY_MAX as u64,
    "a plan that passes here can be set up as a show"
);
const _: () = assert!(SEATS_MAX as u64 <= PLACES_MAX, "every seat is a place");

/// A seating plan that has passed every check: what a show is set up from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeatingPlan {
    /// The plan's own name, for people.
    pub name: String,
    /// Size of the drawing in hundredths of a plan unit.
    pub width: i32,
    /// Size of the drawing in hundredths of a plan unit.
    pub height: i32,
    /// Price categories, in the order of the file; seats and areas point into it.
    pub categories: Vec<PlanCategory>,
    /// Every numbered seat, in the order of the file: its index is its seat number in a show.
    pub seats: Vec<PlanSeat>,
    /// Every general-admission area, in the order of the file.
    pub areas: Vec<PlanArea>,
}

/// One price category of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanCategory {
    /// Unique in the plan; prices are given by it.
    pub name: String,
    /// A CSS colour: `#` and hexadecimal digits, or a plain colour name.
    pub color: String,
}

/// One numbered seat of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanSeat {
    /// pretix `seat_guid`: unique in the plan.
    pub id: String,
    /// Name of the zone it is in.
    pub zone: String,
    /// The row's number or letter.
    pub row: String,
    /// The seat's number as printed on it.
    pub number: String,
    /// Index into `categories`.
    pub category: u16,
    /// Absolute position (zone + row + seat), hundredths of a plan unit.
    pub x: i32,
    /// Absolute position (zone + row + seat), hundredths of a plan unit.
    pub y: i32,
    /// A place for a wheelchair, or otherwise kept for those who need it.
    pub accessible: bool,
    /// Index of the accessible seat that this one accompanies.
    pub companion_of: Option<u32>,
}

/// One general-admission area of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanArea {
    /// Unique among the plan's areas.
    pub id: String,
    /// What a buyer calls it.
    pub name: String,
    /// Index into `categories`.
    pub category: u16,
    /// How many people it holds; at least 1.
    pub capacity: u32,
    /// Absolute position (zone + area), hundredths of a plan unit.
    pub x: i32,
    /// Absolute position (zone + area), hundredths of a plan unit.
    pub y: i32,
}

impl SeatingPlan {
    /// Seats and general-admission places together.
    #[must_use]
    pub fn places(&self) -> u64 {
        let standing: u64 = self.areas.iter().map(|area| u64::from(area.capacity)).sum();
        self.seats.len() as u64 + standing
    }
}

/// One thing about a plan that somebody should know: where, what, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Place in the file, such as `zones[0].rows[3].seats[2].seat_guid`; empty for the file itself.
    pub path: String,
    /// What is there.
    pub problem: String,
    /// What should be there.
    pub expected: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() {
            "(file)"
        } else {
            &self.path
        };
        write!(f, "{path}: {}; expected {}", self.problem, self.expected)
    }
}

/// All that is to be said about one plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The plan; absent when there is any problem.
    pub plan: Option<SeatingPlan>,
    /// What keeps the plan from being used, in the order of the file.
    pub problems: Vec<Problem>,
    /// What is odd but does no harm: fields that are ignored, labels that two seats share.
    pub remarks: Vec<Problem>,
}

/// Reads and checks a plan. Reports everything that is wrong with it, not only the first fault.
#[must_use]
pub fn check(text: &str) -> Checked {
    let mut report = Report::default();
    let plan = pretix::read(text, &mut report).and_then(|draft| check::resolve(draft, &mut report));
    report.finish(plan)
}

/// Reads a plan that is to be used.
///
/// # Errors
/// Everything that keeps it from being used; never empty.
///
/// ```
/// let text = r#"{"name": "Club", "size": {"width": 100, "height": 50},
///   "categories": [{"name": "Floor", "color": "steelblue"}],
///   "zones": [{"name": "Room", "position": {"x": 10, "y": 0}, "rows": [
///     {"row_number": "A", "position": {"x": 0, "y": 20}, "seats": [
///       {"seat_guid": "A-1", "seat_number": "1", "position": {"x": 2.5, "y": 0}, "category": "Floor"}]}]}]}"#;
/// let plan = holdfast_node::plan::parse(text).expect("a sound plan");
/// assert_eq!((plan.seats[0].x, plan.seats[0].y), (1250, 2000));
///
/// let problems = holdfast_node::plan::parse(&text.replace("\"Floor\"}", "\"Balcony\"}")).unwrap_err();
/// assert_eq!(problems[0].path, "zones[0].rows[0].seats[0].category");
/// ```
pub fn parse(text: &str) -> Result<SeatingPlan, Vec<Problem>> {
    let Checked { plan, problems, .. } = check(text);
    plan.ok_or(problems)
}

/// Gathers problems and remarks; bounded, so that a hostile file cannot fill the memory.
#[derive(Debug, Default)]
struct Report {
    problems: Vec<Problem>,
    remarks: Vec<Problem>,
    unlisted: usize,
}

impl Report {
    fn problem(
        &mut self,
        path: impl Into<String>,
        what: impl Into<String>,
        want: impl Into<String>,
    ) {
        if self.problems.len() < PROBLEMS_MAX {
            let (path, problem, expected) = (path.into(), what.into(), want.into());
            self.problems.push(Problem {
                path,
                problem,
                expected,
            });
        } else {
            self.unlisted += 1;
        }
    }

    fn remark(
        &mut self,
        path: impl Into<String>,
        what: impl Into<String>,
        want: impl Into<String>,
    ) {
        if self.remarks.len() < PROBLEMS_MAX {
            let (path, problem, expected) = (path.into(), what.into(), want.into());
            self.remarks.push(Problem {
                path,
                problem,
                expected,
            });
        }
    }

    fn finish(mut self, plan: Option<SeatingPlan>) -> Checked {
        if self.unlisted > 0 {
            self.problems.push(Problem {
                path: String::new(),
                problem: format!("{} more problems are not listed", self.unlisted),
                expected: "the listed ones mended first".to_owned(),
            });
        }
        let plan = plan.filter(|_| self.problems.is_empty());
        Checked {
            plan,
            problems: self.problems,
            remarks: self.remarks,
        }
    }
}
