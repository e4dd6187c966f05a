//! Parses DynamoDB's expressions and PartiQL's writing statements. The parser replaces placeholders by names and
//! values, so its results no longer need the request.
//!
//! The grammar is what the functions send, and no more: a name, `AND`, `OR`, `NOT`, six comparisons, the two
//! `attribute_…exists`, `SET`, `REMOVE` and `ADD` of a value, `if_not_exists` of the attribute that is set, and in PartiQL
//! a `?` for every value. Everything else is refused, because no instrument may measure a request that was only half
//! understood.

use std::ops::Bound;

use serde_json::{Value, json};

use super::{Item, Refusal};

/// A condition on an item.
#[derive(Debug, PartialEq)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    /// An attribute, a sign, and what it is compared with.
    Compare(String, &'static str, Operand),
    Exists(String),
}

#[derive(Debug, PartialEq)]
pub(super) enum Operand {
    Attribute(String),
    Value(Value),
}

/// A part of a key condition: the key's value is between these bounds.
#[derive(Debug, PartialEq)]
pub(super) struct Range {
    pub(super) name: String,
    pub(super) low: Bound<Value>,
    pub(super) high: Bound<Value>,
}

/// One change to an item.
#[derive(Debug, PartialEq)]
pub(super) enum Action {
    Set(String, Value),
    /// Sets an attribute that does not exist yet.
    SetFirst(String, Value),
    Remove(String),
    Add(String, Value),
}

/// Parses an expression or a statement, from its beginning.
pub(super) struct Reader<'a> {
    tokens: Vec<Token>,
    at: usize,
    names: Option<&'a Item>,
    values: Option<&'a Item>,
    parameters: std::slice::Iter<'a, Value>,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// A name or a keyword, with the `#` or `:` before it.
    Word(String),
    /// A name in quotes, never a keyword.
    Quoted(String),
    Sign(&'static str),
}

const SIGNS: [&str; 13] = ["<>", "<=", ">=", "=", "<", ">", "(", ")", "{", "}", ",", "?", ":"];
const COMPARISONS: [&str; 6] = ["<>", "<=", ">=", "=", "<", ">"];

impl<'a> Reader<'a> {
    /// A parser of an expression, with the names and values of its request.
    pub(super) fn of_expression(text: &str, request: &'a Item) -> Result<Self, Refusal> {
        let of = |name| request.get(name).and_then(Value::as_object);
        let (names, values) = (of("ExpressionAttributeNames"), of("ExpressionAttributeValues"));
        Ok(Self { tokens: tokens(text)?, at: 0, names, values, parameters: [].iter() })
    }

    /// A parser of a PartiQL statement with its parameters.
    pub(super) fn of_statement(text: &str, parameters: &'a [Value]) -> Result<Self, Refusal> {
        Ok(Self { tokens: tokens(text)?, at: 0, names: None, values: None, parameters: parameters.iter() })
    }

    pub(super) fn condition(&mut self) -> Result<Condition, Refusal> {
        let mut any = vec![self.conjunction()?];
        while self.keyword("OR") {
            any.push(self.conjunction()?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Condition::Any(any) })
    }

    fn conjunction(&mut self) -> Result<Condition, Refusal> {
        let mut all = vec![self.negation()?];
        while self.keyword("AND") {
            all.push(self.negation()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Condition::All(all) })
    }

    fn negation(&mut self) -> Result<Condition, Refusal> {
        if self.keyword("NOT") {
            return Ok(Condition::Not(Box::new(self.negation()?)));
        }
        if self.sign("(") {
            let condition = self.condition()?;
            self.expect(")")?;
            return Ok(condition);
        }
        for (function, exists) in [("attribute_exists", true), ("attribute_not_exists", false)] {
            if self.keyword(function) {
                self.expect("(")?;
                let condition = Condition::Exists(self.name()?);
                self.expect(")")?;
                return Ok(if exists { condition } else { Condition::Not(Box::new(condition)) });
            }
        }
        let (name, sign) = (self.name()?, self.comparison()?);
        let operand = if self.is_value() { Operand::Value(self.value()?) } else { Operand::Attribute(self.name()?) };
        Ok(Condition::Compare(name, sign, operand))
    }

    fn comparison(&mut self) -> Result<&'static str, Refusal> {
        COMPARISONS.into_iter().find(|sign| self.sign(sign)).ok_or_else(|| self.unknown())
    }

    /// The parts of a key condition.
    pub(super) fn ranges(&mut self) -> Result<Vec<Range>, Refusal> {
        let mut ranges = Vec::new();
        while ranges.is_empty() || self.keyword("AND") {
            ranges.push(if self.keyword("begins_with") { self.prefix()? } else { self.range()? });
        }
        Ok(ranges)
    }

    fn range(&mut self) -> Result<Range, Refusal> {
        use Bound::{Excluded, Included, Unbounded};
        let name = self.name()?;
        let (low, high) = if self.keyword("BETWEEN") {
            let low = self.value()?;
            self.expect_keyword("AND")?;
            (Included(low), Included(self.value()?))
        } else {
            match (self.comparison()?, self.value()?) {
                ("=", value) => (Included(value.clone()), Included(value)),
                ("<=", value) => (Unbounded, Included(value)),
                (">=", value) => (Included(value), Unbounded),
                ("<", value) => (Unbounded, Excluded(value)),
                (">", value) => (Excluded(value), Unbounded),
                _ => return Err(self.unknown()),
            }
        };
        Ok(Range { name, low, high })
    }

    /// The rest of `begins_with(name, :text)`.
    fn prefix(&mut self) -> Result<Range, Refusal> {
        self.expect("(")?;
        let name = self.name()?;
        self.expect(",")?;
        let low = self.value()?;
        self.expect(")")?;
        let text = low["S"].as_str().ok_or_else(|| self.unknown())?;
        let high = Bound::Excluded(json!({"S": format!("{text}{}", char::MAX)}));
        Ok(Range { name, low: Bound::Included(low), high })
    }

    /// The changes of an `UpdateExpression`, or those between a PartiQL statement's table and its `WHERE`.
    pub(super) fn actions(&mut self) -> Result<Vec<Action>, Refusal> {
        let mut actions = Vec::new();
        loop {
            let clause = ["SET", "REMOVE", "ADD"].into_iter().find(|clause| self.keyword(clause));
            let Some(clause) = clause else { return Ok(actions) };
            loop {
                let name = self.name()?;
                actions.push(match clause {
                    "SET" => {
                        self.expect("=")?;
                        if self.keyword("if_not_exists") { self.first(name)? } else { Action::Set(name, self.value()?) }
                    }
                    "REMOVE" => Action::Remove(name),
                    _ => Action::Add(name, self.value()?),
                });
                if !self.sign(",") {
                    break;
                }
            }
        }
    }

    /// The rest of `if_not_exists(name, :value)`.
    fn first(&mut self, name: String) -> Result<Action, Refusal> {
        self.expect("(")?;
        if self.name()? != name {
            return Err(self.unknown());
        }
        self.expect(",")?;
        let action = Action::SetFirst(name, self.value()?);
        self.expect(")")?;
        Ok(action)
    }

    /// A list of names.
    pub(super) fn names(&mut self) -> Result<Vec<String>, Refusal> {
        let mut names = vec![self.name()?];
        while self.sign(",") {
            names.push(self.name()?);
        }
        Ok(names)
    }

    fn is_value(&self) -> bool {
        match self.tokens.get(self.at) {
            Some(Token::Word(word)) => word.starts_with(':'),
            other => other == Some(&Token::Sign("?")),
        }
    }

    /// A value from the request: `:name` in an expression, `?` in a statement.
    pub(super) fn value(&mut self) -> Result<Value, Refusal> {
        let value = match self.tokens.get(self.at) {
            Some(Token::Word(word)) if word.starts_with(':') => self.values.and_then(|values| values.get(word)),
            Some(Token::Sign("?")) => self.parameters.next(),
            _ => None,
        };
        let value = value.cloned().ok_or_else(|| self.unknown())?;
        self.at += 1;
        Ok(value)
    }

    /// A PartiQL tuple: `{'name': ?, …}`.
    pub(super) fn map(&mut self) -> Result<Item, Refusal> {
        self.expect("{")?;
        let mut map = Item::new();
        while map.is_empty() || self.sign(",") {
            let name = self.name()?;
            self.expect(":")?;
            map.insert(name, self.value()?);
        }
        self.expect("}")?;
        Ok(map)
    }

    /// The name of an attribute or a table, or a path whose parts may be placeholders.
    pub(super) fn name(&mut self) -> Result<String, Refusal> {
        let named = |part: &str| self.names.and_then(|names| names.get(part)?.as_str()).map(str::to_owned);
        let part = |part: &str| if part.starts_with('#') { named(part) } else { Some(part.to_owned()) };
        let name = match self.tokens.get(self.at) {
            Some(Token::Quoted(name)) => Some(name.clone()),
            Some(Token::Word(word)) if !word.starts_with(':') => {
                word.split('.').map(part).collect::<Option<Vec<_>>>().map(|parts| parts.join("."))
            }
            _ => None,
        };
        let name = name.ok_or_else(|| self.unknown())?;
        self.at += 1;
        Ok(name)
    }

    pub(super) fn keyword(&mut self, keyword: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect_keyword(&mut self, keyword: &str) -> Result<(), Refusal> {
        if self.keyword(keyword) { Ok(()) } else { Err(self.unknown()) }
    }

    /// Fails unless the text ends here, and every parameter was used.
    pub(super) fn end(&self) -> Result<(), Refusal> {
        if self.at == self.tokens.len() && self.parameters.len() == 0 { Ok(()) } else { Err(self.unknown()) }
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, sign: &str) -> Result<(), Refusal> {
        if self.sign(sign) { Ok(()) } else { Err(self.unknown()) }
    }

    fn unknown(&self) -> Refusal {
        Refusal::invalid(format!("token {} of {:?} is not known here", self.at, self.tokens))
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, Refusal> {
    let (mut tokens, mut rest) = (Vec::new(), text.trim_start());
    while let Some(first) = rest.chars().next() {
        // A path into a map is a name with dots.
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '#');
        let (token, length) = if first == '\'' || first == '"' {
            let end = rest[1..].find(first).ok_or_else(|| Refusal::invalid(format!("no end of {rest}")))?;
            (Token::Quoted(rest[1..=end].to_owned()), end + 2)
        } else if is_name(first) || (matches!(first, '#' | ':') && rest[1..].starts_with(is_name)) {
            let end = rest[1..].find(|c| !is_name(c)).map_or(rest.len(), |end| end + 1);
            (Token::Word(rest[..end].to_owned()), end)
        } else {
            let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
            let sign = sign.ok_or_else(|| Refusal::invalid(format!("{rest} is not known here")))?;
            (Token::Sign(sign), sign.len())
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}
