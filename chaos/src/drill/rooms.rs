//! Waiting rooms of a drill: opened before anybody comes, looked at through every gateway, judged by figures afterwards.
//!
//! Two witnesses, neither of whom is the shard: gateways say how many are inside, and people say from when to when they were
//! inside for certain.
//!
//! Owns: those looks and the arithmetic. Must never: let anybody in.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use holdfast_node_api::queue::{LATE_START, Seed, commit, draw_key, parse_hex, parse_key};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::measure::figure;
use super::result::RoomSeen;
use super::watch::seconds;
use crate::lab::Lab;
use crate::workload::line::{Person, RoomSpec};
use crate::workload::scene::{Scene, Stall};

/// Between two looks at a room through one gateway.
const TICK: Duration = Duration::from_millis(200);
/// How long a look may take.
const LOOK_MAX: Duration = Duration::from_secs(1);
/// How long a gateway may take to hear of a room, or of the seed.
const HEARD_MAX: Duration = Duration::from_secs(20);
/// A committed entry is at every replica after so long.
const REPLICATED: Duration = Duration::from_secs(1);
/// Parts of the draw that are compared; with fewer than five people expected in each, χ² says nothing.
const DRAW_PARTS: usize = 6;

/// What gateways said of one room.
#[derive(Debug, Default, Clone)]
struct Said {
    most_inside: u64,
    threshold_falls: u64,
}

/// A room that is looked at.
#[derive(Debug)]
struct Room {
    show: String,
    spec: RoomSpec,
    /// As published before the sale.
    commit: String,
    said: Arc<Mutex<Said>>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Rooms {
    stop: CancellationToken,
    tasks: JoinSet<()>,
    rooms: Vec<Room>,
    doors: Vec<String>,
    http: reqwest::Client,
}

impl Rooms {
    /// Opens the rooms of the shows that have one, and begins to look.
    pub(super) async fn open(lab: &Lab, scene: &Scene) -> anyhow::Result<Self> {
        let mut all = Self {
            stop: CancellationToken::new(),
            tasks: JoinSet::new(),
            rooms: Vec::new(),
            doors: scene.doors.iter().map(|door| door.url.clone()).collect(),
            http: lab.http.clone(),
        };
        for stall in &scene.stalls {
            if let Some(spec) = stall.room {
                let room = all.open_one(lab, stall, spec).await?;
                all.rooms.push(room);
            }
        }
        Ok(all)
    }

    async fn open_one(&mut self, lab: &Lab, stall: &Stall, spec: RoomSpec) -> anyhow::Result<Room> {
        let RoomSpec {
            capacity,
            rate_per_min,
            prequeue_s,
            claim_window_s,
            ..
        } = spec;
        let show = stall.show.clone();
        let line = format!(
            "queue open {show} --sale-at +{} --capacity {capacity} --rate {rate_per_min} --claim-window-s {claim_window_s}",
            (prequeue_s + REPLICATED.as_secs_f64()).ceil()
        );
        lab.operate(lab.cluster.topology().nodes[0].id, &line)
            .await?;
        // A gateway that asked too early believes for five seconds that there is no room.
        sleep(REPLICATED).await;
        let mut promised = String::new();
        for door in &self.doors {
            let doors = std::slice::from_ref(door);
            let proof = self.proof(doors, &show, |proof| proof["commit"].is_string());
            let proof = proof.await;
            let proof = proof.with_context(|| format!("{door} hears of no room of {show}"))?;
            promised = proof["commit"].as_str().unwrap_or_default().to_owned();
        }
        let said = Arc::new(Mutex::new(Said::default()));
        for door in &self.doors {
            let url = format!("{door}/v1/shows/{show}/queue");
            let look = look(self.http.clone(), url, Arc::clone(&said));
            let stop = self.stop.clone();
            self.tasks.spawn(async move {
                stop.run_until_cancelled(look).await;
            });
        }
        Ok(Room {
            show,
            spec,
            commit: promised,
            said,
        })
    }

    /// The published proof, once it is as wanted at one of these gateways; `None` after a while.
    async fn proof(
        &self,
        doors: &[String],
        show: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Option<Value> {
        let until = Instant::now() + HEARD_MAX;
        while Instant::now() < until {
            for door in doors {
                let url = format!("{door}/v1/shows/{show}/queue/proof");
                let Ok(answer) = self.http.get(url).timeout(LOOK_MAX).send().await else {
                    continue;
                };
                let proof: Value = answer.json().await.unwrap_or_default();
                if wanted(&proof) {
                    return Some(proof);
                }
            }
            sleep(TICK).await;
        }
        None
    }

    /// Stops looking; what was seen, with what people say.
    pub(super) async fn end(mut self, scene: &Scene, end_s: f64) -> Vec<RoomSeen> {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        let mut seen = Vec::new();
        for room in &self.rooms {
            let mut people = scene.people.of(&room.show);
            let proof = self
                .proof(&self.doors, &room.show, |proof| proof["seed"].is_string())
                .await;
            let seed = proof.as_ref().and_then(seed_of);
            let unproven = unproven(&room.commit, proof.as_ref(), &people);
            // Who never came back has a place, too.
            for person in people.iter_mut().filter(|person| person.early) {
                person.drawn = person
                    .drawn
                    .or_else(|| seed.map(|seed| draw_key(&seed, &person.qid)));
            }
            let said = room
                .said
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            let figures = figures(room.spec, &people, end_s);
            seen.push(RoomSeen {
                show: room.show.clone(),
                most_inside_said: said.most_inside,
                threshold_falls: said.threshold_falls,
                unproven,
                ..figures
            });
        }
        seen
    }
}

/// Looks at one room through one gateway for ever.
async fn look(http: reqwest::Client, url: String, said: Arc<Mutex<Said>>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last: Option<(u64, u128)> = None;
    loop {
        ticks.tick().await;
        let Ok(answer) = http.get(&url).timeout(LOOK_MAX).send().await else {
            // Whoever starts again may begin with an older copy.
            last = None;
            continue;
        };
        let seen: Value = answer.json().await.unwrap_or_default();
        let (seq, inside) = (seen["seq"].as_u64(), seen["inside"].as_u64());
        let threshold = seen["threshold"]
            .as_str()
            .and_then(|key| parse_key(key).ok());
        let (Some(seq), Some(inside), Some(threshold)) = (seq, inside, threshold) else {
            continue;
        };
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.most_inside = said.most_inside.max(inside);
        let falls = last.is_some_and(|(before, highest)| seq >= before && threshold < highest);
        said.threshold_falls += u64::from(falls);
        last = Some((seq, threshold));
    }
}

/// Everything but what gateways said.
fn figures(spec: RoomSpec, people: &[Person], end_s: f64) -> RoomSeen {
    let count = |what: fn(&&Person) -> bool| {
        u64::try_from(people.iter().filter(what).count()).unwrap_or(u64::MAX)
    };
    let early: Vec<&Person> = people.iter().filter(|person| person.early).collect();
    let drawn: Vec<u128> = early.iter().filter_map(|person| person.drawn).collect();
    let (draw_chi_square, draw_degrees) = chi_square(&drawn);
    let came: Vec<(f64, f64)> = early
        .iter()
        .filter_map(|person| Some((seconds(person.joined_ns), key_figure(person.drawn?))))
        .collect();
    let turns: Vec<(f64, f64)> = people
        .iter()
        .filter_map(|person| Some((key_figure(person.key?), seconds(person.turn_ns?))))
        .collect();
    RoomSeen {
        capacity: spec.capacity,
        early: count(|person| person.early),
        late: count(|person| !person.early),
        absent: count(|person| person.absent),
        missed: count(|person| person.missed),
        came_in: count(|person| person.inside_ns.is_some()),
        bought: count(|person| person.bought),
        unserved: count(|person| !person.absent && person.inside_ns.is_none()),
        most_inside_sure: most_at_once(people),
        draw_chi_square,
        draw_degrees,
        draw_rank: rank_correlation(&came),
        order_rank: rank_correlation(&turns),
        standstill_s: standstill_s(people, end_s),
        ..RoomSeen::default()
    }
}

/// Keys as numbers whose order is theirs; their last digits do not matter.
#[expect(
    clippy::cast_precision_loss,
    reason = "only the order of keys far apart is used"
)]
fn key_figure(key: u128) -> f64 {
    key as f64
}

/// Most people who had a pass and had not sent their payment, at one moment.
fn most_at_once(people: &[Person]) -> u64 {
    let mut steps: Vec<(u64, i64)> = Vec::new();
    for person in people {
        // Who never paid may have left in ways that nobody told: not for certain.
        if let (Some(from), Some(to)) = (person.inside_ns, person.paying_ns) {
            steps.extend([(from, 1), (to, -1)]);
        }
    }
    // Of two at one moment the leaving counts first: for certain is for certain.
    steps.sort_unstable();
    let (mut now, mut most) = (0_i64, 0_i64);
    for (_, step) in steps {
        now += step;
        most = most.max(now);
    }
    u64::try_from(most).unwrap_or(0)
}

/// Longest time between two who got in, or until the end, while somebody who stayed had joined and was not in.
fn standstill_s(people: &[Person], end_s: f64) -> Option<f64> {
    let mut came: Vec<f64> = people
        .iter()
        .filter_map(|person| person.inside_ns)
        .map(seconds)
        .collect();
    came.sort_by(f64::total_cmp);
    let last = *came.last()?;
    let waits = people
        .iter()
        .any(|person| !person.absent && person.inside_ns.is_none());
    let tail = if waits { end_s - last } else { 0.0 };
    let gaps = came.windows(2).filter(|pair| {
        // Nobody to let in is no standstill.
        people.iter().any(|person| {
            let inside = person.inside_ns.map_or(f64::INFINITY, seconds);
            !person.absent && seconds(person.joined_ns) <= pair[0] && inside >= pair[1]
        })
    });
    Some(gaps.map(|pair| pair[1] - pair[0]).fold(tail, f64::max))
}

/// χ² over equal parts of the draw, and its degrees of freedom.
fn chi_square(keys: &[u128]) -> (Option<f64>, u64) {
    if keys.len() < 5 * DRAW_PARTS {
        return (None, 0);
    }
    let parts = u128::try_from(DRAW_PARTS).unwrap_or(1);
    let mut counts = [0_u64; DRAW_PARTS];
    for key in keys {
        let part = usize::try_from((*key).min(LATE_START - 1) * parts / LATE_START);
        counts[part.unwrap_or(0).min(DRAW_PARTS - 1)] += 1;
    }
    let all: u64 = counts.iter().sum();
    let expected = figure(all) / 6.0;
    let sum = counts
        .iter()
        .map(|count| (figure(*count) - expected).powi(2) / expected);
    (Some(sum.sum()), 5)
}

/// Spearman's, for values without ties to speak of; `None` for fewer than ten.
fn rank_correlation(pairs: &[(f64, f64)]) -> Option<f64> {
    if pairs.len() < 10 {
        return None;
    }
    let first = ranks(pairs.iter().map(|pair| pair.0).collect());
    let second = ranks(pairs.iter().map(|pair| pair.1).collect());
    let n = figure(u64::try_from(pairs.len()).ok()?);
    let squares: f64 = first
        .iter()
        .zip(&second)
        .map(|(a, b)| (a - b).powi(2))
        .sum();
    Some(1.0 - 6.0 * squares / (n * (n * n - 1.0)))
}

/// Place of each value among all.
fn ranks(values: Vec<f64>) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut rank = 0.0;
    for at in order {
        ranks[at] = rank;
        rank += 1.0;
    }
    ranks
}

fn seed_of(proof: &Value) -> Option<Seed> {
    proof["seed"].as_str().and_then(|seed| parse_hex(seed).ok())
}

/// Keys that are not what the revealed seed makes of the tickets, and promises that were not kept.
fn unproven(promised: &str, proof: Option<&Value>, people: &[Person]) -> u64 {
    let Some(proof) = proof else { return 1 };
    let Some(seed) = seed_of(proof) else { return 1 };
    let kept = proof["commit"].as_str() == Some(promised)
        && parse_hex::<32>(promised).is_ok_and(|promised| commit(&seed) == promised);
    let drawn = people.iter().filter(|person| person.early);
    let wrong = drawn.filter(|person| {
        person
            .drawn
            .is_some_and(|key| key != draw_key(&seed, &person.qid))
    });
    u64::from(!kept) + u64::try_from(wrong.count()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
