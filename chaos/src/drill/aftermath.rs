//! After the drill, everything healed: what was open is asked again, what was acknowledged is looked up, replicas are
//! compared.
//!
//! Owns: those questions. Must never: answer for the system; what cannot be learned stays unknown and is counted.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use holdfast_node_api::v1::ShowStatusReply;
use tokio::time::{Instant, sleep};

use super::result::{Replicas, Rpo};
use super::watch::{seconds, show_name};
use crate::buyer::{Answer, Buyer, insist};
use crate::history::{Outcome, Reading, Replica};
use crate::lab::Lab;
use crate::workload::Scene;
use crate::workload::scene::{Acknowledged, Open};

/// Questions under way at one time.
const IN_FLIGHT: usize = 16;
/// How long one question is asked over and over.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long replicas may take to agree.
const AGREE_MAX: Duration = Duration::from_secs(60);
/// Between two looks at replicas that do not agree; nobody announces it.
const POLL: Duration = Duration::from_millis(200);
/// Lines about losses; a drill that loses more has said enough.
const LOST_LINES_MAX: usize = 500;

/// What became of something that was acknowledged.
enum Fate {
    Kept,
    Lost(String),
    Unread,
}

/// Asks again, with the same key, whatever has an open outcome. How it ends is in the history.
pub(super) async fn resolve(scene: &Scene) {
    let open = scene.take_open();
    stream::iter(open.into_iter().enumerate())
        .for_each_concurrent(IN_FLIGHT, |(at, open)| ask_again(scene, at, open))
        .await;
}

async fn ask_again(scene: &Scene, at: usize, open: Open) {
    let Open {
        buyer,
        request,
        key,
        ..
    } = open;
    let buyer = through(scene, &buyer, at);
    let answer = insist(PATIENCE, || request.send(&buyer, &key)).await;
    if answer.outcome() == Outcome::Ok {
        scene.acknowledged(&buyer, &request, &answer);
    }
}

/// The same buyer at one of the gateways.
fn through(scene: &Scene, buyer: &Buyer, at: usize) -> Buyer {
    buyer.through(&scene.doors[at % scene.doors.len()].url)
}

/// Looks up every acknowledged sale and every acknowledged hold that is to be alive still.
pub(super) async fn look_up(scene: &Scene) -> Rpo {
    let (sales, holds) = scene.kept();
    let mut rpo = Rpo::default();
    let of_sales = stream::iter(sales.iter().enumerate())
        .map(|(at, sale)| sale_is_there(scene, at, sale))
        .buffer_unordered(IN_FLIGHT)
        .collect::<Vec<Fate>>()
        .await;
    let of_holds = stream::iter(holds.iter().enumerate())
        .map(|(at, hold)| hold_is_there(scene, at, hold))
        .buffer_unordered(IN_FLIGHT)
        .collect::<Vec<Fate>>()
        .await;
    rpo.acknowledged_sales = u64::try_from(of_sales.len()).unwrap_or(u64::MAX);
    rpo.acknowledged_holds = u64::try_from(of_holds.len()).unwrap_or(u64::MAX);
    for fate in of_sales.into_iter().chain(of_holds) {
        match fate {
            Fate::Kept => {}
            Fate::Unread => rpo.unread += 1,
            Fate::Lost(line) if rpo.lost.len() < LOST_LINES_MAX => rpo.lost.push(line),
            Fate::Lost(_) => {}
        }
    }
    rpo
}

async fn sale_is_there(scene: &Scene, at: usize, sale: &Acknowledged) -> Fate {
    let buyer = through(scene, &sale.buyer, at);
    let read = || buyer.read_order(&sale.id, Reading::Linearizable);
    let answer = until_read(read).await;
    let mut seats = answer.seats();
    let mut wanted = sale.seats.clone();
    seats.sort_unstable();
    wanted.sort_unstable();
    if answer.state() == "confirmed" && seats == wanted {
        Fate::Kept
    } else {
        gone(sale, &answer, "sale")
    }
}

async fn hold_is_there(scene: &Scene, at: usize, hold: &Acknowledged) -> Fate {
    let buyer = through(scene, &hold.buyer, at);
    let path = format!("/v1/holds/{}", hold.id);
    let answer = until_read(|| buyer.get(&path)).await;
    let lapsed = answer.body["now_ms"]
        .as_u64()
        .is_some_and(|now| now >= hold.expires_ms);
    match answer.state() {
        "active" => Fate::Kept,
        "expired" if lapsed => Fate::Kept,
        _ => gone(hold, &answer, "hold"),
    }
}

fn gone(what: &Acknowledged, answer: &Answer, kind: &str) -> Fate {
    if answer.status == 0 || answer.status >= 500 {
        return Fate::Unread;
    }
    Fate::Lost(format!(
        "{kind} {} of {} ({}) is {} {}",
        what.id,
        what.show,
        what.seats.join(", "),
        answer.state(),
        answer.code()
    ))
}

/// Reads until there is an answer that decides, or patience is over.
async fn until_read<F: Future<Output = Answer>>(mut read: impl FnMut() -> F) -> Answer {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = read().await;
        let decided = answer.status != 0 && answer.status < 500;
        if decided || Instant::now() >= until {
            return answer;
        }
        sleep(POLL).await;
    }
}

/// Reads every show's seats as its leader confirms them, through every gateway, into the history.
pub(super) async fn read_maps(scene: &Scene) {
    let doors = 0..scene.doors.len();
    let each = doors.flat_map(|door| scene.stalls.iter().map(move |stall| (door, stall)));
    stream::iter(each)
        .for_each_concurrent(IN_FLIGHT, |(door, stall)| async move {
            let url = &scene.doors[door].url;
            let Ok(reader) = Buyer::guest(&scene.http, url).await else {
                return;
            };
            let reader = reader.recorded(&scene.recorder);
            let seats = stall.all_seats();
            until_read(|| reader.read_seats(&stall.show, &seats, Reading::Linearizable)).await;
        })
        .await;
}

/// Waits until no replica has anything to deliver, and says in the history that there was time enough for it.
pub(super) async fn settle(lab: &Lab, scene: &Scene) {
    let until = Instant::now() + AGREE_MAX;
    for show in &lab.shows {
        while pending(lab, show.show_id).await && Instant::now() < until {
            sleep(POLL).await;
        }
    }
    scene.recorder.mark("settled", None);
}

async fn pending(lab: &Lab, show_id: u64) -> bool {
    for node in &lab.cluster.topology().nodes {
        let status = lab.status(node.id, show_id).await;
        if status.is_ok_and(|status| status.outbox_pending > 0) {
            return true;
        }
    }
    false
}

/// Waits until all replicas of every show say the same, and writes down what each said last.
pub(super) async fn compare_replicas(lab: &Lab, scene: &Scene, since_ns: u64) -> Replicas {
    let until = Instant::now() + AGREE_MAX;
    let mut result = Replicas::default();
    for show in &lab.shows {
        result.shows += 1;
        let (agreed, last) = agree(lab, show.show_id, until).await;
        if agreed {
            result.agreed += 1;
            result.took_s = Some(seconds(scene.recorder.now_ns().saturating_sub(since_ns)));
        }
        for (node, status) in last {
            result.invariant_violations += status.invariant_violations;
            scene.recorder.replica(written(show.show_id, node, &status));
        }
    }
    if result.agreed < result.shows {
        result.took_s = None;
    }
    result
}

async fn agree(lab: &Lab, show_id: u64, until: Instant) -> (bool, Vec<(u64, ShowStatusReply)>) {
    loop {
        let mut said = Vec::new();
        for node in &lab.cluster.topology().nodes {
            if let Ok(status) = lab.status(node.id, show_id).await {
                said.push((node.id.get(), status));
            }
        }
        // Who has a replica is what its replicas say.
        let mut members: Vec<u64> = said
            .iter()
            .filter_map(|(_, status)| status.group.as_ref())
            .flat_map(|group| group.voters.iter().chain(&group.learners).copied())
            .collect();
        members.sort_unstable();
        members.dedup();
        said.retain(|(node, _)| members.contains(node));
        let state = |status: &ShowStatusReply| {
            let index = status.as_of.as_ref().map(|as_of| as_of.index);
            (index, status.state_hash)
        };
        let all_said = !members.is_empty() && said.len() == members.len();
        let same = said
            .windows(2)
            .all(|pair| state(&pair[0].1) == state(&pair[1].1));
        if (all_said && same) || Instant::now() >= until {
            return (all_said && same, said);
        }
        sleep(POLL).await;
    }
}

fn written(show_id: u64, node: u64, status: &ShowStatusReply) -> Replica {
    Replica {
        t_ns: 0,
        show: show_name(show_id),
        node,
        index: status.as_of.as_ref().map_or(0, |as_of| as_of.index),
        hash: format!("{:016x}", status.state_hash),
        available: status.available,
        held: status.held,
        sold: status.sold,
        blocked: status.blocked,
        outbox_pending: status.outbox_pending,
        invariant_violations: status.invariant_violations,
    }
}
