//! A browser that has no scripts.
//!
//! Owns: cookies, forms, where an answer leads. Must never: assert anything about a document but that it has a part.

use reqwest::header::HeaderMap;
use reqwest::{Client, redirect};

use crate::harness::Harness;

/// A browser without scripts: keeps cookies, follows nothing by itself.
pub(crate) struct Browser<'a> {
    harness: &'a Harness,
    client: Client,
    /// Path, name, value.
    pub(crate) cookies: Vec<(String, String, String)>,
}

pub(crate) struct View {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl View {
    pub(crate) fn has(&self, part: &str) -> &Self {
        assert!(self.text.contains(part), "no {part} in:\n{}", self.text);
        self
    }

    pub(crate) fn location(&self) -> &str {
        assert_eq!(self.status, 303, "{}", self.text);
        self.headers["location"].to_str().unwrap()
    }

    /// The hidden key of the form that posts to `action`.
    pub(crate) fn key(&self, action: &str) -> String {
        let form = self.text.split(&format!("action=\"{action}\"")).nth(1);
        let form = form.unwrap_or_else(|| panic!("no form for {action} in:\n{}", self.text));
        let key = form.split("name=\"key\" value=\"").nth(1).unwrap();
        key.split('"').next().unwrap().to_owned()
    }
}

impl<'a> Browser<'a> {
    pub(crate) fn new(harness: &'a Harness) -> Self {
        let client = Client::builder().redirect(redirect::Policy::none());
        Self {
            harness,
            client: client.build().unwrap(),
            cookies: Vec::new(),
        }
    }

    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> View {
        let address = format!("{}{path}", self.harness.base);
        let mut request = self.client.request(method.parse().unwrap(), address);
        let sent = self
            .cookies
            .iter()
            .filter(|(at, ..)| path.starts_with(at.as_str()));
        let cookies: Vec<String> = sent.map(|(_, n, v)| format!("{n}={v}")).collect();
        request = request.header("cookie", cookies.join("; "));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/x-www-form-urlencoded");
            request = request.body(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        for cookie in headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            let at = cookie
                .split("Path=")
                .nth(1)
                .unwrap()
                .split(';')
                .next()
                .unwrap();
            self.cookies
                .retain(|(path, known, _)| known != name || path != at);
            self.cookies
                .push((at.to_owned(), name.to_owned(), value.to_owned()));
        }
        let text = response.text().await.unwrap();
        View {
            status,
            headers,
            text,
        }
    }

    pub(crate) async fn open(&mut self, path: &str) -> View {
        self.send("GET", path, &[("accept", "text/html")], None)
            .await
    }

    pub(crate) async fn post(&mut self, path: &str, form: &str) -> View {
        let own = [("sec-fetch-site", "same-origin"), ("accept", "text/html")];
        self.send("POST", path, &own, Some(form.to_owned())).await
    }
}
