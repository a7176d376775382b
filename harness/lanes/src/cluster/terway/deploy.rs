//! The step `default-network` of a profile with Terway: the network that stands in for the cloud's, Terway's chart, and the
//! chain on every node.

use super::super::bringup::BringUp;
use super::super::multus;
use super::super::node::Node;
use super::super::objects;
use super::super::step::{Found, Notes};
use super::super::{images, rollout};
use super::chart;
use super::eni::Eni;
use super::{CHAIN, CONFLIST, DAEMON_SET, NAMESPACE};
use futures::future::try_join_all;
use k8s_openapi::api::apps::v1::DaemonSet;
use kube::api::Api;
use kube::{Client, ResourceExt};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::wait::Deadline;
use serde_json::{Value, json};
use std::time::Duration;

/// Stage of what is done here.
const STAGE: &str = "default-network";
/// How long Terway's pods and the nodes are awaited, image and network included.
const ROLLOUT: Duration = Duration::from_secs(150);
/// Annotation of the daemon set: the hash of what the chart was rendered from.
const RENDERED: &str = "plumbline.dev/rendered-from";

impl BringUp<'_> {
    async fn eni<'a>(&'a self, nodes: &'a [Node]) -> Result<Eni<'a>, TestbedError> {
        let (rendered, _) = self.rendered().await?;
        Ok(Eni { engine: self.engine()?, cluster: &rendered.name, loaded: self.loaded, nodes })
    }

    /// Whether the cloud's stand-in, Terway's pods and the chain of every node are as they should be, and nodes ready.
    pub(in super::super) async fn check_terway(&self) -> Result<Found, TestbedError> {
        let alive = self.alive().await?;
        let inputs = chart::inputs(&self.cx.images, self.loaded)?;
        let eni = self.eni(&alive.nodes).await?;
        let (network, set) = tokio::try_join!(eni.check(), daemon_set(&alive.client))?;
        if let Found::Wanting(what) = network {
            return Ok(Found::Wanting(what));
        }
        if let Err(what) = set.and_then(|set| installed(&set, &inputs.hash)) {
            return Ok(Found::Wanting(what));
        }
        if let Err(what) = on_nodes(&alive.nodes).await? {
            return Ok(Found::Wanting(what));
        }
        Ok(rollout::unready(&alive.client, STAGE).await?.map_or(Found::Good, Found::Wanting))
    }

    /// Makes what is wanting.
    pub(in super::super) async fn make_terway(&self, notes: &Notes) -> Result<(), TestbedError> {
        // Less than the whole step's, so that what is told at the end of it is what its pods say.
        let deadline = Deadline::after(ROLLOUT);
        let alive = self.alive().await?;
        let engine = self.engine()?;
        let specs = &self.loaded.profile.images;
        let inputs = chart::inputs(&self.cx.images, self.loaded)?;
        let network = async {
            let eni = self.eni(&alive.nodes).await?;
            let image = images::reference(&self.cx.images, &specs.toolbox)?;
            match eni.check().await? {
                Found::Good => Ok(()),
                Found::Wanting(what) => {
                    notes.note(what);
                    eni.make(&self.cx.run, &image).await
                }
            }
        };
        let image = async {
            let source = specs.terway.as_ref().ok_or_else(|| TestbedError::new(STAGE, "the profile has no Terway"))?;
            images::on_nodes(engine, &self.cx.images, source, self.loaded, &alive.nodes, notes).await
        };
        tokio::try_join!(network, image)?;
        let set = daemon_set(&alive.client).await?;
        if set.and_then(|set| installed(&set, &inputs.hash)).is_err() {
            let rendered = chart::rendered(&self.cx.images, self.loaded, &inputs).await?;
            for mut object in rendered.objects {
                if object["kind"] == "DaemonSet" {
                    object["metadata"]["annotations"][RENDERED] = json!(inputs.hash);
                }
                objects::apply(&alive.client, &object).await.map_err(|e| TestbedError::new(STAGE, e))?;
            }
        }
        notes.note(format!("waiting for daemon set {DAEMON_SET}"));
        rollout::daemon_set(&alive.client, DAEMON_SET, STAGE, deadline).await?;
        notes.note("waiting for the nodes to be ready");
        try_join_all(alive.nodes.iter().map(|node| rollout::node(&alive.client, &node.name, STAGE, deadline))).await?;
        Ok(())
    }
}

/// Terway's daemon set; the inner error says that there is none.
pub(super) async fn daemon_set(client: &Client) -> Result<Result<DaemonSet, String>, TestbedError> {
    let api: Api<DaemonSet> = Api::namespaced(client.clone(), NAMESPACE);
    let set = api.get_opt(DAEMON_SET).await;
    let set =
        set.map_err(|e| TestbedError::new(STAGE, format!("get daemon set {DAEMON_SET}: {}", objects::words(&e))))?;
    Ok(set.ok_or_else(|| format!("there is no daemon set {DAEMON_SET}")))
}

/// Whether a daemon set is the one that was rendered from the inputs with that hash, and is rolled out.
fn installed(set: &DaemonSet, hash: &str) -> Result<(), String> {
    if set.annotations().get(RENDERED).map(String::as_str) != Some(hash) {
        return Err(format!("daemon set {DAEMON_SET} was made from another chart, image or values"));
    }
    rollout::daemon_set_lacks(set).map_or(Ok(()), |lack| Err(format!("daemon set {DAEMON_SET}: {lack}")))
}

/// Whether a chain of Terway's is what the runtime takes on every node. The inner error names the node.
async fn on_nodes(nodes: &[Node]) -> Result<Result<(), String>, TestbedError> {
    let found = try_join_all(nodes.iter().map(in_force)).await?;
    let wrong = nodes.iter().zip(found).find_map(|(node, found)| Some((node, found.err()?)));
    Ok(wrong.map_or(Ok(()), |(node, what)| Err(format!("node {}: {what}", node.name))))
}

/// The chain that the runtime takes on a node: its text. The inner error says what the runtime takes instead.
///
/// # Errors
/// `TestbedError` when the node can't be asked.
pub async fn in_force(node: &Node) -> Result<Result<String, String>, TestbedError> {
    let Some(names) = node.list(multus::CONF).await? else {
        return Ok(Err(format!("there is no folder {}", multus::CONF)));
    };
    let Some(first) = multus::first(&names) else {
        return Ok(Err(format!("there is no configuration in {}", multus::CONF)));
    };
    let path = format!("{}/{first}", multus::CONF);
    if path != CONFLIST {
        return Ok(Err(format!("the runtime takes {path}, which comes before {CONFLIST}")));
    }
    let Some(text) = node.read(CONFLIST).await? else { return Ok(Err(format!("{CONFLIST} is gone"))) };
    let value: Value = serde_json::from_str(&text).unwrap_or_default();
    if value["name"] != CHAIN {
        return Ok(Err(format!("{CONFLIST} was not made by terway-cli: its name is not {CHAIN}")));
    }
    Ok(Ok(text))
}
