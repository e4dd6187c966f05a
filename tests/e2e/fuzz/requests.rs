//! Odd HTTP requests. They follow HTTP's grammar, because a gateway refuses others with its own text. None is
//! an OPTIONS request, which the emulator answers itself.

use std::fmt;

use fastrand::Rng;

use super::{
    client::{Answer, exchange},
    values::{Known, body, odd_text, one, webhook_id},
};
use crate::isolation::WITH_KEY;

/// A request as it is sent.
pub(super) struct Request {
    method: String,
    /// Path and query.
    pub(super) path: String,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

const ROUTES: [(&str, &str, &str); 25] = [
    ("GET", "/api/v1/webhooks", ""),
    ("POST", "/api/v1/webhooks", NEW),
    ("POST", "/api/v1/webhooks", NEW),
    ("GET", "/api/v1/webhooks/{id}", ""),
    (
        "PATCH",
        "/api/v1/webhooks/{id}",
        r#"{"url":"https://your-server.com/","events":["*"],"status":"active","description":"é","metadata":{"k":"v"},"task_types":["image"]}"#,
    ),
    ("DELETE", "/api/v1/webhooks/{id}", ""),
    (
        "POST",
        "/api/v1/webhooks/{id}/rotate-secret",
        r#"{"secret_key":"your-secret-key","overlap_seconds":60,"switch_after_seconds":30}"#,
    ),
    ("POST", "/api/v1/webhooks/{id}/test", r#"{"event":"job.failed"}"#),
    ("POST", "/api/v1/webhooks/{id}/probe", ""),
    ("POST", "/api/v1/webhooks/{id}/rehearse", ""),
    ("GET", "/api/v1/webhooks/{id}/rehearse", ""),
    (
        "POST",
        "/api/v1/webhooks/{id}/resend",
        r#"{"since":"2024-12-23T10:00:00Z","until":"2024-12-23T11:00:00Z","statuses":["failed","missed"]}"#,
    ),
    ("GET", "/api/v1/webhooks/{id}/resend", ""),
    ("DELETE", "/api/v1/webhooks/{id}/resend", ""),
    ("GET", "/api/v1/webhooks/{id}/stats", ""),
    ("GET", "/api/v1/webhooks/{id}/deliveries", ""),
    ("GET", "/api/v1/webhooks/{id}/deliveries/{event_id}", ""),
    ("POST", "/api/v1/webhooks/{id}/deliveries/{event_id}/retry", ""),
    ("GET", "/api/v1/events", ""),
    ("GET", "/api/v1/events/{event_id}", ""),
    ("DELETE", "/api/v1/events/{event_id}", ""),
    ("GET", "/openapi.yaml", ""),
    ("GET", "/console", ""),
    ("GET", "/docs", ""),
    ("GET", "/api//v1/webhooks/", ""),
];
const NEW: &str = r#"{"url":"https://your-server.com/","events":["job.failed","job.completed"],"secret_key":"your-secret-key","callback_hosts":["*.your-server.com","*"],"description":"d","metadata":{"k":"v"},"task_types":["image","video"]}"#;
const METHODS: [&str; 4] = ["GET", "POST", "PATCH", "PUT"];
const ODD_METHODS: [&str; 5] = ["HEAD", "TRACE", "QUERY", "get", "BREW-COFFEE"];

impl Request {
    /// A GET request with the key.
    pub(super) fn get(path: &str, known: &Known) -> Self {
        let key = format!("Bearer {}", known.key).into_bytes();
        Self {
            method: "GET".to_owned(),
            path: path.to_owned(),
            headers: vec![("authorization".to_owned(), key)],
            body: Vec::new(),
        }
    }

    pub(super) fn random(rng: &mut Rng, known: &Known) -> Self {
        let (method, path, right) = route(rng, known);
        let mut headers = authorization(rng, known);
        for _ in 0..rng.u8(..4) {
            headers.push(header(rng));
        }
        Self { method: method.to_owned(), path: path + &query(rng), headers, body: body(rng, right) }
    }

    /// Sends the request to the API with this base URL.
    pub(super) async fn send(&self, api_url: &str) -> Result<Answer, String> {
        let (address, base) = api_url.trim_start_matches("http://").split_once('/').ok_or("not the API's URL")?;
        let Self { method, path, headers, body } = self;
        let mut head = format!("{method} /{base}{path} HTTP/1.1\r\nconnection: close\r\n").into_bytes();
        if !headers.iter().any(|(name, _)| name == "host") {
            head.extend(format!("host: {address}\r\n").bytes());
        }
        if !body.is_empty() {
            head.extend(format!("content-length: {}\r\n", body.len()).bytes());
        }
        for (name, value) in headers {
            head.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        head.extend(b"\r\n");
        exchange(address, &head, body).await
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path, headers, body } = self;
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value))).collect();
        let said = format!("{method} {path} {headers:?} {:?}", String::from_utf8_lossy(body));
        f.write_str(&super::shortened(&said))
    }
}

/// A random method and path, and a valid body for them.
fn route(rng: &mut Rng, known: &Known) -> (&'static str, String, &'static str) {
    let (mut method, path, body) = one(rng, &ROUTES);
    if rng.u8(..6) == 0 {
        method = if rng.bool() { one(rng, &METHODS) } else { one(rng, &ODD_METHODS) };
    }
    // Webhook 1 and its event stay: without them every later request would end with a 404 or a 409.
    let is_known = method != "DELETE" && rng.bool();
    let delivery = if is_known { known.delivery.clone() } else { odd_text(rng, 40) };
    let id = if method == "DELETE" { rng.u8(2..20).to_string() } else { webhook_id(rng) };
    let path = path.replace("{id}", &id).replace("{event_id}", &delivery);
    let path = if rng.u8(..12) == 0 { format!("/{}", odd_text(rng, 60)) } else { path };
    (method, on_the_wire(rng, &path), body)
}

fn query(rng: &mut Rng) -> String {
    if rng.u8(..3) == 0 {
        return String::new();
    }
    let parameter = |rng: &mut Rng| {
        let name = one(rng, &["status", "limit", "cursor", "hours", "include", "x"]);
        let value = match rng.u8(..4) {
            0 => {
                one(rng, &["failed", "delivered", "20", "1", "0", "101", "-1", "1e1", "168", "169", "%ff", "%", "%zz"])
                    .to_owned()
            }
            1 => rng.u64(..).to_string(),
            _ => odd_text(rng, 30),
        };
        format!("{name}={value}")
    };
    let parameters: Vec<_> = (0..rng.u8(1..4)).map(|_| parameter(rng)).collect();
    on_the_wire(rng, &format!("?{}", parameters.join("&")))
}

/// Percent-encodes the bytes that a request line cannot contain, and some of the others.
fn on_the_wire(rng: &mut Rng, text: &str) -> String {
    let mut wire = String::new();
    let rarely = rng.u8(..4) > 0;
    for byte in text.bytes() {
        match byte {
            b'!'..=b'~' if byte != b'#' && (rarely || rng.u8(..8) > 0) || byte == b'/' => wire.push(byte.into()),
            _ => wire.extend(["%", &hex::encode([byte])]),
        }
    }
    wire
}

fn authorization(rng: &mut Rng, known: &Known) -> Vec<(String, Vec<u8>)> {
    let right = format!("Bearer {}", known.key).into_bytes();
    let values = match rng.u8(..40) {
        0 => vec![],
        1 => vec![right.clone(), right],
        2 => vec![header(rng).1],
        3 => vec![[right, vec![b'0'; rng.usize(1..4_000)]].concat()],
        4 => vec![one(rng, &[&b"Bearer"[..], b"", b"Bearer sk-", b"Bearer \xff", b"Basic Og=="]).to_vec()],
        _ => vec![right],
    };
    values.into_iter().map(|value| (one(rng, &["authorization", "Authorization"]).to_owned(), value)).collect()
}

/// A random header that a client may send. Not the host and the content length, which the emulator needs.
fn header(rng: &mut Rng) -> (String, Vec<u8>) {
    let name = match rng.u8(..4) {
        0 => (0..rng.u8(1..30)).map(|_| one(rng, b"!#$%&'*+-.^_`|~09azAZ") as char).collect(),
        _ => one(
            rng,
            &[
                "content-type",
                "idempotency-key",
                "x-forwarded-proto",
                "x-forwarded-for",
                "cookie",
                "accept",
                "origin",
                "content-encoding",
            ],
        )
        .to_owned(),
    };
    let value = match rng.u8(..4) {
        0 => one(
            rng,
            &[
                "application/json",
                "text/plain; charset=utf-16",
                "multipart/form-data",
                "gzip",
                "*/*",
                "a=b; c",
                "https",
            ],
        )
        .into(),
        1 => (0..rng.usize(..40))
            .map(|_| one(rng, &[b'\t', b' ', b',', b';', b'"', b'a', 0x80, 0xc3, 0xa9, 0xff]))
            .collect(),
        2 => vec![b'x'; rng.usize(..3_000)],
        _ => odd_text(rng, 300).into_bytes(),
    };
    (name, value)
}

#[test]
fn every_route_that_needs_a_key_is_asked_odd_things() {
    for (route, ..) in WITH_KEY.iter().filter(|(route, ..)| *route != "$default") {
        let is_asked = ROUTES.iter().any(|(method, path, _)| *route == format!("{method} {path}"));
        assert!(is_asked, "{route} is not in ROUTES");
    }
}
