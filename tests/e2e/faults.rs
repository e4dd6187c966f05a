//! Nothing is lost on a bad day: a property that holds while the functions' calls to AWS fail at random and their processes
//! are killed.
//!
//! Every completion that the queue took ends as exactly one finished delivery for each webhook that subscribed, or as a
//! dead letter. What is recorded as delivered was received. Duplicates carry the same id. In the end every queue is empty.
//!
//! The seed is printed; `NANO_FAULT_SEED` sets it. It fixes what is sent and what is chosen, not the order in which calls
//! happen to be made, so a run is repeated in kind and not in each step.

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

/// An ordinary delivery does not use these waits up, and one that does has ended soon. One wait is longer than an outage, which
/// an endpoint's first failures go through before its circuit opens.
const SCHEDULE: &str = "1,1,1,1,30,1,1,1";
/// The first attempt and those of the schedule.
const ATTEMPTS: usize = 9;

/// How much of it.
struct Size {
    completions: usize,
    accounts: usize,
    /// Otherwise the accounts have different mixtures of webhooks.
    three_webhooks_each: bool,
    /// Completions that are sent before the queues are looked at.
    wave: usize,
    /// The next wave waits until there are fewer messages than this on the queues; the emulator slows down with many.
    backlog: usize,
    /// The share of calls that fail.
    rate: f64,
    /// In milliseconds. The emulator pauses for a second after an invocation that failed, so kills cost time.
    between_kills: Range<u64>,
    /// What is left after the last wave must be done within this time.
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

/// `cargo test -p e2e --release -- --ignored soak`
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
    // release runs on and on, so under these faults some call of it is always on the wire.
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

/// A stack of its own, on which everything that our own faults delay comes back within seconds.
fn stack(faults: &Faults, folder: &Path) -> Stack {
    let options = Options {
        folder: folder.to_owned(),
        faults: Some(faults.clone()),
        // Fewer processes that are busier, so that more of those that are killed have something to lose.
        parameters: vec![
            ("DispatcherMaximumConcurrency", "8"),
            ("RetryScheduleSeconds", SCHEDULE),
            ("ProbeScheduleSeconds", "3"),
            ("CircuitFailures", "5"),
            ("CircuitEvents", "3"),
        ],
        schedules_every_seconds: Some(2),
        properties: json!({
            "FanOutFunction": { "Timeout": 6 },
            "CompletionsQueue": {
                "VisibilityTimeout": 6,
                "RedrivePolicy": {
                    "deadLetterTargetArn": { "Fn::GetAtt": ["DeadLetterQueue", "Arn"] },
                    "maxReceiveCount": 8,
                },
            },
        }),
        ..Options::default()
    };
    Stack::start(&options, &|_| {}).unwrap_or_else(|failure| panic!("{failure}"))
}

/// Sends everything, and leaves the service to it for a while.
async fn send_in_waves(world: &World, producer: &Producer, size: &Size) {
    for wave in world.waves(size.wave) {
        producer.send_all(&wave).await.unwrap();
        while producer.waiting().await.unwrap() > size.backlog {
            sleep(Duration::from_millis(200)).await;
        }
    }
    sleep(Duration::from_secs(15)).await;
}

/// Waits until nothing is under way: the queues are empty, and no call is on the wire that could fill them again.
async fn settle(producer: &Producer, faults: &Faults, within: Duration) {
    work_off(producer, || faults.under_way(), within).await;
}

/// Waits until three looks in a row find the queues empty and no call under way. `calls` says how many calls there are.
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

/// On a good day, a completion that was dealt with already is sent again and nobody hears of it.
async fn nothing_happens_twice(
    world: &World,
    evidence: &Evidence,
    producer: &Producer,
    receiver: &Receiver,
    faults: &Faults,
) {
    let before = receiver.received_by_all().len();
    let again: Vec<String> = world.finished(evidence).take(50).collect();
    producer.send_all(&again).await.unwrap();
    settle(producer, faults, Duration::from_mins(1)).await;
    assert_eq!(receiver.received_by_all().len(), before, "a finished delivery was made again");
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

/// How many invocations ended with their process. The emulator's log tells; where a process dies as it starts, the emulator
/// ends the function's other processes too.
fn cut_short(folder: &Path) -> usize {
    let log = fs::read_to_string(folder.join("emulator.log")).unwrap_or_default();
    log.lines().filter(|line| line.contains("[lambda_runtime]") && line.contains("exited before returning")).count()
}

/// Says something past the test runner, which keeps what a test prints to itself unless it fails.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "\n{text}");
}
