//! What money moved: the payment provider's word that the nodes wrote down.
//!
//! Each node writes every yes, also one that it or another has written before, and one that its caller no longer waited for. The
//! provider of a drill keeps no memory, so a provider's duties are done here: it acts once for each attempt, and it declines an
//! authorisation that comes after its attempt was let go.
//!
//! Owns: reading it into the history. Must never: fill in a movement that is in no file, or take for a repeat what differs from
//! what came first.

use std::collections::HashMap;

use serde::Deserialize;

use super::watch::show_name;
use crate::history::{Money, MoneyMoved, Recorder};
use crate::lab::Lab;

/// A line of a node's payment journal.
#[derive(Debug, Clone, Deserialize)]
struct Line {
    /// By the machine's clock, which all nodes share and no drill sets: so lines of several nodes have an order.
    at_ns: u64,
    show: u64,
    order: String,
    attempt: u32,
    moved: Money,
    /// A void names neither amount nor currency.
    #[serde(default)]
    amount_minor: u64,
    #[serde(default)]
    currency: String,
}

/// What the provider would remember of one payment attempt.
#[derive(Debug, Default)]
struct Attempt {
    heard: Vec<(Money, u64, String)>,
    set_aside_minor: Option<u64>,
    let_go: bool,
}

/// Reads what moved into the history, each movement once. A node that was killed may have left half a line: nobody heard that
/// word, and whoever led next asked again.
pub(super) fn record(lab: &Lab, recorder: &Recorder) {
    let mut lines = Vec::new();
    for node in &lab.cluster.topology().nodes {
        let path = lab.cluster.payments(node.id);
        match std::fs::read(&path) {
            Ok(text) => lines.extend(read(&text)),
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "payments cannot be read");
            }
        }
    }
    for moved in movements(lines) {
        recorder.money(moved);
    }
}

fn read(text: &[u8]) -> Vec<Line> {
    let lines = text.split(|byte| *byte == b'\n');
    let whole = lines.filter_map(|line| serde_json::from_slice::<Line>(line).ok());
    whole.collect()
}

/// In order of time. Lines of one file stand as they were written.
fn movements(mut lines: Vec<Line>) -> Vec<MoneyMoved> {
    lines.sort_by_key(|line| line.at_ns);
    let mut attempts: HashMap<(u64, String, u32), Attempt> = HashMap::new();
    let mut movements = Vec::new();
    for line in lines {
        let id = (line.show, line.order.clone(), line.attempt);
        let Some(amount_minor) = attempts.entry(id).or_default().hear(&line) else {
            continue;
        };
        movements.push(MoneyMoved {
            t_ns: 0,
            show: show_name(line.show),
            order: line.order,
            attempt: line.attempt,
            moved: line.moved,
            amount_minor,
        });
    }
    movements
}

impl Attempt {
    /// How much moves, if anything does.
    fn hear(&mut self, line: &Line) -> Option<u64> {
        let said = (line.moved, line.amount_minor, line.currency.clone());
        let late = line.moved == Money::Authorised && self.let_go;
        if late || self.heard.contains(&said) {
            return None;
        }
        self.heard.push(said);
        match line.moved {
            Money::Authorised => {
                self.set_aside_minor = Some(line.amount_minor);
                Some(line.amount_minor)
            }
            // Without effect when nothing is set aside; from now on nothing can be.
            Money::Voided => {
                self.let_go = true;
                self.set_aside_minor
            }
            Money::Captured | Money::Refunded => Some(line.amount_minor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at_ns: u64, attempt: u32, moved: Money) -> Line {
        let (amount_minor, currency) = match moved {
            Money::Voided => (0, ""),
            _ => (2_500, "EUR"),
        };
        Line {
            at_ns,
            show: 3,
            order: "o3-7".to_owned(),
            attempt,
            moved,
            amount_minor,
            currency: currency.to_owned(),
        }
    }

    fn seen(lines: &[Line]) -> Vec<(u32, Money, u64)> {
        let moved = movements(lines.to_vec()).into_iter();
        moved
            .map(|moved| (moved.attempt, moved.moved, moved.amount_minor))
            .collect()
    }

    #[test]
    fn whole_lines_are_read_as_nodes_write_them() {
        let text = br#"{"amount_minor":2500,"at_ns":5,"attempt":1,"currency":"EUR","moved":"captured","order":"o3-7","show":3}
{"at_ns":6,"attempt":1,"moved":"voided","order":"o3-7","show":3}

{"amount_minor":2500,"at_ns":7,"att"#;
        let lines = read(text);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].moved, Money::Captured);
        assert_eq!((lines[0].attempt, lines[0].amount_minor), (1, 2_500));
        assert_eq!(lines[1].moved, Money::Voided);
        let moved = movements(lines);
        assert_eq!((moved[0].show.as_str(), &*moved[0].order), ("s3", "o3-7"));
    }

    #[test]
    fn what_another_node_repeats_moves_once_and_nodes_are_put_in_order() {
        let killed = [line(10, 1, Money::Authorised), line(40, 1, Money::Captured)];
        let next = [line(20, 1, Money::Authorised), line(30, 1, Money::Captured)];
        let wanted = [(1, Money::Authorised, 2_500), (1, Money::Captured, 2_500)];
        assert_eq!(seen(&[killed, next].concat()), wanted);
    }

    #[test]
    fn a_repeat_that_says_something_else_is_no_repeat() {
        let mut more = line(30, 1, Money::Captured);
        more.amount_minor = 2_600;
        let mut other = line(40, 1, Money::Captured);
        other.currency = "CHF".to_owned();
        let lines = [line(20, 1, Money::Captured), more, other];
        let amounts: Vec<u64> = seen(&lines).iter().map(|moved| moved.2).collect();
        assert_eq!(amounts, [2_500, 2_600, 2_500]);
    }

    #[test]
    fn two_attempts_that_are_captured_are_two_movements() {
        let lines = [line(10, 1, Money::Captured), line(20, 2, Money::Captured)];
        assert_eq!(seen(&lines).len(), 2);
    }

    #[test]
    fn a_void_lets_go_of_what_is_set_aside_and_declines_what_comes_late() {
        let paid_again = [
            line(10, 1, Money::Authorised),
            line(20, 1, Money::Voided),
            line(30, 2, Money::Authorised),
            line(40, 2, Money::Captured),
        ];
        let wanted = [
            (1, Money::Authorised, 2_500),
            (1, Money::Voided, 2_500),
            (2, Money::Authorised, 2_500),
            (2, Money::Captured, 2_500),
        ];
        assert_eq!(seen(&paid_again), wanted);
        // The first attempt's yes was under way when its caller gave up.
        let late = [
            line(20, 1, Money::Voided),
            line(30, 2, Money::Authorised),
            line(35, 1, Money::Authorised),
            line(40, 2, Money::Captured),
        ];
        assert_eq!(seen(&late), wanted[2..]);
    }

    #[test]
    fn money_that_is_taken_after_it_was_let_go_is_not_hidden() {
        let lines = [
            line(10, 1, Money::Authorised),
            line(20, 1, Money::Voided),
            line(30, 1, Money::Captured),
        ];
        assert_eq!(seen(&lines).len(), 3);
        assert_eq!(seen(&lines[1..]), [(1, Money::Captured, 2_500)]);
    }
}
