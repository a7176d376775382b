//! What a text holds, by its lines: a command takes both scenarios and users' objects.

/// What a text holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    /// A scenario, or one with a mistake in its first lines.
    Scenario,
    /// Kubernetes objects.
    Objects,
    /// Neither.
    Other,
}

/// The group of the `apiVersion` of Plumbline's own files.
pub(super) const OWN_GROUP: &str = "plumbline.dev/";

/// The kind of a text. Lines decide, so that a text that is no YAML is reported by the right reader.
pub fn kind_of(text: &str) -> TextKind {
    let mut found = TextKind::Other;
    for line in text.lines() {
        let (key, value) = match line.split_once(':') {
            Some((key, value)) => (trim(key), trim(value)),
            None => continue,
        };
        let is_json = line.trim_start().starts_with(['{', '"']);
        match key {
            "apiVersion" if value.starts_with(OWN_GROUP) => return TextKind::Scenario,
            "kind" if value == "Scenario" => return TextKind::Scenario,
            "kind" | "apiVersion" => found = TextKind::Objects,
            _ if is_json && line.contains(OWN_GROUP) => return TextKind::Scenario,
            _ if is_json && line.contains("\"kind\"") => found = TextKind::Objects,
            _ => {}
        }
    }
    found
}

/// A key or a value without what may stand around it: blanks, quotes, the marks of a list, a comma.
fn trim(text: &str) -> &str {
    let text = text.split(" #").next().unwrap_or_default().trim();
    text.trim_start_matches(['-', '{', ' ']).trim_end_matches([',', '}', ' ']).trim_matches(['"', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_show_what_a_text_holds() {
        for (text, kind) in [
            ("apiVersion: plumbline.dev/v1alpha1\nkind: Scenario\n", TextKind::Scenario),
            ("apiVersion: plumbline.dev/v1alpha1\n\tkind: Scenario\n", TextKind::Scenario),
            ("kind: \"Scenario\" # a test\n", TextKind::Scenario),
            (r#"{"apiVersion":"plumbline.dev/v1alpha1","kind":"Scenario"}"#, TextKind::Scenario),
            ("# a pod\napiVersion: v1\nkind: Pod\n", TextKind::Objects),
            ("---\n- kind: Pod\n", TextKind::Objects),
            ("{\n  \"kind\": \"List\"\n}", TextKind::Objects),
            (r#"{"a":1,"kind":"Pod"}"#, TextKind::Objects),
            ("kind: [\n", TextKind::Objects),
            ("apiVersion: [\n", TextKind::Objects),
            ("# nothing\n", TextKind::Other),
            ("a: 1\n", TextKind::Other),
        ] {
            assert_eq!(kind_of(text), kind, "{text}");
        }
    }
}
