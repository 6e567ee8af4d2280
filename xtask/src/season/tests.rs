//! The committed season is current, big enough, and keeps its promises about dates.

use std::collections::BTreeSet;
use std::fs;

use toml::Table;

use super::{check, plans};

fn season() -> Table {
    let path = crate::repository().join("chaos/season/season.toml");
    fs::read_to_string(path).unwrap().parse().unwrap()
}

fn entries<'a>(season: &'a Table, kind: &str) -> Vec<&'a Table> {
    season[kind]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry.as_table().unwrap())
        .collect()
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days_since_epoch(date: &str) -> i64 {
    let parts: Vec<i64> = date.split('-').map(|part| part.parse().unwrap()).collect();
    let (year, month, day) = (parts[0], parts[1], parts[2]);
    let shifted = if month > 2 { year } else { year - 1 };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + day_of_year - 719_468
}

#[test]
fn committed_plans_are_what_the_generator_writes() {
    check(crate::repository()).unwrap();
}

#[test]
fn the_hall_and_the_arena_are_as_big_as_promised() {
    let sizes: Vec<_> = plans()
        .iter()
        .map(|(_, plan)| (plan.seats(), plan.places()))
        .collect();
    assert!(sizes[0].0 >= 500, "hall: {sizes:?}");
    assert!(
        sizes[2].1 >= 10_000 && sizes[2].1 > sizes[2].0 as u64,
        "arena: {sizes:?}"
    );
}

#[test]
fn seat_guids_are_unique_in_every_plan() {
    for (name, plan) in plans() {
        let text = plan.to_text();
        let guids: Vec<&str> = text
            .split("\"seat_guid\":\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert_eq!(guids.len(), plan.seats(), "{name}");
        assert_eq!(
            guids.iter().collect::<BTreeSet<_>>().len(),
            guids.len(),
            "{name}"
        );
    }
}

#[test]
fn every_show_names_an_event_and_a_plan_of_the_season() {
    let season = season();
    for show in entries(&season, "show") {
        for (field, kind) in [("event", "event"), ("plan", "plan")] {
            let known = entries(&season, kind)
                .iter()
                .any(|entry| entry["slug"] == show[field]);
            assert!(known, "{field} of {}", show["slug"]);
        }
    }
}

#[test]
fn starts_agree_with_local_date_time_and_zone() {
    for show in entries(&season(), "show") {
        let date = show["local_date"].as_str().unwrap();
        let (hours, minutes) = show["local_time"]
            .as_str()
            .unwrap()
            .split_once(':')
            .unwrap();
        let minutes = hours.parse::<i64>().unwrap() * 60 + minutes.parse::<i64>().unwrap();
        let local_ms = days_since_epoch(date) * 86_400_000 + minutes * 60_000;
        let offset_h = (local_ms - show["starts_at_ms"].as_integer().unwrap()) as f64 / 3_600_000.0;
        // Summer time in 2027: New York from 14 March, Amsterdam from 28 March.
        let expected = match show["time_zone"].as_str().unwrap() {
            "America/New_York" if date < "2027-03-14" => -5.0,
            "America/New_York" => -4.0,
            "Europe/Amsterdam" if date < "2027-03-28" => 1.0,
            "Europe/Amsterdam" => 2.0,
            "Asia/Singapore" => 8.0,
            other => panic!("no rule for {other}"),
        };
        assert!(
            (offset_h - expected).abs() < f64::EPSILON,
            "{}: {offset_h}",
            show["slug"]
        );
    }
}

#[test]
fn prices_cover_exactly_the_categories_of_the_plan() {
    let season = season();
    for show in entries(&season, "show") {
        let file = format!("{}.json", show["plan"].as_str().unwrap());
        let plans = plans();
        let (_, plan) = plans.iter().find(|(name, _)| *name == file).unwrap();
        let categories: BTreeSet<&str> = plan.categories.iter().map(|(name, _)| *name).collect();
        let priced: BTreeSet<&str> = show["price_minor"]
            .as_table()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(priced, categories, "{}", show["slug"]);
    }
}
