//! What DNS answered while regions came and went.
//!
//! Owns: those tables. Must never: show a time that was not measured as zero.

use super::frame::letter;
use super::page::section as headed;
use super::table::{seconds, table};
use crate::drill::result::{DnsAnswer, DnsLost, DrillResult};

/// Rows of one table; the JSON has all.
const ROWS_MAX: usize = 200;

/// The whole section; nothing for a drill without DNS.
pub(super) fn section(result: &DrillResult) -> String {
    let Some(dns) = &result.dns else {
        return String::new();
    };
    let sums = format!(
        "<p>{} questions over UDP to servers in regions without a fault, {} of them unanswered.</p>",
        dns.questions, dns.unanswered
    );
    let lost: Vec<Vec<String>> = dns.lost.iter().map(lost).collect();
    let head = [
        "Lost region",
        "Fault",
        "Server in",
        "Out of the answers",
        "Back in them after the heal",
    ];
    let lost = table("How long answers still led to a lost region", &head, &lost);
    let answers: Vec<Vec<String>> = dns.answers.iter().take(ROWS_MAX).map(answer).collect();
    let head = ["At", "Server in", "Asked near", "Answer", "To live"];
    let answers = table("Answers that differ from the one before", &head, &answers);
    headed(
        "DNS",
        &format!(
            "{sums}{lost}<details><summary>Every change of an answer</summary>{answers}</details>"
        ),
    )
}

fn lost(lost: &DnsLost) -> Vec<String> {
    let said =
        |time: Option<f64>| time.map_or_else(|| "not seen".to_owned(), |time| seconds(Some(time)));
    vec![
        lost.region.clone(),
        letter(lost.fault),
        lost.server.clone(),
        said(lost.out_s),
        said(lost.back_s),
    ]
}

fn answer(answer: &DnsAnswer) -> Vec<String> {
    let near = if answer.near.is_empty() {
        "a resolver that says nothing"
    } else {
        &answer.near
    };
    vec![
        format!("{:.2} s", answer.at_s),
        answer.server.clone(),
        near.to_owned(),
        answer.regions.join(", "),
        answer
            .ttl_s
            .map_or_else(|| "–".to_owned(), |ttl| format!("{ttl} s")),
    ]
}
