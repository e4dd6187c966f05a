//! The function `manage-keys`, as a platform's backend uses it: with the programs and the policy of docs/keys.md.

use std::{fs, path::PathBuf, process::Command, sync::LazyLock};

use harness::{ApiKey, Customer, node_modules, producers_python, skipped, workspace};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    RECEIVER, STACK,
    producers::programs::{aws, complaint, environment_of_a_producer, manifests, run, works},
};

const WEBHOOKS: &str = "/api/v1/webhooks";

/// The credentials of a user that has the published policy and no other.
static BACKEND: LazyLock<Vec<(&str, String)>> = LazyLock::new(|| {
    let user = aws(&["user", "keys", &STACK.manage_keys_function], "").unwrap();
    ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| (name, user[name].as_str().unwrap().to_owned())).to_vec()
});

/// docs/keys/rust.rs, built: cargo builds an example only if it is asked for.
static RUST_PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let arguments = ["--workspace", "--exclude", "bench", "--example", "manage-keys-example"];
    let output = programs::build(&arguments).output().unwrap();
    programs::built(&output.stdout).remove("manage-keys-example").expect("the example does not build; see above")
});

/// A program of `docs/keys/`. Returns `None` if its language is not installed.
fn program(name: &str) -> Option<Command> {
    let file: PathBuf = workspace().join("docs/keys").join(name);
    let mut command = match name {
        "python.py" => Command::new(producers_python().unwrap()),
        "rust.rs" => return Some(Command::new(&*RUST_PROGRAM)),
        "node.js" if ["node", "npm"].iter().all(|tool| works(tool)) => {
            let mut command = Command::new("node");
            let modules = node_modules(&workspace().join("target/producers/node"), &manifests()).unwrap();
            command.env("NODE_PATH", modules);
            command
        }
        _ => {
            skipped("docs/keys/node.js: no node or no npm");
            return None;
        }
    };
    command.arg(file);
    Some(command)
}

/// Sends a request with a program. If that fails, returns what the program says.
fn ask_with(name: &str, user: &[(&str, String)], request: &Value) -> Option<Result<Value, String>> {
    let mut command = program(name)?;
    command
        .arg(request.to_string())
        .envs(STACK.aws_environment())
        .env("MANAGE_KEYS_FUNCTION", &STACK.manage_keys_function);
    command.envs(user.iter().map(|(name, value)| (name, value)));
    let output = run(&mut command, "");
    Some(if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        Err(complaint(&output))
    })
}

fn ask(request: &Value) -> Value {
    ask_with("rust.rs", &BACKEND, request).unwrap().unwrap_or_else(|why| panic!("{request}: {why}"))
}

fn customer(account: &str, key: &Value) -> Customer {
    let key = key.as_str().unwrap_or_else(|| panic!("no key: {key}")).to_owned();
    Customer::new(&STACK, &ApiKey { account_id: account.into(), key })
}

async fn status(customer: &Customer) -> u16 {
    customer.get(WEBHOOKS).await.unwrap().status
}

#[tokio::test]
async fn each_program_creates_lists_and_revokes_keys() {
    for name in ["python.py", "node.js", "rust.rs"] {
        let account = format!("acct_keys_{}", name.split('.').next().unwrap());
        let send = |request: &Value| ask_with(name, &BACKEND, request);
        let create = json!({ "action": "create", "account_id": account, "label": "from the backend", "scope": "read" });
        let Some(created) = send(&create) else { continue };
        let created = created.unwrap();
        assert_eq!(
            json!([
                created["account_id"],
                created["label"],
                created["scope"],
                created["expires_at"],
                created["revoked_at"]
            ]),
            json!([account, "from the backend", "read", null, null])
        );
        let reader = customer(&account, &created["key"]);
        assert_eq!(status(&reader).await, 200, "{name}");
        let webhook = json!({ "url": RECEIVER.url("/keys"), "events": ["job.completed"] });
        assert_eq!(reader.post(WEBHOOKS, &webhook).await.unwrap().status, 403, "{name}");

        let list = || send(&json!({ "action": "list", "account_id": account })).unwrap().unwrap();
        let listed = list();
        assert_eq!((listed.as_array().unwrap().len(), &listed[0]["id"]), (1, &created["id"]), "{listed}");
        assert!(listed[0]["last_used_at"].is_string() && listed[0].get("key").is_none(), "{listed}");
        assert!(listed[0].get("key_hash").is_none(), "{listed}");

        let revoke = json!({ "action": "revoke", "id": created["id"] });
        let revoked = send(&revoke).unwrap().unwrap();
        assert_eq!(status(&reader).await, 401, "{name}");
        assert_eq!(send(&revoke).unwrap().unwrap(), revoked, "a repetition changes nothing");
        assert_eq!(list()[0]["revoked_at"], revoked[0]["revoked_at"]);

        for (wrong, words) in [
            (json!({ "action": "revoke", "id": "key_unknown" }), "not_found: there is no key key_unknown"),
            (json!({ "action": "create", "account_id": "a b" }), "invalid_request: account_id must be"),
            (json!({ "action": "delete" }), "invalid_request: action is \"delete\"; expected one of create, list"),
        ] {
            let refused = send(&wrong).unwrap().unwrap_err();
            assert!(refused.contains(words), "{name}: {refused}");
        }
    }
}

#[tokio::test]
async fn keys_of_the_platform_are_imported_and_revoked_by_its_own_ids() {
    let account = "acct_keys_import";
    let keys: Vec<_> = (0..10).map(|number| format!("sk-live_{number}_{}", "Q".repeat(30))).collect();
    let entry = |(number, key): (usize, &String)| json!({ "key_hash": hex::encode(Sha256::digest(key)), "account_id": account, "id": format!("user-7/{number}") });
    let entries: Vec<_> = keys.iter().enumerate().map(entry).collect();
    let import = |entries: &[Value]| ask(&json!({ "action": "import", "keys": entries }));
    assert_eq!(import(&entries[..4]), json!({ "imported": 4, "existing": 0 }));
    ask(&json!({ "action": "revoke", "id": "user-7/1" }));
    assert_eq!(import(&entries), json!({ "imported": 6, "existing": 4 }));
    for (number, key) in keys.iter().enumerate() {
        let expected = if number == 1 { 401 } else { 200 };
        assert_eq!(status(&customer(account, &json!(key))).await, expected, "an import brings no revoked key back");
    }
    // A key where its id should be would be stored and shown as it is.
    let mistaken = json!({ "key_hash": "0".repeat(64), "account_id": account, "id": keys[0] });
    let refused = ask_with("rust.rs", &BACKEND, &json!({ "action": "import", "keys": [entries[0], mistaken] }));
    let refused = refused.unwrap().unwrap_err();
    assert!(refused.contains("keys[1]: id is a key itself") && !refused.contains(&keys[0]), "{refused}");
}

#[tokio::test]
async fn a_session_opens_the_console_for_some_minutes() {
    let account = "acct_keys_session";
    let full = customer(account, &ask(&json!({ "action": "create", "account_id": account }))["key"]);
    let webhook = json!({ "url": RECEIVER.url("/acct_keys_session"), "events": ["job.completed"] });
    assert_eq!(full.post(WEBHOOKS, &webhook).await.unwrap().status, 201);

    let request = json!({ "action": "create_session", "account_id": account, "scope": "read", "expires_in": 900,
        "api_url": STACK.api_url });
    let before = jiff::Timestamp::now();
    let session = ask(&request);
    let ends: jiff::Timestamp = session["expires_at"].as_str().unwrap().parse().unwrap();
    let lasts = ends.duration_since(before).as_secs();
    assert!((898..=930).contains(&lasts), "{session}");
    let key = session["key"].as_str().unwrap();
    assert_eq!(session["url"], format!("{}/console#key={key}", STACK.api_url));
    let reader = customer(account, &session["key"]);
    assert_eq!(status(&reader).await, 200);
    assert_eq!(reader.delete("/api/v1/webhooks/1").await.unwrap().status, 403);

    // Without an address it is the API's own, which the template knows.
    let own = ask(&json!({ "action": "create_session", "account_id": account }));
    let url = own["url"].as_str().unwrap();
    assert!(url.starts_with("https://") && url.contains(".execute-api.") && url.contains("/console#key=sk-"), "{own}");
    assert_eq!(own["scope"], "full");

    if let Some(browser) = crate::console::Browser::start().await {
        browser.go(&format!("#key={key}")).await;
        browser.read("Read only").await;
        browser.read("/acct_keys_session").await;
        offers_nothing_but_to_look(&browser).await;
        browser.go("#/webhooks/1").await;
        browser.read("Deliveries").await;
        offers_nothing_but_to_look(&browser).await;
    }
}

/// No button of the page changes or sends anything.
async fn offers_nothing_but_to_look(browser: &crate::console::Browser) {
    let shown = "return [...document.querySelectorAll('main button, main input[type=checkbox]')]
        .filter((button) => button.checkVisibility()).map((button) => button.textContent || button.ariaLabel)";
    let shown = browser.script(shown).await;
    let looks =
        |text: &str| ["Search", "Show as table", "Copy", "Next", "First"].iter().any(|word| text.starts_with(word));
    assert!(shown.as_array().unwrap().iter().all(|text| looks(text.as_str().unwrap_or_default())), "{shown}");
}

#[test]
fn only_who_has_the_policy_may_invoke_it() {
    let create = json!({ "action": "create", "account_id": "acct_keys_denied" });
    let refused = ask_with("rust.rs", environment_of_a_producer(), &create).unwrap().unwrap_err();
    assert!(refused.contains("AccessDenied"), "{refused}");
    assert_eq!(ask(&json!({ "action": "list", "account_id": "acct_keys_denied" })), json!([]));
}

#[test]
fn the_guide_shows_every_file_as_it_is() {
    let guide = fs::read_to_string(workspace().join("docs/keys.md")).unwrap();
    for file in fs::read_dir(workspace().join("docs/keys")).unwrap() {
        let path = file.unwrap().path();
        let (name, text) = (path.file_name().unwrap().to_str().unwrap(), fs::read_to_string(&path).unwrap());
        assert!(guide.contains(&format!("(keys/{name})")), "docs/keys.md has no link to {name}");
        assert!(guide.contains(&format!("\n{text}```\n")), "docs/keys.md does not show {name} as it is");
    }
}
