//! 32 bits of a request's id: caller and idempotency key.
//!
//! A node tells which requests have had an effect by their prints; a gateway that would answer a request itself looks its print up
//! and, when it is there, asks the shard. Two requests with one print cost a needless question, never a wrong answer.
//!
//! Owns: that both sides compute the same. Must never: be taken for the id.

use holdfast_inventory::ids::{RequestId, RequestKey};

/// The print of a request as the shard remembers it. The key is a hash and the caller is random: folding is enough.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    reason = "folded to 32 bits on purpose"
)]
pub fn of(request: &RequestId) -> u32 {
    let both = u128::from_be_bytes(request.caller.0) ^ u128::from_be_bytes(request.key.0);
    let half = (both >> 64) as u64 ^ both as u64;
    (half >> 32) as u32 ^ half as u32
}

/// The print of a request as its caller sends it.
///
/// ```
/// let print = holdfast_node_api::print::of_text([7; 16], "key-1");
/// assert_ne!(print, holdfast_node_api::print::of_text([7; 16], "key-2"));
/// ```
#[must_use]
pub fn of_text(caller: [u8; 16], key: &str) -> u32 {
    of(&RequestId {
        caller: holdfast_inventory::ids::BuyerId(caller),
        key: RequestKey::from_text(key),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caller_and_key_both_make_the_print() {
        let one = of_text([1; 16], "a");
        assert_eq!(one, of_text([1; 16], "a"));
        assert_ne!(one, of_text([1; 16], "b"));
        let mut other = [1; 16];
        other[3] = 9;
        assert_ne!(one, of_text(other, "a"));
    }
}
