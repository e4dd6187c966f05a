//! Clients that customers generate from `openapi.yaml`, in Python and TypeScript. Each calls every operation of the
//! API.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use harness::{node_modules, python_environment, skipped, workspace};

use crate::{RECEIVER, STACK, key_for};

#[test]
fn the_generated_python_client_calls_every_operation() {
    let folder = workspace().join("target/clients");
    let python = python_environment(&folder.join("python"), &manifests().join("requirements.txt"), &|_| ()).unwrap();
    let generated = folder.join("python-client");
    fs::create_dir_all(&generated).unwrap();
    let config = generated.join("config.yaml");
    fs::write(&config, "post_hooks: []\n").unwrap();
    let mut generate = Command::new(&python);
    generate.args(["-m", "openapi_python_client", "generate", "--meta", "none", "--overwrite", "--config"]).arg(config);
    generate.arg("--path").arg(openapi()).arg("--output-path").arg(generated.join("nano_client"));
    let said = output(&mut generate);
    // The generator does not know YAML, and returns that reply as bytes. Any other warning means that it omitted
    // something.
    let warnings: Vec<_> = said.lines().filter(|line| line.starts_with("WARNING")).collect();
    assert_eq!(warnings, ["WARNING parsing GET /openapi.yaml within public."], "{said}");

    let mut client = Command::new(&python);
    client.arg(manifests().join("call_every_route.py")).env("PYTHONPATH", &generated);
    assert_eq!(called(&mut client, "python"), operations());
}

#[test]
fn the_generated_typescript_client_calls_every_operation() {
    if ["node", "npm"].iter().any(|program| Command::new(program).arg("--version").output().is_err()) {
        skipped("the TypeScript client, since there is no node and npm");
        return;
    }
    let folder = workspace().join("target/clients/node");
    let modules = node_modules(&folder, &manifests()).unwrap_or_else(|failure| panic!("{failure}"));
    let mut generate = node(&modules.join("openapi-typescript/bin/cli.js"));
    output(generate.arg(openapi()).arg("--output").arg(folder.join("schema.d.mts")));
    fs::copy(manifests().join("call_every_route.mts"), folder.join("call_every_route.mts")).unwrap();
    let mut compile = node(&modules.join("typescript/bin/tsc"));
    compile.args(["--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom"]);
    output(compile.arg("call_every_route.mts").current_dir(&folder));
    assert_eq!(called(&mut node(&folder.join("call_every_route.mjs")), "typescript"), operations());
}

fn manifests() -> PathBuf {
    workspace().join("tests/clients")
}

fn openapi() -> PathBuf {
    workspace().join("openapi.yaml")
}

fn node(script: &Path) -> Command {
    let mut node = Command::new("node");
    node.arg(script);
    node
}

/// The operations that a client called, in its own account.
fn called(client: &mut Command, language: &str) -> BTreeSet<String> {
    let account = format!("acct_client_{language}");
    client.args([&STACK.api_url, &key_for(&account).key, &RECEIVER.url(&format!("/{account}"))]);
    let said = output(client);
    serde_json::from_str(said.lines().last().unwrap()).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// Every operation that a customer can call.
fn operations() -> BTreeSet<String> {
    let openapi = fs::read_to_string(openapi()).unwrap();
    let (paths, _) = openapi.split_once("\nwebhooks:\n").unwrap();
    let operations = paths.lines().filter_map(|line| line.trim().strip_prefix("operationId: "));
    operations.map(str::to_owned).collect()
}

/// The output of a command, on both streams. Panics if it failed.
fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{command:?}: {said}");
    said
}
