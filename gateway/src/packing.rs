//! Bytes compressed, as every browser can read them.
//!
//! Owns: how much work that is worth. Must never: hold what it packed; whoever sends the same thing often keeps it.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// For what is packed once and sent often.
#[must_use]
pub fn gzip(bytes: &[u8]) -> Bytes {
    packed(bytes, Compression::default())
}

/// For what is packed for one answer: a third of the work, an eighth more to send.
#[must_use]
pub fn gzip_quickly(bytes: &[u8]) -> Bytes {
    packed(bytes, Compression::fast())
}

/// Writing to memory does not fail; were it to, nothing would be sent as compressed.
fn packed(bytes: &[u8], effort: Compression) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), effort);
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_itself_gets_smaller() {
        let text = "seat ".repeat(1_000);
        for packed in [gzip(text.as_bytes()), gzip_quickly(text.as_bytes())] {
            assert_eq!(packed[..2], [0x1f, 0x8b]);
            assert!(packed.len() < 200, "{}", packed.len());
        }
    }
}
