//! The few HTTP questions that the cluster asks its members.
//!
//! Owns: time-outs of those questions. Must never: wait longer than a poll should.

use std::time::Duration;

/// A member on this machine answers at once or not at all.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .timeout(ASK_TIMEOUT)
        .no_proxy()
        .build()
        .expect("a client without TLS and proxies has nothing to fail at")
}

/// The status code, or with another code than 200 the code and body; `Err` says why there was no answer.
pub(crate) async fn status_line(http: &reqwest::Client, url: &str) -> Result<String, String> {
    let answer = http
        .get(url)
        .send()
        .await
        .map_err(|_| "nothing, it does not listen yet".to_owned())?;
    let status = answer.status().as_u16();
    if status == 200 {
        return Ok("200".to_owned());
    }
    let body = answer.text().await.unwrap_or_default();
    Ok(format!(
        "{status} {}",
        body.chars().take(300).collect::<String>()
    ))
}
