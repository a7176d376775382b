//! A default network of the scenario's own.

use super::Load;
use crate::plan::{DefaultNetwork, Symmetric, Topology};
use crate::scenario::error::InputError;
use crate::scenario::file::ScenarioFile;
use crate::scenario::loader;
use crate::scenario::strict::Located;
use serde_json::Value;

/// The lanes whose nodes are the scenario's own, so that it may choose what every pod of them gets.
const OWN_NODES: [&str; 2] = ["netns", "vm"];

/// The lane whose cluster may have Terway, which takes another chain by its own configuration.
const BY_TERWAY: &str = "kind";
/// The plugin by which such a chain is known.
const TERWAY: &str = "terway";
/// The field that names the default network's file.
const FIELD: &str = "topology.defaultNetwork";

impl Load<'_> {
    /// Reads the file that `topology.defaultNetwork` names: a CNI configuration in JSON, as nodes have it.
    pub(super) fn default_network(&mut self, file: &ScenarioFile) -> Option<DefaultNetwork> {
        let named = file.topology.default_network.as_ref()?;
        let source = self.mistakes.source(named);
        let place = loader::beside(self.mistakes.path, &named.value);
        let text = loader::text(self.loader, &place, &source, FIELD);
        let text = text.map_err(|error| self.mistakes.errors.push(error)).ok()?;
        let network = match name(&text) {
            Ok(name) => DefaultNetwork { name, config: text, source },
            Err(message) => {
                self.mistakes.errors.push(InputError::file(&place, message));
                return None;
            }
        };
        let is_behind = network.plugins().iter().any(|plugin| plugin == TERWAY);
        self.need_own_nodes(
            file,
            named,
            is_behind,
            "only a lane with nodes of its own can lay another default network",
        );
        Some(network)
    }

    /// What only a lane with nodes of its own can lay, beside the default network.
    pub(super) fn own_nodes(&mut self, file: &ScenarioFile) {
        if let Some(list) = &file.topology.tuning_allow_list {
            let message = "only a lane with nodes of its own can lay an allow-list on them";
            self.need_own_nodes(file, list, true, message);
        }
    }

    /// Refuses a scenario for lanes that cannot lay something on their nodes; `or_terway` says whether [`BY_TERWAY`] can.
    fn need_own_nodes<T>(&mut self, file: &ScenarioFile, at: &Located<T>, or_terway: bool, message: &str) {
        let lays = |lane: &str| OWN_NODES.contains(&lane) || (or_terway && lane == BY_TERWAY);
        if file.lanes.is_empty() || file.lanes.iter().any(|lane| !lays(&lane.value)) {
            let error = self.mistakes.error(at, message);
            self.mistakes.errors.push(error.help(format!("name them by `lanes`: {}", OWN_NODES.join(", "))));
        }
    }

    /// Symmetric routing that the default network requests of terway-cli, which requires a default route by its interface.
    pub(super) fn symmetric(&mut self, topology: &Topology) -> Option<Symmetric> {
        let network = topology.default_network.as_ref()?;
        let symmetric = match Symmetric::of_chain(&network.config) {
            Ok(symmetric) => symmetric?,
            Err(message) => {
                self.fail_at(&network.source, FIELD, message);
                return None;
            }
        };
        let is_ready = |node: usize| {
            let mut ports = topology.ports.iter().filter(|port| port.node == node && port.name == symmetric.interface);
            ports.any(|port| !port.defaults.is_empty())
        };
        if let Some(node) = (1..=topology.nodes).find(|node| !is_ready(*node)) {
            let interface = &symmetric.interface;
            let message = format!("symmetric routing needs a default route by {interface}, and node {node} has none");
            let error = InputError::new(network.source.clone(), FIELD, message);
            self.mistakes.errors.push(error.help(format!("add {interface} with `defaults` under `topology.ports`")));
        }
        Some(symmetric)
    }
}

/// The name of a configuration that has plugins.
fn name(text: &str) -> Result<String, String> {
    let whole: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    let is_typed = |plugin: &Value| plugin["type"].as_str().is_some_and(|kind| !kind.is_empty());
    let has_plugins = match whole.get("plugins").and_then(Value::as_array) {
        Some(plugins) => !plugins.is_empty() && plugins.iter().all(is_typed),
        None => is_typed(&whole),
    };
    if !has_plugins {
        return Err("not a CNI configuration; expected `plugins`, each with a `type`".to_owned());
    }
    match whole["name"].as_str() {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => Err("not a CNI configuration; expected a `name`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn a_default_network_has_a_name_and_plugins() {
        assert_eq!(name(r#"{"name":"n","plugins":[{"type":"ptp"}]}"#), Ok("n".to_owned()));
        assert_eq!(name(r#"{"name":"n","type":"ptp"}"#), Ok("n".to_owned()));
        for (text, words) in [
            (r#"{"name":"n","plugins":[]}"#, "`plugins`"),
            (r#"{"name":"n","plugins":[{}]}"#, "`plugins`"),
            (r#"{"plugins":[{"type":"ptp"}]}"#, "a `name`"),
            ("name: n", "not JSON"),
        ] {
            assert!(name(text).unwrap_err().contains(words), "{text}");
        }
    }
}
