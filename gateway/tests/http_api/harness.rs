//! A gateway in this process in front of two scripted nodes, and a client that speaks plain HTTP to it.
//!
//! Owns: starting and stopping. Must never: assert anything about the API.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use holdfast_gateway::config::Config;
use holdfast_gateway::server::Server;
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::fake_node;
use crate::fake_show::{Shared, World};

pub(crate) struct Harness {
    pub(crate) world: Shared,
    pub(crate) base: String,
    client: reqwest::Client,
    pub(crate) stop: CancellationToken,
    _stop: DropGuard,
    _dir: tempfile::TempDir,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    /// Status and code of a problem; checks that it is one.
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(
            self.headers["content-type"], "application/problem+json",
            "{}",
            self.text
        );
        let body = self.json();
        let code = body["code"].as_str().unwrap().to_owned();
        assert_eq!(body["status"], self.status.as_u16());
        assert_eq!(body["type"], format!("/docs/errors/{code}"));
        (self.status.as_u16(), code)
    }

    pub(crate) fn replayed(&self) -> bool {
        self.headers.contains_key("idempotency-replayed")
    }
}

impl Harness {
    pub(crate) async fn start() -> Self {
        Self::with("write_budget_ms = 6000\npayment_wait_ms = 400").await
    }

    pub(crate) async fn with(limits: &str) -> Self {
        Self::of(Arc::new(Mutex::new(World::led_by(1))), limits).await
    }

    /// Another gateway of the same cluster, with the same key.
    pub(crate) async fn beside(&self) -> Self {
        Self::of(Arc::clone(&self.world), "").await
    }

    /// A gateway of its own in front of a show that another one may serve too.
    pub(crate) async fn of(world: Shared, limits: &str) -> Self {
        Self::configured(world, limits, "").await
    }

    /// The same; `sections` go to the end of its configuration.
    pub(crate) async fn configured(world: Shared, limits: &str, sections: &str) -> Self {
        let first = fake_node::start(1, Arc::clone(&world)).await;
        let second = fake_node::start(2, Arc::clone(&world)).await;
        let dir = tempfile::tempdir().unwrap();
        let topology = format!(
            "cluster = \"test\"\n[[region]]\nid = \"here\"\nname = \"Here\"\nlat = 0.0\nlon = 0.0\n\
             [[node]]\nid = 1\nregion = \"here\"\naddr = \"{first}\"\n\
             [[node]]\nid = 2\nregion = \"here\"\naddr = \"{second}\"\n\
             [rtt]\nsource = \"a test\"\n"
        );
        std::fs::write(dir.path().join("topology.toml"), topology).unwrap();
        std::fs::write(dir.path().join("key"), "07".repeat(32)).unwrap();
        let config = format!(
            "region = \"here\"\nhttp_listen = \"127.0.0.1:0\"\ntopology = \"topology.toml\"\n\
             session_key_file = \"key\"\n[limits]\n{limits}\n{sections}\n"
        );
        let config = Config::parse(&config, "test", dir.path() as &Path, &BTreeMap::new()).unwrap();
        let server = Server::bind(config).await.unwrap();
        let base = format!("http://{}", server.address());
        let stop = CancellationToken::new();
        tokio::spawn(server.run(stop.clone()));
        let harness = Self {
            world,
            base,
            client: reqwest::Client::new(),
            stop: stop.clone(),
            _stop: stop.drop_guard(),
            _dir: dir,
        };
        harness.ready().await;
        harness
    }

    async fn ready(&self) {
        for _ in 0..3_000 {
            if self.get("/readyz").await.status == StatusCode::OK {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("the gateway did not get ready");
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body.to_owned());
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Answer {
            status,
            headers,
            text: response.text().await.unwrap(),
        }
    }

    /// An answer that goes on.
    pub(crate) async fn open(&self, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
        let mut request = self.client.get(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None).await
    }

    /// A new guest's `Authorization` value.
    pub(crate) async fn guest(&self) -> String {
        let guest = self.send("POST", "/v1/guests", &[], None).await;
        assert_eq!(guest.status, StatusCode::CREATED);
        format!("Bearer {}", guest.json()["token"].as_str().unwrap())
    }

    /// A write with a JSON body.
    pub(crate) async fn post(&self, buyer: &str, key: &str, path: &str, body: &str) -> Answer {
        let headers = [
            ("authorization", buyer),
            ("idempotency-key", key),
            ("content-type", "application/json"),
        ];
        self.send("POST", path, &headers, Some(body)).await
    }

    /// A hold asked for with headers of its own besides what every JSON write has.
    pub(crate) async fn hold_with(&self, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers);
        self.send("POST", "/v1/shows/s1/holds", &all, Some(body))
            .await
    }

    pub(crate) async fn hold(&self, buyer: &str, key: &str, body: &str) -> Answer {
        self.post(buyer, key, "/v1/shows/s1/holds", body).await
    }
}
