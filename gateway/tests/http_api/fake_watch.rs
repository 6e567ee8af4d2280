//! How a scripted node tells the seats of its show: everything, then what is different, and an answer to each probe.
//!
//! Owns: the stream. Must never: decide what a seat is; `fake_show` does.

use std::time::Duration;

use holdfast_node_api::v1;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tonic::{Status, Streaming};

use crate::fake_show::Shared;

/// How often the show is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Tells until the caller is gone or the script says that watches are down.
pub(crate) async fn tell(
    mut requests: Streaming<v1::WatchSeatsRequest>,
    world: Shared,
    out: mpsc::Sender<Result<v1::SeatsUpdate, Status>>,
) {
    let mut told: Option<v1::SeatsUpdate> = None;
    let mut probe = 0;
    let mut probed = false;
    let mut looks = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            request = requests.next() => match request {
                Some(Ok(request)) => (probe, probed) = (request.probe, true),
                _ => return,
            },
            _ = looks.tick() => {}
        }
        let (now, down, silent) = {
            let world = world.lock().unwrap();
            (world.everything(), world.watches_down, world.watches_silent)
        };
        if down {
            let _ = out.send(Err(Status::unavailable("scripted"))).await;
            return;
        }
        let same = told.as_ref().is_some_and(|told| {
            (&told.seats, told.as_of.map(|a| a.index)) == (&now.seats, now.as_of.map(|a| a.index))
        });
        if probe == 0 || silent || (same && !probed) {
            continue;
        }
        probed = false;
        let update = match &told {
            None => v1::SeatsUpdate {
                probe,
                ..now.clone()
            },
            Some(before) => v1::SeatsUpdate {
                probe,
                everything: false,
                seats: bytes::Bytes::new(),
                areas: vec![],
                seats_changed: changed(&before.seats, &now.seats),
                ..now.clone()
            },
        };
        told = Some(now);
        if out.send(Ok(update)).await.is_err() {
            return;
        }
    }
}

fn changed(before: &[u8], now: &[u8]) -> Vec<u32> {
    let pairs = before.iter().zip(now).zip(0_u32..);
    let different = pairs.filter(|((before, now), _)| before != now);
    different
        .map(|((_, now), seat)| seat * 4 + u32::from(*now))
        .collect()
}
