//! Expressions of templates within texts of a scenario file: `{{ main.type }}`.

use super::{FUEL, encode};
use minijinja::value::{Serde, ValueKind};
use minijinja::{Environment, Error, UndefinedBehavior, Value as Inner, filters, tests as conditions};
use serde_json::{Map, Value};

/// Longest expression, in bytes.
const MAX_EXPRESSION: usize = 500;
/// Most values within the value of an expression.
const MAX_VALUES: usize = 5_000;
/// Longest text in the value of an expression, in bytes: all its texts and keys together.
const MAX_TEXT: usize = 64 * 1024;
/// Most levels of lists and mappings in the value of an expression.
const MAX_DEPTH: usize = 64;
/// The message for a value beyond these bounds.
const TOO_LARGE: &str = "its value is too large";

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scenario) enum Piece<'a> {
    /// Text as it is.
    Text(&'a str),
    /// What stands between `{{` and `}}`, without blanks around it.
    Expression(&'a str),
}

/// Splits a text into what is text and what are expressions.
///
/// # Errors
/// What is wrong with it: a `{{` without its `}}`, or a statement.
pub(in crate::scenario) fn split(text: &str) -> Result<Vec<Piece<'_>>, String> {
    if text.contains("{%") || text.contains("{#") {
        return Err("`{%` and `{#` belong in templates; here only `{{ EXPRESSION }}` is replaced".to_owned());
    }
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find("{{") {
        if begin > 0 {
            pieces.push(Piece::Text(&rest[..begin]));
        }
        let inner = &rest[begin + 2..];
        let end = find_end(inner).ok_or_else(|| "`{{` without its `}}`".to_owned())?;
        pieces.push(Piece::Expression(inner[..end].trim()));
        rest = &inner[end + 2..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

/// Where the `}}` begins that ends an expression: those within its own texts and mappings don't.
fn find_end(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut open = 0_usize;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => drop(chars.next()),
            (Some(mark), _) if mark == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '{') => open += 1,
            (None, '}') if open > 0 => open -= 1,
            (None, '}') if text[at..].starts_with("}}") => return Some(at),
            (None, _) => {}
        }
    }
    None
}

/// Whether an expression multiplies: `*` stands outside of its texts.
fn multiplies(expression: &str) -> bool {
    let mut quote = None;
    let mut chars = expression.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => drop(chars.next()),
            (Some(mark), _) if mark == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '*') => return true,
            (None, _) => {}
        }
    }
    false
}

/// Evaluates expressions over some values, with the rules of templates. There are only the filter `default`, the tests
/// `none` and `defined`, and no function.
pub(in crate::scenario) struct Evaluator {
    environment: Environment<'static>,
    context: Inner,
}

impl Evaluator {
    /// Over these values, by name.
    pub fn new(values: &Map<String, Value>) -> Self {
        let mut environment = Environment::empty();
        environment.add_filter("default", filters::default);
        environment.add_test("none", conditions::is_none);
        environment.add_test("defined", conditions::is_defined);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        Self { environment, context: Inner::from(Serde(values)) }
    }

    /// The value of an expression; none if it is undefined.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn evaluate(&self, expression: &str) -> Result<Option<Value>, String> {
        if expression.len() > MAX_EXPRESSION {
            return Err(format!("an expression of more than {MAX_EXPRESSION} bytes"));
        }
        if multiplies(expression) {
            return Err(format!("`{expression}`: `*` is not allowed in expressions"));
        }
        let explain = |error: &Error| match error.detail() {
            Some(detail) => format!("`{expression}`: {}: {detail}", error.kind()),
            None => format!("`{expression}`: {}", error.kind()),
        };
        let compiled = self.environment.compile_expression(expression).map_err(|error| explain(&error))?;
        let value = compiled.eval(self.context.clone()).map_err(|error| explain(&error))?;
        if value.is_undefined() {
            return Ok(None);
        }
        let mut bounds = Bounds { values: MAX_VALUES, text: MAX_TEXT };
        bounds.convert(&value, MAX_DEPTH).map(Some).map_err(|why| format!("`{expression}`: {why}"))
    }
}

/// How much more the value of an expression may have.
struct Bounds {
    values: usize,
    text: usize,
}

impl Bounds {
    /// The value as JSON. Lists of expressions are lazy, so what is too large is never made.
    fn convert(&mut self, value: &Inner, depth: usize) -> Result<Value, String> {
        self.values = self.values.checked_sub(1).ok_or(TOO_LARGE)?;
        match value.kind() {
            ValueKind::Undefined | ValueKind::None => Ok(Value::Null),
            ValueKind::Bool | ValueKind::Number | ValueKind::Invalid => {
                serde_json::to_value(value).map_err(|error| error.to_string())
            }
            ValueKind::String => self.text_of(value).map(Value::String),
            ValueKind::Seq | ValueKind::Iterable => {
                let depth = depth.checked_sub(1).ok_or(TOO_LARGE)?;
                let items = value.try_iter().map_err(|error| error.to_string())?;
                items.map(|item| self.convert(&item, depth)).collect::<Result<_, _>>().map(Value::Array)
            }
            ValueKind::Map => {
                let depth = depth.checked_sub(1).ok_or(TOO_LARGE)?;
                let mut map = Map::new();
                for key in value.try_iter().map_err(|error| error.to_string())? {
                    let item = value.get_item(&key).map_err(|error| error.to_string())?;
                    let item = self.convert(&item, depth)?;
                    map.insert(self.key(&key)?, item);
                }
                Ok(Value::Object(map))
            }
            kind => Err(format!("its value is no data: {kind}")),
        }
    }

    fn text_of(&mut self, value: &Inner) -> Result<String, String> {
        let text = value.as_str().unwrap_or_default();
        self.text = self.text.checked_sub(text.len()).ok_or(TOO_LARGE)?;
        Ok(text.to_owned())
    }

    /// A key of a mapping: a text, or a number or boolean as text.
    fn key(&mut self, key: &Inner) -> Result<String, String> {
        match key.kind() {
            ValueKind::String => self.text_of(key),
            ValueKind::Bool | ValueKind::Number => Ok(key.to_string()),
            kind => Err(format!("a key is no text: {kind}")),
        }
    }
}

/// A scalar as it is written into YAML: JSON on one line.
pub(in crate::scenario) fn scalar(value: &Value) -> Result<String, String> {
    encode(&Inner::from(Serde(value))).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn value(expression: &str) -> Result<Option<Value>, String> {
        let Value::Object(values) = json!({ "main": { "type": "ptp", "keys": [1] }, "n": 3 }) else { unreachable!() };
        Evaluator::new(&values).evaluate(expression)
    }

    #[test]
    fn an_expression_ends_at_its_own_braces() {
        assert_eq!(split("{{ a }}"), Ok(vec![Piece::Expression("a")]));
        let text = "x{{ {'a': {'b': '}}'}} }}y{{b}}";
        let pieces =
            [Piece::Text("x"), Piece::Expression("{'a': {'b': '}}'}}"), Piece::Text("y"), Piece::Expression("b")];
        assert_eq!(split(text), Ok(pieces.to_vec()));
        assert!(split("{{ a").unwrap_err().contains("without"));
        assert!(split("{% if a %}").unwrap_err().contains("templates"));
    }

    #[test]
    fn values_keep_their_types() {
        assert_eq!(value("main"), Ok(Some(json!({ "type": "ptp", "keys": [1] }))));
        assert_eq!(value("main.keys + [n]"), Ok(Some(json!([1, 3]))));
        assert_eq!(value("n == 3"), Ok(Some(json!(true))));
        assert_eq!(value("none if n == 3 else 'a'"), Ok(Some(Value::Null)));
        assert_eq!(value("main.mode"), Ok(None));
    }

    #[test]
    fn an_expression_has_a_filter_and_two_tests() {
        assert_eq!(value("main.mode | default(none)"), Ok(Some(Value::Null)));
        assert_eq!(value("main.mode | default([])"), Ok(Some(json!([]))));
        assert_eq!(value("n is not none and main.mode is not defined"), Ok(Some(json!(true))));
        assert_eq!(value("[n, 4][1:]"), Ok(Some(json!([4]))));
        assert_eq!(value("{'a': {'b': n}}"), Ok(Some(json!({ "a": { "b": 3 } }))));
    }

    #[test]
    fn wrong_expressions_are_errors() {
        for expression in [
            "",
            "main.",
            "x.y",
            "x == 1",
            "n + 'a'",
            "range(100000)|list|map('string')|join",
            "range(3)",
            "n | string",
            "'a' * 10",
            "2 ** 3",
        ] {
            assert!(value(expression).is_err(), "{expression}");
        }
    }

    #[test]
    fn expressions_are_bounded() {
        let big: Vec<usize> = (0..3000).collect();
        let text = "x".repeat(MAX_TEXT / 2 + 1);
        let deep = (0..MAX_DEPTH).fold(json!(1), |inner, _| json!([inner]));
        let Value::Object(values) = json!({ "big": big, "text": text, "deep": deep }) else { unreachable!() };
        let evaluator = Evaluator::new(&values);
        let value = |expression: &str| evaluator.evaluate(expression);
        let refused = |expression: &str, why: &str| {
            let error = value(expression).unwrap_err();
            assert!(error.ends_with(why), "{error}");
        };
        assert!(value("big").is_ok() && value("text").is_ok() && value("deep").is_ok());
        for expression in ["big + big", "[[big, big]]", "{'a': big, 'b': big}", "text + text", "[text, text]", "[deep]"]
        {
            refused(expression, TOO_LARGE);
        }
        refused("'x' * 100", "`*` is not allowed in expressions");
        refused(&format!("'{}'", "x".repeat(600)), "more than 500 bytes");
        assert_eq!(value("'a*\\'*'"), Ok(Some(json!("a*'*"))));
    }
}
