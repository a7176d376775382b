//! From a text to its documents. Each document is read alone, so that one that is no YAML does not hide the others.

use crate::scenario::InputError;
use crate::scenario::kube_yaml;
use crate::scenario::node::{Data, Node};

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Reads every document of a text; what cannot be read is an error.
pub(crate) fn read(file: &str, text: &str) -> (Vec<Node>, Vec<InputError>) {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let (mut nodes, mut errors) = (Vec::new(), Vec::new());
    let mut values_left = kube_yaml::MAX_DUMP_VALUES;
    for (lines_before, part) in split(text) {
        match kube_yaml::read_large(file, part, values_left) {
            Ok(found) => nodes.extend(found.into_iter().map(|mut node| {
                values_left = values_left.saturating_sub(kube_yaml::weight(&node));
                shift(&mut node, lines_before);
                node
            })),
            Err(mut error) => {
                if error.source_at.line > 0 {
                    error.source_at.line += lines_before;
                }
                errors.push(error);
            }
        }
    }
    (nodes, errors)
}

/// The documents of a text, each with the number of lines before it. A line that begins with `---` begins a document in
/// every YAML text; JSON has one document.
fn split(text: &str) -> Vec<(usize, &str)> {
    if text.trim_start().starts_with(['{', '[']) {
        return vec![(0, text)];
    }
    let is_mark = |line: &str| {
        line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
    };
    let mut parts = Vec::new();
    let (mut begin, mut first_line, mut at) = (0, 0, 0);
    // Directives and comments before the first mark belong to its document.
    let is_head = |part: &str| part.lines().all(|line| line.trim().is_empty() || line.starts_with(['%', '#']));
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if is_mark(line) && (begin > 0 || !is_head(&text[..at])) {
            parts.push((first_line, &text[begin..at]));
            (begin, first_line) = (at, number);
        }
        at += line.len();
    }
    parts.push((first_line, &text[begin..]));
    parts
}

/// Moves a document down by a number of lines.
fn shift(node: &mut Node, lines: usize) {
    if lines == 0 {
        return;
    }
    node.at.line += lines;
    node.end.line += lines;
    match &mut node.data {
        Data::List(items) => items.iter_mut().for_each(|item| shift(item, lines)),
        Data::Map(entries) => {
            for (_, place, value) in entries {
                place.line += lines;
                shift(value, lines);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_that_is_no_yaml_does_not_hide_the_others() {
        let text = "a: 1\n---\nb: [\n---\nc: |\n  x\n--- # end\nd: 1\n";
        let (nodes, errors) = read("f.yaml", text);
        assert_eq!(
            nodes.iter().map(|node| node.to_json().to_string()).collect::<Vec<_>>(),
            ["{\"a\":1}", "{\"c\":\"x\\n\"}", "{\"d\":1}"]
        );
        assert_eq!(nodes[1].get("c").unwrap().at.line, 5);
        assert_eq!(errors.len(), 1);
        assert!((3..=4).contains(&errors[0].source_at.line), "{errors:?}");
    }

    #[test]
    fn directives_and_comments_belong_to_the_first_document() {
        let (nodes, errors) = read("f.yaml", "%YAML 1.2\n# one\n---\na: 1\n---\nb: 1\n");
        assert_eq!((nodes.len(), errors.len()), (2, 0), "{errors:?}");
        assert_eq!(nodes[1].get("b").unwrap().at.line, 6);
    }

    #[test]
    fn the_bound_of_values_holds_for_all_documents_together() {
        let document = "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n\
            c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n---\n";
        let (nodes, errors) = read("f.yaml", &document.repeat(100));
        assert!(nodes.len() < 20, "{}", nodes.len());
        assert!(errors.last().unwrap().message.contains("values"), "{errors:?}");
    }
}
