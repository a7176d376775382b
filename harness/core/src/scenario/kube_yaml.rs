//! The tolerant reader of users' Kubernetes YAML, over the events of `granit-parser`: what kubectl reads, this reads,
//! with the same meaning. It is stricter than kubectl in three things: it refuses duplicate keys, custom tags,
//! and files beyond the limits below. It is laxer in two: it reads some tabs before content, and the escape `\/`.
//! The only module that knows `granit-parser`.

use super::error::InputError;
use super::node::{Data, Node, Position};
use super::scalar;
use crate::source::Source;
use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Deepest nesting accepted. Kubernetes objects stay far below.
pub const MAX_DEPTH: usize = 64;
/// Most values accepted in one file, aliases counted with all that they stand for.
pub const MAX_NODES: usize = 50_000;
/// Most documents accepted in one file.
pub const MAX_DOCUMENTS: usize = 64;
/// Most bytes parsed for one file, all repetitions for under-indented lines counted.
const MAX_PARSED_BYTES: usize = 32 * 1024 * 1024;

/// Most values accepted in a dump, such as all networks of a cluster.
pub const MAX_DUMP_VALUES: usize = 1_000_000;

/// Reads every document of a text; empty documents are left out, as kubectl does.
///
/// # Errors
/// The first thing that is wrong, with line and column.
pub fn read(file: &str, text: &str) -> Result<Vec<Node>, InputError> {
    read_up_to(file, text, MAX_NODES)
}

/// As [`read`], of a text that may hold all objects of a cluster. At most `max_values` values are accepted,
/// [`MAX_DUMP_VALUES`] for a whole text.
///
/// # Errors
/// The first thing that is wrong, with line and column.
pub fn read_large(file: &str, text: &str, max_values: usize) -> Result<Vec<Node>, InputError> {
    read_up_to(file, text, max_values)
}

fn read_up_to(file: &str, text: &str, max_nodes: usize) -> Result<Vec<Node>, InputError> {
    let mut indented = Indented { text: Cow::Borrowed(text), added: BTreeMap::new() };
    let mut parsed = 0;
    loop {
        parsed += indented.text.len();
        let mut composer = Composer::new(file, &indented, max_nodes);
        match (composer.documents(), composer.under_indented) {
            (Err(_), Some(line)) if parsed < MAX_PARSED_BYTES && indented.can_indent(line) => indented.indent(line),
            (result, _) => return result,
        }
    }
}

/// A text in which some lines have more spaces before them than the user wrote.
///
/// YAML 1.2 refuses a line of a quoted scalar that is indented no more than its key; kubectl reads it. The spaces
/// before such a line are no part of the value, so more of them change nothing but columns, which are corrected.
struct Indented<'a> {
    text: Cow<'a, str>,
    /// Spaces added, by line from 1.
    added: BTreeMap<usize, usize>,
}

impl Indented<'_> {
    /// Spaces added at first: deeper than any key of an accepted file that is indented by two columns a level.
    const FIRST: usize = 2 * MAX_DEPTH;
    /// Most spaces added to one line.
    const MOST: usize = 8 * Self::FIRST;

    fn can_indent(&self, line: usize) -> bool {
        self.added.get(&line).is_none_or(|added| *added < Self::MOST)
    }

    fn indent(&mut self, line: usize) {
        let bytes = self.text.as_bytes();
        let ends_line = |at: usize| bytes[at] == b'\n' || (bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
        let begin = match line {
            0 | 1 => Some(0),
            _ => (0..bytes.len()).filter(|at| ends_line(*at)).nth(line - 2).map(|end| end + 1),
        };
        let begin = begin.unwrap_or(bytes.len());
        let added = self.added.entry(line).or_insert(0);
        let more = if *added == 0 { Self::FIRST } else { Self::MOST - *added };
        *added += more;
        self.text.to_mut().insert_str(begin, &" ".repeat(more));
    }

    fn place(&self, mark: Marker) -> Position {
        let added = self.added.get(&mark.line()).copied().unwrap_or(0);
        Position { line: mark.line(), column: mark.col().saturating_sub(added) + 1 }
    }
}

/// What an anchor stands for: nothing yet while the anchored value itself is being read.
type Anchors = HashMap<usize, Option<Node>>;

struct Composer<'a> {
    file: &'a str,
    text: &'a Indented<'a>,
    parser: Parser<'a, StrInput<'a>>,
    anchors: Anchors,
    nodes: usize,
    max_nodes: usize,
    /// Where the event before the last one ends.
    before: Marker,
    /// Where the last event ends.
    last: Marker,
    /// The line of a quoted scalar at which the parser stopped, because it is indented no more than its key.
    under_indented: Option<usize>,
}

impl<'a> Composer<'a> {
    fn new(file: &'a str, text: &'a Indented<'a>, max_nodes: usize) -> Self {
        let options = granit_parser::options! {
            emit_comments: false,
            emit_unresolved_aliases: true,
            flow_nesting_limit: MAX_DEPTH + 1,
            block_nesting_limit: MAX_DEPTH + 1,
        };
        let parser = Parser::new_from_str_with_options(&text.text, options);
        let begin = Marker::new(0, 1, 0).with_byte_offset(Some(0));
        Self {
            file,
            text,
            parser,
            anchors: HashMap::new(),
            nodes: 0,
            max_nodes,
            before: begin,
            last: begin,
            under_indented: None,
        }
    }

    fn documents(&mut self) -> Result<Vec<Node>, InputError> {
        let mut documents = Vec::new();
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(documents),
                Event::DocumentStart(..) => {
                    self.anchors.clear();
                    let first = self.next()?;
                    let node = self.node(first, 0)?;
                    if !matches!(node.data, Data::Plain(Value::Null)) {
                        documents.push(node);
                    }
                    if documents.len() > MAX_DOCUMENTS {
                        return Err(self.error(span.start, format!("more than {MAX_DOCUMENTS} documents")));
                    }
                }
                _ => {}
            }
        }
    }

    fn error(&self, mark: Marker, message: impl Into<String>) -> InputError {
        let at = self.text.place(mark);
        let source = Source { file: self.file.to_owned(), line: at.line, column: at.column };
        InputError::new(source, "", message)
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), InputError> {
        match self.parser.next_event() {
            Some(Ok(event)) => {
                self.before = std::mem::replace(&mut self.last, event.1.end);
                Ok(event)
            }
            Some(Err(error)) => Err(self.scan_error(&error)),
            None => Err(InputError::file(self.file, "not YAML: ends within a value")),
        }
    }

    fn scan_error(&mut self, error: &ScanError) -> InputError {
        let mark = *error.marker();
        match error.kind() {
            ErrorKind::InvalidQuotedScalarIndent => self.under_indented = Some(mark.line()),
            ErrorKind::RecursionLimitExceeded => {
                return self.error(mark, format!("nested deeper than {MAX_DEPTH} levels"));
            }
            _ => {}
        }
        self.error(mark, format!("not YAML: {}", error.info()))
    }

    /// Counts values, so that aliases can't blow a small file up.
    fn count(&mut self, added: usize, mark: Marker) -> Result<(), InputError> {
        self.nodes += added;
        if self.nodes > self.max_nodes {
            let most = self.max_nodes;
            return Err(self.error(mark, format!("more than {most} values, aliases counted with what they stand for")));
        }
        Ok(())
    }

    fn node(&mut self, (event, span): (Event<'a>, Span), depth: usize) -> Result<Node, InputError> {
        let start = span.start;
        if depth > MAX_DEPTH {
            return Err(self.error(start, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.count(1, start)?;
        let at = match &event {
            Event::Scalar(_, ScalarStyle::Literal, ..) => self.block_header('|').unwrap_or(start),
            Event::Scalar(_, ScalarStyle::Folded, ..) => self.block_header('>').unwrap_or(start),
            _ => start,
        };
        let at = self.text.place(at);
        let tagged = span.tag_start().unwrap_or(start);
        let (anchor, data, end) = match event {
            Event::Alias(anchor) => {
                let node = match self.anchors.get(&anchor) {
                    Some(Some(node)) => node.clone(),
                    _ => return Err(self.error(start, "an alias refers to the value that holds it")),
                };
                self.count(weight(&node), start)?;
                return Ok(Node { at, end: self.text.place(span.end), ..node });
            }
            Event::UnresolvedAlias(name) => {
                return Err(self.error(start, format!("alias `*{name}` has no anchor")));
            }
            Event::Scalar(value, style, anchor, tag) => {
                let mut value = value.into_owned();
                if value.ends_with('\n') && self.ends_in_last_line(style, span.end) {
                    // YAML 1.2 ends the last line of a file with a line break if the file does not; kubectl does not.
                    value.pop();
                }
                (anchor, self.scalar(tag.as_deref(), value, style, tagged)?, span.end)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.container_tag(tag.as_deref(), "seq", tagged)?;
                self.anchors.insert(anchor, None);
                let mut items = Vec::new();
                let end = loop {
                    match self.next()? {
                        (Event::SequenceEnd, span) => break span.end,
                        event => items.push(self.node(event, depth + 1)?),
                    }
                };
                (anchor, Data::List(items), end)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.container_tag(tag.as_deref(), "map", tagged)?;
                self.anchors.insert(anchor, None);
                let (entries, end) = self.mapping(depth)?;
                (anchor, Data::Map(entries), end)
            }
            _ => return Err(self.error(start, "a value was expected here")),
        };
        let node = Node { data, at, end: self.text.place(end) };
        // 0 stands for no anchor.
        if anchor != 0 {
            self.count(weight(&node), start)?;
            self.anchors.insert(anchor, Some(node.clone()));
        }
        Ok(node)
    }

    /// Where the header of the last event's block scalar begins; the event itself begins at the first line of content.
    fn block_header(&self, indicator: char) -> Option<Marker> {
        let begin = self.before.byte_offset()?;
        let (mut line, mut column) = (self.before.line(), self.before.col());
        let (mut previous, mut in_comment) = (' ', false);
        for (index, c) in self.text.text.get(begin..)?.char_indices() {
            let after_blank = previous.is_whitespace();
            if c == indicator && after_blank && !in_comment {
                return Some(Marker::new(0, line, column).with_byte_offset(Some(begin + index)));
            }
            in_comment = c != '\n' && (in_comment || (c == '#' && after_blank));
            match c {
                '\n' => (line, column) = (line + 1, 0),
                _ => column += 1,
            }
            previous = c;
        }
        None
    }

    /// Whether this is a block scalar whose last line is the file's last, has content, and ends without a line break.
    fn ends_in_last_line(&self, style: ScalarStyle, end: Marker) -> bool {
        let text = &self.text.text;
        let last = text.rsplit(['\n', '\r']).next().unwrap_or_default();
        matches!(style, ScalarStyle::Literal | ScalarStyle::Folded)
            && end.byte_offset() == Some(text.len())
            && !last.trim().is_empty()
    }

    #[expect(clippy::type_complexity, reason = "the entries of a mapping, as Data::Map holds them")]
    fn mapping(&mut self, depth: usize) -> Result<(Vec<(String, Position, Node)>, Marker), InputError> {
        let mut entries: Vec<(String, Position, Node)> = Vec::new();
        let mut merged: Vec<(String, Position, Node)> = Vec::new();
        loop {
            let event = self.next()?;
            if matches!(event.0, Event::MappingEnd) {
                // Merged entries give way to those written out (YAML merge keys, as Go's reader has them).
                self.refuse_repeated(&entries)?;
                if !merged.is_empty() {
                    let own: HashSet<String> = entries.iter().map(|(key, ..)| key.clone()).collect();
                    entries.extend(merged.into_iter().filter(|(key, ..)| !own.contains(key)));
                }
                return Ok((entries, event.1.end));
            }
            let mark = event.1.start;
            let is_merge = matches!(&event.0, Event::Scalar(value, ScalarStyle::Plain, _, None) if value == "<<");
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
            entries.push((key, self.text.place(mark), value));
        }
    }

    /// Refuses the first key that is defined twice.
    fn refuse_repeated(&self, entries: &[(String, Position, Node)]) -> Result<(), InputError> {
        let mut first = HashMap::new();
        for (key, place, _) in entries {
            if let Some(line) = first.insert(key.as_str(), place.line) {
                let source = Source { file: self.file.to_owned(), line: place.line, column: place.column };
                return Err(InputError::new(source, "", format!("key `{key}` is defined twice; first in line {line}")));
            }
        }
        Ok(())
    }

    fn merge(&self, value: Node, merged: &mut Vec<(String, Position, Node)>, mark: Marker) -> Result<(), InputError> {
        let sources = match value.data {
            Data::List(items) => items,
            _ => vec![value],
        };
        let mut known: HashSet<String> = merged.iter().map(|(key, ..)| key.clone()).collect();
        for source in sources {
            let Data::Map(entries) = source.data else {
                return Err(self.error(mark, "the merge key `<<` needs a mapping or a list of mappings"));
            };
            for entry in entries {
                if known.insert(entry.0.clone()) {
                    merged.push(entry);
                }
            }
        }
        Ok(())
    }

    fn scalar(&self, tag: Option<&Tag>, value: String, style: ScalarStyle, mark: Marker) -> Result<Data, InputError> {
        let Some(tag) = tag else {
            return match value.as_str() {
                _ if style != ScalarStyle::Plain => Ok(Data::Text(value)),
                ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf" | "-.INF" | ".nan"
                | ".NaN" | ".NAN" => Err(self.error(mark, format!("`{value}` has no form in JSON"))),
                _ => Ok(scalar::resolve(&value)),
            };
        };
        match tag.core_suffix() {
            Some("str") => Ok(Data::Text(value)),
            None if tag.original() == "!" => Ok(Data::Text(value)),
            Some(kind @ ("int" | "float" | "bool" | "null")) => {
                let data = scalar::resolve(&value);
                let fits = match &data {
                    Data::Plain(Value::Number(number)) => kind == "float" || (kind == "int" && !number.is_f64()),
                    Data::Plain(Value::Bool(_)) => kind == "bool",
                    Data::Plain(Value::Null) => kind == "null",
                    _ => false,
                };
                if fits { Ok(data) } else { Err(self.error(mark, format!("`{value}` does not fit its tag"))) }
            }
            _ => Err(self.unknown_tag(tag, mark)),
        }
    }

    fn container_tag(&self, tag: Option<&Tag>, known: &str, mark: Marker) -> Result<(), InputError> {
        match tag {
            Some(tag) if tag.core_suffix() != Some(known) && tag.original() != "!" => Err(self.unknown_tag(tag, mark)),
            _ => Ok(()),
        }
    }

    fn unknown_tag(&self, tag: &Tag, mark: Marker) -> InputError {
        self.error(mark, format!("tag `{}` is not known here", tag.original()))
    }
}

/// Bytes of text that count as one value.
const BYTES_OF_VALUE: usize = 64;

/// How many values a tree holds. A long text counts as several.
pub(crate) fn weight(node: &Node) -> usize {
    match &node.data {
        Data::List(items) => 1 + items.iter().map(weight).sum::<usize>(),
        Data::Map(entries) => {
            1 + entries.iter().map(|(key, _, node)| 1 + key.len() / BYTES_OF_VALUE + weight(node)).sum::<usize>()
        }
        Data::Text(text) => 1 + text.len() / BYTES_OF_VALUE,
        Data::Plain(_) => 1,
    }
}

#[cfg(test)]
mod tests;
