//! The results of a run, and what is wrong with them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    time::UNIX_EPOCH,
};

use harness::{Customer, DeadLetter, Producer, Received, Receiver, signature};
use serde_json::Value;

use super::{
    ATTEMPTS,
    world::{Fate, SECRET, Task, Webhook, World},
};

/// How many requests of one delivery may be missing from its record: after the request the dispatcher was killed or
/// the table took no write.
const MOST_UNRECORDED: usize = 12;
/// How many of a thousand completions may meet so many faults that they become dead letters.
const UNLUCKY: usize = 10;
/// How many of a thousand deliveries may use up their schedule on an endpoint that refuses each attempt. On a slow
/// machine a delivery can fall into two outages.
const REFUSED: usize = 20;

pub(super) struct Evidence {
    /// The requests that the receiver got, by path and task.
    seen: BTreeMap<(String, String), Seen>,
    /// The deliveries that the service recorded, by path.
    recorded: HashMap<String, Vec<Recorded>>,
    /// The dead letters, by message.
    letters: HashMap<String, Vec<DeadLetter>>,
    completions: usize,
}

/// A delivery as the service recorded it.
struct Recorded {
    id: String,
    status: String,
    attempts: usize,
}

/// The requests for one task at one webhook.
#[derive(Default)]
struct Seen {
    ids: BTreeSet<String>,
    requests: usize,
    /// How many were answered 2xx.
    taken: usize,
    /// When each request came, in seconds since 1970, and its answer.
    answers: Vec<(u64, Option<u16>)>,
    badly_signed: usize,
}

impl Evidence {
    pub(super) async fn gather(world: &World, receiver: &Receiver, producer: &Producer) -> Self {
        let mut seen = BTreeMap::<_, Seen>::new();
        for request in receiver.received_by_all() {
            seen.entry((request.path.clone(), task_of(&request))).or_default().count(&request);
        }
        let mut recorded = HashMap::new();
        for account in &world.accounts {
            for webhook in &account.webhooks {
                let of_this = recorded_of(&account.customer, webhook.id).await;
                recorded.insert(webhook.path.clone(), of_this);
            }
        }
        let mut letters = HashMap::<_, Vec<_>>::new();
        for letter in producer.dead_letters().await.unwrap() {
            letters.entry(letter.body.clone()).or_default().push(letter);
        }
        Self { seen, recorded, letters, completions: world.tasks.len() }
    }

    /// The messages of the tasks whose deliveries have all finished.
    pub(super) fn finished(&self, world: &World) -> impl Iterator<Item = String> {
        let delivered = world.tasks.iter().filter(|task| matches!(task.fate, Fate::Delivered | Fate::Failed));
        delivered.filter(|task| !self.is_dead_letter(task)).map(|task| task.message.clone())
    }

    fn is_dead_letter(&self, task: &Task) -> bool {
        self.letters.contains_key(&task.message)
    }

    /// Describes everything that is not as it must be.
    pub(super) fn problems(&self, world: &World) -> Vec<String> {
        let mut problems = Vec::new();
        let (mut explained_requests, mut explained_records, mut refused) = (0, 0, 0);
        for task in &world.tasks {
            problems.extend(self.problem_with_letters(task));
            for webhook in task.account.iter().flat_map(|account| &world.accounts[*account].webhooks) {
                let seen = self.seen.get(&(webhook.path.clone(), task.name.clone()));
                let name = format!("{} at {}", task.name, webhook.path);
                if !task.is_wanted_by(webhook) {
                    problems.extend(seen.map(|_| format!("{name}: was sent, though nobody asked for it")));
                    continue;
                }
                let records: Vec<_> = self.records_of(webhook, seen).collect();
                explained_requests += usize::from(seen.is_some());
                explained_records += records.len();
                let is_good = task.fate == Fate::Delivered;
                refused += records.iter().filter(|record| is_good && record.status == "failed").count();
                let is_dead = self.is_dead_letter(task);
                problems.extend(problems_of(task, seen, &records, is_dead).map(|problem| format!("{name}: {problem}")));
            }
        }
        let sent: BTreeSet<_> = world.tasks.iter().map(|task| &task.message).collect();
        let foreign = self.letters.keys().filter(|body| !sent.contains(body));
        problems.extend(foreign.map(|body| format!("a dead letter that nobody sent: {body}")));
        if explained_requests != self.seen.len() {
            problems.push("the receiver got webhooks of tasks that never were".into());
        }
        if explained_records != self.recorded.values().map(Vec::len).sum::<usize>() {
            problems.push("there are records of deliveries that the receiver never got".into());
        }
        if refused * 1_000 > REFUSED * self.seen.len().max(200) {
            problems.push(format!("{refused} good deliveries were refused until they failed"));
        }
        let unlucky = self.unlucky(world);
        if unlucky * 1_000 > UNLUCKY * world.tasks.len().max(200) {
            problems.push(format!("{unlucky} good completions are dead letters"));
        }
        problems
    }

    fn records_of(&self, webhook: &Webhook, seen: Option<&Seen>) -> impl Iterator<Item = &Recorded> {
        let records = self.recorded.get(&webhook.path).into_iter().flatten();
        records.filter(move |record| seen.is_some_and(|seen| seen.ids.contains(&record.id)))
    }

    fn problem_with_letters(&self, task: &Task) -> Option<String> {
        let letters = self.letters.get(&task.message);
        let must_be = matches!(task.fate, Fate::Malformed | Fate::Cursed);
        if must_be && letters.is_none() {
            return Some(format!("{}: is no dead letter, and has to be one", task.name));
        }
        // A malformed completion has no reason if the dead-letter queue refused it until its last receive.
        let has_reason = letters.is_some_and(|letters| letters.iter().any(|letter| letter.reason.is_some()));
        (has_reason && task.fate != Fate::Malformed).then(|| format!("{}: was taken for no completion", task.name))
    }

    /// How many good completions are dead letters.
    fn unlucky(&self, world: &World) -> usize {
        let good = world.tasks.iter().filter(|task| matches!(task.fate, Fate::Delivered | Fate::Failed));
        good.filter(|task| self.is_dead_letter(task)).count()
    }

    fn number_of(&self, status: &str) -> usize {
        self.recorded.values().flatten().filter(|record| record.status == status).count()
    }
}

impl Recorded {
    fn read(delivery: &Value) -> Self {
        let text = |field: &str| delivery[field].as_str().unwrap().to_owned();
        let attempts = delivery["attempt_count"].as_u64().unwrap().try_into().unwrap();
        Self { id: text("id"), status: text("status"), attempts }
    }
}

impl Seen {
    fn count(&mut self, request: &Received) {
        self.ids.insert(request.header("webhook-id").unwrap_or_default().to_owned());
        self.requests += 1;
        self.taken += usize::from(request.answered.is_some_and(|status| (200..300).contains(&status)));
        let at = request.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.answers.push((at, request.answered));
        self.badly_signed += usize::from(!signature::is_valid(request, SECRET));
    }
}

/// What is wrong with a task's delivery to one webhook. If the completion is a dead letter, the delivery may be
/// missing.
fn problems_of(task: &Task, seen: Option<&Seen>, records: &[&Recorded], is_dead: bool) -> impl Iterator<Item = String> {
    let Some(seen) = seen else {
        return vec![(!is_dead).then(|| "is lost: its endpoint was not called".to_owned())].into_iter().flatten();
    };
    let taken = seen.taken > 0;
    let outcome = match records {
        [] => Some("has no record".to_owned()),
        [Recorded { status, .. }] if status == "delivered" && !taken => {
            Some("is recorded as delivered, and is not".into())
        }
        [Recorded { status, .. }] if status == "delivered" && task.fate == Fate::Delivered => None,
        [Recorded { status, attempts, .. }] if status == "failed" && task.fate == Fate::Failed => {
            // Probes are attempts too, but do not use up the schedule.
            (*attempts < ATTEMPTS).then(|| format!("failed after {attempts} attempts"))
        }
        // Allowed if the endpoint refused each attempt; `problems` limits how many such deliveries there may be.
        [Recorded { status, attempts, .. }] if status == "failed" && !taken && *attempts >= ATTEMPTS => None,
        [record] => Some(format!("ended as {} after {} attempts: {:?}", record.status, record.attempts, seen.answers)),
        more => Some(format!("has {} records", more.len())),
    };
    let attempts: usize = records.iter().map(|record| record.attempts).sum();
    let ids = seen.ids.len();
    let requests = seen.requests;
    let answers = &seen.answers;
    vec![
        outcome,
        (ids != 1).then(|| format!("came under {ids} ids")),
        (requests > attempts.max(ATTEMPTS) + MOST_UNRECORDED || requests < attempts)
            .then(|| format!("was requested {requests} times, and {attempts} attempts are recorded: {answers:?}")),
        (seen.badly_signed > 0).then(|| "has a wrong signature".to_owned()),
    ]
    .into_iter()
    .flatten()
}

/// All deliveries to a webhook that a customer can see, page by page.
async fn recorded_of(customer: &Customer, webhook_id: u64) -> Vec<Recorded> {
    let first = format!("/api/v1/webhooks/{webhook_id}/deliveries?limit=100");
    let (mut recorded, mut path) = (Vec::new(), first.clone());
    loop {
        let reply = customer.get(&path).await.unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text);
        let page = &reply.json()["data"];
        recorded.extend(page["deliveries"].as_array().unwrap().iter().map(Recorded::read));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("{first}&cursor={cursor}"),
            None => return recorded,
        }
    }
}

fn task_of(request: &Received) -> String {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    body["task_id"].as_str().unwrap().to_owned()
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [requests, taken] =
            [|seen: &Seen| seen.requests, |seen: &Seen| seen.taken].map(|of| self.seen.values().map(of).sum::<usize>());
        let twice: usize = self.seen.values().map(|seen| seen.taken.saturating_sub(1)).sum();
        let recorded = self.recorded.values().flatten();
        let (deliveries, attempts) = recorded.fold((0, 0), |(number, sum), record| (number + 1, sum + record.attempts));
        let letters: Vec<_> = self.letters.values().flatten().collect();
        let with_reason = letters.iter().filter(|letter| letter.reason.is_some()).count();
        writeln!(f, "completions  {}", self.completions)?;
        let (delivered, failed) = (self.number_of("delivered"), self.number_of("failed"));
        writeln!(f, "deliveries   {deliveries}: {delivered} delivered, {failed} failed")?;
        let most = self.seen.values().map(|seen| seen.requests).max().unwrap_or_default();
        writeln!(f, "attempts     {requests} made, {attempts} recorded, at most {most} for one delivery")?;
        writeln!(f, "duplicates   {twice} of {taken} accepted requests")?;
        write!(
            f,
            "dead letters {}: {with_reason} with a reason, {} by redrive",
            letters.len(),
            letters.len() - with_reason
        )
    }
}
