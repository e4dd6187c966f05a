//! Characters of customers' texts that terminals and pages obey instead of showing.

/// Whether a terminal or a page obeys this character instead of showing it: it moves the cursor, or changes the order in which
/// the text around it is shown. Line breaks and tabs are among them.
///
/// The latter are the [directional formatting characters](https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters)
/// and the line and paragraph separators.
pub fn is_obeyed(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
