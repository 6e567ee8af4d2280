//! Loads a new show's seats into its shard.
//!
//! Owns: one proposal, repeated until the state has a layout. Must never: change a show that is set up; the state
//! machine refuses another layout and takes the same one again.

use std::time::Duration;

use holdfast_inventory::{
    command::{Command, Entry, Envelope},
    ids::RequestId,
    outcome::Outcome,
    show::ShowSetUp,
};

use crate::leader_scope::Led;

/// After a proposal that was not committed.
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// Runs until the show is set up, or cannot be.
pub async fn run(led: Led) {
    let show = led.group.show_id();
    loop {
        if led.group.read(|state| state.is_set_up()).0 {
            return;
        }
        let (set_up, _) = led.context.host.directory().read(|d| d.show_set_up(show));
        let Some(set_up) = set_up else {
            // The group exists because the directory named it, so the record is at most a moment away.
            tokio::time::sleep(RETRY_DELAY).await;
            continue;
        };
        let entry = entry(&led, set_up);
        // Directly, not through the proposer: a layout is large and would fill an entry that others wait for.
        match led.group.propose(&entry).await {
            Ok(committed) => match committed.outcomes.first() {
                Some(Outcome::Rejected(reason)) => {
                    tracing::error!(%show, %reason, "show cannot be set up");
                    return;
                }
                _ => tracing::debug!(%show, "show is set up"),
            },
            Err(error) => {
                tracing::debug!(%show, %error, "show is not set up yet");
                tokio::time::sleep(RETRY_DELAY).await;
            }
        }
    }
}

/// The same request whoever makes it: the entry of a worker that looked before another one's was applied is a repeat.
fn entry(led: &Led, set_up: ShowSetUp) -> Entry {
    let request = RequestId::internal("set-up", led.group.show_id().get());
    let command = Command::SetUpShow(Box::new(set_up));
    Entry {
        now_ms: led.context.clock.now_ms(),
        commands: vec![Envelope { request, command }],
    }
}

#[cfg(test)]
mod tests;
