//! A chain: the plugins of one network, in order (CNI spec, section 1, "Network configuration format").

mod config;

pub use config::{go_key, parse};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One link of the chain: one plugin with its configuration.
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
    /// The links in order; never empty.
    pub links: Vec<ChainLink>,
}
