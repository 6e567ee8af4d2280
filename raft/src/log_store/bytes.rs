//! Reading and writing the few primitive forms that our records on disk are made of.
//!
//! Owns: unsigned varints and a reader that never runs past its end. Must never: panic on bytes from disk or a peer.

/// Why bytes could not be read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    /// The bytes end inside a field.
    #[error("{field} is cut short")]
    CutShort {
        /// Name of the field.
        field: &'static str,
    },
    /// Written by a newer program.
    #[error(
        "format version {found} of {what} is newer than {newest}, the newest this program reads"
    )]
    NewerVersion {
        /// What carries the version.
        what: &'static str,
        /// The version found.
        found: u8,
        /// The newest version understood here.
        newest: u8,
    },
    /// A field holds a value outside its range.
    #[error("{field} holds {found}, which is not allowed")]
    OutOfRange {
        /// Name of the field.
        field: &'static str,
        /// The value found.
        found: u64,
    },
    /// More bytes than the format has fields for.
    #[error("{count} bytes follow the end of {what}")]
    Trailing {
        /// What should have ended.
        what: &'static str,
        /// How many bytes follow.
        count: usize,
    },
}

/// Appends `value` as an unsigned LEB128 varint: seven bits a byte, least significant first.
pub(crate) fn put_uvarint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

/// Reads fields off the front of a slice.
pub(crate) struct ByteReader<'a> {
    rest: &'a [u8],
}

impl<'a> ByteReader<'a> {
    /// Starts at the front of `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// One byte.
    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        let (first, rest) = self
            .rest
            .split_first()
            .ok_or(DecodeError::CutShort { field })?;
        self.rest = rest;
        Ok(*first)
    }

    /// Eight bytes, big-endian.
    pub(crate) fn u64_be(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        let (head, rest) = self
            .rest
            .split_first_chunk::<8>()
            .ok_or(DecodeError::CutShort { field })?;
        self.rest = rest;
        Ok(u64::from_be_bytes(*head))
    }

    /// An unsigned varint.
    pub(crate) fn uvarint(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8(field)?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(DecodeError::OutOfRange { field, found: bits });
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::OutOfRange {
            field,
            found: u64::MAX,
        })
    }

    /// An unsigned varint of at most `max`.
    pub(crate) fn uvarint_max(
        &mut self,
        field: &'static str,
        max: u64,
    ) -> Result<u64, DecodeError> {
        let found = self.uvarint(field)?;
        if found > max {
            return Err(DecodeError::OutOfRange { field, found });
        }
        Ok(found)
    }

    /// Refuses bytes that follow the last field of `what`.
    pub(crate) fn finish(self, what: &'static str) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::Trailing {
                what,
                count: self.rest.len(),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_come_back_at_every_width() {
        for shift in 0..64 {
            for value in [(1_u64 << shift) - 1, 1 << shift, u64::MAX >> shift] {
                let mut bytes = Vec::new();
                put_uvarint(&mut bytes, value);
                let mut reader = ByteReader::new(&bytes);
                assert_eq!(reader.uvarint("value"), Ok(value));
                assert_eq!(reader.finish("value"), Ok(()));
            }
        }
    }

    #[test]
    fn a_varint_of_more_than_sixty_four_bits_is_refused() {
        let bytes = [0xff; 11];
        assert!(ByteReader::new(&bytes).uvarint("value").is_err());
        let bytes = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert!(ByteReader::new(&bytes).uvarint("value").is_err());
    }

    #[test]
    fn a_cut_field_is_named() {
        assert_eq!(
            ByteReader::new(&[1, 2, 3]).u64_be("index"),
            Err(DecodeError::CutShort { field: "index" })
        );
        assert_eq!(
            ByteReader::new(&[0x80]).uvarint("term"),
            Err(DecodeError::CutShort { field: "term" })
        );
    }
}
