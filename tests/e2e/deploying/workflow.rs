//! The roles of `docs/deploying/github-roles.yaml`: a workflow takes its role by OIDC, and the emulator enforces what the
//! role may do.

use std::{fs, thread::sleep, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use harness::{Account, Failure, workspace};
use serde_json::{Value, json};

/// The outputs of the roles' stack.
pub(super) struct Roles {
    workflow: String,
    pub(super) cloudformation: String,
}

impl Roles {
    /// Deploys the roles, as the operator does once.
    pub(super) fn deploy(account: &Account) -> Self {
        let aws = account.aws().unwrap();
        let template = fs::read_to_string(workspace().join("docs/deploying/github-roles.yaml")).unwrap();
        let call = |operation: &str, more: Value| {
            let mut parameters = json!({ "StackName": "roles" });
            parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            aws.call("cloudformation", operation, &parameters).unwrap()
        };
        // The emulator knows no OIDC providers as resources.
        let provider = "arn:aws:iam::000000000000:oidc-provider/token.actions.githubusercontent.com";
        let repository = json!([
            { "ParameterKey": "Repository", "ParameterValue": "acme/platform" },
            { "ParameterKey": "OidcProviderArn", "ParameterValue": provider },
        ]);
        let capabilities = json!(["CAPABILITY_IAM"]);
        call(
            "CreateStack",
            json!({ "TemplateBody": template, "Parameters": repository, "Capabilities": capabilities }),
        );
        let stack = loop {
            let stack = call("DescribeStacks", json!({}))["Stacks"][0].take();
            if stack["StackStatus"] != "CREATE_IN_PROGRESS" {
                break stack;
            }
            sleep(Duration::from_millis(200));
        };
        assert_eq!(stack["StackStatus"], "CREATE_COMPLETE", "{stack}");
        let output = |name: &str| {
            let found = stack["Outputs"].as_array().unwrap().iter().find(|it| it["OutputKey"] == name).unwrap();
            found["OutputValue"].as_str().unwrap().to_owned()
        };
        Self { workflow: output("WorkflowRoleArn"), cloudformation: output("CloudFormationRoleArn") }
    }

    /// The credentials that a job of this environment gets, as an environment of the operator's command. Fails if the
    /// role does not trust it.
    pub(super) fn assume(&self, account: &Account, environment: &str) -> Result<[(&'static str, String); 3], Failure> {
        let claims = json!({
            "iss": "https://token.actions.githubusercontent.com",
            "aud": "sts.amazonaws.com",
            "sub": format!("repo:acme/platform:environment:{environment}"),
        });
        // The emulator reads the claims and does not check the signature.
        let parts = [json!({ "alg": "RS256" }).to_string(), claims.to_string(), "signature".to_owned()];
        let token = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let role = json!({ "RoleArn": self.workflow, "RoleSessionName": "workflow", "WebIdentityToken": token });
        let answer = account.aws()?.call("sts", "AssumeRoleWithWebIdentity", &role)?;
        let credential = |name: &str| answer["Credentials"][name].as_str().unwrap().to_owned();
        Ok([
            ("AWS_ACCESS_KEY_ID", credential("AccessKeyId")),
            ("AWS_SECRET_ACCESS_KEY", credential("SecretAccessKey")),
            ("AWS_SESSION_TOKEN", credential("SessionToken")),
        ])
    }
}
