//! Terway's part of the step `prove-default-network`: a pod on every node that comes up by the chain which lies there.
//!
//! A chain on the node is not yet one that pods come up by: the runtime takes it from its own memory, and a plugin of it
//! may not be there. So a canary has to have an address of its node's pool, and the runtime has to have kept the very
//! configuration that lies on the node as what it called.

use crate::install::{daemon_set, in_force};
use crate::settings::TerwaySettings;
use crate::{CHAIN, CONFLIST, DAEMON_SET, chart, eni};
use futures::future::try_join_all;
use ipnet::Ipv4Net;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use plumbline_cluster::canary::{CanaryJournal, CanaryPod};
use plumbline_cluster::cluster::ClusterContext;
use plumbline_cluster::naming::full_hash;
use plumbline_cluster::node::Node;
use plumbline_cluster::profile::Loaded;
use plumbline_cluster::step::Step;
use plumbline_core::protocol::{Op, Outcome, Target};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::wait::Look;
use serde_json::Value;
use std::net::IpAddr;

/// Stage of what is done here.
pub const STAGE: &str = Step::ProveDefaultNetwork.name();
/// Where the runtime keeps what it called for each sandbox (libcni's cache).
const CACHE: &str = "/var/lib/cni/results";
/// The configuration that the runtime called for a pod, by its UID: libcni keeps it as base64.
const CALLED: &str = include_str!("called.sh");

/// A node with what its pods are to come up by.
pub struct NodeNetwork<'a> {
    /// The node.
    pub node: &'a Node,
    /// The addresses of its pods.
    pub pool: Ipv4Net,
    /// The text of the chain on it.
    pub chain: String,
}

/// What a proof rests on, a line each with its hash; or what is wrong. `plugins` is the hash of the plugins on the nodes.
pub(crate) async fn basis(at: &ClusterContext<'_>, plugins: &str) -> Result<Look<String>, TestbedError> {
    let inputs = chart::inputs(&at.cx.images, at.loaded)?;
    let Some(set) = daemon_set(at.client).await? else {
        return Ok(Look::NotYet(format!("there is no daemon set {DAEMON_SET}")));
    };
    let generation = set.metadata.generation.unwrap_or_default();
    let mut lines = vec![
        format!("the plugins {plugins}"),
        format!("Terway's chart {}", inputs.hash),
        format!("daemon set {DAEMON_SET} {generation}"),
    ];
    for (node, chain) in at.nodes.iter().zip(try_join_all(at.nodes.iter().map(in_force)).await?) {
        match chain {
            Look::There(text) => {
                // One that went and came back is the same by content, and may not be what the runtime has loaded.
                let stat = node.must(STAGE, &["stat", "--format=%i %z", CONFLIST]).await?.stdout;
                let (container, chain) = (full_hash(node.incarnation.as_bytes()), format!("{stat} {text}"));
                lines.push(format!("the container of node {} {container}", node.name));
                lines.push(format!("{CONFLIST} of node {} {}", node.name, full_hash(chain.as_bytes())));
            }
            Look::NotYet(what) => return Ok(Look::NotYet(format!("node {}: {what}", node.name))),
        }
    }
    Ok(Look::There(lines.join("\n")))
}

/// Runs a canary with `image` on every node.
pub(crate) async fn run_canaries(at: &ClusterContext<'_>, image: &str) -> Result<(), TestbedError> {
    let mut grounds = Vec::new();
    for node in at.nodes {
        let chain = match in_force(node).await? {
            Look::There(chain) => chain,
            Look::NotYet(what) => return Err(TestbedError::new(STAGE, format!("node {}: {what}", node.name))),
        };
        grounds.push(NodeNetwork { node, pool: eni::pool(at.loaded, at.name, &node.name)?, chain });
    }
    let journal = CanaryJournal { run: &at.cx.run, kubeconfig: &at.kubeconfig };
    try_join_all(grounds.iter().map(|ground| run_canary(at.loaded, at.client, ground, image, journal))).await.map(drop)
}

/// Sends a canary up on one node, looks at it, and takes it away again.
///
/// # Errors
/// `TestbedError`, naming the node: it did not come up, has no address of the pool, or came up by another chain.
pub async fn run_canary(
    loaded: &Loaded,
    client: &kube::Client,
    ground: &NodeNetwork<'_>,
    image: &str,
    journal: CanaryJournal<'_>,
) -> Result<(), TestbedError> {
    let pod = CanaryPod { client, node: ground.node, stage: STAGE, journal };
    let documents = pod.documents(loaded, &TerwaySettings::read(loaded)?.canary, image, "")?;
    pod.run(&documents, async |pod: &Pod| ground.look(pod).await).await
}

impl NodeNetwork<'_> {
    async fn look(&self, pod: &Pod) -> Result<(), TestbedError> {
        let testbed_error =
            |what: String| TestbedError::new(STAGE, format!("node {}: the canary {what}", self.node.name));
        let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
        let uid = pod.uid().unwrap_or_default();
        let target = Target::Sandbox { namespace, name, uid: uid.clone() };
        let seen = match self.node.call(Op::Observe { target, with_ip: false }).await? {
            Outcome::Observed(seen) => seen,
            other => return Err(testbed_error(format!("can't be looked at: {other:?}"))),
        };
        let eth0 = seen.kernel.links.iter().find(|link| link.name == "eth0");
        let addresses: Vec<IpAddr> = eth0.iter().flat_map(|link| &link.addresses).map(|a| a.address.addr()).collect();
        let of_pool = |address: &IpAddr| matches!(address, IpAddr::V4(v4) if self.pool.contains(v4));
        if !addresses.iter().any(of_pool) {
            return Err(testbed_error(format!("has no address of {} on eth0 (it has {addresses:?})", self.pool)));
        }
        let ran = self.node.must(STAGE, &["sh", "-c", CALLED, "sh", CACHE, CHAIN, &uid]).await?;
        let called: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
        let wanted: Value = serde_json::from_str(&self.chain).unwrap_or_default();
        if called.is_null() || called != wanted {
            let said = ran.stdout.trim();
            let said = if said.is_empty() { "nothing that was kept" } else { said };
            return Err(testbed_error(format!("came up by another chain than lies in {CONFLIST}: {said}"))
                .with_hint("the runtime has not taken the new one: see containerd's log on the node"));
        }
        Ok(())
    }
}
