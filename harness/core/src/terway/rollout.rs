//! A cluster as it was looked at, and what is the matter with the chain that is in force there.

use super::compare::compare;
use super::eni_config::{CONFLIST, EniConfig};
use super::expected::{CILIUM, NodeFacts, TERWAY, alternatives};
use crate::finding::{Finding, FindingCode};
use crate::release::Release;
use crate::scenario::node::Position;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was seen of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSeen {
    /// The nodes on which Terway runs, by name.
    pub nodes: Vec<NodeSeen>,
    /// Pods that were made before the chain came into force.
    pub old_pods: Vec<OldPod>,
}

/// What was seen of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSeen {
    /// Its name.
    pub name: String,
    /// What terway-cli looks at, as far as it is known.
    pub facts: NodeFacts,
    /// The plugins in its folder with the versions that they say; none where its conflist was not read.
    pub plugins: Option<BTreeMap<String, Option<Release>>>,
    /// Its conflist; none where its conflist was not read, or it has none.
    pub conflist: Option<String>,
    /// Why there is no conflist.
    pub unread: Option<String>,
    /// Why the canary pod on it did not come up; none where it did, or none was made.
    pub canary: Option<String>,
}

/// A pod that runs on an earlier chain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OldPod {
    /// Its node.
    pub node: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ClusterSeen {
    /// The nodes that were looked at and do not have a plugin. What Terway's image brings counts as there.
    pub fn lacking(&self, plugin: &str) -> Vec<&str> {
        let lacks = |node: &&NodeSeen| node.plugins.as_ref().is_some_and(|plugins| !plugins.contains_key(plugin));
        let brought = [TERWAY, CILIUM].contains(&plugin);
        self.nodes.iter().filter(lacks).filter(|_| !brought).map(|node| node.name.as_str()).collect()
    }

    /// Whether every node was looked at and has the plugin.
    pub fn has_everywhere(&self, plugin: &str) -> bool {
        let has = |node: &NodeSeen| node.plugins.as_ref().is_some_and(|plugins| plugins.contains_key(plugin));
        !self.nodes.is_empty() && self.nodes.iter().all(has)
    }

    /// The oldest version of a plugin on any node, where each says one.
    pub fn oldest(&self, plugin: &str) -> Option<Release> {
        let version = |node: &NodeSeen| node.plugins.as_ref()?.get(plugin).copied().flatten();
        let all = self.nodes.iter().map(version).collect::<Option<Vec<_>>>()?;
        all.into_iter().min()
    }
}

/// What is the matter with the chain in force.
#[must_use = "judge the rollout: it is no verdict"]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// How many nodes were compared, and canaries looked at.
    pub checked: usize,
    /// Errors first.
    pub findings: Vec<Finding>,
    /// What is not known.
    pub untold: Vec<String>,
}

/// Holds each node's conflist against what terway-cli must make of the configuration; then canaries and old pods.
pub fn rollout(config: &EniConfig, cluster: &ClusterSeen) -> Rollout {
    let mut out = Rollout::default();
    for node in &cluster.nodes {
        let lists = alternatives(config, &node.facts).unwrap_or_default();
        match &node.conflist {
            None => {
                let why = node.unread.clone().unwrap_or_else(|| "its conflist was not read".to_owned());
                out.untold.push(format!("the chain in force on {}: {why}", node.name));
            }
            Some(found) => {
                out.checked += 1;
                for difference in compare(&lists, found) {
                    let at = if difference.path.is_empty() { "the whole" } else { &difference.path };
                    let message = format!("node {}: {at} is not what terway-cli makes of eni-config", node.name);
                    let nothing = || "nothing there".to_owned();
                    let entry = Finding::new(FindingCode::PL636, message)
                        .expected(difference.expected.unwrap_or_else(nothing))
                        .found(difference.found.unwrap_or_else(nothing));
                    let source = config.source_of(CONFLIST, Position { line: 1, column: 1 });
                    out.findings.push(entry.source(&source));
                }
            }
        }
        if let Some(why) = &node.canary {
            let message = format!("node {}: the canary pod did not come up on the new chain", node.name);
            out.findings.push(Finding::new(FindingCode::PL639, message).notes([why.clone()]));
        }
    }
    let mut by_node: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for pod in &cluster.old_pods {
        by_node.entry(&pod.node).or_default().push(format!("{}/{}", pod.namespace, pod.name));
    }
    for (node, pods) in by_node {
        let many = if pods.len() == 1 { "1 pod".to_owned() } else { format!("{} pods", pods.len()) };
        let message = format!("node {node}: {many} made before the chain came into force");
        out.findings.push(Finding::new(FindingCode::PL637, message).notes(pods));
    }
    out.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terway::eni_config::CONF;

    fn config() -> EniConfig {
        let list = r#"{"plugins": [{"type": "terway"}, {"type": "portmap", "masqAll": true}]}"#;
        EniConfig::of_cluster(
            [(CONF.to_owned(), r#"{"type": "terway"}"#.to_owned()), (CONFLIST.to_owned(), list.to_owned())].into(),
        )
    }

    fn node(conflist: &str) -> NodeSeen {
        NodeSeen { name: "a".into(), conflist: Some(conflist.into()), ..NodeSeen::default() }
    }

    const MADE: &str = r#"{"cniVersion": "0.4.0", "name": "terway-chainer", "plugins": [
        {"type": "terway", "eniip_virtual_type": "veth", "bandwidth_mode": "tc"}, {"type": "portmap", "masqAll": true}]}"#;

    fn judged(nodes: Vec<NodeSeen>, old_pods: Vec<OldPod>) -> Rollout {
        rollout(&config(), &ClusterSeen { nodes, old_pods })
    }

    #[test]
    fn a_node_with_the_expected_conflist_has_no_finding() {
        let out = judged(vec![node(MADE)], vec![]);
        assert_eq!((out.checked, out.findings.len(), out.untold.len()), (1, 0, 0), "{out:#?}");
    }

    #[test]
    fn every_key_that_differs_is_a_finding_of_its_node() {
        let out = judged(vec![node(&MADE.replace("\"masqAll\": true", "\"masqAll\": false, \"snat\": true"))], vec![]);
        let shown: Vec<_> = out
            .findings
            .iter()
            .map(|f| (f.code.as_str(), f.message.as_str(), f.expected.as_deref().unwrap(), f.found.as_deref().unwrap()))
            .collect();
        assert_eq!(
            shown,
            [
                ("PL636", "node a: plugins[1].masqAll is not what terway-cli makes of eni-config", "true", "false"),
                (
                    "PL636",
                    "node a: plugins[1].snat is not what terway-cli makes of eni-config",
                    "nothing there",
                    "true"
                ),
            ]
        );
    }

    #[test]
    fn a_node_that_could_not_be_read_is_unknown_and_not_counted() {
        let blind = NodeSeen { name: "b".into(), unread: Some("no right to exec".into()), ..NodeSeen::default() };
        let out = judged(vec![blind], vec![]);
        assert_eq!((out.checked, out.findings.len()), (0, 0));
        assert_eq!(out.untold, ["the chain in force on b: no right to exec"]);
    }

    #[test]
    fn canaries_and_old_pods_are_reported_by_node() {
        let sick = NodeSeen { canary: Some("waited 20 s for Ready".into()), ..node(MADE) };
        let pod = |name: &str| OldPod { node: "a".into(), namespace: "shop".into(), name: name.into() };
        let out = judged(vec![sick], vec![pod("web"), pod("db")]);
        let shown: Vec<_> = out.findings.iter().map(|f| (f.code.as_str(), f.notes.join(", "))).collect();
        assert_eq!(shown, [("PL639", "waited 20 s for Ready".to_owned()), ("PL637", "shop/web, shop/db".to_owned())]);
    }

    #[test]
    fn a_plugin_is_lacking_only_on_nodes_that_were_read() {
        let has =
            |names: &[&str]| Some(names.iter().map(|name| ((*name).to_owned(), Release::find("v1.9.1"))).collect());
        let seen = ClusterSeen {
            nodes: vec![
                NodeSeen { name: "a".into(), plugins: has(&["portmap"]), ..NodeSeen::default() },
                NodeSeen { name: "b".into(), plugins: has(&[]), ..NodeSeen::default() },
                NodeSeen { name: "c".into(), ..NodeSeen::default() },
            ],
            old_pods: vec![],
        };
        assert_eq!(seen.lacking("portmap"), ["b"]);
        assert!(seen.lacking("terway").is_empty() && !seen.has_everywhere("portmap"));
        assert_eq!(seen.oldest("portmap"), None);
    }
}
