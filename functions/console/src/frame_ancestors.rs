//! Which pages may show the console in a frame.

use std::str::FromStr;

/// The longest list, in bytes. The template has the same limit: the variables of a function are limited to 4 KB, and
/// the headers of a reply to 10 KB.
const MAX_BYTES: usize = 1024;

/// The origins of the pages that may show the console in a frame. Nobody may, by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FrameAncestors(Vec<String>);

impl FrameAncestors {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the value of the directive `frame-ancestors`.
    pub(crate) fn directive(&self) -> String {
        if self.is_empty() { "'none'".to_owned() } else { self.0.join(" ") }
    }
}

impl FromStr for FrameAncestors {
    type Err = String;

    /// Parses origins that are separated by spaces or commas. Each becomes a part of the `Content-Security-Policy`, so
    /// a character that could end the directive there is refused.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_BYTES {
            return Err(format!("it has {} bytes; the limit is {MAX_BYTES}", text.len()));
        }
        let origins: Vec<_> = text.split([' ', ',']).filter(|part| !part.is_empty()).map(str::to_owned).collect();
        match origins.iter().find(|origin| !is_origin(origin)) {
            Some(wrong) => Err(format!(
                "{wrong:?} is not an origin; expected https://dashboard.example.com or https://*.example.com, without a path, or \
                 http for localhost and 127.0.0.1"
            )),
            None => Ok(Self(origins)),
        }
    }
}

/// Whether a text is a scheme, a host and perhaps a port. Only a page of the same machine may use plain http: anybody
/// on the way could otherwise put a page of theirs around the console.
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    let is_local = matches!(host, "localhost" | "127.0.0.1");
    let is_allowed = match scheme {
        "https" => is_local || is_host_name(host.strip_prefix("*.").unwrap_or(host)),
        "http" => is_local,
        _ => false,
    };
    is_allowed && port.is_none_or(is_port)
}

/// Whether a text is a host name of two labels or more, in lower case. The last label begins with a letter.
fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_valid = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        matches!(label.len(), 1..=63) && label.bytes().all(is_valid) && !label.starts_with('-') && !label.ends_with('-')
    };
    let top = text.rsplit_once('.').map(|(_, top)| top);
    top.is_some_and(|top| top.starts_with(|first: char| first.is_ascii_lowercase())) && text.split('.').all(is_label)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_separated_by_spaces_or_commas() {
        let cases = [
            ("", "'none'"),
            ("https://dashboard.example.com", "https://dashboard.example.com"),
            ("https://*.example.com", "https://*.example.com"),
            (
                "https://a-1.example.com:8443,https://b.example.com",
                "https://a-1.example.com:8443 https://b.example.com",
            ),
            ("https://a.example.com, https://b.example.com", "https://a.example.com https://b.example.com"),
            ("http://127.0.0.1:8000 http://localhost", "http://127.0.0.1:8000 http://localhost"),
            ("https://localhost:3000", "https://localhost:3000"),
        ];
        for (text, directive) in cases {
            assert_eq!(text.parse::<FrameAncestors>().unwrap().directive(), directive);
        }
    }

    #[test]
    fn nothing_but_an_origin_is_an_ancestor() {
        let wrong = [
            "*",
            "https:",
            "https://*",
            "https://*.com",
            "https://dashboard",
            "https://a.*.example.com",
            "https://*example.com",
            "http://dashboard.example.com",
            "http://localhost.example.com",
            "http://*.localhost",
            "dashboard.example.com",
            "'self'",
            "data:",
            "https://dashboard.example.com/",
            "https://dashboard.example.com/path",
            "https://dashboard.example.com?x",
            "https://user@dashboard.example.com",
            "https://Dashboard.example.com",
            "https://dashboard.example.com:",
            "https://dashboard.example.com:0",
            "https://dashboard.example.com:+1",
            "https://dashboard.example.com:65536",
            "https://-.example.com",
            "https://example..com",
            "https://.example.com",
            "https://10.0.0.1",
            "https://bücher.example",
            "https://a.example.com;script-src *",
            "https://a.example.com; script-src 'unsafe-inline'",
            "https://a.example.com\nx-header: 1",
            "https://a.example.com\n",
            "https://a.example.com\u{a0}",
            "https://a.example.com\thttps://b.example.com",
            "https://a.example.com https://b.example.com/",
        ];
        for text in wrong {
            assert!(text.parse::<FrameAncestors>().is_err(), "{text:?}");
        }
        let long = vec!["https://dashboard.example.com"; 35].join(" ");
        assert!(long.parse::<FrameAncestors>().unwrap_err().contains("1049 bytes"));
    }
}
