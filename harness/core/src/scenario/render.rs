//! What a plan would apply, as text.

use super::strict;
use crate::plan::Plan;
use serde_json::Value;

/// Every object of a plan in the order in which it is applied: its name (`network/sip-net`, `pod/chain-test-pod`)
/// and its YAML, as written by the user or given by the template, before any adaptation of a lane.
/// Networks that are said to exist already are not among them.
#[must_use]
pub fn render(plan: &Plan) -> Vec<(String, String)> {
    let networks = plan
        .networks
        .iter()
        .filter_map(|network| Some((format!("network/{}", network.name), network.manifest.as_ref()?)));
    let pods = plan.pods.iter().map(|pod| (format!("pod/{}", pod.name), &pod.manifest));
    networks.chain(pods).map(|(name, manifest)| (name, yaml(manifest))).collect()
}

/// A value as YAML text that kubectl reads back as the same value.
#[must_use]
pub fn yaml(value: &Value) -> String {
    strict::write(value)
}
