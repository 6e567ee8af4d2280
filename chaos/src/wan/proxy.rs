//! A link that can be switched off and on: off, its port refuses.
//!
//! Owns: the listener's task. Must never: say that it is off before the port is closed, or on before it is bound.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_util::task::AbortOnDropHandle;

use super::WanError;
use super::link::{Link, Places};

/// One proxy, running or not. Dropping it closes its port and its connections.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) link: Arc<Link>,
    /// `None` while switched off. Held over awaits, so that switching is one thing at a time.
    acceptor: Mutex<Option<AbortOnDropHandle<()>>>,
}

impl Proxy {
    /// Runs on a listener that is bound.
    pub(crate) fn running(link: Arc<Link>, listener: TcpListener) -> Self {
        let acceptor = Mutex::new(Some(accept(&link, listener)));
        Self { link, acceptor }
    }

    /// Does not run yet.
    pub(crate) const fn off(link: Arc<Link>) -> Self {
        Self {
            link,
            acceptor: Mutex::const_new(None),
        }
    }

    /// Binds the port and runs; nothing happens when it does already.
    pub(crate) async fn start(&self) -> Result<(), WanError> {
        let mut acceptor = self.acceptor.lock().await;
        if acceptor.is_none() {
            let places = self.link.places();
            let (listener, listen) = bind(&self.link.name, places.listen).await?;
            self.link.set_places(Places { listen, ..places });
            *acceptor = Some(accept(&self.link, listener));
        }
        self.link.change(|shape| shape.enabled = true);
        Ok(())
    }

    /// Closes the port and every connection.
    pub(crate) async fn stop(&self) {
        let mut acceptor = self.acceptor.lock().await;
        self.link.change(|shape| shape.enabled = false);
        if let Some(task) = acceptor.take() {
            task.abort();
            // It ends as aborted; by then the listener is closed.
            let _ = task.await;
        }
    }
}

fn accept(link: &Arc<Link>, listener: TcpListener) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(Arc::clone(link).accept_loop(listener)))
}

async fn bind(name: &str, at: SocketAddr) -> Result<(TcpListener, SocketAddr), WanError> {
    let socket = |source| WanError::Socket {
        link: name.to_owned(),
        source,
    };
    let listener = TcpListener::bind(at).await.map_err(socket)?;
    let listen = listener.local_addr().map_err(socket)?;
    Ok((listener, listen))
}
