//! The default network: the profile's configuration on each node, with the node's own pod CIDR, and routes from every node
//! to the pods of the others.

use crate::node::{File, Node};
use crate::profile::Loaded;
use crate::step::{Found, Notes, Step};
use futures::future::try_join_all;
use kube::Client;
use plumbline_kube::manifests::render;
use plumbline_kube::rollout::{self, node_lacks, pod_cidr_lacks};
use plumbline_testbed::error::{AtStage as _, TestbedError};
use plumbline_testbed::wait::Deadline;
use serde_json::json;
use std::path::Path;

/// The runtime's folder of configurations on the nodes.
const FOLDER: &str = "/etc/cni/net.d";
const STAGE: &str = "default-network";

/// The path of a profile's default network on the nodes: a list or a single configuration, depending on the name of its
/// template. Multus uses the first file that is not its own as its default network.
pub fn path(loaded: &Loaded) -> String {
    let template = loaded.profile.networking.default_network.as_deref().unwrap_or(Path::new(""));
    let template = template.with_extension("");
    let ending = if template.extension().is_some_and(|ending| ending == "conf") { "conf" } else { "conflist" };
    format!("{FOLDER}/10-plumbline.{ending}")
}

/// The default network that a node must have.
pub struct NodeNetwork {
    node: String,
    conf: String,
    /// `ip route` arguments: destination and gateway.
    routes: Vec<(String, String)>,
}

/// Renders the default network of each node.
///
/// # Errors
/// `TestbedError` when the nodes have no pod CIDR yet, or the template can't be rendered.
pub async fn render_networks(loaded: &Loaded, client: &Client) -> Result<Vec<NodeNetwork>, TestbedError> {
    let template = loaded.profile.networking.default_network.as_deref();
    let template = template.ok_or_else(|| TestbedError::new(STAGE, "the profile has no networking.defaultNetwork"))?;
    let text = loaded.text(template)?;
    let ranges = rollout::read_pod_cidrs(client, STAGE).await?;
    let whole = &loaded.profile.networking;
    let cluster = json!({ "podSubnet": whole.pod_subnet, "serviceSubnet": whole.service_subnet });
    let render_network = |(node, cidr, _): &(String, String, String)| {
        let values = json!({ "node": { "name": node, "podCidr": cidr }, "cluster": cluster });
        let conf = render(&template.display().to_string(), &text, &values).at_stage(STAGE)?;
        let others = ranges.iter().filter(|(other, _, _)| other != node);
        let routes = others.map(|(_, cidr, address)| (cidr.clone(), address.clone())).collect();
        Ok(NodeNetwork { node: node.clone(), conf, routes })
    };
    ranges.iter().map(render_network).collect()
}

/// Checks that every node has its default network and is ready.
///
/// # Errors
/// `TestbedError` when a node does not answer.
pub async fn check(loaded: &Loaded, client: &Client, nodes: &[Node]) -> Result<Found, TestbedError> {
    let wanted = match render_networks(loaded, client).await {
        Ok(wanted) => wanted,
        Err(error) => return Ok(Found::Lacking(error.cause())),
    };
    let path = path(loaded);
    for want in &wanted {
        let node = find_node(nodes, &want.node)?;
        if node.read(&path).await?.as_deref() != Some(want.conf.as_str()) {
            return Ok(Found::Lacking(format!("node {} has no {path}, or one with other content", want.node)));
        }
        for (to, via) in &want.routes {
            let ran = node.run(&["ip", "route", "show", to, "via", via]).await?;
            if ran.stdout.trim().is_empty() {
                return Ok(Found::Lacking(format!("node {} has no route to {to} via {via}", want.node)));
            }
        }
    }
    Ok(rollout::find_unready_node(client, STAGE).await?.map_or(Found::Good, Found::Lacking))
}

/// Writes the default network on every node, and waits until every node is ready.
///
/// # Errors
/// `TestbedError` when a node can't be reached, or is not ready at the deadline.
pub async fn install(loaded: &Loaded, client: &Client, nodes: &[Node], notes: &Notes) -> Result<(), TestbedError> {
    let deadline = Deadline::after(Step::DefaultNetwork.deadline());
    try_join_all(nodes.iter().map(|n| rollout::wait_for_node(client, &n.name, STAGE, deadline, pod_cidr_lacks)))
        .await?;
    let wanted = render_networks(loaded, client).await?;
    for want in &wanted {
        let node = find_node(nodes, &want.node)?;
        node.write_files(vec![File { path: path(loaded), mode: 0o644, bytes: want.conf.clone().into_bytes() }]).await?;
        for (to, via) in &want.routes {
            node.run_ok(STAGE, &["ip", "route", "replace", to, "via", via]).await?;
        }
    }
    notes.note("waiting for the nodes to be ready");
    try_join_all(wanted.iter().map(|w| rollout::wait_for_node(client, &w.node, STAGE, deadline, node_lacks))).await?;
    Ok(())
}

fn find_node<'a>(nodes: &'a [Node], name: &str) -> Result<&'a Node, TestbedError> {
    nodes
        .iter()
        .find(|n| n.name == name)
        .ok_or_else(|| TestbedError::new(STAGE, format!("node {name} has no container")))
}
