//! What an emulated way takes beyond the round trip that it is told to have.
//!
//! Nothing of holdfast is on it: one byte goes out, an echo sends it back. What comes out here is the instrument's own share of
//! every latency above the floor.
//!
//! Owns: the echo. Must never: count the handshake.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::bench::report::Measurement;
use crate::bench::stats::Times;
use crate::wan::{LinkSpec, Wan};

/// The shortest that the other measurements have.
const RTT: Duration = Duration::from_millis(89);
const SAMPLES: u32 = 40;

pub(super) async fn measure() -> anyhow::Result<Vec<Measurement>> {
    let upstream = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let spec = LinkSpec {
        dialler: "here".to_owned(),
        viewer: "here".parse()?,
        target: "there".parse()?,
        server: "echo".to_owned(),
        upstream: upstream.local_addr()?,
        listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
        rtt: RTT,
    };
    let here = spec.listener.local_addr()?;
    let wan = Wan::start(vec![spec], 1)?;
    let _echo = AbortOnDropHandle::new(tokio::spawn(echo(upstream)));
    let times = round_trips(TcpStream::connect(here).await?).await;
    wan.shut_down().await;
    Ok(times?
        .quantiles()
        .measurements("emulated_way.beyond_its_round_trip"))
}

async fn echo(listener: TcpListener) -> std::io::Result<()> {
    let (mut socket, _) = listener.accept().await?;
    socket.set_nodelay(true)?;
    let (mut from, mut to) = socket.split();
    tokio::io::copy(&mut from, &mut to).await?;
    Ok(())
}

async fn round_trips(mut socket: TcpStream) -> std::io::Result<Times> {
    socket.set_nodelay(true)?;
    let mut times = Times::default();
    for sample in 0..=SAMPLES {
        let asked = Instant::now();
        socket.write_all(&[1]).await?;
        socket.read_exact(&mut [0]).await?;
        // The first one waits for the handshake.
        if sample > 0 {
            times.push(asked.elapsed().saturating_sub(RTT));
        }
    }
    Ok(times)
}
