//! The step `default-network` of a profile with Terway: the stand-in for the cloud's network, Terway's chart, and the chain on
//! every node.

use crate::eni::Eni;
use crate::settings::spec;
use crate::{CHAIN, CONFLIST, DAEMON_SET, NAMESPACE, chart};
use futures::future::try_join_all;
use k8s_openapi::api::apps::v1::DaemonSet;
use kube::api::Api;
use kube::{Client, ResourceExt};
use plumbline_cluster::cluster::ClusterContext;
use plumbline_cluster::node::Node;
use plumbline_cluster::step::{Found, Notes};
use plumbline_cluster::{images, multus};
use plumbline_kube::objects::{self, AtRequest as _};
use plumbline_kube::rollout;
use plumbline_testbed::error::{AtStage as _, TestbedError};
use plumbline_testbed::wait::{Deadline, Look};
use serde_json::{Value, json};
use std::time::Duration;

/// The stage of this module's errors.
const STAGE: &str = "default-network";
/// The limit for Terway's pods and the nodes, including image and network.
const ROLLOUT: Duration = Duration::from_secs(150);
/// The DaemonSet's annotation with the hash of the chart's inputs.
const RENDERED: &str = "plumbline.dev/rendered-from";
const ABSENT: &str = "DaemonSet terway-eniip does not exist";

fn eni<'a>(at: &'a ClusterContext<'a>) -> Eni<'a> {
    Eni { engine: at.engine, cluster: at.name, loaded: at.loaded, nodes: at.nodes }
}

/// Checks the cloud's stand-in, Terway's pods, the chain of every node, and that the nodes are ready.
pub(crate) async fn check(at: &ClusterContext<'_>) -> Result<Found, TestbedError> {
    let inputs = chart::read_inputs(&at.cx.images, at.loaded)?;
    let eni = eni(at);
    let (network, set) = tokio::try_join!(eni.check(), read_daemon_set(at.client))?;
    if let Found::Lacking(what) = network {
        return Ok(Found::Lacking(what));
    }
    let lack = set.map_or_else(|| Some(ABSENT.to_owned()), |set| find_lack(&set, &inputs.hash));
    if let Some(what) = lack {
        return Ok(Found::Lacking(what));
    }
    if let Found::Lacking(what) = check_nodes(at.nodes).await? {
        return Ok(Found::Lacking(what));
    }
    Ok(rollout::find_unready_node(at.client, STAGE).await?.map_or(Found::Good, Found::Lacking))
}

/// Installs the missing parts.
pub(crate) async fn install(at: &ClusterContext<'_>, notes: &Notes) -> Result<(), TestbedError> {
    // Shorter than the step's deadline, so that the error names the missing condition of the pods.
    let deadline = Deadline::after(ROLLOUT);
    let images = &at.cx.images;
    let inputs = chart::read_inputs(images, at.loaded)?;
    let network = async {
        let eni = eni(at);
        let image = images::reference(images, &at.loaded.profile.images.toolbox)?;
        match eni.check().await? {
            Found::Good => Ok(()),
            Found::Lacking(what) => {
                notes.note(what);
                eni.make(&at.cx.run, &image).await
            }
        }
    };
    let image = async {
        let source = &spec(at.loaded)?.image;
        images::copy_to_nodes(at.engine, images, source, at.loaded, at.nodes, notes).await
    };
    tokio::try_join!(network, image)?;
    let set = read_daemon_set(at.client).await?;
    if set.is_none_or(|set| find_lack(&set, &inputs.hash).is_some()) {
        let rendered = chart::render_chart(images, at.loaded, &inputs).await?;
        for mut object in rendered.objects {
            if object["kind"] == "DaemonSet" {
                object["metadata"]["annotations"][RENDERED] = json!(inputs.hash);
            }
            objects::apply(at.client, &object).await.at_stage(STAGE)?;
        }
    }
    notes.note(format!("waiting for DaemonSet {DAEMON_SET}"));
    let set = rollout::read_daemon_set(at.client, "kube-system", DAEMON_SET, STAGE).await?;
    rollout::wait_for_daemon_set(at.client, &set, STAGE, deadline, |_| None).await?;
    notes.note("waiting for the nodes to be ready");
    let names = at.nodes.iter().map(|node| &node.name);
    try_join_all(names.map(|name| rollout::wait_for_node(at.client, name, STAGE, deadline, rollout::node_lacks)))
        .await?;
    Ok(())
}

/// Terway's DaemonSet; none if it does not exist.
pub(crate) async fn read_daemon_set(client: &Client) -> Result<Option<DaemonSet>, TestbedError> {
    let api: Api<DaemonSet> = Api::namespaced(client.clone(), NAMESPACE);
    api.get_opt(DAEMON_SET).await.at_request(STAGE, format_args!("get DaemonSet {DAEMON_SET}"))
}

/// The reason why a DaemonSet is not rolled out from the inputs with this hash; none if it is.
fn find_lack(set: &DaemonSet, hash: &str) -> Option<String> {
    if set.annotations().get(RENDERED).map(String::as_str) != Some(hash) {
        return Some(format!("DaemonSet {DAEMON_SET} was rendered from another chart, image or values"));
    }
    rollout::daemon_set_lacks(set).map(|lack| format!("DaemonSet {DAEMON_SET}: {lack}"))
}

/// Checks that the runtime uses a chain of Terway on every node.
async fn check_nodes(nodes: &[Node]) -> Result<Found, TestbedError> {
    let found = try_join_all(nodes.iter().map(read_active_chain)).await?;
    let wrong = nodes.iter().zip(found).find_map(|(node, found)| match found {
        Look::There(_) => None,
        Look::NotYet(what) => Some(format!("node {}: {what}", node.name)),
    });
    Ok(wrong.map_or(Found::Good, Found::Lacking))
}

/// The text of the chain that the runtime uses on a node; or a message about what it uses instead.
///
/// # Errors
/// `TestbedError` when the node does not answer.
pub async fn read_active_chain(node: &Node) -> Result<Look<String>, TestbedError> {
    let Some(names) = node.list(multus::CONF).await? else {
        return Ok(Look::NotYet(format!("there is no folder {}", multus::CONF)));
    };
    let Some(first) = multus::first_configuration(&names) else {
        return Ok(Look::NotYet(format!("there is no configuration in {}", multus::CONF)));
    };
    let path = format!("{}/{first}", multus::CONF);
    if path != CONFLIST {
        return Ok(Look::NotYet(format!("the runtime uses {path}, which is before {CONFLIST} in lexical order")));
    }
    let Some(text) = node.read(CONFLIST).await? else { return Ok(Look::NotYet(format!("{CONFLIST} is gone"))) };
    let value: Value = serde_json::from_str(&text).unwrap_or_default();
    if value["name"] != CHAIN {
        return Ok(Look::NotYet(format!("terway-cli did not make {CONFLIST}: its name is not {CHAIN}")));
    }
    Ok(Look::There(text))
}
