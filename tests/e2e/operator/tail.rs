//! The command `deliveries tail`.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use harness::Answer;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::register;
use crate::{RECEIVER, STACK};

/// Longer than the tail's interval, even on a busy machine.
const SHOWN_WITHIN: Duration = Duration::from_secs(30);

/// A running tail. It ends with the test, however the test ends.
struct Tail {
    child: Child,
    lines: Receiver<String>,
}

impl Tail {
    fn start(arguments: &[&str]) -> Self {
        let mut command = STACK.operator_command().unwrap();
        let mut child = command.args(["deliveries", "tail"]).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    fn next(&self) -> String {
        self.lines.recv_timeout(SHOWN_WITHIN).unwrap()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        // If it has already ended, this fails and does no harm.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn an_attempt_is_shown_while_it_happens_and_ctrl_c_ends_the_tail() {
    let account = "acct_op_tail";
    let customer = register(&STACK, account).await;
    RECEIVER.answer("/acct_op_tail", [Answer::status(503)]);
    let mut tail = Tail::start(&["--json", "--account", account]);
    tokio::time::sleep(Duration::from_secs(2)).await;

    // The other account's attempts are in the same log, and must not be in this tail.
    let other = register(&STACK, "acct_op_tail_other").await;
    for customer in [&other, &customer] {
        assert_eq!(customer.post("/api/v1/webhooks/1/test", &json!({})).await.unwrap().status, 202);
    }
    let shown: Vec<Value> = (0..2).map(|_| serde_json::from_str(&tail.next()).unwrap()).collect();
    let of = |name: &str| shown.iter().map(|line| line[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("account_id"), [account, account]);
    assert_eq!(of("attempt"), [1, 2]);
    assert_eq!(of("http_status"), [503, 200]);
    assert_eq!(of("state"), ["retrying", "delivered"]);
    assert_eq!(shown[0]["delivery_id"], shown[1]["delivery_id"]);

    kill_process(Pid::from_child(&tail.child), Signal::INT).unwrap();
    assert_eq!(tail.child.wait().unwrap().code(), Some(130));
}

#[tokio::test]
async fn a_tail_can_begin_in_the_past_and_is_a_line_for_a_person() {
    let account = "acct_op_tail_past";
    let customer = register(&STACK, account).await;
    assert_eq!(customer.post("/api/v1/webhooks/1/test", &json!({})).await.unwrap().status, 202);
    RECEIVER.wait_for("/acct_op_tail_past", 1, SHOWN_WITHIN).await.unwrap();
    let line = Tail::start(&["--since", "5m", "--account", account, "--webhook", "1"]).next();
    assert!(line.contains(account) && line.contains("http 200") && line.ends_with("delivered"), "{line}");
}
