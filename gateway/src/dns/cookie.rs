//! DNS cookies: whoever shows one of ours has received something at its address before.
//!
//! ```text
//! server cookie = version 1 | reserved 0 0 0 | made at, s:4 | SipHash-2-4(client cookie | the first 8 | client address):8
//! ```
//!
//! Owns: making and checking them (RFC 7873, RFC 9018, sections 4 and 5). Must never: keep anything per client. All gateways
//! make the same cookies, since any of them may be asked next.

use std::hash::Hasher as _;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

/// Bytes of a server cookie.
pub const SERVER_COOKIE_BYTES: usize = 16;
/// One that was made longer ago is not good any more, s (RFC 9018, 4.3).
const AGE_S_MAX: u32 = 3_600;
/// How far clocks of gateways may be ahead of ours, s.
const AHEAD_S_MAX: u32 = 300;

/// Makes and checks cookies with one secret.
pub struct Cookies {
    key: [u8; 16],
}

impl std::fmt::Debug for Cookies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cookies")
    }
}

impl Cookies {
    /// Uses a secret `key`.
    #[must_use]
    pub const fn new(key: [u8; 16]) -> Self {
        Self { key }
    }

    /// A server cookie for whoever asks from `addr` with the client cookie `client`, at `now_s` since the epoch.
    #[must_use]
    pub fn make(&self, client: [u8; 8], addr: IpAddr, now_s: u32) -> [u8; SERVER_COOKIE_BYTES] {
        let mut cookie = [0; SERVER_COOKIE_BYTES];
        cookie[0] = 1;
        cookie[4..8].copy_from_slice(&now_s.to_be_bytes());
        let hash = self.hash(client, &cookie[..8], addr);
        cookie[8..].copy_from_slice(&hash);
        cookie
    }

    /// Whether `server` is a cookie of ours for them, and not too old.
    #[must_use]
    pub fn is_good(
        &self,
        client: [u8; 8],
        server: [u8; SERVER_COOKIE_BYTES],
        addr: IpAddr,
        now_s: u32,
    ) -> bool {
        let made_s = u32::from_be_bytes([server[4], server[5], server[6], server[7]]);
        // Serial arithmetic: the field wraps around in 2106.
        let age_s = now_s.wrapping_sub(made_s);
        let in_time = age_s <= AGE_S_MAX || age_s.wrapping_neg() <= AHEAD_S_MAX;
        in_time && server[0] == 1 && server[8..] == self.hash(client, &server[..8], addr)
    }

    fn hash(&self, client: [u8; 8], head: &[u8], addr: IpAddr) -> [u8; 8] {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(&client);
        hasher.write(head);
        match addr {
            IpAddr::V4(addr) => hasher.write(&addr.octets()),
            IpAddr::V6(addr) => hasher.write(&addr.octets()),
        }
        hasher.finish().to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
    }

    /// RFC 9018, appendix A.1 and A.3; the latter is an old one with other reserved bytes.
    #[test]
    fn cookies_are_those_of_the_standard() {
        let cookies = Cookies::new(bytes("e5e973e5a6b2a43f48e7dc849e37bfcf"));
        let (client, addr) = (bytes("2464c4abcf10c957"), "198.51.100.100".parse().unwrap());
        let made = cookies.make(client, addr, 1_559_731_985);
        assert_eq!(made, bytes("010000005cf79f111f8130c3eee29480"));
        assert!(cookies.is_good(client, made, addr, 1_559_731_985));
        let (client, addr) = (bytes("fc93fc62807ddb86"), "203.0.113.203".parse().unwrap());
        let old = bytes("01abcdef5cf78f71a314227b6679ebf5");
        assert!(cookies.is_good(client, old, addr, 1_559_728_000 + 600));
    }

    #[test]
    fn a_cookie_is_good_for_one_client_for_an_hour() {
        let cookies = Cookies::new([7; 16]);
        let (client, addr) = ([1; 8], "192.0.2.1".parse().unwrap());
        let made = cookies.make(client, addr, 10_000);
        let good = |cookie, addr, now_s| cookies.is_good(client, cookie, addr, now_s);
        assert!(good(made, addr, 13_600) && good(made, addr, 9_800));
        assert!(!good(made, addr, 13_601) && !good(made, addr, 9_000));
        assert!(!good(made, "192.0.2.2".parse().unwrap(), 10_000));
        assert!(!cookies.is_good([2; 8], made, addr, 10_000));
        assert!(!Cookies::new([8; 16]).is_good(client, made, addr, 10_000));
        for byte in 0..SERVER_COOKIE_BYTES {
            let mut forged = made;
            forged[byte] ^= 1;
            let kept = good(forged, addr, 10_000);
            assert!(!kept, "byte {byte}");
        }
    }
}
