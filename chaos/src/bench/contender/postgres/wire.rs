//! As much of PostgreSQL's protocol (version 3) as prepared statements need.
//!
//! Several statements go out in one write with one Sync; the answer is read to the ReadyForQuery that ends it.
//!
//! Owns: the bytes. Must never: authenticate; the bench's servers trust this machine's loopback.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Version 3.0 of the protocol.
const VERSION: i32 = 196_608;
/// Larger answers than this are not expected from anything asked here.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// What goes wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum SqlError {
    #[error("postgres: {0}")]
    Lost(#[from] std::io::Error),
    #[error("postgres said {code}: {message}")]
    Server { code: String, message: String },
    #[error("postgres is not understood: {0}")]
    Odd(&'static str),
}

/// A connection; nobody else's.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    out: Vec<u8>,
    input: Vec<u8>,
    read: usize,
}

/// What an answer held.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answered {
    /// Rows that the last statement touched.
    rows: usize,
    /// First column of the first row, as text.
    value: Option<String>,
}

impl Connection {
    pub(super) async fn open(server: SocketAddr, user: &str) -> Result<Self, SqlError> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let mut connection = Self {
            stream,
            out: startup(user),
            input: Vec::new(),
            read: 0,
        };
        connection.answer().await?;
        Ok(connection)
    }

    /// One statement as text; the first column of its first row.
    pub(super) async fn simple(&mut self, sql: &str) -> Result<Option<String>, SqlError> {
        message(&mut self.out, b'Q', |out| text(out, sql));
        Ok(self.answer().await?.value)
    }

    pub(super) async fn prepare(&mut self, name: &str, sql: &str) -> Result<(), SqlError> {
        message(&mut self.out, b'P', |out| {
            text(out, name);
            text(out, sql);
            // The server finds the types of the parameters.
            out.extend_from_slice(&0_i16.to_be_bytes());
        });
        self.flush().await?;
        Ok(())
    }

    /// Adds a prepared statement, with binary parameters, to what the next [`Connection::flush`] sends.
    pub(super) fn queue(&mut self, name: &str, parameters: &[&[u8]]) {
        bind(&mut self.out, name, parameters);
        message(&mut self.out, b'E', |out| {
            text(out, "");
            out.extend_from_slice(&0_i32.to_be_bytes());
        });
    }

    /// Sends what is queued and waits for its end; the rows that the last statement touched.
    pub(super) async fn flush(&mut self) -> Result<usize, SqlError> {
        message(&mut self.out, b'S', |_| ());
        Ok(self.answer().await?.rows)
    }

    async fn answer(&mut self) -> Result<Answered, SqlError> {
        self.stream.write_all(&self.out).await?;
        self.out.clear();
        let mut answered = Answered::default();
        let mut failed = None;
        loop {
            while let Some((kind, body, used)) = first_message(&self.input[self.read..])? {
                match kind {
                    b'C' => answered.rows = rows_of(body),
                    b'D' if answered.value.is_none() => answered.value = first_column(body),
                    b'E' => failed = Some(error_of(body)),
                    b'R' if body != [0; 4] => {
                        return Err(SqlError::Odd("it wants a password"));
                    }
                    _ => {}
                }
                let ended = kind == b'Z';
                self.read += used;
                if ended {
                    self.input.drain(..self.read);
                    self.read = 0;
                    return failed.map_or(Ok(answered), Err);
                }
                // A connection that is refused ends with the error and without ReadyForQuery.
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                let gone = SqlError::Odd("it closed the connection");
                return Err(failed.unwrap_or(gone));
            }
        }
    }
}

fn startup(user: &str) -> Vec<u8> {
    let mut body = VERSION.to_be_bytes().to_vec();
    for word in ["user", user, "database", "postgres", ""] {
        text(&mut body, word);
    }
    let mut out = length(body.len()).to_vec();
    out.extend_from_slice(&body);
    out
}

fn bind(out: &mut Vec<u8>, name: &str, parameters: &[&[u8]]) {
    let count = i16::try_from(parameters.len()).unwrap_or(i16::MAX);
    message(out, b'B', |out| {
        text(out, "");
        text(out, name);
        // One format for all parameters: binary.
        out.extend_from_slice(&[0, 1, 0, 1]);
        out.extend_from_slice(&count.to_be_bytes());
        for parameter in parameters {
            let bytes = i32::try_from(parameter.len()).unwrap_or(i32::MAX);
            out.extend_from_slice(&bytes.to_be_bytes());
            out.extend_from_slice(parameter);
        }
        // Results as text.
        out.extend_from_slice(&0_i16.to_be_bytes());
    });
}

/// A message: its letter, its length with the length itself, its body.
fn message(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind);
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    let bytes = length(out.len() - at - 4);
    out[at..at + 4].copy_from_slice(&bytes);
}

fn length(body: usize) -> [u8; 4] {
    i32::try_from(body + 4).unwrap_or(i32::MAX).to_be_bytes()
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

type Message<'a> = (u8, &'a [u8], usize);

/// Letter, body and whole length of the first message; `None` while it is not there as a whole.
fn first_message(bytes: &[u8]) -> Result<Option<Message<'_>>, SqlError> {
    let Some((head, rest)) = bytes.split_at_checked(5) else {
        return Ok(None);
    };
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if !(4..=MESSAGE_BYTES_MAX).contains(&length) {
        return Err(SqlError::Odd("a message of impossible length"));
    }
    let body = rest.get(..length - 4);
    Ok(body.map(|body| (head[0], body, length + 1)))
}

/// `UPDATE 2` touched two rows; `BEGIN` none.
fn rows_of(tag: &[u8]) -> usize {
    let tag = String::from_utf8_lossy(tag);
    let last = tag.trim_end_matches('\0').rsplit(' ').next();
    last.and_then(|count| count.parse().ok()).unwrap_or(0)
}

fn first_column(row: &[u8]) -> Option<String> {
    let length = u32::from_be_bytes(row.get(2..6)?.try_into().ok()?) as usize;
    Some(String::from_utf8_lossy(row.get(6..6 + length)?).into_owned())
}

fn error_of(body: &[u8]) -> SqlError {
    let mut code = String::new();
    let mut message = String::new();
    for field in body.split(|byte| *byte == 0).filter(|f| !f.is_empty()) {
        let value = String::from_utf8_lossy(&field[1..]).into_owned();
        match field[0] {
            b'C' => code = value,
            b'M' => message = value,
            _ => {}
        }
    }
    SqlError::Server { code, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_counts_its_own_length_but_not_its_letter() {
        let mut out = Vec::new();
        message(&mut out, b'Q', |out| text(out, "BEGIN"));
        assert_eq!(out, b"Q\0\0\0\x0aBEGIN\0");
        assert_eq!(first_message(&out[..9]).unwrap(), None);
        let (kind, body, used) = first_message(&out).unwrap().unwrap();
        assert_eq!((kind, body, used), (b'Q', &b"BEGIN\0"[..], out.len()));
        assert!(first_message(b"Q\xff\xff\xff\xff...").is_err());
    }

    #[test]
    fn parameters_go_as_binary_with_their_lengths() {
        let mut out = Vec::new();
        bind(&mut out, "u", &[&7_i32.to_be_bytes()]);
        assert_eq!(
            out,
            b"B\0\0\0\x17\0u\0\0\x01\0\x01\0\x01\0\0\0\x04\0\0\0\x07\0\0"
        );
    }

    #[test]
    fn tags_rows_and_errors_are_understood() {
        assert_eq!(rows_of(b"UPDATE 2\0"), 2);
        assert_eq!(rows_of(b"INSERT 0 5\0"), 5);
        assert_eq!(rows_of(b"BEGIN\0"), 0);
        assert_eq!(first_column(b"\0\x01\0\0\0\x022a"), Some("2a".to_owned()));
        assert_eq!(first_column(b"\0\x01\xff\xff\xff\xff"), None);
        let error = error_of(b"SERROR\0C40P01\0Mdeadlock detected\0\0");
        assert_eq!(error.to_string(), "postgres said 40P01: deadlock detected");
    }
}
