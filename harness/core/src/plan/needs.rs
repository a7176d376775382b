//! What a plan made of users' files has beside a scenario's: changes of their objects, and what a lane must have.

use serde::{Deserialize, Serialize};

/// A change of the user's manifest that it needs to run on this lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Adaptation {
    /// The object changed, for example `pod/chain-test-pod`.
    pub object: String,
    /// The field changed, for example `spec.containers[0].image`.
    pub field: String,
    /// The value written by the user; none where the field was absent.
    pub from: Option<String>,
    /// The new value.
    pub to: String,
    /// Why the lane needs the change.
    pub reason: String,
}

/// A plugin that a network names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginNeed {
    /// The plugin's `type`.
    pub plugin: String,
    /// The network that names it.
    pub network: String,
}
