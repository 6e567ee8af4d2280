//! The bench of a hold on one hot show: closed loop, open loop, through HTTP; or beside other systems.
//!
//! Owns: which points are measured in which order. Must never: compare figures that were not taken in turns.

use std::path::PathBuf;
use std::time::Duration;

use super::attempt::Size;
use super::contender::etcd::Etcd;
use super::contender::holdfast::Holdfast;
use super::contender::postgres::Postgres;
use super::contender::redis::Redis;
use super::contender::{Against, Contender, Point, whole_shows};
use super::report::{Measurement, Report};
use super::stats::{figure, median};
use super::{HoldArgs, http, open};

/// Points of one system over all rounds: by number of clients, one rate a round.
struct Rounds {
    name: &'static str,
    points: Vec<Vec<Point>>,
}

pub(super) async fn run(args: HoldArgs) -> anyhow::Result<Report> {
    let dir = args.bench.bin_dir()?;
    if args.against.is_empty() {
        let results = alone(&args, dir.clone()).await?;
        return Ok(Report::new("hold", &dir, results));
    }
    beside(&args, dir).await
}

const fn size(args: &HoldArgs) -> Size {
    Size {
        seats: args.seats,
        attempts: args.attempts,
    }
}

/// Every kind of point, Holdfast by itself.
async fn alone(args: &HoldArgs, bin_dir: PathBuf) -> anyhow::Result<Vec<Measurement>> {
    let mut holdfast = Holdfast::start(bin_dir).await?;
    let at_least = Duration::from_secs(args.seconds);
    let clients = args.clients.clone();
    let clients = clients.unwrap_or_else(|| vec![1, 16, 64, 256, 1_024]);
    let mut results = Vec::new();
    for &clients in &clients {
        eprintln!("... closed loop, {clients} clients");
        let before = holdfast.counted().await?;
        let mut point = whole_shows(&mut holdfast, clients, size(args), at_least).await?;
        let cost = holdfast.counted().await?.cost(&before, &point);
        let prefix = format!("closed.{clients}_clients");
        results.extend(measurements(&prefix, &mut point));
        results.extend(cost.into_iter().map(|m| Measurement {
            name: format!("{prefix}.{}", m.name),
            ..m
        }));
    }
    for &rate in &args.rates {
        eprintln!("... open loop, {rate} attempts/s");
        results.extend(open::measure(&mut holdfast, size(args), rate, at_least).await?);
    }
    if !args.no_http {
        for &clients in clients.iter().filter(|n| (16..=256).contains(*n)) {
            eprintln!("... http at the gateway, {clients} clients");
            results.extend(http::measure(&mut holdfast, clients, size(args), at_least).await?);
        }
    }
    holdfast.stop().await;
    Ok(results)
}

fn measurements(prefix: &str, point: &mut Point) -> Vec<Measurement> {
    let took_s = point.tally.took.as_secs_f64();
    let mut results = vec![
        Measurement::new(
            format!("{prefix}.attempts_rate"),
            point.rate(),
            "attempts/s",
        ),
        Measurement::new(
            format!("{prefix}.holds_rate"),
            figure(point.tally.holds) / took_s,
            "holds/s",
        ),
        Measurement::new(
            format!("{prefix}.generator_cores"),
            point.generator_cpu.as_secs_f64() / took_s,
            "cores",
        ),
    ];
    results.extend(point.tally.times.quantiles().measurements(prefix));
    results
}

/// Holdfast and the others in turns, each started for its turn and ended after it: none runs beside another.
async fn beside(args: &HoldArgs, dir: PathBuf) -> anyhow::Result<Report> {
    let mut report = Report::new("hold", &dir, Vec::new());
    let mut ours = Rounds::new("holdfast");
    let mut theirs: Vec<(Against, Rounds)> = args
        .against
        .iter()
        .map(|against| (*against, Rounds::new(against.name())))
        .collect();
    let mut missing = Vec::new();
    for round in 1..=args.rounds {
        eprintln!("... round {round} of {}: holdfast", args.rounds);
        ours.add(turn(Holdfast::start(dir.clone()).await?, args).await?);
        for (against, rounds) in &mut theirs {
            if missing.contains(against) {
                continue;
            }
            eprintln!("... round {round} of {}: {}", args.rounds, rounds.name);
            match their_turn(*against, args).await {
                Ok((points, version)) => {
                    if round == 1 {
                        report.peers.push(version);
                    }
                    rounds.add(points);
                }
                // One that is not installed is left out; what fails later is a failure.
                Err(error) if round == 1 && error.is::<NotInstalled>() => {
                    let note = format!("{} left out: {error:#}", rounds.name);
                    eprintln!("holdfast-chaos: {note}");
                    report.notes.push(note);
                    missing.push(*against);
                }
                Err(error) => return Err(error.context(rounds.name)),
            }
        }
    }
    report.results.extend(ours.measurements());
    for (against, rounds) in &mut theirs {
        report.results.extend(rounds.measurements());
        report.results.extend(ratios(*against, &ours, rounds));
    }
    report.machine = super::report::Machine::here(&dir);
    Ok(report)
}

/// A program that the comparison needs is not there.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
struct NotInstalled(anyhow::Error);

async fn their_turn(against: Against, args: &HoldArgs) -> anyhow::Result<(Vec<Point>, String)> {
    against.installed().map_err(NotInstalled)?;
    Ok(match against {
        Against::Etcd => {
            let (etcd, version) = Etcd::start().await?;
            (turn(etcd, args).await?, version)
        }
        Against::Redis => {
            let (redis, version) = Redis::start().await?;
            (turn(redis, args).await?, version)
        }
        Against::Postgres | Against::PostgresSync => {
            let standbys = against == Against::PostgresSync;
            let (postgres, version) = Postgres::start(standbys).await?;
            (turn(postgres, args).await?, version)
        }
    })
}

/// One point for each number of clients, on a system that is ended afterwards.
async fn turn<C: Contender>(mut contender: C, args: &HoldArgs) -> anyhow::Result<Vec<Point>> {
    let at_least = Duration::from_secs(args.seconds);
    let mut points = Vec::new();
    for &clients in args.clients.as_deref().unwrap_or(&[64, 256]) {
        points.push(whole_shows(&mut contender, clients, size(args), at_least).await?);
    }
    contender.stop().await;
    Ok(points)
}

impl Rounds {
    const fn new(name: &'static str) -> Self {
        Self {
            name,
            points: Vec::new(),
        }
    }

    fn add(&mut self, round: Vec<Point>) {
        self.points.resize_with(round.len(), Vec::new);
        for (all, point) in self.points.iter_mut().zip(round) {
            all.push(point);
        }
    }

    /// For each number of clients the median rate of all rounds.
    fn rates(&self) -> Vec<(usize, f64)> {
        let rate = |points: &Vec<Point>| {
            let mut rates: Vec<f64> = points.iter().map(Point::rate).collect();
            (points[0].clients, median(&mut rates))
        };
        self.points.iter().map(rate).collect()
    }

    /// The round in the middle of each point, by rate.
    fn measurements(&mut self) -> Vec<Measurement> {
        let mut results = Vec::new();
        for points in &mut self.points {
            points.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
            let (least, most) = (points[0].rate(), points[points.len() - 1].rate());
            let middle = (points.len() - 1) / 2;
            let prefix = format!("{}.{}_clients", self.name, points[middle].clients);
            results.extend(measurements(&prefix, &mut points[middle]));
            for (name, rate) in [("attempts_rate_min", least), ("attempts_rate_max", most)] {
                let name = format!("{prefix}.{name}");
                results.push(Measurement::new(name, rate, "attempts/s"));
            }
        }
        results
    }
}

/// Our rate over theirs: at each number of clients, and each at its best number of clients.
fn ratios(against: Against, ours: &Rounds, theirs: &Rounds) -> Vec<Measurement> {
    let name = against.name();
    let (mine, other) = (ours.rates(), theirs.rates());
    let best = |rates: &[(usize, f64)]| rates.iter().map(|r| r.1).fold(f64::NAN, f64::max);
    let overall = best(&mine) / best(&other);
    let mut all = vec![Measurement::new(format!("ratio_{name}"), overall, "x")];
    if let Some(target) = against.target() {
        all = all.into_iter().map(|m| m.against(target)).collect();
    }
    all.extend(
        mine.iter()
            .zip(&other)
            .map(|((clients, mine), (_, other))| {
                let name = format!("ratio_{name}.{clients}_clients");
                Measurement::new(name, mine / other, "x")
            }),
    );
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::attempt::Tally;

    fn rounds(name: &'static str, rates: &[[u64; 2]]) -> Rounds {
        let mut rounds = Rounds::new(name);
        for round in rates {
            let points = round.iter().zip([64, 256]).map(|(rate, clients)| Point {
                clients,
                tally: Tally {
                    attempts: *rate,
                    took: Duration::from_secs(1),
                    ..Tally::default()
                },
                generator_cpu: Duration::ZERO,
            });
            rounds.add(points.collect());
        }
        rounds
    }

    #[test]
    fn a_ratio_is_of_medians_each_at_its_best_number_of_clients() {
        let ours = rounds("holdfast", &[[90, 300], [100, 200], [900, 310]]);
        let theirs = rounds("etcd", &[[10, 5], [9, 5], [11, 5]]);
        let ratios = ratios(Against::Etcd, &ours, &theirs);
        let of = |name: &str| ratios.iter().find(|m| m.name == name).unwrap();
        assert_eq!(of("ratio_etcd").value, 30.0);
        assert_eq!(of("ratio_etcd").target.as_deref(), Some(">= 30"));
        assert_eq!(of("ratio_etcd.64_clients").value, 10.0);
        assert_eq!(of("ratio_etcd.256_clients").value, 60.0);
    }

    #[test]
    fn without_the_other_system_its_ratio_is_there_and_has_no_value() {
        let ours = rounds("holdfast", &[[90, 300]]);
        let ratios = ratios(Against::Redis, &ours, &Rounds::new("redis"));
        assert_eq!(ratios.len(), 1);
        assert!(serde_json::to_value(&ratios[0]).unwrap()["value"].is_null());
    }
}
