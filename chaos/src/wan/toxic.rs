//! Troubles of a link, in Toxiproxy's words: what they are and what they may say.
//!
//! Owns: the JSON form, defaults and bounds. Must never: touch a socket; [`super::flow`] and [`super::doom`] act.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::shape::Direction;

/// Longest time in any attribute, ms: more is a cut.
pub const TOXIC_MS_MAX: u64 = 600_000;
/// Most toxics on one link.
pub const TOXICS_MAX: usize = 16;

/// One trouble of one way of a link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Toxic {
    /// Unique on the link.
    pub name: String,
    /// What it does, and how much.
    #[serde(flatten)]
    pub kind: ToxicKind,
    /// Which way.
    pub stream: Direction,
    /// Share of connections that suffer it, 0 to 1; drawn once for each connection.
    pub toxicity: f64,
    /// Tells this one from one of the same name before it. Set when it is put on a link.
    #[serde(skip)]
    pub(crate) serial: u64,
}

/// What a toxic does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "attributes", rename_all = "snake_case")]
pub enum ToxicKind {
    /// Each byte comes later: by `latency` ms, give or take up to `jitter` ms.
    Latency {
        /// Mean delay, ms.
        #[serde(default)]
        latency: u64,
        /// Largest difference from it, ms.
        #[serde(default)]
        jitter: u64,
    },
    /// A thin line.
    Bandwidth {
        /// KB/s; 0 is no bound.
        #[serde(default)]
        rate: u64,
    },
    /// The end of the stream comes later.
    SlowClose {
        /// By how much, ms.
        #[serde(default)]
        delay: u64,
    },
    /// Nothing arrives; the connection is closed after a while, or when the toxic is removed.
    Timeout {
        /// After how long, ms; 0 is not before the toxic is removed.
        #[serde(default)]
        timeout: u64,
    },
    /// The connection is reset.
    ResetPeer {
        /// After how long, ms.
        #[serde(default)]
        timeout: u64,
    },
    /// Bytes arrive in small pieces.
    Slicer {
        /// Mean size of a piece, bytes; 0 leaves pieces whole.
        #[serde(default)]
        average_size: u64,
        /// Largest difference from it, bytes.
        #[serde(default)]
        size_variation: u64,
        /// Between two pieces, µs.
        #[serde(default)]
        delay: u64,
    },
    /// The connection is closed once so much was carried.
    LimitData {
        /// How much, bytes.
        #[serde(default)]
        bytes: u64,
    },
    /// Ours, not Toxiproxy's: lost packets as a program sees them above TCP, as a pause until the resend or as a reset.
    Loss {
        /// Share of pieces that are lost once and come `stall` ms later, 0 to 1.
        #[serde(default)]
        stall_ratio: f64,
        /// Time until a lost piece is sent again, ms.
        #[serde(default = "stall_ms_default")]
        stall: u64,
        /// Share of pieces on which the connection is reset, 0 to 1.
        #[serde(default)]
        reset_ratio: f64,
    },
}

/// The shortest resend time-out that common systems use.
const fn stall_ms_default() -> u64 {
    200
}

/// What is wrong with a toxic, in Toxiproxy's words first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToxicError {
    /// Neither `upstream` nor `downstream`.
    #[error("stream was invalid, can be either upstream or downstream")]
    Stream,
    /// A type that does not exist.
    #[error("invalid toxic type")]
    Kind,
    /// An attribute of the wrong form or out of its range.
    #[error("bad request body: {0}")]
    Body(String),
}

/// Words of `type`.
const KINDS: [&str; 8] = [
    "latency",
    "bandwidth",
    "slow_close",
    "timeout",
    "reset_peer",
    "slicer",
    "limit_data",
    "loss",
];

impl Toxic {
    /// A toxic that hits every connection, named as Toxiproxy names one that comes without a name.
    #[must_use]
    pub fn new(kind: ToxicKind, stream: Direction) -> Self {
        let mut toxic = Self {
            name: String::new(),
            kind,
            stream,
            toxicity: 1.0,
            serial: 0,
        };
        toxic.name = format!("{}_{}", toxic.type_name(), stream.as_str());
        toxic
    }

    /// Reads a new toxic: `type` must be there, all else has a default.
    ///
    /// # Errors
    /// [`ToxicError`].
    pub fn parse(body: &Value) -> Result<Self, ToxicError> {
        let kind = body.get("type").and_then(Value::as_str);
        let kind = kind.filter(|kind| KINDS.contains(kind));
        let kind = kind.ok_or(ToxicError::Kind)?;
        let stream = match body.get("stream").and_then(Value::as_str) {
            None | Some("" | "downstream") => "downstream",
            Some("upstream") => "upstream",
            Some(_) => return Err(ToxicError::Stream),
        };
        let given = body.get("name").and_then(Value::as_str);
        let name = given.filter(|name| !name.is_empty());
        let whole = serde_json::json!({
            "name": name.map_or_else(|| format!("{kind}_{stream}"), str::to_owned),
            "type": kind,
            "stream": stream,
            "toxicity": body.get("toxicity").filter(|value| !value.is_null()).cloned().unwrap_or_else(|| 1.0.into()),
            "attributes": body.get("attributes").filter(|value| !value.is_null()).cloned()
                .unwrap_or_else(|| Value::Object(serde_json::Map::new())),
        });
        Self::checked(whole)
    }

    /// The same toxic with the toxicity and the attributes that `body` has; others stay.
    ///
    /// # Errors
    /// [`ToxicError`].
    pub fn changed(&self, body: &Value) -> Result<Self, ToxicError> {
        let mut whole =
            serde_json::to_value(self).map_err(|error| ToxicError::Body(error.to_string()))?;
        if let Some(toxicity) = body.get("toxicity").filter(|value| !value.is_null()) {
            whole["toxicity"] = toxicity.clone();
        }
        let news = body.get("attributes").and_then(Value::as_object);
        for (key, value) in news.into_iter().flatten() {
            whole["attributes"][key] = value.clone();
        }
        Self::checked(whole)
    }

    fn checked(whole: Value) -> Result<Self, ToxicError> {
        let toxic: Self =
            serde_json::from_value(whole).map_err(|error| ToxicError::Body(error.to_string()))?;
        let share = |what: &str, share: f64| {
            if (0.0..=1.0).contains(&share) {
                Ok(())
            } else {
                Err(ToxicError::Body(format!("{what}: must be from 0 to 1")))
            }
        };
        share("toxicity", toxic.toxicity)?;
        let times = match toxic.kind {
            ToxicKind::Latency { latency, jitter } => [latency, jitter],
            ToxicKind::SlowClose { delay } => [delay, 0],
            ToxicKind::Timeout { timeout } | ToxicKind::ResetPeer { timeout } => [timeout, 0],
            ToxicKind::Slicer { delay, .. } => [delay / 1_000, 0],
            ToxicKind::Loss {
                stall_ratio,
                stall,
                reset_ratio,
            } => {
                share("stall_ratio", stall_ratio)?;
                share("reset_ratio", reset_ratio)?;
                [stall, 0]
            }
            ToxicKind::Bandwidth { .. } | ToxicKind::LimitData { .. } => [0, 0],
        };
        if times.iter().any(|&ms| ms > TOXIC_MS_MAX) {
            let reason = format!("attributes: at most {TOXIC_MS_MAX} ms");
            return Err(ToxicError::Body(reason));
        }
        Ok(toxic)
    }

    /// The word of `type`.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self.kind {
            ToxicKind::Latency { .. } => "latency",
            ToxicKind::Bandwidth { .. } => "bandwidth",
            ToxicKind::SlowClose { .. } => "slow_close",
            ToxicKind::Timeout { .. } => "timeout",
            ToxicKind::ResetPeer { .. } => "reset_peer",
            ToxicKind::Slicer { .. } => "slicer",
            ToxicKind::LimitData { .. } => "limit_data",
            ToxicKind::Loss { .. } => "loss",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_is_read_with_defaults_and_written_in_toxiproxys_form() {
        for kind in KINDS {
            let toxic = Toxic::parse(&json!({"type": kind})).unwrap();
            assert_eq!(toxic.type_name(), kind);
            assert_eq!(toxic.name, format!("{kind}_downstream"));
            let written = serde_json::to_value(&toxic).unwrap();
            assert_eq!(written["type"], kind);
            assert!(written["attributes"].is_object(), "{written}");
            assert_eq!(written["toxicity"], 1.0);
        }
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let body = json!({"type": "latency", "attributes": {"latency": 100, "jitter": 10}});
        let toxic = Toxic::parse(&body).unwrap();
        let change = json!({"attributes": {"latency": 5}, "toxicity": 0.5, "stream": "upstream"});
        let changed = toxic.changed(&change).unwrap();
        let (latency, jitter) = (5, 10);
        assert_eq!(changed.kind, ToxicKind::Latency { latency, jitter });
        assert_eq!(changed.stream, Direction::Downstream);
        assert!((changed.toxicity - 0.5).abs() < f64::EPSILON);
    }

    #[test]
    fn wrong_ones_are_refused_with_the_reason() {
        let wrong = |body: Value| Toxic::parse(&body).unwrap_err();
        assert_eq!(wrong(json!({"type": "gremlin"})), ToxicError::Kind);
        assert_eq!(wrong(json!({})), ToxicError::Kind);
        let sideways = json!({"type": "latency", "stream": "sideways"});
        assert_eq!(wrong(sideways), ToxicError::Stream);
        for attributes in [json!({"latency": -1}), json!({"latency": 600_001})] {
            let body = json!({"type": "latency", "attributes": attributes});
            assert!(matches!(wrong(body), ToxicError::Body(_)));
        }
        let body = json!({"type": "latency", "toxicity": 2});
        assert!(matches!(wrong(body), ToxicError::Body(_)));
    }
}
