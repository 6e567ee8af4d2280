//! `holdfast-chaos wan serve`: the emulator alone, as a Toxiproxy for whatever else runs on this machine.
//!
//! Owns: the options and the listener. Must never: listen beyond loopback.

use std::net::{IpAddr, SocketAddr};

use anyhow::Context;
use clap::{Args, Subcommand};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::{Wan, control};

/// Toxiproxy's port.
pub const TOXIPROXY_PORT: u16 = 8474;

/// The wide-area network by itself.
#[derive(Debug, Subcommand)]
pub enum WanCommand {
    #[expect(missing_docs, reason = "the arguments' documentation is the command's")]
    Serve(ServeArgs),
}

/// Serve Toxiproxy's HTTP API on loopback until Ctrl-C or SIGTERM, with no proxies at first.
///
/// Any Toxiproxy client can make proxies, add toxics (latency, bandwidth, slow_close, timeout, reset_peer, slicer, limit_data,
/// and our own: loss) and take proxies down. What it listens on is printed on one line.
///
/// Example:
///
///   curl -d '{"name":"db","listen":"127.0.0.1:15432","upstream":"127.0.0.1:5432"}' localhost:8474/proxies
///
///   curl -d '{"type":"latency","attributes":{"latency":100}}' localhost:8474/proxies/db/toxics
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Loopback address to listen on.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// Port to listen on; 0 picks a free one.
    #[arg(long, value_name = "PORT", default_value_t = TOXIPROXY_PORT)]
    pub port: u16,
    /// Fixes whatever the proxies draw at random.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// Does what was asked.
///
/// # Errors
/// When the address is not loopback or taken.
pub async fn run(command: WanCommand) -> anyhow::Result<()> {
    let WanCommand::Serve(args) = command;
    anyhow::ensure!(
        args.host.is_loopback(),
        "--host {}: only loopback; whoever reaches this API can listen on any port here",
        args.host
    );
    let addr = SocketAddr::new(args.host, args.port);
    let listener = TcpListener::bind(addr)
        .await
        .with_context(|| format!("cannot listen on {addr}"))?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let wan = Wan::start(Vec::new(), args.seed)?;
    println!("http://{}", listener.local_addr()?);
    let ended = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    axum::serve(listener, control::router(wan.clone()))
        .with_graceful_shutdown(ended)
        .await?;
    wan.shut_down().await;
    Ok(())
}
