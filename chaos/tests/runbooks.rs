//! Pages and alerts fit together: each alert leads to a page, each page names its alerts, and rules use only metrics that exist.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use holdfast_chaos::lab::{Lab, LabOptions};
use holdfast_chaos::runbook::all_pages;
use holdfast_chaos::season::GridShow;

fn pages_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .join("runbooks")
}

/// Files of a directory with this ending.
fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|e| e == ending))
        .collect();
    files.sort();
    files
}

/// All rules as one text.
fn rules() -> String {
    let files = files(&pages_dir().join("alerts"), "yml");
    assert!(!files.is_empty());
    files
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect()
}

fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let lines = text
        .lines()
        .map(|line| line.trim_start().trim_start_matches("- "));
    lines
        .filter_map(|line| line.strip_prefix(key))
        .map(str::trim)
        .collect()
}

/// Alerts and the page that each leads to.
fn alerts() -> BTreeMap<String, String> {
    let rules = rules();
    let names = values(&rules, "alert:");
    let links = values(&rules, "runbook_url:");
    assert_eq!(names.len(), links.len(), "each alert has a runbook_url");
    let pairs = names.iter().zip(links);
    pairs
        .map(|(name, link)| ((*name).to_owned(), link.to_owned()))
        .collect()
}

#[test]
fn every_page_is_complete_and_was_worked_through() {
    let pages = all_pages(&pages_dir()).unwrap();
    assert!(pages.len() >= 10);
    for page in &pages {
        assert_eq!(page.faults(), Vec::<String>::new(), "{}", page.name);
        let minutes = page.front.minutes;
        assert!(
            minutes.is_some_and(|minutes| minutes <= page.front.budget_minutes),
            "{} was never worked through in its time: holdfast-chaos runbook check {} --write",
            page.name,
            page.name
        );
    }
}

#[test]
fn every_alert_leads_to_the_page_that_names_it() {
    let alerts = alerts();
    let mut named = BTreeSet::new();
    for page in all_pages(&pages_dir()).unwrap() {
        for alert in &page.front.alerts {
            let link = alerts.get(alert).map(String::as_str);
            let own = format!("runbooks/{}.md", page.name);
            assert_eq!(link, Some(own.as_str()), "{} of {}", alert, page.name);
            named.insert(alert.clone());
        }
        for alert in page.front.alerts_not_seen.keys() {
            assert!(
                page.front.alerts.contains(alert),
                "{alert} of {}",
                page.name
            );
        }
    }
    let all: BTreeSet<String> = alerts.into_keys().collect();
    assert_eq!(named, all);
}

#[test]
fn every_page_is_in_the_index() {
    let index = fs::read_to_string(pages_dir().join("README.md")).unwrap();
    for page in all_pages(&pages_dir()).unwrap() {
        let link = format!("({}.md)", page.name);
        assert!(index.contains(&link), "{} is not in the index", page.name);
    }
}

#[test]
fn every_alert_has_a_unit_test() {
    let tests = files(&pages_dir().join("alerts/tests"), "yml");
    let text: String = tests
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let tested: BTreeSet<&str> = values(&text, "alertname:").into_iter().collect();
    for alert in alerts().keys() {
        assert!(tested.contains(alert.as_str()), "{alert} is not tested");
    }
}

#[test]
fn rules_pass_promtool_where_it_is_installed() {
    if Command::new("promtool").arg("--version").output().is_err() {
        eprintln!("SKIPPED: promtool is not installed (Debian package `prometheus`)");
        return;
    }
    let alerts = pages_dir().join("alerts");
    for (what, dir) in [("check", alerts.clone()), ("test", alerts.join("tests"))] {
        let out = Command::new("promtool")
            .args([what, "rules"])
            .args(files(&dir, "yml"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_use_only_metrics_that_nodes_and_gateways_export() {
    let lab = Lab::start(LabOptions::trio(vec![GridShow::new(
        "scraped", "eastus", 4, 5,
    )]))
    .await
    .unwrap();
    // Histograms of routes exist once the route was used.
    let hold = lab
        .guest(0)
        .await
        .unwrap()
        .hold(&lab.show(0), &["A-1-1"], "once")
        .await;
    assert_eq!(hold.status, 201, "{:?}", hold.body);
    let node = lab.cluster.member("n1").unwrap().http;
    let mut exported = BTreeSet::new();
    for url in [
        format!("http://{node}/metrics"),
        format!("{}/metrics", lab.gateway(0)),
    ] {
        let text = lab
            .http
            .get(url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let names = samples.filter_map(|line| line.split(['{', ' ']).next());
        exported.extend(names.map(str::to_owned));
    }
    lab.stop().await;
    let rules = rules();
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':');
    let used: BTreeSet<&str> = values(&rules, "expr:")
        .into_iter()
        .flat_map(|expr| expr.split(word))
        .filter(|name| name.starts_with("holdfast_"))
        .collect();
    assert!(used.len() > 10, "{used:?}");
    for name in used {
        assert!(exported.contains(name), "no process exports {name}");
    }
}
