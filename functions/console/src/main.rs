//! Serves `GET` and `HEAD` of two pages. `/console`, with `/console/{file}`, is the customer's console: a page with a
//! script that uses the public API. `/docs` is the API's description as a page, with the console's style sheet.
//!
//! The files are public: they contain no customer's data, and do nothing without the key that the user types in, or
//! that the address has behind its `#`.
//!
//! `build/` makes the files, and [`site`] what this deployment changes about them. A browser caches each file with a
//! hash in its name permanently, and requests the page every time. The page loads all its files when it opens, so an
//! upgrade does not break a console that is open. The example receivers are loaded later: the next version's are as
//! good. So is a language's file of texts: where it lacks a text, the console shows it in English.

mod accent;
mod colour;
mod frame_ancestors;
mod name;
mod packed;
mod site;

use lambda_http::{
    Request, RequestExt as _,
    http::header::{ACCEPT_ENCODING, HeaderName, IF_NONE_MATCH},
};
use nano_webhooks::{
    api::{self, ApiError, Reply},
    telemetry,
};

use self::site::{File, Language, Look, Page, Site, Theme};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let site = Site::new(Look::from_env()?);
    api::serve_public(|request| handle(&site, request)).await
}

fn handle(site: &Site, request: &Request) -> Result<Reply, ApiError> {
    let path = request.raw_http_path();
    let is_docs = path.trim_end_matches('/').ends_with("/docs");
    // A page names its files relative to its own address. A slash at the end would add a folder to that.
    if path.ends_with('/') {
        return Ok(Reply::redirect(if is_docs { "../docs" } else { "../console" }));
    }
    let parameters = request.path_parameters_ref();
    let Some(name) = parameters.and_then(|parameters| parameters.first("file")) else {
        let page = if is_docs { Page::Docs } else { Page::Console };
        let query = request.query_string_parameters_ref();
        let asked = |name| query.and_then(|query| query.first(name));
        let (theme, language) = (Theme::parse(asked("theme")), Language::parse(asked("lang")));
        return Ok(reply(site, request, site.page(page, theme, language)));
    };
    if let Some(file) = site.file(name) {
        return Ok(reply(site, request, file));
    }
    // The page was loaded just before an upgrade, and requests a file of the old version just after it.
    let successor = site.successor(name);
    let redirect = successor.map(|file| Reply::redirect(&*file.name).with_header("cache-control", "no-store"));
    redirect.ok_or_else(|| ApiError::NotFound(format!("the console has no file {name}")))
}

fn reply(site: &Site, request: &Request, file: &File) -> Reply {
    let tag = format!("W/\"{}\"", file.hash);
    let reply = if asks(request, &IF_NONE_MATCH, |known| known.trim_start_matches("W/").trim_matches('"') == file.hash)
    {
        Reply::not_modified()
    } else if asks(request, &ACCEPT_ENCODING, takes_gzip) {
        Reply::file(file.content_type, &*file.gzip).with_header("content-encoding", "gzip")
    } else {
        Reply::file(file.content_type, &*file.plain)
    };
    let keep = if file.is_hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
    let reply = site.policy().into_iter().fold(reply, |reply, (name, value)| reply.with_header(name, value));
    reply
        .with_header("etag", tag)
        .with_header("vary", "accept-encoding")
        .with_header("cache-control", keep)
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
    use super::*;

    #[test]
    fn a_client_gets_gzip_only_if_it_takes_it() {
        for takes in ["gzip", "GZIP", "gzip;q=0.5", "gzip; q=1"] {
            assert!(takes_gzip(takes), "{takes}");
        }
        for refuses in ["", "br", "x-gzip", "gzip;q=0", "gzip; q=0.000", "gzip;q=much"] {
            assert!(!takes_gzip(refuses), "{refuses}");
        }
    }
}
