//! A chain: the plugins of one network, in order (CNI spec, section 1, "Network configuration format"), read from its
//! configuration as libcni does (`libcni/conf.go`, `NetworkConfFromBytes` and `ConfFromBytes`).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One plugin of the chain with its configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChainLink {
    /// The plugin's `type`, which is the name of its binary.
    pub plugin: String,
    /// The plugin's configuration object as written, `type` included.
    pub conf: Value,
}

/// The plugins of one network, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chain {
    /// Network name (spec key `name`).
    pub name: String,
    /// Spec version (key `cniVersion`), for example `1.0.0`.
    pub cni_version: String,
    /// Whether the configuration was a list (`plugins`), and not one bare plugin.
    pub is_list: bool,
    /// Spec key `disableCheck`.
    pub disable_check: bool,
    /// The plugins in order; never empty.
    pub links: Vec<ChainLink>,
}

/// The version that libcni takes where `cniVersion` is absent (`pkg/version/conf.go`).
const DEFAULT_VERSION: &str = "0.1.0";

/// The value of a key as a plugin's decoder finds it, which ignores letter case. Of several keys that match, the last
/// counts: libcni hands them over in the order of their bytes (`libcni/conf.go`, `InjectConf`).
pub fn go_key<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let matching = object.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
    matching.max_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, value)| value)
}

/// Reads `spec.config` of a NetworkAttachmentDefinition as Multus does: one with a `type` is a single plugin, also beside
/// `plugins` (`pkg/types/conf.go`, `LoadDelegateNetConf`). `name` is taken where the configuration has none.
///
/// # Errors
/// Why no chain can be made of it, as a lower-case fragment.
pub fn parse_network(text: &str, name: &str) -> Result<Chain, String> {
    read(text, name, true)
}

/// Reads the text of a conf or conflist file. `fallback_name` is taken where the configuration has no `name`.
///
/// # Errors
/// Why no chain can be made of it, as a lower-case fragment.
pub fn parse(text: &str, fallback_name: &str) -> Result<Chain, String> {
    read(text, fallback_name, false)
}

fn read(text: &str, fallback_name: &str, type_first: bool) -> Result<Chain, String> {
    if text.trim().is_empty() {
        return Err("the configuration is empty; Multus then looks for a file of that name on the node".to_owned());
    }
    let value: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    let Value::Object(top) = value else { return Err("not a JSON object".to_owned()) };
    let has_type = go_key(&top, "type").and_then(Value::as_str).is_some_and(|plugin| !plugin.is_empty());
    let plugins = go_key(&top, "plugins").filter(|_| !(type_first && has_type));
    // libcni reads the keys of a list in their very letters, those of a single plugin in any case.
    let key_of = |key: &str| if plugins.is_some() { top.get(key) } else { go_key(&top, key) };
    let text_of = |key: &str| match key_of(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(format!("`{key}` is {other}, and must be a string")),
    };
    let name = text_of("name")?.filter(|name| !name.is_empty()).unwrap_or_else(|| fallback_name.to_owned());
    let cni_version = text_of("cniVersion")?.unwrap_or_else(|| DEFAULT_VERSION.to_owned());
    let (is_list, links) = match plugins {
        None => (false, vec![link(&Value::Object(top.clone()), 1)?]),
        Some(Value::Array(plugins)) if plugins.is_empty() => return Err("`plugins` is empty".to_owned()),
        Some(Value::Array(plugins)) => {
            let links = plugins
                .iter()
                .enumerate()
                .map(|(position, conf)| link(conf, position + 1))
                .collect::<Result<_, _>>()?;
            (true, links)
        }
        Some(_) => return Err("`plugins` is not a list".to_owned()),
    };
    let disable_check = match key_of("disableCheck") {
        Some(Value::Bool(value)) => *value,
        Some(Value::String(value)) => value == "true",
        _ => false,
    };
    Ok(Chain { name, cni_version, is_list, disable_check, links })
}

/// Reads one plugin; `number` counts from 1, as reports do.
fn link(conf: &Value, number: usize) -> Result<ChainLink, String> {
    let Value::Object(object) = conf else { return Err(format!("plugin {number} is not a JSON object")) };
    match go_key(object, "type") {
        Some(Value::String(plugin)) if !plugin.is_empty() => {
            if plugin.contains(['/', '\\', '\0']) || plugin == "." || plugin == ".." {
                return Err(format!("plugin {number}: type `{plugin}` is a path; a type is the bare name of a binary"));
            }
            Ok(ChainLink { plugin: plugin.clone(), conf: conf.clone() })
        }
        Some(Value::String(_)) | None => Err(format!("plugin {number} has no `type`")),
        Some(_) => Err(format!("plugin {number}: `type` is not a string")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_and_a_bare_plugin_are_both_chains() {
        let list = parse(r#"{"cniVersion":"1.0.0","plugins":[{"type":"macvlan"},{"type":"tuning"}]}"#, "n").unwrap();
        assert_eq!((list.name.as_str(), list.is_list, list.links.len()), ("n", true, 2));
        let bare = parse(r#"{"cniVersion":"0.3.1","name":"x","type":"bridge"}"#, "n").unwrap();
        assert_eq!((bare.name.as_str(), bare.is_list, bare.links[0].plugin.as_str()), ("x", false, "bridge"));
    }

    #[test]
    fn of_keys_that_differ_in_case_the_last_one_in_bytes_counts() {
        let value: Value = serde_json::from_str(r#"{"vlan":1,"VLAN":2,"mastER":"a","master":"b","MTU":3}"#).unwrap();
        let object = value.as_object().unwrap();
        assert_eq!(go_key(object, "vlan"), Some(&Value::from(1)));
        assert_eq!(go_key(object, "Master"), Some(&Value::from("b")));
        assert_eq!(go_key(object, "mtu"), Some(&Value::from(3)));
        assert_eq!(go_key(object, "mode"), None);
    }

    #[test]
    fn multus_takes_a_type_for_a_single_plugin() {
        let text = r#"{"type":"bridge","plugins":[{"type":"macvlan"},{"type":"tuning"}]}"#;
        let single = parse_network(text, "n").unwrap();
        assert_eq!((single.is_list, single.links.len(), single.links[0].plugin.as_str()), (false, 1, "bridge"));
        assert_eq!(parse(text, "n").unwrap().links.len(), 2);
        let list = parse_network(r#"{"type":"","plugins":[{"type":"macvlan"}]}"#, "n").unwrap();
        assert_eq!((list.is_list, list.links.len()), (true, 1));
    }

    #[test]
    fn a_text_that_gives_no_chain_is_refused() {
        for (text, part) in [
            ("", "empty"),
            ("{", "not JSON"),
            ("[]", "not a JSON object"),
            (r#"{"plugins":[]}"#, "`plugins` is empty"),
            (r#"{"type":"a"} trailing"#, "not JSON"),
            (r#"{"type":"../a"}"#, "is a path"),
            (r#"{"plugins":[{"type":"a"},{}]}"#, "plugin 2 has no `type`"),
            (r#"{"cniVersion":1,"type":"a"}"#, "must be a string"),
        ] {
            let error = parse(text, "n").unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
