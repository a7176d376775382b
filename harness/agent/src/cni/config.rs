//! Network configurations: reading them, and making the one that each plugin is given.
//!
//! Read untyped, so that every key reaches the plugins as it was written (`libcni/conf.go`, `libcni/api.go`).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::names::{compare, is_name};

/// The newest spec version that is chosen from `cniVersions`.
const NEWEST: &str = "1.1.0";

/// A network configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkConfig {
    /// Network name.
    pub name: String,
    /// Spec version; empty where none was written.
    pub version: String,
    /// Whether CHECK is switched off.
    pub disable_check: bool,
    /// The plugins' configurations in order; never empty.
    pub plugins: Vec<Map<String, Value>>,
}

/// What is put into each plugin's configuration.
#[derive(Debug, Clone, Default)]
pub struct Injected<'a> {
    /// The result handed over.
    pub prev_result: Option<&'a Value>,
    /// Runtime data by capability.
    pub capability_args: BTreeMap<String, Value>,
    /// For `args.cni`.
    pub args_cni: Option<&'a Value>,
}

impl NetworkConfig {
    /// Reads a conf or a conflist (one with `plugins`).
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(text: &str) -> Result<Self, String> {
        let whole: Map<String, Value> = serde_json::from_str(text)
            .map_err(|error| format!("the network configuration is no JSON object: {error}"))?;
        let name = text_of(&whole, "name")?.unwrap_or_default();
        if name.is_empty() {
            return Err("the network configuration has no name".to_owned());
        }
        if !is_name(&name) {
            return Err(format!("network name {name:?} is refused: it wants a letter or digit, then also _ . -"));
        }
        let version = version_of(&whole)?;
        let disable_check = match whole.get("disableCheck") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(off)) => *off,
            Some(Value::String(off)) => off.eq_ignore_ascii_case("true"),
            Some(other) => return Err(format!("disableCheck is {other}, not true or false")),
        };
        let plugins = match whole.get("plugins") {
            None => vec![whole.clone()],
            Some(Value::Array(list)) if list.is_empty() => return Err("the list of plugins is empty".to_owned()),
            Some(Value::Array(list)) => list.iter().enumerate().map(object).collect::<Result<_, _>>()?,
            Some(other) => return Err(format!("plugins is {other}, not a list")),
        };
        for (position, plugin) in plugins.iter().enumerate() {
            let kind = text_of(plugin, "type")?.unwrap_or_default();
            if kind.is_empty() || kind.contains('/') {
                return Err(format!("link {} of the chain has no usable type: {kind:?}", position + 1));
            }
        }
        Ok(Self { name, version, disable_check, plugins })
    }

    /// The type of the plugin at a position.
    #[must_use]
    pub fn kind(&self, position: usize) -> &str {
        self.plugins[position].get("type").and_then(Value::as_str).unwrap_or_default()
    }

    /// The configuration that the plugin at a position is given.
    #[must_use]
    pub fn for_plugin(&self, position: usize, injected: &Injected) -> Value {
        let mut conf = self.plugins[position].clone();
        conf.insert("name".to_owned(), Value::from(self.name.as_str()));
        conf.insert("cniVersion".to_owned(), Value::from(self.version.as_str()));
        if let Some(result) = injected.prev_result {
            conf.insert("prevResult".to_owned(), result.clone());
        }
        if let Some(args) = injected.args_cni {
            add_args(&mut conf, args);
        }
        let declared = conf.get("capabilities").and_then(Value::as_object);
        let runtime: Map<String, Value> = injected
            .capability_args
            .iter()
            .filter(|(name, _)| declared.and_then(|set| set.get(*name)) == Some(&Value::Bool(true)))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if !runtime.is_empty() {
            conf.insert("runtimeConfig".to_owned(), Value::Object(runtime));
        }
        Value::Object(conf)
    }
}

/// Adds to `args.cni`, leaving what is there beside it (`conventions.md`, "args").
fn add_args(conf: &mut Map<String, Value>, added: &Value) {
    let Value::Object(added) = added else { return };
    let args = conf.entry("args").or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(args) = args else { return };
    let cni = args.entry("cni").or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(cni) = cni else { return };
    cni.extend(added.iter().map(|(name, value)| (name.clone(), value.clone())));
}

fn object((position, plugin): (usize, &Value)) -> Result<Map<String, Value>, String> {
    plugin.as_object().cloned().ok_or_else(|| format!("link {} of the chain is {plugin}, not an object", position + 1))
}

fn text_of(object: &Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(format!("{key} is {other}, not a text")),
    }
}

/// `cniVersion`, or the highest of `cniVersions` that is known (spec 1.1.0, section 1).
fn version_of(whole: &Map<String, Value>) -> Result<String, String> {
    let written = text_of(whole, "cniVersion")?;
    let offered = whole.get("cniVersions").and_then(Value::as_array);
    let offered = offered.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    let known = written.clone().into_iter().chain(offered).filter(|version| compare(version, NEWEST).is_le());
    Ok(known.max_by(|one, other| compare(one, other)).or(written).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_plugin_gets_name_version_and_what_was_handed_over() {
        let text = json!({"cniVersion": "1.0.0", "name": "n", "plugins": [
            {"type": "a", "Odd": 1},
            {"type": "b", "capabilities": {"mac": true, "ips": false}, "args": {"cni": {"x": 1}, "other": 2}},
        ]});
        let config = NetworkConfig::read(&text.to_string()).unwrap();
        let result = json!({"cniVersion": "1.0.0"});
        let args = json!({"y": 2});
        let injected = Injected {
            prev_result: Some(&result),
            capability_args: [
                ("mac".to_owned(), json!("02:00:00:00:00:01")),
                ("ips".to_owned(), json!(["10.0.0.1/8"])),
            ]
            .into(),
            args_cni: Some(&args),
        };
        assert_eq!(
            config.for_plugin(0, &injected),
            json!({"type": "a", "Odd": 1, "name": "n", "cniVersion": "1.0.0", "prevResult": result, "args": {"cni": {"y": 2}}})
        );
        let second = config.for_plugin(1, &injected);
        assert_eq!(second["runtimeConfig"], json!({"mac": "02:00:00:00:00:01"}));
        assert_eq!(second["args"], json!({"cni": {"x": 1, "y": 2}, "other": 2}));
    }

    #[test]
    fn a_bare_conf_is_a_chain_of_one() {
        let config = NetworkConfig::read(r#"{"cniVersion":"0.3.1","name":"n","type":"bridge"}"#).unwrap();
        assert_eq!((config.plugins.len(), config.kind(0), config.version.as_str()), (1, "bridge", "0.3.1"));
    }

    #[test]
    fn the_highest_known_version_is_taken() {
        let config = NetworkConfig::read(r#"{"cniVersions":["0.4.0","1.1.0","9.0.0"],"name":"n","type":"x"}"#).unwrap();
        assert_eq!(config.version, "1.1.0");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, word) in [
            ("[]", "no JSON object"),
            (r#"{"type":"x"}"#, "no name"),
            (r#"{"name":"a b","type":"x"}"#, "refused"),
            (r#"{"name":"n","plugins":[]}"#, "empty"),
            (r#"{"name":"n","plugins":[{}]}"#, "link 1"),
            (r#"{"name":"n","plugins":[{"type":"a"},{"type":"../b"}]}"#, "link 2"),
        ] {
            let error = NetworkConfig::read(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
