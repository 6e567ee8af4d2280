//! Versioned bytes of directory entries and snapshots.
//!
//! Owns: magic, version, checksum; the body is postcard of the serde types. Must never: panic on bytes, or change what an old
//! version meant; a new layout gets a new version number and the old reader stays.
//!
//! ```text
//! "HFDC" or "HFDS" · version u16 LE · xxh3-64 of the body, LE · body
//! ```

mod v1;
mod v2;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::v1::{CommandV1, StateV1};
use self::v2::StateV2;
use super::{DirectoryCommand, DirectoryState};

const COMMANDS_MAGIC: [u8; 4] = *b"HFDC";
const SNAPSHOT_MAGIC: [u8; 4] = *b"HFDS";
/// What is written. Everything back to [`VERSION_MIN`] is read.
const VERSION: u16 = 3;
const VERSION_MIN: u16 = 1;
const HEADER_BYTES: usize = 14;

/// Why bytes are not a directory entry or snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryCodecError {
    /// Fewer bytes than a header has.
    #[error("{bytes} bytes are too few for a directory record")]
    Short {
        /// How many there were.
        bytes: usize,
    },
    /// Something else than what was asked for.
    #[error("magic: not a directory record of this kind")]
    Magic,
    /// Written by a newer release.
    #[error("version: {found} is newer than this release reads ({VERSION})")]
    NewerVersion {
        /// What the header says.
        found: u16,
    },
    /// The body was changed after it was written.
    #[error("checksum: the body does not match it")]
    Checksum,
    /// The body does not decode although its checksum is right.
    #[error("body: {reason}")]
    Body {
        /// What the decoder said.
        reason: String,
    },
}

fn encode<T: Serialize>(magic: [u8; 4], value: &T) -> Result<Bytes, DirectoryCodecError> {
    let body = postcard::to_stdvec(value).map_err(|e| DirectoryCodecError::Body {
        reason: e.to_string(),
    })?;
    let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
    bytes.extend_from_slice(&magic);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&xxhash_rust::xxh3::xxh3_64(&body).to_le_bytes());
    bytes.extend_from_slice(&body);
    Ok(Bytes::from(bytes))
}

/// Checks the header; the version and the body.
fn open(magic: [u8; 4], bytes: &[u8]) -> Result<(u16, &[u8]), DirectoryCodecError> {
    let short = DirectoryCodecError::Short { bytes: bytes.len() };
    let (found_magic, rest) = bytes
        .split_first_chunk::<4>()
        .ok_or_else(|| short.clone())?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(|| short.clone())?;
    let (checksum, body) = rest.split_first_chunk::<8>().ok_or(short)?;
    if *found_magic != magic {
        return Err(DirectoryCodecError::Magic);
    }
    let found = u16::from_le_bytes(*version);
    if found < VERSION_MIN {
        return Err(DirectoryCodecError::Magic);
    }
    if found > VERSION {
        return Err(DirectoryCodecError::NewerVersion { found });
    }
    if xxhash_rust::xxh3::xxh3_64(body) != u64::from_le_bytes(*checksum) {
        return Err(DirectoryCodecError::Checksum);
    }
    Ok((found, body))
}

fn body<T: DeserializeOwned>(body: &[u8]) -> Result<T, DirectoryCodecError> {
    postcard::from_bytes(body).map_err(|e| DirectoryCodecError::Body {
        reason: e.to_string(),
    })
}

pub(crate) fn encode_commands(commands: &[DirectoryCommand]) -> Result<Bytes, DirectoryCodecError> {
    encode(COMMANDS_MAGIC, &commands)
}

pub(crate) fn decode_commands(bytes: &[u8]) -> Result<Vec<DirectoryCommand>, DirectoryCodecError> {
    match open(COMMANDS_MAGIC, bytes)? {
        (1, old) => Ok(body::<Vec<CommandV1>>(old)?
            .into_iter()
            .map(DirectoryCommand::from)
            .collect()),
        (_, now) => body(now),
    }
}

pub(crate) fn encode_snapshot(state: &DirectoryState) -> Result<Bytes, DirectoryCodecError> {
    encode(SNAPSHOT_MAGIC, state)
}

pub(crate) fn decode_snapshot(bytes: &[u8]) -> Result<DirectoryState, DirectoryCodecError> {
    let mut state: DirectoryState = match open(SNAPSHOT_MAGIC, bytes)? {
        (1, old) => body::<StateV1>(old)?.into(),
        (2, old) => body::<StateV2>(old)?.into(),
        (_, now) => body(now)?,
    };
    state.rebuild_index();
    Ok(state)
}
