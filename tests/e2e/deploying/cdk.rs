//! The CDK construct of `docs/deploying/cdk/` is compiled and synthesised with CDK's own packages.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use harness::{node_modules, release, skipped, workspace};
use serde_json::{Value, json};

#[test]
fn the_construct_makes_the_stack_of_the_packaged_template() {
    if ["node", "npm"].iter().any(|program| Command::new(program).arg("--version").output().is_err()) {
        skipped("the CDK construct, since there is no node and npm");
        return;
    }
    let folder = workspace().join("target/cdk");
    let modules = node_modules(&folder, &workspace().join("tests/cdk")).unwrap_or_else(|failure| panic!("{failure}"));
    for file in ["nano-webhooks.mts", "app.mts"] {
        fs::copy(workspace().join("docs/deploying/cdk").join(file), folder.join(file)).unwrap();
    }
    let dist = folder.join("dist");
    release(&dist, "0.1.0", None).unwrap();
    let compile = ["--strict", "--noUncheckedIndexedAccess", "--target", "es2022", "--module", "nodenext"];
    let rewrite = ["--rewriteRelativeImportExtensions", "--types", "node", "--skipLibCheck", "app.mts"];
    run(node(&modules.join("typescript/bin/tsc"), &folder).args(compile).args(rewrite));
    run(node(&folder.join("app.mjs"), &folder).env("RELEASE", &dist).env("CDK_OUTDIR", folder.join("out")));

    let read = |path: &Path| serde_json::from_str::<Value>(&fs::read_to_string(path).unwrap()).unwrap();
    let made = read(&folder.join("out/nano-webhooks.template.json"));
    let packaged = read(&dist.join("template.json"));
    let mut functions = 0;
    for (name, resource) in packaged["Resources"].as_object().unwrap() {
        let mut resource = resource.clone();
        if resource["Type"] == "AWS::Lambda::Function" {
            functions += 1;
            // CDK's own bucket has the zip.
            resource["Properties"]["Code"] = made["Resources"][name]["Properties"]["Code"].clone();
            let bucket = &resource["Properties"]["Code"]["S3Bucket"]["Fn::Sub"];
            assert!(bucket.as_str().unwrap().starts_with("cdk-"), "{name}: {bucket}");
            resource["Properties"]["Architectures"] = json!(["arm64"]);
        }
        for part in ["Type", "Properties", "Condition", "DeletionPolicy", "UpdateReplacePolicy"] {
            let then = with_parameters(&resource[part]);
            assert_eq!(with_parameters(&made["Resources"][name][part]), then, "{name}: {part}");
        }
    }
    assert!(functions > 20, "{functions}");
    let policy =
        made["Resources"].as_object().unwrap().iter().find(|(name, _)| name.starts_with("PipelineDefaultPolicy"));
    let statement = &policy.unwrap().1["Properties"]["PolicyDocument"]["Statement"][0];
    assert_eq!(statement["Resource"], json!({ "Fn::GetAtt": ["CompletionsQueue", "Arn"] }), "{statement}");
}

/// The value with the parameters that `app.mts` sets, which CDK writes where they are used, as texts or numbers.
fn with_parameters(value: &Value) -> Value {
    match value {
        Value::Object(object) => match object.get("Ref").and_then(Value::as_str) {
            Some("LogRetentionDays") => json!("90"),
            Some("HistoryRetentionDays") => json!("30"),
            _ => object.iter().map(|(name, value)| (name.clone(), with_parameters(value))).collect(),
        },
        Value::Array(values) => values.iter().map(with_parameters).collect(),
        Value::Number(number) => json!(number.to_string()),
        value => value.clone(),
    }
}

fn node(script: &Path, folder: &Path) -> Command {
    let mut node = Command::new("node");
    node.arg(script).current_dir(folder);
    node
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}{}", text(&output.stdout), text(&output.stderr));
}
