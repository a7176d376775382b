//! One call of a plugin as its model sees it.

use super::result::{CniResult, Dns};
use crate::chain::go_key;
use crate::cni::PluginCall;
use serde_json::{Map, Value};

/// One call, with its configuration read as a Go decoder reads it: letter case does not matter.
pub struct PluginCase<'a> {
    /// The call.
    pub call: &'a PluginCall,
    conf: &'a Map<String, Value>,
    reported: Option<CniResult>,
    earlier: CniResult,
}

impl<'a> PluginCase<'a> {
    /// Reads a call; none where its configuration is no object.
    pub fn read(call: &'a PluginCall) -> Option<Self> {
        let conf = call.stdin.as_object()?;
        let reported = serde_json::from_str::<Value>(&call.stdout).ok().filter(Value::is_object);
        let earlier = go_key(conf, "prevResult").map(CniResult::read).unwrap_or_default();
        Some(Self { call, conf, reported: reported.as_ref().map(CniResult::read), earlier })
    }

    /// The value of a key by its path; null counts as absent.
    pub fn key(&self, path: &[&str]) -> Option<&'a Value> {
        let (last, objects) = path.split_last()?;
        let object = objects.iter().try_fold(self.conf, |object, key| go_key(object, key)?.as_object())?;
        go_key(object, last).filter(|value| !value.is_null())
    }

    /// A text that is not empty.
    pub fn text(&self, path: &[&str]) -> Option<&'a str> {
        self.key(path)?.as_str().filter(|text| !text.is_empty())
    }

    /// A number.
    pub fn number(&self, path: &[&str]) -> Option<i64> {
        self.key(path)?.as_i64()
    }

    /// A switch; absent is off.
    pub fn is_on(&self, path: &[&str]) -> bool {
        self.key(path).and_then(Value::as_bool).unwrap_or(false)
    }

    /// A list; absent is empty.
    pub fn list(&self, path: &[&str]) -> &'a [Value] {
        self.key(path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// `CNI_IFNAME`.
    pub fn interface(&self) -> &'a str {
        &self.call.ifname
    }

    /// A variable of the environment.
    pub fn variable(&self, name: &str) -> &'a str {
        self.call.env.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    }

    /// `CNI_CONTAINERID`.
    pub fn container_id(&self) -> &'a str {
        self.variable("CNI_CONTAINERID")
    }

    /// An argument of `CNI_ARGS` that is not empty.
    pub fn argument(&self, name: &str) -> Option<&'a str> {
        let pairs = self.variable("CNI_ARGS").split(';').filter_map(|pair| pair.split_once('='));
        pairs
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .next_back()
            .filter(|v| !v.is_empty())
    }

    /// The name of the network.
    pub fn network(&self) -> &'a str {
        self.text(&["name"]).unwrap_or_default()
    }

    /// The plugin's result; none where it printed none.
    pub fn reported(&self) -> Option<&CniResult> {
        self.reported.as_ref()
    }

    /// The result that the plugin was given; empty for the first one.
    pub fn earlier(&self) -> &CniResult {
        &self.earlier
    }

    /// The DNS settings of the configuration.
    pub fn dns(&self, path: &[&str]) -> Dns {
        self.key(path).and_then(Value::as_object).map(Dns::read).unwrap_or_default()
    }
}
