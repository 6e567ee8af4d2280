//! The rooms that somebody asks about: kept up to date, and their crowds told to the leaders.
//!
//! Owns: one cell a show, the round that visits each every second. Must never: make a buyer wait for a node when the room is
//! known, or ask a node more than once at a time for one show.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use holdfast_node_api::client::NodeClient;
use holdfast_node_api::v1::{GetRoomRequest, QueueReport};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::crowd::Crowd;
use super::room::Room;
use super::token::Signer;
use crate::app::App;
use crate::upstream::read::Freshness;
use crate::upstream::{ShowPlace, Upstream, UpstreamError};
use crate::{chance, clock};

/// Between two visits of a room.
const ROUND: Duration = Duration::from_secs(1);
/// "This show has no room" is believed for so long.
const NONE_BELIEVED: Duration = Duration::from_secs(5);
/// A room is told of, with its age, as long as nobody can be asked; then it is as if it had never been heard of.
const STALE: Duration = Duration::from_secs(600);
/// A room nobody asked about for so long is not visited any more.
const UNUSED: Duration = Duration::from_secs(600);
/// Shows known at once, with a room or without.
const SHOWS_MAX: usize = 8_192;
/// A crowd is summed up every so many rounds; a large one less often, because that costs a walk over all of it.
const REPORT_ROUNDS: u64 = 2;
const REPORT_ROUNDS_LARGE: u64 = 5;
const LARGE: u64 = 50_000;

#[derive(Debug)]
struct Heard {
    /// `None` for a show without a room.
    room: Option<Arc<Room>>,
    at: Instant,
}

/// One show's room at this gateway.
#[derive(Debug)]
pub struct Cell {
    place: RwLock<ShowPlace>,
    /// Guards a pointer; never held over an await.
    heard: RwLock<Option<Heard>>,
    /// One question at a time.
    asking: tokio::sync::Mutex<()>,
    visiting: AtomicBool,
    /// Never held over an await; held for a walk over the crowd when it is summed up.
    crowd: Mutex<Crowd>,
    used: Mutex<Instant>,
    reports: AtomicU64,
    reported: AtomicU64,
}

impl Cell {
    fn new(place: ShowPlace) -> Self {
        Self {
            place: RwLock::new(place),
            heard: RwLock::default(),
            asking: tokio::sync::Mutex::default(),
            visiting: AtomicBool::new(false),
            crowd: Mutex::default(),
            used: Mutex::new(clock::now()),
            reports: AtomicU64::new(0),
            reported: AtomicU64::new(0),
        }
    }

    /// The tickets heard of here.
    pub fn crowd(&self) -> MutexGuard<'_, Crowd> {
        self.crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The room as last heard; the outer `None` when nothing was heard, or too long ago to be told.
    fn known(&self, now: Instant) -> Option<Option<Arc<Room>>> {
        let heard = self.heard.read().unwrap_or_else(PoisonError::into_inner);
        let heard = heard.as_ref()?;
        let limit = if heard.room.is_some() {
            STALE
        } else {
            NONE_BELIEVED
        };
        (now.saturating_duration_since(heard.at) <= limit).then(|| heard.room.clone())
    }

    fn last_room(&self) -> Option<Arc<Room>> {
        let heard = self.heard.read().unwrap_or_else(PoisonError::into_inner);
        heard.as_ref().and_then(|heard| heard.room.clone())
    }

    /// Asks the nearest replica. What it says is kept unless it is older than what is known.
    async fn ask(&self, upstream: &Upstream) -> Result<(), UpstreamError> {
        let place = self.place();
        let show_id = place.show_id;
        let call = |node: NodeClient| async move {
            let request = GetRoomRequest {
                show_id,
                read: None,
            };
            node.waiting_rooms().get_room(request).await
        };
        let said = upstream.read(&place, Freshness::Near, call).await?;
        let at = clock::now();
        let room = Room::of(&said, at).map(Arc::new);
        let mut heard = self.heard.write().unwrap_or_else(PoisonError::into_inner);
        let known = heard.as_ref().and_then(|heard| heard.room.as_ref());
        // A replica that is behind takes nothing back: the threshold only grows.
        let behind = known.is_some_and(|known| room.as_ref().is_none_or(|r| r.seq < known.seq));
        let room = if behind {
            heard.take().and_then(|heard| heard.room)
        } else {
            room
        };
        *heard = Some(Heard { room, at });
        Ok(())
    }

    fn place(&self) -> ShowPlace {
        let place = self.place.read().unwrap_or_else(PoisonError::into_inner);
        place.clone()
    }

    fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = clock::now();
    }

    fn is_used(&self, now: Instant) -> bool {
        let used = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
        now.saturating_duration_since(used) < UNUSED || !self.crowd().is_empty()
    }

    /// Asks for the room and, when it is time, tells its leader about the crowd.
    async fn visit(&self, upstream: &Upstream, reporter: u64, round: u64) {
        // What could not be heard now is asked for again a second later.
        let _later = self.ask(upstream).await;
        let Some(room) = self.last_room() else {
            return;
        };
        let large = self.reported.load(Ordering::Relaxed) > LARGE;
        let rounds = if large {
            REPORT_ROUNDS_LARGE
        } else {
            REPORT_ROUNDS
        };
        if !round.is_multiple_of(rounds) {
            return;
        }
        let now_ms = clock::unix_ms();
        let (line, undrawn) = {
            let mut crowd = self.crowd();
            crowd.forget_old(now_ms);
            crowd.summary(room.seed.as_ref(), now_ms, |key| room.is_late(key, now_ms))
        };
        let alive = line.total() + undrawn;
        // An empty crowd is told once, so that the leader forgets the last one.
        if self.reported.swap(alive, Ordering::Relaxed) == 0 && alive == 0 {
            return;
        }
        let report = QueueReport {
            show_id: self.place().show_id,
            reporter,
            seq: self.reports.fetch_add(1, Ordering::Relaxed) + 1,
            line: line.to_wire(),
            undrawn,
        };
        let call = move |node: NodeClient| {
            let report = report.clone();
            async move { node.waiting_rooms().report_queue(report).await }
        };
        // The leader is asked first, then whoever might lead now. Lost reports make the line slower, and the next one mends it.
        let _lost = upstream
            .read(&self.place(), Freshness::Linearizable, call)
            .await;
    }
}

/// All rooms of this gateway.
pub struct Rooms {
    /// Signs tickets and passes.
    pub signer: Signer,
    /// This run of the gateway, as leaders know it.
    reporter: u64,
    /// Never held over an await.
    cells: Mutex<HashMap<u64, Arc<Cell>>>,
}

impl Rooms {
    /// No rooms yet.
    #[must_use]
    pub fn new(signer: Signer) -> Self {
        Self {
            signer,
            reporter: chance::draw(),
            cells: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Cell>>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cell(&self, place: &ShowPlace) -> Arc<Cell> {
        let mut cells = self.lock();
        if cells.len() >= SHOWS_MAX && !cells.contains_key(&place.show_id) {
            let now = clock::now();
            cells.retain(|_, cell| cell.last_room().is_some() && cell.is_used(now));
        }
        let cell = cells
            .entry(place.show_id)
            .or_insert_with(|| Arc::new(Cell::new(place.clone())));
        Arc::clone(cell)
    }

    /// The room of a show; from memory whenever it is known. `None` for a show without.
    ///
    /// # Errors
    /// As a read has them, when nothing is known.
    pub async fn of(
        &self,
        upstream: &Upstream,
        place: &ShowPlace,
    ) -> Result<(Arc<Cell>, Option<Arc<Room>>), UpstreamError> {
        let cell = self.cell(place);
        cell.touch();
        if let Some(known) = cell.known(clock::now()) {
            return Ok((cell, known));
        }
        let one_at_a_time = cell.asking.lock().await;
        if cell.known(clock::now()).is_none() {
            // Who stands in a newer topology is asked from now on.
            *cell.place.write().unwrap_or_else(PoisonError::into_inner) = place.clone();
            cell.ask(upstream).await?;
        }
        drop(one_at_a_time);
        let room = cell.known(clock::now()).flatten();
        Ok((cell, room))
    }

    /// The room, if it is known here without asking anybody.
    #[must_use]
    pub fn known(&self, show_id: u64) -> Option<Arc<Room>> {
        let cell = self.lock().get(&show_id).cloned()?;
        cell.known(clock::now()).flatten()
    }

    /// Cells that have a room.
    fn open(&self) -> Vec<Arc<Cell>> {
        let now = clock::now();
        let mut cells = self.lock();
        cells.retain(|_, cell| cell.is_used(now));
        let open = cells.values().filter(|cell| cell.last_room().is_some());
        open.map(Arc::clone).collect()
    }
}

/// Visits every room each second until `stop`.
pub async fn keep_visiting(app: Arc<App>, stop: CancellationToken) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let visits = TaskTracker::new();
    let mut round = 0;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = rounds.tick() => {}
        }
        round += 1;
        for cell in app.rooms.open() {
            // A visit that takes longer than a second is the only one of its room.
            if cell.visiting.swap(true, Ordering::AcqRel) {
                continue;
            }
            let app = Arc::clone(&app);
            let stop = stop.clone();
            visits.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = cell.visit(&app.upstream, app.rooms.reporter, round) => {}
                }
                cell.visiting.store(false, Ordering::Release);
            });
        }
    }
    visits.close();
    visits.wait().await;
}
