//! Drill files that are right, and the words about those that are wrong.

use super::*;

const GOOD: &str = r#"
title = "t"
hypothesis = "h"
promises = ["recovery"]
lab = {}
shows = [{ name = "hot", rows = 3, seats_per_row = 4, home = "eastus" }]
workloads = [{ kind = "rush", show = "hot", clients = 2 }]
steady = { for_s = 3, ops_rate_min = 1 }
steps = [{ at_s = 0, for_s = 1, fault = { kind = "kill", node = "leader" } }]
blast = { regions = ["hit"], shows_ratio = 1.0, requests_ratio = 0.5, for_s = 5 }
expect = { rto_max_s_max = 6 }
"#;

fn problem(from: &str, to: &str) -> String {
    let text = GOOD.replace(from, to);
    assert_ne!(text, GOOD, "{from} is not in the file");
    DrillFile::parse("d", &text).unwrap_err().to_string()
}

#[test]
fn what_is_not_said_has_a_default() {
    let file = DrillFile::parse("d", GOOD).unwrap();
    assert_eq!((file.lab.regions, file.lab.wan), (3, true));
    assert_eq!(file.lab.preset, "five-regions");
    assert_eq!(file.steps_last_s(), 1.0);
    assert_eq!(file.workloads[0].pause_ms(), 100);
}

#[test]
fn an_unknown_field_is_named() {
    let error = problem("lab = {}", "lab = { ragions = 3 }");
    assert!(error.contains("ragions"), "{error}");
    let error = problem("rto_max_s_max", "rto_s");
    assert!(
        error.contains("expect.rto_s") && error.contains("rto_max_s_max"),
        "{error}"
    );
    let error = problem("kind = \"kill\"", "kind = \"meteor\"");
    assert!(error.contains("meteor"), "{error}");
    let error = problem("lab = {}", "lab = { node_limits = { speed = 1 } }");
    assert!(error.contains("lab.node_limits.speed"), "{error}");
}

#[test]
fn every_wrong_field_is_named_with_its_reason() {
    let cases = [
        ("title = \"t\"", "title = \" \"", "title"),
        ("promises = [\"recovery\"]", "promises = []", "promises"),
        ("rows = 3", "rows = 1", "shows[0]"),
        ("clients = 2", "clients = 0", "workloads[0].clients"),
        ("show = \"hot\"", "show = \"cold\"", "workloads[0].show"),
        (
            "kind = \"rush\"",
            "kind = \"wake-ups\"",
            "workloads[0].show",
        ),
        ("for_s = 3,", "for_s = 1,", "steady.for_s"),
        (
            "clients = 2 }]",
            "clients = 2 }, { kind = \"race\", show = \"hot\", clients = 2 }]",
            "workloads[1].show",
        ),
        (", for_s = 1, fault", ", fault", "steps[0]"),
        (
            "shows_ratio = 1.0",
            "shows_ratio = 2.0",
            "blast.shows_ratio",
        ),
        ("at_s = 0", "at_s = -1", "steps[0]"),
        ("at_s = 0", "at_s = 90000", "steps"),
        (
            "fault = { kind = \"kill\", node = \"leader\" }",
            "ctl = [\"leaders\"]",
            "steps[0]",
        ),
    ];
    for (from, to, field) in cases {
        let error = problem(from, to);
        assert!(error.contains(field), "{to}: {error}");
    }
}

#[test]
fn names_that_the_topology_lacks_are_found_before_anything_is_broken() {
    let three = Topology::preset("five-regions").unwrap();
    let three = three.with_first_regions(3).unwrap();
    DrillFile::parse("d", GOOD).unwrap().fits(&three).unwrap();
    for (from, to) in [
        ("home = \"eastus\"", "home = \"atlantis\""),
        ("[\"hit\"]", "[\"atlantis\"]"),
        ("node = \"leader\"", "node = \"n77\""),
    ] {
        let file = DrillFile::parse("d", &GOOD.replace(from, to)).unwrap();
        assert!(file.fits(&three).is_err(), "{to}");
    }
}
