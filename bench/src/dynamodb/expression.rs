//! Parses DynamoDB's expressions and PartiQL's writing statements: one grammar of conditions and changes for both.
//! The parser replaces placeholders by names and values, so its results no longer need the request.
//!
//! It refuses everything that it does not know, as DynamoDB does: no instrument may measure a request that was only
//! half understood.

use serde_json::Value;

use super::{Item, Refusal};

/// A condition on an item.
#[derive(Debug, PartialEq)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Compare(Operand, &'static str, Operand),
    Between(Operand, Operand, Operand),
    Exists(String),
    BeginsWith(Operand, Operand),
}

/// One side of a comparison, or the value of a SET.
#[derive(Debug, PartialEq)]
pub(super) enum Operand {
    Attribute(String),
    Value(Value),
    Plus(Box<Operand>, Box<Operand>),
    Minus(Box<Operand>, Box<Operand>),
    IfNotExists(String, Box<Operand>),
    ListAppend(Box<Operand>, Box<Operand>),
    Size(String),
}

/// One change to an item.
#[derive(Debug, PartialEq)]
pub(super) enum Action {
    Set(String, Operand),
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
    /// A name in double quotes, never a keyword.
    Quoted(String),
    /// A text in single quotes.
    Text(String),
    Sign(&'static str),
}

const SIGNS: [&str; 18] =
    ["<>", "<=", ">=", "!=", "=", "<", ">", "(", ")", "[", "]", "{", "}", ",", "+", "-", "?", ":"];
const COMPARISONS: [&str; 7] = ["=", "<>", "!=", "<=", ">=", "<", ">"];

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
        let first = self.conjunction()?;
        let mut any = vec![first];
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
            if self.function(function) {
                let condition = Condition::Exists(self.name()?);
                self.expect(")")?;
                return Ok(if exists { condition } else { Condition::Not(Box::new(condition)) });
            }
        }
        if self.function("begins_with") {
            let text = self.operand()?;
            self.expect(",")?;
            let beginning = self.operand()?;
            self.expect(")")?;
            return Ok(Condition::BeginsWith(text, beginning));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Condition, Refusal> {
        let left = self.operand()?;
        if self.keyword("BETWEEN") {
            let low = self.operand()?;
            self.expect_keyword("AND")?;
            return Ok(Condition::Between(left, low, self.operand()?));
        }
        if self.keyword("IN") {
            let (open, close) = if self.sign("[") { ("[", "]") } else { ("(", ")") };
            if open == "(" {
                self.expect("(")?;
            }
            let Operand::Attribute(name) = left else { return Err(self.unknown()) };
            let mut any = Vec::new();
            loop {
                any.push(Condition::Compare(Operand::Attribute(name.clone()), "=", self.operand()?));
                if !self.sign(",") {
                    break;
                }
            }
            self.expect(close)?;
            return Ok(Condition::Any(any));
        }
        if self.keyword("IS") {
            let exists = self.keyword("NOT");
            self.expect_keyword("MISSING")?;
            let Operand::Attribute(name) = left else { return Err(self.unknown()) };
            let condition = Condition::Exists(name);
            return Ok(if exists { condition } else { Condition::Not(Box::new(condition)) });
        }
        let sign = COMPARISONS.into_iter().find(|sign| self.sign(sign)).ok_or_else(|| self.unknown())?;
        Ok(Condition::Compare(left, if sign == "!=" { "<>" } else { sign }, self.operand()?))
    }

    pub(super) fn operand(&mut self) -> Result<Operand, Refusal> {
        let mut operand = self.term()?;
        loop {
            operand = if self.sign("+") {
                Operand::Plus(operand.into(), self.term()?.into())
            } else if self.sign("-") {
                Operand::Minus(operand.into(), self.term()?.into())
            } else {
                return Ok(operand);
            };
        }
    }

    fn term(&mut self) -> Result<Operand, Refusal> {
        if self.function("if_not_exists") {
            let name = self.name()?;
            self.expect(",")?;
            let otherwise = self.operand()?;
            self.expect(")")?;
            return Ok(Operand::IfNotExists(name, otherwise.into()));
        }
        if self.function("list_append") {
            let first = self.operand()?;
            self.expect(",")?;
            let second = self.operand()?;
            self.expect(")")?;
            return Ok(Operand::ListAppend(first.into(), second.into()));
        }
        if self.function("size") {
            let name = self.name()?;
            self.expect(")")?;
            return Ok(Operand::Size(name));
        }
        if let Some(value) = self.value()? {
            return Ok(Operand::Value(value));
        }
        self.name().map(Operand::Attribute)
    }

    /// The changes of an `UpdateExpression`, or those between a PartiQL statement's `SET` and its `WHERE`.
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
                        Action::Set(name, self.operand()?)
                    }
                    "REMOVE" => Action::Remove(name),
                    _ => Action::Add(name, self.value()?.ok_or_else(|| self.unknown())?),
                });
                if !self.sign(",") {
                    break;
                }
            }
        }
    }

    /// A list of names, up to the end of the text.
    pub(super) fn names(&mut self) -> Result<Vec<String>, Refusal> {
        let mut names = vec![self.name()?];
        while self.sign(",") {
            names.push(self.name()?);
        }
        self.end()?;
        Ok(names)
    }

    /// A value from the request or a literal of the statement; `None` if the next token is not a value.
    pub(super) fn value(&mut self) -> Result<Option<Value>, Refusal> {
        let Some(token) = self.tokens.get(self.at).cloned() else { return Err(self.unknown()) };
        let value = match token {
            Token::Word(word) if word.starts_with(':') => {
                let values = self.values.and_then(|values| values.get(&word)).cloned();
                values.ok_or_else(|| Refusal::invalid(format!("{word} has no value")))?
            }
            Token::Word(word) if word.starts_with(|first: char| first.is_ascii_digit()) => {
                serde_json::json!({"N": word})
            }
            Token::Word(word) if word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false") => {
                serde_json::json!({"BOOL": word.eq_ignore_ascii_case("true")})
            }
            Token::Text(text) => serde_json::json!({"S": text}),
            Token::Sign("?") => {
                self.parameters.next().cloned().ok_or_else(|| Refusal::invalid("a parameter is missing"))?
            }
            Token::Sign("[") => return self.list().map(Some),
            Token::Sign("{") => return self.map().map(|map| Some(serde_json::json!({"M": map}))),
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(value))
    }

    fn list(&mut self) -> Result<Value, Refusal> {
        self.expect("[")?;
        let mut list = Vec::new();
        while !self.sign("]") {
            list.push(self.value()?.ok_or_else(|| self.unknown())?);
            self.sign(",");
        }
        Ok(serde_json::json!({"L": list}))
    }

    /// A PartiQL tuple: `{'name': value, …}`.
    pub(super) fn map(&mut self) -> Result<Item, Refusal> {
        self.expect("{")?;
        let mut map = Item::new();
        while !self.sign("}") {
            let Some(Token::Text(name) | Token::Quoted(name)) = self.tokens.get(self.at).cloned() else {
                return Err(self.unknown());
            };
            self.at += 1;
            self.expect(":")?;
            map.insert(name, self.value()?.ok_or_else(|| self.unknown())?);
            self.sign(",");
        }
        Ok(map)
    }

    /// The name of an attribute or a table.
    pub(super) fn name(&mut self) -> Result<String, Refusal> {
        let name = match self.tokens.get(self.at) {
            Some(Token::Quoted(name)) => name.clone(),
            Some(Token::Word(word)) if word.starts_with('#') => {
                let name = self.names.and_then(|names| names.get(word)).and_then(Value::as_str);
                name.ok_or_else(|| Refusal::invalid(format!("{word} has no name")))?.to_owned()
            }
            Some(Token::Word(word)) if !word.starts_with(':') => word.clone(),
            _ => return Err(self.unknown()),
        };
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

    /// Fails unless the text ends here.
    pub(super) fn end(&self) -> Result<(), Refusal> {
        if self.at == self.tokens.len() { Ok(()) } else { Err(self.unknown()) }
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(found);
        found
    }

    fn function(&mut self, function: &str) -> bool {
        let is_call = matches!(self.tokens.get(self.at + 1), Some(Token::Sign("(")));
        let found = is_call && self.keyword(function);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), Refusal> {
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
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
        let (token, length) = if first == '\'' || first == '"' {
            let end = rest[1..].find(first).ok_or_else(|| Refusal::invalid(format!("no end of {rest}")))?;
            let inner = rest[1..=end].to_owned();
            (if first == '"' { Token::Quoted(inner) } else { Token::Text(inner) }, end + 2)
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
