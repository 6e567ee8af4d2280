//! Overrides of DNS on the wire.
//!
//! Owns: reading and showing them. Must never: decide whether one is allowed; the directory does.

use holdfast_node_api::v1;
use holdfast_raft::directory::{DirectoryCommand, NewSteering, Steering, SteeringKey};
use holdfast_raft::{Clock as _, SystemClock};
use tonic::Status;

use super::{invalid, region_id};

/// The command for a request that came just now.
pub(super) fn set(request: &v1::SetSteeringRequest) -> Result<DirectoryCommand, Status> {
    let wanted = request.wanted.as_ref();
    let wanted = wanted.ok_or_else(|| invalid("wanted", "missing"))?;
    Ok(DirectoryCommand::SetSteering(NewSteering {
        key: key(wanted)?,
        region: region_id(&wanted.region)?,
        asked_at_ms: SystemClock.now_ms(),
        for_ms: request.for_ms,
        break_glass: request.break_glass,
    }))
}

/// The command that takes back one override, or all.
pub(super) fn clear(request: &v1::ClearSteeringRequest) -> Result<DirectoryCommand, Status> {
    Ok(DirectoryCommand::ClearSteering {
        key: request.what.as_ref().map(key).transpose()?,
    })
}

fn key(wanted: &v1::SteeringOverride) -> Result<SteeringKey, Status> {
    Ok(match wanted.kind() {
        v1::SteeringKind::Unspecified => return Err(invalid("kind", "missing")),
        v1::SteeringKind::Pin if wanted.name.is_empty() => SteeringKey::PinAll,
        v1::SteeringKind::Pin => SteeringKey::Pin(canonical(&wanted.name)),
        v1::SteeringKind::Drain => SteeringKey::Drain(region_id(&wanted.region)?),
    })
}

/// A name with the dot at its end, in lower case: one name, one key.
fn canonical(name: &str) -> String {
    let mut name = name.trim_end_matches('.').to_ascii_lowercase();
    name.push('.');
    name
}

/// Every override, those that have ended among them.
pub(in crate::grpc) fn overrides(steering: &Steering) -> Vec<v1::SteeringOverride> {
    let wishes = steering.wishes().iter();
    let message = wishes.map(|(key, wish)| {
        let (kind, name) = match key {
            SteeringKey::PinAll => (v1::SteeringKind::Pin, String::new()),
            SteeringKey::Pin(name) => (v1::SteeringKind::Pin, name.clone()),
            SteeringKey::Drain(_) => (v1::SteeringKind::Drain, String::new()),
        };
        v1::SteeringOverride {
            kind: kind.into(),
            region: wish.region.to_string(),
            name,
            until_ms: wish.until_ms,
        }
    });
    message.collect()
}
