//! When idle shows take a write again.
//!
//! The survivors are asked which shows they lead, and each show that one of them leads is then written to: whoever wrote to all
//! of them over and over would make busy shows of them, keep both survivors busy, and measure that. Up to [`ALL_AT_ONCE`] shows
//! are written to as soon as they are led, and have recovered when that write is acknowledged. With more, a few are written to at
//! a time, and how long the write took is added to when the leader was seen: a show whose turn to be written to comes late has not
//! recovered later for it, and one that keeps its writer waiting has.
//!
//! Owns: that every show counts as recovered by an acknowledged write, never by a node's word alone. Must never: leave out what a
//! write had to wait for once it was asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use holdfast_node_api::client::NodeClient;
use holdfast_node_api::refs::ShowRef;
use holdfast_region_config::NodeId;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::super::elections::each_group;
use super::{RECOVERED_MAX, Scene, place_hold};
use crate::bench::shows::Made;
use crate::lab::Lab;

/// As many shows can be written to at once without being what the machine is busy with.
const ALL_AT_ONCE: usize = 2_000;
/// Time between two looks at who leads so many.
const LOOK_PAUSE_FEW: Duration = Duration::from_millis(50);
/// And of more: each look asks for all of them.
const LOOK_PAUSE: Duration = Duration::from_millis(500);
/// Shows that are written to at a time once they are led: each stays awake for ten seconds on every survivor, and proving
/// ten thousand as fast as it goes would be the load that is measured.
const WRITTEN_AT_A_TIME: usize = 32;

/// What the proving write may take, however late its turn comes; its leader may have to be woken for it, over an ocean.
const PROOF_LIMIT: Duration = Duration::from_secs(5);

/// Where each show is led, and since when that is known.
type Led = BTreeMap<u64, (NodeId, Instant)>;

/// How so many idle shows are looked at.
#[derive(Debug, Clone, Copy)]
struct Way {
    look_pause: Duration,
    at_a_time: usize,
    /// The time that a show waited for its turn to be written to does not count.
    without_turn: bool,
}

impl Way {
    const fn of(shows: usize) -> Self {
        if shows > ALL_AT_ONCE {
            return Self {
                look_pause: LOOK_PAUSE,
                at_a_time: WRITTEN_AT_A_TIME,
                without_turn: true,
            };
        }
        Self {
            look_pause: LOOK_PAUSE_FEW,
            at_a_time: ALL_AT_ONCE,
            without_turn: false,
        }
    }
}

/// How idle shows are looked at, for the report.
pub(super) fn how(shows: u32) -> String {
    let way = Way::of(shows as usize);
    let counts = match way.without_turn {
        true => "when their leader was seen and as long after it as that took",
        false => "when that was acknowledged",
    };
    let (pause, at_a_time) = (way.look_pause, way.at_a_time);
    format!(
        "looked for every {pause:?}, written to when led, at most {at_a_time} at a time, recovered {counts}"
    )
}

/// Clients of the nodes that stay.
pub(super) fn survivors(
    lab: &Lab,
    victims: &BTreeSet<NodeId>,
) -> anyhow::Result<Vec<(NodeId, NodeClient)>> {
    let nodes = lab.cluster.topology().nodes.iter().map(|node| node.id);
    let stay = nodes.filter(|node| !victims.contains(node));
    stay.map(|node| Ok((node, lab.node(node)?))).collect()
}

/// Seconds from the loss until each idle show took a write.
pub(super) async fn probe(
    scene: &Scene,
    survivors: &[(NodeId, NodeClient)],
    lost_at: Instant,
) -> anyhow::Result<Vec<f64>> {
    let way = Way::of(scene.idle.len());
    let until = lost_at + RECOVERED_MAX;
    let led = watch::Sender::new(Led::new());
    let idle: BTreeSet<u64> = scene.idle.iter().map(|show| show.show_id).collect();
    let looking = look(survivors, &led, &idle, way.look_pause, until);
    let (times, ()) = tokio::join!(write_to_led(scene, &led, way, lost_at), looking);
    times
}

/// Notes which of the `idle` shows the survivors lead until they lead all, or until `until`.
async fn look(
    survivors: &[(NodeId, NodeClient)],
    led: &watch::Sender<Led>,
    idle: &BTreeSet<u64>,
    pause: Duration,
    until: Instant,
) {
    while led.borrow().len() < idle.len() && Instant::now() < until {
        let mut seen = Vec::new();
        for (node, client) in survivors {
            // Its own word: only the leader knows that it may acknowledge writes.
            let asked = each_group(client, |group| {
                if group.leader == node.get() && idle.contains(&group.show_id) {
                    seen.push((group.show_id, *node));
                }
            });
            // One that does not answer in time is asked again.
            let _ = timeout_at(until, asked).await;
        }
        let now = Instant::now();
        led.send_modify(|led| {
            for (show, node) in seen {
                led.entry(show).or_insert((node, now));
            }
        });
        sleep(pause).await;
    }
}

async fn write_to_led(
    scene: &Scene,
    led: &watch::Sender<Led>,
    way: Way,
    lost_at: Instant,
) -> anyhow::Result<Vec<f64>> {
    let until = lost_at + RECOVERED_MAX;
    let mut waiting: BTreeMap<u64, &Made> = scene.idle.iter().map(|s| (s.show_id, s)).collect();
    let mut times = Vec::with_capacity(waiting.len());
    let mut news = led.subscribe();
    // One show that takes no write must not keep the others from being written to.
    let turns = Semaphore::new(way.at_a_time);
    let mut writes = FuturesUnordered::new();
    while !waiting.is_empty() {
        let ready: Vec<(u64, NodeId, Instant)> = {
            let led = news.borrow_and_update();
            let ready = waiting.keys().filter_map(|show| {
                let (node, at) = led.get(show)?;
                Some((*show, *node, *at))
            });
            ready.collect()
        };
        for (show, node, seen_at) in ready {
            waiting.remove(&show);
            let turns = &turns;
            writes.push(async move {
                let _turn = turns.acquire().await?;
                prove(scene, show, node, seen_at, way, lost_at).await
            });
        }
        tokio::select! {
            Some(time) = writes.next() => times.push(time?),
            news = timeout_at(until, news.changed()) => if news.is_err() { break },
        }
    }
    while let Some(time) = writes.next().await {
        times.push(time?);
    }
    for show in waiting.keys() {
        eprintln!("... {} was seen led by no survivor", ShowRef(*show));
        times.push(RECOVERED_MAX.as_secs_f64());
    }
    Ok(times)
}

/// Writes to a show that `leader` was seen to lead.
async fn prove(
    scene: &Scene,
    show: u64,
    leader: NodeId,
    seen_at: Instant,
    way: Way,
    lost_at: Instant,
) -> anyhow::Result<f64> {
    let request = place_hold(show, vec![0], 2, "probe");
    let asked_at = Instant::now();
    let until = (asked_at + PROOF_LIMIT).max(lost_at + RECOVERED_MAX);
    let written = scene
        .writer
        .write(&request, leader, way.look_pause, until)
        .await?;
    let recovered = match written {
        Some(written) if way.without_turn => seen_at + written.at.duration_since(asked_at),
        Some(written) => written.at,
        None => {
            eprintln!("... {} is led by {leader} and took no write", ShowRef(show));
            lost_at + RECOVERED_MAX
        }
    };
    Ok(recovered.duration_since(lost_at).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_shows_are_not_made_busy_by_being_looked_at() {
        let (few, many) = (Way::of(1_000), Way::of(10_000));
        assert!(!few.without_turn && few.at_a_time >= 1_000);
        assert!(many.without_turn && many.at_a_time < 100);
        assert!(few.look_pause < many.look_pause);
    }
}
