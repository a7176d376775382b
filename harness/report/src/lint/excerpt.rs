//! A finding with the line that it is about, as compilers show it.

use crate::escape;
use crate::paint::{BAD, DOUBT, QUIET};
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use plumbline_core::finding::{Finding, Severity};
use plumbline_core::lint::InputFile;
use plumbline_core::scenario::InputError;
use plumbline_core::source::Source;
use std::collections::HashMap;
use std::ops::Range;

/// Longest line that is shown, in bytes. Of a longer one only the place is printed.
const LONGEST_LINE: usize = 4096;

/// Lines of the linted texts, by file.
pub struct Excerpts<'a> {
    files: HashMap<&'a str, FileLines<'a>>,
}

/// A text, and where its lines begin once one of them was needed.
struct FileLines<'a> {
    text: &'a str,
    starts: std::cell::OnceCell<Vec<usize>>,
}

impl<'a> FileLines<'a> {
    /// A line, counted from 1, without its end.
    fn line(&self, number: usize) -> Option<&'a str> {
        let ends = || self.text.match_indices('\n').map(|(end, _)| end + 1);
        let starts = self.starts.get_or_init(|| std::iter::once(0).chain(ends()).collect());
        let start = *starts.get(number.checked_sub(1)?)?;
        let end = starts.get(number).map_or(self.text.len(), |next| next - 1);
        self.text.get(start..end).map(|line| line.strip_suffix('\r').unwrap_or(line))
    }
}

impl<'a> Excerpts<'a> {
    /// The lines of some files.
    pub fn new(files: &'a [InputFile]) -> Self {
        let lines = |file: &'a InputFile| FileLines { text: &file.text, starts: std::cell::OnceCell::new() };
        Self { files: files.iter().map(|file| (file.name.as_str(), lines(file))).collect() }
    }

    /// A finding with its excerpt and its notes. Ends with a newline.
    pub fn finding(&self, finding: &Finding, shows_page: bool) -> String {
        let word = format!("{} {}", finding.severity.as_str(), finding.code);
        let level = match finding.severity {
            Severity::Failure => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Info => Level::INFO,
        };
        let mut group = Group::with_title(level.with_name(word).primary_title(escape::line(&finding.message)));
        let source = finding.source.as_ref().filter(|source| !source.file.is_empty());
        if let Some(source) = source {
            group = self.place(group, source);
        }
        for note in notes(finding) {
            group = group.element(Level::NOTE.message(escape::line(&note)));
        }
        if shows_page {
            group = group.element(Level::HELP.message(format!("plumbline explain {}", finding.code)));
        }
        let renderer =
            Renderer::styled().hyperlink(false).error(BAD).warning(DOUBT).info(QUIET).note(QUIET).help(QUIET);
        let renderer = renderer.line_num(QUIET).context(QUIET).emphasis(annotate_snippets::renderer::Style::new());
        renderer.render(&[group]) + "\n"
    }

    fn place<'g>(&self, group: Group<'g>, source: &Source) -> Group<'g> {
        let path = escape::line(&source.file);
        let line = self.files.get(source.file.as_str()).and_then(|file| file.line(source.line));
        match line.filter(|line| line.len() <= LONGEST_LINE && !line.trim().is_empty()) {
            Some(line) => {
                // The renderer does not replace all of them. One character each, so that columns stay.
                let line: String =
                    line.chars().map(|c| if c != '\t' && escape::is_hidden(c) { '\u{fffd}' } else { c }).collect();
                let span = AnnotationKind::Primary.span(find_token(&line, source.column));
                group.element(Snippet::source(line).line_start(source.line).path(path).annotation(span))
            }
            None if source.line == 0 => group.element(Origin::path(path)),
            None => group.element(Origin::path(path).line(source.line).char_column(source.column.max(1))),
        }
    }
}

/// The lines below a finding: where it belongs if no place in a file says so, the values, and its notes.
pub(super) fn notes(finding: &Finding) -> Vec<String> {
    let mut notes = Vec::new();
    if finding.source.is_none() {
        let pod = finding.pod.iter().map(|pod| format!("pod {pod}"));
        let network = finding.network.iter().map(|network| format!("network {network}"));
        notes.extend(pod.chain(network));
    }
    notes.extend(finding.expected.iter().map(|expected| format!("expected {expected}")));
    notes.extend(finding.found.iter().map(|found| format!("found {found}")));
    notes.extend(finding.notes.iter().cloned());
    notes
}

/// What is wrong with an input, without its place.
pub(super) fn describe(error: &InputError) -> String {
    let field = if error.field.is_empty() { String::new() } else { format!("{}: ", error.field) };
    let help = error.help.iter().map(|help| format!("; {help}")).collect::<String>();
    format!("{field}{}{help}", error.message)
}

/// The bytes of the token that begins at a column, counted from 1 in characters; the whole line for column 0.
fn find_token(line: &str, column: usize) -> Range<usize> {
    let Some(index) = column.checked_sub(1) else {
        let start = line.len() - line.trim_start().len();
        return start..start + line.trim().len();
    };
    let start = line.char_indices().nth(index).map_or(line.len(), |(start, _)| start);
    let rest = &line[start..];
    // In a quoted scalar of YAML, the quotes of JSON have a backslash before them.
    let quote = ["\\\"", "\"", "'"].into_iter().find(|quote| rest.starts_with(quote));
    let length = match (quote, rest.chars().next()) {
        (Some(quote), _) => {
            let closes = |at: &usize| quote.starts_with('\\') || !rest[..*at].ends_with('\\');
            let mut ends = rest.match_indices(quote).map(|(at, _)| at).skip(1).filter(closes);
            ends.next().map_or(quote.len(), |at| at + quote.len())
        }
        (None, Some('{' | '[')) => find_closing(rest).unwrap_or(1),
        (None, Some('|' | '>')) => 1,
        (None, _) => {
            let ends = |(at, character): &(usize, char)| match character {
                ',' | ']' | '}' | '"' | '\'' | '\\' => true,
                ':' => rest[at + 1..].chars().next().is_none_or(char::is_whitespace),
                other => other.is_whitespace(),
            };
            rest.char_indices().find(ends).map_or(rest.len(), |(at, _)| at)
        }
    };
    start..start + length.max(rest.chars().next().map_or(0, char::len_utf8))
}

/// Where the bracket that a text begins with is closed, if it is: the length to there. Brackets in strings do not count.
fn find_closing(text: &str) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = in_string,
            '"' => in_string = !in_string,
            '{' | '[' if !in_string => depth += 1,
            '}' | ']' if !in_string => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(line: &str, column: usize) -> &str {
        &line[find_token(line, column)]
    }

    #[test]
    fn the_token_at_a_column_is_marked() {
        assert_eq!(token(r#"  "gateways": ["198.51.100.1"]"#, 3), r#""gateways""#);
        assert_eq!(token(r#"  "a\"b": 1"#, 3), r#""a\"b""#);
        assert_eq!(token(r#"config: "{ \"vlan\": 100 }""#, 12), r#"\"vlan\""#);
        assert_eq!(token("  name: lan", 3), "name");
        assert_eq!(token("  mac: 02:00:00:00:00:01", 8), "02:00:00:00:00:01");
        assert_eq!(token("  config: |-", 11), "|");
        assert_eq!(token("größe: 网络", 8), "网络");
        assert_eq!(token("  a: b  ", 0), "a: b");
        assert_eq!(token("a: 'unclosed", 4), "'");
        assert_eq!(token(r#"[ { "a": "}" }, 1"#, 3), r#"{ "a": "}" }"#);
        assert_eq!(token("a: { b: [", 4), "{");
    }

    #[test]
    fn any_place_gives_a_range_within_the_line() {
        for line in ["", " ", "größe: \"", "\\\"", "a: :", "{", "'"] {
            for column in 0..12 {
                let _ = token(line, column);
            }
        }
    }

    #[test]
    fn lines_are_found_whatever_ends_them() {
        let file = InputFile::new("a", "one\r\ntwo\n\nfour");
        let lines = FileLines { text: &file.text, starts: std::cell::OnceCell::new() };
        let found: Vec<Option<&str>> = (0..6).map(|number| lines.line(number)).collect();
        assert_eq!(found, [None, Some("one"), Some("two"), Some(""), Some("four"), None]);
    }
}
