//! How ids are written for people and in URLs: `s7`, `e3`, `h7-12`, `o7-5`, `t7-9`.
//!
//! A hold, an order and a ticket carry their show in front, so any gateway finds the show from the id alone.
//! Owns: the text forms and their parsing. Must never: decide whether the thing exists.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// Longest text that can be a reference: a letter, two 20-digit numbers and a dash.
const REF_CHARS_MAX: usize = 42;

/// Why a text is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParseRefError {
    /// The text starts with something else than the kind's letter.
    #[error("expected {expected}, such as {example}")]
    WrongKind {
        /// What was asked for, in words.
        expected: &'static str,
        /// A well-formed example.
        example: &'static str,
    },
    /// The number after the letter or the dash is missing, has a sign or leading zeros, or is too large.
    #[error("the number in {expected} must be plain digits from 1 to 2^64 - 1, such as {example}")]
    BadNumber {
        /// What was asked for, in words.
        expected: &'static str,
        /// A well-formed example.
        example: &'static str,
    },
}

/// Parses canonical decimal digits of a positive number: no sign, no leading zero.
fn positive(text: &str) -> Option<u64> {
    let canonical = !text.is_empty()
        && text.len() <= REF_CHARS_MAX
        && text.bytes().all(|b| b.is_ascii_digit())
        && !text.starts_with('0');
    if canonical { text.parse().ok() } else { None }
}

macro_rules! plain_ref {
    ($(#[$doc:meta])* $name:ident, $letter:literal, $expected:literal, $example:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(
            /// The id as it travels on the wire; at least 1.
            pub u64,
        );

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($letter, "{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseRefError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let digits = text.strip_prefix($letter).ok_or(ParseRefError::WrongKind {
                    expected: $expected,
                    example: $example,
                })?;
                positive(digits).map(Self).ok_or(ParseRefError::BadNumber {
                    expected: $expected,
                    example: $example,
                })
            }
        }
    };
}

macro_rules! show_scoped_ref {
    ($(#[$doc:meta])* $name:ident, $field:ident, $letter:literal, $expected:literal, $example:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            /// The show that owns it; at least 1.
            pub show_id: u64,
            /// Its number within the show; at least 1.
            pub $field: u64,
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($letter, "{}-{}"), self.show_id, self.$field)
            }
        }

        impl FromStr for $name {
            type Err = ParseRefError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let wrong = ParseRefError::WrongKind { expected: $expected, example: $example };
                let bad = ParseRefError::BadNumber { expected: $expected, example: $example };
                let body = text.strip_prefix($letter).ok_or_else(|| wrong.clone())?;
                let (show, own) = body.split_once('-').ok_or(wrong)?;
                match (positive(show), positive(own)) {
                    (Some(show_id), Some($field)) => Ok(Self { show_id, $field }),
                    _ => Err(bad),
                }
            }
        }
    };
}

plain_ref!(
    /// A show, written `s7`.
    ///
    /// ```
    /// use holdfast_node_api::refs::ShowRef;
    /// assert_eq!("s7".parse(), Ok(ShowRef(7)));
    /// assert_eq!(ShowRef(7).to_string(), "s7");
    /// ```
    ShowRef, "s", "a show id", "s7"
);
plain_ref!(
    /// An event, written `e3`.
    EventRef, "e", "an event id", "e3"
);
show_scoped_ref!(
    /// A hold, written `h7-12`: hold 12 of show 7.
    HoldRef, hold_id, "h", "a hold id", "h7-12"
);
show_scoped_ref!(
    /// An order, written `o7-5`: order 5 of show 7.
    OrderRef, order_id, "o", "an order id", "o7-5"
);
show_scoped_ref!(
    /// A ticket, written `t7-9`: ticket 9 of show 7.
    TicketRef, ticket_id, "t", "a ticket id", "t7-9"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_back_what_it_writes() {
        assert_eq!(EventRef(3).to_string().parse(), Ok(EventRef(3)));
        let hold = HoldRef {
            show_id: 7,
            hold_id: u64::MAX,
        };
        assert_eq!(hold.to_string().parse(), Ok(hold));
        let order = OrderRef {
            show_id: 7,
            order_id: 5,
        };
        assert_eq!(order.to_string(), "o7-5");
        assert_eq!("o7-5".parse(), Ok(order));
        assert_eq!(
            "t7-9".parse(),
            Ok(TicketRef {
                show_id: 7,
                ticket_id: 9
            })
        );
    }

    #[test]
    fn another_kind_is_refused_with_an_example() {
        let error = "h7-12".parse::<OrderRef>().unwrap_err();
        assert_eq!(error.to_string(), "expected an order id, such as o7-5");
        assert!("h7".parse::<HoldRef>().is_err());
        assert!("".parse::<ShowRef>().is_err());
    }

    #[test]
    fn a_number_has_one_spelling() {
        for text in [
            "s",
            "s0",
            "s07",
            "s+7",
            "s-7",
            "s7 ",
            "s18446744073709551616",
            "s٧",
        ] {
            assert!(
                matches!(
                    text.parse::<ShowRef>(),
                    Err(ParseRefError::BadNumber { .. })
                ),
                "{text}"
            );
        }
        for text in ["h7-", "h-7", "h7-012", "h7-1-2", "h0-1"] {
            assert!(
                matches!(
                    text.parse::<HoldRef>(),
                    Err(ParseRefError::BadNumber { .. })
                ),
                "{text}"
            );
        }
    }
}
