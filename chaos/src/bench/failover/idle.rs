//! When idle shows take a write again.
//!
//! Up to [`ALL_AT_ONCE`] shows are each written to over and over until a survivor acknowledges. With more, that would make
//! busy shows of all of them, and the figure one of a different thing: there the survivors are asked which shows they lead,
//! every [`LOOK_PAUSE`], and each show that one of them leads is then written to, a few at a time. If the leader takes that
//! write when it is first asked, the show has recovered when its leader was seen, else when the write was acknowledged. A show
//! whose turn to be written to comes late has not recovered later for it.
//!
//! Owns: that every show counts as recovered by an acknowledged write, never by a node's word alone. Must never: report a time
//! that is too short.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::stream::{self, FuturesUnordered, StreamExt};
use holdfast_node_api::client::NodeClient;
use holdfast_region_config::NodeId;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::super::elections::each_group;
use super::{RECOVERED_MAX, Scene, figure, place_hold};
use crate::bench::shows::Made;
use crate::lab::Lab;

/// As many shows can be written to at once without being what the machine is busy with.
const ALL_AT_ONCE: usize = 2_000;
/// Writes to idle shows a second, over all shows.
const PROBES_PER_S: u64 = 10_000;
/// Time between two looks at who leads.
const LOOK_PAUSE: Duration = Duration::from_millis(500);
/// Shows that are written to at a time once they are led: each stays awake for ten seconds on every survivor, and proving
/// ten thousand as fast as it goes would be the load that is measured.
const WRITTEN_AT_A_TIME: usize = 32;

/// What the proving write may take, however late its turn comes; its leader may have to be woken for it, over an ocean.
const PROOF_LIMIT: Duration = Duration::from_secs(5);

/// Where each show is led, and since when that is known.
type Led = BTreeMap<u64, (NodeId, Instant)>;

/// How idle shows are looked at, for the report.
pub(super) fn how(shows: u32) -> String {
    if shows as usize > ALL_AT_ONCE {
        return format!(
            "seen led every {LOOK_PAUSE:?}, then written to, {WRITTEN_AT_A_TIME} at a time"
        );
    }
    format!("each written to every {:?}", pause(shows as usize))
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
    if scene.idle.len() <= ALL_AT_ONCE {
        return write_to_all(scene, lost_at).await;
    }
    let until = lost_at + RECOVERED_MAX;
    let led = watch::Sender::new(Led::new());
    let looking = look(survivors, &led, scene.idle.len(), until);
    let (times, ()) = tokio::join!(write_to_led(scene, &led, lost_at), looking);
    times
}

/// Time between two writes to one show.
fn pause(shows: usize) -> Duration {
    let millis = shows as u64 * 1_000 / PROBES_PER_S;
    Duration::from_millis(millis.clamp(50, 1_000))
}

async fn write_to_all(scene: &Scene, lost_at: Instant) -> anyhow::Result<Vec<f64>> {
    let count = scene.idle.len().max(1);
    let pause = pause(count);
    let until = lost_at + RECOVERED_MAX;
    let probes = scene
        .idle
        .iter()
        .enumerate()
        .map(|(number, show)| async move {
            // Spread over one pause, or all shows would be asked in the same instant, over and over.
            sleep(pause.mul_f64(figure(number as u64) / figure(count as u64))).await;
            let request = place_hold(show.show_id, vec![0], 2, "probe");
            let written = scene
                .writer
                .write(&request, show.leader, pause, until)
                .await?;
            let recovered = written.map_or(RECOVERED_MAX, |w| w.at.duration_since(lost_at));
            anyhow::Ok(recovered.as_secs_f64())
        });
    let mut probes = stream::iter(probes).buffer_unordered(count);
    let mut times = Vec::with_capacity(count);
    while let Some(time) = probes.next().await {
        times.push(time?);
    }
    Ok(times)
}

/// Notes which shows the survivors lead until they lead `count`, or until `until`.
async fn look(
    survivors: &[(NodeId, NodeClient)],
    led: &watch::Sender<Led>,
    count: usize,
    until: Instant,
) {
    while led.borrow().len() < count && Instant::now() < until {
        let mut seen = Vec::new();
        for (node, client) in survivors {
            // Its own word: only the leader knows that it may acknowledge writes.
            let asked = each_group(client, |group| {
                if group.leader == node.get() && group.show_id != 0 {
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
        sleep(LOOK_PAUSE).await;
    }
}

async fn write_to_led(
    scene: &Scene,
    led: &watch::Sender<Led>,
    lost_at: Instant,
) -> anyhow::Result<Vec<f64>> {
    let until = lost_at + RECOVERED_MAX;
    let mut waiting: BTreeMap<u64, &Made> = scene.idle.iter().map(|s| (s.show_id, s)).collect();
    let mut times = Vec::with_capacity(waiting.len());
    let mut news = led.subscribe();
    // One show that takes no write must not keep the others from being written to.
    let turns = Semaphore::new(WRITTEN_AT_A_TIME);
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
                prove(scene, show, node, seen_at, lost_at).await
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
    times.extend(waiting.iter().map(|_| RECOVERED_MAX.as_secs_f64()));
    Ok(times)
}

/// Writes to a show that `leader` was seen to lead.
async fn prove(
    scene: &Scene,
    show: u64,
    leader: NodeId,
    seen_at: Instant,
    lost_at: Instant,
) -> anyhow::Result<f64> {
    let request = place_hold(show, vec![0], 2, "probe");
    // Who waits for its turn to be written to has recovered all the same.
    let until = (Instant::now() + PROOF_LIMIT).max(lost_at + RECOVERED_MAX);
    let written = scene
        .writer
        .write(&request, leader, LOOK_PAUSE, until)
        .await?;
    let recovered = match written {
        Some(written) if written.by == leader && written.asked == 1 => seen_at,
        Some(written) => written.at,
        None => lost_at + RECOVERED_MAX,
    };
    Ok(recovered.duration_since(lost_at).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probing_costs_the_same_however_many_shows_there_are() {
        assert_eq!(pause(10), Duration::from_millis(50));
        assert_eq!(pause(1_000), Duration::from_millis(100));
        assert_eq!(pause(10_000), Duration::from_secs(1));
    }
}
