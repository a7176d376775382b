//! The text of a case: the scenario file's text with the value of each placeholder in its place, line by line the same.

use super::{CASE, Case};
use crate::scenario::error::InputError;
use crate::scenario::file_text::FileText;
use crate::scenario::loader::MAX_FILE_BYTES;
use crate::scenario::node::{Data, Node, Position};
use crate::scenario::places::{Edit, Places};
use crate::scenario::template::{Evaluator, Piece, scalar, split};
use crate::source::Source;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What begins a placeholder.
const PLACEHOLDER: &str = "{{";

/// The text of a case.
#[derive(Debug)]
pub(in crate::scenario) struct CaseText {
    /// The text.
    pub text: String,
    /// Where its parts were written.
    pub places: Places,
}

impl CaseText {
    /// Replaces the placeholders of a scenario file's text.
    ///
    /// # Errors
    /// Every placeholder that can't be replaced.
    pub fn of(path: &str, text: &str, case: Case<'_>) -> Result<Self, Vec<InputError>> {
        let mut scalars = Scalars { path, found: BTreeMap::new(), errors: Vec::new() };
        if let Data::Map(entries) = &case.matrix.tree.data {
            for (key, at, node) in entries.iter().filter(|(key, ..)| key != "matrix") {
                scalars.collect(key, *at, node);
            }
        }
        let Scalars { found, mut errors, .. } = scalars;
        let evaluator = Evaluator::new(&case.context(path)?);
        let lines = FileText::new(text);
        let mut edits = Vec::new();
        let mut replaced = String::with_capacity(text.len());
        let mut rest = 0;
        for (at, (field, node)) in found {
            let edit = Written::of(&lines, node).and_then(|written| {
                let (new, origins) = case.replacement(node.text().unwrap_or_default(), &evaluator)?;
                Ok((written, new, origins))
            });
            match edit {
                Ok((written, new, origins)) => {
                    replaced.push_str(&text[rest..written.begin]);
                    replaced.push_str(&new);
                    rest = written.begin + written.raw.len();
                    let (old, new) = (written.raw.chars().count(), new.chars().count());
                    edits.push(Edit { at, old, new, origins });
                }
                Err(message) => errors.push(error(path, at, &field, message)),
            }
            if replaced.len() > MAX_FILE_BYTES {
                errors.push(InputError::file(path, format!("gives more than {MAX_FILE_BYTES} bytes")));
                break;
            }
        }
        replaced.push_str(&text[rest..]);
        if errors.is_empty() { Ok(Self { text: replaced, places: Places::new(edits) }) } else { Err(errors) }
    }
}

fn error(path: &str, at: Position, field: &str, message: impl Into<String>) -> InputError {
    InputError::new(Source { file: path.to_owned(), line: at.line, column: at.column }, field, message)
}

/// The scalars with placeholders, by place: an anchored one is found once, whatever stands for it elsewhere.
struct Scalars<'a> {
    path: &'a str,
    found: BTreeMap<Position, (String, &'a Node)>,
    errors: Vec<InputError>,
}

impl<'a> Scalars<'a> {
    fn collect(&mut self, field: &str, key_at: Position, node: &'a Node) {
        if field.contains(PLACEHOLDER) {
            self.errors.push(error(self.path, key_at, field, "a placeholder in a key; only values have placeholders"));
        }
        match &node.data {
            Data::Text(text) if text.contains(PLACEHOLDER) && field == "metadata.name" => {
                let message = "all cases have one name; `[CASE]` is added to it";
                self.errors.push(error(self.path, node.at, field, message));
            }
            Data::Text(text) if text.contains(PLACEHOLDER) && matches!(field, "apiVersion" | "kind") => {
                self.errors.push(error(self.path, node.at, field, "a placeholder is not allowed here"));
            }
            Data::Text(text) if text.contains(PLACEHOLDER) => {
                self.found.insert(node.at, (field.to_owned(), node));
            }
            Data::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.collect(&format!("{field}[{index}]"), item.at, item);
                }
            }
            Data::Map(entries) => {
                for (key, at, value) in entries {
                    self.collect(&format!("{field}.{key}"), *at, value);
                }
            }
            Data::Plain(_) | Data::Text(_) => {}
        }
    }
}

/// A scalar as it is written in the file.
struct Written<'a> {
    /// Its first byte.
    begin: usize,
    raw: &'a str,
}

impl<'a> Written<'a> {
    fn of(lines: &FileText<'a>, node: &Node) -> Result<Self, String> {
        if node.end.line != node.at.line {
            return Err("a placeholder in a text of more than one line".to_owned());
        }
        let (begin, rest) = lines.text_from(node.at);
        let end =
            rest.char_indices().nth(node.end.column.saturating_sub(node.at.column)).map_or(rest.len(), |(at, _)| at);
        let raw = rest[..end].trim_end();
        let is_quoted = |quote: char| raw.len() > 1 && raw.starts_with(quote) && raw.ends_with(quote);
        match is_quoted('"') || is_quoted('\'') || node.text() == Some(raw) {
            true => Ok(Self { begin, raw }),
            false => Err("a placeholder here can't be replaced; write the text in quotes".to_owned()),
        }
    }
}

impl Case<'_> {
    /// What expressions can use: each axis with its value, and `case` with the names. A value can use the axes before its own.
    fn context(&self, path: &str) -> Result<Map<String, Value>, Vec<InputError>> {
        let names: Map<_, _> = self.values().map(|(axis, name, _)| (axis.to_owned(), name.into())).collect();
        let mut context = Map::from_iter([(CASE.to_owned(), names.into())]);
        let mut errors = Vec::new();
        for (axis, name, value) in self.values() {
            let mut value = value.clone();
            if has_placeholder(&value) {
                let evaluator = Evaluator::new(&context);
                let mut fill = Fill { case: self, path, evaluator, errors: &mut errors };
                fill.value(&mut value, self.node(axis), &format!("matrix.axes.{axis}.{name}"));
            }
            context.insert(axis.to_owned(), value);
        }
        if errors.is_empty() { Ok(context) } else { Err(errors) }
    }

    /// What a text with placeholders becomes, as JSON on one line, and where its parts were written.
    fn replacement(&self, text: &str, evaluator: &Evaluator) -> Result<(String, Vec<(usize, Position)>), String> {
        let pieces = split(text)?;
        let mut out = Flow::default();
        if let [Piece::Expression(expression)] = pieces.as_slice() {
            let value = self.evaluate(expression, evaluator)?;
            out.write(&value, self.origin(expression))?;
            return Ok((out.text, out.origins));
        }
        out.write(&self.join(pieces, evaluator)?, None)?;
        Ok((out.text, Vec::new()))
    }

    /// The value of a text with placeholders.
    fn value_of(&self, text: &str, evaluator: &Evaluator) -> Result<Value, String> {
        let pieces = split(text)?;
        match pieces.as_slice() {
            [Piece::Expression(expression)] => self.evaluate(expression, evaluator),
            _ => self.join(pieces, evaluator),
        }
    }

    /// Texts and expressions as one text.
    fn join(&self, pieces: Vec<Piece<'_>>, evaluator: &Evaluator) -> Result<Value, String> {
        let mut joined = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => joined.push_str(text),
                Piece::Expression(expression) => match self.evaluate(expression, evaluator)? {
                    Value::String(text) => joined.push_str(&text),
                    value @ (Value::Number(_) | Value::Bool(_)) => joined.push_str(&value.to_string()),
                    _ => {
                        let what = "no text and no number, so it can't be part of a text";
                        return Err(format!("`{expression}` is {what}"));
                    }
                },
            }
        }
        Ok(Value::String(joined))
    }

    fn evaluate(&self, expression: &str, evaluator: &Evaluator) -> Result<Value, String> {
        let axes = || self.values().map(|(axis, ..)| format!("`{axis}`")).collect::<Vec<_>>().join(", ");
        let undefined =
            || format!("`{expression}` is undefined for case `{}`; there are {} and `{CASE}`", self.name(), axes());
        evaluator.evaluate(expression)?.ok_or_else(undefined)
    }

    /// Where the value of an expression was written, if it names an axis or a part of one: `main`, `main.mode`.
    fn origin(&self, expression: &str) -> Option<&Node> {
        let mut steps = expression.split('.');
        let axis = self.node(steps.next()?)?;
        steps.try_fold(axis, |node, step| node.get(step))
    }
}

fn has_placeholder(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(PLACEHOLDER),
        Value::Array(items) => items.iter().any(has_placeholder),
        Value::Object(map) => map.values().any(has_placeholder),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Replaces the placeholders within the value of an axis.
struct Fill<'a> {
    case: &'a Case<'a>,
    path: &'a str,
    /// Over the axes before.
    evaluator: Evaluator,
    errors: &'a mut Vec<InputError>,
}

impl Fill<'_> {
    fn value(&mut self, value: &mut Value, node: Option<&Node>, field: &str) {
        match value {
            Value::String(text) if text.contains(PLACEHOLDER) => match self.case.value_of(text, &self.evaluator) {
                Ok(found) => *value = found,
                Err(message) => {
                    let at = node.map(|node| node.at).unwrap_or_default();
                    self.errors.push(error(self.path, at, field, message));
                }
            },
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    let node = node.and_then(|node| node.items().get(index));
                    self.value(item, node, &format!("{field}[{index}]"));
                }
            }
            Value::Object(map) => {
                for (key, item) in map.iter_mut() {
                    let node = node.and_then(|node| node.get(key));
                    self.value(item, node, &format!("{field}.{key}"));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// A value in YAML's flow style on one line.
#[derive(Default)]
struct Flow {
    text: String,
    /// Characters written.
    length: usize,
    origins: Vec<(usize, Position)>,
}

impl Flow {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.length += text.chars().count();
    }

    fn write(&mut self, value: &Value, node: Option<&Node>) -> Result<(), String> {
        self.origins.extend(node.map(|node| (self.length, node.at)));
        match value {
            Value::Array(items) => {
                self.push("[");
                for (index, item) in items.iter().enumerate() {
                    self.push(if index > 0 { ", " } else { "" });
                    self.write(item, node.and_then(|node| node.items().get(index)))?;
                }
                self.push("]");
            }
            Value::Object(map) => {
                self.push("{");
                for (index, (key, value)) in map.iter().enumerate() {
                    self.push(if index > 0 { ", " } else { "" });
                    let entries = node.map(|node| match &node.data {
                        Data::Map(entries) => entries.as_slice(),
                        _ => &[],
                    });
                    let entry = entries.and_then(|entries| entries.iter().find(|(name, ..)| name == key));
                    self.origins.extend(entry.map(|(_, at, _)| (self.length, *at)));
                    self.push(&scalar(&Value::String(key.clone()))?);
                    self.push(": ");
                    self.write(value, entry.map(|(_, _, node)| node))?;
                }
                self.push("}");
            }
            plain => self.push(&scalar(plain)?),
        }
        Ok(())
    }
}
