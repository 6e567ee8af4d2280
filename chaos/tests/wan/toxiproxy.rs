//! The emulator through Toxiproxy's HTTP API: proxies, every toxic on open connections, errors in Toxiproxy's form.

use std::net::SocketAddr;
use std::time::Duration;

use holdfast_chaos::wan::{LinkSpec, Wan, control};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::{PATIENCE, SILENCE, bind, echo, region};

/// An API and one proxy before an echo.
struct Toxiproxy {
    wan: Wan,
    base: String,
    http: reqwest::Client,
    upstream: SocketAddr,
}

impl Toxiproxy {
    async fn start() -> Self {
        let wan = Wan::start(Vec::new(), 11).unwrap();
        let listener = bind().await;
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = control::router(wan.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let this = Self {
            wan,
            base,
            http: reqwest::Client::new(),
            upstream: echo().await,
        };
        let made = this.post("/proxies", this.form("echo")).await;
        assert_eq!(made.0, StatusCode::CREATED, "{:?}", made.1);
        this
    }

    fn form(&self, name: &str) -> Value {
        json!({"name": name, "listen": "127.0.0.1:0", "upstream": self.upstream.to_string()})
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.ask(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.ask(Method::POST, path, Some(body)).await
    }

    async fn delete(&self, path: &str) -> (StatusCode, Value) {
        self.ask(Method::DELETE, path, None).await
    }

    async fn toxic(&self, kind: &str, attributes: Value) {
        let body =
            json!({"name": kind, "type": kind, "stream": "upstream", "attributes": attributes});
        let (status, body) = self.post("/proxies/echo/toxics", body).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }

    async fn heal(&self, kind: &str) {
        let (status, body) = self.delete(&format!("/proxies/echo/toxics/{kind}")).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{body}");
    }

    async fn listen(&self) -> String {
        let (_, proxy) = self.get("/proxies/echo").await;
        proxy["listen"].as_str().unwrap().to_owned()
    }

    /// A connection that has carried something.
    async fn dial(&self) -> TcpStream {
        let mut socket = TcpStream::connect(self.listen().await).await.unwrap();
        assert!(trip(&mut socket, b"warm").await.is_ok());
        socket
    }
}

/// There and back; how long it took.
async fn trip(socket: &mut TcpStream, text: &[u8]) -> std::io::Result<Duration> {
    let began = Instant::now();
    socket.write_all(text).await?;
    let mut answer = vec![0; text.len()];
    timeout(PATIENCE, socket.read_exact(&mut answer))
        .await
        .expect("no answer and no end")?;
    assert_eq!(answer, text);
    Ok(began.elapsed())
}

/// Of ten trips: one may be late for other reasons.
async fn shortest(socket: &mut TcpStream, bytes: &[u8]) -> Duration {
    let mut shortest = Duration::MAX;
    for _ in 0..10 {
        shortest = shortest.min(trip(socket, bytes).await.unwrap());
    }
    shortest
}

async fn is_silent(socket: &mut TcpStream) -> bool {
    socket.write_all(b"anybody?").await.unwrap();
    timeout(SILENCE, socket.read_u8()).await.is_err()
}

#[tokio::test]
async fn a_latency_hits_an_open_connection_and_goes_away() {
    let proxy = Toxiproxy::start().await;
    let mut socket = proxy.dial().await;
    proxy.toxic("latency", json!({"latency": 300})).await;
    assert!(trip(&mut socket, b"slow").await.unwrap() >= Duration::from_millis(300));
    let (status, changed) = proxy
        .post(
            "/proxies/echo/toxics/latency",
            json!({"attributes": {"latency": 600}}),
        )
        .await;
    assert_eq!(
        (status, &changed["attributes"]["latency"]),
        (StatusCode::OK, &json!(600))
    );
    assert!(trip(&mut socket, b"slower").await.unwrap() >= Duration::from_millis(600));
    proxy.heal("latency").await;
    assert!(shortest(&mut socket, b"fast").await < Duration::from_millis(300));
}

#[tokio::test]
async fn a_thin_line_carries_so_much_in_a_second() {
    let proxy = Toxiproxy::start().await;
    let mut socket = proxy.dial().await;
    proxy.toxic("bandwidth", json!({"rate": 100})).await;
    // 60,000 bytes at 100 KB/s.
    assert!(trip(&mut socket, &[7; 60_000]).await.unwrap() >= Duration::from_millis(590));
    proxy.heal("bandwidth").await;
    assert!(shortest(&mut socket, &[7; 60_000]).await < Duration::from_millis(590));
}

#[tokio::test]
async fn a_timeout_swallows_and_closes() {
    let proxy = Toxiproxy::start().await;
    let mut socket = proxy.dial().await;
    proxy.toxic("timeout", json!({"timeout": 400})).await;
    assert!(is_silent(&mut socket).await);
    let ended = timeout(PATIENCE, socket.read_u8()).await.unwrap();
    assert!(ended.is_err(), "heard what was swallowed");
    proxy.heal("timeout").await;
    proxy.dial().await;
}

#[tokio::test]
async fn a_timeout_without_an_end_closes_when_it_is_removed() {
    let proxy = Toxiproxy::start().await;
    let mut socket = proxy.dial().await;
    proxy.toxic("timeout", json!({"timeout": 0})).await;
    assert!(is_silent(&mut socket).await);
    proxy.heal("timeout").await;
    let ended = timeout(PATIENCE, socket.read_u8()).await.unwrap();
    assert!(ended.is_err(), "a stream with a hole went on");
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let proxy = Toxiproxy::start().await;
    let mut socket = proxy.dial().await;
    proxy.toxic("reset_peer", json!({"timeout": 0})).await;
    let ended = timeout(PATIENCE, socket.read_u8()).await.unwrap();
    let kind = ended.unwrap_err().kind();
    assert_eq!(kind, std::io::ErrorKind::ConnectionReset);
    proxy.heal("reset_peer").await;
    proxy.dial().await;
}

#[tokio::test]
async fn a_limit_lets_through_so_much_and_closes() {
    let proxy = Toxiproxy::start().await;
    let mut socket = proxy.dial().await;
    proxy.toxic("limit_data", json!({"bytes": 100})).await;
    let (mut reads, mut writes) = socket.split();
    writes.write_all(&[1; 150]).await.unwrap();
    let mut heard = Vec::new();
    let ended = timeout(PATIENCE, reads.read_to_end(&mut heard))
        .await
        .unwrap();
    // Both ways are closed at once: of the echo, as much as was back by then.
    assert!(heard.len() <= 100, "{ended:?} {}", heard.len());
}

#[tokio::test]
async fn a_sliced_stream_arrives_whole_and_a_slow_close_late() {
    let proxy = Toxiproxy::start().await;
    let mut socket = proxy.dial().await;
    let sliced = json!({"average_size": 10, "size_variation": 5, "delay": 5_000});
    proxy.toxic("slicer", sliced).await;
    // About a hundred slices, 5 ms apart.
    assert!(trip(&mut socket, &[9; 1_000]).await.unwrap() >= Duration::from_millis(300));
    proxy.heal("slicer").await;
    proxy.toxic("slow_close", json!({"delay": 400})).await;
    let began = Instant::now();
    socket.shutdown().await.unwrap();
    let ended = timeout(PATIENCE, socket.read_u8()).await.unwrap();
    assert!(ended.is_err());
    assert!(began.elapsed() >= Duration::from_millis(400));
}

#[tokio::test]
async fn lossy_links_stall_and_reset() {
    let proxy = Toxiproxy::start().await;
    let mut socket = proxy.dial().await;
    proxy
        .toxic("loss", json!({"stall_ratio": 1.0, "stall": 300}))
        .await;
    assert!(trip(&mut socket, b"lost").await.unwrap() >= Duration::from_millis(300));
    proxy.heal("loss").await;
    proxy.toxic("loss", json!({"reset_ratio": 1.0})).await;
    assert!(trip(&mut socket, b"gone").await.is_err());
}

#[tokio::test]
async fn a_proxy_that_is_down_refuses_and_comes_back_on_its_port() {
    let proxy = Toxiproxy::start().await;
    let mut socket = proxy.dial().await;
    let listen = proxy.listen().await;
    let (_, down) = proxy.post("/proxies/echo", json!({"enabled": false})).await;
    assert_eq!(down["enabled"], false);
    assert!(timeout(PATIENCE, socket.read_u8()).await.unwrap().is_err());
    let refused = TcpStream::connect(&listen).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let (status, _) = proxy.post("/reset", json!({})).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(proxy.listen().await, listen);
    proxy.dial().await;
}

#[tokio::test]
async fn proxies_are_made_changed_populated_and_removed() {
    let proxy = Toxiproxy::start().await;
    let (status, made) = proxy.post("/proxies", proxy.form("second")).await;
    assert_eq!((status, &made["toxics"]), (StatusCode::CREATED, &json!([])));
    // The same again, and one that listens elsewhere now.
    let third = proxy.form("third");
    let (status, made) = proxy
        .post("/populate", json!([proxy.form("second"), third]))
        .await;
    assert_eq!(
        (status, made["proxies"].as_array().unwrap().len()),
        (StatusCode::CREATED, 2)
    );
    let elsewhere = echo().await.to_string();
    let change = json!({"upstream": elsewhere});
    let (_, changed) = proxy
        .ask(Method::PATCH, "/proxies/third", Some(change))
        .await;
    assert_eq!(changed["upstream"], json!(elsewhere));
    let (_, all) = proxy.get("/proxies").await;
    assert_eq!(all.as_object().unwrap().len(), 3);
    let (status, _) = proxy.delete("/proxies/third").await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(proxy.get("/proxies/third").await.0, StatusCode::NOT_FOUND);
    assert!(proxy.get("/version").await.1["version"].is_string());
}

#[tokio::test]
async fn what_is_wrong_is_said_in_toxiproxys_form() {
    let proxy = Toxiproxy::start().await;
    let latency = json!({"type": "latency"});
    assert_eq!(
        proxy.post("/proxies/echo/toxics", latency.clone()).await.0,
        StatusCode::OK
    );
    let cases = [
        (
            "/proxies",
            json!({"upstream": "x:1"}),
            400,
            "missing required field: name",
        ),
        (
            "/proxies",
            json!({"name": "x"}),
            400,
            "missing required field: upstream",
        ),
        ("/proxies", proxy.form("echo"), 409, "proxy already exists"),
        (
            "/proxies",
            json!({"name": "x", "upstream": "x:1", "listen": "0.0.0.0:1"}),
            400,
            "bad request body",
        ),
        (
            "/proxies/none",
            json!({"enabled": true}),
            404,
            "proxy not found",
        ),
        (
            "/proxies/none/toxics",
            latency.clone(),
            404,
            "proxy not found",
        ),
        (
            "/proxies/echo/toxics",
            latency.clone(),
            409,
            "toxic already exists",
        ),
        (
            "/proxies/echo/toxics",
            json!({"type": "gremlin"}),
            400,
            "invalid toxic type",
        ),
        (
            "/proxies/echo/toxics",
            json!({"type": "latency", "stream": "x"}),
            400,
            "stream was invalid",
        ),
        (
            "/proxies/echo/toxics",
            json!({"type": "latency", "name": "a", "attributes": {"latency": "x"}}),
            400,
            "bad request body",
        ),
        (
            "/proxies/echo/toxics/none",
            json!({}),
            404,
            "toxic not found",
        ),
    ];
    for (path, body, code, text) in cases {
        let (status, answer) = proxy.post(path, body.clone()).await;
        assert_eq!(status.as_u16(), code, "{path} {body}: {answer}");
        assert_eq!(answer["status"], code);
        let said = answer["error"].as_str().unwrap();
        assert!(said.starts_with(text), "{path} {body}: {said}");
    }
    let browser = proxy.http.get(format!("{}/proxies", proxy.base));
    let answer = browser
        .header("User-Agent", "Mozilla/5.0")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn regions_and_processes_are_cut_over_the_same_port() {
    let mut specs = Vec::new();
    for (dialler, viewer, target) in [("n1", "east", "west"), ("n3", "east", "east")] {
        specs.push(LinkSpec {
            dialler: dialler.to_owned(),
            viewer: region(viewer),
            target: region(target),
            server: "n2".to_owned(),
            upstream: echo().await,
            listener: bind().await,
            rtt: Duration::ZERO,
        });
    }
    let wan = Wan::start(specs, 7).unwrap();
    let mut proxy = Toxiproxy::start().await;
    proxy.wan.shut_down().await;
    let listener = bind().await;
    proxy.base = format!("http://{}", listener.local_addr().unwrap());
    let router = control::router(wan.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });

    let (_, cut) = proxy.post("/partitions", json!({"isolate": "west"})).await;
    assert_eq!(cut["cut"].as_array().unwrap().len(), 2);
    let near = wan.address("n3", "n2").unwrap();
    let mut near = TcpStream::connect(near).await.unwrap();
    assert!(trip(&mut near, b"same region").await.is_ok());
    let (_, cut) = proxy.post("/partitions", json!({"process": "n3"})).await;
    assert_eq!(cut["processes"], json!(["n3"]));
    assert!(is_silent(&mut near).await);
    let unknown = [json!({"isolate": "mars"}), json!({"process": "n9"})];
    for body in unknown {
        assert_eq!(
            proxy.post("/partitions", body).await.0,
            StatusCode::NOT_FOUND
        );
    }
    for body in [
        json!({"from": "east"}),
        json!({"isolate": "west", "process": "n3"}),
    ] {
        assert_eq!(
            proxy.post("/partitions", body).await.0,
            StatusCode::BAD_REQUEST
        );
    }
    let (_, left) = proxy.delete("/partitions?process=n3").await;
    assert_eq!(left["processes"], json!([]));
    assert_eq!(
        timeout(PATIENCE, near.read_u8()).await.unwrap().unwrap(),
        b'a'
    );
    assert_eq!(
        proxy.post("/reset", json!({})).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(proxy.get("/partitions").await.1["cut"], json!([]));
    let metrics = proxy.http.get(format!("{}/metrics", proxy.base)).send();
    let metrics = metrics.await.unwrap().text().await.unwrap();
    assert!(
        metrics.contains("holdfast_wan_carried_bytes_total"),
        "{metrics}"
    );
}
