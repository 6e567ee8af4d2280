//! The least that an HTTP answer with JSON can cost here: what HTTP figures are compared with.
//!
//! Owns: the echo. It runs in this process, which does nothing else meanwhile. Must never: do anything but parse and print.

use std::net::{Ipv4Addr, SocketAddr};

use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;
use tokio::task::JoinHandle;

/// A running echo; ended when dropped.
#[derive(Debug)]
pub(super) struct Echo {
    pub(super) addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Echo {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let echo = post(|Json(body): Json<Value>| async { Json(body) });
        let router = Router::new().route("/", echo);
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::warn!(%error, "the echo stopped");
            }
        });
        Ok(Self { addr, task })
    }

    /// Where it takes posts.
    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.addr)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}
