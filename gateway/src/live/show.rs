//! One show as this gateway has it: the state, its age, the ring of events, who looks.
//!
//! ```text
//!   follow (one task) ── take ──► state + current_at + ring ──► position of each viewer
//!                                        └────────────────────► maps, quick rejections
//! ```
//!
//! Owns: that state, age and ring change together. Must never: wait for a viewer.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use holdfast_node_api::v1::SeatsUpdate;
use tokio::sync::watch;

use super::copy::{self, Misfit};
use super::ring::{Next, Ring};
use super::seats::State;
use super::{bounds, events};
use crate::clock;
use crate::layouts::ShowLayout;
use crate::upstream::ShowPlace;

#[derive(Debug, Default)]
struct Inner {
    layout: Option<Arc<ShowLayout>>,
    state: Option<State>,
    /// Everything acknowledged by then is in the state; `None` = that is not known.
    current_at: Option<Instant>,
    ring: Ring,
    /// When the last event was made.
    told_at: Option<Instant>,
    /// The last pulse said that the copy is stale.
    stale: bool,
    prints: HashSet<u32>,
    prints_full: bool,
}

/// What is known of the seats, and since when it may be wrong.
#[derive(Debug, Clone)]
pub struct Known {
    /// The seats.
    pub state: State,
    /// Everything that was acknowledged longer ago is in it.
    pub age: Duration,
    /// The layout that the state fits.
    pub layout: Arc<ShowLayout>,
}

/// See the module's head.
#[derive(Debug)]
pub struct LiveShow {
    /// Where the show is.
    pub place: ShowPlace,
    /// Never held over an await, nor while an event is made for one viewer.
    inner: RwLock<Inner>,
    /// The ring's end; viewers wait for it to move.
    end: watch::Sender<u64>,
    viewers: AtomicUsize,
    /// Highest index of a write through this gateway that gave places back.
    freed_index: AtomicU64,
    wanted_at: Mutex<Instant>,
}

/// Counts a viewer for as long as it lives.
#[derive(Debug)]
pub struct Seated {
    show: Arc<LiveShow>,
}

impl Drop for Seated {
    fn drop(&mut self) {
        self.show.viewers.fetch_sub(1, Ordering::Relaxed);
        self.show.wanted();
    }
}

impl LiveShow {
    pub(super) fn new(place: ShowPlace) -> Self {
        Self {
            place,
            inner: RwLock::default(),
            end: watch::Sender::default(),
            viewers: AtomicUsize::new(0),
            freed_index: AtomicU64::new(0),
            wanted_at: Mutex::new(clock::now()),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody asked for it: it is followed for a while longer.
    pub fn wanted(&self) {
        *self
            .wanted_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = clock::now();
    }

    /// Whether nobody has asked for it for long.
    pub(super) fn is_idle(&self) -> bool {
        let wanted_at = self
            .wanted_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.viewers.load(Ordering::Relaxed) == 0 && wanted_at.elapsed() > bounds::IDLE_MAX
    }

    /// A place for one more viewer; `None` when there are `max`.
    pub(super) fn seat(self: &Arc<Self>, max: usize) -> Option<Seated> {
        let fits = |viewers| (viewers < max).then_some(viewers + 1);
        let seated = self
            .viewers
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        seated.ok().map(|_| Seated {
            show: Arc::clone(self),
        })
    }

    /// What is known now; `None` before the first state.
    #[must_use]
    pub fn known(&self) -> Option<Known> {
        let inner = self.read();
        Some(Known {
            state: inner.state.clone()?,
            age: age_of(&inner),
            layout: inner.layout.clone()?,
        })
    }

    /// [`Self::known`], waited for.
    pub async fn known_within(&self, limit: Duration) -> Option<Known> {
        let mut end = self.end.subscribe();
        let first = async {
            loop {
                if let Some(known) = self.known() {
                    return Some(known);
                }
                end.changed().await.ok()?;
            }
        };
        tokio::time::timeout(limit, first).await.ok().flatten()
    }

    pub(super) fn freed(&self, index: u64) {
        self.freed_index.fetch_max(index, Ordering::Relaxed);
    }

    /// Whether a state at `index` lacks places that were given back through this gateway: who gave them back knows better.
    #[must_use]
    pub fn lacks_freed(&self, index: u64) -> bool {
        index < self.freed_index.load(Ordering::Relaxed)
    }

    /// Whether a request with this print may have had an effect already.
    #[must_use]
    pub fn may_have_acted(&self, print: u32) -> bool {
        let inner = self.read();
        inner.prints_full || inner.prints.contains(&print)
    }

    /// The index up to which everything is known; 0 before the first state.
    pub(super) fn index(&self) -> u64 {
        self.read().state.as_ref().map_or(0, |state| state.index)
    }

    pub(super) fn set_layout(&self, layout: Arc<ShowLayout>) {
        self.write().layout = Some(layout);
    }

    /// Takes an update of a replica that was current at `current_at`; says which kind of event it became. One task at a time:
    /// what is long (comparing, printing) is done while others read.
    pub(super) fn take(
        &self,
        update: &SeatsUpdate,
        current_at: Option<Instant>,
    ) -> Result<Option<&'static str>, Misfit> {
        // Before the state: who finds a seat taken must find the request that took it.
        self.remember(&update.prints);
        let (before, layout, current_at) = {
            let inner = self.read();
            // An older proof may come from another replica; it takes nothing back.
            let current_at = inner.current_at.max(current_at);
            (inner.state.clone(), inner.layout.clone(), current_at)
        };
        let layout = layout.ok_or(Misfit::Layout)?;
        let next = copy::after(before.as_ref(), update, &layout)?;
        let event = match before {
            // Nobody can have begun: viewers wait for the first state.
            None => Some(("first", Bytes::new())),
            Some(before) => self.event(&before, &next, &layout, age_since(current_at)),
        };
        let id = next.seats.changed_index;
        let mut inner = self.write();
        inner.state = Some(next);
        inner.current_at = current_at;
        let Some((kind, text)) = event else {
            return Ok(None);
        };
        self.push(&mut inner, id, text);
        Ok(Some(kind))
    }

    fn remember(&self, prints: &[u32]) {
        if prints.is_empty() {
            return;
        }
        let mut inner = self.write();
        if inner.prints.len() + prints.len() > bounds::PRINTS_MAX {
            inner.prints_full = true;
        } else {
            inner.prints.extend(prints);
        }
    }

    fn event(
        &self,
        before: &State,
        now: &State,
        layout: &ShowLayout,
        age: Duration,
    ) -> Option<(&'static str, Bytes)> {
        if Arc::ptr_eq(&before.seats, &now.seats) {
            return None;
        }
        let pairs = before.seats.states.iter().zip(&now.seats.states);
        let changed = pairs.filter(|(before, now)| before != now).count();
        if changed > now.seats.states.len() / bounds::DELTA_PART_MAX + 1 {
            let text = events::snapshot(self.place.show_id, &layout.document().version, now, age);
            return Some(("snapshot", text));
        }
        events::delta(&before.seats, now, age).map(|text| ("delta", text))
    }

    fn push(&self, inner: &mut Inner, id: u64, text: Bytes) {
        if !text.is_empty() {
            inner.ring.push(id, text);
        }
        inner.told_at = Some(clock::now());
        // Also when the ring did not move: whoever waits for the first state is woken.
        self.end.send_replace(inner.ring.end());
    }

    /// Tells viewers how old the copy is, when it is time or when that has become another matter; says which event was made.
    pub(super) fn pulse(&self) -> Option<&'static str> {
        if self.viewers.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut inner = self.write();
        let state = inner.state.clone()?;
        let age = age_of(&inner);
        let stale = age > bounds::STALE_AFTER;
        let silent = inner
            .told_at
            .is_none_or(|at| at.elapsed() >= bounds::PULSE_INTERVAL);
        if stale == inner.stale && !silent {
            return None;
        }
        inner.stale = stale;
        let text = events::pulse(&state, age, stale);
        self.push(&mut inner, state.seats.changed_index, text);
        Some(if stale { "stale" } else { "age" })
    }

    /// Where a viewer begins: the position after `resume` if that is known, else a snapshot and the position behind it.
    pub(super) fn begin(&self, resume: Option<u64>) -> Option<(u64, Option<Bytes>)> {
        let (state, age, layout, end) = {
            let inner = self.read();
            let state = inner.state.clone()?;
            let now = state.seats.changed_index;
            if let Some(position) = resume.and_then(|id| inner.ring.after(id, now)) {
                return Some((position, None));
            }
            (
                state,
                age_of(&inner),
                inner.layout.clone()?,
                inner.ring.end(),
            )
        };
        let text = events::snapshot(self.place.show_id, &layout.document().version, &state, age);
        Some((end, Some(text)))
    }

    pub(super) fn at(&self, position: u64) -> Next {
        self.read().ring.at(position)
    }

    /// Follows the ring's end.
    pub(super) fn end(&self) -> watch::Receiver<u64> {
        self.end.subscribe()
    }
}

fn age_of(inner: &Inner) -> Duration {
    age_since(inner.current_at)
}

fn age_since(current_at: Option<Instant>) -> Duration {
    current_at.map_or(Duration::MAX, |at| at.elapsed())
}

#[cfg(test)]
mod tests;
