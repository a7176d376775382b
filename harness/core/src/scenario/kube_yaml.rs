//! The tolerant reader of users' Kubernetes YAML, over libyaml's events: what kubectl reads, this reads,
//! with the same meaning. Stricter than kubectl in this alone: a duplicate key, a custom tag,
//! and more than the limits below are refused. The only module that knows `libyaml-safer`.

use super::error::InputError;
use super::node::{Data, Node, Place};
use super::scalar;
use crate::source::Source;
use libyaml_safer::{Event, EventData, Mark, Parser, ScalarStyle};
use serde_json::Value;
use std::collections::HashMap;

/// Deepest nesting accepted. Kubernetes objects stay far below.
pub const MAX_DEPTH: usize = 64;
/// Most values accepted in one file, aliases counted with all that they stand for.
pub const MAX_NODES: usize = 50_000;
/// Most documents accepted in one file.
pub const MAX_DOCUMENTS: usize = 64;

/// Reads every document of a text; empty documents are left out, as kubectl does.
///
/// # Errors
/// The first thing that is wrong, with line and column.
pub fn read(file: &str, text: &str) -> Result<Vec<Node>, InputError> {
    let mut input = text.as_bytes();
    let mut parser = Parser::new();
    parser.set_input_string(&mut input);
    let mut composer = Composer { file, parser, anchors: HashMap::new(), nodes: 0 };
    let mut documents = Vec::new();
    loop {
        let event = composer.next()?;
        match event.data {
            EventData::StreamEnd => return Ok(documents),
            EventData::DocumentStart { .. } => {
                composer.anchors.clear();
                let first = composer.next()?;
                let node = composer.node(first, 0)?;
                if !matches!(node.data, Data::Plain(Value::Null)) {
                    documents.push(node);
                }
                if documents.len() > MAX_DOCUMENTS {
                    return Err(composer.error(event.start_mark, format!("more than {MAX_DOCUMENTS} documents")));
                }
            }
            _ => {}
        }
    }
}

/// What an anchor stands for: nothing yet while the anchored value itself is being read.
type Anchors = HashMap<String, Option<Node>>;

struct Composer<'a> {
    file: &'a str,
    parser: Parser<&'a mut &'a [u8]>,
    anchors: Anchors,
    nodes: usize,
}

impl Composer<'_> {
    fn error(&self, mark: Mark, message: impl Into<String>) -> InputError {
        let at = place(mark);
        let source = Source { file: self.file.to_owned(), line: at.line, column: at.column };
        InputError::new(source, "", message)
    }

    fn next(&mut self) -> Result<Event, InputError> {
        self.parser.parse().map_err(|error| match error.problem_mark() {
            Some(mark) => self.error(mark, format!("not YAML: {}", error.problem())),
            None => InputError::file(self.file, format!("not YAML: {error}")),
        })
    }

    /// Counts values, so that aliases can't blow a small file up.
    fn count(&mut self, added: usize, mark: Mark) -> Result<(), InputError> {
        self.nodes += added;
        if self.nodes > MAX_NODES {
            return Err(
                self.error(mark, format!("more than {MAX_NODES} values, aliases counted with what they stand for"))
            );
        }
        Ok(())
    }

    fn node(&mut self, event: Event, depth: usize) -> Result<Node, InputError> {
        let start = event.start_mark;
        if depth > MAX_DEPTH {
            return Err(self.error(start, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.count(1, start)?;
        let (anchor, node) = match event.data {
            EventData::Alias { anchor } => {
                let node = match self.anchors.get(&anchor) {
                    Some(Some(node)) => node.clone(),
                    Some(None) => {
                        return Err(self.error(start, format!("alias `*{anchor}` refers to the value that holds it")));
                    }
                    None => return Err(self.error(start, format!("alias `*{anchor}` has no anchor"))),
                };
                self.count(size(&node), start)?;
                return Ok(Node { at: place(start), end: place(event.end_mark), ..node });
            }
            EventData::Scalar { anchor, tag, value, style, .. } => {
                let data = self.scalar(tag.as_deref(), value, style, start)?;
                (anchor, Node { data, at: place(start), end: place(event.end_mark) })
            }
            EventData::SequenceStart { anchor, tag, .. } => {
                self.container_tag(tag.as_deref(), "tag:yaml.org,2002:seq", start)?;
                self.open(anchor.as_ref());
                let mut items = Vec::new();
                let end = loop {
                    let event = self.next()?;
                    if matches!(event.data, EventData::SequenceEnd) {
                        break event.end_mark;
                    }
                    items.push(self.node(event, depth + 1)?);
                };
                (anchor, Node { data: Data::List(items), at: place(start), end: place(end) })
            }
            EventData::MappingStart { anchor, tag, .. } => {
                self.container_tag(tag.as_deref(), "tag:yaml.org,2002:map", start)?;
                self.open(anchor.as_ref());
                let (entries, end) = self.mapping(depth)?;
                (anchor, Node { data: Data::Map(entries), at: place(start), end: place(end) })
            }
            _ => return Err(self.error(start, "a value was expected here")),
        };
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, Some(node.clone()));
        }
        Ok(node)
    }

    /// Marks an anchor as being read, so that an alias to it from inside is told apart.
    fn open(&mut self, anchor: Option<&String>) {
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor.clone(), None);
        }
    }

    #[expect(clippy::type_complexity, reason = "the entries of a mapping, as Data::Map holds them")]
    fn mapping(&mut self, depth: usize) -> Result<(Vec<(String, Place, Node)>, Mark), InputError> {
        let mut entries: Vec<(String, Place, Node)> = Vec::new();
        let mut merged: Vec<(String, Place, Node)> = Vec::new();
        loop {
            let event = self.next()?;
            if matches!(event.data, EventData::MappingEnd) {
                // Merged entries give way to those written out (YAML merge keys, as Go's reader has them).
                for entry in merged {
                    if !entries.iter().any(|(key, _, _)| *key == entry.0) {
                        entries.push(entry);
                    }
                }
                return Ok((entries, event.end_mark));
            }
            let mark = event.start_mark;
            let is_merge = matches!(&event.data, EventData::Scalar { value, style: ScalarStyle::Plain, tag: None, .. } if value == "<<");
            let key = self.node(event, depth + 1)?;
            let next = self.next()?;
            let value = self.node(next, depth + 1)?;
            if is_merge {
                self.merge(value, &mut merged, mark)?;
                continue;
            }
            let key = match key.data {
                Data::Text(text) => text,
                Data::Plain(Value::Null) => return Err(self.error(mark, "a key that is null")),
                Data::Plain(value) => value.to_string(),
                Data::List(_) | Data::Map(_) => return Err(self.error(mark, "a key that is not a scalar")),
            };
            if let Some((_, first, _)) = entries.iter().find(|(name, _, _)| *name == key) {
                let message = format!("key `{key}` is there twice; first in line {}", first.line);
                return Err(self.error(mark, message));
            }
            entries.push((key, place(mark), value));
        }
    }

    fn merge(&self, value: Node, merged: &mut Vec<(String, Place, Node)>, mark: Mark) -> Result<(), InputError> {
        let sources = match value.data {
            Data::List(items) => items,
            _ => vec![value],
        };
        for source in sources {
            let Data::Map(entries) = source.data else {
                return Err(self.error(mark, "the merge key `<<` wants a mapping or a list of mappings"));
            };
            for entry in entries {
                if !merged.iter().any(|(key, _, _)| *key == entry.0) {
                    merged.push(entry);
                }
            }
        }
        Ok(())
    }

    fn scalar(&self, tag: Option<&str>, value: String, style: ScalarStyle, mark: Mark) -> Result<Data, InputError> {
        let plain = style == ScalarStyle::Plain;
        match tag {
            None | Some("!") if !plain || tag.is_some() => Ok(Data::Text(value)),
            None => match value.as_str() {
                ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf" | "-.INF" | ".nan"
                | ".NaN" | ".NAN" => Err(self.error(mark, format!("`{value}` has no form in JSON"))),
                _ => Ok(scalar::resolve(&value)),
            },
            Some("tag:yaml.org,2002:str") => Ok(Data::Text(value)),
            Some(
                tag @ ("tag:yaml.org,2002:int"
                | "tag:yaml.org,2002:float"
                | "tag:yaml.org,2002:bool"
                | "tag:yaml.org,2002:null"),
            ) => {
                let data = scalar::resolve(&value);
                let fits = match &data {
                    Data::Plain(Value::Number(number)) => {
                        tag.ends_with("float") || (tag.ends_with("int") && !number.is_f64())
                    }
                    Data::Plain(Value::Bool(_)) => tag.ends_with("bool"),
                    Data::Plain(Value::Null) => tag.ends_with("null"),
                    _ => false,
                };
                if fits { Ok(data) } else { Err(self.error(mark, format!("`{value}` does not fit its tag"))) }
            }
            Some(tag) => Err(self.error(mark, format!("tag `{tag}` is not known here"))),
        }
    }

    fn container_tag(&self, tag: Option<&str>, known: &str, mark: Mark) -> Result<(), InputError> {
        match tag {
            Some(tag) if tag != known && tag != "!" => Err(self.error(mark, format!("tag `{tag}` is not known here"))),
            _ => Ok(()),
        }
    }
}

/// How many values a tree holds.
fn size(node: &Node) -> usize {
    match &node.data {
        Data::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Data::Map(entries) => 1 + entries.iter().map(|(_, _, node)| 1 + size(node)).sum::<usize>(),
        _ => 1,
    }
}

/// libyaml counts from 0.
fn place(mark: Mark) -> Place {
    Place {
        line: usize::try_from(mark.line).unwrap_or(usize::MAX - 1) + 1,
        column: usize::try_from(mark.column).unwrap_or(usize::MAX - 1) + 1,
    }
}

#[cfg(test)]
mod tests;
