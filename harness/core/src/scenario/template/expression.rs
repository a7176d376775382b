//! Expressions of templates within texts of a scenario file: `{{ main.type }}`.

use super::{FUEL, encode};
use minijinja::value::Serde;
use minijinja::{Environment, Error, UndefinedBehavior, Value as Inner};
use serde_json::{Map, Value};

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

/// Evaluates expressions over some values, with the rules of templates.
pub(in crate::scenario) struct Evaluator {
    environment: Environment<'static>,
    context: Inner,
}

impl Evaluator {
    /// Over these values, by name.
    pub fn new(values: &Map<String, Value>) -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        Self { environment, context: Inner::from(Serde(values)) }
    }

    /// The value of an expression; none if it is undefined.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn evaluate(&self, expression: &str) -> Result<Option<Value>, String> {
        let explain = |error: &Error| match error.detail() {
            Some(detail) => format!("`{expression}`: {}: {detail}", error.kind()),
            None => format!("`{expression}`: {}", error.kind()),
        };
        let compiled = self.environment.compile_expression(expression).map_err(|error| explain(&error))?;
        let value = compiled.eval(self.context.clone()).map_err(|error| explain(&error))?;
        if value.is_undefined() {
            return Ok(None);
        }
        serde_json::to_value(&value).map(Some).map_err(|error| format!("`{expression}`: {error}"))
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
    fn wrong_expressions_are_errors() {
        for expression in ["", "main.", "x.y", "x == 1", "n + 'a'", "range(100000)|list|map('string')|join", "'a' * 10"]
        {
            assert!(!matches!(value(expression), Ok(Some(Value::Object(_)))), "{expression}");
        }
        assert!(value("x.y").is_err());
        assert!(value("main.").is_err());
    }
}
