//! What an operator may set about live maps.
//!
//! Owns: names and ranges. Must never: decide anything.

use serde::Deserialize;

use super::bounds;
use crate::config::ConfigError;

/// Section `live` of the configuration. Defaults and reasons: `bounds.rs`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LiveSettings {
    /// Viewers of this gateway, 1 to 1,000,000.
    pub viewers_max: usize,
    /// Viewers of one show here, 1 to `viewers_max`.
    pub viewers_per_show_max: usize,
    /// Shows followed at once, 1 to 100,000.
    pub shows_max: usize,
    /// Whether holds that the copy dooms are answered here.
    pub local_rejection: bool,
    /// Age up to which the copy is believed about held and free seats, ms, 0 to 60,000.
    pub held_age_ms_max: u64,
    /// Age up to which the copy is believed about sold seats, ms, `held_age_ms_max` to 60,000.
    pub sold_age_ms_max: u64,
}

impl Default for LiveSettings {
    fn default() -> Self {
        let ms = |age: std::time::Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        Self {
            viewers_max: bounds::VIEWERS_MAX,
            viewers_per_show_max: bounds::VIEWERS_MAX,
            shows_max: bounds::SHOWS_MAX,
            local_rejection: true,
            held_age_ms_max: ms(bounds::HELD_AGE_MAX),
            sold_age_ms_max: ms(bounds::SOLD_AGE_MAX),
        }
    }
}

impl LiveSettings {
    /// Refuses what makes no sense.
    ///
    /// # Errors
    /// [`ConfigError::Value`] names the key and its range.
    pub fn check(&self) -> Result<(), ConfigError> {
        let range = |key: &'static str, value: u64, min: u64, max: u64| {
            let reason = format!("must be from {min} to {max}, found {value}");
            let fits = (min..=max).contains(&value);
            fits.then_some(()).ok_or(ConfigError::Value { key, reason })
        };
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let viewers = count(self.viewers_max);
        range("live.viewers_max", viewers, 1, 1_000_000)?;
        let per_show = count(self.viewers_per_show_max);
        range("live.viewers_per_show_max", per_show, 1, viewers)?;
        range("live.shows_max", count(self.shows_max), 1, 100_000)?;
        range("live.held_age_ms_max", self.held_age_ms_max, 0, 60_000)?;
        let held = self.held_age_ms_max;
        range("live.sold_age_ms_max", self.sold_age_ms_max, held, 60_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_make_sense_and_nonsense_is_named() {
        assert!(LiveSettings::default().check().is_ok());
        let nonsense = LiveSettings {
            sold_age_ms_max: 1,
            ..LiveSettings::default()
        };
        let error = nonsense.check().unwrap_err().to_string();
        assert!(error.contains("live.sold_age_ms_max"), "{error}");
    }
}
