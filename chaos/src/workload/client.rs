//! One client: a browser with a home gateway, which asks again with the same key, and elsewhere when nobody is there.
//!
//! Owns: when it asks whom. Must never: change the key of a request, or take silence for a no.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use rand::rngs::StdRng;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::request::Request;
use super::scene::{Open, Scene, Stall};
use crate::buyer::{Answer, Buyer};
use crate::history::{Outcome, Reading};

/// How long a client insists on one answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Pause before it asks again.
const AGAIN: Duration = Duration::from_millis(150);
/// How long it waits for one answer, where it is not told otherwise: as long as a gateway may take.
const TRY_MAX: Duration = Duration::from_secs(20);

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(super) scene: Arc<Scene>,
    /// Lane in the history: `rush/3`.
    pub(super) name: String,
    /// Place of its own gateway.
    home: usize,
    /// Place of the gateway that it asks now.
    door: usize,
    pub(super) random: StdRng,
    buyer: Option<Buyer>,
    /// Requests so far: a key of its own for each.
    asked: u64,
    /// How long it waits for one answer.
    pub(super) try_max: Duration,
    pub(super) patience: Duration,
    /// Whether its tries are counted among those of users.
    pub(super) counted: bool,
    /// When the workload ends.
    stop: watch::Receiver<bool>,
}

impl Client {
    pub(super) fn new(
        scene: Arc<Scene>,
        name: String,
        home: usize,
        random: StdRng,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            scene,
            name,
            home,
            door: home,
            random,
            buyer: None,
            asked: 0,
            try_max: TRY_MAX,
            patience: PATIENCE,
            counted: true,
            stop,
        }
    }

    /// Whether the workload is to end.
    pub(super) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Thinks for a while, unless the workload ends.
    pub(super) async fn think(&mut self, how_long: Duration) {
        let _ = timeout(how_long, self.stop.wait_for(|stop| *stop)).await;
    }

    /// Turns to its own gateway again, whatever became of it before.
    pub(super) fn go_home(&mut self) {
        self.enter(self.home);
    }

    /// Who it is, as a new guest if need be; `None` when no gateway takes guests.
    pub(super) async fn guest(&mut self) -> Option<Buyer> {
        if let Some(buyer) = &self.buyer {
            return Some(buyer.clone());
        }
        for _ in 0..self.scene.doors.len() {
            let door = &self.scene.doors[self.door];
            let guest = timeout(self.try_max, Buyer::guest(&self.scene.http, &door.url)).await;
            if let Ok(Ok(guest)) = guest {
                let guest = guest.recorded(&self.scene.recorder);
                self.buyer = Some(guest.clone());
                return Some(guest);
            }
            self.next_door();
        }
        None
    }

    /// Changes what it carries with it.
    pub(super) fn carries(&mut self, change: impl FnOnce(&Buyer) -> Buyer) {
        self.buyer = self.buyer.as_ref().map(change);
    }

    /// Asks what may be asked twice until a gateway answers; `None` when patience or the workload is over.
    pub(super) async fn ask<F: Future<Output = Answer>>(
        &mut self,
        question: impl Fn(Buyer) -> F,
    ) -> Option<Answer> {
        let until = Instant::now() + self.patience;
        while Instant::now() < until && !self.is_stopped() {
            if let Some(buyer) = self.guest().await {
                let answer = timeout(self.try_max, question(buyer)).await;
                if let Ok(answer) = answer
                    && (1..500).contains(&answer.status)
                {
                    return Some(answer);
                }
                self.next_door();
            }
            sleep(AGAIN).await;
        }
        None
    }

    fn next_door(&mut self) {
        self.enter((self.door + 1) % self.scene.doors.len());
    }

    fn enter(&mut self, door: usize) {
        self.door = door;
        let door = &self.scene.doors[self.door];
        if let Some(buyer) = &self.buyer {
            self.buyer = Some(buyer.through(&door.url));
        }
    }

    /// Has a write done: asks until the answer is definite or patience is over; `None` in the latter case.
    pub(super) async fn write(&mut self, request: Request) -> Option<Answer> {
        let since_ns = self.scene.recorder.now_ns();
        let until = Instant::now() + self.patience;
        while self.guest().await.is_none() {
            if Instant::now() >= until || self.is_stopped() {
                return None;
            }
            sleep(AGAIN).await;
        }
        self.asked += 1;
        let key = self.key();
        self.scene.may_end(&request);
        let mut again = false;
        loop {
            let buyer = self.buyer.clone()?;
            let buyer = if std::mem::replace(&mut again, true) {
                buyer.insisting()
            } else {
                buyer
            };
            let answer = timeout(self.try_max, request.send(&buyer, &key)).await;
            let silent = !matches!(&answer, Ok(answer) if answer.status != 0);
            let why = match answer {
                Ok(answer) => {
                    self.count(&answer);
                    if !answer.is_open() {
                        if answer.outcome() == Outcome::Ok {
                            self.scene.acknowledged(&buyer, &request, &answer);
                        }
                        return Some(answer);
                    }
                    answer.code().to_owned()
                }
                Err(_) => "gave_up_waiting".to_owned(),
            };
            if Instant::now() >= until {
                self.scene.leave_open(Open {
                    buyer,
                    request,
                    key,
                    since_ns,
                    why,
                });
                return None;
            }
            if silent {
                self.next_door();
            }
            sleep(AGAIN).await;
        }
    }

    /// Sends the last write once more, as a queue that was held up would; the answer, if one came in time.
    pub(super) async fn repeat(&mut self, request: &Request) -> Option<Answer> {
        let (buyer, key) = (self.buyer.clone()?, self.key());
        let answer = timeout(self.try_max, request.send(&buyer, &key))
            .await
            .ok()?;
        self.count(&answer);
        Some(answer)
    }

    /// Seats of a show that its map shows as free; `None` when there is no map to be had.
    pub(super) async fn free_seats(
        &mut self,
        stall: &Stall,
        reading: Reading,
    ) -> Option<Vec<String>> {
        let buyer = self.guest().await?;
        let read = buyer.read_seats(&stall.show, &stall.seats, reading);
        let answer = timeout(self.try_max, read).await.ok()?;
        self.count(&answer);
        if answer.status == 0 {
            self.next_door();
        }
        let seats = answer.body["seats"].as_array()?;
        let free = seats
            .iter()
            .filter(|seat| seat["state"].as_str() == Some("available"))
            .filter_map(|seat| seat["id"].as_str().map(str::to_owned))
            // Seats for probes are nobody's.
            .filter(|id| !stall.probe_seats.contains(id));
        Some(free.collect())
    }

    /// [`Self::free_seats`] from the gateway's live copy.
    pub(super) async fn free_seats_live(&mut self, stall: &Stall) -> Option<Vec<String>> {
        let buyer = self.guest().await?;
        let look = buyer.look_at_octets(&stall.show, stall.seats.len());
        let letters = timeout(self.try_max, look).await.ok()??;
        let free = stall.seats.iter().zip(letters.chars());
        let free = free.filter(|(id, letter)| *letter == 'a' && !stall.probe_seats.contains(id));
        Some(free.map(|(id, _)| id.clone()).collect())
    }

    fn count(&self, answer: &Answer) {
        if self.counted {
            self.scene.count(answer);
        }
    }

    fn key(&self) -> String {
        format!("{}-{}", self.name, self.asked)
    }

    /// Has it done and gives the id in the answer; `None` when it was refused or is open.
    pub(super) async fn done(&mut self, request: Request) -> Option<String> {
        let answer = self.write(request).await?;
        (answer.outcome() == Outcome::Ok).then(|| answer.id())
    }

    /// Looks for one or two seats that are free, at most `tries` times, each time from where `first` says; `None` when none was
    /// held, or patience was over.
    pub(super) async fn hold_some(
        &mut self,
        stall: &Stall,
        tries: usize,
        first: impl Fn(&mut StdRng) -> usize,
    ) -> Option<String> {
        for _ in 0..tries {
            let first = first(&mut self.random);
            let count = self.random.random_range(1..=2);
            let seats = stall.seats.iter().skip(first).take(count);
            let seats = seats.cloned().collect();
            let show = stall.show.clone();
            let answer = self.write(Request::Hold { show, seats }).await?;
            if answer.outcome() == Outcome::Ok {
                return Some(answer.id());
            }
        }
        None
    }

    /// From a hold to a confirmed order; `true` when it is.
    pub(super) async fn buy(&mut self, hold: String) -> bool {
        let Some(order) = self.done(Request::Order { hold }).await else {
            return false;
        };
        let paid = self.write(Request::Pay { order }).await;
        paid.is_some_and(|answer| answer.state() == "confirmed")
    }
}
