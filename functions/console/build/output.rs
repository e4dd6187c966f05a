//! Writes the files for the function, each plain and compressed, and a Rust source with the list of them.

use std::{
    env,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest as _, Sha256};

/// How many digits of the hash a name has: enough that no two versions of a file share one.
const DIGITS: usize = 16;

/// The folder of the files, and the list of them so far.
pub(crate) struct Output {
    folder: PathBuf,
    pages: String,
    files: String,
}

impl Output {
    pub(crate) fn new() -> Self {
        Self { folder: env::var_os("OUT_DIR").unwrap().into(), pages: String::new(), files: String::new() }
    }

    /// Adds a file whose name changes with its content, so that a browser may cache it permanently. Returns the name.
    pub(crate) fn add_hashed(&mut self, name: &str, content_type: &str, content: &str) -> String {
        let (stem, extension) = name.split_once('.').unwrap();
        let name = format!("{stem}-{}.{extension}", hash(content));
        let file = self.file(&name, content_type, content, true);
        writeln!(self.files, "{file},").unwrap();
        name
    }

    /// Adds a page, as a constant of this name.
    pub(crate) fn add_page(&mut self, constant: &str, content: &str) {
        let file = self.file(&format!("{constant}.html"), "text/html; charset=utf-8", content, false);
        writeln!(self.pages, "const {constant}: File = {file};").unwrap();
    }

    /// Writes the list of files, `files.rs`.
    pub(crate) fn finish(self) {
        let list = format!("{}const FILES: &[File] = &[\n{}];\n", self.pages, self.files);
        fs::write(self.folder.join("files.rs"), list).unwrap();
    }

    /// Writes a file and its compressed form. Returns the Rust expression for both.
    fn file(&self, name: &str, content_type: &str, content: &str, is_hashed: bool) -> String {
        let (plain, compressed) = (self.folder.join(name), self.folder.join(format!("{name}.gz")));
        fs::write(&plain, content).unwrap();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content.as_bytes()).unwrap();
        fs::write(&compressed, encoder.finish().unwrap()).unwrap();
        let quoted = |path: &Path| format!("{:?}", path.to_str().unwrap());
        format!(
            "File {{ name: {name:?}, content_type: {content_type:?}, is_hashed: {is_hashed}, hash: {:?}, \
             plain: include_str!({}), gzip: include_bytes!({}) }}",
            hash(content),
            quoted(&plain),
            quoted(&compressed),
        )
    }
}

fn hash(content: &str) -> String {
    let digest = Sha256::digest(content.as_bytes());
    hex::encode(digest)[..DIGITS].to_owned()
}
