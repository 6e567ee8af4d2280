//! All clients of a drill's workloads: as many as the drill says, times the load factor.
//!
//! Owns: how many there are and that they end. Must never: have more than [`CLIENTS_MAX`].

use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::client::Client;
use super::scene::Scene;
use super::{Checked, Workload, WorkloadSpec, set_up};

/// Most clients at one time, spikes included: what one process can play without being the bottleneck itself.
pub const CLIENTS_MAX: u32 = 2_000;

/// Clients at work.
#[derive(Debug)]
pub struct Crowd {
    scene: Arc<Scene>,
    specs: Vec<WorkloadSpec>,
    workloads: Vec<Arc<dyn Workload>>,
    seed: u64,
    /// Clients of each workload that were ever started.
    started: Vec<u32>,
    factor: watch::Sender<f64>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Crowd {
    /// Sets every workload up and lets its clients begin.
    #[must_use]
    pub fn start(scene: &Arc<Scene>, specs: &[WorkloadSpec], seed: u64) -> Self {
        let workloads = specs.iter().map(|spec| set_up(spec, scene));
        let mut crowd = Self {
            scene: Arc::clone(scene),
            workloads: workloads.collect(),
            specs: specs.to_vec(),
            seed,
            started: vec![0; specs.len()],
            factor: watch::Sender::new(1.0),
            stop: watch::Sender::new(false),
            tasks: JoinSet::new(),
        };
        crowd.set_factor(1.0);
        crowd
    }

    /// How many times the usual clients there are from now on; those too many finish what they are at.
    pub fn set_factor(&mut self, factor: f64) {
        self.factor.send_replace(factor);
        let mut room = CLIENTS_MAX.saturating_sub(self.started.iter().sum());
        for at in 0..self.specs.len() {
            let wanted = times(self.specs[at].clients, factor);
            while self.started[at] < wanted && room > 0 {
                self.spawn(at, self.started[at]);
                self.started[at] += 1;
                room -= 1;
            }
        }
    }

    fn spawn(&mut self, at: usize, number: u32) {
        let spec = self.specs[at].clone();
        let doors = self.scene.doors.len();
        let home = (number as usize) % doors.max(1);
        // Places in the seed that no two clients share.
        let lot = (u64::try_from(at).unwrap_or(0) << 32) | u64::from(number);
        let client = Client::new(
            Arc::clone(&self.scene),
            format!("{}.{at}/{number}", spec.kind.name()),
            home,
            StdRng::seed_from_u64(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ lot),
            self.stop.subscribe(),
        );
        let workload = Arc::clone(&self.workloads[at]);
        let factor = self.factor.subscribe();
        self.tasks
            .spawn(turns(client, spec, workload, number, factor));
    }

    /// Lets every client finish what it is at; then what each workload has found by itself.
    pub async fn end(mut self) -> Vec<Checked> {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
        let each = self.specs.iter().zip(&self.workloads);
        each.map(|(spec, workload)| {
            let (looked_at, problems) = workload.check();
            Checked {
                kind: spec.kind,
                looked_at,
                problems,
            }
        })
        .collect()
    }
}

async fn turns(
    mut client: Client,
    spec: WorkloadSpec,
    workload: Arc<dyn Workload>,
    number: u32,
    mut factor: watch::Receiver<f64>,
) {
    let pause = Duration::from_millis(spec.pause_ms());
    while !client.is_stopped() {
        let wanted = times(spec.clients, *factor.borrow_and_update());
        if number >= wanted {
            tokio::select! {
                changed = factor.changed() => if changed.is_err() { return },
                () = client.think(Duration::from_secs(3_600)) => {}
            }
            continue;
        }
        workload.turn(&mut client).await;
        client.think(pause).await;
    }
}

/// So many clients, at least one.
fn times(clients: u32, factor: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float becomes the nearest number of clients that there is"
    )]
    let wanted = (f64::from(clients) * factor).ceil() as u32;
    wanted.max(1)
}
