//! The OpenAPI document and the routes are one and the same list.

use std::collections::BTreeSet;

use holdfast_gateway::http::ROUTES;
use holdfast_node_api::codes;
use serde_json::Value;

use crate::harness::Harness;

fn document() -> Value {
    serde_json::from_str(include_str!("../../openapi.json")).unwrap()
}

fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let each = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap();
        methods
            .iter()
            .map(move |(method, op)| (method.to_uppercase(), path.clone(), op))
    });
    each.collect()
}

#[test]
fn every_route_is_documented_and_every_documented_operation_is_a_route() {
    let document = document();
    let documented: BTreeSet<(String, String)> = operations(&document)
        .into_iter()
        .map(|(method, path, _)| (method, path))
        .collect();
    let routes: BTreeSet<(String, String)> = ROUTES
        .iter()
        .map(|route| (route.method.to_owned(), route.path.to_owned()))
        .collect();
    assert_eq!(documented, routes);
}

#[test]
fn every_documented_code_is_published_under_its_status_and_listed() {
    let document = document();
    let listed = document["x-error-codes"].as_object().unwrap();
    for (method, path, op) in operations(&document) {
        for (status, response) in op["responses"].as_object().unwrap() {
            for code in response["x-codes"].as_array().into_iter().flatten() {
                let code = code.as_str().unwrap();
                let row = codes::find(code).unwrap_or_else(|| panic!("{code} is not published"));
                assert_eq!(
                    row.http_status.to_string(),
                    *status,
                    "{method} {path}: {code}"
                );
                assert!(listed.contains_key(code), "{code} is not listed");
            }
        }
    }
}

/// The gateway's files below `src/{part}`.
fn sources(part: &str) -> Vec<String> {
    let mut folders = vec![format!("{}/src/{part}", env!("CARGO_MANIFEST_DIR"))];
    let mut sources = vec![std::fs::read_to_string(format!("{}.rs", folders[0])).unwrap()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path.display().to_string());
            } else {
                sources.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }
    sources
}

#[test]
fn every_code_the_gateway_says_is_published_and_listed() {
    let sources = sources("http").into_iter().chain(sources("upstream"));
    let document = document();
    let listed = document["x-error-codes"].as_object().unwrap();
    let mut said = BTreeSet::new();
    let sources: Vec<String> = sources.collect();
    for source in &sources {
        let source = source.split("#[cfg(test)]").next().unwrap();
        for call in [
            "Problem::new(",
            "Problem::field(",
            "UpstreamError::new(",
            "problem(",
        ] {
            for rest in source.split(call).skip(1) {
                let Some(rest) = rest.trim_start().strip_prefix('"') else {
                    continue;
                };
                said.insert(rest.split('"').next().unwrap());
            }
        }
    }
    assert!(
        said.len() > 20,
        "the search must find the calls, found {said:?}"
    );
    for code in said {
        assert!(codes::find(code).is_some(), "{code} is not published");
        assert!(listed.contains_key(code), "{code} is not in openapi.json");
    }
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    fn walk<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|member| walk(member, found));
            }
            Value::Array(entries) => entries.iter().for_each(|entry| walk(entry, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    walk(&document, &mut found);
    for reference in found {
        assert!(
            document
                .pointer(reference.trim_start_matches('#'))
                .is_some(),
            "{reference}"
        );
    }
}

#[tokio::test]
async fn every_documented_operation_is_answered() {
    let h = Harness::start().await;
    for (method, path, _) in operations(&document()) {
        let path = path
            .replace("{event}", "e1")
            .replace("{show}", "s1")
            .replace("{hold}", "h1-1")
            .replace("{order}", "o1-1")
            .replace("{name}", "app.js")
            .replace("{code}", "seats_taken");
        if path.ends_with("/live") {
            // An answer without end; that it begins is enough.
            assert_eq!(h.open(&path, &[]).await.status(), 200);
            continue;
        }
        let answer = h.send(&method, &path, &[], None).await;
        assert!(
            ![404, 405, 500].contains(&answer.status.as_u16()),
            "{method} {path}: {}",
            answer.text
        );
    }
    assert_eq!(h.get("/v1/openapi.json").await.json()["openapi"], "3.1.0");
}
