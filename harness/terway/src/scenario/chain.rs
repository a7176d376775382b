//! Applies the chain of a scenario with the operation of `plumbline chain apply`, once for consecutive scenarios with the same
//! chain.

use super::STAGE;
use crate::chain::handle::ClusterHandle;
use crate::chain::{apply, state};
use crate::symmetric_routing;
use plumbline_cluster::Cluster;
use plumbline_core::plan::{Plan, Symmetric};
use plumbline_core::terway::{CONF, CONFLIST, EniConfig, NodeFacts, alternatives, change, compare};
use plumbline_core::verdict::Adaptation;
use plumbline_testbed::context::Context;
use plumbline_testbed::error::{AtStage as _, TestbedError};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const RECREATE: &str = "create the cluster again: plumbline down --profile terway, then plumbline up --profile terway";

/// Applies the plan's chain if it is not in force, and checks that the nodes have symmetric routing exactly if the plan requests
/// it. Returns the adaptations of the written chain.
///
/// # Errors
/// `TestbedError` when the chain fails. Then the old chain was restored.
pub(super) async fn ensure_chain(
    cluster: &Cluster,
    cx: &Context,
    plan: &Plan,
) -> Result<Vec<Adaptation>, TestbedError> {
    let testbed_error = |what: String| TestbedError::new(STAGE, what);
    let written = plan.topology.default_network.as_ref().map_or("", |own| own.config.as_str());
    let handle = ClusterHandle::of_cluster(cluster);
    let terway = state::read_state(&handle, true).await?;
    let conf = terway.config.text(CONF).unwrap_or_default();
    let (text, adaptations) = merge_entry(written, conf)?;
    let file = EniConfig::of_cluster(BTreeMap::from([(CONFLIST.to_owned(), text)]));
    let change = change(&terway.config, &file);
    let wanted = alternatives(&change.merged, &NodeFacts::default()).map_err(testbed_error)?;
    let is_right = |found: Option<&String>| found.is_some_and(|found| compare(&wanted, found).is_empty());
    let in_force = terway.seen.nodes.iter().all(|node| is_right(node.conflist.as_ref()));
    if !(change.is_none() && in_force && find_symmetric_problem(cluster, plan).await?.is_none()) {
        let before = terway.config.text(CONFLIST).and_then(|chain| Symmetric::of_chain(chain).ok().flatten());
        let defaults = symmetric_routing::Symmetric::default();
        for of in [Some(defaults), before.as_ref().map(to_settings)].into_iter().flatten() {
            symmetric_routing::remove(&cluster.nodes, &of).await?;
        }
        // A chain that was restored since, or a chain of another command, may have configured other names.
        if let Some(problem) = find_unrequested(cluster).await? {
            return Err(testbed_error(problem).with_hint(RECREATE));
        }
        Box::pin(apply::apply_for_scenario(&handle, &terway, &change, cx)).await?;
        if let Some(problem) = find_symmetric_problem(cluster, plan).await? {
            return Err(testbed_error(problem));
        }
        cluster.record_proof(cx).await?;
    }
    Ok(adaptations)
}

fn to_settings(of: &Symmetric) -> symmetric_routing::Symmetric {
    symmetric_routing::Symmetric { comment: of.comment.clone(), priority: of.priority, table: of.table }
}

/// The node that lacks the plan's symmetric routing, or has some that the plan does not request; none if all are right.
async fn find_symmetric_problem(cluster: &Cluster, plan: &Plan) -> Result<Option<String>, TestbedError> {
    let Some(requested) = &plan.topology.symmetric else { return find_unrequested(cluster).await };
    for node in &cluster.nodes {
        if symmetric_routing::list(node, &to_settings(requested)).await?.is_empty() {
            return Ok(Some(format!("node {}: terway-cli set up no symmetric routing", node.name)));
        }
    }
    Ok(None)
}

/// A node with symmetric routing, and one of its rules or routes.
async fn find_unrequested(cluster: &Cluster) -> Result<Option<String>, TestbedError> {
    for node in &cluster.nodes {
        if let Some(line) = symmetric_routing::list_any(node).await?.first() {
            return Ok(Some(format!("node {}: unrequested symmetric routing: {line}", node.name)));
        }
    }
    Ok(None)
}

/// The chain for the ConfigMap: without the keys that terway-cli adds, and with every key of `10-terway.conf` in its first
/// plugin, as the document requires.
fn merge_entry(written: &str, conf: &str) -> Result<(String, Vec<Adaptation>), TestbedError> {
    let parse = |name: &str, text: &str| -> Result<Value, TestbedError> {
        serde_json::from_str(text).map_err(|error| TestbedError::new(STAGE, format!("{name}: {error}")))
    };
    let (mut chain, conf) = (parse("the scenario's chain", written)?, parse(CONF, conf)?);
    let mut plugins = chain["plugins"].take().as_array().cloned().unwrap_or_default();
    let mut added = Vec::new();
    if let (Some(first), Some(conf)) = (plugins.first_mut().and_then(Value::as_object_mut), conf.as_object()) {
        for (key, value) in conf {
            if !first.contains_key(key) {
                first.insert(key.clone(), value.clone());
                added.push(key.as_str());
            }
        }
    }
    let adaptation = (!added.is_empty()).then(|| Adaptation {
        object: "configmap/eni-config".to_owned(),
        field: format!("{CONFLIST}: the first plugin's {}", added.join(", ")),
        from: None,
        to: format!("as in {CONF}"),
        reason: "Terway's document requires every key of it in the first plugin".to_owned(),
    });
    let text = serde_json::to_string_pretty(&json!({ "plugins": plugins })).at_stage(STAGE)?;
    Ok((text, adaptation.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_plugin_gets_the_missing_keys_and_keeps_its_own() {
        let written = r#"{"cniVersion":"0.4.0","name":"n","plugins":[{"type":"terway","symmetric_routing":true},{"type":"portmap"}]}"#;
        let conf = r#"{"cniVersion":"0.4.0","name":"terway","type":"terway","network_policy_provider":"iptables"}"#;
        let (text, adaptations) = merge_entry(written, conf).unwrap();
        let chain: Value = serde_json::from_str(&text).unwrap();
        let first = json!({ "cniVersion": "0.4.0", "name": "terway", "type": "terway", "symmetric_routing": true,
            "network_policy_provider": "iptables" });
        assert_eq!(chain, json!({ "plugins": [first, { "type": "portmap" }] }));
        assert!(adaptations[0].field.ends_with("the first plugin's cniVersion, name, network_policy_provider"));
        assert!(merge_entry("{", conf).is_err());
    }
}
