//! Runs a show's waiting room while this node leads the show: reveals the seed at the start of sale, raises the threshold.
//!
//! Owns: one step a second. Must never: keep anything a new leader could not find out again, or write a seed to a log line.

use std::time::Duration;

use holdfast_inventory::{command::Command, ids::RequestId, outcome::Outcome};
use tokio::time::Instant;

use crate::leader_scope::Led;
use crate::room::controller::{Controller, Seen};

/// Between two steps.
const STEP: Duration = Duration::from_secs(1);

/// Runs until aborted.
pub async fn run(led: Led) {
    let show = led.group.show_id();
    let mut applied = led.group.applied();
    let mut controller = Controller::default();
    let mut was_open = false;
    loop {
        applied.borrow_and_update();
        let (open, _) = led.group.read(|state| state.room_to_run());
        let Some((config, revealed)) = open else {
            if was_open {
                led.context.reports.forget(show);
            }
            // Nearly every show: nothing to do until something is applied, and a look then costs a pointer.
            if applied.changed().await.is_err() {
                return;
            }
            tokio::time::sleep(STEP).await;
            continue;
        };
        was_open = true;
        let now_ms = led.context.clock.now_ms();
        let began = Instant::now();
        if !revealed && now_ms >= config.sale_at_ms {
            let request = RequestId::internal("reveal-seed", now_ms);
            if let Ok(Outcome::Done(_)) = led.commit(request, Command::RevealSeed).await {
                tracing::info!(%show, "the waiting room's draw is made");
            }
        } else {
            step(&led, &mut controller, now_ms).await;
        }
        tokio::time::sleep(STEP.saturating_sub(began.elapsed())).await;
    }
}

async fn step(led: &Led, controller: &mut Controller, now_ms: u64) {
    let show = led.group.show_id();
    let (seen, _) = led.group.read(|state| {
        let holds_active = state.counts().holds_active;
        state.room_view().map(|room| (room, holds_active))
    });
    let Some((room, holds_active)) = seen else {
        return;
    };
    let reported = led.context.reports.of(show);
    let decision = controller.step(Seen {
        now_ms,
        room: &room,
        holds_active,
        reported: &reported,
    });
    if let Some(raise) = decision {
        let began = Instant::now();
        let request = RequestId::internal("raise-threshold", now_ms);
        // Not committed, it is decided anew a second later.
        let _again = led.commit(request, Command::RaiseThreshold(raise)).await;
        let took_ms = began.elapsed().as_millis();
        controller.committed(u64::try_from(took_ms).unwrap_or(u64::MAX));
    }
}
