//! The sockets of a node, and serving on them until it stops.
//!
//! Owns: binding, and the end of connections. Must never: know what is served.

use std::{net::SocketAddr, time::Duration};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::{Router, TcpIncoming};

use super::ServerError;
use crate::config::Config;

/// How long open connections are waited for at the very end.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// The two sockets of a node.
#[derive(Debug)]
pub struct Listeners {
    pub(super) grpc: TcpListener,
    pub(super) http: TcpListener,
    /// Where gRPC listens.
    pub grpc_addr: SocketAddr,
    /// Where HTTP listens.
    pub http_addr: SocketAddr,
}

impl Listeners {
    /// Binds both addresses of `config`.
    ///
    /// # Errors
    /// [`ServerError::Listen`], which names the field.
    pub async fn bind(config: &Config) -> Result<Self, ServerError> {
        let (grpc, grpc_addr) = listen("grpc_listen", config.grpc_listen).await?;
        let (http, http_addr) = listen("http_listen", config.http_listen).await?;
        Ok(Self {
            grpc,
            http,
            grpc_addr,
            http_addr,
        })
    }
}

async fn listen(
    field: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), ServerError> {
    let failed = |source| ServerError::Listen {
        field,
        address,
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

pub(super) async fn serve_http(
    listener: TcpListener,
    router: axum::Router,
    stop: CancellationToken,
) {
    let serving = axum::serve(listener, router)
        .with_graceful_shutdown(stop.clone().cancelled_owned())
        .into_future();
    serve("http", serving, &stop).await;
}

pub(super) async fn serve_grpc(listener: TcpListener, router: Router, stop: CancellationToken) {
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let serving = router.serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned());
    serve("grpc", serving, &stop).await;
}

/// Serves until `stop`, and then no longer than [`CLOSE_MAX`]: by then every leadership has been handed over and every
/// command answered, so a connection that lingers has nothing to wait for.
async fn serve<E: std::fmt::Display>(
    what: &str,
    serving: impl Future<Output = Result<(), E>>,
    stop: &CancellationToken,
) {
    let late = async {
        stop.cancelled().await;
        tokio::time::sleep(CLOSE_MAX).await;
    };
    tokio::select! {
        () = late => tracing::debug!(what, "connections left open at the end"),
        ended = serving => if let Err(error) = ended {
            tracing::error!(what, %error, "listener failed");
        },
    }
}
