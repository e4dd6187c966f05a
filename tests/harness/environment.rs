//! The environment variables with which an AWS client reaches the emulator.

use std::{env, process::Command};

/// The emulator's region and credentials: invented values, which no other system accepts.
pub(crate) const REGION: &str = "us-east-1";
pub(crate) const ACCESS_KEY_ID: &str = "test";
pub(crate) const SECRET_ACCESS_KEY: &str = "test";

/// The address, the region and the credentials.
pub(crate) fn aws_environment(endpoint: &str) -> [(&'static str, &str); 5] {
    [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_REGION", REGION),
        // Python's clients know the region only under this name.
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
        ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
    ]
}

/// Replaces a helper's environment with what every program needs and the emulator's address and credentials.
pub(crate) fn set_clean_environment(command: &mut Command, endpoint: &str) {
    let needed = ["PATH", "LANG", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];
    command.env_clear().envs(needed.iter().filter_map(|name| Some((name, env::var_os(name)?))));
    command.envs(aws_environment(endpoint));
}
