//! From what was measured to a verdict.
//!
//! Owns: the rule: a drill holds when every expectation is met, those that it names and those that always hold. Must
//! never: pass an expectation that was not measured.

use std::collections::BTreeMap;

use super::expect::RULES;
use super::result::{DrillResult, Verdict};

/// Judges a result; `bounds` are those of the drill file.
pub(super) fn judge(result: &mut DrillResult, bounds: &BTreeMap<String, f64>) {
    result.expectations = RULES
        .iter()
        .filter_map(|rule| {
            let bound = bounds.get(rule.name).copied().or(rule.always)?;
            Some(rule.judge(bound, result))
        })
        .collect();
    result.verdict = if !result.aborted_because.is_empty() {
        Verdict::Aborted
    } else if result
        .expectations
        .iter()
        .all(|expectation| expectation.held)
    {
        Verdict::Held
    } else {
        Verdict::NotHeld
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::result::{Check, Quantiles, Replicas};

    fn fine() -> DrillResult {
        DrillResult {
            checks: vec![Check {
                name: "c".into(),
                looked_at: 1,
                violations: Vec::new(),
                complete: true,
            }],
            replicas: Replicas {
                agreed: 1,
                shows: 1,
                ..Replicas::default()
            },
            ..DrillResult::default()
        }
    }

    fn verdict(mut result: DrillResult, bounds: &[(&str, f64)]) -> Verdict {
        let bounds = bounds
            .iter()
            .map(|(name, bound)| ((*name).to_owned(), *bound));
        judge(&mut result, &bounds.collect());
        result.verdict
    }

    #[test]
    fn nothing_wrong_holds_and_what_was_not_measured_does_not() {
        assert_eq!(verdict(fine(), &[]), Verdict::Held);
        assert_eq!(verdict(fine(), &[("rto_max_s_max", 2.0)]), Verdict::NotHeld);
        let unchecked = DrillResult {
            checks: Vec::new(),
            ..fine()
        };
        assert_eq!(verdict(unchecked, &[]), Verdict::NotHeld);
    }

    #[test]
    fn every_loss_breaks_the_drill_whatever_the_file_says() {
        let mut lost = fine();
        lost.rpo.lost.push("order".into());
        assert_eq!(verdict(lost, &[]), Verdict::NotHeld);
        let mut violated = fine();
        violated.checks[0].violations.push("twice".into());
        assert_eq!(verdict(violated, &[]), Verdict::NotHeld);
        let mut disagreeing = fine();
        disagreeing.replicas.agreed = 0;
        assert_eq!(verdict(disagreeing, &[]), Verdict::NotHeld);
        let mut never = fine();
        never.rto_idle = Quantiles::of([None]);
        assert_eq!(verdict(never, &[]), Verdict::NotHeld);
        let mut aborted = fine();
        aborted.aborted_because = "x".into();
        assert_eq!(verdict(aborted, &[]), Verdict::Aborted);
    }

    #[test]
    fn bounds_are_kept_on_the_right_side() {
        let mut result = fine();
        result.rpo.acknowledged_sales = 10;
        assert_eq!(
            verdict(result.clone(), &[("sales_min", 10.0)]),
            Verdict::Held
        );
        assert_eq!(
            verdict(result.clone(), &[("sales_min", 11.0)]),
            Verdict::NotHeld
        );
        result.users.error_ratio = 0.02;
        assert_eq!(
            verdict(result, &[("error_ratio_max", 0.01)]),
            Verdict::NotHeld
        );
    }
}
