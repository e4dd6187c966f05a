//! The command `cost` on the local stack: it has no figures of CloudWatch, and says so; accounts are there all the same.

use std::time::{Duration, Instant};

use harness::{Options, Producer, Stack};
use serde_json::{Value, json};

use super::{
    ask, assert_refused, completion,
    permissions::{User, permissions},
    register,
};
use crate::folder_of_this_run;

const METERED: [&str; 4] = ["SQS requests", "Lambda GB-seconds", "DynamoDB write units", "API requests"];

/// The bill, once this many attempts are in it.
fn bill_of(user: &User, stack: &Stack, attempts: u64) -> Value {
    let start = Instant::now();
    loop {
        let said = user.ask(stack, &["cost", "--json"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let bill = said.json();
        if bill["attempts"] == attempts {
            return bill;
        }
        assert!(start.elapsed() < Duration::from_mins(1), "{bill:#}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[tokio::test]
async fn without_cloudwatch_the_bill_names_the_missing_lines_and_shows_the_accounts() {
    let options = Options { folder: folder_of_this_run().join("cost"), ..Options::default() };
    let stack = Stack::start(&options, &|_| {}).unwrap();
    let user = User::new(&stack, &permissions(), "cost");
    let idle = ask(&stack, &["cost"]).out;
    assert!(idle.contains("\nNo attempt was counted in 20"), "{idle}");

    for (account, tasks) in [("acct_cost_busy", 3), ("acct_cost_quiet", 1)] {
        register(&stack, account).await;
        for task in 0..tasks {
            let completion = completion(account, &format!("task_{task}"));
            Producer::new(&stack).send(serde_json::from_str::<Value>(&completion).unwrap()).await.unwrap();
        }
    }
    let bill = bill_of(&user, &stack, 4);
    let missing: Vec<_> = bill["missing"].as_array().unwrap().iter().map(|missing| &missing["line"]).collect();
    assert!(METERED.iter().all(|line| missing.contains(&&json!(line))), "{bill:#}");
    assert!(bill["missing"].to_string().contains("CloudWatch has no figures"), "{bill:#}");
    assert_eq!(
        (&bill["deliveries"], &bill["accounts"], &bill["deliveries_per_usd"]),
        (&json!(4), &json!(2), &Value::Null)
    );
    let busy = json!({ "account_id": "acct_cost_busy", "deliveries": 3, "attempts": 3, "share": 0.75, "usd": null });
    assert_eq!((&bill["dearest"][0], &bill["dearest"][1]["account_id"]), (&busy, &json!("acct_cost_quiet")));
    assert_eq!(bill["changes"][0]["setting"], "HistoryRetentionDays");
    for line in ["dashboard, months", "alarms' metrics, months", "DynamoDB GB-months"] {
        let found = bill["lines"].as_array().unwrap().iter().find(|found| found["line"] == line);
        assert!(found.is_some_and(|found| found["usd"].as_f64() > Some(0.0)), "{line}: {bill:#}");
    }

    let text = ask(&stack, &["cost"]).out;
    for words in [
        "– missing: SQS requests, SQS polling, Lambda requests",
        "acct_cost_busy",
        "Deliveries: 4, of accounts: 2",
        "Prices are the list prices of us-east-1",
    ] {
        assert!(text.contains(words), "{text}");
    }
    assert!(ask(&stack, &["cost", "--month", "2026-01"]).out.contains("No attempt was counted in 2026-01."));
    assert_refused(&ask(&stack, &["cost", "--month", "9999-12"]), 2, "9999-12 has not begun");
    assert_refused(&ask(&stack, &["cost", "--month", "2026-13"]), 2, "expected a year and a month, such as 2026-11");
    what_may_not_be_read_is_named(&stack);
}

fn what_may_not_be_read_is_named(stack: &Stack) {
    let said = User::new(stack, &permissions(), "everything").ask(stack, &["cost"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    // The emulator answers GetMetricData whatever the policy says.
    for action in
        ["cloudformation:ListStackResources", "dynamodb:DescribeTable", "dynamodb:Query on the deliveries table"]
    {
        assert!(said.out.contains(&format!("your credentials need {action}")), "{}", said.out);
    }
}
