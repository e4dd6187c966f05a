//! Writes the files for the function, each plain and compressed, the pages, which the function completes, and a Rust
//! source with the list of them.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use crate::packed::{gzip, hash};

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
        let (plain, compressed) = (self.folder.join(&name), self.folder.join(format!("{name}.gz")));
        fs::write(&plain, content).unwrap();
        fs::write(&compressed, gzip(content)).unwrap();
        writeln!(
            self.files,
            "File {{ name: Cow::Borrowed({name:?}), content_type: {content_type:?}, is_hashed: true, \
             hash: Cow::Borrowed({:?}), plain: Cow::Borrowed(include_str!({})), \
             gzip: Cow::Borrowed(include_bytes!({})) }},",
            hash(content),
            quoted(&plain),
            quoted(&compressed),
        )
        .unwrap();
        name
    }

    /// Adds a page with placeholders, as a constant of this name.
    pub(crate) fn add_page(&mut self, constant: &str, content: &str) {
        let path = self.folder.join(format!("{constant}.html"));
        fs::write(&path, content).unwrap();
        writeln!(self.pages, "const {constant}: &str = include_str!({});", quoted(&path)).unwrap();
    }

    /// Writes the list of files, `files.rs`.
    pub(crate) fn finish(self) {
        let list = format!("{}const FILES: &[File] = &[\n{}];\n", self.pages, self.files);
        fs::write(self.folder.join("files.rs"), list).unwrap();
    }
}

fn quoted(path: &Path) -> String {
    format!("{:?}", path.to_str().unwrap())
}
