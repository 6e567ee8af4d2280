//! Writes to every show, hot or idle, to see when it takes a write again.
//!
//! A hot show is written to all the time through every gateway; an idle one only from the moment on at which a fault is
//! on. Probes have seats of their own, go the way that users go, and are in the history like everything else.
//!
//! Owns: who probes what when. Must never: measure; that is done from the history, afterwards.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::workload::Scene;
use crate::workload::client::Client;

/// Keys of probes begin like this.
pub(super) const PREFIX: &str = "probe";

/// Running probes.
#[derive(Debug)]
pub(super) struct Probes {
    scene: Arc<Scene>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    rounds: u32,
}

impl Probes {
    /// Begins to write to the hot shows.
    pub(super) fn start(scene: &Arc<Scene>) -> Self {
        let stop = watch::Sender::new(false);
        let mut tasks = JoinSet::new();
        for (at, stall) in scene.stalls.iter().enumerate() {
            if stall.idle || stall.room.is_some() {
                continue;
            }
            for door in 0..scene.doors.len() {
                let name = format!("{PREFIX}/{}-{door}", stall.show);
                let client = Client::prober(Arc::clone(scene), name, door, stop.subscribe());
                tasks.spawn(client.probe_on(at, door));
            }
        }
        Self {
            scene: Arc::clone(scene),
            stop,
            tasks,
            rounds: 0,
        }
    }

    /// A fault is on that touches these regions: writes to every idle show once, through a gateway elsewhere if there is
    /// one.
    pub(super) fn wake_idle(&mut self, hit: &[String]) {
        self.rounds += 1;
        let doors = self.scene.doors.iter().enumerate();
        let mut safe: Vec<usize> = doors
            .filter(|(_, door)| !hit.iter().any(|region| *region == door.region.as_str()))
            .map(|(at, _)| at)
            .collect();
        if safe.is_empty() {
            safe = (0..self.scene.doors.len()).collect();
        }
        let idle = self.scene.stalls.iter().enumerate();
        for ((at, stall), door) in idle
            .filter(|(_, stall)| stall.idle)
            .zip(safe.into_iter().cycle())
        {
            let name = format!("{PREFIX}/{}-r{}", stall.show, self.rounds);
            let stop = self.stop.subscribe();
            let client = Client::prober(Arc::clone(&self.scene), name, door, stop);
            let seat = usize::try_from(self.rounds).unwrap_or(0) % stall.probe_seats.len().max(1);
            self.tasks.spawn(client.probe_once(at, seat));
        }
    }

    /// Lets every probe finish what it is at.
    pub(super) async fn end(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}
