//! Names of things in one show's inventory.
//!
//! Owns: the id types and how a caller's idempotency key becomes a fixed-size one.
//! Must never: carry personal data, or be built by arithmetic on another kind of id.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The bare number.
            #[must_use]
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

macro_rules! sequential {
    ($($name:ident),*) => {$(
        impl $name {
            /// The id given after this one.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }
    )*};
}

id!(
    /// A show: one date of an event at a venue. Its inventory is one shard.
    ShowId(u64), "s"
);
id!(
    /// A hold within its show; counted from 1.
    HoldId(u64), "h"
);
id!(
    /// An order within its show; counted from 1.
    OrderId(u64), "o"
);
id!(
    /// A ticket (one admission) within its show; counted from 1.
    TicketId(u64), "t"
);
id!(
    /// Position of a seat in the show's layout: 0-based, dense, fixed for the life of the show.
    SeatNo(u32), "#"
);
id!(
    /// Position of a general-admission area in the show's layout.
    AreaNo(u16), "a"
);
id!(
    /// Position of a price category in the show's layout.
    CategoryNo(u16), "c"
);
id!(
    /// Number of a payment attempt within its order; counted from 1.
    AttemptNo(u32), "p"
);
id!(
    /// Number of an outbox record within its show; counted from 1, never used again.
    OutboxSeq(u64), "x"
);
sequential!(HoldId, OrderId, TicketId, AttemptNo, OutboxSeq);

impl SeatNo {
    /// The number as an index into a dense table.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The number of the seat at `index`; `None` beyond what a layout can have.
    #[must_use]
    pub fn from_index(index: usize) -> Option<Self> {
        u32::try_from(index).ok().map(Self)
    }
}

impl AreaNo {
    /// The number as an index into a dense table.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl CategoryNo {
    /// The number as an index into a dense table.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Who asks: 16 opaque bytes. Never personal data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BuyerId(pub [u8; 16]);

impl BuyerId {
    /// The system itself: workers and set-up. Buyers never get this id.
    pub const SYSTEM: Self = Self([0; 16]);
}

impl fmt::Display for BuyerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for BuyerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A ticket of a waiting room, and the pass that it becomes: 16 bytes, random or a keyed hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PassId(pub [u8; 16]);

impl fmt::Display for PassId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "q{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for PassId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A caller's idempotency key, hashed to a fixed size.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestKey(pub [u8; 16]);

impl RequestKey {
    /// The key for the text that a caller chose. 128 bits of xxh3: two texts of one caller meet with a
    /// chance near 2^-128, and a meeting can hurt only that caller.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(xxhash_rust::xxh3::xxh3_128(text.as_bytes()).to_be_bytes())
    }

    /// The key of a worker's own command: `kind` says which, `n` which one of that kind.
    #[must_use]
    pub fn internal(kind: &str, n: u64) -> Self {
        Self(xxhash_rust::xxh3::xxh3_128_with_seed(kind.as_bytes(), n).to_be_bytes())
    }
}

impl fmt::Debug for RequestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "k{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Names one request for ever: the caller, and the key that the caller gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId {
    /// Who asks; the buyer of a hold or an order.
    pub caller: BuyerId,
    /// The caller's key, unique among the caller's requests.
    pub key: RequestKey,
}

impl RequestId {
    /// The id of a worker's own command, see [`RequestKey::internal`].
    #[must_use]
    pub fn internal(kind: &str, n: u64) -> Self {
        Self {
            caller: BuyerId::SYSTEM,
            key: RequestKey::internal(kind, n),
        }
    }
}

/// An ISO 4217 currency code in upper case, such as `EUR`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Currency([u8; 3]);

impl Currency {
    /// What a show without a layout answers; ISO 4217's "no currency".
    pub const NONE: Self = Self(*b"XXX");

    /// Reads a code; `None` unless it is three upper-case ASCII letters.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        let bytes: [u8; 3] = code.as_bytes().try_into().ok()?;
        bytes
            .iter()
            .all(u8::is_ascii_uppercase)
            .then_some(Self(bytes))
    }

    /// The code as text. A decoded value that is not text reads as `XXX`; set-up refuses it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }

    /// Whether the bytes are a well-formed code; only decoded values can fail.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        self.0.iter().all(u8::is_ascii_uppercase)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_gives_the_same_key_and_another_text_another() {
        assert_eq!(RequestKey::from_text("a"), RequestKey::from_text("a"));
        assert_ne!(RequestKey::from_text("a"), RequestKey::from_text("b"));
        assert_ne!(
            RequestKey::internal("tick", 1),
            RequestKey::internal("tick", 2)
        );
    }

    #[test]
    fn a_currency_is_three_upper_case_letters() {
        assert_eq!(
            Currency::parse("EUR").map(|c| c.to_string()),
            Some("EUR".to_owned())
        );
        for bad in ["", "eur", "EU", "EURO", "€"] {
            assert_eq!(Currency::parse(bad), None, "{bad}");
        }
    }
}
