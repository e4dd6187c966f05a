//! `GET` and `HEAD` of `/console` and `/console/{file}`: the customer's console, a page with a few scripts that use the public API.
//!
//! Everybody may have it: it holds nothing of anybody's, and does nothing without the key that its user types in.

use lambda_http::{Request, RequestExt as _};
use nano_webhooks::{
    api::{self, ApiError, Reply},
    telemetry,
};

/// What a browser refuses on this page, whatever a customer or a receiver has put into the data that it shows: any
/// script, style or connection that is not ours, frames around it, and every way in which a script could make markup of
/// a text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// A file that the console is made of.
struct File {
    name: &'static str,
    content_type: &'static str,
    content: &'static str,
}

macro_rules! file {
    ($name:literal, $content_type:literal) => {
        File { name: $name, content_type: $content_type, content: include_str!(concat!("../assets/", $name)) }
    };
}

const PAGE: File = file!("index.html", "text/html; charset=utf-8");

/// Tells the console the version that stands in the `User-Agent` of deliveries.
const VERSION: File = File {
    name: "version.js",
    content_type: "text/javascript",
    content: concat!("export const VERSION = '", env!("CARGO_PKG_VERSION"), "';\n"),
};

const FILES: [File; 31] = [
    VERSION,
    file!("activity.js", "text/javascript"),
    file!("address.js", "text/javascript"),
    file!("api.js", "text/javascript"),
    file!("app.js", "text/javascript"),
    file!("attempts.js", "text/javascript"),
    file!("charts.js", "text/javascript"),
    file!("checker.js", "text/javascript"),
    file!("console.css", "text/css"),
    file!("deliveries.js", "text/javascript"),
    file!("delivery.js", "text/javascript"),
    file!("dialogs.js", "text/javascript"),
    file!("dom.js", "text/javascript"),
    file!("explain.js", "text/javascript"),
    file!("findings.js", "text/javascript"),
    file!("health.js", "text/javascript"),
    file!("icon.svg", "image/svg+xml"),
    file!("payload.js", "text/javascript"),
    file!("request.js", "text/javascript"),
    file!("rotate.js", "text/javascript"),
    file!("schemes.js", "text/javascript"),
    file!("session.js", "text/javascript"),
    file!("signature.js", "text/javascript"),
    file!("spellings.js", "text/javascript"),
    file!("test-event.js", "text/javascript"),
    file!("uplot-1.6.32.css", "text/css"),
    file!("uplot-1.6.32.js", "text/javascript"),
    file!("uplot-license.txt", "text/plain; charset=utf-8"),
    file!("webhook-tools.js", "text/javascript"),
    file!("webhook.js", "text/javascript"),
    file!("webhooks.js", "text/javascript"),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    api::serve_public(handle).await
}

fn handle(request: &Request) -> Result<Reply, ApiError> {
    // The page names its files relative to its own address, in which a slash at the end would be a folder more.
    if request.raw_http_path().ends_with('/') {
        return Ok(Reply::redirect("../console"));
    }
    let parameters = request.path_parameters_ref();
    match parameters.and_then(|parameters| parameters.first("file")) {
        None => Ok(reply(&PAGE)),
        Some(name) => {
            let file = FILES.iter().find(|file| file.name == name);
            file.map(reply).ok_or_else(|| ApiError::NotFound(format!("the console has no file {name}")))
        }
    }
}

fn reply(file: &File) -> Reply {
    // The scripts import each other by name and must be of one version, so only what has its version in its name is kept.
    let keep = if file.name.starts_with("uplot-1") { "public, max-age=31536000, immutable" } else { "no-cache" };
    Reply::file(file.content_type, file.content)
        .with_header("cache-control", keep)
        .with_header("content-security-policy", POLICY)
        .with_header("cross-origin-opener-policy", "same-origin")
        .with_header("cross-origin-resource-policy", "same-origin")
        .with_header("referrer-policy", "no-referrer")
        .with_header("x-content-type-options", "nosniff")
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
        for entry in fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!([PAGE].iter().chain(&FILES).any(|file| file.name == name), "{name}");
        }
    }

    /// The policy would refuse it, silently for whoever does not look into the browser's console.
    #[test]
    fn the_page_has_no_inline_script_or_style() {
        let page = PAGE.content;
        for tag in page.split("<script").skip(1) {
            assert!(tag.starts_with(" type=\"module\" src=\"console/") && tag.contains("\"></script>"), "<script{tag}");
        }
        for inline in ["<style", "style=", " onload", " onclick", "javascript:"] {
            assert!(!page.contains(inline), "{inline}");
        }
    }
}
