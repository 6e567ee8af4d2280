//! Asking the gateways of other regions, every ten seconds, which round trips to clients they measured.
//!
//! ```text
//!   GET /v1/route/round-trips?after=CURSOR ─► at most 512 networks that changed since, and the next cursor
//! ```
//!
//! Owns: when, whom, and by what gateways know each other. Must never: tell strangers which networks buyers come from, or hold
//! anything up: whoever does not answer is asked again in the next round.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::told::{Cursor, TOLD_MAX, Told};
use crate::app::App;
use crate::clock;
use crate::observatory::fetch;
use crate::session::Sessions;

/// Where a gateway tells what it measured.
pub const PATH: &str = "/v1/route/round-trips";
/// Networks change seldom, and an answer that comes a round later is as good.
const ROUND_INTERVAL: Duration = Duration::from_secs(10);
/// A gateway that has more to tell than fits into one answer is asked again at once, so many times in a round: all that it may
/// know is heard in a minute and a half.
const ANSWERS_A_ROUND: usize = 16;
/// Beyond the round trips between the two gateways.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// Largest answer, bytes: 512 networks at less than 100 bytes each.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What the gateways of a cluster show each other. It says nothing about the key that all of them share.
pub struct ClusterToken(Hmac<Sha256>);

impl ClusterToken {
    /// The one of all gateways that sign guest tokens alike.
    #[must_use]
    pub fn of(sessions: &Sessions) -> Self {
        let key = sessions.derived("asking other gateways");
        Self(Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length"))
    }

    /// As it is sent: `Authorization: Bearer <text>`.
    #[must_use]
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.clone().finalize().into_bytes())
    }

    /// Whether `text` is it; takes as long for one that is nearly right.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        let bytes = URL_SAFE_NO_PAD.decode(text);
        bytes.is_ok_and(|bytes| self.0.clone().verify_slice(&bytes).is_ok())
    }
}

/// Asks every ten seconds until `stop`.
pub async fn keep_exchanging(app: Arc<App>, stop: CancellationToken) {
    let mut round = tokio::time::interval(ROUND_INTERVAL);
    round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut heard = BTreeMap::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = round.tick() => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = hear_others(&app, &mut heard) => {}
        }
    }
}

/// One round; `heard` is how far each gateway was heard, by its address.
async fn hear_others(app: &App, heard: &mut BTreeMap<String, Cursor>) {
    for _ in 0..ANSWERS_A_ROUND {
        if !ask_others(app, heard).await {
            break;
        }
    }
    let topology = app.upstream.topology();
    app.geo.measured().tidy(&topology, clock::now());
}

/// One answer of each; whether one of them has more to tell.
async fn ask_others(app: &App, heard: &mut BTreeMap<String, Cursor>) -> bool {
    let mut more = false;
    let topology = app.upstream.topology();
    let own = &app.config.region;
    let others = app.gateways.elsewhere(&topology, own);
    heard.retain(|addr, _| others.iter().any(|(_, other)| other == addr));
    let mut asking = JoinSet::new();
    for (region, addr) in others {
        let rtt = topology.rtt.get(own, &region).unwrap_or_default();
        let token = app.cluster_token.text();
        let path = heard
            .get(&addr)
            .map_or_else(|| PATH.to_owned(), |after| format!("{PATH}?after={after}"));
        asking.spawn(async move {
            let asked = fetch::<Told>(&addr, &path, Some(token.as_str()), ANSWER_BYTES_MAX);
            // Two round trips: one to connect, one to ask.
            let told = tokio::time::timeout(ANSWER_TIMEOUT + 2 * rtt, asked).await;
            (addr, region, told.ok().flatten())
        });
    }
    while let Some(asked) = asking.join_next().await {
        let Ok((addr, region, Some(told))) = asked else {
            continue;
        };
        // An address that leads to another region's gateway is a mistake in a file, and nobody's word.
        if told.region == region {
            heard.insert(addr, told.next);
            let measured = app.geo.measured();
            measured.hear(&region, &told.round_trips, clock::now());
            more |= told.round_trips.len() >= TOLD_MAX;
        }
    }
    more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateways_with_one_session_key_know_each_other_and_nobody_else() {
        let token = |key: u8| ClusterToken::of(&Sessions::new([key; 32], Duration::from_secs(60)));
        let (ours, theirs) = (token(7).text(), token(8).text());
        assert!(token(7).is(&ours));
        let longer = format!("{ours}AA");
        for bad in [theirs.as_str(), "", &ours[1..], &longer, "====", "é"] {
            assert!(!token(7).is(bad), "{bad}");
        }
    }
}
