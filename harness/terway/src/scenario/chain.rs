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
use plumbline_testbed::error::TestbedError;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ANEW: &str = "what lacks it would be seen to have it; plumbline down --profile terway, then up, makes it anew";

/// Puts the plan's chain into force where it is not, and sees to symmetric routing being there if it is asked for, and not
/// there if it is not. Gives what was changed in the chain as written.
///
/// # Errors
/// `TestbedError` when the chain does not come into force; then the old one was put back.
pub(super) async fn in_force(cluster: &Cluster, cx: &Context, plan: &Plan) -> Result<Vec<Adaptation>, TestbedError> {
    let testbed_error = |what: String| TestbedError::new(STAGE, what);
    let written = plan.topology.default_network.as_ref().map_or("", |own| own.config.as_str());
    let reach = ClusterHandle::of_cluster(cluster);
    let looked = state::look(&reach, true).await?;
    let conf = looked.config.text(CONF).unwrap_or_default();
    let (text, adaptations) = asked(written, conf).map_err(testbed_error)?;
    let file = EniConfig::of_cluster(BTreeMap::from([(CONFLIST.to_owned(), text)]));
    let change = change(&looked.config, &file);
    let wanted = alternatives(&change.merged, &NodeFacts::default()).map_err(testbed_error)?;
    let is_there = |found: Option<&String>| found.is_some_and(|found| compare(&wanted, found).is_empty());
    let there = looked.seen.nodes.iter().all(|node| is_there(node.conflist.as_ref()));
    if !(change.is_none() && there && symmetric(cluster, plan).await?.is_ok()) {
        let before = looked.config.text(CONFLIST).and_then(|chain| Symmetric::of_chain(chain).ok().flatten());
        for of in [Some(scrub::Symmetric::default()), before.as_ref().map(of_plan)].into_iter().flatten() {
            scrub::scrub(&cluster.nodes, &of).await?;
        }
        // A chain that was put back since, or another command's, may have been told other names.
        none(cluster).await?.map_err(|line| testbed_error(line).with_hint(ANEW))?;
        apply::settle(&reach, &looked, &change, cx).await?;
        symmetric(cluster, plan).await?.map_err(testbed_error)?;
        cluster.record_proof(cx).await?;
    }
    Ok(adaptations)
}

fn of_plan(of: &Symmetric) -> scrub::Symmetric {
    scrub::Symmetric { comment: of.comment.clone(), priority: of.priority, table: of.table }
}

/// Whether symmetric routing is on every node where the plan asks for it, and on none where it does not. The inner error
/// names the node.
async fn symmetric(cluster: &Cluster, plan: &Plan) -> Result<Result<(), String>, TestbedError> {
    let Some(asked) = &plan.topology.symmetric else { return none(cluster).await };
    for node in &cluster.nodes {
        if scrub::look(node, &of_plan(asked)).await?.is_empty() {
            return Ok(Err(format!("node {}: terway-cli laid no symmetric routing", node.name)));
        }
    }
    Ok(Ok(()))
}

/// Whether no node has symmetric routing, whoever asked for it. The inner error names the node.
async fn none(cluster: &Cluster) -> Result<Result<(), String>, TestbedError> {
    for node in &cluster.nodes {
        if let Some(line) = scrub::any(node).await?.first() {
            return Ok(Err(format!("node {}: unrequested symmetric routing: {line}", node.name)));
        }
    }
    Ok(Ok(()))
}

/// The chain as it is put into the ConfigMap: without what terway-cli gives it, its first plugin with every key that
/// `10-terway.conf` has, as the document wants it.
fn asked(written: &str, conf: &str) -> Result<(String, Vec<Adaptation>), String> {
    let mut chain: Value = serde_json::from_str(written).map_err(|e| format!("the scenario's chain: {e}"))?;
    let conf: Value = serde_json::from_str(conf).map_err(|e| format!("{CONF}: {e}"))?;
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
    let text = serde_json::to_string_pretty(&json!({ "plugins": plugins })).map_err(|e| e.to_string())?;
    Ok((text, adaptation.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_plugin_gets_the_keys_that_it_lacks_and_keeps_its_own() {
        let written = r#"{"cniVersion":"0.4.0","name":"n","plugins":[{"type":"terway","symmetric_routing":true},{"type":"portmap"}]}"#;
        let conf = r#"{"cniVersion":"0.4.0","name":"terway","type":"terway","network_policy_provider":"iptables"}"#;
        let (text, told) = asked(written, conf).unwrap();
        let chain: Value = serde_json::from_str(&text).unwrap();
        let first = json!({ "cniVersion": "0.4.0", "name": "terway", "type": "terway", "symmetric_routing": true,
            "network_policy_provider": "iptables" });
        assert_eq!(chain, json!({ "plugins": [first, { "type": "portmap" }] }));
        assert!(told[0].field.ends_with("the first plugin's cniVersion, name, network_policy_provider"), "{told:?}");
        assert!(asked("{", conf).is_err());
    }
}
