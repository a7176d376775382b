//! The step `default-network` of a profile with Terway: the network that stands in for the cloud's, Terway's chart, and the
//! chain on every node.

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
use plumbline_kube::{objects, rollout};
use plumbline_testbed::error::{AtStage as _, TestbedError};
use plumbline_testbed::wait::{Deadline, Look};
use serde_json::{Value, json};
use std::time::Duration;

/// Stage of what is done here.
const STAGE: &str = "default-network";
/// How long Terway's pods and the nodes are awaited, image and network included.
const ROLLOUT: Duration = Duration::from_secs(150);
/// Annotation of the daemon set: the hash of what the chart was rendered from.
const RENDERED: &str = "plumbline.dev/rendered-from";
const ABSENT: &str = "there is no daemon set terway-eniip";

fn eni<'a>(at: &'a ClusterContext<'a>) -> Eni<'a> {
    Eni { engine: at.engine, cluster: at.name, loaded: at.loaded, nodes: at.nodes }
}

/// Whether the cloud's stand-in, Terway's pods and the chain of every node are as they should be, and nodes ready.
pub(crate) async fn check(at: &ClusterContext<'_>) -> Result<Found, TestbedError> {
    let inputs = chart::inputs(&at.cx.images, at.loaded)?;
    let eni = eni(at);
    let (network, set) = tokio::try_join!(eni.check(), daemon_set(at.client))?;
    if let Found::Wanting(what) = network {
        return Ok(Found::Wanting(what));
    }
    let lack = set.map_or_else(|| Some(ABSENT.to_owned()), |set| lack(&set, &inputs.hash));
    if let Some(what) = lack {
        return Ok(Found::Wanting(what));
    }
    if let Found::Wanting(what) = on_nodes(at.nodes).await? {
        return Ok(Found::Wanting(what));
    }
    Ok(rollout::find_unready_node(at.client, STAGE).await?.map_or(Found::Good, Found::Wanting))
}

/// Makes what is wanting.
pub(crate) async fn install(at: &ClusterContext<'_>, notes: &Notes) -> Result<(), TestbedError> {
    // Less than the whole step's, so that the error at the end of it names what its pods lack.
    let deadline = Deadline::after(ROLLOUT);
    let images = &at.cx.images;
    let inputs = chart::inputs(images, at.loaded)?;
    let network = async {
        let eni = eni(at);
        let image = images::reference(images, &at.loaded.profile.images.toolbox)?;
        match eni.check().await? {
            Found::Good => Ok(()),
            Found::Wanting(what) => {
                notes.note(what);
                eni.make(&at.cx.run, &image).await
            }
        }
    };
    let image = async {
        let source = &spec(at.loaded)?.image;
        images::on_nodes(at.engine, images, source, at.loaded, at.nodes, notes).await
    };
    tokio::try_join!(network, image)?;
    let set = daemon_set(at.client).await?;
    if set.is_none_or(|set| lack(&set, &inputs.hash).is_some()) {
        let rendered = chart::rendered(images, at.loaded, &inputs).await?;
        for mut object in rendered.objects {
            if object["kind"] == "DaemonSet" {
                object["metadata"]["annotations"][RENDERED] = json!(inputs.hash);
            }
            objects::apply(at.client, &object).await.at_stage(STAGE)?;
        }
    }
    notes.note(format!("waiting for daemon set {DAEMON_SET}"));
    let set = rollout::read_daemon_set(at.client, "kube-system", DAEMON_SET, STAGE).await?;
    rollout::wait_for_daemon_set(at.client, &set, STAGE, deadline, |_| None).await?;
    notes.note("waiting for the nodes to be ready");
    try_join_all(at.nodes.iter().map(|node| rollout::wait_for_ready_node(at.client, &node.name, STAGE, deadline)))
        .await?;
    Ok(())
}

/// Terway's daemon set; none where there is none.
pub(crate) async fn daemon_set(client: &Client) -> Result<Option<DaemonSet>, TestbedError> {
    let api: Api<DaemonSet> = Api::namespaced(client.clone(), NAMESPACE);
    let set = api.get_opt(DAEMON_SET).await;
    set.map_err(|e| TestbedError::new(STAGE, format!("get daemon set {DAEMON_SET}: {}", objects::words(&e))))
}

/// What a daemon set lacks to be the one that was rendered from the inputs with that hash, and rolled out.
fn lack(set: &DaemonSet, hash: &str) -> Option<String> {
    if set.annotations().get(RENDERED).map(String::as_str) != Some(hash) {
        return Some(format!("daemon set {DAEMON_SET} was made from another chart, image or values"));
    }
    rollout::daemon_set_lacks(set).map(|lack| format!("daemon set {DAEMON_SET}: {lack}"))
}

/// Whether a chain of Terway's is what the runtime takes on every node.
async fn on_nodes(nodes: &[Node]) -> Result<Found, TestbedError> {
    let found = try_join_all(nodes.iter().map(in_force)).await?;
    let wrong = nodes.iter().zip(found).find_map(|(node, found)| match found {
        Look::There(_) => None,
        Look::NotYet(what) => Some(format!("node {}: {what}", node.name)),
    });
    Ok(wrong.map_or(Found::Good, Found::Wanting))
}

/// The chain that the runtime takes on a node: its text; or what the runtime takes instead.
///
/// # Errors
/// `TestbedError` when the node can't be asked.
pub async fn in_force(node: &Node) -> Result<Look<String>, TestbedError> {
    let Some(names) = node.list(multus::CONF).await? else {
        return Ok(Look::NotYet(format!("there is no folder {}", multus::CONF)));
    };
    let Some(first) = multus::first(&names) else {
        return Ok(Look::NotYet(format!("there is no configuration in {}", multus::CONF)));
    };
    let path = format!("{}/{first}", multus::CONF);
    if path != CONFLIST {
        return Ok(Look::NotYet(format!("the runtime takes {path}, which comes before {CONFLIST}")));
    }
    let Some(text) = node.read(CONFLIST).await? else { return Ok(Look::NotYet(format!("{CONFLIST} is gone"))) };
    let value: Value = serde_json::from_str(&text).unwrap_or_default();
    if value["name"] != CHAIN {
        return Ok(Look::NotYet(format!("{CONFLIST} was not made by terway-cli: its name is not {CHAIN}")));
    }
    Ok(Look::There(text))
}
