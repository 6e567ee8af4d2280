//! Lets holds and orders lapse when nobody else moves the shard's clock.
//!
//! Every entry expires what is due before its first command, so a busy show needs no tick. Owns: when a quiet one
//! needs it. Must never: decide that something has lapsed; only the entry's clock does.

use std::time::Duration;

use holdfast_inventory::{command::Command, ids::RequestId, limits};

use crate::leader_scope::Led;

/// A hold placed now lapses no sooner than this, so nothing is missed by looking again only then.
const LOOK_AGAIN: Duration = Duration::from_millis(limits::HOLD_TTL_MS_MIN);
/// Between two ticks: an entry sweeps thousands, so more often would only write more entries.
const TICK_PAUSE: Duration = Duration::from_millis(50);
/// After a tick that was not committed.
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// What to do at `now_ms`, when the next thing lapses at `next_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Something is due.
    Tick,
    /// Nothing is due before this much later.
    Wait(Duration),
    /// Nothing can lapse until something is held.
    Idle,
}

fn step(next_ms: Option<u64>, now_ms: u64) -> Step {
    match next_ms {
        None => Step::Idle,
        Some(next_ms) if next_ms <= now_ms => Step::Tick,
        Some(next_ms) => Step::Wait(Duration::from_millis(next_ms - now_ms).min(LOOK_AGAIN)),
    }
}

/// Runs until aborted.
pub async fn run(led: Led) {
    let mut applied = led.group.applied();
    loop {
        applied.borrow_and_update();
        let (next_ms, _) = led.group.read(|state| state.next_expiry_ms());
        let now_ms = led.context.clock.now_ms();
        match step(next_ms, now_ms) {
            Step::Idle => {
                if applied.changed().await.is_err() {
                    return;
                }
                // Whatever was held just now lives this long at least.
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            Step::Wait(wait) => tokio::time::sleep(wait).await,
            Step::Tick => {
                let request = RequestId::internal("tick", now_ms);
                let pause = match led.commit(request, Command::Tick).await {
                    Ok(_) => TICK_PAUSE,
                    Err(_) => RETRY_DELAY,
                };
                tokio::time::sleep(pause).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_comes_when_something_is_due_and_not_before() {
        assert_eq!(step(None, 5_000), Step::Idle);
        assert_eq!(step(Some(5_000), 5_000), Step::Tick);
        assert_eq!(step(Some(4_000), 5_000), Step::Tick);
        assert_eq!(
            step(Some(5_300), 5_000),
            Step::Wait(Duration::from_millis(300))
        );
    }

    #[test]
    fn a_far_expiry_is_looked_at_again_because_a_nearer_one_may_come() {
        assert_eq!(step(Some(500_000), 5_000), Step::Wait(LOOK_AGAIN));
    }
}
