//! The ConfigMap `eni-config`: the keys of it that a chain is about, each with its place in the user's file.

use super::json_text::JsonText;
use crate::scenario::file_text::FileText;
use crate::scenario::loader::{self, Loader};
use crate::scenario::node::{Data, Node, Position};
use crate::scenario::{InputError, kube_yaml};
use crate::source::Source;
use std::collections::{BTreeMap, BTreeSet};

/// The ConfigMap's name; terway's DaemonSet mounts no other (chart `terwayd/daemonset.yaml`).
pub const NAME: &str = "eni-config";
/// Its namespace.
pub const NAMESPACE: &str = "kube-system";
/// Key: settings of the daemon; must be there (`cmd/terway-cli/common.go`, `getAllConfig`).
pub const ENI_CONF: &str = "eni_conf";
/// Key: Terway's own entry; must be there, and is not to be changed by users.
pub const CONF: &str = "10-terway.conf";
/// Key: the custom chain; may be absent, then the entry alone is the chain.
pub const CONFLIST: &str = "10-terway.conflist";
/// Key: network policy is on where this is absent, empty, `false` or `0`.
pub const POLICY: &str = "disable_network_policy";
/// Key: the plugins behind Terway's entry, a YAML list; releases after 1.17.5 read it, also in a node's own ConfigMap
/// (Terway's `docs/custom-cni-chain.md`).
pub const CNI_CHAIN: &str = "cni_chain";
/// Keys by which a ConfigMap of another name is known as Terway's: one that a node's label `terway-config` names.
pub const KEYS: [&str; 4] = [ENI_CONF, CONF, CONFLIST, CNI_CHAIN];

/// An `eni-config`, from a file or from a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EniConfig {
    /// All keys of `data`, byte for byte.
    pub data: BTreeMap<String, String>,
    /// Keys that the file gives as null: they are to be taken away.
    pub removed: BTreeSet<String>,
    /// Whether every key is there that there is: so of a cluster's, not of a file, which may hold what is to be
    /// changed alone (ACK's own examples do).
    pub whole: bool,
    /// The name of a node's own ConfigMap, which the node's label `terway-config` names; none for `eni-config` itself.
    pub of_nodes: Option<String>,
    /// Where it was written.
    pub source: Source,
    texts: BTreeMap<String, Lines>,
}

/// The positions of a text's lines in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Lines {
    /// Where the text begins, for places that are not known better.
    at: Source,
    /// Per line of the text the file's line and how many columns stand before the text; empty where it is not known.
    lines: Vec<(usize, usize)>,
}

impl EniConfig {
    /// Reads the ConfigMap in a user's YAML file. Other documents of the file are left alone.
    ///
    /// # Errors
    /// What is wrong with the file, with line and field.
    pub fn load(path: &str, loader: &dyn Loader) -> Result<Self, InputError> {
        let text = loader::text(loader, path, &Source { file: path.to_owned(), line: 0, column: 0 }, "")?;
        Self::read(path, &text)
    }

    /// As [`Self::load`], from the file's text.
    ///
    /// # Errors
    /// What is wrong with it, with line and field.
    pub fn read(file: &str, text: &str) -> Result<Self, InputError> {
        let documents = kube_yaml::read(file, text)?;
        let at = |node: &Node| Source { file: file.to_owned(), line: node.at.line, column: node.at.column };
        let refuse = |node: &Node, field: &str, message: String| InputError::new(at(node), field, message);
        let found = |node: Option<&Node>| node.map_or("nothing".to_owned(), |node| node.to_json().to_string());
        let is_map = |node: &&Node| node.get("kind").and_then(Node::text) == Some("ConfigMap");
        let named = |node: &&Node| node.at_path(&["metadata", "name"]).and_then(Node::text) == Some(NAME);
        let maps: Vec<&Node> = documents.iter().filter(is_map).collect();
        let own: Vec<&Node> = maps.iter().copied().filter(named).collect();
        let object = match (own.as_slice(), maps.as_slice(), documents.first()) {
            ([one], _, _) => *one,
            ([_, second, ..], _, _) => {
                let message = format!("a second ConfigMap {NAME}; expected one");
                return Err(refuse(second, "metadata.name", message));
            }
            ([], [map, ..], _) => {
                let name = map.at_path(&["metadata", "name"]);
                let message = format!("is {}; expected `{NAME}`, the one ConfigMap that Terway reads", found(name));
                return Err(refuse(name.unwrap_or(map), "metadata.name", message));
            }
            ([], [], Some(other)) => {
                let kind = other.get("kind");
                let message = format!("is {}; expected a ConfigMap `{NAME}`", found(kind));
                let help = format!("`kubectl get configmap -n {NAMESPACE} {NAME} -o yaml` shows a cluster's");
                return Err(refuse(kind.unwrap_or(other), "kind", message).help(help));
            }
            ([], [], None) => return Err(InputError::file(file, "is empty; expected a ConfigMap")),
        };
        Self::of_object(file, &FileText::new(text), object)
    }

    /// As [`Self::read`], from one object of a file. A ConfigMap of another name is a node's own.
    ///
    /// # Errors
    /// What is wrong with it, with line and field.
    pub(crate) fn of_object(file: &str, text: &FileText<'_>, object: &Node) -> Result<Self, InputError> {
        let at = |node: &Node| Source { file: file.to_owned(), line: node.at.line, column: node.at.column };
        let refuse = |node: &Node, field: &str, message: String| InputError::new(at(node), field, message);
        let places: [(&str, &[&str], &str); 2] =
            [("apiVersion", &["apiVersion"], "v1"), ("metadata.namespace", &["metadata", "namespace"], NAMESPACE)];
        for (field, path, wanted) in places {
            if let Some(other) = object.at_path(path).filter(|node| node.text() != Some(wanted)) {
                return Err(refuse(other, field, format!("is {}; expected `{wanted}`", other.to_json())));
            }
        }
        let of_nodes = object.at_path(&["metadata", "name"]).and_then(Node::text).filter(|name| *name != NAME);
        let mut config = Self { source: at(object), of_nodes: of_nodes.map(str::to_owned), ..Self::default() };
        let entries = match object.get("data").map(|node| (node, &node.data)) {
            Some((_, Data::Map(entries))) => entries,
            Some((node, _)) => return Err(refuse(node, "data", "must be a mapping of keys to texts".to_owned())),
            None => {
                let other = ["stringData", "binaryData", "Data"].iter().find_map(|key| Some((key, object.get(key)?)));
                let error = refuse(other.map_or(object, |(_, node)| node), "data", "is missing".to_owned());
                return Err(match other {
                    Some((key, _)) => error.help(format!("there is `{key}`; a ConfigMap has its texts in `data`")),
                    None => error,
                });
            }
        };
        for (key, _, node) in entries {
            match &node.data {
                Data::Text(value) => {
                    config.data.insert(key.clone(), value.clone());
                    config.texts.insert(key.clone(), Lines { at: at(node), lines: lines(text, node) });
                }
                Data::Plain(value) if value.is_null() => {
                    config.removed.insert(key.clone());
                }
                _ => {
                    let message = format!("must be a text, and reads as {}", node.to_json());
                    let help = match node.data {
                        Data::Plain(_) => "write it in quotes",
                        _ => "write `|` behind the key, and the JSON in the lines below it",
                    };
                    return Err(refuse(node, &format!("data[{key}]"), message).help(help));
                }
            }
        }
        Ok(config)
    }

    /// A cluster's, with every key that it has. Places are lines of the keys' own texts.
    pub fn of_cluster(data: BTreeMap<String, String>) -> Self {
        let name = format!("configmap {NAMESPACE}/{NAME}");
        let texts = data
            .iter()
            .map(|(key, text)| {
                let at = Source { file: format!("{name} {key}"), line: 1, column: 1 };
                (key.clone(), Lines { at, lines: (1..=text.lines().count().max(1)).map(|line| (line, 0)).collect() })
            })
            .collect();
        let source = Source { file: name, line: 0, column: 0 };
        Self { data, removed: BTreeSet::new(), whole: true, of_nodes: None, source, texts }
    }

    /// The text of a key.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.data.get(key).map(String::as_str)
    }

    /// A key read as JSON; none where the key is not there.
    pub fn json(&self, key: &str) -> Option<JsonText> {
        self.text(key).map(JsonText::read)
    }

    /// This configuration with the chain of a file; places in the chain are the file's.
    pub(super) fn with_chain(&self, file: &Self) -> Self {
        let mut merged = self.clone();
        if let Some(text) = file.data.get(CONFLIST) {
            merged.data.insert(CONFLIST.to_owned(), text.clone());
            merged.texts.insert(CONFLIST.to_owned(), file.texts.get(CONFLIST).cloned().unwrap_or_default());
        } else if file.removed.contains(CONFLIST) {
            merged.data.remove(CONFLIST);
            merged.texts.remove(CONFLIST);
        }
        merged
    }

    /// Whether network policy is on (`getAllConfig`).
    pub fn network_policy(&self) -> bool {
        self.text(POLICY).is_none_or(|text| matches!(text, "false" | "0" | ""))
    }

    /// The position in the file of a place in a key's text.
    pub(super) fn source_of(&self, key: &str, place: Position) -> Source {
        let Some(lines) = self.texts.get(key) else { return self.source.clone() };
        match lines.lines.get(place.line.saturating_sub(1)) {
            Some((line, before)) => Source { file: lines.at.file.clone(), line: *line, column: before + place.column },
            // Behind the last line, where a text ends too soon.
            None => match lines.lines.last() {
                Some((line, before)) => Source { file: lines.at.file.clone(), line: *line, column: before + 1 },
                None => lines.at.clone(),
            },
        }
    }
}

/// The position in the file at which each line of a scalar's text begins. Empty if it is not known.
fn lines(text: &FileText<'_>, scalar: &Node) -> Vec<(usize, usize)> {
    let (Some(value), Some(places)) = (scalar.text(), text.places_of(scalar)) else { return Vec::new() };
    let chars: Vec<char> = value.chars().collect();
    let begins = (0..chars.len()).filter(|at| *at == 0 || chars[at - 1] == '\n');
    begins
        .map(|begin| {
            // The blanks at the start of a line have no position.
            let blanks = chars[begin..].iter().take_while(|c| **c != '\n' && c.is_whitespace()).count();
            let place = places.get(begin + blanks).copied().unwrap_or_default();
            (place.line, place.column.saturating_sub(1 + blanks))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "kind: ConfigMap\napiVersion: v1\nmetadata: { name: eni-config, namespace: kube-system }\n";

    #[test]
    fn places_in_a_keys_text_are_places_in_the_file() {
        let text = format!(
            "{HEAD}data:\n  10-terway.conflist: |\n      {{\n        \"plugins\": []\n      }}\n  10-terway.conf: '{{\"type\": \"terway\"}}'\n"
        );
        let config = EniConfig::read("a.yaml", &text).unwrap();
        let at = |key: &str, path: &str| config.source_of(key, config.json(key).unwrap().place(path)).to_string();
        assert_eq!(at(CONFLIST, "plugins"), "a.yaml:7:9");
        assert_eq!(at(CONF, "type"), "a.yaml:9:21");
        assert!(!config.whole && config.network_policy());
    }

    #[test]
    fn what_is_no_eni_config_is_refused_with_line_and_field() {
        for (text, wanted) in [
            ("".to_owned(), "a.yaml: is empty"),
            ("kind: Pod\nmetadata: {name: x}\n".into(), "a.yaml:1:7: kind: is \"Pod\""),
            ("kind: ConfigMap\nmetadata:\n  name: other\n".into(), "a.yaml:3:9: metadata.name: is \"other\""),
            (HEAD.replace("kube-system", "default") + "data: {}\n", "a.yaml:3:42: metadata.namespace: is \"default\""),
            (HEAD.to_owned(), "a.yaml:1:1: data: is missing"),
            (format!("{HEAD}stringData:\n  a: b\n"), "a.yaml:5:3: data: is missing"),
            (format!("{HEAD}data: [a]\n"), "a.yaml:4:7: data: must be a mapping"),
            (
                format!("{HEAD}data:\n  10-terway.conf: {{ type: terway }}\n"),
                "a.yaml:5:19: data[10-terway.conf]: must be a text",
            ),
            (
                format!("{HEAD}data:\n  disable_network_policy: true\n"),
                "a.yaml:5:27: data[disable_network_policy]: must be a text",
            ),
            (format!("{HEAD}data: {{}}\n---\n{HEAD}data: {{}}\n"), "a.yaml:6:1: metadata.name: a second ConfigMap"),
            (format!("{HEAD}data:\n\ta: 1\n"), "a.yaml:5:2: not YAML"),
        ] {
            let error = EniConfig::read("a.yaml", &text).expect_err(&text).to_string();
            assert!(error.starts_with(wanted), "wanted {wanted}\nfound  {error}");
        }
    }

    #[test]
    fn of_a_cluster_places_are_lines_of_the_keys_text() {
        let config = EniConfig::of_cluster([(CONF.to_owned(), "{\n  \"type\": \"terway\"\n}".to_owned())].into());
        let place = config.json(CONF).unwrap().place("type");
        assert_eq!(config.source_of(CONF, place).to_string(), "configmap kube-system/eni-config 10-terway.conf:2:3");
    }

    #[test]
    fn policy_is_on_unless_it_is_said_otherwise() {
        for (text, on) in [("false", true), ("0", true), ("", true), ("true", false), ("False", false)] {
            let config = EniConfig::of_cluster([(POLICY.to_owned(), text.to_owned())].into());
            assert_eq!(config.network_policy(), on, "{text:?}");
        }
    }
}
