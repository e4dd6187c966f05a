//! Reads the texts in a Rust source.

use std::iter;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// Returns the string literals of a source, with the places of values as `{0}`, `{1}` …. Leaves out comments, tests, what
/// is logged, and what a failed `expect` says.
pub(crate) fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    collect(source.parse().unwrap(), &mut found);
    found
}

fn collect(tokens: TokenStream, found: &mut Vec<String>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) if !is_left_out(&tokens[..at], group) => collect(group.stream(), found),
            TokenTree::Literal(literal) => {
                if let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) {
                    found.push(numbered(&text.value()));
                }
            }
            _ => {}
        }
    }
}

fn is_left_out(before: &[TokenTree], group: &Group) -> bool {
    let names: Vec<_> = before.iter().rev().take(5).map(ToString::to_string).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let first = group.stream().into_iter().next().map(|token| token.to_string());
    let is_comment = group.delimiter() == Delimiter::Bracket && first.as_deref() == Some("doc");
    let is_test = matches!(names[..], ["tests", "mod", ..]);
    let is_logged = matches!(names[..], ["!", _, ":", ":", "tracing"]);
    is_comment || is_test || is_logged || names.first() == Some(&"expect")
}

/// The text with `{0}`, `{1}` … at the places of a format string.
fn numbered(text: &str) -> String {
    let mut parts = text.split('{');
    let first = parts.next().unwrap_or_default().to_owned();
    let places = parts.zip(0..).map(|(part, at): (&str, u32)| {
        let (_, rest) = part.split_once('}').unwrap_or(("", part));
        format!("{{{at}}}{rest}")
    });
    iter::once(first).chain(places).collect()
}
