//! The values of a template: what it declares in its head, and what a scenario gives.

use super::error::InputError;
use super::mistakes::Mistakes;
use super::names;
use super::strict::{self, Located, Pairs};
use crate::source::Source;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The head of a template: the YAML document before the first line `---`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TemplateHead")]
pub(super) struct Head {
    /// What the template creates, in one line.
    #[serde(rename = "summary", default)]
    _summary: String,
    /// The values that it takes, by name.
    values: Pairs<Declared>,
}

/// One value that a template takes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "TemplateValue")]
struct Declared {
    /// The type of the value.
    #[serde(rename = "type")]
    kind: Kind,
    /// Whether a list of such values is wanted.
    #[serde(default)]
    list: bool,
    /// Whether it may be left out; the template then sees `none`, or an empty list.
    #[serde(default)]
    optional: bool,
    /// The lowest integer allowed.
    min: Option<i64>,
    /// The highest integer allowed.
    max: Option<i64>,
    /// The only texts allowed.
    #[serde(default)]
    choices: Vec<String>,
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TemplateValueType")]
enum Kind {
    /// Any text.
    String,
    /// The name of a Kubernetes object.
    Name,
    /// An interface name.
    Interface,
    /// An integer.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// An IP address.
    Ip,
    /// An address with prefix length.
    Address,
    /// A network without host bits.
    Network,
    /// Any mapping, list or scalar: free data, still inserted as data alone.
    Any,
}

/// What a template declares.
#[derive(Debug)]
pub(super) struct Declaration(Vec<(String, Declared)>);

/// Splits a template into head and body. Gives the declaration, the body, and the body's first line (from 1).
pub(super) fn split<'a>(file: &str, text: &'a str) -> Result<(Declaration, &'a str, usize), InputError> {
    let Some(at) = text.find("\n---\n") else {
        return Err(InputError::file(file, "no head")
            .help("a template begins with `values:` and ends its head with a line `---`"));
    };
    let head: Head = strict::read(file, &text[..=at])?;
    let declared = head.values.0.into_iter().map(|(name, declared)| (name.value, declared)).collect();
    let body = &text[at + 5..];
    Ok((Declaration(declared), body, text[..at + 5].matches('\n').count() + 1))
}

impl Declaration {
    /// Names declared.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Checks the values given by an entry of a scenario, and fills in those left out.
    /// `at` is the entry's place, `field` the path to its values.
    pub fn check(
        &self,
        given: &Pairs<Located<Value>>,
        mistakes: &Mistakes<'_>,
        at: &Source,
        field: &str,
    ) -> Result<Map<String, Value>, Vec<InputError>> {
        let mut errors = Vec::new();
        let mut checked = Map::new();
        for (name, value) in &given.0 {
            let place = mistakes.source(name);
            let field = format!("{field}.{}", name.value);
            let Some((_, declared)) = self.0.iter().find(|(known, _)| *known == name.value) else {
                let error = InputError::new(place, field, "the template takes no such value");
                let known = || format!("it takes: {}", self.names().collect::<Vec<_>>().join(", "));
                errors.push(error.suggest(&name.value, self.names()).or_help(known));
                continue;
            };
            // A case of a matrix leaves a value out with `none`.
            if declared.optional && value.value.is_null() {
                continue;
            }
            match declared.value(&value.value) {
                Ok(value) => {
                    checked.insert(name.value.clone(), value);
                }
                Err(message) => errors.push(InputError::new(mistakes.source(value), field, message)),
            }
        }
        for (name, declared) in &self.0 {
            let is_wrong = |(given, value): &(Located<String>, Located<Value>)| {
                given.value == *name && !(declared.optional && value.value.is_null())
            };
            if checked.contains_key(name) || given.0.iter().any(is_wrong) {
                continue;
            }
            if declared.optional {
                checked.insert(name.clone(), if declared.list { Value::Array(Vec::new()) } else { Value::Null });
            } else {
                let message = "is missing: the template needs it";
                errors.push(InputError::new(at.clone(), format!("{field}.{name}"), message));
            }
        }
        if errors.is_empty() { Ok(checked) } else { Err(errors) }
    }
}

impl Declared {
    fn value(&self, value: &Value) -> Result<Value, String> {
        if !self.list {
            return self.one(value);
        }
        match value {
            Value::Array(items) => {
                items.iter().map(|item| self.one(item)).collect::<Result<Vec<_>, _>>().map(Value::Array)
            }
            other => Err(format!("is {other}; expected a list")),
        }
    }

    fn one(&self, value: &Value) -> Result<Value, String> {
        let text = || value.as_str().ok_or_else(|| format!("is {value}; expected a text"));
        match self.kind {
            Kind::Any => {}
            Kind::String => drop(text()?),
            Kind::Name => names::label(text()?)?,
            Kind::Interface => names::interface(text()?)?,
            Kind::Boolean if value.is_boolean() => {}
            Kind::Boolean => return Err(format!("is {value}; expected `true` or `false`")),
            Kind::Integer => {
                let number = value.as_i64().ok_or_else(|| format!("is {value}; expected an integer"))?;
                if self.min.is_some_and(|min| number < min) || self.max.is_some_and(|max| number > max) {
                    let bound = |bound: Option<i64>| bound.map_or_else(|| "any".to_owned(), |bound| bound.to_string());
                    return Err(format!("{number} is not within {} to {}", bound(self.min), bound(self.max)));
                }
            }
            Kind::Ip => drop(names::ip(text()?)?),
            Kind::Address => drop(names::pod_address(text()?)?),
            Kind::Network => match text()? {
                text if text.starts_with("default") => {
                    return Err(format!("`{text}` is no network; write `0.0.0.0/0` or `::/0`"));
                }
                text => drop(names::network(text)?),
            },
        }
        let is_choice = |text: &str| self.choices.iter().any(|choice| choice == text);
        match self.choices.is_empty() || is_choice(text()?) {
            true => Ok(value.clone()),
            false => Err(format!("`{}` is none of {}", text()?, self.choices.join(", "))),
        }
    }
}
