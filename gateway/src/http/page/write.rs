//! How money, days and times are written for a reader.
//!
//! Owns: both languages' habits, as far as a page without scripts needs them; scripts use `Intl`. Must never: convert a
//! time to another zone: a show begins by the venue's clock.

use super::language::Language;
use super::messages::Words;

/// Digits after the point of a currency, by ISO 4217; two where nothing else is said.
fn digits(currency: &str) -> usize {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX"
        | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// Signs that every reader knows; other currencies keep their code.
fn sign(currency: &str) -> &str {
    match currency {
        "EUR" => "€",
        "GBP" => "£",
        "USD" => "$",
        "JPY" => "¥",
        other => other,
    }
}

/// An amount in minor units.
pub(super) fn money(language: Language, minor: u64, currency: &str) -> String {
    let digits = digits(currency);
    let text = format!("{minor:0>width$}", width = digits + 1);
    let (whole, part) = text.split_at(text.len() - digits);
    let (group, point) = match language {
        Language::English => (',', '.'),
        Language::German => ('.', ','),
    };
    let mut amount = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            amount.push(group);
        }
        amount.push(digit);
    }
    if digits > 0 {
        amount.push(point);
        amount.push_str(part);
    }
    let sign = sign(currency);
    match language {
        Language::English if sign.is_ascii() && sign != "$" => format!("{sign}\u{a0}{amount}"),
        Language::English => format!("{sign}{amount}"),
        Language::German => format!("{amount}\u{a0}{sign}"),
    }
}

/// A local date in parts.
pub(super) struct Day {
    pub(super) day: u32,
    pub(super) month: u32,
    pub(super) year: i64,
}

impl Day {
    /// Reads `YYYY-MM-DD`.
    pub(super) fn of(date: &str) -> Option<Self> {
        let mut parts = date.splitn(3, '-');
        let year = parts.next()?.parse().ok()?;
        let month = parts.next()?.parse().ok()?;
        let day = parts.next()?.parse().ok()?;
        ((1..=12).contains(&month) && (1..=31).contains(&day)).then_some(Self { day, month, year })
    }

    /// 0 is Sunday (Sakamoto's method).
    fn weekday(&self) -> i64 {
        const SHIFT: [i64; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
        let month = usize::try_from(self.month - 1).unwrap_or(0);
        let year = self.year - i64::from(self.month < 3);
        let shift = SHIFT.get(month).copied().unwrap_or(0);
        (year + year.div_euclid(4) - year.div_euclid(100)
            + year.div_euclid(400)
            + shift
            + i64::from(self.day))
        .rem_euclid(7)
    }

    /// Such as "May".
    pub(super) fn month_name(&self, words: Words) -> String {
        words.t(&format!("month.{}", self.month))
    }

    /// Such as "Saturday".
    pub(super) fn weekday_name(&self, words: Words) -> String {
        words.t(&format!("weekday.{}", self.weekday()))
    }
}

/// A local date in full.
pub(super) fn date(words: Words, date: &str) -> String {
    let Some(day) = Day::of(date) else {
        return date.to_owned();
    };
    words.with(
        "date.long",
        &[
            ("weekday", &day.weekday_name(words)),
            ("day", &day.day.to_string()),
            ("month", &day.month_name(words)),
            ("year", &day.year.to_string()),
        ],
    )
}

/// Minutes and seconds, as on a clock.
pub(super) fn clock(ms: u64) -> String {
    let seconds = ms.div_ceil(1000);
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_as_its_reader_does() {
        let english = |minor, currency| money(Language::English, minor, currency);
        let german = |minor, currency| money(Language::German, minor, currency);
        assert_eq!(english(4_500, "EUR"), "€45.00");
        assert_eq!(german(123_456_705, "EUR"), "1.234.567,05\u{a0}€");
        assert_eq!(english(1_200_000, "JPY"), "¥1,200,000");
        assert_eq!(german(5, "CHF"), "0,05\u{a0}CHF");
        assert_eq!(english(5, "CHF"), "CHF\u{a0}0.05");
        assert_eq!(english(1_250, "KWD"), "KWD\u{a0}1.250");
    }

    #[test]
    fn days_have_their_weekday() {
        let english = Words::of(Language::English);
        assert_eq!(date(english, "2027-05-01"), "Saturday 1 May 2027");
        assert_eq!(date(english, "2024-02-29"), "Thursday 29 February 2024");
        assert_eq!(
            date(Words::of(Language::German), "2026-11-21"),
            "Samstag, 21. November 2026"
        );
        assert_eq!(date(english, "soon"), "soon");
    }

    #[test]
    fn a_clock_shows_time_that_is_not_over() {
        assert_eq!(
            [clock(0), clock(1), clock(61_000)],
            ["0:00", "0:01", "1:01"]
        );
    }
}
