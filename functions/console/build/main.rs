//! Makes the files that the console serves from `assets/`: one script and one style sheet, with a hash of their
//! content in their names, and every file compressed. Pages keep their placeholders, for the function to fill in. So
//! the first visit costs a few requests, the next visit only the page, and a request no compression. The example
//! receivers are a file of their own, because few visits need them, and so are the texts of each language except
//! English.

#![expect(clippy::unwrap_used, reason = "a build that cannot go on stops, and says where")]
#![expect(clippy::print_stdout, reason = "that is how a build script speaks to Cargo")]

mod bundle;
mod docs;
mod output;
#[path = "../src/packed.rs"]
mod packed;
mod receivers;
mod text;

use std::{collections::BTreeMap, env, fs, path::Path};

use self::{
    bundle::{Bundle, compact},
    output::Output,
};

/// The folder with the console's own sources.
const ASSETS: &str = "assets";
const OPENAPI: &str = "../../openapi.yaml";
const DOCS: &str = "../../docs";
const GUIDE: &str = "../../docs/verifying.md";
const RECEIVERS: &str = "../../docs/receivers";

fn main() {
    for input in [ASSETS, OPENAPI, GUIDE, RECEIVERS, "build"] {
        println!("cargo::rerun-if-changed={input}");
    }
    let mut output = Output::new();
    let icon = output.add_hashed("icon.svg", "image/svg+xml", &asset("icon.svg"));
    let styles = output.add_hashed("console.css", "text/css", &compact(&asset("console.css")));
    let receivers = output.add_hashed("receivers.json", "application/json", &receivers::json(Path::new(DOCS)));
    let german = output.add_hashed("de.js", "text/javascript", &compact(&asset("texts/de.js")));
    let script = Bundle::of(&modules(), "app.js")
        .replace("console/icon.svg", &format!("console/{icon}"))
        .replace("console/receivers.json", &format!("console/{receivers}"))
        .replace("console/de.js", &format!("console/{german}"));
    let script = output.add_hashed("app.js", "text/javascript", &script);

    let named = |page: String| {
        let names = [("icon.svg", &icon), ("console.css", &styles), ("app.js", &script)];
        names.iter().fold(page, |page, (name, hashed)| {
            page.replace(&format!("\"console/{name}\""), &format!("\"console/{hashed}\""))
        })
    };
    output.add_page("CONSOLE", &named(asset("index.html")));
    let openapi = fs::read_to_string(OPENAPI).unwrap();
    output.add_page("DOCS", &named(docs::page(&openapi, &asset("docs.html"))));
    output.finish();
}

/// The console's modules, and the one that the build generates, by name.
fn modules() -> BTreeMap<String, String> {
    let names = fs::read_dir(ASSETS).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let scripts = names.filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "js"));
    let mut modules: BTreeMap<_, _> = scripts.map(|name| (name.clone(), asset(&name))).collect();
    // The version in the `User-Agent` of deliveries.
    let version = env::var("CARGO_PKG_VERSION").unwrap();
    modules.insert("version.js".into(), format!("export const VERSION = '{version}';\n"));
    modules
}

fn asset(name: &str) -> String {
    fs::read_to_string(Path::new(ASSETS).join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
