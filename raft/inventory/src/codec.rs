//! Versioned bytes of entries and snapshots.
//!
//! Owns: the envelope around both, the version of each, and every way in which bytes can be wrong.
//! Must never: panic on any bytes, or change what a released version means (golden files watch it).
//!
//! ```text
//! magic 4 │ format version u16 │ xxh3-64 of the body │ body (postcard)      integers little-endian
//! ```
//! Version 2 of both knows waiting rooms, and is written only where there is something of one: everything else stays as
//! version 1 has it, byte for byte. A new version gets its own body type and a conversion; old bytes stay readable for
//! ever. Derived indexes are not written: a layout is stored once, as it was set up.

mod snapshot;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::command::Entry;
use crate::invariants::Violation;
use crate::limits;

pub use snapshot::{decode_snapshot, encode_snapshot};

const ENTRY_MAGIC: [u8; 4] = *b"HFIE";
const SNAPSHOT_MAGIC: [u8; 4] = *b"HFIS";
/// The newest version of an entry that is read.
pub const ENTRY_VERSION: u16 = 2;
/// The newest version of a snapshot that is read.
pub const SNAPSHOT_VERSION: u16 = 2;
const HEADER_BYTES: usize = 4 + 2 + 8;

/// Why bytes are not an entry or a snapshot. Nothing of this goes away by trying again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CodecError {
    /// There are fewer bytes than a header has.
    #[error("{found} bytes are too short for a header of {HEADER_BYTES}")]
    TooShort {
        /// Bytes there are.
        found: usize,
    },
    /// There are more bytes than allowed.
    #[error("{found} bytes are more than the {max} allowed")]
    TooLarge {
        /// Bytes there are.
        found: usize,
        /// Bytes, at most.
        max: usize,
    },
    /// These bytes are something else.
    #[error("magic {found:02x?} is not {expected:02x?}")]
    WrongMagic {
        /// The first four bytes.
        found: [u8; 4],
        /// What they should be.
        expected: [u8; 4],
    },
    /// A newer release wrote this (or version 0, which never was).
    #[error("format version {found} is not known here, the newest known is {known}")]
    UnknownVersion {
        /// The version in the header.
        found: u16,
        /// The newest version read here.
        known: u16,
    },
    /// The body is damaged.
    #[error("checksum {found:016x} does not match the header's {expected:016x}")]
    BadChecksum {
        /// Of the body as it is.
        found: u64,
        /// As the header says.
        expected: u64,
    },
    /// The body does not decode, although it is not damaged.
    #[error("body does not decode: {reason}")]
    BadBody {
        /// What the decoder met.
        reason: String,
    },
    /// The body decodes to a state that cannot be.
    #[error("state is not sound: {violation}")]
    Unsound {
        /// The first broken invariant.
        violation: Violation,
    },
}

impl CodecError {
    /// Whether trying again could help: never, bytes do not change.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        false
    }
}

/// The bytes of an entry.
///
/// # Errors
/// `TooLarge` when they, or the number of commands, are above the limits; nothing else.
pub fn encode_entry(entry: &Entry) -> Result<Vec<u8>, CodecError> {
    let max = limits::COMMANDS_PER_ENTRY_MAX;
    if entry.commands.len() > max {
        return Err(CodecError::TooLarge {
            found: entry.commands.len(),
            max,
        });
    }
    let commands = entry.commands.iter();
    let version = commands.map(|envelope| envelope.command.entry_version());
    let bytes = seal(ENTRY_MAGIC, version.max().unwrap_or(1), entry)?;
    let max = limits::ENTRY_BYTES_MAX;
    if bytes.len() > max {
        return Err(CodecError::TooLarge {
            found: bytes.len(),
            max,
        });
    }
    Ok(bytes)
}

/// The entry that these bytes are.
///
/// # Errors
/// Every [`CodecError`] but `Unsound`.
pub fn decode_entry(bytes: &[u8]) -> Result<Entry, CodecError> {
    // A later version has more commands, and the earlier ones as they were.
    let (_, body) = open(bytes, ENTRY_MAGIC, ENTRY_VERSION, limits::ENTRY_BYTES_MAX)?;
    let entry: Entry = decode_body(body)?;
    let max = limits::COMMANDS_PER_ENTRY_MAX;
    if entry.commands.len() > max {
        return Err(CodecError::TooLarge {
            found: entry.commands.len(),
            max,
        });
    }
    Ok(entry)
}

fn seal(magic: [u8; 4], version: u16, body: &impl Serialize) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::with_capacity(256);
    bytes.extend_from_slice(&magic);
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes.extend_from_slice(&[0; 8]);
    let mut bytes = postcard::to_extend(body, bytes).map_err(|error| CodecError::BadBody {
        reason: error.to_string(),
    })?;
    if let Some((header, body)) = bytes.split_at_mut_checked(HEADER_BYTES)
        && let Some(checksum) = header.last_chunk_mut::<8>()
    {
        *checksum = xxhash_rust::xxh3::xxh3_64(body).to_le_bytes();
    }
    Ok(bytes)
}

/// Checks the header and gives the version and the body.
fn open(bytes: &[u8], magic: [u8; 4], known: u16, max: usize) -> Result<(u16, &[u8]), CodecError> {
    if bytes.len() > max {
        return Err(CodecError::TooLarge {
            found: bytes.len(),
            max,
        });
    }
    let short = CodecError::TooShort { found: bytes.len() };
    let (found_magic, rest) = bytes
        .split_first_chunk::<4>()
        .ok_or_else(|| short.clone())?;
    let (found_version, rest) = rest.split_first_chunk::<2>().ok_or_else(|| short.clone())?;
    let (checksum, body) = rest.split_first_chunk::<8>().ok_or(short)?;
    if *found_magic != magic {
        return Err(CodecError::WrongMagic {
            found: *found_magic,
            expected: magic,
        });
    }
    let version = u16::from_le_bytes(*found_version);
    if version == 0 || version > known {
        return Err(CodecError::UnknownVersion {
            found: version,
            known,
        });
    }
    let (found, expected) = (
        xxhash_rust::xxh3::xxh3_64(body),
        u64::from_le_bytes(*checksum),
    );
    if found != expected {
        return Err(CodecError::BadChecksum { found, expected });
    }
    Ok((version, body))
}

fn decode_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, CodecError> {
    let (value, rest) = postcard::take_from_bytes(body).map_err(|error| CodecError::BadBody {
        reason: error.to_string(),
    })?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(CodecError::BadBody {
            reason: format!("{} bytes are left over", rest.len()),
        })
    }
}
