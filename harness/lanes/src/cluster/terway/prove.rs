//! The step `prove-terway` of a bring-up: a pod on every node that comes up by the chain which lies there.
//!
//! A chain on the node is not yet one that pods come up by: the runtime takes it from its own memory, and a plugin of it
//! may not be there. So a canary has to have an address of its node's pool, and the runtime has to have kept the very
//! configuration that lies on the node as what it called.

use super::super::bringup::{Alive, BringUp};
use super::super::canary::{self, Book, Flight};
use super::super::naming::full_hash;
use super::super::node::Node;
use super::super::profile::Loaded;
use super::super::proving::now;
use super::super::record::Proof;
use super::super::step::{Found, Notes};
use super::super::warm::Cluster;
use super::super::{images, multus};
use super::chart;
use super::deploy::{daemon_set, in_force};
use super::{CHAIN, CONFLIST, DAEMON_SET, eni};
use futures::future::try_join_all;
use ipnet::Ipv4Net;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use plumbline_core::protocol::{Op, Outcome, Target};
use plumbline_testbed::error::TestbedError;
use serde_json::Value;
use std::net::IpAddr;

/// Stage of what is done here.
pub const STAGE: &str = "prove-terway";
/// Where the runtime keeps what it called for each sandbox (libcni's cache).
const CACHE: &str = "/var/lib/cni/results";
/// The configuration that the runtime called for a pod, by its name: libcni keeps it as base64.
const CALLED: &str = include_str!("called.sh");

/// A node with what its pods are to come up by.
pub struct Ground<'a> {
    /// The node.
    pub node: &'a Node,
    /// The addresses of its pods.
    pub pool: Ipv4Net,
    /// The text of the chain on it.
    pub chain: String,
}

impl BringUp<'_> {
    /// Looks whether the last proof still stands.
    pub(in super::super) async fn check_terway_proof(&self) -> Result<Found, TestbedError> {
        let alive = self.alive().await?;
        let grounds = self.terway_grounds(&alive).await?;
        let (_, home) = self.rendered().await?;
        Ok(multus::found(&grounds, home.record().and_then(|r| r.proof).as_ref(), now()))
    }

    /// Sends a canary up on every node.
    pub(in super::super) async fn prove_terway(&self, notes: &Notes) -> Result<(), TestbedError> {
        let alive = self.alive().await?;
        let toolbox = &self.loaded.profile.images.toolbox;
        let toolbox =
            images::on_nodes(self.engine()?, &self.cx.images, toolbox, self.loaded, &alive.nodes, notes).await?;
        let (rendered, home) = self.rendered().await?;
        let before = self.terway_grounds(&alive).await?.map_err(|what| TestbedError::new(STAGE, what))?;
        let mut grounds = Vec::new();
        for node in &alive.nodes {
            let chain = in_force(node)
                .await?
                .map_err(|what| TestbedError::new(STAGE, format!("node {}: {what}", node.name)))?;
            grounds.push(Ground { node, pool: eni::pool(self.loaded, &rendered.name, &node.name)?, chain });
        }
        notes.note("canary on every node");
        canary::namespace(&alive.client, STAGE).await?;
        let book = Book { run: &self.cx.run, kubeconfig: &home.kubeconfig() };
        try_join_all(grounds.iter().map(|ground| fly(self.loaded, &alive.client, ground, &toolbox, book))).await?;
        let after = self.terway_grounds(&alive).await?.map_err(|what| TestbedError::new(STAGE, what))?;
        if after != before {
            return Err(TestbedError::new(
                STAGE,
                format!("changed under the canary: {}", multus::changed(&before, &after)),
            ));
        }
        home.change(|record| record.proof = Some(Proof { of: after, at: now() }))
    }

    /// What a proof rests on, as [`grounds`] has it.
    async fn terway_grounds(&self, alive: &Alive) -> Result<Result<String, String>, TestbedError> {
        grounds(&self.terway_fixed().await?, &alive.client, &alive.nodes).await
    }

    /// What of it does not change while the cluster is used.
    pub(in super::super) async fn terway_fixed(&self) -> Result<String, TestbedError> {
        let plugins = self.plugins().await?.hash();
        let inputs = chart::inputs(&self.cx.images, self.loaded)?;
        Ok(format!("the plugins {plugins}\nTerway's chart {}", inputs.hash))
    }
}

/// Notes that canaries came up by the chain that is in force now: another operation has sent them.
///
/// # Errors
/// `TestbedError` when it is in force on not every node, or the record can't be written.
pub async fn note(cluster: &Cluster) -> Result<(), TestbedError> {
    let fixed = cluster.terway.as_ref().map_or("", |terway| terway.fixed.as_str());
    let of = grounds(fixed, &cluster.client, &cluster.nodes).await?.map_err(|what| TestbedError::new(STAGE, what))?;
    cluster.home.change(|record| record.proof = Some(Proof { of, at: now() }))
}

/// What a proof rests on, a line each with its hash. The inner error is what is wrong, in words.
async fn grounds(fixed: &str, client: &kube::Client, nodes: &[Node]) -> Result<Result<String, String>, TestbedError> {
    let set = match daemon_set(client).await? {
        Ok(set) => set,
        Err(what) => return Ok(Err(what)),
    };
    let generation = set.metadata.generation.unwrap_or_default();
    let mut lines = vec![fixed.to_owned(), format!("daemon set {DAEMON_SET} {generation}")];
    for (node, chain) in nodes.iter().zip(try_join_all(nodes.iter().map(in_force)).await?) {
        match chain {
            Ok(text) => {
                // One that went and came back is the same by content, and may not be what the runtime has loaded.
                let stat = node.must(STAGE, &["stat", "--format=%i %z", CONFLIST]).await?.stdout;
                let (container, chain) = (full_hash(node.incarnation.as_bytes()), format!("{stat} {text}"));
                lines.push(format!("the container of node {} {container}", node.name));
                lines.push(format!("{CONFLIST} of node {} {}", node.name, full_hash(chain.as_bytes())));
            }
            Err(what) => return Ok(Err(format!("node {}: {what}", node.name))),
        }
    }
    Ok(Ok(lines.join("\n")))
}

/// Sends a canary up on one node, looks at it, and takes it away again.
///
/// # Errors
/// `TestbedError`, naming the node: it did not come up, has no address of the pool, or came up by another chain.
pub async fn fly(
    loaded: &Loaded,
    client: &kube::Client,
    ground: &Ground<'_>,
    image: &str,
    book: Book<'_>,
) -> Result<(), TestbedError> {
    let flight = Flight { client, node: ground.node, stage: STAGE, book };
    let documents = flight.documents(loaded, &chart::spec(loaded)?.canary, image, "")?;
    flight.fly(&documents, async |pod: &Pod| ground.look(pod).await).await
}

impl Ground<'_> {
    async fn look(&self, pod: &Pod) -> Result<(), TestbedError> {
        let testbed_error =
            |what: String| TestbedError::new(STAGE, format!("node {}: the canary {what}", self.node.name));
        let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
        let uid = pod.uid().unwrap_or_default();
        let target = Target::Sandbox { namespace, name: name.clone(), uid };
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
        let ran = self.node.must(STAGE, &["sh", "-c", CALLED, "sh", CACHE, CHAIN, &name]).await?;
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
