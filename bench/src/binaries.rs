//! Builds the measured programs.

use std::{collections::BTreeMap, path::PathBuf};

use crate::failure::{Failure, Result, check};

/// The cargo profile of the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// As they are deployed.
    Release,
    /// As the tests build them.
    #[cfg_attr(
        not(all(test, target_os = "linux")),
        expect(dead_code, reason = "what was built so is not worth a figure")
    )]
    Debug,
}

/// The function that does nothing, a binary of this package.
pub(crate) const HELLO: &str = "hello";

/// Builds these functions; returns their paths by name.
pub(crate) fn build(names: &[&str], profile: Profile) -> Result<BTreeMap<String, PathBuf>> {
    match profile {
        // All of them, as the end-to-end tests build them, so that all tests share one build.
        Profile::Debug => cargo(&["--workspace", "--bins"]),
        // Without naming packages: `sam build` builds these packages together, too, and so with the same features.
        Profile::Release => {
            let functions = names.iter().filter(|name| **name != HELLO).flat_map(|name| ["--bin", name]);
            let mut built = cargo(&["--release"].into_iter().chain(functions).collect::<Vec<_>>())?;
            if names.contains(&HELLO) {
                built.append(&mut cargo(&["--release", "--package", "bench", "--bin", HELLO])?);
            }
            Ok(built)
        }
    }
}

fn cargo(arguments: &[&str]) -> Result<BTreeMap<String, PathBuf>> {
    let output = programs::build(arguments).output().map_err(Failure::to("start cargo"))?;
    check(output.status.success(), || "the functions do not build; cargo says why above".into())?;
    Ok(programs::built(&output.stdout))
}
