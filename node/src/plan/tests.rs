//! What a plan may and may not say, each rule on a small plan of its own.

use std::collections::BTreeMap;

use holdfast_inventory::ids::{Currency, SeatNo, ShowId};
use holdfast_inventory::show::SaleRules;
use serde_json::{Value, json};

use super::{Checked, PLACES_MAX, PLAN_BYTES_MAX, PROBLEMS_MAX, check, parse};

fn seat(guid: &str, number: &str, x: f64) -> Value {
    json!({"seat_guid": guid, "seat_number": number, "position": {"x": x, "y": 0}, "category": "Stalls"})
}

fn plan_with_rows(rows: Value) -> Value {
    json!({
        "name": "Test hall",
        "size": {"width": 400, "height": 300},
        "categories": [{"name": "Stalls", "color": "#123abc"}],
        "zones": [{"name": "Main", "position": {"x": 100, "y": 50}, "rows": rows}],
    })
}

fn small_plan() -> Value {
    plan_with_rows(json!([
        {"row_number": "A", "position": {"x": 5, "y": 10}, "seats": [seat("A-2", "2", 0.0), seat("A-1", "1", 28.125)]},
    ]))
}

fn checked(plan: &Value) -> Checked {
    check(&plan.to_string())
}

/// The one problem of a plan that has exactly one, as (path, whole text).
fn only_problem(plan: &Value) -> (String, String) {
    let problems = checked(plan).problems;
    assert_eq!(problems.len(), 1, "{problems:#?}");
    (problems[0].path.clone(), problems[0].to_string())
}

#[test]
fn positions_add_up_from_zone_row_and_seat_in_hundredths() {
    let plan = parse(&small_plan().to_string()).unwrap();
    let spots: Vec<_> = plan.seats.iter().map(|seat| (seat.x, seat.y)).collect();
    assert_eq!(spots, [(10_500, 6_000), (13_313, 6_000)]);
    assert_eq!((plan.width, plan.height), (40_000, 30_000));
    assert_eq!(
        (plan.seats[0].zone.as_str(), plan.seats[0].row.as_str()),
        ("Main", "A")
    );
}

#[test]
fn seats_keep_the_order_of_the_file() {
    let ids: Vec<_> = parse(&small_plan().to_string())
        .unwrap()
        .seats
        .into_iter()
        .map(|s| s.id)
        .collect();
    assert_eq!(ids, ["A-2", "A-1"]);
}

#[test]
fn every_duplicate_guid_is_named_with_all_its_places() {
    let rows = json!([
        {"row_number": "A", "seats": [seat("x", "1", 0.0), seat("y", "2", 20.0), seat("x", "3", 40.0)]},
        {"row_number": "B", "position": {"x": 0, "y": 30}, "seats": [seat("y", "1", 0.0), seat("x", "2", 20.0)]},
    ]);
    let problems = checked(&plan_with_rows(rows)).problems;
    let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 2, "{texts:#?}");
    assert!(
        texts[0].contains("\"x\" is used by 3 seats"),
        "{}",
        texts[0]
    );
    assert!(
        texts[0].contains("zones[0].rows[1].seats[1]"),
        "{}",
        texts[0]
    );
    assert_eq!(problems[1].path, "zones[0].rows[1].seats[0].seat_guid");
}

#[test]
fn all_faults_are_reported_at_once() {
    let rows = json!([
        {"row_number": "A", "seats": []},
        {"row_number": 7, "seats": [
            {"seat_guid": " a", "seat_number": 1, "position": {"x": "left"}, "category": "Stalls"},
            "seat",
        ]},
    ]);
    let mut plan = plan_with_rows(rows);
    plan["size"] = json!({"width": 0});
    let problems = checked(&plan).problems;
    let paths: Vec<_> = problems
        .iter()
        .map(|problem| problem.path.as_str())
        .collect();
    let expected = [
        "size.height",
        "zones[0].rows[0].seats",
        "zones[0].rows[1].row_number",
        "zones[0].rows[1].seats[0].seat_guid",
        "zones[0].rows[1].seats[0].seat_number",
        "zones[0].rows[1].seats[0].position.x",
        "zones[0].rows[1].seats[0].position.y",
        "zones[0].rows[1].seats[1]",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn an_unknown_category_is_answered_with_the_known_ones() {
    let mut plan = small_plan();
    plan["zones"][0]["rows"][0]["seats"][1]["category"] = json!("Balcony");
    let (path, text) = only_problem(&plan);
    assert_eq!(path, "zones[0].rows[0].seats[1].category");
    assert!(
        text.contains("\"Balcony\" is not in the plan; expected one of \"Stalls\""),
        "{text}"
    );
}

#[test]
fn two_seats_of_a_zone_cannot_stand_on_one_spot() {
    let rows = json!([{"row_number": "A", "seats": [seat("a", "1", 1.0), seat("b", "2", 1.001)]}]);
    let (path, text) = only_problem(&plan_with_rows(rows));
    assert_eq!(path, "zones[0].rows[0].seats[1].position");
    assert!(text.contains("(101, 50)"), "{text}");
}

#[test]
fn an_upper_box_may_be_drawn_over_the_lower_one() {
    let mut plan = small_plan();
    let mut upper = plan["zones"][0].clone();
    upper["name"] = json!("Upper");
    for seat in upper["rows"][0]["seats"].as_array_mut().unwrap() {
        seat["seat_guid"] = json!(format!("upper-{}", seat["seat_guid"].as_str().unwrap()));
    }
    plan["zones"].as_array_mut().unwrap().push(upper);
    assert_eq!(checked(&plan).problems, []);
}

#[test]
fn companions_point_at_accessible_seats() {
    let mut plan = small_plan();
    let seats = &mut plan["zones"][0]["rows"][0]["seats"];
    seats[1]["accessible"] = json!(true);
    seats[0]["companion_of"] = json!("A-1");
    let sound = parse(&plan.to_string()).unwrap();
    assert_eq!(
        (sound.seats[1].accessible, sound.seats[0].companion_of),
        (true, Some(1))
    );

    let cases = [
        ("A-9", "is no seat of the plan"),
        ("A-2", "is the seat itself"),
    ];
    for (named, reason) in cases {
        plan["zones"][0]["rows"][0]["seats"][0]["companion_of"] = json!(named);
        let (path, text) = only_problem(&plan);
        assert_eq!(path, "zones[0].rows[0].seats[0].companion_of");
        assert!(text.contains(reason), "{text}");
    }
    plan["zones"][0]["rows"][0]["seats"][0]["companion_of"] = json!("A-1");
    plan["zones"][0]["rows"][0]["seats"][1]["accessible"] = json!(false);
    assert!(
        only_problem(&plan)
            .1
            .contains("is a seat that is not accessible")
    );
}

#[test]
fn a_shape_with_a_capacity_is_a_general_admission_area() {
    let mut plan = small_plan();
    plan["zones"][0]["areas"] = json!([
        {"shape": "rectangle", "rectangle": {"width": 10, "height": 10}},
        {"shape": "text", "text": {"text": "Floor", "position": {"x": 0, "y": 0}},
         "position": {"x": 20, "y": 30}, "capacity": 250, "category": "Stalls"},
        {"area_id": "pit", "name": "Pit", "capacity": 40, "category": "Stalls"},
    ]);
    let plan = parse(&plan.to_string()).unwrap();
    assert_eq!(plan.areas.len(), 2);
    let floor = &plan.areas[0];
    assert_eq!(
        (floor.name.as_str(), floor.id.as_str()),
        ("Floor", "Main-area-2")
    );
    assert_eq!((floor.capacity, floor.x, floor.y), (250, 12_000, 8_000));
    assert_eq!((plan.areas[1].id.as_str(), plan.places()), ("pit", 292));
}

#[test]
fn a_bad_capacity_is_refused() {
    for capacity in [
        json!(0),
        json!(-3),
        json!(1.5),
        json!("many"),
        json!(PLACES_MAX + 1),
    ] {
        let mut plan = small_plan();
        plan["zones"][0]["areas"] = json!([{"capacity": capacity, "category": "Stalls"}]);
        assert_eq!(only_problem(&plan).0, "zones[0].areas[0].capacity");
    }
}

#[test]
fn empty_zones_and_empty_plans_are_refused() {
    let mut plan = plan_with_rows(json!([]));
    assert_eq!(only_problem(&plan).0, "zones[0]");
    plan["zones"] = json!([]);
    assert_eq!(only_problem(&plan).0, "zones");
}

#[test]
fn a_zone_of_drawings_alone_is_fine_beside_one_with_seats() {
    let mut plan = small_plan();
    let stage = json!({"name": "Stage", "position": {"x": 0, "y": 0}, "rows": [], "areas": [{"shape": "circle"}]});
    plan["zones"].as_array_mut().unwrap().push(stage);
    assert_eq!(checked(&plan).problems, []);
}

#[test]
fn huge_coordinates_are_refused() {
    for x in [json!(1e9), json!(-1e300)] {
        let mut plan = small_plan();
        plan["zones"][0]["rows"][0]["seats"][0]["position"]["x"] = x;
        assert_eq!(
            only_problem(&plan).0,
            "zones[0].rows[0].seats[0].position.x"
        );
    }
    let overflow = small_plan().to_string().replace("28.125", "1e999");
    assert!(check(&overflow).problems[0].problem.contains("is not JSON"));
}

#[test]
fn a_colour_that_could_be_markup_is_refused() {
    for color in ["red;}", "#12", "url(x)", "<b>"] {
        let mut plan = small_plan();
        plan["categories"][0]["color"] = json!(color);
        assert_eq!(only_problem(&plan).0, "categories[0].color");
    }
}

#[test]
fn categories_without_a_colour_get_one() {
    let mut plan = small_plan();
    plan["categories"] = json!([{"name": "Stalls"}, {"name": "Boxes", "color": ""}]);
    let plan = parse(&plan.to_string()).unwrap();
    assert!(
        plan.categories
            .iter()
            .all(|category| category.color.starts_with('#'))
    );
    assert_ne!(plan.categories[0].color, plan.categories[1].color);
}

#[test]
fn unknown_fields_and_shared_labels_are_remarks_only() {
    let mut plan = small_plan();
    plan["zones"][0]["rows"][0]["seats"][0]["acessible"] = json!(true);
    plan["zones"][0]["rows"][0]["seats"][1]["seat_number"] = json!("2");
    let checked = checked(&plan);
    let paths: Vec<_> = checked
        .remarks
        .iter()
        .map(|remark| remark.path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "zones[0].rows[0].seats[0].acessible",
            "zones[0].rows[0].seats[1]"
        ]
    );
    assert!(checked.plan.is_some());
}

#[test]
fn what_is_not_a_plan_is_said_plainly() {
    let too_long = " ".repeat(PLAN_BYTES_MAX + 1);
    let deep = "[".repeat(100_000);
    for text in ["", "{", "[]", "null", "\u{0}", &too_long, &deep] {
        let checked = check(text);
        assert_eq!(
            (checked.plan, checked.problems.len()),
            (None, 1),
            "{:.20}",
            text
        );
    }
}

#[test]
fn a_flood_of_faults_is_counted_not_listed() {
    let rows: Vec<_> = (0..PROBLEMS_MAX + 7)
        .map(|_| json!({"row_number": "A", "seats": []}))
        .collect();
    let problems = checked(&plan_with_rows(json!(rows))).problems;
    assert_eq!(problems.len(), PROBLEMS_MAX + 1);
    assert!(problems[PROBLEMS_MAX].problem.contains("7 more problems"));
}

proptest::proptest! {
    /// Cut, changed and spliced plans get an answer, never a panic.
    #[test]
    fn damaged_plans_never_panic(at in 0_usize..600, len in 0_usize..40, with in "[\\PC]{0,12}") {
        let text = small_plan().to_string();
        let chars: Vec<char> = text.chars().collect();
        let (at, end) = (at.min(chars.len()), (at + len).min(chars.len()));
        let damaged: String =
            chars[..at].iter().copied().chain(with.chars()).chain(chars[end..].iter().copied()).collect();
        let checked = check(&damaged);
        proptest::prop_assert_eq!(checked.plan.is_some(), checked.problems.is_empty());
    }
}

#[test]
fn a_show_is_set_up_from_a_plan_and_a_price_for_each_category() {
    let mut file = small_plan();
    file["zones"][0]["rows"][0]["seats"][1]["accessible"] = json!(true);
    file["zones"][0]["rows"][0]["seats"][0]["companion_of"] = json!("A-1");
    file["zones"][0]["areas"] = json!([{"name": "Pit", "capacity": 40, "category": "Stalls"}]);
    let plan = parse(&file.to_string()).unwrap();
    let currency = Currency::parse("EUR").unwrap();
    let set_up = |prices| plan.set_up(ShowId(3), currency, &prices, SaleRules::default());

    let show = set_up(BTreeMap::from([
        ("Stalls".to_owned(), 2_500),
        ("Moon".to_owned(), 1),
    ]))
    .unwrap();
    assert_eq!(show.categories[0].price_minor, 2_500);
    assert_eq!(
        (show.seats[0].id.as_str(), show.seats[0].companion_of),
        ("A-2", Some(SeatNo(1)))
    );
    assert_eq!((show.areas[0].capacity, show.width), (40, 40_000));

    assert_eq!(set_up(BTreeMap::new()).unwrap_err().category, "Stalls");
}
