//! Templates: minijinja, strict, with values inserted as data. The only module that knows `minijinja`.
//!
//! Every `{{ value }}` prints JSON (which is YAML too), with everything escaped that could end a string or a line
//! in JSON or in YAML 1.1. A placeholder inside quotes is refused. So no value can add a key or break out of its place.
//! Templates see no file, no environment and no other template; a run has limited fuel and output.

mod expression;

pub(super) use expression::{Evaluator, Piece, scalar, split};

use super::error::InputError;
use crate::source::Source;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value as Inner};
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::io;

/// Instructions that a template may run: some thousand times what a manifest needs.
const FUEL: u64 = 200_000;
/// Longest output accepted, in bytes.
const MAX_OUTPUT: usize = super::loader::MAX_FILE_BYTES;

/// Renders a template's body. `first_line` is the body's first line in the file, for errors.
pub(super) fn render(
    file: &str,
    body: &str,
    first_line: usize,
    declared: &[&str],
    values: &Map<String, Value>,
) -> Result<String, InputError> {
    quotes(file, body, first_line)?;
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    match syntax {
        Ok(syntax) => environment.set_syntax(syntax),
        Err(error) => return Err(InputError::file(file, error.to_string())),
    }
    environment.set_formatter(|out, _, value| out.write_str(&encode(value)?).map_err(Error::from));
    let explain = |error: &Error| {
        let line = error.line().map_or(0, |line| line + first_line - 1);
        let mut message = error.kind().to_string();
        if let Some(detail) = error.detail() {
            let _ = write!(message, ": {detail}");
        }
        if error.kind() == ErrorKind::OutOfFuel {
            message = format!("runs for too long: more than {FUEL} instructions");
        }
        InputError::new(Source { file: file.to_owned(), line, column: 0 }, "", message)
    };
    let template = environment.template_from_named_str(file, body).map_err(|error| explain(&error))?;
    for name in template.undeclared_variables(false) {
        if !declared.contains(&name.as_str()) && !environment.globals().any(|(global, _)| global == name) {
            return Err(InputError::file(file, format!("uses `{name}`, which its head does not declare")));
        }
    }
    let mut sink = Sink(Vec::new());
    match template.render_captured_to(Inner::from(Serde(values)), &mut sink) {
        Ok(_) => {}
        Err(_) if sink.0.len() > MAX_OUTPUT => {
            return Err(InputError::file(file, format!("gives more than {MAX_OUTPUT} bytes")));
        }
        Err(error) => return Err(explain(&error)),
    }
    String::from_utf8(sink.0).map_err(|_| InputError::file(file, "gives text that is not UTF-8"))
}

/// Takes what a template prints, up to the limit.
struct Sink(Vec<u8>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        if self.0.len() > MAX_OUTPUT {
            return Err(io::Error::other("too much output"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A value as JSON on one line, safe inside a quoted or literal YAML scalar as well.
fn encode(value: &Inner) -> Result<String, Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    if value.as_str().is_some_and(|text| text.len() > MAX_OUTPUT) {
        return Err(Error::new(ErrorKind::WriteFailure, "a text longer than the whole output may be"));
    }
    let json =
        serde_json::to_string(value).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        // `'` ends a single-quoted YAML scalar; U+0085, U+2028 and U+2029 end a line in YAML 1.1;
        // U+FEFF and controls are refused by readers. All stand inside JSON strings, where an escape means the same.
        let raw = matches!(c, ' '..='~' if c != '\'') || (c as u32) > 0xffff || (c.is_alphanumeric() && !c.is_ascii());
        if raw {
            out.push(c);
        } else {
            let _ = write!(out, "\\u{:04x}", c as u32);
        }
    }
    Ok(out)
}

/// Refuses a placeholder inside double quotes: there a value could end the string that it is meant to be part of.
fn quotes(file: &str, body: &str, first_line: usize) -> Result<(), InputError> {
    for (index, line) in body.lines().enumerate() {
        let mut rest = line;
        let mut offset = 0;
        let mut quoted = false;
        while let Some(c) = rest.chars().next() {
            let skip = if rest.starts_with("{{") {
                if quoted {
                    let source = Source { file: file.to_owned(), line: first_line + index, column: offset + 1 };
                    return Err(InputError::new(source, "", "a placeholder within quotes")
                        .help("leave the quotes out: a value brings its own"));
                }
                rest.find("}}").map_or(rest.len(), |end| end + 2)
            } else if rest.starts_with("{%") || rest.starts_with("{#") {
                rest.find(if rest.starts_with("{%") { "%}" } else { "#}" }).map_or(rest.len(), |end| end + 2)
            } else if quoted && c == '\\' {
                (1 + rest[1..].chars().next().map_or(0, char::len_utf8)).min(rest.len())
            } else {
                if c == '"' {
                    quoted = !quoted;
                }
                c.len_utf8()
            };
            offset += rest[..skip].chars().count();
            rest = &rest[skip..];
        }
    }
    Ok(())
}
