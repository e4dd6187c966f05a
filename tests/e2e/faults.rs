//! Nothing is lost when AWS fails: a property that holds while the functions' calls to AWS fail at random and their
//! processes are killed.
//!
//! Every completion that the queue accepted ends as exactly one finished delivery for each subscribed webhook, or as
//! a dead letter. Every delivery recorded as delivered was received. Duplicates carry the same id. In the end every
//! queue is empty.
//!
//! The test prints its seed; `NANO_FAULT_SEED` sets it. The seed fixes the completions and the random choices but not
//! the order of calls, so a repeated run is similar and not identical.

mod evidence;
mod world;

use std::{
    cell::Cell,
    env, fs,
    io::{self, Write as _},
    ops::Range,
    path::Path,
    time::{Duration, Instant},
};

use fastrand::Rng;
use harness::{Counts, Faults, Options, Producer, Receiver, Stack};
use serde_json::json;
use tokio::{select, time::sleep};

use self::{
    evidence::Evidence,
    world::{CURSED, World},
};
use crate::folder_of_this_run;

/// An ordinary delivery does not use up these waits, and a delivery that does ends soon. One wait is longer than an
/// outage, in which an endpoint's first failures fall before its circuit opens.
const SCHEDULE: &str = "1,1,1,1,30,1,1,1";
/// The first attempt and those of the schedule.
const ATTEMPTS: usize = 9;

/// The size of a run.
struct Size {
    completions: usize,
    accounts: usize,
    /// If false, the accounts have different mixtures of webhooks.
    three_webhooks_each: bool,
    /// How many completions are sent before the test looks at the queues.
    wave: usize,
    /// The next wave waits until fewer messages than this are on the queues: many messages slow the emulator down.
    backlog: usize,
    /// The share of calls that fail.
    rate: f64,
    /// In milliseconds. The emulator pauses for a second after a failed invocation, so kills cost time.
    between_kills: Range<u64>,
    /// How long the rest may take after the last wave.
    settled_within: Duration,
}

#[tokio::test]
async fn nothing_is_lost_on_a_bad_day() {
    survive(&Size {
        completions: 200,
        accounts: 6,
        three_webhooks_each: false,
        wave: 50,
        backlog: 400,
        rate: 0.2,
        between_kills: 300..1_500,
        // A drain looks again from its beginning, for what a failed run did not send, after more than a minute each time.
        settled_within: Duration::from_mins(8),
    })
    .await;
}

/// `cargo test -p tests --release -- --ignored soak`
#[tokio::test]
#[ignore = "takes about 20 minutes"]
async fn soak_of_ten_thousand_completions_loses_nothing() {
    let completions = env::var("NANO_SOAK_COMPLETIONS").map_or(10_000, |number| number.parse().unwrap());
    survive(&Size {
        completions,
        accounts: 10,
        three_webhooks_each: true,
        wave: 250,
        backlog: 1_000,
        rate: 0.1,
        between_kills: 2_000..8_000,
        settled_within: Duration::from_mins(20),
    })
    .await;
}

async fn survive(size: &Size) {
    let seed = env::var("NANO_FAULT_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    say(&format!("NANO_FAULT_SEED={seed}"));
    let start = Instant::now();
    let faults = Faults::start(seed).unwrap();
    let folder = folder_of_this_run().join(format!("faults-{seed}"));
    let stack = stack(&faults, &folder);
    let receiver = Receiver::start().unwrap();
    let mut world = World::create(&stack, &receiver, size, seed).await;
    let producer = Producer::new(&stack);

    let ready = start.elapsed();
    let kills = Cell::new(0);
    faults.curse(CURSED);
    faults.set_rate(size.rate);
    select! {
        () = send_in_waves(&world, &producer, size) => {}
        () = kill_at_random(&stack, size, Rng::with_seed(seed), &kills) => {}
    }
    // release runs all the time, so under these faults one of its calls is always on its way: calls are not counted.
    work_off(&producer, || 0, size.settled_within).await;
    faults.set_rate(0.0);
    world.wait_until_nothing_waits(&producer, size.settled_within).await;
    settle(&producer, &faults, size.settled_within).await;

    let evidence = Evidence::gather(&world, &receiver, &producer).await;
    let counts = faults.counts();
    say(&summary(&evidence, &counts, (kills.get(), cut_short(&folder)), (ready, start.elapsed())));
    let problems = evidence.problems(&world);
    assert!(problems.is_empty(), "{} problems, with the seed {seed}:\n{}", problems.len(), problems.join("\n"));
    assert!(kills.get() > 0 || !cfg!(target_os = "linux"), "no process was killed");
    nothing_happens_twice(&world, &evidence, &producer, &receiver, &faults).await;
}

/// A stack of its own, on which everything that a fault of our own delays comes back within seconds.
fn stack(faults: &Faults, folder: &Path) -> Stack {
    let options = Options {
        folder: folder.to_owned(),
        faults: Some(faults.clone()),
        // Fewer and busier processes, so that a killed process more often has work to lose.
        parameters: vec![
            ("DispatcherMaximumConcurrency", "8"),
            ("RetryScheduleSeconds", SCHEDULE),
            ("ProbeScheduleSeconds", "3"),
            ("CircuitFailures", "5"),
            ("CircuitEvents", "3"),
        ],
        schedules_every_seconds: Some(2),
        properties: json!({
            // A good completion becomes a dead letter if every receive of it fails. Twelve of eight seconds are more than
            // the minute in which a busy machine may answer no call at all.
            "FanOutFunction": { "Timeout": 8 },
            "CompletionsQueue": {
                "VisibilityTimeout": 8,
                "RedrivePolicy": {
                    "deadLetterTargetArn": { "Fn::GetAtt": ["DeadLetterQueue", "Arn"] },
                    "maxReceiveCount": 12,
                },
            },
        }),
        ..Options::default()
    };
    Stack::start(&options, &|_| {}).unwrap_or_else(|failure| panic!("{failure}"))
}

/// Sends everything in waves, then waits for 15 seconds.
async fn send_in_waves(world: &World, producer: &Producer, size: &Size) {
    for wave in world.waves(size.wave) {
        producer.send_all(&wave).await.unwrap();
        while producer.waiting().await.unwrap() > size.backlog {
            sleep(Duration::from_millis(200)).await;
        }
    }
    sleep(Duration::from_secs(15)).await;
}

/// Waits until nothing is under way: the queues are empty, and no call is on its way that could fill them again.
async fn settle(producer: &Producer, faults: &Faults, within: Duration) {
    work_off(producer, || faults.under_way(), within).await;
}

/// Waits until three checks in a row find the queues empty and no call under way. `calls` returns how many are under
/// way.
async fn work_off(producer: &Producer, calls: impl Fn() -> usize, within: Duration) {
    let start = Instant::now();
    let mut quiet = 0;
    while quiet < 3 {
        let (waiting, calls) = (producer.waiting().await.unwrap(), calls());
        quiet = if waiting + calls == 0 { quiet + 1 } else { 0 };
        assert!(
            start.elapsed() < within,
            "{waiting} messages are on the queues and {calls} calls under way {within:?} after the last was sent"
        );
        sleep(Duration::from_millis(300)).await;
    }
}

async fn kill_at_random(stack: &Stack, size: &Size, mut rng: Rng, kills: &Cell<usize>) {
    loop {
        sleep(Duration::from_millis(rng.u64(size.between_kills.clone()))).await;
        let function = if rng.bool() { "Dispatcher" } else { "FanOut" };
        if stack.kill(function, |processes| rng.usize(..processes)) {
            kills.set(kills.get() + 1);
        }
    }
}

/// Without faults, sends again completions that are finished, and expects no request to any endpoint.
async fn nothing_happens_twice(
    world: &World,
    evidence: &Evidence,
    producer: &Producer,
    receiver: &Receiver,
    faults: &Faults,
) {
    let before = receiver.received_by_all().len();
    let again: Vec<String> = evidence.finished(world).take(50).collect();
    producer.send_all(&again).await.unwrap();
    settle(producer, faults, Duration::from_mins(1)).await;
    assert_eq!(receiver.received_by_all().len(), before, "a finished delivery was sent again");
}

fn summary(
    evidence: &Evidence,
    counts: &Counts,
    (kills, cut_short): (usize, usize),
    (ready, took): (Duration, Duration),
) -> String {
    let calls = |(operation, number): (&String, &usize)| format!("{operation} {number}");
    let faults = counts.faults.iter().map(|(fault, number)| format!("{fault} {number}")).collect::<Vec<_>>();
    [
        evidence.to_string(),
        format!("calls        {}", counts.calls.iter().map(calls).collect::<Vec<_>>().join(", ")),
        format!("faults       {}: {}", counts.faults.values().sum::<usize>(), faults.join(", ")),
        format!("kills        {kills}, {cut_short} invocations cut short"),
        format!("duration     {} s, {} s of them until the stack was ready", took.as_secs(), ready.as_secs()),
    ]
    .join("\n")
}

/// How many invocations ended with their process, by the emulator's log. If a process dies while it starts, the
/// emulator also ends the function's other processes.
fn cut_short(folder: &Path) -> usize {
    let log = fs::read_to_string(folder.join("emulator.log")).unwrap_or_default();
    log.lines().filter(|line| line.contains("[lambda_runtime]") && line.contains("exited before returning")).count()
}

/// Prints past the test runner, which hides the output of passing tests.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "\n{text}");
}
