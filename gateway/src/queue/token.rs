//! Tickets and passes: what a buyer carries, signed so that any gateway can believe it.
//!
//! ```text
//!  ticket = version 1 │ key id 1 │ show 8 │ sub 16 │ qid 16 │ phase 1 │ entry 1 │ late key 16 │ issued at 8 │ MAC 32
//!  pass   = version 1 │ key id 1 │ show 8 │ sub 16 │ jti 16 │ expires at 8                                  │ MAC 32
//! ```
//! base64url; integers big-endian; MAC = HMAC-SHA-256 over everything before it, under a key of its own kind that comes
//! from the gateways' session key. `sub` is a keyed hash of buyer and show: it cannot be traced back or compared between shows.
//!
//! Owns: their form. Must never: believe a field before the MAC was checked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use holdfast_node_api::queue::{Qid, Seed, draw_key};
use sha2::Sha256;

use crate::session::Buyer;

const VERSION: u8 = 1;
const MAC_BYTES: usize = 32;
const TICKET_BYTES: usize = 1 + 1 + 8 + 16 + 16 + 1 + 1 + 16 + 8;
const PASS_BYTES: usize = 1 + 1 + 8 + 16 + 16 + 8;
/// Longest text that is decoded.
const TEXT_BYTES_MAX: usize = (TICKET_BYTES + MAC_BYTES).div_ceil(3) * 4;

/// A buyer within one show.
pub type Sub = [u8; 16];

/// How a ticket came to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before the sale: drawn.
    Draw,
    /// Afterwards: by time, at this key.
    Late(u128),
}

/// A place in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// Of which show.
    pub show_id: u64,
    /// Whose.
    pub sub: Sub,
    /// Its number; the pass that it becomes has the same.
    pub qid: Qid,
    /// How it came to its place.
    pub phase: Phase,
    /// How often its owner came in late before.
    pub entry: u8,
    /// When it was made, ms since the Unix epoch.
    pub issued_at_ms: u64,
}

impl Ticket {
    /// Where it stands; `None` while it is not drawn.
    #[must_use]
    pub fn key(&self, seed: Option<&Seed>) -> Option<u128> {
        match self.phase {
            Phase::Late(key) => Some(key),
            Phase::Draw => seed.map(|seed| draw_key(seed, &self.qid)),
        }
    }
}

/// The right to one hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// Of which show.
    pub show_id: u64,
    /// Whose.
    pub sub: Sub,
    /// Its number, by which the shard knows it.
    pub jti: Qid,
    /// Until when, ms since the Unix epoch.
    pub expires_at_ms: u64,
}

/// A text that is no ticket or pass of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is malformed, altered, or signed by somebody else")]
pub struct Forged;

/// Makes and checks both, with keys that every gateway of the cluster has.
pub struct Signer {
    tickets: Hmac<Sha256>,
    passes: Hmac<Sha256>,
    names: Hmac<Sha256>,
    kid: u8,
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length")
}

impl Signer {
    /// Keys from `derive`, which gives a key for a name.
    #[must_use]
    pub fn new(derive: impl Fn(&str) -> [u8; 32]) -> Self {
        let [kid, ..] = derive("waiting room key id");
        Self {
            tickets: keyed(&derive("waiting room tickets")),
            passes: keyed(&derive("waiting room passes")),
            names: keyed(&derive("waiting room names")),
            kid,
        }
    }

    fn name(&self, kind: u8, show_id: u64, buyer: Buyer) -> [u8; 16] {
        let mac = self.names.clone().chain_update([kind]);
        let mac = mac.chain_update(show_id.to_be_bytes());
        let digest: [u8; 32] = mac.chain_update(buyer.0).finalize().into_bytes().into();
        let mut name = [0; 16];
        name.iter_mut()
            .zip(digest)
            .for_each(|(to, from)| *to = from);
        name
    }

    /// The buyer within the show.
    #[must_use]
    pub fn sub(&self, show_id: u64, buyer: Buyer) -> Sub {
        self.name(b's', show_id, buyer)
    }

    /// The number with which the buyer is drawn: the same at every gateway, and unknown to everybody else.
    #[must_use]
    pub fn draw_qid(&self, show_id: u64, buyer: Buyer) -> Qid {
        self.name(b'd', show_id, buyer)
    }

    /// The ticket as its owner carries it.
    #[must_use]
    pub fn sign_ticket(&self, ticket: &Ticket) -> String {
        let (phase, key) = match ticket.phase {
            Phase::Draw => (0, 0),
            Phase::Late(key) => (1, key),
        };
        let mut bytes = self.head(ticket.show_id, &ticket.sub, &ticket.qid);
        bytes.extend_from_slice(&[phase, ticket.entry]);
        bytes.extend_from_slice(&u128::to_be_bytes(key));
        bytes.extend_from_slice(&ticket.issued_at_ms.to_be_bytes());
        seal(bytes, &self.tickets)
    }

    /// The pass as its owner carries it.
    #[must_use]
    pub fn sign_pass(&self, pass: &Pass) -> String {
        let mut bytes = self.head(pass.show_id, &pass.sub, &pass.jti);
        bytes.extend_from_slice(&pass.expires_at_ms.to_be_bytes());
        seal(bytes, &self.passes)
    }

    fn head(&self, show_id: u64, sub: &Sub, qid: &Qid) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(TICKET_BYTES + MAC_BYTES);
        bytes.extend_from_slice(&[VERSION, self.kid]);
        bytes.extend_from_slice(&show_id.to_be_bytes());
        bytes.extend_from_slice(sub);
        bytes.extend_from_slice(qid);
        bytes
    }

    /// Reads a ticket.
    ///
    /// # Errors
    /// [`Forged`], before anything in it is believed.
    pub fn ticket(&self, text: &str) -> Result<Ticket, Forged> {
        let claim = open::<TICKET_BYTES>(text, &self.tickets)?;
        let mut fields = Fields(&claim);
        let (show_id, sub, qid) = self.read_head(&mut fields)?;
        let [phase, entry] = fields.take()?;
        let key = u128::from_be_bytes(fields.take()?);
        let issued_at_ms = u64::from_be_bytes(fields.take()?);
        let phase = match phase {
            0 => Phase::Draw,
            1 => Phase::Late(key),
            _ => return Err(Forged),
        };
        Ok(Ticket {
            show_id,
            sub,
            qid,
            phase,
            entry,
            issued_at_ms,
        })
    }

    /// Reads a pass.
    ///
    /// # Errors
    /// [`Forged`], before anything in it is believed.
    pub fn pass(&self, text: &str) -> Result<Pass, Forged> {
        let claim = open::<PASS_BYTES>(text, &self.passes)?;
        let mut fields = Fields(&claim);
        let (show_id, sub, jti) = self.read_head(&mut fields)?;
        let expires_at_ms = u64::from_be_bytes(fields.take()?);
        Ok(Pass {
            show_id,
            sub,
            jti,
            expires_at_ms,
        })
    }

    fn read_head(&self, fields: &mut Fields<'_>) -> Result<(u64, Sub, Qid), Forged> {
        let [version, kid] = fields.take()?;
        if version != VERSION || kid != self.kid {
            return Err(Forged);
        }
        let show_id = u64::from_be_bytes(fields.take()?);
        Ok((show_id, fields.take()?, fields.take()?))
    }
}

/// Fixed-size fields, one after the other.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Forged> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or(Forged)?;
        self.0 = rest;
        Ok(*field)
    }
}

fn seal(mut bytes: Vec<u8>, key: &Hmac<Sha256>) -> String {
    let mac = key.clone().chain_update(&bytes).finalize().into_bytes();
    bytes.extend_from_slice(&mac);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn open<const N: usize>(text: &str, key: &Hmac<Sha256>) -> Result<[u8; N], Forged> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Forged);
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Forged)?;
    let (claim, mac) = bytes.split_first_chunk::<N>().ok_or(Forged)?;
    key.clone()
        .chain_update(claim)
        .verify_slice(mac)
        .map_err(|_| Forged)?;
    Ok(*claim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(secret: u8) -> Signer {
        Signer::new(|name| {
            let mac = keyed(&[secret; 32]).chain_update(name.as_bytes());
            mac.finalize().into_bytes().into()
        })
    }

    fn ticket() -> Ticket {
        let buyer = Buyer([5; 16]);
        Ticket {
            show_id: 7,
            sub: signer(1).sub(7, buyer),
            qid: signer(1).draw_qid(7, buyer),
            phase: Phase::Draw,
            entry: 0,
            issued_at_ms: 1_000,
        }
    }

    #[test]
    fn tickets_and_passes_come_back_as_they_were_made() {
        let signer = signer(1);
        let late = Ticket {
            phase: Phase::Late(u128::MAX - 3),
            entry: 1,
            ..ticket()
        };
        for ticket in [ticket(), late] {
            assert_eq!(signer.ticket(&signer.sign_ticket(&ticket)), Ok(ticket));
        }
        let pass = Pass {
            show_id: 7,
            sub: [1; 16],
            jti: [2; 16],
            expires_at_ms: 99,
        };
        assert_eq!(signer.pass(&signer.sign_pass(&pass)), Ok(pass));
    }

    #[test]
    fn every_changed_bit_and_every_other_key_or_kind_is_found_out() {
        let signer = signer(1);
        let text = signer.sign_ticket(&ticket());
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(signer.ticket(&URL_SAFE_NO_PAD.encode(changed)), Err(Forged));
        }
        assert_eq!(super::tests::signer(2).ticket(&text), Err(Forged));
        assert_eq!(signer.pass(&text), Err(Forged));
        for bad in ["", "x", &text[..text.len() - 1], &"A".repeat(10_000)] {
            assert_eq!(signer.ticket(bad), Err(Forged), "{bad}");
        }
    }

    #[test]
    fn a_buyer_is_drawn_with_one_number_everywhere_and_another_for_each_show() {
        let (here, there) = (signer(1), signer(1));
        let buyer = Buyer([9; 16]);
        assert_eq!(here.draw_qid(7, buyer), there.draw_qid(7, buyer));
        assert_ne!(here.draw_qid(7, buyer), here.draw_qid(8, buyer));
        assert_ne!(here.draw_qid(7, buyer), here.draw_qid(7, Buyer([8; 16])));
        assert_ne!(here.draw_qid(7, buyer), here.sub(7, buyer));
        assert_ne!(here.sub(7, buyer), here.sub(8, buyer));
    }
}
