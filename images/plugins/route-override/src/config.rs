//! The plugin's configuration: its options, which `args.cni` can override, and the previous result.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::result::{CniResult, Dns, Route};
use plumbline_plugin::{Code, Failure};

/// A configuration with the overrides applied.
#[derive(Debug)]
pub struct Config {
    /// The version of the result; empty if the configuration has none.
    pub version: String,
    /// Delete the interface's routes with a gateway, and all routes of the result.
    pub flush_routes: bool,
    /// Delete the interface's default routes, and clear the gateways of the result.
    pub flush_gateway: bool,
    /// Destinations of routes to delete, if the result lists them.
    pub del_routes: Vec<Route>,
    /// Routes to add.
    pub add_routes: Vec<Route>,
    /// CHECK succeeds without any check.
    pub skip_check: bool,
    /// The result of the plugins before this one.
    pub previous: Option<CniResult>,
    /// Options that later upstream versions support and this plugin does not.
    pub unsupported: Vec<&'static str>,
}

/// Options that upstream introduced after the version that this plugin follows.
const LATER: [&str; 2] = ["addecmproutes", "delecmproutes"];

impl Config {
    /// Reads a configuration that is known to be JSON; `value` has its keys in lower case.
    ///
    /// # Errors
    /// 999 if a value has the wrong type or the previous result can't be read. 7 for `args` without `cni`, where upstream
    /// panics.
    pub fn read(value: &Value) -> Result<Self, Failure> {
        check_common_fields(value)?;
        let args = field::<Map<String, Value>>(value, "args")?;
        let cni = args.as_ref().map(read_overrides).transpose()?;
        let version: String = field(value, "cniversion")?.unwrap_or_default();
        let previous = field::<Map<String, Value>>(value, "prevresult")?.map(|object| {
            CniResult::read(&version, Value::Object(object))
                .map_err(|error| Failure::new(Code::Internal, format!("could not parse prevResult: {error}")))
        });
        let of_later = |key: &&str| [Some(value), cni].into_iter().flatten().any(|options| options.get(key).is_some());
        Ok(Self {
            previous: previous.transpose()?,
            version,
            flush_routes: option(value, cni, "flushroutes")?,
            flush_gateway: option(value, cni, "flushgateway")?,
            del_routes: option(value, cni, "delroutes")?,
            add_routes: option(value, cni, "addroutes")?,
            skip_check: option(value, cni, "skipcheck")?,
            unsupported: LATER.into_iter().filter(of_later).collect(),
        })
    }
}

/// An option: from `args.cni` if it is there, else from the configuration, else the default.
fn option<T: DeserializeOwned + Default>(value: &Value, cni: Option<&Value>, key: &str) -> Result<T, Failure> {
    let written = field(value, key)?;
    let overriding = cni.map(|cni| field(cni, key)).transpose()?.flatten();
    Ok(overriding.or(written).unwrap_or_default())
}

/// The object `args.cni`.
fn read_overrides(args: &Map<String, Value>) -> Result<&Value, Failure> {
    match args.get("cni") {
        Some(cni @ Value::Object(_)) => Ok(cni),
        Some(Value::Null) | None => {
            let message = "the configuration has \"args\" without \"cni\" in it: leave \"args\" out, \
                           or put the options under args.cni";
            Err(Failure::new(Code::Config, message))
        }
        Some(_) => Err(unloaded("args.cni", "not an object")),
    }
}

/// A field of its type; `None` if it is missing or null, because Go leaves such a field unset.
fn field<T: DeserializeOwned>(value: &Value, key: &str) -> Result<Option<T>, Failure> {
    match value.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(found) => T::deserialize(found).map(Some).map_err(|error| unloaded(key, error)),
    }
}

/// Reads the fields that every CNI configuration may have, only to refuse a wrong type, as Go's decoder does.
fn check_common_fields(value: &Value) -> Result<(), Failure> {
    field::<String>(value, "type")?;
    field::<BTreeMap<String, bool>>(value, "capabilities")?;
    field::<Dns>(value, "dns")?;
    match field::<Map<String, Value>>(value, "ipam")? {
        Some(ipam) => field::<String>(&Value::Object(ipam), "type").map(drop),
        None => Ok(()),
    }
}

fn unloaded(key: &str, problem: impl Display) -> Failure {
    Failure::new(Code::Internal, format!("failed to load netconf: {key}: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn read(text: &str) -> Result<Config, Failure> {
        Config::read(&json::read(text.as_bytes()).unwrap())
    }

    #[test]
    fn args_override_each_option_separately() {
        let config = read(
            r#"{"flushroutes": true, "addroutes": [{"dst": "10.0.0.0/8"}],
                "Args": {"CNI": {"FlushRoutes": false, "addroutes": null}}}"#,
        )
        .unwrap();
        assert!(!config.flush_routes);
        assert_eq!(config.add_routes.len(), 1, "null overrides nothing");
    }

    #[test]
    fn an_empty_list_in_args_overrides() {
        let config = read(r#"{"addroutes": [{"dst": "10.0.0.0/8"}], "args": {"cni": {"addroutes": []}}}"#);
        assert!(config.unwrap().add_routes.is_empty());
    }

    #[test]
    fn a_wrong_type_is_refused_with_the_name_of_its_field() {
        for (text, word) in [
            (r#"{"addroutes": {"dst": "10.0.0.0/8"}}"#, "addroutes: invalid type: map"),
            (r#"{"addroutes": [{"dst": "10.0.0.0"}]}"#, "invalid CIDR address: 10.0.0.0"),
            (r#"{"addroutes": [{"dst": "10.0.0.0/8", "gw": "g"}]}"#, "invalid IP address: g"),
            (r#"{"capabilities": {"a": 1}}"#, "capabilities: invalid type"),
        ] {
            let failure = read(text).unwrap_err();
            assert_eq!(failure.code, Code::Internal);
            assert!(failure.message.contains(word), "{text}: {}", failure.message);
        }
    }

    #[test]
    fn a_previous_result_of_another_version_is_refused() {
        let failure = read(r#"{"cniVersion": "0.4.0", "prevResult": {"cniVersion": "1.0.0"}}"#);
        assert!(failure.unwrap_err().message.starts_with("could not parse prevResult"));
        let fine = read(r#"{"cniVersion": "0.4.0", "prevResult": {"cniVersion": "0.3.1"}}"#);
        assert!(fine.unwrap().previous.is_some());
    }

    #[test]
    fn options_of_later_versions_are_reported() {
        let config = read(r#"{"addECMProutes": []}"#).unwrap();
        assert_eq!(config.unsupported, ["addecmproutes"]);
    }
}
