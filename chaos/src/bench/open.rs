//! Open-loop points: latency at a fixed rate of attempts.
//!
//! Owns: how much of which show is sold at a rate. Must never: call an overloaded point a latency without saying so: the
//! rate that was reached stands beside it.

use std::time::Duration;

use super::attempt::{Size, Tally};
use super::contender::Contender;
use super::contender::holdfast::Holdfast;
use super::pace::open_loop;
use super::report::Measurement;
use super::stats::{Times, figure};
use super::usage::Usage;

/// Shows of one point at most.
const SHOWS_MAX: u64 = 60;

pub(super) async fn measure(
    holdfast: &mut Holdfast,
    size: Size,
    rate: u32,
    at_least: Duration,
) -> anyhow::Result<Vec<Measurement>> {
    let mut left = u64::from(rate) * at_least.as_secs();
    left = left.min(u64::from(size.attempts) * SHOWS_MAX);
    let (mut tally, mut lag, mut cpu) = (Tally::default(), Times::default(), Duration::ZERO);
    while left > 0 {
        let show = holdfast.open_show(size.seats).await?;
        let mut sellers = holdfast.sellers(show, 1).await?;
        let part = Size {
            attempts: u32::try_from(left).unwrap_or(u32::MAX).min(size.attempts),
            ..size
        };
        let before = Usage::own()?.cpu;
        let paced = open_loop(sellers.remove(0), show, part, f64::from(rate)).await?;
        cpu += Usage::own()?.cpu.saturating_sub(before);
        tally.add(paced.tally);
        lag.append(paced.lag);
        left -= u64::from(part.attempts);
    }
    let took_s = tally.took.as_secs_f64();
    let prefix = format!("open.{rate}_per_s");
    let name = |what: &str| format!("{prefix}.{what}");
    let reached = figure(tally.attempts - tally.failed) / took_s;
    let mut results = vec![
        Measurement::new(name("answers_rate"), reached, "attempts/s"),
        Measurement::new(name("holds_rate"), figure(tally.holds) / took_s, "holds/s"),
        Measurement::new(name("failed"), figure(tally.failed), "attempts"),
    ];
    results.extend(tally.times.quantiles().measurements(&prefix));
    let cores = cpu.as_secs_f64() / took_s;
    results.extend([
        Measurement::new(name("generator_lag_p99"), lag.quantiles().p99_ms, "ms"),
        Measurement::new(name("generator_cores"), cores, "cores"),
    ]);
    Ok(results)
}
