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
    let has_workload = |name: &String| plan.workloads.iter().any(|workload| workload.pods.contains(name));
    let pods = plan.pods.iter().filter(|pod| !has_workload(&pod.name));
    let pods = pods.map(|pod| (format!("pod/{}", pod.name), &pod.manifest));
    let name = |kind: &str, name: &str| format!("{}/{name}", kind.to_lowercase());
    let workloads = plan.workloads.iter().map(|found| (name(&found.kind, &found.name), &found.manifest));
    networks.chain(pods).chain(workloads).map(|(name, manifest)| (name, yaml(manifest))).collect()
}

/// A value as YAML text that kubectl reads back as the same value.
#[must_use]
pub fn yaml(value: &Value) -> String {
    strict::write(value)
}
