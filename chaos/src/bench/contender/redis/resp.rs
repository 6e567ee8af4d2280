//! As much of Redis' protocol (RESP2) as a pipelining client needs.
//!
//! Many callers share a connection: their commands go out in one write, answers come back in the same order.
//!
//! Owns: encoding, parsing, who waits for which answer. Must never: reconnect; a lost server ends the bench.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

/// Commands that wait for one connection; beyond it callers wait to enter.
const QUEUE_MAX: usize = 4_096;
/// Commands in one write at most.
const BATCH_MAX: usize = 512;
/// Bytes asked for in one read.
const READ_BYTES: usize = 64 * 1_024;

/// What the server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    Status(String),
    Error(String),
    Integer(i64),
    Bulk(String),
    Nil,
}

type Waiting = oneshot::Sender<Reply>;

/// A shared connection; closed when the last clone is gone.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    calls: mpsc::Sender<(Vec<u8>, Waiting)>,
}

impl Connection {
    pub(super) async fn open(server: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(server).await.context("redis")?;
        stream.set_nodelay(true)?;
        let (read, write) = stream.into_split();
        let (calls, queued) = mpsc::channel(QUEUE_MAX);
        let (sent, unanswered) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(send(queued, sent, write));
        tokio::spawn(receive(unanswered, read));
        Ok(Self { calls })
    }

    pub(super) async fn call(&self, words: &[&str]) -> anyhow::Result<Reply> {
        let (waiting, answer) = oneshot::channel();
        let sent = self.calls.send((encode(words), waiting)).await;
        sent.ok().context("the connection to redis is lost")?;
        answer.await.context("redis closed the connection")
    }
}

/// Writes what is queued, as much at once as there is.
async fn send(
    mut queued: mpsc::Receiver<(Vec<u8>, Waiting)>,
    sent: mpsc::Sender<Waiting>,
    mut write: OwnedWriteHalf,
) {
    let (mut batch, mut bytes) = (Vec::with_capacity(BATCH_MAX), Vec::new());
    while queued.recv_many(&mut batch, BATCH_MAX).await > 0 {
        bytes.clear();
        for (command, waiting) in batch.drain(..) {
            bytes.extend_from_slice(&command);
            if sent.send(waiting).await.is_err() {
                return;
            }
        }
        if let Err(error) = write.write_all(&bytes).await {
            tracing::warn!(%error, "redis does not read");
            return;
        }
    }
}

/// Gives each answer to whoever has waited longest.
async fn receive(mut unanswered: mpsc::Receiver<Waiting>, mut read: OwnedReadHalf) {
    let mut bytes = Vec::with_capacity(READ_BYTES);
    while let Ok(1..) = read.read_buf(&mut bytes).await {
        let mut used = 0;
        while let Some((reply, length)) = parse(&bytes[used..]) {
            used += length;
            let Some(waiting) = unanswered.recv().await else {
                return;
            };
            // The caller may have given up.
            let _ = waiting.send(reply);
        }
        bytes.drain(..used);
        bytes.reserve(READ_BYTES);
    }
}

/// A command: an array of strings.
fn encode(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// The first whole reply and its length; `None` while there is none. What is not understood is an error reply, so that
/// it reaches a caller.
fn parse(bytes: &[u8]) -> Option<(Reply, usize)> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let line = String::from_utf8_lossy(&bytes[1..end.max(1)]).into_owned();
    let after = end + 2;
    let odd = |line: &str| Reply::Error(format!("not understood: {line}"));
    let reply = match bytes[0] {
        b'+' => Reply::Status(line),
        b'-' => Reply::Error(line),
        b':' => line.parse().map_or_else(|_| odd(&line), Reply::Integer),
        b'$' if line.starts_with('-') => Reply::Nil,
        b'$' => {
            let Ok(length) = line.parse::<usize>() else {
                return Some((odd(&line), after));
            };
            let body = bytes.get(after..after + length)?;
            bytes.get(after + length..after + length + 2)?;
            let text = String::from_utf8_lossy(body).into_owned();
            return Some((Reply::Bulk(text), after + length + 2));
        }
        _ => odd(&line),
    };
    Some((reply, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_an_array_of_counted_strings() {
        assert_eq!(
            encode(&["SET", "a", ""]),
            b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$0\r\n\r\n"
        );
    }

    #[test]
    fn replies_are_parsed_one_by_one_and_never_before_they_are_whole() {
        let stream = b":1\r\n+OK\r\n-ERR no\r\n$5\r\na\r\nbc\r\n$-1\r\n:x\r\n";
        let mut seen = Vec::new();
        let (mut used, mut reached) = (0, 0);
        // Byte by byte, as a network may deliver.
        while reached < stream.len() {
            reached += 1;
            if let Some((reply, length)) = parse(&stream[used..reached]) {
                used += length;
                seen.push(reply);
            }
        }
        let expected = [
            Reply::Integer(1),
            Reply::Status("OK".to_owned()),
            Reply::Error("ERR no".to_owned()),
            Reply::Bulk("a\r\nbc".to_owned()),
            Reply::Nil,
            Reply::Error("not understood: x".to_owned()),
        ];
        assert_eq!(seen, expected);
        assert_eq!(used, stream.len());
    }
}
