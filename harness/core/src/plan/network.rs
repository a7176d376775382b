//! A network of the plan, and where the parts of its configuration were written.

use crate::chain::{Chain, go_key};
use crate::source::Source;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A network: a NetworkAttachmentDefinition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// Object name.
    pub name: String,
    /// Namespace as written; none where the scenario's own is meant.
    pub namespace: Option<String>,
    /// The object as it would be applied; none for one that is said to exist already.
    pub manifest: Option<Value>,
    /// `spec.config` as text, unchanged.
    pub config: Option<String>,
    /// The chain read from it; none where it could not be read (then there is a `PL6xx` finding) or exists already.
    pub chain: Option<Chain>,
    /// Where each key of each plugin was written: `plugins/0/vlan` to its place; the empty path is the configuration's
    /// own. Only that one where the configuration is written in a form in which the places of keys are not known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, Source>,
    /// Where the configuration's JSON breaks off; none where it is JSON, or where the place is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syntax_error: Option<Source>,
    /// Keys that stand more than once in one object of the configuration, each with its first place; the last one counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repeated: Vec<(String, Source)>,
    /// Where it was written.
    pub source: Source,
}

impl Network {
    /// The place of a key such as `plugins/0/vlan`, or of the nearest key above it that has one.
    pub fn place(&self, path: &str) -> &Source {
        let mut path = path;
        loop {
            if let Some(source) = self.keys.get(path) {
                return source;
            }
            if path.is_empty() {
                return &self.source;
            }
            path = path.rfind('/').map_or("", |end| &path[..end]);
        }
    }

    /// The place of the route to a network that the chain adds; none if no plugin adds one.
    pub fn place_of_route(&self, to: &IpNet) -> Option<&Source> {
        let chain = self.chain.as_ref()?;
        let prefix = |position: usize| if chain.is_list { format!("plugins/{position}/") } else { String::new() };
        chain.links.iter().enumerate().find_map(|(position, link)| {
            [&["addroutes"][..], &["ipam", "routes"][..]].into_iter().find_map(|path| {
                let top = link.conf.as_object()?;
                let (last, objects) = path.split_last()?;
                let object = objects.iter().try_fold(top, |object, key| go_key(object, key)?.as_object())?;
                let routes = go_key(object, last)?.as_array()?;
                let is_it = |route: &Value| {
                    let dst = route.as_object().and_then(|route| go_key(route, "dst")).and_then(Value::as_str);
                    dst.and_then(|dst| dst.parse::<IpNet>().ok()).is_some_and(|dst| dst.trunc() == *to)
                };
                let index = routes.iter().position(is_it)?;
                Some(self.place(&format!("{}{}/{index}/dst", prefix(position), path.join("/"))))
            })
        })
    }
}
