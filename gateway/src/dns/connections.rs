//! Who may have a TCP connection: so many in all, and so many to one client.
//!
//! Owns: both counts. A client is an IPv4 address or an IPv6 /64, since a household has a /64 and may use any address of it.
//! Must never: remember a client that has no connection; so it never knows more clients than there are connections.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::network::{Network, plain};

/// Connections of one client at a time. A resolver needs one or two: many questions go over each.
pub const EACH_MAX: usize = 8;
/// Leading bits by which clients are told apart.
const CLIENT_V4_BITS: u8 = 32;
const CLIENT_V6_BITS: u8 = 64;

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_client: HashMap<Network, usize>,
}

/// See the module's head.
#[derive(Debug)]
pub struct Connections {
    max: usize,
    each_max: usize,
    /// Never held over an await.
    open: Mutex<Open>,
}

/// The right to one connection; it ends with this.
#[derive(Debug)]
pub struct Connection {
    among: Arc<Connections>,
    client: Network,
}

impl Connections {
    /// Room for `max` connections, `each_max` of them to one client.
    #[must_use]
    pub fn new(max: usize, each_max: usize) -> Self {
        Self {
            max,
            each_max,
            open: Mutex::default(),
        }
    }

    /// One more of `addr`'s client, if it has not its share and there is room.
    #[must_use]
    pub fn take(self: &Arc<Self>, addr: IpAddr) -> Option<Connection> {
        let client = client_of(addr);
        let mut open = self.lock();
        let has = open.by_client.get(&client).copied().unwrap_or(0);
        if open.all >= self.max || has >= self.each_max {
            return None;
        }
        open.all += 1;
        open.by_client.insert(client, has + 1);
        drop(open);
        Some(Connection {
            among: Arc::clone(self),
            client,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut open = self.among.lock();
        open.all = open.all.saturating_sub(1);
        let had = open.by_client.get(&self.client).copied().unwrap_or(0);
        if had > 1 {
            open.by_client.insert(self.client, had - 1);
        } else {
            open.by_client.remove(&self.client);
        }
    }
}

fn client_of(addr: IpAddr) -> Network {
    let bits = if plain(addr).is_ipv4() {
        CLIENT_V4_BITS
    } else {
        CLIENT_V6_BITS
    };
    Network::of(addr, bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_client_with_its_share_is_refused_and_others_are_not() {
        let connections = Arc::new(Connections::new(10, 2));
        let held = [0, 1].map(|_| connections.take(addr("192.0.2.1")).unwrap());
        assert!(connections.take(addr("192.0.2.1")).is_none());
        assert!(connections.take(addr("::ffff:192.0.2.1")).is_none());
        assert!(connections.take(addr("192.0.2.2")).is_some());
        drop(held);
        assert!(connections.take(addr("192.0.2.1")).is_some());
    }

    #[test]
    fn a_network_of_the_sixth_version_is_one_client() {
        let connections = Arc::new(Connections::new(10, 1));
        let held = connections.take(addr("2001:db8:0:1::1"));
        assert!(held.is_some());
        assert!(connections.take(addr("2001:db8:0:1:ffff::9")).is_none());
        assert!(connections.take(addr("2001:db8:0:2::1")).is_some());
    }

    #[test]
    fn there_is_a_bound_for_all_and_nobody_is_remembered() {
        let connections = Arc::new(Connections::new(2, 2));
        let held = ["192.0.2.1", "192.0.2.2"].map(|text| connections.take(addr(text)));
        assert!(held.iter().all(Option::is_some));
        assert!(connections.take(addr("192.0.2.3")).is_none());
        drop(held);
        let open = connections.lock();
        assert_eq!((open.all, open.by_client.len()), (0, 0));
    }
}
