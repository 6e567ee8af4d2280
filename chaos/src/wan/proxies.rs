//! The network as a set of named proxies with toxics: what Toxiproxy's API and the drills change.
//!
//! Owns: names, and the order of checks. Must never: change a proxy half.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::link::{Link, Places};
use super::proxy::Proxy;
use super::shape::LinkShape;
use super::toxic::{TOXICS_MAX, Toxic};
use super::{Wan, WanError};

/// Most proxies of one network.
pub(super) const PROXIES_MAX: usize = 4_096;

/// A proxy that is made over the API: no delay of its own, no regions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewProxy {
    pub(crate) name: String,
    pub(crate) listen: String,
    pub(crate) upstream: String,
    pub(crate) enabled: bool,
}

impl Wan {
    /// Every proxy, in name order.
    pub(super) fn all(&self) -> Vec<Arc<Proxy>> {
        let proxies = self.shared.proxies.read();
        let proxies = proxies.unwrap_or_else(PoisonError::into_inner);
        proxies.values().cloned().collect()
    }

    pub(super) fn links(&self) -> Vec<Arc<Link>> {
        let all = self.all().into_iter();
        all.map(|proxy| Arc::clone(&proxy.link)).collect()
    }

    pub(super) fn proxy(&self, name: &str) -> Result<Arc<Proxy>, WanError> {
        let proxies = self.shared.proxies.read();
        let proxies = proxies.unwrap_or_else(PoisonError::into_inner);
        let unknown = || WanError::UnknownLink {
            name: name.to_owned(),
        };
        proxies.get(name).cloned().ok_or_else(unknown)
    }

    /// Makes a proxy and starts it, unless it is to be off.
    pub(super) async fn create(&self, new: NewProxy) -> Result<Arc<Proxy>, WanError> {
        let places = Places {
            listen: loopback(&new.listen)?,
            upstream: new.upstream,
        };
        let mut shape = LinkShape::new(Duration::ZERO);
        shape.enabled = false;
        let shared = &self.shared;
        let (seed, metrics, alarm) = (shared.seed, &shared.metrics, &shared.alarm);
        let link = |name: String| Link::new(name, None, places, shape, seed, metrics, alarm);
        let proxy = {
            let proxies = shared.proxies.write();
            let mut proxies = proxies.unwrap_or_else(PoisonError::into_inner);
            if proxies.contains_key(&new.name) {
                return Err(WanError::LinkExists { name: new.name });
            }
            if proxies.len() >= PROXIES_MAX {
                return Err(WanError::TooManyLinks);
            }
            let proxy = Arc::new(Proxy::off(Arc::new(link(new.name.clone()))));
            proxies.insert(new.name.clone(), Arc::clone(&proxy));
            proxy
        };
        if new.enabled
            && let Err(error) = proxy.start().await
        {
            self.remove(&new.name).await?;
            return Err(error);
        }
        Ok(proxy)
    }

    /// Makes proxies, or changes those that exist to be so; as many as go well, and the first error.
    pub(super) async fn populate(
        &self,
        proxies: Vec<NewProxy>,
    ) -> (Vec<Arc<Proxy>>, Option<WanError>) {
        let mut made = Vec::new();
        for new in proxies {
            let done = match self.proxy(&new.name) {
                Ok(old) if old.link.places() == new.places_or(&old) => {
                    self.set_enabled(&new.name, new.enabled).await.map(|()| old)
                }
                Ok(_) => match self.remove(&new.name).await {
                    Ok(()) => self.create(new).await,
                    Err(error) => Err(error),
                },
                Err(_) => self.create(new).await,
            };
            match done {
                Ok(proxy) => made.push(proxy),
                Err(error) => return (made, Some(error)),
            }
        }
        (made, None)
    }

    /// Removes a proxy; its port and its connections close.
    pub(super) async fn remove(&self, name: &str) -> Result<(), WanError> {
        let proxy = self.proxy(name)?;
        {
            let proxies = self.shared.proxies.write();
            let mut proxies = proxies.unwrap_or_else(PoisonError::into_inner);
            proxies.remove(name);
        }
        proxy.stop().await;
        self.shared.metrics.forget(name);
        Ok(())
    }

    /// Moves a proxy to another port or server; connections close when anything changes.
    pub(super) async fn move_to(
        &self,
        name: &str,
        listen: Option<&str>,
        upstream: Option<&str>,
    ) -> Result<(), WanError> {
        let proxy = self.proxy(name)?;
        let before = proxy.link.places();
        let places = Places {
            listen: listen.map_or(Ok(before.listen), loopback)?,
            upstream: upstream.map_or_else(|| before.upstream.clone(), str::to_owned),
        };
        if places == before {
            return Ok(());
        }
        let enabled = proxy.link.shape().enabled;
        proxy.stop().await;
        proxy.link.set_places(places);
        if enabled {
            proxy.start().await?;
        }
        Ok(())
    }

    /// Switches one proxy on or off. Off, it closes its connections and its port refuses.
    ///
    /// # Errors
    /// [`WanError::UnknownLink`]; [`WanError::Socket`] when the port was taken meanwhile.
    pub async fn set_enabled(&self, name: &str, enabled: bool) -> Result<(), WanError> {
        let proxy = self.proxy(name)?;
        if enabled {
            proxy.start().await
        } else {
            proxy.stop().await;
            Ok(())
        }
    }

    /// Puts a toxic on a link; connections that are open suffer it too.
    ///
    /// # Errors
    /// [`WanError::UnknownLink`], [`WanError::ToxicExists`], [`WanError::TooManyToxics`].
    pub fn add_toxic(&self, name: &str, toxic: Toxic) -> Result<(), WanError> {
        let proxy = self.proxy(name)?;
        let serial = self.shared.toxic_count.fetch_add(1, Ordering::Relaxed);
        let mut result = Ok(());
        proxy.link.change(|shape| {
            if shape.toxics.iter().any(|other| other.name == toxic.name) {
                let link = name.to_owned();
                let toxic = toxic.name.clone();
                result = Err(WanError::ToxicExists { link, toxic });
            } else if shape.toxics.len() >= TOXICS_MAX {
                result = Err(WanError::TooManyToxics);
            } else {
                shape.toxics.push(Toxic { serial, ..toxic });
            }
        });
        result
    }

    /// A toxic of a link.
    ///
    /// # Errors
    /// [`WanError::UnknownLink`], [`WanError::UnknownToxic`].
    pub fn toxic(&self, name: &str, toxic: &str) -> Result<Toxic, WanError> {
        let toxics = self.proxy(name)?.link.shape().toxics;
        let found = toxics.into_iter().find(|other| other.name == toxic);
        found.ok_or_else(|| unknown_toxic(name, toxic))
    }

    /// Puts another toxic in the place of the one of the same name.
    ///
    /// # Errors
    /// [`WanError::UnknownLink`], [`WanError::UnknownToxic`].
    pub fn replace_toxic(&self, name: &str, toxic: Toxic) -> Result<(), WanError> {
        let mut result = Err(unknown_toxic(name, &toxic.name));
        self.proxy(name)?.link.change(|shape| {
            if let Some(place) = shape.toxics.iter_mut().find(|t| t.name == toxic.name) {
                *place = toxic;
                result = Ok(());
            }
        });
        result
    }

    /// Takes a toxic off a link.
    ///
    /// # Errors
    /// [`WanError::UnknownLink`], [`WanError::UnknownToxic`].
    pub fn remove_toxic(&self, name: &str, toxic: &str) -> Result<(), WanError> {
        let mut result = Err(unknown_toxic(name, toxic));
        self.proxy(name)?.link.change(|shape| {
            let before = shape.toxics.len();
            shape.toxics.retain(|other| other.name != toxic);
            if shape.toxics.len() < before {
                result = Ok(());
            }
        });
        result
    }

    /// Heals everything, switches every proxy on, removes every toxic.
    ///
    /// # Errors
    /// [`WanError::Socket`] when a port was taken meanwhile; the others are reset.
    pub async fn reset(&self) -> Result<(), WanError> {
        self.heal_all();
        let mut result = Ok(());
        for proxy in self.all() {
            proxy.link.change(|shape| shape.toxics.clear());
            result = result.and(proxy.start().await);
        }
        result
    }
}

impl NewProxy {
    /// Where it would be; an address that cannot be read is none of the old one's.
    fn places_or(&self, old: &Proxy) -> Places {
        let listen = loopback(&self.listen).ok();
        let free_choice = listen.filter(|addr| addr.port() != 0);
        Places {
            listen: free_choice.unwrap_or_else(|| old.link.places().listen),
            upstream: self.upstream.clone(),
        }
    }
}

fn unknown_toxic(link: &str, toxic: &str) -> WanError {
    WanError::UnknownToxic {
        link: link.to_owned(),
        toxic: toxic.to_owned(),
    }
}

/// `127.0.0.1:8080`, `localhost:8080`, `[::1]:8080` or `:8080`. This emulator serves no other machine.
fn loopback(listen: &str) -> Result<SocketAddr, WanError> {
    let wrong = || WanError::Listen {
        listen: listen.to_owned(),
    };
    let (host, port) = listen.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().map_err(|_| wrong())?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let ip = match host {
        "" | "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        _ => host.parse().map_err(|_| wrong())?,
    };
    if ip.is_loopback() {
        Ok(SocketAddr::new(ip, port))
    } else {
        Err(wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_listened_on() {
        let read = |text: &str| loopback(text).map(|addr| addr.to_string());
        assert_eq!(read("localhost:80").unwrap(), "127.0.0.1:80");
        assert_eq!(read(":80").unwrap(), "127.0.0.1:80");
        assert_eq!(read("127.0.3.1:0").unwrap(), "127.0.3.1:0");
        assert_eq!(read("[::1]:80").unwrap(), "[::1]:80");
        for wrong in [
            "0.0.0.0:80",
            "[::]:80",
            "10.1.1.1:80",
            "80",
            "localhost",
            "a.example:80",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
