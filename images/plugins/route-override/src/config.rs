//! The plugin's configuration: its options, each overridden by `args.cni` where that has it, and the previous result.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::result::{CniResult, Dns, Route};
use plumbline_plugin::{Code, Failure};

/// A configuration, overrides applied.
#[derive(Debug)]
pub struct Config {
    /// The version to answer in; empty if the configuration names none.
    pub version: String,
    /// Delete the interface's gatewayed routes, and forget those of the result.
    pub flush_routes: bool,
    /// Delete the interface's default routes, and blank the gateways of the result.
    pub flush_gateway: bool,
    /// Destinations whose routes are to be deleted, if the result lists them.
    pub del_routes: Vec<Route>,
    /// Routes to be added.
    pub add_routes: Vec<Route>,
    /// Let CHECK succeed without a look.
    pub skip_check: bool,
    /// What the plugins before this one did.
    pub previous: Option<CniResult>,
    /// Options that later upstream versions know and this plugin does not.
    pub unsupported: Vec<&'static str>,
}

/// The options, at the top or in `args.cni`.
#[derive(Default)]
struct Options {
    flush_routes: Option<bool>,
    flush_gateway: Option<bool>,
    del_routes: Option<Vec<Route>>,
    add_routes: Option<Vec<Route>>,
    skip_check: Option<bool>,
    unsupported: Vec<&'static str>,
}

/// Options that upstream got after the version this plugin follows.
const LATER: [&str; 2] = ["addecmproutes", "delecmproutes"];

impl Options {
    fn read(value: &Value) -> Result<Self, Failure> {
        Ok(Self {
            flush_routes: field(value, "flushroutes")?,
            flush_gateway: field(value, "flushgateway")?,
            del_routes: field(value, "delroutes")?,
            add_routes: field(value, "addroutes")?,
            skip_check: field(value, "skipcheck")?,
            unsupported: LATER.into_iter().filter(|key| value.get(key).is_some()).collect(),
        })
    }

    fn over(self, other: Self) -> Self {
        Self {
            flush_routes: self.flush_routes.or(other.flush_routes),
            flush_gateway: self.flush_gateway.or(other.flush_gateway),
            del_routes: self.del_routes.or(other.del_routes),
            add_routes: self.add_routes.or(other.add_routes),
            skip_check: self.skip_check.or(other.skip_check),
            unsupported: [self.unsupported, other.unsupported].concat(),
        }
    }
}

impl Config {
    /// Reads a configuration that is known to be JSON; `value` has its keys in lower case.
    ///
    /// # Errors
    /// 999 if a value is of the wrong type or the previous result can't be read, and 7 for `args` without `cni`, on
    /// which upstream panics.
    pub fn read(value: &Value) -> Result<Self, Failure> {
        well_formed(value)?;
        let options = Options::read(value)?;
        let options = match field::<Map<String, Value>>(value, "args")? {
            None => options,
            Some(args) => overrides(&args)?.over(options),
        };
        let version: String = field(value, "cniversion")?.unwrap_or_default();
        let previous = field::<Map<String, Value>>(value, "prevresult")?.map(|object| {
            CniResult::read(&version, Value::Object(object))
                .map_err(|error| Failure::new(Code::Internal, format!("could not parse prevResult: {error}")))
        });
        Ok(Self {
            previous: previous.transpose()?,
            version,
            flush_routes: options.flush_routes.unwrap_or_default(),
            flush_gateway: options.flush_gateway.unwrap_or_default(),
            del_routes: options.del_routes.unwrap_or_default(),
            add_routes: options.add_routes.unwrap_or_default(),
            skip_check: options.skip_check.unwrap_or_default(),
            unsupported: options.unsupported,
        })
    }
}

fn overrides(args: &Map<String, Value>) -> Result<Options, Failure> {
    match args.get("cni") {
        Some(cni @ Value::Object(_)) => Options::read(cni),
        Some(Value::Null) | None => {
            let message = "the configuration has \"args\" without \"cni\" in it: leave \"args\" out, \
                           or put the options under args.cni";
            Err(Failure::new(Code::Config, message))
        }
        Some(_) => Err(unloaded("args.cni", "not an object")),
    }
}

/// A field of its type; `None` if it is missing or null, as Go leaves it unset then.
fn field<T: DeserializeOwned>(value: &Value, key: &str) -> Result<Option<T>, Failure> {
    match value.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(found) => T::deserialize(found).map(Some).map_err(|error| unloaded(key, error)),
    }
}

/// Reads what every CNI configuration may have, only so that a wrong type is refused, as Go's decoder refuses it.
fn well_formed(value: &Value) -> Result<(), Failure> {
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
    fn args_override_one_option_at_a_time() {
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
    fn wrong_types_are_refused_by_name() {
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
    fn a_previous_result_of_another_shape_is_refused() {
        let failure = read(r#"{"cniVersion": "0.4.0", "prevResult": {"cniVersion": "1.0.0"}}"#);
        assert!(failure.unwrap_err().message.starts_with("could not parse prevResult"));
        let fine = read(r#"{"cniVersion": "0.4.0", "prevResult": {"cniVersion": "0.3.1"}}"#);
        assert!(fine.unwrap().previous.is_some());
    }

    #[test]
    fn later_options_are_named() {
        let config = read(r#"{"addECMProutes": []}"#).unwrap();
        assert_eq!(config.unsupported, ["addecmproutes"]);
    }
}
