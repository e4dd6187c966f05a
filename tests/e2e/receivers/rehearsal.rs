//! The receivers that customers copy pass a rehearsal.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::{Account, PROGRAMS, SECRET, WEBHOOKS};

#[tokio::test]
async fn every_receiver_passes_a_rehearsal() {
    let account = Account::with_all("acct_receivers_rehearsed", SECRET).await;
    let rehearsed = PROGRAMS.iter().enumerate().map(async |(at, program)| {
        let path = format!("{WEBHOOKS}/{}/rehearse", at + 1);
        let begun = account.customer.send(Method::POST, &path, None).await.unwrap();
        assert_eq!(begun.status, 202, "{}: {}", program.name, begun.text);
        let done = account.customer.wait_until(&path, |rehearsal| rehearsal["status"] == "done").await.unwrap();
        assert_eq!(done["passed"], json!(true), "{}: {done}", program.name);
    });
    join_all(rehearsed).await;
}
