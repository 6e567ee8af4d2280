//! When a connection has to end although nobody asked: the toxics `timeout` and `reset_peer`.
//!
//! Owns: since when each of them is on this connection. Must never: touch the connection; it says how it ends.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::flow::{FlowEnd, suffers};
use super::shape::LinkShape;
use super::toxic::ToxicKind;

/// Waits until the connection has to end, which may be never.
pub(crate) async fn doom(mut shape: watch::Receiver<LinkShape>, connection_seed: u64) -> FlowEnd {
    // By serial: since when, and whether it swallowed what was sent. A stream with a hole cannot go on.
    let mut on: BTreeMap<u64, (Instant, bool)> = BTreeMap::new();
    loop {
        let now = Instant::now();
        let mut next: Option<(Instant, FlowEnd)> = None;
        let mut seen = BTreeMap::new();
        for toxic in &shape.borrow_and_update().toxics {
            let (after_ms, end, swallows) = match toxic.kind {
                ToxicKind::Timeout { timeout: 0 } => (None, FlowEnd::Close, true),
                ToxicKind::Timeout { timeout } => (Some(timeout), FlowEnd::Close, true),
                ToxicKind::ResetPeer { timeout } => (Some(timeout), FlowEnd::Reset, false),
                _ => continue,
            };
            if !suffers(toxic, connection_seed) {
                continue;
            }
            let since = on.get(&toxic.serial).map_or(now, |(since, _)| *since);
            seen.insert(toxic.serial, (since, swallows));
            if let Some(ms) = after_ms {
                let at = since + Duration::from_millis(ms);
                if next.is_none_or(|(earliest, _)| at < earliest) {
                    next = Some((at, end));
                }
            }
        }
        let removed = |(serial, (_, swallows)): (&u64, &(Instant, bool))| {
            *swallows && !seen.contains_key(serial)
        };
        if on.iter().any(removed) {
            return FlowEnd::Close;
        }
        on = seen;
        let changed = async {
            if shape.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        match next {
            None => changed.await,
            Some((at, end)) => tokio::select! {
                () = sleep_until(at) => return end,
                () = changed => {}
            },
        }
    }
}
