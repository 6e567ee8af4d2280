//! Wakes whoever waits for a time: a way over it is half a millisecond late at the median, its sockets included.
//!
//! The runtime's timer counts in milliseconds and rounds up, and so does its wait for sockets beneath it. A piece would leave one
//! to two milliseconds late at every way, and whoever measures over the emulated network would measure that. A thread of its
//! own can wait more precisely: the system keeps its time to some 50 microseconds.
//!
//! Owns: the thread. Must never: wake anybody before the time, or hold its lock over anything that waits.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use super::WanError;

/// Clones share one thread, which ends with the last of them.
#[derive(Debug, Clone)]
pub(crate) struct Alarm {
    handle: Arc<Handle>,
}

/// What the clones share; the thread has the clock only, so that it does not keep itself running.
#[derive(Debug)]
struct Handle {
    clock: Arc<Clock>,
}

#[derive(Debug, Default)]
struct Clock {
    waiting: Mutex<Waiting>,
    /// Somebody waits for a time that is earlier than any, or the last clone is gone.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    /// By time, and for one time in the order they came. Bounded by the ways that are open: each waits for one piece. Who
    /// no longer waits stays until the time.
    due: BTreeMap<(Instant, u64), oneshot::Sender<()>>,
    came: u64,
    ended: bool,
}

impl Alarm {
    /// # Errors
    /// [`WanError::Thread`] when the system gives no thread.
    pub(crate) fn start() -> Result<Self, WanError> {
        let clock = Arc::new(Clock::default());
        let thread = std::thread::Builder::new().name("wan-alarm".to_owned());
        let own = Arc::clone(&clock);
        thread.spawn(move || own.run()).map_err(WanError::Thread)?;
        let handle = Arc::new(Handle { clock });
        Ok(Self { handle })
    }

    /// Comes back at `at` or right after it.
    pub(crate) async fn wait_until(&self, at: Instant) {
        if at <= Instant::now() {
            return;
        }
        let (wake, woken) = oneshot::channel();
        let clock = &self.handle.clock;
        let is_first = {
            let mut waiting = clock.lock();
            waiting.came += 1;
            let key = (at, waiting.came);
            waiting.due.insert(key, wake);
            waiting.due.first_key_value().map(|(first, _)| *first) == Some(key)
        };
        if is_first {
            clock.changed.notify_one();
        }
        // The thread ends after this clone, so it is always woken.
        let _ = woken.await;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.clock.lock().ended = true;
        self.clock.changed.notify_one();
    }
}

impl Clock {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut waiting = self.lock();
        while !waiting.ended {
            let now = Instant::now();
            waiting = match waiting.due.first_entry() {
                None => {
                    let woken = self.changed.wait(waiting);
                    woken.unwrap_or_else(PoisonError::into_inner)
                }
                Some(first) if first.key().0 <= now => {
                    // Whoever waited may be gone.
                    let _ = first.remove().send(());
                    waiting
                }
                Some(first) => {
                    let left = first.key().0 - now;
                    let woken = self.changed.wait_timeout(waiting, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::JoinSet;

    use super::*;

    /// A bound against hanging.
    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn everybody_is_woken_and_nobody_before_the_time() {
        let alarm = Alarm::start().unwrap();
        let start = Instant::now();
        let mut waiting = JoinSet::new();
        // The last to come is due first, and some share a time.
        for number in (0..20_u32).rev() {
            let at = start + Duration::from_millis(5) * (number / 2);
            let alarm = alarm.clone();
            waiting.spawn(async move {
                alarm.wait_until(at).await;
                assert!(Instant::now() >= at, "woken before the time");
            });
        }
        let all = tokio::time::timeout(LONG, waiting.join_all());
        assert_eq!(all.await.unwrap().len(), 20);
    }

    #[tokio::test]
    async fn one_that_no_longer_waits_keeps_nobody_waiting() {
        let alarm = Alarm::start().unwrap();
        let start = Instant::now();
        let soon = alarm.wait_until(start + Duration::from_millis(10));
        let gone = tokio::time::timeout(Duration::ZERO, soon).await;
        assert!(gone.is_err(), "it waited");
        let next = alarm.wait_until(start + Duration::from_millis(20));
        tokio::time::timeout(LONG, next).await.unwrap();
    }

    #[test]
    fn the_thread_ends_with_the_last_clone() {
        let alarm = Alarm::start().unwrap();
        let clock = Arc::downgrade(&alarm.handle.clock);
        let other = alarm.clone();
        drop(alarm);
        assert!(!clock.upgrade().unwrap().lock().ended);
        drop(other);
        let until = Instant::now() + LONG;
        while clock.upgrade().is_some() {
            assert!(Instant::now() < until, "the thread goes on");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
