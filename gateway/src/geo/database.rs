//! A country or city database in MaxMind's file format.
//!
//! ```text
//!   MaxMind, DB-IP           country.iso_code   location.latitude   location.longitude
//!   flat (IPtoASN and such)  country_code       latitude            longitude
//! ```
//!
//! Owns: reading both forms. Must never: panic on a damaged file; a lookup that fails finds nothing.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use maxminddb::{MaxMindDbError, Reader, path};

use super::countries::Country;
use super::distance::Position;
use crate::network::plain;

/// The database cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("geography database {} cannot be used: {source}", path.display())]
pub struct DatabaseError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub source: MaxMindDbError,
}

/// What a database says about an address.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// Two letters.
    pub country: Option<Country>,
    /// Only city databases have it.
    pub position: Option<Position>,
    /// The range it says this about.
    pub prefix_len: u8,
}

/// A database in memory.
pub struct Database {
    reader: Reader<Vec<u8>>,
    described: String,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.described)
    }
}

impl Database {
    /// Reads the whole file.
    ///
    /// # Errors
    /// When it cannot be read or is not such a database.
    pub fn open(path: &Path) -> Result<Self, DatabaseError> {
        let reader = Reader::open_readfile(path).map_err(|source| DatabaseError {
            path: path.to_owned(),
            source,
        })?;
        let made = reader.metadata();
        let described = format!("{} of build {}", made.database_type, made.build_epoch);
        Ok(Self { reader, described })
    }

    /// What it says about `addr`; `None` when that is nothing.
    #[must_use]
    pub fn look_up(&self, addr: IpAddr) -> Option<Found> {
        let result = self.reader.lookup(plain(addr)).ok()?;
        if !result.has_data() {
            return None;
        }
        let code = |path: &[maxminddb::PathElement<'_>]| -> Option<&str> {
            result.decode_path(path).ok().flatten()
        };
        let code = code(&path!["country", "iso_code"])
            .or_else(|| code(&path!["country_code"]))
            // An address that is used abroad: where it is registered is better than nothing.
            .or_else(|| code(&path!["registered_country", "iso_code"]));
        let degrees = |path: &[maxminddb::PathElement<'_>]| number(&result, path);
        let lat = degrees(&path!["location", "latitude"]).or_else(|| degrees(&path!["latitude"]));
        let lon = degrees(&path!["location", "longitude"]).or_else(|| degrees(&path!["longitude"]));
        let position = lat.zip(lon).and_then(|(lat, lon)| Position::new(lat, lon));
        Some(Found {
            country: code.and_then(Country::new),
            position,
            prefix_len: result.network().ok()?.prefix(),
        })
    }

    /// Its type and when it was made.
    #[must_use]
    pub fn describe(&self) -> &str {
        &self.described
    }
}

/// Files have degrees as doubles, as floats, or as text.
fn number(
    result: &maxminddb::LookupResult<'_, Vec<u8>>,
    path: &[maxminddb::PathElement<'_>],
) -> Option<f64> {
    let double = result.decode_path::<f64>(path).ok().flatten();
    let float = || {
        let float = result.decode_path::<f32>(path).ok().flatten();
        float.map(f64::from)
    };
    let text = || result.decode_path::<&str>(path).ok().flatten();
    double
        .or_else(float)
        .or_else(|| text().and_then(|text| text.parse().ok()))
}
