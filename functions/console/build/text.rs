//! Converts texts and examples of `openapi.yaml` to HTML and JSON.

use pulldown_cmark::{Event, Parser, Tag, TagEnd, html::push_html};
use saphyr::{Scalar, Yaml};

/// Escapes a text for use between tags or in an attribute.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Converts Markdown to HTML. Code blocks get a tab stop, so that one that is wider than the page can be scrolled by
/// keyboard.
pub(crate) fn html(markdown: &str) -> String {
    let mut html = String::new();
    push_html(&mut html, Parser::new(markdown));
    html.replace("<pre>", "<pre tabindex=\"0\">")
}

/// Converts a Markdown text of one paragraph to HTML, without the paragraph's tags.
pub(crate) fn inline_html(markdown: &str) -> String {
    let is_frame = |event: &Event| matches!(event, Event::Start(Tag::Paragraph) | Event::End(TagEnd::Paragraph));
    let mut html = String::new();
    push_html(&mut html, Parser::new(markdown).filter(|event| !is_frame(event)));
    html
}

/// A value as JSON. An object or array that is not empty takes several lines.
pub(crate) fn json(value: &Yaml, depth: usize) -> String {
    let (inner, outer) = ("  ".repeat(depth + 1), "  ".repeat(depth));
    let block = |open: char, parts: Vec<String>, close: char| match parts.as_slice() {
        [] => format!("{open}{close}"),
        parts => format!("{open}\n{inner}{}\n{outer}{close}", parts.join(&format!(",\n{inner}"))),
    };
    match value {
        Yaml::Mapping(members) => {
            let member = |(name, value)| format!("{}: {}", json(name, 0), json(value, depth + 1));
            block('{', members.iter().map(member).collect(), '}')
        }
        Yaml::Sequence(items) => block('[', items.iter().map(|item| json(item, depth + 1)).collect(), ']'),
        Yaml::Value(Scalar::String(text)) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        Yaml::Value(Scalar::Null) => "null".to_owned(),
        Yaml::Value(Scalar::Boolean(value)) => value.to_string(),
        Yaml::Value(Scalar::Integer(value)) => value.to_string(),
        Yaml::Value(Scalar::FloatingPoint(value)) => value.to_string(),
        other => panic!("no JSON: {other:?}"),
    }
}
