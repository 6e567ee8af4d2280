//! Alert rules in time-lapse: what takes minutes in production is seen in seconds in the lab.
//!
//! Owns: which durations of a rules file shrink: ranges (`[5m]`), `for:`, `keep_firing_for:` and `interval:`. Must never:
//! change a threshold; a rule that is wrong in the lab is wrong in production.

/// How much faster than in production rules run in the lab: scraping every 250 ms stands for every 15 s.
pub const LAPSE: u64 = 60;

/// `rules` with every duration [`LAPSE`] times shorter.
#[must_use]
pub fn in_lapse(rules: &str) -> String {
    let lines = rules.lines().map(|line| {
        let key = ["for:", "keep_firing_for:", "interval:"]
            .into_iter()
            .find(|key| line.trim_start().trim_start_matches("- ").starts_with(key));
        match key.and_then(|key| {
            line.split_once(key)
                .map(|(before, value)| (before, key, value))
        }) {
            Some((before, key, value)) => match shrunk(value.trim()) {
                Some(value) => format!("{before}{key} {value}"),
                None => line.to_owned(),
            },
            None => ranges(line),
        }
    });
    lines.map(|line| line + "\n").collect()
}

/// Shrinks what stands in square brackets and is a duration, or two of them with a colon between.
fn ranges(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('[') {
        let Some((inside, behind)) = after.split_once(']') else {
            break;
        };
        let parts: Option<Vec<String>> = inside.split(':').map(shrunk).collect();
        text.push_str(before);
        text.push('[');
        text.push_str(&parts.map_or_else(|| inside.to_owned(), |parts| parts.join(":")));
        text.push(']');
        rest = behind;
    }
    text + rest
}

/// `5m` as `5000ms`; `None` for what is no duration.
fn shrunk(duration: &str) -> Option<String> {
    let mut rest = duration;
    let mut sum_ms = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = &rest[digits..];
        let unit = &unit[..unit
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(unit.len())];
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        sum_ms += number * unit_ms;
        rest = &rest[digits + unit.len()..];
    }
    (!duration.is_empty()).then(|| format!("{}ms", (sum_ms / LAPSE).max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_shrink_and_nothing_else_does() {
        let rules = "  - alert: Slow\n    expr: rate(a{b=~\"[a-z]\"}[5m]) > 60 and c[1h:30s] > 5\n    for: 2m\n";
        let lapse = "  - alert: Slow\n    expr: rate(a{b=~\"[a-z]\"}[5000ms]) > 60 and c[60000ms:500ms] > 5\n    for: 2000ms\n";
        assert_eq!(in_lapse(rules), lapse);
        assert_eq!(shrunk("1h30m").as_deref(), Some("90000ms"));
        assert_eq!(shrunk("soon"), None);
    }
}
