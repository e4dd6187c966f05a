//! The origin of a URL: what two URLs must share to be of one endpoint.

use url::Url;

use super::without_final_dot;

/// The scheme, host and port of a URL, as text: `https://a.example.com`, or `https://a.example.com:8443`. Returns
/// `None` if the text is not an http or https URL.
///
/// A final dot of the host does not matter, as in [`TargetUrl`](super::TargetUrl).
pub fn origin(url: &str) -> Option<String> {
    let mut url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let host = without_final_dot(url.host_str()?).to_owned();
    url.set_host(Some(&host)).ok()?;
    Some(url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_query_case_default_port_and_a_final_dot_do_not_matter() {
        for same in [
            "https://a.example.com/",
            "https://a.example.com",
            "https://a.example.com/hook/2?job=1",
            "https://A.Example.COM:443/",
            "HTTPS://a.example.com./",
        ] {
            assert_eq!(origin(same).as_deref(), Some("https://a.example.com"), "{same}");
        }
        assert_eq!(origin("http://127.0.0.1:9000/hook").as_deref(), Some("http://127.0.0.1:9000"));
        assert_eq!(origin("https://[2001:DB8::1]/").as_deref(), Some("https://[2001:db8::1]"));
        assert_eq!(origin("https://münchen.de/"), origin("https://xn--mnchen-3ya.de/"));
    }

    #[test]
    fn another_scheme_host_or_port_is_another_origin() {
        for other in [
            "http://a.example.com/",
            "https://b.example.com/",
            "https://example.com/",
            "https://b.a.example.com/",
            "https://a.example.com:8443/",
            "https://a.example.com@b.example.com/",
        ] {
            assert_ne!(origin(other), origin("https://a.example.com/"), "{other}");
        }
    }

    #[test]
    fn what_is_no_web_url_has_none() {
        for text in ["", "a.example.com", "//a.example.com/", "data:text/plain,a", "ftp://a.example.com/", "https://"] {
            assert_eq!(origin(text), None, "{text}");
        }
    }
}
