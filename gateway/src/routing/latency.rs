//! How long a node takes to answer, smoothed.
//!
//! Owns: a mean and a mean deviation that forget, as TCP keeps them (RFC 6298). Must never: be fed with answers that waited
//! for something else than the node, such as a quorum.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Weight of a new sample in the mean, and in the deviation.
const MEAN_GAIN: f64 = 0.125;
const DEVIATION_GAIN: f64 = 0.25;
/// Deviations above the mean that hardly one in twenty answers exceeds, whatever their distribution looks like.
const SLOW_DEVIATIONS: f64 = 3.0;

#[derive(Debug, Clone, Copy)]
struct Smoothed {
    mean_s: f64,
    deviation_s: f64,
}

/// The round trip to one node.
#[derive(Debug, Default)]
pub struct Latency {
    /// `None` before the first answer. Never held over an await.
    smoothed: Mutex<Option<Smoothed>>,
}

impl Latency {
    /// An answer took `sample`.
    pub fn took(&self, sample: Duration) {
        let sample_s = sample.as_secs_f64();
        let mut smoothed = self.smoothed.lock().unwrap_or_else(PoisonError::into_inner);
        *smoothed = Some(match *smoothed {
            None => Smoothed {
                mean_s: sample_s,
                deviation_s: sample_s / 2.0,
            },
            Some(old) => {
                let off = (sample_s - old.mean_s).abs();
                Smoothed {
                    mean_s: old.mean_s + MEAN_GAIN * (sample_s - old.mean_s),
                    deviation_s: old.deviation_s + DEVIATION_GAIN * (off - old.deviation_s),
                }
            }
        });
    }

    fn get(&self) -> Option<Smoothed> {
        *self.smoothed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an answer takes; `None` before the first.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        self.get()
            .map(|s| Duration::from_secs_f64(s.mean_s.max(0.0)))
    }

    /// What hardly one answer in twenty exceeds; `None` before the first.
    #[must_use]
    pub fn slow(&self) -> Option<Duration> {
        let slow = |s: Smoothed| s.mean_s + SLOW_DEVIATIONS * s.deviation_s;
        self.get()
            .map(|s| Duration::from_secs_f64(slow(s).max(0.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn it_follows_a_change_and_shrugs_off_one_slow_answer() {
        let latency = Latency::default();
        assert_eq!(latency.mean(), None);
        (0..50).for_each(|_| latency.took(MS(20)));
        latency.took(MS(100));
        assert!(latency.mean().unwrap() <= MS(30), "{:?}", latency.mean());
        (0..50).for_each(|_| latency.took(MS(80)));
        assert!(latency.mean().unwrap() > MS(75));
    }

    #[test]
    fn slow_is_what_few_answers_exceed() {
        let latency = Latency::default();
        // Between 20 and 39 ms, in an order that is neither rising nor falling.
        let samples: Vec<u64> = (0..400).map(|n| 20 + (n * 7) % 20).collect();
        samples.iter().for_each(|ms| latency.took(MS(*ms)));
        let slow = latency.slow().unwrap();
        let over = samples.iter().filter(|ms| MS(**ms) > slow).count();
        assert!(over <= samples.len() / 20, "{over} over {slow:?}");
        assert!(slow < MS(70), "{slow:?}");
    }
}
