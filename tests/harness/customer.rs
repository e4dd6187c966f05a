//! The customer's side: an HTTP client with an API key. It knows no more of the service than the published page says.

use std::time::{Duration, Instant};

use reqwest::{Method, header::HeaderMap};
use serde_json::Value;

use crate::{ApiKey, Failure, SOON, Stack, http_client, secrets::UsedSecrets};

const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A client of the HTTP API. Make one for each runtime: its connections end with the runtime.
pub struct Customer {
    client: reqwest::Client,
    base: String,
    authorization: Option<String>,
    header: Option<(&'static str, &'static str)>,
    used_secrets: UsedSecrets,
}

/// What the API answered.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text, unchanged.
    pub text: String,
}

impl Reply {
    /// The body as JSON, or null if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

impl Customer {
    /// A client that authenticates with this key.
    pub fn new(stack: &Stack, key: &ApiKey) -> Self {
        Self { authorization: Some(format!("Bearer {}", key.key)), ..Self::without_key(stack) }
    }

    /// A client without a key: it authenticates only by the headers given to [`Customer::send_with`].
    pub fn without_key(stack: &Stack) -> Self {
        Self {
            client: http_client(),
            base: stack.api_url.clone(),
            authorization: None,
            header: None,
            used_secrets: stack.used_secrets.clone(),
        }
    }

    /// The same client, which adds one header to each request, as a CDN would.
    #[must_use]
    pub fn with_header(self, name: &'static str, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    /// `GET {path}`
    pub async fn get(&self, path: &str) -> Result<Reply, Failure> {
        self.send(Method::GET, path, None).await
    }

    /// The `data` of the reply to `GET {path}`. Fails unless the status is 200.
    pub async fn data(&self, path: &str) -> Result<Value, Failure> {
        let reply = self.get(path).await?;
        match reply.status {
            200 => Ok(reply.json()["data"].take()),
            status => Err(Failure::new(format!("GET {path} is answered {status}: {}", reply.text))),
        }
    }

    /// Waits until the `data` of `GET {path}` meets a condition, and returns it. Fails after [`SOON`].
    pub async fn wait_until(&self, path: &str, is_met: impl Fn(&Value) -> bool) -> Result<Value, Failure> {
        let start = Instant::now();
        loop {
            let data = self.data(path).await?;
            if is_met(&data) {
                return Ok(data);
            }
            if start.elapsed() > SOON {
                return Err(Failure::new(format!("{path} stays {data}")));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// `POST {path}` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Reply, Failure> {
        self.send(Method::POST, path, Some(body.to_string())).await
    }

    /// `DELETE {path}`
    pub async fn delete(&self, path: &str) -> Result<Reply, Failure> {
        self.send(Method::DELETE, path, None).await
    }

    /// Sends any request with the key; the body is sent unchanged.
    pub async fn send(&self, method: Method, path: &str, body: Option<String>) -> Result<Reply, Failure> {
        self.send_with(method, path, body, &[]).await
    }

    /// Sends any request with the key and more headers.
    pub async fn send_with(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        headers: &[(&str, &str)],
    ) -> Result<Reply, Failure> {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        let authorization = self.authorization.iter().map(|value| ("authorization", value.as_str()));
        for (name, value) in authorization.chain(self.header).chain(headers.iter().copied()) {
            request = request.header(name, value);
        }
        if let Some(body) = &body {
            request = request.header("content-type", "application/json").body(body.clone());
        }
        let unreachable = |error: reqwest::Error| Failure::new(format!("the API does not answer: {error}"));
        let reply = request.send().await.map_err(unreachable)?;
        let (status, headers) = (reply.status(), reply.headers().clone());
        let text = reply.text().await.map_err(unreachable)?;
        if status.is_success() {
            self.used_secrets.add_from(body.as_deref().unwrap_or_default());
            self.used_secrets.add_from(&text);
        }
        let reply = Reply { status: status.as_u16(), headers, text };
        match oddly_written_time(&reply.json()) {
            Some(time) => {
                Err(Failure::new(format!("{time} is a time without milliseconds of three digits: {}", reply.text)))
            }
            None => Ok(reply),
        }
    }
}

/// Finds a time that is not in the API's one form. `payload` and `response` are skipped: their times are as the
/// producer or the receiver wrote them.
fn oddly_written_time(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => {
            let is_time = text.parse::<jiff::Timestamp>().is_ok();
            let has_its_form = text.len() == "2026-01-02T03:04:05.678Z".len() && text.get(19..20) == Some(".");
            (is_time && !has_its_form).then_some(text)
        }
        Value::Array(elements) => elements.iter().find_map(oddly_written_time),
        Value::Object(members) => {
            let own = members.iter().filter(|(name, _)| !["payload", "response"].contains(&name.as_str()));
            own.map(|(_, value)| value).find_map(oddly_written_time)
        }
        _ => None,
    }
}
