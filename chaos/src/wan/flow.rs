//! What becomes of the bytes of one way of one connection: when each leaves, in which pieces, or that none does.
//!
//! Owns: delays, the thin line, slices, losses, limits. Must never: touch a socket or a clock; time is an argument.
//!
//! A piece leaves at *its arrival + delay*: delays do not add up. On a thin line it leaves when those before it are through.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::Instant;

use super::shape::{Direction, LinkShape};
use super::toxic::{Toxic, ToxicKind};

/// A thin line is fed in pieces that take it this long, or less.
const LINE_PIECE: Duration = Duration::from_millis(100);
/// Bytes that wait for a thin line at most: what takes this long to get through. More are not read, and TCP slows the sender.
const LINE_QUEUE: Duration = Duration::from_millis(500);

/// What becomes of bytes that arrived together.
#[derive(Debug, Default)]
pub(crate) struct Passage {
    /// When, and how many bytes: in order. Fewer than arrived when some are swallowed.
    pub(crate) pieces: Vec<(Instant, usize)>,
    /// How the connection ends once those pieces are out; `None`: it goes on.
    pub(crate) end: Option<FlowEnd>,
}

/// How a flow ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FlowEnd {
    /// Closed on both sides.
    Close,
    /// Reset on both sides.
    Reset,
}

/// One way of one connection.
#[derive(Debug)]
pub(crate) struct Flow {
    direction: Direction,
    /// Of the connection: which toxics it suffers.
    connection_seed: u64,
    draws: StdRng,
    /// Nothing leaves before what arrived earlier: a stream keeps its order.
    leaves_at: Instant,
    /// When the thin line is free again.
    line_free_at: Instant,
    /// Bytes that passed each limit, by the toxic's serial.
    passed: BTreeMap<u64, u64>,
}

/// Whether this connection is among those that a toxic hits.
pub(crate) fn suffers(toxic: &Toxic, connection_seed: u64) -> bool {
    if toxic.toxicity >= 1.0 {
        return true;
    }
    let seed = connection_seed ^ toxic.serial.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    StdRng::seed_from_u64(seed).random::<f64>() < toxic.toxicity
}

impl Flow {
    pub(crate) fn new(direction: Direction, connection_seed: u64, now: Instant) -> Self {
        let way = u64::from(direction == Direction::Upstream);
        Self {
            direction,
            connection_seed,
            draws: StdRng::seed_from_u64(connection_seed.rotate_left(1) ^ way),
            leaves_at: now,
            line_free_at: now,
            passed: BTreeMap::new(),
        }
    }

    /// The toxics that this way of this connection suffers.
    fn toxics<'a>(&self, shape: &'a LinkShape) -> impl Iterator<Item = &'a Toxic> {
        let (direction, seed) = (self.direction, self.connection_seed);
        shape
            .toxics
            .iter()
            .filter(move |toxic| toxic.stream == direction && suffers(toxic, seed))
    }

    /// Until when the line's queue has no room for more; `None`: it has.
    pub(crate) fn full_until(&self, shape: &LinkShape, now: Instant) -> Option<Instant> {
        self.rate(shape)?;
        let room_at = self.line_free_at.checked_sub(LINE_QUEUE)?;
        (room_at > now).then_some(room_at)
    }

    /// Bytes in a millisecond of the thinnest line.
    fn rate(&self, shape: &LinkShape) -> Option<u64> {
        let rates = self.toxics(shape).filter_map(|toxic| match toxic.kind {
            ToxicKind::Bandwidth { rate } if rate > 0 => Some(rate),
            _ => None,
        });
        rates.min()
    }

    /// What becomes of `count` bytes that arrived at `now`.
    pub(crate) fn pass(&mut self, shape: &LinkShape, now: Instant, count: usize) -> Passage {
        let mut passage = Passage::default();
        if self.toxics(shape).next().is_none() {
            // The usual way, on which the demo and the benchmarks measure.
            self.leaves_at = self.leaves_at.max(now + shape.rtt / 2);
            passage.pieces.push((self.leaves_at, count));
            return passage;
        }
        let swallows = |toxic: &Toxic| matches!(toxic.kind, ToxicKind::Timeout { .. });
        if self.toxics(shape).any(swallows) {
            return passage;
        }
        let Some(delay) = self.delay(shape) else {
            passage.end = Some(FlowEnd::Reset);
            return passage;
        };
        let count = self.limited(shape, count, &mut passage);
        self.leaves_at = self.leaves_at.max(now + delay);
        let rate = self.rate(shape);
        for (size, pause) in self.sliced(shape, count, rate) {
            if let Some(rate) = rate {
                let takes = Duration::from_micros(1_000 * size as u64 / rate);
                self.line_free_at = self.line_free_at.max(now) + takes;
                self.leaves_at = self.leaves_at.max(self.line_free_at + delay);
            }
            self.leaves_at += pause;
            passage.pieces.push((self.leaves_at, size));
        }
        passage
    }

    /// When the end of the stream, which arrived at `now`, leaves.
    pub(crate) fn end(&mut self, shape: &LinkShape, now: Instant) -> Instant {
        let slow: u64 = self
            .toxics(shape)
            .map(|toxic| match toxic.kind {
                ToxicKind::SlowClose { delay } => delay,
                _ => 0,
            })
            .sum();
        let delay = self.delay(shape).unwrap_or(shape.rtt / 2);
        self.leaves_at.max(now + delay) + Duration::from_millis(slow)
    }

    /// Half the round trip, and what toxics add; `None`: lost for good, the connection is reset.
    fn delay(&mut self, shape: &LinkShape) -> Option<Duration> {
        let mut delay = shape.rtt / 2;
        let toxics: Vec<&Toxic> = self.toxics(shape).collect();
        for toxic in toxics {
            match toxic.kind {
                ToxicKind::Latency { latency, jitter } => {
                    let latency = Duration::from_millis(latency);
                    let jitter = Duration::from_millis(jitter);
                    let drawn = self.draws.random_range(Duration::ZERO..=2 * jitter);
                    delay += (latency + drawn).saturating_sub(jitter);
                }
                ToxicKind::Loss {
                    stall_ratio,
                    stall,
                    reset_ratio,
                } => {
                    if self.draws.random_bool(reset_ratio) {
                        return None;
                    }
                    if self.draws.random_bool(stall_ratio) {
                        delay += Duration::from_millis(stall);
                    }
                }
                _ => {}
            }
        }
        Some(delay)
    }

    /// How many of `count` bytes the limits let through.
    fn limited(&mut self, shape: &LinkShape, count: usize, passage: &mut Passage) -> usize {
        let mut count = count;
        let limits: Vec<(u64, u64)> = self
            .toxics(shape)
            .filter_map(|toxic| match toxic.kind {
                ToxicKind::LimitData { bytes } => Some((toxic.serial, bytes)),
                _ => None,
            })
            .collect();
        for (serial, bytes) in limits {
            let passed = self.passed.entry(serial).or_insert(0);
            let left = usize::try_from(bytes.saturating_sub(*passed)).unwrap_or(usize::MAX);
            if count >= left {
                count = left;
                passage.end = Some(FlowEnd::Close);
            }
            *passed += count as u64;
        }
        count
    }

    /// Sizes of pieces, and the pause before each.
    fn sliced(
        &mut self,
        shape: &LinkShape,
        count: usize,
        rate: Option<u64>,
    ) -> Vec<(usize, Duration)> {
        let slicer = self.toxics(shape).find_map(|toxic| match toxic.kind {
            ToxicKind::Slicer {
                average_size,
                size_variation,
                delay,
            } if average_size > 0 => {
                let low = average_size.saturating_sub(size_variation).max(1);
                let high = average_size.saturating_add(size_variation);
                Some((low, high, Duration::from_micros(delay)))
            }
            _ => None,
        });
        let line_piece_ms = u64::try_from(LINE_PIECE.as_millis()).unwrap_or(u64::MAX);
        let line_max = rate.map_or(u64::MAX, |rate| rate.saturating_mul(line_piece_ms));
        let mut left = count;
        let mut pieces = Vec::new();
        while left > 0 {
            let (size, pause) = match slicer {
                None => (line_max, Duration::ZERO),
                Some((low, high, pause)) => {
                    let size = self.draws.random_range(low..=high).min(line_max);
                    (
                        size,
                        if pieces.is_empty() {
                            Duration::ZERO
                        } else {
                            pause
                        },
                    )
                }
            };
            let size = usize::try_from(size).unwrap_or(usize::MAX).min(left);
            pieces.push((size, pause));
            left -= size;
        }
        pieces
    }
}

#[cfg(test)]
mod tests;
