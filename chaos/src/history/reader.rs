//! Reads a history line by line.
//!
//! Owns: lines, blank lines and comments. Must never: hold more than one line.

use std::io::BufRead;

use super::HistoryError;
use super::event::{Event, VERSION};

/// Longest line: the seats of the largest show by name, with room to spare.
const LINE_BYTES_MAX: usize = 64 << 20;

/// Events of a history, with the numbers of their lines. Blank lines and lines that begin with `#` are skipped.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    line: u64,
    header_seen: bool,
    buffer: Vec<u8>,
}

impl<R: BufRead> Reader<R> {
    /// Reads from the beginning.
    pub const fn new(from: R) -> Self {
        Self {
            from,
            line: 0,
            header_seen: false,
            buffer: Vec::new(),
        }
    }

    /// Number of the line of the last event, from 1.
    #[must_use]
    pub const fn line(&self) -> u64 {
        self.line
    }

    fn event(&mut self) -> Result<Option<Event>, HistoryError> {
        loop {
            self.buffer.clear();
            let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
            let read =
                std::io::Read::take(&mut self.from, limit).read_until(b'\n', &mut self.buffer)?;
            if read == 0 {
                return if self.header_seen {
                    Ok(None)
                } else {
                    Err(HistoryError::HeaderMissing)
                };
            }
            self.line += 1;
            if read == LINE_BYTES_MAX {
                return Err(HistoryError::LongLine {
                    line: self.line,
                    bytes_max: LINE_BYTES_MAX,
                });
            }
            let text = self.buffer.trim_ascii();
            if text.is_empty() || text.starts_with(b"#") {
                continue;
            }
            let event = serde_json::from_slice(text).map_err(|source| HistoryError::Line {
                line: self.line,
                source,
            })?;
            return self.placed(event).map(Some);
        }
    }

    /// The header comes first and only there.
    fn placed(&mut self, event: Event) -> Result<Event, HistoryError> {
        match (&event, self.header_seen) {
            (Event::Header(header), false) if header.version == VERSION => {
                self.header_seen = true;
                Ok(event)
            }
            (Event::Header(header), false) => Err(HistoryError::Version {
                version: header.version,
                known: VERSION,
            }),
            (Event::Header(_), true) => Err(HistoryError::Contradiction {
                line: self.line,
                problem: "a second header".to_owned(),
            }),
            (_, false) => Err(HistoryError::HeaderMissing),
            (_, true) => Ok(event),
        }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Event, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.event().transpose()
    }
}
