//! Why a text has no canonical form, in words for its sender. The parser's own words, about lines, columns and Rust's
//! types, are never shown.

use std::fmt;

/// Why a text has no canonical form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An invisible character that is not JSON; some editors and languages write it at the beginning of a file.
    #[error("it begins with a byte order mark (U+FEFF): send it as UTF-8 without one")]
    ByteOrderMark,
    /// The text breaks JSON's grammar.
    #[error("not valid JSON: {problem}, at {place}")]
    Syntax {
        /// The problem, and in most cases what is right instead.
        problem: &'static str,
        /// The place of the problem.
        place: Place,
    },
    /// JavaScript would read this number as infinity and write it as `null`. The place is in the number or just after
    /// it.
    #[error("the number at {0} does not fit a double (at most 1.8e308): send it as a string")]
    NumberOutOfRange(Place),
    /// No UTF-8 text can hold the character of this escape. The place is just after the escape.
    #[error("the \\u escape at {0} is half of a surrogate pair: send the whole character, or U+FFFD")]
    LoneSurrogate(Place),
    /// The limit keeps a hostile payload from using up the stack of this service or of the receiver.
    #[error("arrays and objects nest more than 127 deep at {0}: send a flatter payload")]
    TooDeep(Place),
}

/// A place in a text: the character's number, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(pub usize);

/// How each of the parser's messages begins, and our own sentence for it.
const PROBLEMS: &[(&str, &str)] = &[
    ("EOF", "it ends too early"),
    ("expected `:`", "a colon must stand between a name and its value"),
    ("expected `,` or `]`", "a comma or a ] must come next"),
    ("expected `,` or `}`", "a comma or a } must come next"),
    ("key must be a string", "a name in double quotes must come next"),
    (
        "expected value",
        "a value must come next: an object, an array, a string in double quotes, a number, true, false or null",
    ),
    ("expected ident", "the only words of JSON are true, false and null"),
    ("invalid escape", "JSON has no such escape"),
    ("invalid number", "JSON writes numbers like -12, 0.5 and 1e9"),
    ("control character", "a control character in a string must be escaped, a tab as \\t"),
    ("trailing comma", "no comma may stand before a ] or a }"),
    ("trailing characters", "something follows after its end"),
];

impl Error {
    /// Converts the parser's error. `serde_json` distinguishes its errors only by their text, which it
    /// may change. The tests below check each sentence; an unknown one gets a sentence that is always true.
    pub(super) fn from_parser(text: &str, error: &serde_json::Error) -> Self {
        let message = error.to_string();
        let says = |sentence| message.starts_with(sentence);
        let place = Place::new(text, error.line(), error.column());
        if says("number out of range") {
            Self::NumberOutOfRange(place)
        } else if says("lone leading surrogate") || says("unexpected end of hex escape") {
            Self::LoneSurrogate(place)
        } else if says("recursion limit exceeded") {
            Self::TooDeep(place)
        } else {
            let known = PROBLEMS.iter().find(|(sentence, _)| says(sentence));
            Self::Syntax { problem: known.map_or("it breaks the rules of JSON", |(_, problem)| problem), place }
        }
    }
}

impl Place {
    /// The place for a line and the column of a byte in it, both counted from 1.
    fn new(text: &str, line: usize, column: usize) -> Self {
        let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let end = text.ceil_char_boundary(start + column);
        Self(text[..end].chars().count())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "character {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::parse, *};

    #[test]
    fn a_number_beyond_the_doubles_is_out_of_range() {
        for number in ["1e400", "-1e400", "1e99999999999"] {
            let result = parse(number);
            assert!(matches!(result, Err(Error::NumberOutOfRange(_))), "{number}: {result:?}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_named_as_such() {
        for text in [r#""\ud83d""#, r#""\ud83d\n""#, r#""\ud83d\u0041""#, r#""\ude00""#] {
            let result = parse(text);
            assert!(matches!(result, Err(Error::LoneSurrogate(_))), "{text}: {result:?}");
        }
    }

    #[test]
    fn nesting_ends_at_127() {
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(parse(&nested(127)).unwrap().to_string(), nested(127));
        assert_eq!(parse(&nested(128)), Err(Error::TooDeep(Place(128))));
    }

    #[test]
    fn a_byte_order_mark_is_named() {
        assert_eq!(parse("\u{feff}{}"), Err(Error::ByteOrderMark));
    }

    #[test]
    fn each_breach_of_the_grammar_is_named_with_its_place_and_in_our_words() {
        for (text, reason) in [
            ("", "it ends too early, at character 0"),
            ("[1,", "it ends too early, at character 3"),
            ("{\"a\":", "it ends too early, at character 5"),
            ("\"é", "it ends too early, at character 2"),
            ("{\"a\" 1}", "a colon must stand between a name and its value, at character 6"),
            ("[1 2]", "a comma or a ] must come next, at character 4"),
            ("{\"a\":1 \"b\":2}", "a comma or a } must come next, at character 8"),
            ("{a:1}", "a name in double quotes must come next, at character 2"),
            ("{'a':1}", "a name in double quotes must come next, at character 2"),
            ("[nil]", "the only words of JSON are true, false and null, at character 3"),
            ("\"\\x\"", "JSON has no such escape, at character 3"),
            ("[01]", "JSON writes numbers like -12, 0.5 and 1e9, at character 3"),
            ("\"é\n\"", "a control character in a string must be escaped, a tab as \\t, at character 3"),
            ("[\"é\",\r\n1,]", "no comma may stand before a ] or a }, at character 10"),
            ("{}\n{}", "something follows after its end, at character 4"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), format!("not valid JSON: {reason}"), "{text}");
        }
        for text in ["NaN", "undefined", "<p>", "acct=1"] {
            let reason = parse(text).unwrap_err().to_string();
            assert!(reason.starts_with("not valid JSON: a value must come next: an object, an array, "), "{reason}");
        }
    }
}
