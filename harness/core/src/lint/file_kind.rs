//! What a text is by its name, its folder and its first letters. Folders hold files of other programs too.

use super::report::{FileOrigin, InputFile};
use serde_json::Value;

/// The folder from which runtimes read configurations (`/etc/cni/net.d`).
const NODE_FOLDER: &str = "net.d";
/// Words of which every text with objects or a configuration has one.
const SIGNS: [&str; 5] = ["apiVersion", "kind:", "\"kind\"", "cniVersion", "k8s.v1.cni.cncf.io"];

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A CNI configuration.
    Configuration,
    /// Kubernetes objects, or JSON that can be a CNI configuration.
    Objects,
    /// A file of another program.
    Foreign,
}

impl FileKind {
    /// The kind of a text. In the folder of a node, libcni reads `.conf`, `.conflist` and `.json` (`libcni/conf.go`,
    /// `ConfFiles`); `.conf` is an ending of many other programs.
    pub fn of(file: &InputFile) -> Self {
        let name = file.name.to_ascii_lowercase();
        let text = file.text.trim_start();
        match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("conflist") => Self::Configuration,
            Some("conf") if is_of_node(&name) => Self::Configuration,
            Some("json") if is_of_node(&name) => match serde_json::from_str::<Value>(text) {
                Ok(value) if value.get("kind").is_some() => Self::Objects,
                _ => Self::Configuration,
            },
            Some("conf") if file.origin == FileOrigin::InFolder => match serde_json::from_str(text) {
                Ok(value) if is_configuration(&value) => Self::Configuration,
                Err(_) if text.starts_with('{') && text.contains("cniVersion") => Self::Configuration,
                _ => Self::Foreign,
            },
            Some("conf") if text.is_empty() || text.starts_with('{') => Self::Configuration,
            _ if may_be_configuration(text) => match serde_json::from_str::<Value>(text) {
                Ok(value) if is_configuration(&value) => Self::Configuration,
                // The user named it, so it is more than a file of a program with plugins.
                Ok(value) if file.origin == FileOrigin::Named && is_list(&value) => Self::Configuration,
                _ => Self::Objects,
            },
            _ => Self::Objects,
        }
    }
}

/// Whether to look closer at a text: it is an object in JSON, and not one of Kubernetes by its first key.
fn may_be_configuration(text: &str) -> bool {
    let first = text.strip_prefix('{').map(str::trim_start);
    first.is_some_and(|first| !["\"apiVersion\"", "\"kind\""].iter().any(|key| first.starts_with(key)))
}

/// Whether an object without a kind has what a CNI configuration alone has.
fn is_configuration(value: &Value) -> bool {
    let has_type = |value: &Value| value.get("type").is_some_and(Value::is_string);
    let plugins = value.get("plugins").and_then(Value::as_array);
    value.get("kind").is_none()
        && (value.get("cniVersion").is_some()
            || plugins.is_some_and(|plugins| !plugins.is_empty() && plugins.iter().all(has_type))
            || (has_type(value) && value.get("ipam").is_some_and(Value::is_object)))
}

/// Whether an object without a kind has plugins, of whatever form.
fn is_list(value: &Value) -> bool {
    value.get("kind").is_none() && value.get("plugins").is_some_and(Value::is_array)
}

fn is_of_node(name: &str) -> bool {
    name.rsplit('/').nth(1) == Some(NODE_FOLDER)
}

/// Whether a text that cannot be parsed is a file of another program.
pub(crate) fn is_foreign_text(file: &InputFile) -> bool {
    file.origin == FileOrigin::InFolder && !SIGNS.iter().any(|sign| file.text.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str, text: &str, origin: FileOrigin) -> FileKind {
        FileKind::of(&InputFile { name: name.to_owned(), text: text.to_owned(), origin })
    }

    #[test]
    fn files_of_other_programs_are_no_configurations() {
        use FileKind::{Configuration, Foreign, Objects};
        const BABEL: &str = r#"{ "name": "pkg", "plugins": ["a"] }"#;
        const BARE: &str = r#"{ "cniVersion": "1.0.0", "type": "macvlan" }"#;
        for (name, text, named, in_folder) in [
            ("a/10.conflist", "", Configuration, Configuration),
            ("a/10.CONFLIST", BABEL, Configuration, Configuration),
            ("a/babel.json", BABEL, Configuration, Objects),
            ("a/list.json", r#"{ "plugins": [{ "type": "macvlan" }] }"#, Configuration, Configuration),
            ("a/package.json", r#"{ "name": "a", "type": "module" }"#, Objects, Objects),
            ("a/bare.json", BARE, Configuration, Configuration),
            ("a/old.json", r#"{ "type": "macvlan", "ipam": {} }"#, Configuration, Configuration),
            ("a/nad.json", r#"{ "metadata": {}, "kind": "A", "plugins": [], "cniVersion": "" }"#, Objects, Objects),
            ("a/bare.conf", BARE, Configuration, Configuration),
            ("a/broken.conf", r#"{ "cniVersion": "1.0.0", "#, Configuration, Configuration),
            ("a/application.conf", r#"{ "a": 1 }"#, Configuration, Foreign),
            ("a/journald.conf", "[Journal]\n", Objects, Foreign),
            ("a/e.conf", "", Configuration, Foreign),
            ("etc/net.d/e.conf", "", Configuration, Configuration),
            ("etc/net.d/a.json", BABEL, Configuration, Configuration),
            ("a/nad.yaml", "kind: A", Objects, Objects),
        ] {
            let found = (kind(name, text, FileOrigin::Named), kind(name, text, FileOrigin::InFolder));
            assert_eq!(found, (named, in_folder), "{name}");
        }
    }

    #[test]
    fn a_text_with_a_sign_of_kubernetes_is_no_foreign_one() {
        let is_foreign =
            |text: &str, origin| is_foreign_text(&InputFile { name: "a.yaml".into(), text: text.into(), origin });
        assert!(is_foreign("a: !vault b", FileOrigin::InFolder));
        assert!(!is_foreign("a: !vault b", FileOrigin::Named));
        assert!(!is_foreign("kind: [", FileOrigin::InFolder));
    }
}
