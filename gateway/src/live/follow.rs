//! Follows one show's seats at the nearest replica that answers, and moves on when it does not.
//!
//! ```text
//!   nearest replica ──► everything, then changes; probed every 500 ms
//!        │ ends, falls silent, or is itself out of date
//!        ▼
//!   next nearest, from the index that is known ──► … ──► pause with jitter, again
//! ```
//!
//! Owns: which node is followed. One stream a show however many viewers. Must never: take the copy back to an older index.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use holdfast_node_api::v1::SeatsUpdate;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::bounds;
use super::copy::{Misfit, Probes};
use super::show::LiveShow;
use crate::app::App;
use crate::chance::jittered;
use crate::clock;
use crate::upstream::Peer;
use crate::upstream::watch::{SeatsWatch, WatchEnd};

/// Why a node is not followed any more.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error(transparent)]
    Watch(#[from] WatchEnd),
    #[error("fell silent")]
    Silent,
    #[error("its replica is out of date")]
    OutOfDate,
    #[error("a nearer one is tried again")]
    Nearer,
    #[error(transparent)]
    Misfit(#[from] Misfit),
}

impl End {
    fn reason(&self) -> &'static str {
        match self {
            Self::Watch(WatchEnd::Unreached) => "unreached",
            Self::Watch(WatchEnd::Refused(_)) => "refused",
            Self::Watch(WatchEnd::Closed) => "closed",
            Self::Silent => "silent",
            Self::OutOfDate => "out-of-date",
            Self::Nearer => "nearer",
            Self::Misfit(_) => "misfit",
        }
    }
}

/// Follows `show` until `stop` or until nobody wants it.
pub(super) async fn follow(app: Arc<App>, show: Arc<LiveShow>, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = pulses(&app, &show) => {}
        () = replicas(&app, &show) => {}
    }
}

/// Tells viewers how old the copy is; returns when the show has no viewer and nobody asks for it.
async fn pulses(app: &App, show: &Arc<LiveShow>) {
    let mut looks = tokio::time::interval(bounds::LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        if let Some(event) = show.pulse() {
            app.metrics.live.event(event);
        }
        if show.is_idle() && app.live.let_go(show) {
            return;
        }
    }
}

async fn replicas(app: &Arc<App>, show: &LiveShow) {
    let mut pause = bounds::RETRY_MIN;
    loop {
        if let Ok(layout) = app.layouts.get(&app.upstream, &show.place).await {
            show.set_layout(layout);
            for (rank, peer) in app.replicas_near(&show.place).into_iter().enumerate() {
                let began = Instant::now();
                let mut heard = false;
                let end = one(app, show, &peer, rank, &mut heard).await;
                if began.elapsed() > bounds::RETRY_MAX {
                    pause = bounds::RETRY_MIN;
                }
                if matches!(end, End::Silent) {
                    // Other requests should rather not ask this node now.
                    peer.health.failed(clock::now());
                }
                let reason = end.reason();
                app.metrics
                    .live
                    .upstream_ends
                    .with_label_values(&[reason])
                    .inc();
                tracing::debug!(node = peer.id, show = show.place.show_id, %end, "seats not followed there any more");
                if heard && !matches!(end, End::OutOfDate) {
                    // Begin again with the nearest, in the order of now.
                    break;
                }
            }
        }
        tokio::time::sleep(jittered(pause)).await;
        pause = (pause * 2).min(bounds::RETRY_MAX);
    }
}

/// Follows one node; always ends for a reason. `heard` = it said something that was taken.
async fn one(app: &App, show: &LiveShow, peer: &Peer, rank: usize, heard: &mut bool) -> End {
    match watch(app, show, peer, rank, heard).await {
        Ok(never) => match never {},
        Err(end) => end,
    }
}

async fn watch(
    app: &App,
    show: &LiveShow,
    peer: &Peer,
    rank: usize,
    heard: &mut bool,
) -> Result<Infallible, End> {
    let mut probes = Probes::default();
    let first = probes.next(clock::now());
    let mut seats = SeatsWatch::open(peer, show.place.show_id, show.index(), first).await?;
    peer.health.answered();

    let mut ticks = tokio::time::interval(bounds::PROBE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let silence_max = bounds::SILENCE_MAX + peer.rtt;
    let mut silent_at = Instant::now() + silence_max;
    let return_at = Instant::now() + bounds::RETURN_AFTER;
    loop {
        tokio::select! {
            update = seats.next() => {
                silent_at = Instant::now() + silence_max;
                take(app, show, &update?, &mut probes, heard)?;
            }
            _ = ticks.tick() => seats.probe(probes.next(clock::now())),
            () = tokio::time::sleep_until(silent_at) => return Err(End::Silent),
            () = tokio::time::sleep_until(return_at), if rank > 0 => return Err(End::Nearer),
        }
    }
}

fn take(
    app: &App,
    show: &LiveShow,
    update: &SeatsUpdate,
    probes: &mut Probes,
    heard: &mut bool,
) -> Result<(), End> {
    let current_at = probes.current_at(update);
    let event = show.take(update, current_at)?;
    if let Some(event) = event {
        app.metrics.live.event(event);
    }
    if let Some(known) = show.known() {
        let age = known.age.min(Duration::from_secs(3_600));
        app.metrics
            .live
            .update_age_seconds
            .observe(age.as_secs_f64());
    }
    *heard = true;
    let age_ms = update.as_of.map_or(u64::MAX, |as_of| as_of.age_ms);
    if Duration::from_millis(age_ms) > bounds::REPLICA_AGE_MAX {
        return Err(End::OutOfDate);
    }
    Ok(())
}
