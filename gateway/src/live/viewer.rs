//! One viewer's stream: where it begins, what comes next, how it ends.
//!
//! Owns: the position of one viewer. It asks for the next event only when the connection takes more, so a slow one holds back
//! nobody and nothing is queued for it. Must never: copy an event.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use super::events;
use super::metrics::LiveMetrics;
use super::ring::Next;
use super::show::{LiveShow, Seated};
use crate::chance;
use crate::metrics::Metrics;

/// A browser that lost its stream comes back after something between these: those who lost a gateway together spread over it.
const RETRY_MIN: Duration = Duration::from_millis(1_000);
const RETRY_MAX: Duration = Duration::from_millis(4_000);

/// The places that a viewer takes.
#[derive(Debug)]
pub struct Places {
    _seated: Seated,
    _gateway: OwnedSemaphorePermit,
    metrics: Arc<Metrics>,
}

impl Places {
    pub(super) fn new(
        seated: Seated,
        gateway: OwnedSemaphorePermit,
        metrics: Arc<Metrics>,
    ) -> Self {
        metrics.live.viewers.inc();
        Self {
            _seated: seated,
            _gateway: gateway,
            metrics,
        }
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        self.metrics.live.viewers.dec();
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Retry,
    Begin,
    Going,
    Ended,
}

struct Viewer {
    show: Arc<LiveShow>,
    resume: Option<u64>,
    stage: Stage,
    position: u64,
    end: watch::Receiver<u64>,
    drain: CancellationToken,
    places: Places,
}

/// The stream of one viewer, from the change at index `resume` on when that is known here. Ends with `drain`.
pub fn events(
    show: Arc<LiveShow>,
    resume: Option<u64>,
    places: Places,
    drain: CancellationToken,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    let viewer = Viewer {
        end: show.end(),
        show,
        resume,
        stage: Stage::Retry,
        position: 0,
        drain,
        places,
    };
    stream::unfold(viewer, |mut viewer| async move {
        let event = viewer.next().await?;
        Some((Ok(event), viewer))
    })
}

impl Viewer {
    async fn next(&mut self) -> Option<Bytes> {
        match self.stage {
            Stage::Ended => return None,
            Stage::Retry => {
                self.stage = Stage::Begin;
                return Some(events::retry(chance::within(RETRY_MIN..=RETRY_MAX)));
            }
            Stage::Begin => {
                self.stage = Stage::Going;
                let resume = self.resume.take();
                if let Some(snapshot) = self.begin(resume, "first") {
                    return Some(snapshot);
                }
            }
            Stage::Going => {}
        }
        loop {
            // Seen before it is looked: an event that comes in between is found at the next turn.
            self.end.borrow_and_update();
            match self.show.at(self.position) {
                Next::Event(event) => {
                    self.position += 1;
                    return Some(event);
                }
                Next::Behind => {
                    if let Some(snapshot) = self.begin(None, "behind") {
                        return Some(snapshot);
                    }
                }
                Next::Wait => {}
            }
            let gone = tokio::select! {
                biased;
                () = self.drain.cancelled() => true,
                changed = self.end.changed() => changed.is_err(),
            };
            if gone {
                self.stage = Stage::Ended;
                return Some(events::bye(chance::within(RETRY_MIN..=RETRY_MAX)));
            }
        }
    }

    fn begin(&mut self, resume: Option<u64>, reason: &str) -> Option<Bytes> {
        let metrics: &LiveMetrics = &self.places.metrics.live;
        let (position, snapshot) = self.show.begin(resume)?;
        self.position = position;
        match &snapshot {
            Some(_) => metrics.snapshots.with_label_values(&[reason]).inc(),
            None => metrics.resumed.inc(),
        }
        snapshot
    }
}
