//! A chain, and a planned change of it, as values that reports and programs read.

use super::change::Change;
use super::compare::{Difference, compare};
use super::eni_config::{CONF, CONFLIST, EniConfig};
use super::expected::{NodeFacts, alternatives};
use super::lint::LintReport;
use super::rollout::{ClusterSeen, NodeSeen, OldPod, Rollout, rollout};
use crate::finding::Finding;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The DaemonSet that a change of the chain restarts.
pub const DAEMON_SET: &str = "kube-system/terway-eniip";

/// The chain in force, or of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// Where it was read.
    pub source: String,
    /// The chain's own text, byte for byte; none where there is none, and Terway's entry alone is the chain.
    pub chain: Option<String>,
    /// The entry `10-terway.conf`.
    pub entry: Option<String>,
    /// Every conflist that terway-cli can make of it, on nodes of which nothing more is known.
    pub conflists: Vec<Value>,
    /// Why terway-cli refuses it.
    pub refused: Option<String>,
    /// The nodes, where a cluster was looked at.
    pub nodes: Vec<NodeShown>,
    /// Pods that were made before the chain came into force.
    pub old_pods: Vec<OldPod>,
    /// Parts of the cluster that are not what users run.
    #[serde(default)]
    pub stand_ins: Vec<String>,
}

/// The chain on one node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeShown {
    /// The node.
    pub name: String,
    /// Its conflist; none where it could not be read.
    pub conflist: Option<String>,
    /// Why it could not.
    pub unread: Option<String>,
    /// How it differs from what terway-cli must make.
    pub differences: Vec<Difference>,
    /// Whether it throws every chain away.
    pub exclusive: bool,
}

/// What is to be shown of a configuration, and of the cluster that it is from.
pub fn show(source: &str, config: &EniConfig, cluster: Option<&ClusterSeen>) -> Shown {
    let (conflists, refused) = match alternatives(config, &NodeFacts::default()) {
        Ok(lists) => (lists, None),
        Err(why) => (Vec::new(), Some(why)),
    };
    let node = |node: &NodeSeen| {
        let lists = alternatives(config, &node.facts).unwrap_or_default();
        NodeShown {
            name: node.name.clone(),
            differences: node.conflist.as_deref().map(|found| compare(&lists, found)).unwrap_or_default(),
            conflist: node.conflist.clone(),
            unread: node.unread.clone(),
            exclusive: node.facts.exclusive,
        }
    };
    Shown {
        source: source.to_owned(),
        chain: config.text(CONFLIST).map(str::to_owned),
        entry: config.text(CONF).map(str::to_owned),
        conflists,
        refused,
        nodes: cluster.map(|cluster| cluster.nodes.iter().map(node).collect()).unwrap_or_default(),
        old_pods: cluster.map(|cluster| cluster.old_pods.clone()).unwrap_or_default(),
        stand_ins: Vec::new(),
    }
}

/// What `apply` would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// Where the present one was read.
    pub from: String,
    /// Where the new one was read.
    pub to: String,
    /// The difference of the key `10-terway.conflist`: `-`, `+` or a blank before each line.
    pub difference: Vec<String>,
    /// Whether there is nothing to change.
    pub unchanged: bool,
    /// Whether the new one says nothing of the chain, so that the old one's stays.
    #[serde(default)]
    pub unsaid: bool,
    /// What the lint says of the new one.
    pub lint: LintReport,
    /// What else the file would change; any of it refuses the change.
    pub beside: Vec<Finding>,
    /// Every conflist that terway-cli can make of the new one.
    pub conflists: Vec<Value>,
    /// The DaemonSet that is restarted.
    pub restarts: String,
    /// The nodes on which it runs, where a cluster was looked at.
    pub nodes: Vec<String>,
    /// Pods of Terway's network that would still run on the old chain, where a cluster was looked at.
    pub old_pods: Vec<OldPod>,
    /// What is the matter with the chain in force now, where a cluster was looked at.
    pub now: Option<Rollout>,
    /// Why `apply` would not begin, whatever the chain is like, as far as the cluster was looked at.
    #[serde(default)]
    pub obstacle: Option<String>,
    /// Parts of the cluster that are not what users run.
    #[serde(default)]
    pub stand_ins: Vec<String>,
}

impl Planned {
    /// Whether the chain, or what else the file would change, is refused.
    pub fn unfit(&self) -> bool {
        self.lint.failed() || self.beside.iter().any(|finding| finding.is_failure())
    }

    /// Whether `apply` would refuse.
    pub fn refused(&self) -> bool {
        self.unfit() || self.obstacle.is_some()
    }
}

/// What a change would do.
pub fn plan(
    names: (&str, &str),
    change: &Change,
    lint: LintReport,
    present: Option<(&EniConfig, &ClusterSeen)>,
) -> Planned {
    let cluster = present.map(|(_, cluster)| cluster);
    Planned {
        from: names.0.to_owned(),
        to: names.1.to_owned(),
        difference: change.lines().into_iter().map(|(mark, line)| format!("{mark}{line}")).collect(),
        unchanged: change.is_none(),
        unsaid: change.unsaid,
        lint,
        beside: change.findings.clone(),
        conflists: alternatives(&change.merged, &NodeFacts::default()).unwrap_or_default(),
        restarts: DAEMON_SET.to_owned(),
        nodes: cluster.map(|cluster| cluster.nodes.iter().map(|node| node.name.clone()).collect()).unwrap_or_default(),
        old_pods: cluster.map(|cluster| cluster.old_pods.clone()).unwrap_or_default(),
        now: present.map(|(config, cluster)| rollout(config, &ClusterSeen { old_pods: Vec::new(), ..cluster.clone() })),
        obstacle: None,
        stand_ins: Vec::new(),
    }
}

/// How an operation ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// How the cluster is called.
    pub cluster: String,
    /// What is the matter with the chain in force; of an operation that failed, what was when it did.
    pub rollout: Rollout,
    /// Why it failed, where it did; then the old chain is put back.
    pub failed: Option<String>,
    /// How the old chain was put back.
    pub put_back: Option<PutBack>,
    /// Why it could not be; `plumbline chain restore` and `gc` try again.
    pub left: Option<String>,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// Whether it failed for a reason that is neither the chain's nor Terway's: the server refused, a pod had no place.
    #[serde(default)]
    pub error: bool,
    /// The ConfigMap that keeps the old chain.
    pub kept: String,
    /// Each step with its milliseconds.
    pub steps: Vec<(String, u64)>,
    /// From the first step to the last node verified, in milliseconds.
    pub millis: u64,
    /// Parts of the cluster that are not what users run.
    #[serde(default)]
    pub stand_ins: Vec<String>,
}

/// What was done to put the old chain back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PutBack {
    /// The run whose change it was.
    pub run: String,
    /// Whether the ConfigMap had to be written.
    pub written: bool,
    /// Whether the DaemonSet had to be restarted.
    pub restarted: bool,
    /// Keys beside the chain that another program has changed since; they are not restored.
    pub others: Vec<String>,
    /// Each node's conflist beside the old chain.
    pub rollout: Rollout,
}
