//! The files of a release: those that `.ci/release` made, in a folder or below a web address.

use std::{collections::HashMap, fs, path::PathBuf, time::Duration};

use reqwest::{Client, redirect::Policy};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{failure::Failure, http};

/// Where this command's own releases are, if it comes from one: `.github/workflows/release.yml` sets it.
const RELEASES: Option<&str> = option_env!("NANO_WEBHOOKS_RELEASES");
const PATIENCE: Duration = Duration::from_mins(5);
const DIGESTS: &str = "SHA256SUMS";
const TEMPLATE: &str = "template.json";

/// A release whose digests have been read.
pub(crate) struct Release {
    place: Place,
    digests: HashMap<String, String>,
}

enum Place {
    Folder(PathBuf),
    Web(Client, String),
}

/// The packaged template of a version.
pub(crate) struct Template(Value);

impl Release {
    /// Opens the release of a version. `from` is a folder or an `https` address; without it, the place that this
    /// command comes from, or the folder `dist`.
    pub(crate) async fn open(from: Option<&str>, version: &str) -> Result<Self, Failure> {
        let own = RELEASES.filter(|releases| !releases.is_empty()).map(|releases| format!("{releases}/v{version}"));
        let from = from.map(str::to_owned).or(own).unwrap_or_else(|| "dist".into());
        let place = if from.starts_with("https://") || from.starts_with("http://") {
            Place::Web(http::client(PATIENCE, Policy::limited(5))?, from.trim_end_matches('/').to_owned())
        } else {
            Place::Folder(from.clone().into())
        };
        let mut release = Self { place, digests: HashMap::new() };
        let digests = release.read(DIGESTS).await.map_err(|failure| {
            let reason = failure.text().unwrap_or_default();
            Failure::NotFound(format!(
                "there is no release in {from}: {reason}; --from names the folder or the address that has its files"
            ))
        })?;
        let digests = String::from_utf8_lossy(&digests);
        let lines = digests.lines().filter_map(|line| line.split_once("  "));
        release.digests = lines.map(|(digest, name)| (name.to_owned(), digest.to_owned())).collect();
        Ok(release)
    }

    /// The packaged template. Fails if it is another version's.
    pub(crate) async fn template(&self, version: &str) -> Result<Template, Failure> {
        let text = String::from_utf8(self.file(TEMPLATE).await?)?;
        let template = Template::parse(&text)?;
        match template.version() {
            Some(found) if found == version => Ok(template),
            found => Err(Failure::Wrong(format!(
                "the files are those of version {0}, not {version}: give --version {0}, or the files of {version}",
                found.unwrap_or("unknown")
            ))),
        }
    }

    /// Returns a file's SHA-256 in hex, from the release's list. Fails if the release does not have the file.
    pub(crate) fn digest(&self, name: &str) -> Result<&str, Failure> {
        let missing = || Failure::NotFound(format!("the release has no {name}"));
        self.digests.get(name).map(String::as_str).ok_or_else(missing)
    }

    /// Returns a file's content. Fails if it does not have the SHA-256 that the release's list has for it.
    pub(crate) async fn file(&self, name: &str) -> Result<Vec<u8>, Failure> {
        let digest = self.digest(name)?;
        let content = self.read(name).await?;
        if hex::encode(Sha256::digest(&content)) == digest {
            Ok(content)
        } else {
            Err(Failure::Failed(format!("{name} is not the file that {DIGESTS} lists; get the release again")))
        }
    }

    async fn read(&self, name: &str) -> Result<Vec<u8>, Failure> {
        match &self.place {
            Place::Folder(folder) => {
                let path = folder.join(name);
                fs::read(&path).map_err(|err| Failure::Failed(format!("{} cannot be read: {err}", path.display())))
            }
            Place::Web(client, address) => {
                let reply = client.get(format!("{address}/{name}")).send().await?.error_for_status()?;
                Ok(reply.bytes().await?.to_vec())
            }
        }
    }
}

impl From<Value> for Template {
    fn from(template: Value) -> Self {
        Self(template)
    }
}

impl Template {
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        Ok(Self(serde_json::from_str(text)?))
    }

    /// The template as JSON.
    pub(crate) fn json(&self) -> &Value {
        &self.0
    }

    fn version(&self) -> Option<&str> {
        self.0["Outputs"]["Version"]["Value"].as_str()
    }

    /// Whether the template has a parameter of this name.
    pub(crate) fn has_parameter(&self, name: &str) -> bool {
        self.0["Parameters"].get(name).is_some()
    }

    /// The names of all parameters.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.0["Parameters"].as_object().into_iter().flatten().map(|(name, _)| name.as_str())
    }

    /// The parameter that somebody meant who wrote this name.
    pub(crate) fn like(&self, name: &str) -> Option<&str> {
        let name = name.to_ascii_lowercase();
        self.parameters().find(|known| {
            let known = known.to_ascii_lowercase();
            known.starts_with(&name) || name.starts_with(&known)
        })
    }

    /// The values that a parameter may have, if the template lists them.
    pub(crate) fn allowed_values(&self, parameter: &str) -> Vec<String> {
        let allowed = self.0["Parameters"][parameter]["AllowedValues"].as_array().into_iter().flatten();
        allowed.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect()
    }

    /// The names of the functions' zips for an architecture, each once.
    pub(crate) fn zips(&self, architecture: &str) -> Vec<String> {
        let resources = self.0["Resources"].as_object().into_iter().flatten();
        let keys = resources.filter_map(|(_, resource)| resource["Properties"]["Code"]["S3Key"]["Fn::Sub"].as_str());
        let names = keys.filter_map(|key| key.rsplit('/').next());
        let mut names: Vec<String> = names.map(|name| name.replace("${Architecture}", architecture)).collect();
        names.sort();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zips_are_those_that_the_templates_functions_name() {
        let function = |name: &str| {
            let key = format!("${{CodePrefix}}1.2.3/{name}-${{Architecture}}.zip");
            serde_json::json!({ "Properties": { "Code": { "S3Bucket": { "Ref": "CodeBucket" }, "S3Key": { "Fn::Sub": key } } } })
        };
        let template = serde_json::json!({
            "Outputs": { "Version": { "Value": "1.2.3" } },
            "Resources": { "B": function("fan-out"), "A": function("api"), "C": function("api"), "T": {} },
        });
        let template = Template::parse(&template.to_string()).unwrap();
        assert_eq!(template.zips("arm64"), ["api-arm64.zip", "fan-out-arm64.zip"]);
        assert_eq!(template.version(), Some("1.2.3"));
    }
}
