//! Canonical JSON against a real JavaScript engine.
//!
//! A receiver's verifier signs `JSON.stringify(JSON.parse(body))`. `QuickJS`, linked into this test, computes that;
//! nothing here knows the rules itself. Node 20 agreed with it on every corner case and on 600,000 random and damaged
//! texts, so nothing here works around differences between the engines.
//!
//! Add a text that once failed to `data/json-corners.json`, which the end-to-end tests also send through the deployed
//! service. `PROPTEST_CASES=200000` searches longer.

use nano_webhooks::canonical_json::{Error, parse, string, to_ascii};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestCaseResult, TestRunner};
use rquickjs::{Context, Function, Runtime};

/// The engine, with one function: it returns a text's canonical form, or nothing if the text is not JSON.
struct JavaScript(Context);

impl JavaScript {
    fn start() -> Self {
        let runtime = Runtime::new().expect("QuickJS starts");
        let context = Context::full(&runtime).expect("QuickJS has a context");
        context
            .with(|js| {
                js.eval::<(), _>(
                    "globalThis.canonical = (text) => {
                        let value;
                        try {
                            value = JSON.parse(text);
                        } catch (error) {
                            if (error instanceof SyntaxError) return undefined;
                            throw error;
                        }
                        return JSON.stringify(value);
                    };",
                )
            })
            .expect("the script runs");
        Self(context)
    }

    fn canonical(&self, text: &str) -> Option<String> {
        self.0
            .with(|js| {
                let canonical: Function = js.globals().get("canonical")?;
                canonical.call((text,))
            })
            .expect("the engine answers")
    }
}

fn corners() -> Vec<String> {
    serde_json::from_str(include_str!("data/json-corners.json")).expect("an array of strings")
}

#[test]
fn every_corner_is_written_as_javascript_writes_it() {
    let js = JavaScript::start();
    for text in corners() {
        let canonical = parse(&text).map(|value| value.to_string());
        assert_eq!(canonical.ok(), js.canonical(&text), "{text}");
    }
}

#[test]
fn every_character_is_quoted_as_javascript_quotes_it() {
    let every_character: String = ('\0'..=char::MAX).collect();
    let quoted = string(&every_character).to_string();
    let agrees = JavaScript::start().canonical(&quoted).as_ref() == Some(&quoted);
    assert!(agrees, "a text of a million characters is not worth printing");
}

#[test]
fn random_json_is_written_as_javascript_writes_it() {
    holds_for(json(), |js, text| {
        let canonical = parse(&text).map(|value| value.to_string());
        prop_assert_eq!(canonical.ok(), js.canonical(&text));
        Ok(())
    });
}

#[test]
fn a_canonical_text_is_its_own_canonical_text() {
    holds_for(json(), |_, text| {
        let canonical = parse(&text)?.to_string();
        prop_assert_eq!(parse(&canonical)?.to_string(), canonical);
        Ok(())
    });
}

#[test]
fn ascii_text_is_ascii_and_means_the_same_to_javascript() {
    holds_for(json(), |js, text| {
        let ascii = to_ascii(&text);
        prop_assert!(ascii.is_ascii(), "{}", ascii);
        prop_assert_eq!(js.canonical(&ascii), js.canonical(&text));
        Ok(())
    });
}

#[test]
fn a_damaged_text_is_refused_exactly_when_javascript_refuses_it() {
    holds_for((json(), damage()), |js, (text, damage)| {
        let damaged = damage.inflict_on(&text);
        let expected = js.canonical(&damaged);
        match parse(&damaged) {
            Ok(value) => prop_assert_eq!(Some(value.to_string()), expected, "{}", damaged),
            Err(Error::Syntax { .. } | Error::ByteOrderMark) => prop_assert_eq!(None, expected, "{}", damaged),
            // JavaScript accepts these and we refuse them; the module's own tests check which.
            Err(Error::NumberOutOfRange(_) | Error::LoneSurrogate(_) | Error::TooDeep(_)) => {}
        }
        Ok(())
    });
}

/// Checks a claim on many random inputs, all with one engine.
fn holds_for<S: Strategy>(inputs: S, claim: impl Fn(&JavaScript, S::Value) -> TestCaseResult) {
    let js = JavaScript::start();
    let asked_for = std::env::var_os("PROPTEST_CASES").is_some();
    let default = Config::default();
    let config = Config { cases: if asked_for { default.cases } else { 2_000 }, failure_persistence: None, ..default };
    if let Err(failure) = TestRunner::new(config).run(&inputs, |input| claim(&js, input)) {
        panic!("{failure}");
    }
}

/// A valid JSON text within the documented limits, spelled in unusual ways.
fn json() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        1 => select(&["null", "true", "false", "[]", "{ }"][..]).prop_map(str::to_owned),
        3 => number(),
        3 => spelled(content()),
    ];
    let value = scalar.prop_recursive(4, 40, 8, |value| {
        let element = spaced(value.clone());
        let member = (spaced(spelled(key())), spaced(value)).prop_map(|(key, value)| format!("{key}:{value}"));
        prop_oneof![
            2 => prop::collection::vec(element, 1..8).prop_map(|e| format!("[{}]", e.join(","))),
            3 => prop::collection::vec(member, 1..8).prop_map(|m| format!("{{{}}}", m.join(","))),
        ]
    });
    spaced(value)
}

fn spaced(text: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let space = || prop_oneof![8 => Just(String::new()), 1 => "[ \t\r\n]{1,3}"];
    (space(), text, space()).prop_map(|(before, text, after)| before + &text + &after)
}

fn number() -> impl Strategy<Value = String> {
    let remarkable = [
        "-0",
        "-0.0e-0",
        "6.0",
        "1E5",
        "1e20",
        "1e21",
        "1e-6",
        "1e-7",
        "9007199254740993",
        "5e-324",
        "1e-400",
        "2.2250738585072011e-308",
        "1.7976931348623157e308",
        "-1.7976931348623157E+308",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "123456789012345678901234567890",
    ];
    let any_double = any::<u64>().prop_map(f64::from_bits);
    let double = any_double.prop_filter("JSON has no infinity", |n| n.is_finite());
    prop_oneof![
        select(remarkable.to_vec()).prop_map(str::to_owned),
        "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,24})?([eE][+-]?[0-9]{1,2})?",
        any::<i64>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| n.to_string()),
        (double, any::<bool>()).prop_map(|(n, long)| if long { n.to_string() } else { format!("{n:E}") }),
        half_way(),
    ]
}

/// Numbers half-way between two doubles, or one last digit away: an odd 54-bit integer over a power of two, in
/// decimal. Rounding fails here first.
fn half_way() -> impl Strategy<Value = String> {
    (1_u64 << 52..1 << 53, 0..=30_u32, 9..=11_u128).prop_map(|(half, power, nudge)| {
        let digits = u128::from(2 * half + 1) * 5_u128.pow(power);
        format!("{}e-{}", digits * 10 + nudge - 10, power + 1)
    })
}

/// A key: often one that JavaScript reorders, often a repeated one.
fn key() -> impl Strategy<Value = String> {
    let remarkable = [
        "0",
        "1",
        "2",
        "10",
        "01",
        "-0",
        "-1",
        "+1",
        "1.0",
        "1e0",
        " 1",
        "a",
        "b",
        "",
        "__proto__",
        "toJSON",
        "length",
        "4294967294",
        "4294967295",
        "4294967296",
        "$serde_json::private::Number",
    ];
    prop_oneof![
        4 => select(remarkable.to_vec()).prop_map(str::to_owned),
        1 => (0..20_u32).prop_map(|n| n.to_string()),
        1 => (0x7fff_fff0_u64..0x8000_0010).prop_map(|n| n.to_string()),
        1 => (0xffff_fff0_u64..0x1_0000_0010).prop_map(|n| n.to_string()),
        1 => content(),
    ]
}

/// The characters of a string.
fn content() -> impl Strategy<Value = String> {
    let remarkable = "\"\\/\0\u{8}\t\n\u{b}\u{c}\r\u{1f}\u{7f}\u{80}\u{a0}\u{2028}\u{2029}\u{d7ff}\
                      \u{e000}\u{feff}\u{fffd}\u{fffe}\u{ffff}\u{10000}\u{1f600}\u{1fffe}\u{10ffff}";
    let character =
        prop_oneof![select(remarkable.chars().collect::<Vec<_>>()), any::<char>(), prop::char::range(' ', '~'),];
    prop::collection::vec(character, 0..12).prop_map(String::from_iter)
}

/// A string as JSON. Each character is randomly written as itself, as a short escape, or as a hexadecimal escape of
/// either case.
fn spelled(content: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (content, any::<u32>()).prop_map(|(content, chances)| {
        let spell = |(i, c): (u32, char)| spell(c, chances.rotate_right(2 * i) & 3);
        format!("\"{}\"", (0..).zip(content.chars()).map(spell).collect::<String>())
    })
}

fn spell(c: char, how: u32) -> String {
    let short = match c {
        '"' | '\\' | '/' => Some(c),
        '\u{8}' => Some('b'),
        '\t' => Some('t'),
        '\n' => Some('n'),
        '\u{c}' => Some('f'),
        '\r' => Some('r'),
        _ => None,
    };
    let mut units = [0; 2];
    let units = c.encode_utf16(&mut units);
    let hex = units.iter().fold(String::new(), |hex, unit| format!("{hex}\\u{unit:04x}"));
    match (how, short) {
        (0 | 1, None) if c >= ' ' => c.to_string(),
        (0, Some('/')) => c.to_string(),
        (0 | 1, Some(short)) => format!("\\{short}"),
        (2, _) => hex,
        _ => hex.to_uppercase().replace("\\U", "\\u"),
    }
}

/// Damage to a valid text: some characters are removed at a place, and others inserted there.
#[derive(Debug, Clone)]
struct Damage {
    at: Index,
    remove: usize,
    insert: &'static str,
}

fn damage() -> impl Strategy<Value = Damage> {
    let insert = [
        "", "", "", "\"", "\\", "\\u", "\\ud800", "\\x", "'", "[", "]", "{", "}", ",", ":", "0", "1", "-", "+", ".",
        "e", "E9", "null", "NaN", "Infinity", "0x1", "1n", "//", "/**/", "\0", "\t", "\u{b}", "\u{c}", "\u{1f}",
        "\u{7f}", "\u{a0}", "\u{2028}", "\u{feff}", "\u{ffff}",
    ];
    let remove = prop_oneof![Just(0), Just(1), Just(2), Just(usize::MAX)];
    (any::<Index>(), remove, select(insert.to_vec())).prop_map(|(at, remove, insert)| Damage { at, remove, insert })
}

impl Damage {
    fn inflict_on(&self, text: &str) -> String {
        let mut characters: Vec<char> = text.chars().collect();
        let from = self.at.index(characters.len() + 1);
        let to = from.saturating_add(self.remove).min(characters.len());
        characters.splice(from..to, self.insert.chars());
        characters.into_iter().collect()
    }
}
