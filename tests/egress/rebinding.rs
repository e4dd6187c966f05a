//! Names that are public when they are vetted and private when they are called.

use std::{thread, time::Duration};

use harness::Behaviour::Resets;

use crate::internet::{Internet, answer, in_own_internet};

const URL: &str = "https://hook.example.com/";
/// A pause between attempts, in milliseconds: the connection returns to the pool meanwhile.
const A_MOMENT: &str = "100";

/// The name is public at its first look-up, and private at all later ones.
fn rebind(internet: &Internet) {
    internet.names.on_in_turn("hook.example.com", &[&["93.184.215.14"], &["169.254.169.254"]]);
}

fn outcomes(internet: &Internet, steps: &[&str]) -> Vec<String> {
    internet.attempts(steps).iter().map(|attempted| attempted.outcome().0.to_owned()).collect()
}

#[test]
fn one_attempt_looks_a_name_up_once_and_calls_what_it_was_told() {
    in_own_internet(|internet| {
        rebind(internet);
        internet.receiver.on("/", [answer("200 OK", "")]);
        assert_eq!(outcomes(internet, &[URL]), ["http"]);
        assert_eq!(internet.names.asked(), ["A hook.example.com", "AAAA hook.example.com"]);
        assert_eq!(internet.receiver.connections(), 1);
    });
}

#[test]
fn a_name_that_turns_private_between_two_attempts_is_blocked() {
    in_own_internet(|internet| {
        rebind(internet);
        internet.receiver.on("/", [answer("200 OK", "connection: close\r\n")]);
        assert_eq!(outcomes(internet, &[URL, A_MOMENT, URL]), ["http", "blocked"]);
        assert_eq!((internet.heard("/"), internet.receiver.connections()), (1, 1));
    });
}

/// An open connection leads to the vetted address even if the name has changed since: it is as safe as before.
#[test]
fn an_open_connection_is_used_again_without_a_second_look_up() {
    in_own_internet(|internet| {
        rebind(internet);
        internet.receiver.on("/", [answer("200 OK", "")]);
        assert_eq!(outcomes(internet, &[URL, A_MOMENT, URL]), ["http", "http"]);
        assert_eq!((internet.heard("/"), internet.receiver.connections()), (2, 1));
        assert_eq!(internet.names.asked(), ["A hook.example.com", "AAAA hook.example.com"]);
    });
}

#[test]
fn what_takes_the_place_of_a_dead_connection_is_vetted_again() {
    in_own_internet(|internet| {
        rebind(internet);
        internet.receiver.on("/", [answer("200 OK", ""), Resets(Vec::new()), answer("200 OK", "")]);
        assert_eq!(outcomes(internet, &[URL, A_MOMENT, URL]), ["http", "blocked"]);
        assert_eq!((internet.heard("/"), internet.receiver.connections()), (2, 1));
    });
}

#[test]
fn a_name_that_turns_public_is_called_again() {
    in_own_internet(|internet| {
        internet.names.on_in_turn("hook.example.com", &[&["10.0.0.5"], &["93.184.215.14"]]);
        internet.receiver.on("/", [answer("200 OK", "")]);
        assert_eq!(outcomes(internet, &[URL, URL]), ["blocked", "http"]);
    });
}

/// A NAT gateway that forgot a connection, or a machine that is gone, drops packets silently.
#[test]
fn a_used_connection_whose_other_end_is_gone_costs_no_attempt() {
    in_own_internet(|internet| {
        internet.names.on_in_turn("hook.example.com", &[&["93.184.215.14"], &["93.184.215.15"]]);
        internet.receiver.on("/", [answer("200 OK", "")]);
        let probe = internet.start(&[URL, "2000", URL]);
        while internet.heard("/") == 0 {
            thread::sleep(Duration::from_millis(10));
        }
        thread::sleep(Duration::from_millis(500));
        Internet::cut_off();
        let attempts = Internet::finish(probe);
        assert_eq!(attempts[1].outcome(), ("http", Some(200)), "{}", attempts[1].everything());
        assert!(attempts[1].everything().contains("\"resent\":true"), "{}", attempts[1].everything());
        assert!((5_000..7_000).contains(&attempts[1].milliseconds()), "{}", attempts[1].everything());
        assert_eq!(internet.receiver.connections(), 2);
    });
}
