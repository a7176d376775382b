//! The table of keys: sources, plugins and other objects, and the keys of each.

use super::key::Key;
use crate::release::Release;

/// A module whose releases were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Short name: `plugins`, `whereabouts`, `multus`, `terway`, `cni`, `route-override`.
    pub name: String,
    /// The Go module.
    pub module: String,
    /// The releases that were read, oldest first.
    pub releases: Vec<Release>,
}

impl Source {
    /// The newest release that was read.
    pub fn newest(&self) -> Option<Release> {
        self.releases.last().copied()
    }
}

/// What a plugin is in a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It creates the interface; a chain has room for one.
    Main,
    /// It changes what an earlier plugin made, and fails without its result.
    Meta,
    /// It assigns addresses for another plugin, and its configuration is the object `ipam`.
    Ipam,
    /// None of these: `loopback`, `passthru`, `multus`.
    Other,
}

/// An object that is not a plugin's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// A network configuration list, as libcni reads it.
    NetworkList,
    /// Keys that libcni and conventions give to the configuration of every plugin.
    EveryPlugin,
    /// The configuration of a network, as Multus reads it before it gives it to libcni.
    Delegate,
    /// An element of the annotation `k8s.v1.cni.cncf.io/networks`.
    NetworkSelection,
    /// Terway's `eni_conf`.
    EniConf,
    /// Keys of Terway's ConfigMap `eni-config`.
    EniConfigMap,
}

/// The keys of one plugin or object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginKeys {
    /// The plugin's `type`, or the object's name.
    pub name: String,
    /// What it is in a chain.
    pub kind: Kind,
    /// Name of its [`Source`].
    pub source: String,
    /// The first release known to have it.
    pub since: Release,
    /// The first release known to be without it again.
    pub until: Option<Release>,
    /// All keys, parents before children.
    pub keys: Vec<Key>,
}

impl PluginKeys {
    /// The keys of the object at a path; of the whole configuration for an empty one. Lists add nothing to a path:
    /// `["ipam", "addresses"]` has the keys of an element. Letters of the path count.
    pub fn at(&self, path: &[&str]) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(move |key| key.parent().iter().map(String::as_str).eq(path.iter().copied()))
    }

    /// The key that the decoder takes a document's key for: an exact match first, then one of another letter case. Of a
    /// key whose type changed, the newest.
    pub fn find(&self, path: &[&str], key: &str) -> Option<&Key> {
        let exact = self.at(path).filter(|known| known.name() == key).last();
        exact.or_else(|| self.at(path).filter(|known| known.matches(key)).last())
    }
}

/// The keys of all known plugins and objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyTable {
    pub(super) sources: Vec<Source>,
    pub(super) plugins: Vec<PluginKeys>,
    pub(super) objects: Vec<(Object, PluginKeys)>,
}

impl KeyTable {
    /// A module by its short name.
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.name == name)
    }

    /// All modules.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The plugin of this `type`. Letters count: it is the name of a file.
    pub fn plugin(&self, name: &str) -> Option<&PluginKeys> {
        self.plugins.iter().find(|plugin| plugin.name == name)
    }

    /// All plugins.
    pub fn plugins(&self) -> &[PluginKeys] {
        &self.plugins
    }

    /// The keys of an object.
    pub fn object(&self, object: Object) -> Option<&PluginKeys> {
        self.objects.iter().find(|(known, _)| *known == object).map(|(_, keys)| keys)
    }
}
