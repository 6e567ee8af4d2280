//! Carries the bytes of one way of one connection, each a fixed time after it arrived.
//!
//! Owns: order, delay, back-pressure. Must never: add up delays. A byte leaves at *its arrival + delay*, however
//! many are on the way before it, so a busy link is as long as an idle one.
//!
//! What is on the way is bounded by [`IN_FLIGHT_BYTES_MAX`]; beyond it the reader stops and TCP slows the sender.

use std::sync::Arc;
use std::time::Duration;

use prometheus::IntCounter;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::shape::{Direction, LinkShape};

/// Bytes on the way in one direction of one connection: 16 MiB carries 70 MB/s over a 230 ms way.
pub(crate) const IN_FLIGHT_BYTES_MAX: u32 = 16 * 1024 * 1024;
/// Pieces on the way; a small piece costs a slot of the queue however few bytes it has.
const IN_FLIGHT_PIECES_MAX: usize = 65_536;
/// Largest piece read at once.
const PIECE_BYTES_MAX: usize = 64 * 1024;

const _: () = assert!(
    PIECE_BYTES_MAX < IN_FLIGHT_BYTES_MAX as usize,
    "or no piece would ever fit"
);

/// How a way ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PumpEnd {
    /// The sender closed its side and the receiver was told, in order.
    Clean,
    /// One of the sockets failed.
    Broken,
}

/// One way of one connection.
pub(crate) struct Pump {
    pub(crate) direction: Direction,
    pub(crate) shape: watch::Receiver<LinkShape>,
    pub(crate) seed: u64,
    pub(crate) bytes: IntCounter,
    pub(crate) pieces: IntCounter,
}

enum Piece {
    Bytes(Vec<u8>, OwnedSemaphorePermit),
    /// The sender closed its side; as much delayed as bytes are.
    End,
}

impl Pump {
    pub(crate) async fn run(self, from: OwnedReadHalf, to: OwnedWriteHalf) -> PumpEnd {
        let (sender, receiver) = mpsc::channel(IN_FLIGHT_PIECES_MAX);
        let shape = self.shape.clone();
        let direction = self.direction;
        let (bytes, pieces) = (self.bytes.clone(), self.pieces.clone());
        let (read, written) = tokio::join!(
            self.read(from, sender),
            write(receiver, to, shape, direction, bytes, pieces)
        );
        if read == PumpEnd::Clean {
            written
        } else {
            read
        }
    }

    /// Stamps what arrives with the time at which it shall leave.
    async fn read(self, mut from: OwnedReadHalf, queue: mpsc::Sender<(Instant, Piece)>) -> PumpEnd {
        let room = Arc::new(Semaphore::new(IN_FLIGHT_BYTES_MAX as usize));
        let mut jitter = StdRng::seed_from_u64(self.seed);
        let mut leaves_at = Instant::now();
        let mut buffer = vec![0; PIECE_BYTES_MAX];
        loop {
            let read = from.read(&mut buffer).await;
            let arrived_at = Instant::now();
            let (delay, jitter_max) = self.shape.borrow().delay(self.direction);
            // Never before what arrived earlier: a stream keeps its order.
            leaves_at = leaves_at.max(arrived_at + delay + drawn(&mut jitter, jitter_max));
            let piece = match read {
                Ok(0) => Piece::End,
                Ok(count) => {
                    let weight = u32::try_from(count).unwrap_or(IN_FLIGHT_BYTES_MAX);
                    let Ok(permit) = Arc::clone(&room).acquire_many_owned(weight).await else {
                        return PumpEnd::Broken;
                    };
                    Piece::Bytes(buffer[..count].to_vec(), permit)
                }
                Err(_) => return PumpEnd::Broken,
            };
            let last = matches!(piece, Piece::End);
            if queue.send((leaves_at, piece)).await.is_err() {
                return PumpEnd::Broken;
            }
            if last {
                return PumpEnd::Clean;
            }
        }
    }
}

/// Lets each piece go at its time, and none while the way is cut.
async fn write(
    mut queue: mpsc::Receiver<(Instant, Piece)>,
    mut to: OwnedWriteHalf,
    mut shape: watch::Receiver<LinkShape>,
    direction: Direction,
    bytes: IntCounter,
    pieces: IntCounter,
) -> PumpEnd {
    while let Some((leaves_at, piece)) = queue.recv().await {
        if leaves_at > Instant::now() {
            sleep_until(leaves_at).await;
        }
        if shape
            .wait_for(|shape| !shape.is_cut(direction))
            .await
            .is_err()
        {
            return PumpEnd::Broken;
        }
        match piece {
            Piece::Bytes(piece, _room) => {
                if to.write_all(&piece).await.is_err() {
                    return PumpEnd::Broken;
                }
                bytes.inc_by(piece.len() as u64);
                pieces.inc();
            }
            Piece::End => {
                let told = to.shutdown().await.is_ok();
                return if told {
                    PumpEnd::Clean
                } else {
                    PumpEnd::Broken
                };
            }
        }
    }
    PumpEnd::Broken
}

fn drawn(jitter: &mut StdRng, max: Duration) -> Duration {
    if max.is_zero() {
        Duration::ZERO
    } else {
        jitter.random_range(Duration::ZERO..=max)
    }
}
