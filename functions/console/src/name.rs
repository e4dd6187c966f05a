//! The name that the console has for its users.

use std::str::FromStr;

/// The longest name, in characters. A longer one has no place on a phone.
const MAX_CHARACTERS: usize = 40;

/// The operator's name for the console, instead of the product's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    /// Returns the name for use between tags or in an attribute.
    pub(crate) fn escaped(&self) -> String {
        self.0.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
    }
}

impl FromStr for Name {
    type Err = String;

    /// Parses 1 to 40 characters, with no space at either end and no control character.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let length = text.chars().count();
        let is_trimmed = text.trim() == text;
        if (1..=MAX_CHARACTERS).contains(&length) && is_trimmed && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("expected 1 to {MAX_CHARACTERS} characters, with no space at either end and no line break"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_short_line() {
        for right in ["a", "Acme Webhooks", "日本 <webhooks> & more", &"é".repeat(40)] {
            assert!(right.parse::<Name>().is_ok(), "{right}");
        }
        for wrong in ["", " ", " Acme", "Acme ", "Acme\nWebhooks", "Acme\u{7f}", "\0", &"a".repeat(41)] {
            assert!(wrong.parse::<Name>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_name_cannot_leave_the_text_or_attribute_that_it_is_in() {
        let name: Name = "</title>\"><script> & 'x'".parse().unwrap();
        assert_eq!(name.escaped(), "&lt;/title&gt;&quot;&gt;&lt;script&gt; &amp; 'x'");
    }
}
