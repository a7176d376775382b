//! Terway's part of the step `prove-default-network`: a canary pod on every node gets its network from the node's chain.
//!
//! The chain's file on a node is no proof: the runtime may have loaded another chain, and a plugin may be missing. So a canary
//! must have an address of its node's pool, and the runtime's record of the call must have exactly the configuration in the
//! node's file.

use crate::install::{read_active_chain, read_daemon_set};
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

/// The stage of this module's errors.
pub const STAGE: &str = Step::ProveDefaultNetwork.name();
/// The folder of libcni's cache, with the runtime's call for each sandbox.
const CACHE: &str = "/var/lib/cni/results";
/// Prints the configuration that the runtime called for a pod, by its UID. libcni stores it as base64.
const CALLED: &str = include_str!("called.sh");

/// A node with the expected network of its pods.
pub struct NodeNetwork<'a> {
    /// The node.
    pub node: &'a Node,
    /// The addresses of its pods.
    pub pool: Ipv4Net,
    /// The text of its chain.
    pub chain: String,
}

/// The basis of a proof, one line with a hash for each part; or the fault. `plugins` is the hash of the plugins on the nodes.
pub(crate) async fn read_basis(at: &ClusterContext<'_>, plugins: &str) -> Result<Look<String>, TestbedError> {
    let inputs = chart::read_inputs(&at.cx.images, at.loaded)?;
    let Some(set) = read_daemon_set(at.client).await? else {
        return Ok(Look::NotYet(format!("DaemonSet {DAEMON_SET} does not exist")));
    };
    let generation = set.metadata.generation.unwrap_or_default();
    let mut lines = vec![
        format!("the plugins {plugins}"),
        format!("Terway's chart {}", inputs.hash),
        format!("DaemonSet {DAEMON_SET} {generation}"),
    ];
    for (node, chain) in at.nodes.iter().zip(try_join_all(at.nodes.iter().map(read_active_chain)).await?) {
        match chain {
            Look::There(text) => {
                // A file that was deleted and restored has the same content, but the runtime may have loaded another file.
                let stat = node.run_ok(STAGE, &["stat", "--format=%i %z", CONFLIST]).await?.stdout;
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
    let mut networks = Vec::new();
    for node in at.nodes {
        let chain = match read_active_chain(node).await? {
            Look::There(chain) => chain,
            Look::NotYet(what) => return Err(TestbedError::new(STAGE, format!("node {}: {what}", node.name))),
        };
        networks.push(NodeNetwork { node, pool: eni::pool(at.loaded, at.name, &node.name)?, chain });
    }
    let journal = CanaryJournal { run: &at.cx.run, kubeconfig: &at.kubeconfig };
    try_join_all(networks.iter().map(|network| run_canary(at.loaded, at.client, network, image, journal)))
        .await
        .map(drop)
}

/// Runs a canary on one node, checks it, and deletes it.
///
/// # Errors
/// `TestbedError` with the node's name: the canary did not become Ready, has no address of the pool, or got another chain.
pub async fn run_canary(
    loaded: &Loaded,
    client: &kube::Client,
    network: &NodeNetwork<'_>,
    image: &str,
    journal: CanaryJournal<'_>,
) -> Result<(), TestbedError> {
    let pod = CanaryPod { client, node: network.node, stage: STAGE, journal };
    let documents = pod.render_documents(loaded, &TerwaySettings::read(loaded)?.canary, image, "")?;
    pod.run(&documents, async |pod: &Pod| network.check(pod).await).await
}

impl NodeNetwork<'_> {
    async fn check(&self, pod: &Pod) -> Result<(), TestbedError> {
        let testbed_error =
            |what: String| TestbedError::new(STAGE, format!("node {}: the canary {what}", self.node.name));
        let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
        let uid = pod.uid().unwrap_or_default();
        let target = Target::Sandbox { namespace, name, uid: uid.clone() };
        let seen = match self.node.call(Op::Observe { target, with_ip: false }).await? {
            Outcome::Observed(seen) => seen,
            other => return Err(testbed_error(format!("can't be observed: {other:?}"))),
        };
        let eth0 = seen.kernel.links.iter().find(|link| link.name == "eth0");
        let addresses: Vec<IpAddr> = eth0.iter().flat_map(|link| &link.addresses).map(|a| a.address.addr()).collect();
        let of_pool = |address: &IpAddr| matches!(address, IpAddr::V4(v4) if self.pool.contains(v4));
        if !addresses.iter().any(of_pool) {
            return Err(testbed_error(format!("has no address of {} on eth0, found {addresses:?}", self.pool)));
        }
        let ran = self.node.run_ok(STAGE, &["sh", "-c", CALLED, "sh", CACHE, CHAIN, &uid]).await?;
        let called: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
        let wanted: Value = serde_json::from_str(&self.chain).unwrap_or_default();
        if called.is_null() || called != wanted {
            let found = ran.stdout.trim();
            let found = if found.is_empty() { "no record" } else { found };
            return Err(testbed_error(format!("did not get the chain in {CONFLIST}, found {found}"))
                .with_hint("the runtime has not loaded the new chain: see containerd's log on the node"));
        }
        Ok(())
    }
}
