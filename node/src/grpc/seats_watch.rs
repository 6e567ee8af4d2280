//! A show's seats as a stream: everything once, then what is different.
//!
//! ```text
//!   applied index moves ─┐                          at most one update every 50 ms, the first of a burst at once
//!   probe of the caller ─┴─► read the state, compare with what was sent ─► update
//! ```
//!
//! Owns: what one watcher has been sent, and that the replica stays in memory meanwhile (a show that nobody writes to sleeps all the
//! same; answering a probe wakes nobody). Must never: queue updates: one that is not taken yet is not made yet.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use holdfast_inventory::ids::RequestId;
use holdfast_node_api::{print, v1};
use holdfast_raft::AsOf;
use tokio::{sync::OwnedSemaphorePermit, sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use super::{convert, read, read::Reading, status};

/// Watches of one node, at most: each pins one replica and keeps one byte a seat.
pub(super) const WATCHES_MAX: usize = 8_192;
/// Changes that come together go as one update. Half of what a map may be late by (docs/live-maps.md) is left for the way.
const GATHER: Duration = Duration::from_millis(50);
/// A caller that opens a watch names its show by then.
const FIRST_WAIT: Duration = Duration::from_secs(5);

/// What was read of the state, under its lock.
struct Look {
    seats: Vec<u8>,
    areas: Vec<v1::AreaState>,
    now_ms: u64,
    newest: Option<RequestId>,
    prints: Vec<u32>,
}

struct Watcher<S> {
    requests: S,
    reading: Reading,
    applied: watch::Receiver<u64>,
    stop: CancellationToken,
    /// As last sent.
    seats: Vec<u8>,
    areas: Vec<v1::AreaState>,
    newest: Option<RequestId>,
    probe: u64,
    probed_at: Instant,
    /// When the last update was made; `None` before the first.
    told_at: Option<Instant>,
    changed: bool,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

/// The first message of a watch.
pub(super) async fn first<S>(requests: &mut S) -> Result<v1::WatchSeatsRequest, Status>
where
    S: Stream<Item = Result<v1::WatchSeatsRequest, Status>> + Unpin,
{
    match tokio::time::timeout(FIRST_WAIT, requests.next()).await {
        Ok(Some(first)) => first,
        Ok(None) | Err(_) => {
            let message = "the first message names the show and comes at once";
            Err(status(Code::InvalidArgument, "invalid", message))
        }
    }
}

/// What the replica of `reading` has from now on, for a caller whose first message was `probe`; ends with the caller's stream, the replica or `stop`.
pub(super) fn updates<S>(
    requests: S,
    probe: u64,
    reading: Reading,
    place: OwnedSemaphorePermit,
    stop: CancellationToken,
) -> impl Stream<Item = Result<v1::SeatsUpdate, Status>> + Send
where
    S: Stream<Item = Result<v1::WatchSeatsRequest, Status>> + Unpin + Send,
{
    let watcher = Watcher {
        requests,
        applied: reading.group.applied(),
        reading,
        stop,
        seats: Vec::new(),
        areas: Vec::new(),
        newest: None,
        probe,
        probed_at: Instant::now(),
        told_at: None,
        changed: true,
        ended: false,
        _place: place,
    };
    stream::unfold(watcher, |mut watcher| async move {
        let update = watcher.next().await?;
        watcher.ended = update.is_err();
        Some((update, watcher))
    })
}

impl<S> Watcher<S>
where
    S: Stream<Item = Result<v1::WatchSeatsRequest, Status>> + Unpin,
{
    async fn next(&mut self) -> Option<Result<v1::SeatsUpdate, Status>> {
        if self.ended {
            return None;
        }
        loop {
            let due = self
                .told_at
                .map_or_else(Instant::now, |told_at| told_at + GATHER);
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Some(Err(going("the node stops"))),
                () = self.reading.group.closed() => return Some(Err(going("the replica goes away"))),
                request = self.requests.next(), if self.told_at.is_some() => match request {
                    Some(Ok(request)) => {
                        self.probe = request.probe;
                        self.probed_at = Instant::now();
                        return Some(self.update());
                    }
                    Some(Err(_)) | None => return None,
                },
                () = tokio::time::sleep_until(due), if self.changed => return Some(self.update()),
                changed = self.applied.changed(), if !self.changed => match changed {
                    Ok(()) => self.changed = true,
                    Err(_) => return Some(Err(going("the replica goes away"))),
                },
            }
        }
    }

    fn update(&mut self) -> Result<v1::SeatsUpdate, Status> {
        self.changed = false;
        self.applied.borrow_and_update();
        let (look, as_of) = self.look();
        #[cfg(feature = "sabotage")]
        let as_of = crate::sabotage::as_if_fresh(as_of);
        let Some(look) = look else {
            let show = self.reading.group.show_id();
            let message = format!("show {show} is being set up");
            return Err(status(Code::Unavailable, "not_ready", message));
        };
        let everything = self.told_at.is_none();
        let now = Instant::now();
        let mut update = v1::SeatsUpdate {
            as_of: Some(convert::as_of(as_of, false)),
            now_ms: look.now_ms,
            probe: self.probe,
            probe_ms: u64::try_from((now - self.probed_at).as_millis()).unwrap_or(u64::MAX),
            prints: look.prints,
            everything,
            ..v1::SeatsUpdate::default()
        };
        if everything {
            update.seats = look.seats.clone().into();
            update.areas.clone_from(&look.areas);
        } else {
            update.seats_changed = seats_changed(&self.seats, &look.seats);
            update.areas_changed = areas_changed(&self.areas, &look.areas);
        }
        self.told_at = Some(now);
        self.seats = look.seats;
        self.areas = look.areas;
        self.newest = look.newest;
        Ok(update)
    }

    /// `None` while the show is being set up.
    fn look(&self) -> (Option<Look>, AsOf) {
        let last = self.newest;
        self.reading.group.read(|state| {
            state.is_set_up().then(|| {
                let mut newest = None;
                let mut prints = Vec::new();
                for (request, holds) in state.requests_newer_than(last) {
                    newest.get_or_insert(request);
                    if holds {
                        prints.push(print::of(&request));
                    }
                }
                let areas = state.area_states().map(|area| v1::AreaState {
                    available: area.available,
                    held: area.held,
                    sold: area.sold,
                    blocked: area.blocked,
                });
                Look {
                    seats: state.seat_codes().collect(),
                    areas: areas.collect(),
                    now_ms: state.clock_ms(),
                    newest: newest.or(last),
                    prints,
                }
            })
        })
    }
}

/// Waits until the replica has what the caller has, and takes it for the watch.
pub(super) async fn caught_up(reading: &Reading, from_index: u64) -> Result<(), Status> {
    let options = v1::ReadOptions {
        at_least_index: from_index,
        ..v1::ReadOptions::default()
    };
    read::wait(&reading.group, Some(&options)).await.map(|_| ())
}

/// A watch that no node has room for.
pub(super) fn full() -> Status {
    let message = format!("this node has {WATCHES_MAX} watches");
    status(Code::ResourceExhausted, "overloaded", message)
}

fn going(why: &str) -> Status {
    status(
        Code::Unavailable,
        "stopped",
        format!("{why}: watch another replica"),
    )
}

fn seats_changed(before: &[u8], now: &[u8]) -> Vec<u32> {
    let pairs = before.iter().zip(now).zip(0_u32..);
    pairs
        .filter(|((before, now), _)| before != now)
        .map(|((_, now), seat)| seat << 2 | u32::from(*now & 3))
        .collect()
}

fn areas_changed(before: &[v1::AreaState], now: &[v1::AreaState]) -> Vec<v1::AreaChange> {
    let pairs = before.iter().zip(now).zip(0_u32..);
    pairs
        .filter(|((before, now), _)| before != now)
        .map(|((_, now), area)| v1::AreaChange {
            area,
            state: Some(*now),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_told_with_its_state() {
        assert_eq!(seats_changed(&[0, 1, 2, 0], &[1, 1, 2, 3]), [1, 3 << 2 | 3]);
        let area = |available| v1::AreaState {
            available,
            ..v1::AreaState::default()
        };
        let changed = areas_changed(&[area(5), area(6)], &[area(5), area(4)]);
        assert_eq!((changed.len(), changed[0].area), (1, 1));
    }
}
