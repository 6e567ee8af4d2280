//! Who sells the same seats: Holdfast, and what others would use for it.
//!
//! Owns: the trait that all are measured through, so that none gets another loop. Must never: tune one and not the
//! others.

pub(super) mod etcd;
pub(super) mod holdfast;
pub(super) mod postgres;
pub(super) mod program;
pub(super) mod redis;

use std::time::Duration;

use clap::ValueEnum;

use super::attempt::{Seller, Size, Tally, closed_loop};
use super::usage::Usage;

/// Shows of one point at most, however fast the machine.
const SHOWS_MAX: usize = 60;

/// A foreign system to be measured beside Holdfast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Against {
    /// Three etcd processes; one transaction a hold.
    Etcd,
    /// One Redis that fsyncs its append-only file before every answer; a Lua script a hold. Not replicated.
    Redis,
    /// One PostgreSQL, synchronous commit; `UPDATE ... WHERE status = 'free'` in a transaction. Not replicated.
    Postgres,
    /// The same with two standbys of which one must have flushed.
    PostgresSync,
}

impl Against {
    /// As in `ratio_NAME`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Redis => "redis",
            Self::Postgres => "postgres",
            Self::PostgresSync => "postgres_sync",
        }
    }

    /// Whether its programs are there.
    ///
    /// # Errors
    /// When not; the text says what to install.
    pub fn installed(self) -> anyhow::Result<()> {
        match self {
            Self::Etcd => program::find("etcd", "etcd-server").map(drop),
            Self::Redis => program::find("redis-server", "redis-server").map(drop),
            Self::Postgres | Self::PostgresSync => postgres::installed(),
        }
    }

    /// What the design promises of Holdfast's rate over this one's.
    pub(super) const fn target(self) -> Option<&'static str> {
        match self {
            Self::Etcd => Some(">= 30"),
            Self::Redis => Some(">= 1"),
            Self::Postgres | Self::PostgresSync => None,
        }
    }
}

/// A running system that can sell one show after the other.
pub(super) trait Contender {
    /// One client of it.
    type Seller: Seller;

    /// Puts a fresh show of that many seats on sale and gives its number. Not timed.
    async fn open_show(&mut self, seats: u32) -> anyhow::Result<u64>;

    /// Connected clients for a show. Not timed.
    async fn sellers(&mut self, show: u64, clients: usize) -> anyhow::Result<Vec<Self::Seller>>;

    /// Ends every process and removes every file.
    async fn stop(self);
}

/// One closed loop at one number of clients.
#[derive(Debug)]
pub(super) struct Point {
    pub(super) clients: usize,
    pub(super) tally: Tally,
    /// Processor time of the generator over the timed parts.
    pub(super) generator_cpu: Duration,
}

impl Point {
    /// Attempts a second.
    pub(super) fn rate(&self) -> f64 {
        super::stats::figure(self.tally.attempts) / self.tally.took.as_secs_f64()
    }
}

/// Whole shows with `clients` in a closed loop, until `at_least` was spent in them.
pub(super) async fn whole_shows<C: Contender>(
    contender: &mut C,
    clients: usize,
    size: Size,
    at_least: Duration,
) -> anyhow::Result<Point> {
    let mut tally = Tally::default();
    let mut generator_cpu = Duration::ZERO;
    for _ in 0..SHOWS_MAX {
        let show = contender.open_show(size.seats).await?;
        let sellers = contender.sellers(show, clients).await?;
        let before = Usage::own()?.cpu;
        tally.add(closed_loop(sellers, show, size).await?);
        generator_cpu += Usage::own()?.cpu.saturating_sub(before);
        if tally.took >= at_least {
            break;
        }
    }
    Ok(Point {
        clients,
        tally,
        generator_cpu,
    })
}
