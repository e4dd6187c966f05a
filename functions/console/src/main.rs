//! Serves `GET` and `HEAD` of two pages. `/console`, with `/console/{file}`, is the customer's console: a page with a
//! script that uses the public API. `/docs` is the API's description as a page, with the console's style sheet.
//!
//! The files are public: they contain no customer's data, and do nothing without the key that the user types in.
//!
//! `build/` makes the files. A browser caches each file with a hash in its name permanently, and requests the page
//! every time. The page loads all its files when it opens, so an upgrade does not break a console that is open. The
//! example receivers are loaded later: the next version's are as good.

use lambda_http::{
    Request, RequestExt as _,
    http::header::{ACCEPT_ENCODING, HeaderName, IF_NONE_MATCH},
};
use nano_webhooks::{
    api::{self, ApiError, Reply},
    telemetry,
};

/// The `Content-Security-Policy` of every file. The browser refuses any script, style or connection that is not ours,
/// frames around the page, and every way in which a script could turn text into markup. So data from customers and
/// receivers cannot run anything on these pages.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// A page, or a file that a page loads.
struct File {
    name: &'static str,
    content_type: &'static str,
    /// Whether the name contains the hash. Then the content under this name never changes.
    is_hashed: bool,
    hash: &'static str,
    plain: &'static str,
    gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/files.rs"));

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    api::serve_public(handle).await
}

fn handle(request: &Request) -> Result<Reply, ApiError> {
    let path = request.raw_http_path();
    let is_docs = path.trim_end_matches('/').ends_with("/docs");
    // A page names its files relative to its own address. A slash at the end would add a folder to that.
    if path.ends_with('/') {
        return Ok(Reply::redirect(if is_docs { "../docs" } else { "../console" }));
    }
    let parameters = request.path_parameters_ref();
    let Some(name) = parameters.and_then(|parameters| parameters.first("file")) else {
        return Ok(reply(request, if is_docs { &DOCS } else { &CONSOLE }));
    };
    if let Some(file) = FILES.iter().find(|file| file.name == name) {
        return Ok(reply(request, file));
    }
    // The page was loaded just before an upgrade, and requests a file of the old version just after it.
    let successor = FILES.iter().find(|file| file.is_hashed && family(file.name) == family(name));
    let redirect = successor.map(|file| Reply::redirect(file.name).with_header("cache-control", "no-store"));
    redirect.ok_or_else(|| ApiError::NotFound(format!("the console has no file {name}")))
}

/// The part of a file's name that all its versions share: the name without the hash.
fn family(name: &str) -> Option<(&str, &str)> {
    let (stem, rest) = name.split_once('-')?;
    Some((stem, rest.split_once('.')?.1))
}

fn reply(request: &Request, file: &File) -> Reply {
    let tag = format!("W/\"{}\"", file.hash);
    let reply = if asks(request, &IF_NONE_MATCH, |known| known.trim_start_matches("W/").trim_matches('"') == file.hash)
    {
        Reply::not_modified()
    } else if asks(request, &ACCEPT_ENCODING, takes_gzip) {
        Reply::file(file.content_type, file.gzip).with_header("content-encoding", "gzip")
    } else {
        Reply::file(file.content_type, file.plain)
    };
    let keep = if file.is_hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
    reply
        .with_header("etag", tag)
        .with_header("vary", "accept-encoding")
        .with_header("cache-control", keep)
        .with_header("content-security-policy", POLICY)
        .with_header("cross-origin-opener-policy", "same-origin")
        .with_header("cross-origin-resource-policy", "same-origin")
        .with_header("referrer-policy", "no-referrer")
        .with_header("x-content-type-options", "nosniff")
}

/// Whether one of the values in a header's comma-separated lists satisfies `is_wanted`.
fn asks(request: &Request, header: &HeaderName, is_wanted: impl Fn(&str) -> bool) -> bool {
    let lists = request.headers().get_all(header).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|value| is_wanted(value.trim()))
}

/// Whether a value of `Accept-Encoding` is gzip, with a weight that is not zero.
fn takes_gzip(value: &str) -> bool {
    let (coding, weight) = value.split_once(';').unwrap_or((value, ""));
    let weight = weight.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
    coding.trim().eq_ignore_ascii_case("gzip") && weight.is_ok_and(|weight| weight > 0.0)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn every_file_is_compressed_as_it_is() {
        for file in FILES.iter().chain([&CONSOLE, &DOCS]) {
            let mut text = String::new();
            GzDecoder::new(file.gzip).read_to_string(&mut text).unwrap();
            assert!(text == file.plain, "{}", file.name);
        }
    }

    #[test]
    fn a_client_gets_gzip_only_if_it_takes_it() {
        for takes in ["gzip", "GZIP", "gzip;q=0.5", "gzip; q=1"] {
            assert!(takes_gzip(takes), "{takes}");
        }
        for refuses in ["", "br", "x-gzip", "gzip;q=0", "gzip; q=0.000", "gzip;q=much"] {
            assert!(!takes_gzip(refuses), "{refuses}");
        }
    }

    /// The policy would block it, and only the browser's developer console would report that.
    #[test]
    fn no_page_has_an_inline_script_or_style() {
        for page in [&CONSOLE, &DOCS] {
            for tag in page.plain.split("<script").skip(1) {
                assert!(
                    tag.starts_with(" type=\"module\" src=\"console/") && tag.contains("\"></script>"),
                    "<script{tag}"
                );
            }
            for inline in ["<style", "style=", " onload", " onclick", "javascript:"] {
                assert!(!page.plain.contains(inline), "{}: {inline}", page.name);
            }
        }
    }

    /// A browser would have to request a file without a hash in its name on every visit.
    #[test]
    fn every_page_loads_hashed_files_alone() {
        for page in [&CONSOLE, &DOCS] {
            let names: Vec<_> =
                page.plain.split("\"console/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
            assert!(names.len() > 1, "{}: {names:?}", page.name);
            for name in names {
                assert!(FILES.iter().any(|file| file.is_hashed && file.name == name), "{}: {name}", page.name);
            }
        }
    }
}
