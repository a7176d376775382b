//! The chain of a scenario in force on its cluster, by the same operation as `plumbline chain apply`; once for all scenarios
//! that have the same one.

use super::STAGE;
use crate::chain::handle::ClusterHandle;
use crate::chain::{apply, state};
use crate::symmetric_routing as scrub;
use plumbline_cluster::Cluster;
use plumbline_core::plan::{Plan, Symmetric};
use plumbline_core::terway::{CONF, CONFLIST, EniConfig, NodeFacts, alternatives, change, compare};
use plumbline_core::verdict::Adaptation;
use plumbline_testbed::context::Context;
use plumbline_testbed::error::{AtStage as _, TestbedError};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ANEW: &str = "make the cluster again: plumbline down --profile terway, then plumbline up --profile terway";

/// Puts the plan's chain into force where it is not, and sees to symmetric routing being there if it is asked for, and not
/// there if it is not. Gives what was changed in the chain as written.
///
/// # Errors
/// `TestbedError` when the chain does not come into force; then the old one was put back.
pub(super) async fn in_force(cluster: &Cluster, cx: &Context, plan: &Plan) -> Result<Vec<Adaptation>, TestbedError> {
    let testbed_error = |what: String| TestbedError::new(STAGE, what);
    let written = plan.topology.default_network.as_ref().map_or("", |own| own.config.as_str());
    let handle = ClusterHandle::of_cluster(cluster);
    let terway = state::look(&handle, true).await?;
    let conf = terway.config.text(CONF).unwrap_or_default();
    let (text, adaptations) = merge_entry(written, conf)?;
    let file = EniConfig::of_cluster(BTreeMap::from([(CONFLIST.to_owned(), text)]));
    let change = change(&terway.config, &file);
    let wanted = alternatives(&change.merged, &NodeFacts::default()).map_err(testbed_error)?;
    let is_there = |found: Option<&String>| found.is_some_and(|found| compare(&wanted, found).is_empty());
    let there = terway.seen.nodes.iter().all(|node| is_there(node.conflist.as_ref()));
    if !(change.is_none() && there && symmetric_problem(cluster, plan).await?.is_none()) {
        let before = terway.config.text(CONFLIST).and_then(|chain| Symmetric::of_chain(chain).ok().flatten());
        for of in [Some(scrub::Symmetric::default()), before.as_ref().map(of_plan)].into_iter().flatten() {
            scrub::scrub(&cluster.nodes, &of).await?;
        }
        // A chain that was put back since, or another command's, may have been told other names.
        if let Some(problem) = unrequested(cluster).await? {
            return Err(testbed_error(problem).with_hint(ANEW));
        }
        Box::pin(apply::settle(&handle, &terway, &change, cx)).await?;
        if let Some(problem) = symmetric_problem(cluster, plan).await? {
            return Err(testbed_error(problem));
        }
        cluster.record_proof(cx).await?;
    }
    Ok(adaptations)
}

fn of_plan(of: &Symmetric) -> scrub::Symmetric {
    scrub::Symmetric { comment: of.comment.clone(), priority: of.priority, table: of.table }
}

/// The node that lacks the plan's symmetric routing, or has some that the plan does not request; none if all are right.
async fn symmetric_problem(cluster: &Cluster, plan: &Plan) -> Result<Option<String>, TestbedError> {
    let Some(requested) = &plan.topology.symmetric else { return unrequested(cluster).await };
    for node in &cluster.nodes {
        if scrub::look(node, &of_plan(requested)).await?.is_empty() {
            return Ok(Some(format!("node {}: terway-cli laid no symmetric routing", node.name)));
        }
    }
    Ok(None)
}

/// A node with symmetric routing, and what it has.
async fn unrequested(cluster: &Cluster) -> Result<Option<String>, TestbedError> {
    for node in &cluster.nodes {
        if let Some(line) = scrub::any(node).await?.first() {
            return Ok(Some(format!("node {}: unrequested symmetric routing: {line}", node.name)));
        }
    }
    Ok(None)
}

/// The chain for the ConfigMap: without the keys that terway-cli adds, its first plugin with every key of `10-terway.conf`,
/// as the document requires.
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
        reason: "the first plugin has every key of it".to_owned(),
    });
    let text = serde_json::to_string_pretty(&json!({ "plugins": plugins })).at_stage(STAGE)?;
    Ok((text, adaptation.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_plugin_gets_the_keys_that_it_lacks_and_keeps_its_own() {
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
