use super::*;
use crate::names::EventType;

const NOW: Timestamp = Timestamp::constant(1_767_322_800, 0);
const TEST: &str = "POST /api/v1/webhooks/1/test";

fn account(name: &str) -> AccountId {
    AccountId::parse(name).unwrap()
}

fn request<'a>(account: &'a AccountId, line: &'a str, body: &'a [u8]) -> KeyedRequest<'a> {
    KeyedRequest { account, key: "key-1", line, body }
}

/// A request that another function has just claimed.
fn claimed() -> StoredRequest {
    StoredRequest {
        request_line: TEST.into(),
        body_hash: hash(b"{}"),
        first_at: NOW,
        holder: "another".into(),
        leased_until: unix_ms(NOW + LEASE),
        expires_at: (NOW + KNOWN_FOR).as_second(),
        webhook_id: None,
        secret_hash: None,
        reply_status: None,
        reply_body: None,
    }
}

fn state_of(stored: StoredRequest, line: &str, body: &[u8], seconds_later: i64) -> KeyState {
    let now = NOW + SignedDuration::from_secs(seconds_later);
    key_state(Some(stored), &request(&account("acct_1"), line, body), "mine", now)
}

#[test]
fn a_key_is_free_until_it_is_used_and_again_after_a_day() {
    let account = account("acct_1");
    assert!(matches!(key_state(None, &request(&account, TEST, b"{}"), "mine", NOW), KeyState::Free));
    let day = 24 * 60 * 60;
    assert!(matches!(state_of(claimed(), TEST, b"{}", day - 1), KeyState::Abandoned(_)));
    assert!(matches!(state_of(claimed(), TEST, b"another", day), KeyState::Free));
}

#[test]
fn a_claim_lasts_longer_than_a_function_runs_and_then_anyone_may_take_it_over() {
    let under_way =
        |seconds| matches!(state_of(claimed(), TEST, b"{}", seconds), KeyState::Decided(ClaimResult::UnderWay));
    assert!(under_way(0) && under_way(28) && under_way(34));
    assert!(matches!(state_of(claimed(), TEST, b"{}", 35), KeyState::Abandoned(_)));
}

#[test]
fn a_function_whose_write_was_answered_late_finds_its_own_claim() {
    let mine = StoredRequest { holder: "mine".into(), ..claimed() };
    assert!(matches!(state_of(mine, TEST, b"{}", 0), KeyState::Own(_)));
}

#[test]
fn a_stored_reply_is_the_answer_to_the_same_request_alone() {
    let answered =
        StoredRequest { reply_status: Some(202), reply_body: Some("{}".into()), leased_until: 0, ..claimed() };
    let reply = StoredReply { status: 202, body: "{}".into(), noted: None };
    match state_of(answered.clone(), TEST, b"{}", 60) {
        KeyState::Decided(ClaimResult::Answered(stored)) => assert_eq!(stored, reply),
        other => panic!("{other:?}"),
    }
    let other = state_of(answered.clone(), TEST, b"{ }", 60);
    assert!(matches!(other, KeyState::Decided(ClaimResult::AnotherBody)), "{other:?}");
    match state_of(answered, "POST /api/v1/webhooks/2/test", b"{}", 60) {
        KeyState::Decided(ClaimResult::AnotherRoute(line)) => assert_eq!(line, TEST),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_function_that_takes_a_claim_over_has_the_first_time_and_the_same_number() {
    let account = account("acct_1");
    let request = request(&account, TEST, b"{}");
    let [one, other] = ["one", "other"].map(|holder| claimed().claim(&request, holder.into()));
    assert_eq!((one.first_at, one.number()), (other.first_at, other.number()));
    let next_day = Claim { first_at: NOW + KNOWN_FOR, ..one.clone() };
    assert_ne!(one.number(), next_day.number());
}

#[test]
fn a_key_belongs_to_its_account_and_is_stored_as_a_hash() {
    let accounts = ["acct_1", "acct_2"].map(account);
    let [one, other] = accounts.each_ref().map(|account| request(account, TEST, b"{}").name());
    assert_ne!(one, other);
    assert_eq!(one, format!("acct_1#request#{}", hash(b"key-1")));
}

#[test]
fn a_note_knows_its_secret_and_does_not_hold_it() {
    let (secret, url) = (Secret::generate(), "https://a.example.com/".to_owned());
    let noted = Noted::of(WebhookId(1), &secret);
    let webhook =
        |secret| Webhook::new(account("acct_1"), WebhookId(1), url.clone(), vec![EventType::JobFailed], secret);
    assert!(!format!("{noted:?}").contains(secret.reveal()));
    assert!(noted.is_secret_of(&webhook(secret)) && !noted.is_secret_of(&webhook(Secret::generate())));
    assert!(!Noted { webhook_id: WebhookId(1), secret_hash: None }.is_secret_of(&webhook(Secret::generate())));
}
