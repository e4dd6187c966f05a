//! A stack with production's rules about which hosts it may call. The rules forbid the demo's receiver (plain http on
//! this machine), so this demo shows what they refuse.

use std::path::Path;

use harness::{ApiKey, Customer, Failure, Stack};
use reqwest::Method;

/// The template's parameters for such a stack.
pub(crate) const PARAMETERS: [(&str, &str); 1] = [("EgressPolicy", "strict")];

const FORBIDDEN: [&str; 5] = [
    "http://example.com/hook",
    "https://127.0.0.1/hook",
    "https://169.254.169.254/latest/meta-data/",
    "https://10.0.0.1.nip.io/hook",
    "https://[::ffff:10.0.0.1]/hook",
];

/// Tries to register URLs that must be refused; returns each body with its reply. Fails if one is accepted.
pub(crate) async fn try_forbidden(stack: &Stack, key: &ApiKey) -> Result<Vec<(String, String)>, Failure> {
    println!("Trying URLs that must be refused …");
    let customer = Customer::new(stack, key);
    let mut refused = Vec::new();
    for url in FORBIDDEN {
        let webhook = format!(r#"{{"url": "{url}", "events": ["job.completed"]}}"#);
        let reply = customer.send(Method::POST, "/api/v1/webhooks", Some(webhook.clone())).await?;
        if reply.status != 400 {
            return Err(Failure::new(format!("{url} was not refused: {} {}", reply.status, reply.text)));
        }
        refused.push((webhook, reply.text));
    }
    Ok(refused)
}

/// Prints what was refused, how to try more URLs, and how to use the stack.
pub(crate) fn explain(stack: &Stack, refused: &[(String, String)], environment: &Path) {
    let (environment, api_url) = (environment.display(), &stack.api_url);
    println!(
        r"
The stack is ready, and calls only what production calls: public hosts over https. The console, in a browser; sign in
with NANO_API_KEY, which is in {environment}:

  {api_url}/console

In another terminal:

  set -a; . '{environment}'; set +a

These are refused with status 400, as you see. Try to get past the rules:
"
    );
    for (webhook, reply) in refused {
        println!(
            r#"  curl "$NANO_API_URL/api/v1/webhooks" -H "Authorization: Bearer $NANO_API_KEY" -H "Content-Type: application/json" \
    -d '{webhook}'
  {reply}
"#
        );
    }
    println!(
        r#"A public name is registered, whatever it resolves to: its addresses are looked at when it is called, each time. Where
one of them is not public, the delivery has failed, and its attempt is "blocked". Register such a name of your own with the
curl line above, finish a task as the job pipeline would, and see:

  target/debug/nano-webhooks --local completions send \
    '{{"account_id": "acct_demo", "task_id": "task_1", "task_type": "image", "status": "completed", "data": {{}}}}'
  curl "$NANO_API_URL/api/v1/webhooks" -H "Authorization: Bearer $NANO_API_KEY"
  curl "$NANO_API_URL/api/v1/webhooks/1/deliveries" -H "Authorization: Bearer $NANO_API_KEY"

Ctrl-C ends it all; `cargo local --stop` ends a detached stack."#
    );
}
