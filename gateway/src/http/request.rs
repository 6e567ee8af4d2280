//! What handlers read from a request besides its JSON members: ids, query, body, freshness.
//!
//! Owns: the checks and their wording. Must never: ask a node.

use std::str::FromStr;

use axum::body::Body;
use axum::extract::Query;
use axum::http::{HeaderMap, Uri, header};
use futures_util::StreamExt as _;
use holdfast_node_api::refs::ParseRefError;
use holdfast_node_api::v1::ReadOptions;

use crate::app::App;
use crate::footprint;
use crate::limits;
use crate::problem::Problem;
use crate::upstream::read::Freshness;

/// Parses an id of the path.
pub(super) fn id<T: FromStr<Err = ParseRefError>>(text: &str) -> Result<T, Problem> {
    text.parse()
        .map_err(|error: ParseRefError| Problem::field("invalid_id", "path", error.to_string()))
}

/// The query as pairs, every name one of `known` and given once.
pub(super) fn query(uri: &Uri, known: &[&str]) -> Result<Vec<(String, String)>, Problem> {
    let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
        return Err(Problem::field(
            "invalid_parameter",
            "query",
            "is not form-encoded UTF-8",
        ));
    };
    for (at, (name, value)) in pairs.iter().enumerate() {
        let reason = if !known.contains(&name.as_str()) {
            format!("is not known here; known are {}", known.join(", "))
        } else if pairs[..at].iter().any(|(earlier, _)| earlier == name) {
            "is given twice".to_owned()
        } else if value.len() > limits::QUERY_VALUE_BYTES_MAX {
            format!("is longer than {} bytes", limits::QUERY_VALUE_BYTES_MAX)
        } else {
            continue;
        };
        // What a client sent comes back shortened, so that an error cannot be made large.
        let shown: String = name.chars().take(40).collect();
        return Err(Problem::field("invalid_parameter", &shown, reason));
    }
    Ok(pairs)
}

/// The value of one parameter; empty counts as absent.
pub(super) fn parameter<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let pair = pairs
        .iter()
        .find(|(known, value)| known == name && !value.is_empty());
    pair.map(|(_, value)| value.as_str())
}

/// A whole number from `min` to `max`, when given.
pub(super) fn number(
    pairs: &[(String, String)],
    name: &str,
    min: u64,
    max: u64,
) -> Result<Option<u64>, Problem> {
    let Some(text) = parameter(pairs, name) else {
        return Ok(None);
    };
    let number = text.parse().ok().filter(|n| (min..=max).contains(n));
    number.map(Some).ok_or_else(|| {
        let reason = format!("must be a whole number from {min} to {max}");
        Problem::field("invalid_parameter", name, reason)
    })
}

/// How fresh the caller wants a read: `X-Consistency: linearizable` asks the leader's quorum, `at_least` waits for an index.
pub(super) fn freshness(
    headers: &HeaderMap,
    pairs: &[(String, String)],
) -> Result<(Freshness, ReadOptions), Problem> {
    let at_least_index = number(pairs, "at_least", 0, u64::MAX)?.unwrap_or(0);
    let freshness = match headers.get("x-consistency").map(|value| value.as_bytes()) {
        None | Some(b"near") if at_least_index > 0 => Freshness::Seen,
        None | Some(b"near") => Freshness::Near,
        Some(b"linearizable") => Freshness::Linearizable,
        Some(_) => {
            let reason = "must be linearizable or near";
            return Err(Problem::field("invalid_parameter", "X-Consistency", reason));
        }
    };
    let linearizable = freshness == Freshness::Linearizable;
    Ok((
        freshness,
        ReadOptions {
            at_least_index,
            linearizable,
            age_ms_max: 0,
        },
    ))
}

/// The same for a session that must not see less of show `show_id` than it has seen.
pub(super) fn of_session(
    show_id: u64,
    (freshness, read): (Freshness, ReadOptions),
) -> (Freshness, ReadOptions) {
    let at_least_index = read.at_least_index.max(footprint::floor(show_id));
    let freshness = match freshness {
        Freshness::Near if at_least_index > 0 => Freshness::Seen,
        other => other,
    };
    (
        freshness,
        ReadOptions {
            at_least_index,
            ..read
        },
    )
}

/// Reads a JSON body: its type, its size, its pace.
pub(super) async fn json_body(
    app: &App,
    headers: &HeaderMap,
    body: Body,
) -> Result<Vec<u8>, Problem> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or("");
    let essence = kind.split(';').next().unwrap_or("").trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let reason = "must be application/json";
        return Err(Problem::field(
            "unsupported_media_type",
            "Content-Type",
            reason,
        ));
    }
    read_body(app, headers, body).await
}

/// Reads a body that may be empty.
pub(super) async fn read_body(
    app: &App,
    headers: &HeaderMap,
    body: Body,
) -> Result<Vec<u8>, Problem> {
    let bytes_max = app.config.limits.body_bytes_max;
    let too_large = || {
        Problem::new(
            "body_too_large",
            format!("the body is larger than {bytes_max} bytes"),
        )
        .with("limit", bytes_max)
    };
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok());
    if announced
        .and_then(|length| length.parse::<usize>().ok())
        .is_some_and(|n| n > bytes_max)
    {
        return Err(too_large());
    }
    let reading = async {
        let mut read = Vec::new();
        let mut chunks = body.into_data_stream();
        while let Some(chunk) = chunks.next().await {
            let broken = |_| Problem::field("invalid_json", "", "the body ended early");
            let chunk = chunk.map_err(broken)?;
            if read.len() + chunk.len() > bytes_max {
                return Err(too_large());
            }
            read.extend_from_slice(&chunk);
        }
        Ok(read)
    };
    let slow = |_| Problem::field("invalid_json", "", "the body came too slowly");
    tokio::time::timeout(limits::BODY_READ_TIMEOUT, reading)
        .await
        .map_err(slow)?
}

/// Refuses a body where none belongs; `{}` is let through, since many clients cannot send nothing.
pub(super) async fn no_body(app: &App, headers: &HeaderMap, body: Body) -> Result<(), Problem> {
    let read = read_body(app, headers, body).await?;
    if read.iter().all(u8::is_ascii_whitespace) {
        return Ok(());
    }
    super::fields::Fields::parse(&read)?.finish()
}

#[cfg(test)]
mod tests {
    use holdfast_node_api::refs::ShowRef;

    use super::*;

    fn pairs(uri: &str) -> Result<Vec<(String, String)>, Problem> {
        query(&uri.parse().unwrap(), &["city", "page"])
    }

    #[test]
    fn unknown_repeated_and_long_parameters_are_named() {
        for (uri, named) in [("/?town=x", "town"), ("/?city=a&city=b", "city")] {
            assert_eq!(pairs(uri).unwrap_err().body()["errors"][0]["field"], named);
        }
        assert!(pairs(&format!("/?city={}", "x".repeat(201))).is_err());
        assert_eq!(
            parameter(&pairs("/?city=S%C3%A3o+Paulo").unwrap(), "city"),
            Some("São Paulo")
        );
        assert_eq!(parameter(&pairs("/?city=").unwrap(), "city"), None);
    }

    #[test]
    fn numbers_have_a_range() {
        let read = |uri: &str| number(&pairs(uri).unwrap(), "page", 1, 9);
        assert_eq!(read("/?page=9").unwrap(), Some(9));
        assert_eq!(read("/").unwrap(), None);
        for uri in ["/?page=0", "/?page=10", "/?page=-1", "/?page=x"] {
            assert!(read(uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn an_id_of_another_kind_is_explained() {
        assert_eq!(id::<ShowRef>("s7").unwrap(), ShowRef(7));
        let problem = id::<ShowRef>("h7-1").unwrap_err();
        assert!(
            problem.body()["detail"]
                .as_str()
                .unwrap()
                .contains("expected a show id")
        );
    }

    #[test]
    fn consistency_is_one_of_two_words() {
        let mut headers = HeaderMap::new();
        assert_eq!(freshness(&headers, &[]).unwrap().0, Freshness::Near);
        headers.insert("x-consistency", "linearizable".parse().unwrap());
        assert!(freshness(&headers, &[]).unwrap().1.linearizable);
        headers.insert("x-consistency", "strong".parse().unwrap());
        assert!(freshness(&headers, &[]).is_err());
    }
}
