//! The documents of a YAML text, as they are written.

/// The documents in which these lines are, in order, each with its comments and the line `---` before it.
pub(super) fn take(text: &str, lines: impl Iterator<Item = usize>) -> String {
    let wanted: Vec<usize> = lines.collect();
    let mut taken = String::new();
    let mut begin = 1;
    for document in documents(text) {
        let end = begin + document.split_inclusive('\n').count();
        if wanted.iter().any(|line| (begin..end).contains(line)) {
            taken.push_str(document);
            if !taken.ends_with('\n') {
                taken.push('\n');
            }
        }
        begin = end;
    }
    taken
}

/// Every part of a text that a line `---` begins; a document marker is at the beginning of a line (YAML 1.2, section 9.1.2).
fn documents(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut begin, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        let is_marker =
            line.strip_prefix("---").is_some_and(|rest| rest.trim_start().len() < rest.len() || rest.is_empty());
        if is_marker && at > begin {
            parts.push(&text[begin..at]);
            begin = at;
        }
        at += line.len();
    }
    parts.push(&text[begin..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::take;

    #[test]
    fn documents_are_taken_as_they_are_written() {
        let text = "# one\na: 1\n---\nb: '\n  --- x'\n--- # two\nc: 3";
        assert_eq!(take(text, [2].into_iter()), "# one\na: 1\n");
        assert_eq!(take(text, [4].into_iter()), "---\nb: '\n  --- x'\n");
        assert_eq!(take(text, [2, 7].into_iter()), "# one\na: 1\n--- # two\nc: 3\n");
        assert_eq!(take("---\na: 1\n", [2].into_iter()), "---\na: 1\n");
    }
}
