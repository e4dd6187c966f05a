//! How a file is named and compressed. The build script uses this module too, for the files that are the same in every
//! deployment.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest as _, Sha256};

/// How many digits of the hash a name has: enough that no two versions of a file share one.
const DIGITS: usize = 16;

/// Returns the hash of a file's content that its name or its `ETag` has.
pub(crate) fn hash(content: &str) -> String {
    let digest = Sha256::digest(content.as_bytes());
    hex::encode(digest)[..DIGITS].to_owned()
}

/// Returns a file's content, compressed.
pub(crate) fn gzip(content: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let compressed = encoder.write_all(content.as_bytes()).and_then(|()| encoder.finish());
    compressed.expect("a vector takes every byte")
}
