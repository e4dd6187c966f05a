//! Tests each alarm of the template: the test causes its condition, its metric moves, and the operator is notified.
//!
//! The alarms are the stack's own, with their namespaces, names and dimensions. Only their thresholds and periods are
//! smaller than in the template: an alarm that takes ten bad minutes there takes one bad period here. The harness
//! publishes the metrics that CloudWatch would have published (`harness/python/metrics.py`).

use std::{
    collections::BTreeSet,
    sync::Mutex,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use harness::{Answer, Aws, Customer, Failure, Faults, Options, Producer, SOON, Stack};
use serde_json::{Value, json};

use crate::{RECEIVER, folder_of_this_run, mailbox::Mailbox};

/// This many errors in five minutes trigger an alarm, if they are also more than a few percent; ten messages are a
/// batch.
const FLOOR: usize = 5;
/// Every call of a function that contains this text fails.
const CURSED: &str = "acct_alarms_cursed";

#[tokio::test]
async fn every_alarm_sounds_when_that_happens_which_it_watches() {
    let scene = Scene::start();
    scene.nothing_sounds_on_a_good_day().await;
    scene.a_stopped_fan_out_makes_completions_wait_and_webhooks_late().await;
    scene.a_message_that_is_no_completion_is_a_dead_letter_until_it_is_removed().await;
    scene.a_table_that_does_not_answer_is_our_fault_and_the_apis().await;
    scene.a_dispatcher_that_dies_in_a_batch_is_an_error().await;
    scene.a_fan_out_that_cannot_start_is_an_error().await;
    scene.dispatchers_that_may_not_start_are_throttled().await;
    scene.a_stopped_dispatcher_makes_deliveries_wait().await;
    scene.an_attempt_that_release_finds_late_is_late().await;
    scene.records_that_nobody_takes_make_health_late().await;
    scene.a_release_that_cannot_start_does_not_run().await;
    scene.an_endpoint_that_only_fails_lowers_the_success_rate().await;
    let sounded = scene.sounded.lock().unwrap();
    let all = scene.alarms().iter().map(|alarm| alarm["AlarmName"].to_string()).collect::<BTreeSet<_>>();
    assert_eq!(*sounded, all, "each alarm is tested above");
}

struct Scene {
    stack: Stack,
    aws: Aws,
    faults: Faults,
    customer: Customer,
    producer: Producer,
    resources: Vec<Value>,
    /// The mailbox that receives the operator's notifications.
    mailbox: Mailbox,
    /// The names of the alarms that have sounded so far.
    sounded: Mutex<BTreeSet<String>>,
}

fn before(aws: &Aws) -> Result<Vec<(&'static str, String)>, Failure> {
    Ok(vec![("AlarmTopicArn", Mailbox::subscribe(aws, "alarms", &[])?)])
}

impl Scene {
    fn start() -> Self {
        let faults = Faults::start(6).unwrap();
        let at_once = json!({ "EvaluationPeriods": 1, "DatapointsToAlarm": 1 });
        let options = Options {
            folder: folder_of_this_run().join("alarms"),
            faults: Some(faults.clone()),
            before: Some(before),
            metrics: true,
            schedules_every_seconds: Some(2),
            // Such high limits that no circuit opens.
            parameters: vec![("CircuitFailures", "100"), ("CircuitEvents", "100")],
            properties: json!({
                "DeadLetterAlarm": { "Period": 5 },
                "CompletionsAlarm": { "Threshold": 8, "EvaluationPeriods": 1 },
                // More waiting deliveries than the trickle of earlier ones in the last minute can offset.
                "DeliveriesAlarm": { "Threshold": 20, "EvaluationPeriods": 1, "DatapointsToAlarm": 1 },
                "LateReleaseAlarm": { "EvaluationPeriods": 1 },
                "ReleaseAlarm": at_once,
                "WatchWebhooksAlarm": { "Threshold": 5000, "EvaluationPeriods": 1, "DatapointsToAlarm": 1 },
                "FirstByteAlarm": { "Threshold": 10000, "EvaluationPeriods": 1, "DatapointsToAlarm": 1 },
                "ApiFaultsAlarm": at_once,
                "DispatcherErrorsAlarm": at_once,
                "DispatcherThrottlesAlarm": at_once,
                "FanOutErrorsAlarm": at_once,
                "FaultsAlarm": at_once,
                "SuccessRateAlarm": at_once,
            }),
            ..Options::default()
        };
        let stack = Stack::start(&options, &|_| {}).unwrap();
        let aws = stack.aws().unwrap();
        let customer = Customer::new(&stack, &stack.create_api_key("acct_alarms").unwrap());
        let named = json!({ "StackName": Stack::NAME });
        let made = aws.call("cloudformation", "DescribeStackResources", &named).unwrap();
        let resources = made["StackResources"].as_array().unwrap().clone();
        let producer = Producer::new(&stack);
        Self {
            stack,
            aws,
            faults,
            customer,
            producer,
            resources,
            mailbox: Mailbox::default(),
            sounded: Mutex::default(),
        }
    }

    async fn nothing_sounds_on_a_good_day(&self) {
        self.register("/good_day", "job.completed").await;
        self.finish("acct_alarms", "completed", 1).await;
        RECEIVER.wait_for("/good_day", 1, SOON).await.unwrap();
        self.moves("FirstByteAlarm").await;
        // This alarm sounds until release has run for the first time, as after a first deployment.
        self.ends("ReleaseAlarm").await;
        let sounding = self.alarms().into_iter().filter(|alarm| alarm["StateValue"] == "ALARM");
        assert_eq!(sounding.map(|alarm| alarm["AlarmName"].to_string()).collect::<Vec<_>>(), [""; 0]);
    }

    async fn a_stopped_fan_out_makes_completions_wait_and_webhooks_late(&self) {
        self.switch("FanOutFunctionCompletions", false);
        self.finish("acct_alarms", "completed", 1).await;
        self.sounds("CompletionsAlarm").await;
        self.is_quiet("FirstByteAlarm");
        tokio::time::sleep(Duration::from_secs(4)).await;
        self.switch("FanOutFunctionCompletions", true);
        self.sounds("FirstByteAlarm").await;
    }

    async fn a_message_that_is_no_completion_is_a_dead_letter_until_it_is_removed(&self) {
        self.is_quiet("DeadLetterAlarm");
        self.producer.send("not a completion").await.unwrap();
        self.sounds("DeadLetterAlarm").await;
        self.aws.call("sqs", "PurgeQueue", &json!({ "QueueUrl": self.stack.dead_letter_queue_url })).unwrap();
        self.pages("DeadLetterAlarm", "OK").await;
    }

    async fn a_table_that_does_not_answer_is_our_fault_and_the_apis(&self) {
        let cursed = Customer::new(&self.stack, &self.stack.create_api_key(CURSED).unwrap());
        // So many successes that the next few faults stay below half of all requests.
        for _ in 0..2 * FLOOR {
            assert_eq!(cursed.get("/api/v1/webhooks").await.unwrap().status, 200);
        }
        self.is_quiet("ApiFaultsAlarm");
        self.faults.curse(CURSED);
        for _ in 0..FLOOR {
            self.is_quiet("ApiFaultsAlarm");
            assert_eq!(cursed.get("/api/v1/webhooks").await.unwrap().status, 500);
        }
        self.sounds("ApiFaultsAlarm").await;
        self.is_quiet("FaultsAlarm");
        self.finish(CURSED, "completed", FLOOR).await;
        self.sounds("FaultsAlarm").await;
    }

    async fn a_dispatcher_that_dies_in_a_batch_is_an_error(&self) {
        self.is_quiet("DispatcherErrorsAlarm");
        RECEIVER.answer("/good_day", vec![Answer { delay: Duration::from_secs(6), ..Answer::status(200) }; 20]);
        for _ in 0..FLOOR {
            let so_far = RECEIVER.received("/good_day").len();
            self.finish("acct_alarms", "completed", 1).await;
            RECEIVER.wait_for("/good_day", so_far + 1, SOON).await.unwrap();
            assert!(self.stack.kill("Dispatcher", |_| 0), "there was a dispatcher to kill");
            while self.stack.kill("Dispatcher", |_| 0) {}
        }
        self.sounds("DispatcherErrorsAlarm").await;
        RECEIVER.answer("/good_day", []);
    }

    /// Simulates a deployment with a wrong configuration.
    async fn a_fan_out_that_cannot_start_is_an_error(&self) {
        self.is_quiet("FanOutErrorsAlarm");
        let (right, wrong) = self.configurations("FanOutFunction");
        self.aws.call("lambda", "UpdateFunctionConfiguration", &wrong).unwrap();
        self.finish("acct_alarms", "completed", 10 * FLOOR).await;
        self.sounds("FanOutErrorsAlarm").await;
        self.aws.call("lambda", "UpdateFunctionConfiguration", &right).unwrap();
    }

    async fn dispatchers_that_may_not_start_are_throttled(&self) {
        self.is_quiet("DispatcherThrottlesAlarm");
        let function = self.physical("DispatcherFunction");
        let none = json!({ "FunctionName": function, "ReservedConcurrentExecutions": 0 });
        self.aws.call("lambda", "PutFunctionConcurrency", &none).unwrap();
        self.finish("acct_alarms", "completed", 10 * FLOOR).await;
        self.sounds("DispatcherThrottlesAlarm").await;
        self.aws.call("lambda", "DeleteFunctionConcurrency", &json!({ "FunctionName": function })).unwrap();
    }

    async fn a_stopped_dispatcher_makes_deliveries_wait(&self) {
        // The deliveries that throttled dispatchers left behind must be delivered first.
        self.ends("DeliveriesAlarm").await;
        self.switch("DispatcherFunctionDeliveries", false);
        self.finish("acct_alarms", "completed", 80).await;
        self.sounds("DeliveriesAlarm").await;
        self.switch("DispatcherFunctionDeliveries", true);
        self.pages("DeliveriesAlarm", "OK").await;
    }

    /// Adds an attempt to the waiting table that was due twenty minutes ago.
    async fn an_attempt_that_release_finds_late_is_late(&self) {
        self.is_quiet("LateReleaseAlarm");
        let due = jiff::Timestamp::now() - Duration::from_mins(20);
        let (text, id) = (|text: &str| json!({ "S": text }), "01KDYAK3482WAV4DVEFM6KBDXQ");
        let attempt = text(&format!("acct_alarms#1#{id}#job.completed#0#2"));
        let entry = json!({ "shard": text("7"), "due": text(&format!("{due:.3}#1")), "attempts": { "L": [attempt] },
            "expires_at": { "N": (due.as_second() + 172_800).to_string() } });
        let put = json!({ "TableName": self.physical("WaitingTable"), "Item": entry });
        self.aws.call("dynamodb", "PutItem", &put).unwrap();
        self.sounds("LateReleaseAlarm").await;
    }

    async fn records_that_nobody_takes_make_health_late(&self) {
        self.is_quiet("WatchWebhooksAlarm");
        self.switch("WatchWebhooksFunctionRecords", false);
        RECEIVER.answer("/good_day", [Answer::status(500)]);
        self.finish("acct_alarms", "completed", 1).await;
        tokio::time::sleep(Duration::from_secs(8)).await;
        self.switch("WatchWebhooksFunctionRecords", true);
        self.sounds("WatchWebhooksAlarm").await;
    }

    async fn a_release_that_cannot_start_does_not_run(&self) {
        self.is_quiet("ReleaseAlarm");
        let (right, wrong) = self.configurations("ReleaseFunction");
        self.aws.call("lambda", "UpdateFunctionConfiguration", &wrong).unwrap();
        while self.stack.kill("Release", |_| 0) {}
        self.sounds("ReleaseAlarm").await;
        self.aws.call("lambda", "UpdateFunctionConfiguration", &right).unwrap();
        self.pages("ReleaseAlarm", "OK").await;
    }

    async fn an_endpoint_that_only_fails_lowers_the_success_rate(&self) {
        self.is_quiet("SuccessRateAlarm");
        // More failures than all steps above had successes: both may fall in the same five minutes.
        for _ in 0..8 {
            self.register("/bad_day", "job.failed").await;
        }
        RECEIVER.answer("/bad_day", vec![Answer::status(500); 4_000]);
        self.finish("acct_alarms", "failed", 40).await;
        self.sounds("SuccessRateAlarm").await;
    }

    async fn register(&self, path: &str, event: &str) {
        let webhook = json!({ "url": RECEIVER.url(path), "events": [event] });
        assert_eq!(self.customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    }

    /// Sends this many completions.
    async fn finish(&self, account: &str, status: &str, tasks: usize) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let completion = |task: usize| {
            json!({ "account_id": account, "task_id": format!("task_{now}_{task}"), "task_type": "image",
                "status": status })
        };
        let completions: Vec<_> = (0..tasks).map(|task| completion(task).to_string()).collect();
        self.producer.send_all(&completions).await.unwrap();
    }

    /// Two configurations of a function: its present one, and one with which it cannot start.
    fn configurations(&self, function: &str) -> (Value, Value) {
        let function = self.physical(function);
        let found = self.aws.call("lambda", "GetFunctionConfiguration", &json!({ "FunctionName": function })).unwrap();
        let right = json!({ "FunctionName": function, "Environment": found["Environment"] });
        let mut wrong = right.clone();
        wrong["Environment"]["Variables"].as_object_mut().unwrap().remove("WEBHOOKS_TABLE").unwrap();
        (right, wrong)
    }

    /// Enables or disables an event source.
    fn switch(&self, source: &str, enabled: bool) {
        let mapping = json!({ "UUID": self.physical(source), "Enabled": enabled });
        self.aws.call("lambda", "UpdateEventSourceMapping", &mapping).unwrap();
    }

    fn physical(&self, resource: &str) -> &str {
        let made = self.resources.iter().find(|it| it["LogicalResourceId"] == resource);
        made.unwrap_or_else(|| panic!("there is no {resource}"))["PhysicalResourceId"].as_str().unwrap()
    }

    fn alarms(&self) -> Vec<Value> {
        let alarms = self.aws.call("cloudwatch", "DescribeAlarms", &json!({})).unwrap();
        alarms["MetricAlarms"].as_array().unwrap().clone()
    }

    fn alarm(&self, resource: &str) -> Value {
        let name = self.physical(resource);
        self.alarms().into_iter().find(|alarm| alarm["AlarmName"] == name).unwrap()
    }

    fn is_quiet(&self, resource: &str) {
        let alarm = self.alarm(resource);
        assert_ne!(alarm["StateValue"], "ALARM", "{alarm}");
    }

    /// Waits until an alarm no longer sounds.
    async fn ends(&self, resource: &str) {
        let start = Instant::now();
        while self.alarm(resource)["StateValue"] == "ALARM" {
            assert!(start.elapsed() < SOON, "{resource} still sounds");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits until each metric of an alarm has had a value above zero.
    async fn moves(&self, resource: &str) {
        let (alarm, start) = (self.alarm(resource), Instant::now());
        while !self.watched(&alarm).iter().all(|metric| metric.iter().any(|value| *value > 0.0)) {
            assert!(start.elapsed() < SOON, "a metric of {resource} does not move: {alarm}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits until an alarm's metric has moved, the alarm has sounded, and its notification names the part of
    /// the runbook to read.
    async fn sounds(&self, resource: &str) {
        self.moves(resource).await;
        let start = Instant::now();
        while self.alarm(resource)["StateValue"] != "ALARM" {
            let alarm = self.alarm(resource);
            assert!(start.elapsed() < SOON, "{resource}: {:?} {alarm}", self.watched(&alarm));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let page = self.pages(resource, "ALARM").await;
        assert!(page["AlarmDescription"].as_str().unwrap().contains("docs/runbook.md#"), "{page}");
        self.sounded.lock().unwrap().insert(self.alarm(resource)["AlarmName"].to_string());
    }

    /// Waits for the notification that an alarm is in this state, and returns it.
    async fn pages(&self, resource: &str, state: &str) -> Value {
        let name = self.physical(resource);
        self.mailbox.wait_for(&self.aws, |page| page["AlarmName"] == name && page["NewStateValue"] == state).await
    }

    /// The values of each of an alarm's metrics, by minute.
    fn watched(&self, alarm: &Value) -> Vec<Vec<f64>> {
        let own = json!([{ "MetricStat": {
            "Metric": { "Namespace": alarm["Namespace"], "MetricName": alarm["MetricName"],
                "Dimensions": alarm["Dimensions"] },
            "Stat": alarm["ExtendedStatistic"].as_str().or(alarm["Statistic"].as_str()),
        }}]);
        let metrics = if alarm["Metrics"].is_array() { &alarm["Metrics"] } else { &own };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut values = Vec::new();
        for metric in metrics.as_array().unwrap().iter().filter(|metric| metric["MetricStat"].is_object()) {
            let mut stat = metric["MetricStat"].clone();
            stat["Period"] = 60.into();
            let query = json!({ "StartTime": now - 600, "EndTime": now + 60,
                "MetricDataQueries": [{ "Id": "watched", "MetricStat": stat }] });
            let found = self.aws.call("cloudwatch", "GetMetricData", &query).unwrap();
            let found = found["MetricDataResults"][0]["Values"].as_array().unwrap().clone();
            values.push(found.iter().filter_map(Value::as_f64).collect());
        }
        values
    }
}
