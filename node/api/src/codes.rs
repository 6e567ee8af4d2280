//! Every public error code: what it means, its HTTP status, whether the same request may be sent again.
//!
//! Owns: the table. Each row has a page `docs/errors/<code>.md`. Must never: change the meaning of a code that
//! has been published; add a new one instead.
//!
//! *Rejections* come from a show's shard and are definite: nothing happened. *Failures* are operating trouble.
//! *Request* codes are said before any node is asked.

use crate::v1::FailureCode;

/// Where a code comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The shard decided, by its rules.
    Rejection,
    /// No decision was reached.
    Failure,
    /// The request was refused before it reached a node.
    Request,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// Stable, `snake_case`.
    pub code: &'static str,
    /// Who says it.
    pub origin: Origin,
    /// HTTP status under which a gateway reports it.
    pub http_status: u16,
    /// Whether sending the same request again, with the same key, can succeed without anyone changing anything.
    pub retryable: bool,
    /// One line for people.
    pub meaning: &'static str,
}

const fn rejection(code: &'static str, http_status: u16, meaning: &'static str) -> Code {
    Code {
        code,
        origin: Origin::Rejection,
        http_status,
        retryable: false,
        meaning,
    }
}

const fn failure(
    code: &'static str,
    http_status: u16,
    retryable: bool,
    meaning: &'static str,
) -> Code {
    Code {
        code,
        origin: Origin::Failure,
        http_status,
        retryable,
        meaning,
    }
}

const fn request(
    code: &'static str,
    http_status: u16,
    retryable: bool,
    meaning: &'static str,
) -> Code {
    Code {
        code,
        origin: Origin::Request,
        http_status,
        retryable,
        meaning,
    }
}

/// The whole table, in no particular order; codes are unique.
pub const CODES: &[Code] = &[
    rejection(
        "request_reused",
        422,
        "the idempotency key was used before with another request",
    ),
    rejection(
        "show_not_set_up",
        503,
        "the show's seats are not loaded yet",
    ),
    rejection(
        "show_already_set_up",
        409,
        "the show's seats were loaded before, from another plan",
    ),
    rejection("plan_invalid", 422, "the show's plan breaks a rule"),
    rejection(
        "queue_exists",
        409,
        "the show has or had another waiting room",
    ),
    rejection("queue_invalid", 422, "the waiting room cannot be run so"),
    rejection("queue_none", 409, "the show has no waiting room"),
    rejection(
        "pass_required",
        403,
        "the show has a waiting room, and a hold needs its pass",
    ),
    rejection("pass_unknown", 403, "the pass was not given to this buyer"),
    rejection("pass_expired", 403, "the time of the pass is up"),
    rejection("pass_spent", 409, "the pass has made its hold"),
    rejection("queue_not_yet", 409, "the line has not come so far"),
    rejection("queue_paused", 409, "nobody is let in for the moment"),
    rejection("queue_full", 409, "as many people are inside as may be"),
    rejection("queue_late", 410, "the place was not claimed in time"),
    rejection(
        "queue_not_sold_out",
        409,
        "there is no waitlist while places can be had",
    ),
    rejection("sale_not_open", 409, "the sale has not opened yet"),
    rejection("sale_closed", 409, "the sale has ended"),
    rejection("seat_unknown", 422, "the show has no such seat"),
    rejection("seats_duplicate", 422, "a seat is named twice"),
    rejection(
        "quantity_invalid",
        422,
        "the quantity is zero or beyond what can be asked for",
    ),
    rejection("too_many_seats", 422, "more seats than one order may have"),
    rejection(
        "buyer_limit",
        409,
        "more seats than one buyer may have for this show",
    ),
    rejection("seats_taken", 409, "seats are held or sold to someone else"),
    rejection("seats_blocked", 409, "seats are not on sale"),
    rejection("seats_not_blocked", 409, "seats to unblock are not blocked"),
    rejection(
        "single_seat_left",
        409,
        "the choice would leave a single seat alone",
    ),
    rejection(
        "not_enough_seats",
        409,
        "fewer seats are left than were asked for",
    ),
    rejection("category_unknown", 422, "the show has no such category"),
    rejection("area_unknown", 422, "the show has no such area"),
    rejection(
        "area_full",
        409,
        "the area has fewer places left than were asked for",
    ),
    rejection("hold_unknown", 404, "the show has no such hold"),
    rejection("hold_not_yours", 403, "the hold belongs to someone else"),
    rejection("hold_expired", 409, "the hold has expired"),
    rejection("hold_released", 409, "the hold was released"),
    rejection("hold_ordered", 409, "an order was opened from the hold"),
    rejection(
        "hold_cap_reached",
        409,
        "the hold cannot be extended any further",
    ),
    rejection("order_unknown", 404, "the show has no such order"),
    rejection("order_not_yours", 403, "the order belongs to someone else"),
    rejection("order_paying", 409, "the order is being paid"),
    rejection("order_paid", 409, "the order has been paid"),
    rejection("order_cancelled", 409, "the order was cancelled"),
    rejection("order_expired", 409, "the order has expired"),
    rejection("text_invalid", 422, "a text is empty or too long"),
    rejection(
        "payment_unsettled",
        409,
        "the last payment of the order is still being undone",
    ),
    rejection(
        "payment_attempts_exhausted",
        409,
        "the order has used up its payment attempts",
    ),
    rejection(
        "outbox_wants_fact",
        409,
        "a record of money is settled by a payment fact only",
    ),
    rejection(
        "payment_attempt_stale",
        409,
        "the payment fact is about an attempt that is over",
    ),
    rejection(
        "table_full",
        503,
        "the show keeps as many records as it may",
    ),
    failure("not_leader", 503, true, "this node does not lead the show"),
    failure(
        "unavailable",
        503,
        true,
        "no majority of the show's replicas can be reached",
    ),
    failure("overloaded", 503, true, "queues are full"),
    failure(
        "deadline",
        503,
        true,
        "no answer in time; the request may have happened",
    ),
    failure("unknown_show", 404, false, "no such show is known"),
    failure("not_ready", 503, true, "the show is being set up"),
    failure("invalid", 400, false, "the request is malformed"),
    failure(
        "stopped",
        503,
        true,
        "the node is shutting down or its disk has failed",
    ),
    failure(
        "outcome_unknown",
        503,
        true,
        "the request may have happened; ask again with the same key",
    ),
    failure(
        "payment_declined",
        402,
        false,
        "the payment provider said no",
    ),
    failure(
        "payment_timeout",
        402,
        false,
        "the payment provider did not answer; nothing was charged",
    ),
    request(
        "invalid_json",
        400,
        false,
        "the body is not JSON of the expected form",
    ),
    request(
        "body_too_large",
        413,
        false,
        "the body is larger than is accepted",
    ),
    request(
        "invalid_id",
        404,
        false,
        "the id in the path is not of the expected form",
    ),
    request(
        "invalid_parameter",
        400,
        false,
        "a query parameter or header is malformed",
    ),
    request(
        "unsupported_media_type",
        415,
        false,
        "the body must be application/json",
    ),
    request(
        "idempotency_key_missing",
        400,
        false,
        "a write needs an Idempotency-Key header",
    ),
    request(
        "idempotency_key_invalid",
        400,
        false,
        "the Idempotency-Key header is malformed",
    ),
    request(
        "request_in_flight",
        409,
        true,
        "the first request with this key is still being answered",
    ),
    request(
        "unauthenticated",
        401,
        false,
        "a buyer's token or guest cookie is needed",
    ),
    request(
        "token_invalid",
        401,
        false,
        "the buyer's token was not made by this service or was altered",
    ),
    request("token_expired", 401, false, "the buyer's token has expired"),
    request("event_unknown", 404, false, "no such event is known"),
    request("plan_unknown", 404, false, "no such seating plan is known"),
    request(
        "slug_taken",
        409,
        false,
        "the slug names something with other content",
    ),
    request("node_unknown", 404, false, "no such node is known"),
    request("region_unknown", 404, false, "no such region is known"),
    request("node_removed", 409, false, "the node was removed for good"),
    request(
        "disk_changed",
        409,
        false,
        "the node is known by another disk",
    ),
    request("node_in_use", 409, true, "the node still has replicas"),
    request(
        "replica_leaving",
        409,
        true,
        "an earlier replica is not gone everywhere yet",
    ),
    request(
        "last_region",
        409,
        false,
        "no region would be open to new users",
    ),
    request(
        "stale_generation",
        409,
        false,
        "somebody changed it meanwhile",
    ),
    request(
        "viewers_full",
        503,
        true,
        "the gateway has as many viewers of live maps as it takes",
    ),
    request("queue_closed", 409, false, "joining has not begun"),
    request("queue_sold_out", 409, false, "no place is left"),
    request(
        "ticket_missing",
        401,
        false,
        "a ticket of the waiting room is needed",
    ),
    request(
        "ticket_invalid",
        401,
        false,
        "the ticket is not this buyer's for this show, or was altered",
    ),
    request(
        "pass_invalid",
        403,
        false,
        "the pass is not this buyer's for this show, or was altered",
    ),
    request(
        "rate_limited",
        429,
        true,
        "more requests than one address, network or account may make",
    ),
    request(
        "challenge_required",
        403,
        false,
        "a challenge has to be solved first",
    ),
    request(
        "cross_site",
        403,
        false,
        "a page of another site asked for a change",
    ),
    request("not_found", 404, false, "there is nothing at this address"),
    request(
        "method_not_allowed",
        405,
        false,
        "the address does not take this method",
    ),
    request("internal", 500, false, "the service made a mistake"),
];

/// The row of `code`, when it is a published one.
///
/// ```
/// let row = holdfast_node_api::codes::find("seats_taken").expect("a published code");
/// assert_eq!(row.http_status, 409);
/// ```
#[must_use]
pub fn find(code: &str) -> Option<&'static Code> {
    CODES.iter().find(|row| row.code == code)
}

/// Metadata key under which a node adds the public code to a gRPC error status.
pub const STATUS_CODE_KEY: &str = "holdfast-code";

/// The row named by a gRPC error status, when a node made it.
#[must_use]
pub fn of_status(status: &tonic::Status) -> Option<&'static Code> {
    find(status.metadata().get(STATUS_CODE_KEY)?.to_str().ok()?)
}

/// The public code of a failure as it travels on the wire.
#[must_use]
pub const fn of_failure(code: FailureCode) -> &'static str {
    match code {
        FailureCode::NotLeader => "not_leader",
        FailureCode::Unspecified | FailureCode::Unavailable => "unavailable",
        FailureCode::Overloaded => "overloaded",
        FailureCode::Deadline => "deadline",
        FailureCode::UnknownShow => "unknown_show",
        FailureCode::NotReady => "not_ready",
        FailureCode::Invalid => "invalid",
        FailureCode::Stopped => "stopped",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_spelled_in_snake_case() {
        let unique: BTreeSet<_> = CODES.iter().map(|row| row.code).collect();
        assert_eq!(unique.len(), CODES.len());
        for row in CODES {
            assert!(
                row.code
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{}",
                row.code
            );
            assert!((400..600).contains(&row.http_status), "{}", row.code);
            assert!(!row.meaning.ends_with('.'), "{}", row.code);
        }
    }

    #[test]
    fn every_failure_on_the_wire_is_in_the_table() {
        for number in 0..=8 {
            let code = FailureCode::try_from(number).unwrap();
            assert_eq!(find(of_failure(code)).unwrap().origin, Origin::Failure);
        }
    }

    #[test]
    fn a_definite_no_is_never_worth_repeating() {
        assert!(
            CODES
                .iter()
                .filter(|row| row.origin == Origin::Rejection)
                .all(|row| !row.retryable)
        );
    }
}
