//! Network configurations: parsing them, and building the configuration of each plugin.
//!
//! A configuration is parsed without types, so that every key reaches the plugins unchanged (`libcni/conf.go`,
//! `libcni/api.go`). Names and versions are checked as libcni does (`pkg/utils/utils.go`, `pkg/version/plugin.go`).

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::{Map, Value};
use thiserror::Error;

/// The newest specification version that is chosen from `cniVersions`.
const NEWEST: &str = "1.1.0";

/// A configuration, a container id or an interface name that libcni refuses.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The text is not JSON, or not an object.
    #[error("network configuration: expected a JSON object: {0}")]
    NotAnObject(#[from] serde_json::Error),
    /// A value of another type or form.
    #[error("{what}: expected {expected}, found {found}")]
    Unexpected {
        /// The key.
        what: String,
        /// The type or form.
        expected: &'static str,
        /// The value.
        found: String,
    },
    /// Something that is missing, or that libcni refuses.
    #[error("{what}: {problem}")]
    Refused {
        /// The configuration, or the name that is refused.
        what: String,
        /// What is wrong.
        problem: &'static str,
    },
}

fn refused(what: impl Into<String>, problem: &'static str) -> ConfigError {
    ConfigError::Refused { what: what.into(), problem }
}

/// A network configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkConfig {
    /// Network name.
    pub name: String,
    /// Specification version; empty where the configuration has none.
    pub version: String,
    /// Whether CHECK is switched off.
    pub disable_check: bool,
    /// The plugins' configurations in order; never empty.
    pub plugins: Vec<Map<String, Value>>,
}

/// What the runner adds to each plugin's configuration.
#[derive(Debug, Clone, Default)]
pub struct RuntimeValues<'a> {
    /// The result of the previous plugin, or the cached one.
    pub prev_result: Option<&'a Value>,
    /// Runtime data by capability.
    pub capability_args: BTreeMap<String, Value>,
    /// For `args.cni`.
    pub args_cni: Option<&'a Value>,
}

impl NetworkConfig {
    /// Parses a conf or a conflist (one with `plugins`).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let whole: Map<String, Value> = serde_json::from_str(text)?;
        let name = read_text(&whole, "name")?.unwrap_or_default();
        if name.is_empty() {
            return Err(refused("network configuration", "name is missing"));
        }
        check_name("network name", &name)?;
        let version = choose_version(&whole)?;
        let disable_check = match whole.get("disableCheck") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(off)) => *off,
            Some(Value::String(off)) => off.eq_ignore_ascii_case("true"),
            Some(other) => return Err(wrong_type("disableCheck", "true or false", other)),
        };
        let plugins = match whole.get("plugins") {
            None => vec![whole.clone()],
            Some(Value::Array(list)) if list.is_empty() => {
                return Err(refused("network configuration", "the list of plugins is empty"));
            }
            Some(Value::Array(list)) => list.iter().enumerate().map(plugin_object).collect::<Result<_, _>>()?,
            Some(other) => return Err(wrong_type("plugins", "a list", other)),
        };
        for (position, plugin) in plugins.iter().enumerate() {
            let found = read_text(plugin, "type")?.unwrap_or_default();
            if found.is_empty() || found.contains('/') {
                let what = format!("plugin {} of {}: type", position + 1, plugins.len());
                return Err(ConfigError::Unexpected { what, expected: "a file name", found: format!("{found:?}") });
            }
        }
        Ok(Self { name, version, disable_check, plugins })
    }

    /// The type of the plugin at a position.
    pub fn plugin_type(&self, position: usize) -> &str {
        self.plugins[position].get("type").and_then(Value::as_str).unwrap_or_default()
    }

    /// The configuration of the plugin at a position, with the runner's values.
    pub fn plugin_config(&self, position: usize, values: &RuntimeValues) -> Value {
        let mut conf = self.plugins[position].clone();
        conf.insert("name".to_owned(), Value::from(self.name.as_str()));
        conf.insert("cniVersion".to_owned(), Value::from(self.version.as_str()));
        if let Some(result) = values.prev_result {
            conf.insert("prevResult".to_owned(), result.clone());
        }
        if let Some(args) = values.args_cni {
            add_cni_args(&mut conf, args);
        }
        let declared = conf.get("capabilities").and_then(Value::as_object);
        let runtime: Map<String, Value> = values
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

/// Adds to `args.cni` and keeps its other keys (`conventions.md`, "args").
fn add_cni_args(conf: &mut Map<String, Value>, added: &Value) {
    let Value::Object(added) = added else { return };
    let args = conf.entry("args").or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(args) = args else { return };
    let cni = args.entry("cni").or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(cni) = cni else { return };
    cni.extend(added.iter().map(|(name, value)| (name.clone(), value.clone())));
}

fn plugin_object((position, plugin): (usize, &Value)) -> Result<Map<String, Value>, ConfigError> {
    let object = plugin.as_object().cloned();
    object.ok_or_else(|| wrong_type(&format!("plugins[{position}]"), "an object", plugin))
}

fn wrong_type(key: &str, expected: &'static str, found: &Value) -> ConfigError {
    ConfigError::Unexpected { what: format!("network configuration: {key}"), expected, found: found.to_string() }
}

fn read_text(object: &Map<String, Value>, key: &str) -> Result<Option<String>, ConfigError> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(wrong_type(key, "a string", other)),
    }
}

/// `cniVersion`, or the highest supported one of `cniVersions` (specification 1.1.0, section 1).
fn choose_version(whole: &Map<String, Value>) -> Result<String, ConfigError> {
    let written = read_text(whole, "cniVersion")?;
    let offered = whole.get("cniVersions").and_then(Value::as_array);
    let offered = offered.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    let known = written.clone().into_iter().chain(offered).filter(|version| compare_versions(version, NEWEST).is_le());
    Ok(known.max_by(|one, other| compare_versions(one, other)).or(written).unwrap_or_default())
}

/// The longest interface name, in bytes (`IFNAMSIZ` without the final zero).
const MAX_INTERFACE_BYTES: usize = 15;

/// Checks a network name or container id; `kind` says which.
///
/// # Errors
/// Other characters than letters, digits, `_`, `.` and `-`, or another first one than a letter or digit.
pub fn check_name(kind: &str, name: &str) -> Result<(), ConfigError> {
    let is_valid = name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(|each| each.is_ascii_alphanumeric() || matches!(each, '_' | '.' | '-'));
    match is_valid {
        true => Ok(()),
        false => Err(refused(format!("{kind} {name:?}"), "expected a letter or digit, then letters, digits, _ . -")),
    }
}

/// Checks an interface name.
///
/// # Errors
/// What is wrong with it.
pub fn check_interface_name(name: &str) -> Result<(), ConfigError> {
    let problem = match name {
        "" => "it is empty",
        "." | ".." => "it is . or ..",
        _ if name.len() > MAX_INTERFACE_BYTES => "it is longer than 15 bytes",
        _ if name.contains(|each: char| each == '/' || each == ':' || each.is_whitespace()) => {
            "it has a slash, a colon or white space"
        }
        _ => return Ok(()),
    };
    Err(refused(format!("interface name {name:?}"), problem))
}

/// Compares two specification versions by their numbers. A text that is no version counts as 0.1.0, as in libcni.
pub fn compare_versions(one: &str, other: &str) -> Ordering {
    version_numbers(one).cmp(&version_numbers(other))
}

/// Whether a specification version is `least` or newer.
pub fn is_at_least(version: &str, least: &str) -> bool {
    compare_versions(version, least) != Ordering::Less
}

fn version_numbers(version: &str) -> (u32, u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    match (parts.next().flatten(), parts.next().flatten(), parts.next().flatten()) {
        (Some(major), Some(minor), micro) => (major, minor, micro.unwrap_or(0)),
        _ => (0, 1, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn each_plugin_gets_name_version_and_the_values_of_the_runner() {
        let text = json!({"cniVersion": "1.0.0", "name": "n", "plugins": [
            {"type": "a", "Odd": 1},
            {"type": "b", "capabilities": {"mac": true, "ips": false}, "args": {"cni": {"x": 1}, "other": 2}},
        ]});
        let config = NetworkConfig::parse(&text.to_string()).unwrap();
        let result = json!({"cniVersion": "1.0.0"});
        let args = json!({"y": 2});
        let values = RuntimeValues {
            prev_result: Some(&result),
            capability_args: [
                ("mac".to_owned(), json!("02:00:00:00:00:01")),
                ("ips".to_owned(), json!(["10.0.0.1/8"])),
            ]
            .into(),
            args_cni: Some(&args),
        };
        assert_eq!(
            config.plugin_config(0, &values),
            json!({"type": "a", "Odd": 1, "name": "n", "cniVersion": "1.0.0", "prevResult": result, "args": {"cni": {"y": 2}}})
        );
        let second = config.plugin_config(1, &values);
        assert_eq!(second["runtimeConfig"], json!({"mac": "02:00:00:00:00:01"}));
        assert_eq!(second["args"], json!({"cni": {"x": 1, "y": 2}, "other": 2}));
    }

    #[test]
    fn a_bare_conf_is_a_chain_of_one() {
        let config = NetworkConfig::parse(r#"{"cniVersion":"0.3.1","name":"n","type":"bridge"}"#).unwrap();
        assert_eq!((config.plugins.len(), config.plugin_type(0), config.version.as_str()), (1, "bridge", "0.3.1"));
    }

    #[test]
    fn the_highest_supported_version_is_chosen() {
        let config =
            NetworkConfig::parse(r#"{"cniVersions":["0.4.0","1.1.0","9.0.0"],"name":"n","type":"x"}"#).unwrap();
        assert_eq!(config.version, "1.1.0");
    }

    #[test]
    fn the_error_names_what_is_wrong() {
        for (text, word) in [
            ("[]", "expected a JSON object"),
            (r#"{"type":"x"}"#, "name is missing"),
            (r#"{"name":"a b","type":"x"}"#, "expected a letter"),
            (r#"{"name":"n","plugins":[]}"#, "empty"),
            (r#"{"name":"n","plugins":[{}]}"#, "plugin 1 of 1"),
            (r#"{"name":"n","plugins":[{"type":"a"},{"type":"../b"}]}"#, "plugin 2 of 2"),
        ] {
            let error = NetworkConfig::parse(text).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn versions_compare_by_number() {
        assert!(is_at_least("0.10.0", "0.4.0"));
        assert!(is_at_least("1.1.0", "0.4.0"));
        assert!(!is_at_least("0.3.1", "0.4.0"));
        assert!(!is_at_least("", "0.4.0"));
    }

    #[test]
    fn names_are_checked_as_libcni_does() {
        for good in ["a", "management-net", "9.x_y"] {
            assert!(check_name("network name", good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a/b", "a b", "ä"] {
            assert!(check_name("network name", bad).is_err(), "{bad}");
        }
        assert!(check_interface_name("eth0").is_ok());
        for bad in ["", ".", "..", "a:b", "a/b", "a b", "sixteen-letters-"] {
            assert!(check_interface_name(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*") {
            let _ = NetworkConfig::parse(&text);
        }

        #[test]
        fn every_configuration_that_parses_gives_each_plugin_a_configuration(value in any_json()) {
            if let Ok(config) = NetworkConfig::parse(&value.to_string()) {
                for position in 0..config.plugins.len() {
                    let values = RuntimeValues { args_cni: Some(&value), prev_result: Some(&value), ..Default::default() };
                    prop_assert!(config.plugin_config(position, &values).is_object());
                    prop_assert!(!config.plugin_type(position).is_empty());
                }
            }
        }
    }

    /// JSON with the keys of a network configuration, and values of any type.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-z/.0-9]{0,6}".prop_map(Value::from),
        ];
        let keys =
            ["name", "type", "plugins", "cniVersion", "cniVersions", "disableCheck", "args", "cni", "capabilities"];
        leaf.prop_recursive(4, 32, 6, move |inner| {
            let object = prop::collection::hash_map(prop::sample::select(keys.to_vec()), inner.clone(), 0..6);
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Value::from),
                object.prop_map(|keys| Value::Object(keys.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
            ]
        })
    }
}
