//! Characters of customers' texts that terminals and pages obey instead of showing.

/// Whether a terminal or a page obeys this character instead of showing it. These are the control characters, line breaks and
/// tabs included, the line and paragraph separators, and the characters that change the order of the text around them
/// ([directional formatting characters](https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters)).
pub fn is_obeyed(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
