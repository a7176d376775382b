//! The canary: a pod with one network on one node, which must come up attached, in Multus' word and in the kernel.

use super::multus::STAGE;
use super::naming::SYSTEM_NAMESPACE;
use super::node::Node;
use super::objects;
use super::profile::Loaded;
use super::render::render;
use super::yaml;
use crate::kind::ready::{self, Came};
use crate::kind::reported::STATUS;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::{Api, DeleteParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, ResourceExt};
use plumbline_bed::broken::Broken;
use plumbline_bed::journal::{Effect, EffectId, Run};
use plumbline_bed::wait::{self, Deadline};
use plumbline_core::protocol::{CACHED_RESULT, Op, Outcome, Target};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const TEMPLATE: &str = "../common/canary.yaml.j2";
const INTERFACE: &str = "canary0";
const DEADLINE: Duration = Duration::from_secs(60);

/// The journal in which canaries stand while they are up, and the kubeconfig by which `gc` finds them.
#[derive(Clone, Copy)]
pub struct Book<'a> {
    /// The run.
    pub run: &'a Run,
    /// Our own kubeconfig of the cluster.
    pub kubeconfig: &'a Path,
}

/// Sends one up on `node`, looks at it, and takes it away again.
///
/// # Errors
/// `Broken`, naming the node: it did not come up, or is not attached although it is Ready.
pub async fn fly(loaded: &Loaded, client: &Client, node: &Node, image: &str, book: Book<'_>) -> Result<(), Broken> {
    let name = format!("canary-{}", node.name);
    let text = loaded.text(Path::new(TEMPLATE))?;
    let networks = json!([{ "name": name, "interface": INTERFACE }]).to_string();
    let values = json!({ "name": name, "namespace": SYSTEM_NAMESPACE, "run": book.run.id(), "node": node.name,
        "image": image, "networks": networks });
    let text = render(TEMPLATE, &text, &values).map_err(|e| Broken::new(STAGE, e))?;
    let documents = yaml::documents(TEMPLATE, &text).map_err(|e| Broken::new(STAGE, e))?;
    account(client, SYSTEM_NAMESPACE, STAGE).await?;
    // One that a killed run left behind would be taken for this one.
    let pods: Api<Pod> = Api::namespaced(client.clone(), SYSTEM_NAMESPACE);
    remove(&pods, node, &name).await?;
    let entries = documents.iter().map(|document| book.intend(document)).collect::<Result<Vec<_>, _>>()?;
    let looked = look(client, &documents, node, &name).await;
    let removed = remove(&pods, node, &name).await.and(unlisted(client, &documents, &name).await);
    if removed.is_ok() {
        entries.into_iter().try_for_each(|id| book.run.done(id))?;
    }
    looked.and(removed)
}

impl Book<'_> {
    fn intend(&self, object: &Value) -> Result<EffectId, Broken> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.run.intend(Effect::KubeObject {
            kubeconfig: self.kubeconfig.to_owned(),
            api_version: text(&object["apiVersion"]),
            object_kind: text(&object["kind"]),
            namespace: text(&object["metadata"]["namespace"]),
            name: text(&object["metadata"]["name"]),
        })
    }
}

/// Takes the canary's network away.
async fn unlisted(client: &Client, documents: &[Value], name: &str) -> Result<(), Broken> {
    let Some(network) = documents.first() else { return Ok(()) };
    let networks = objects::api_of(client, network).map_err(|e| Broken::new(STAGE, e))?;
    match networks.delete(name, &DeleteParams::default()).await {
        Err(e) if !objects::is_absent(&e) => {
            Err(Broken::new(STAGE, format!("remove the canary's network {name}: {}", objects::words(&e))))
        }
        _ => Ok(()),
    }
}

async fn look(client: &Client, documents: &[Value], node: &Node, name: &str) -> Result<(), Broken> {
    for document in documents {
        objects::apply(client, document).await.map_err(|e| Broken::new(STAGE, e))?;
    }
    let broken = |what: String| Broken::new(STAGE, format!("node {}: the canary {what}", node.name));
    let pod = match ready::ready(client, SYSTEM_NAMESPACE, name, DEADLINE).await {
        Ok(Came::Up(pod)) => pod,
        Ok(Came::Down { reason, .. }) => return Err(broken(format!("did not come up: {reason}"))),
        Err(other) => return Err(broken(format!("did not come up: {}", other.cause))),
    };
    let status = pod.annotations().get(STATUS).cloned().unwrap_or_default();
    let entries: Vec<Value> = serde_json::from_str(&status).unwrap_or_default();
    if !entries.iter().any(|entry| entry["interface"] == INTERFACE) {
        return Err(broken(format!("is Ready, and Multus did not attach {INTERFACE} (network-status: {status:?})"))
            .with_remedy("Multus is not in force on this node: pods there would come up with eth0 alone"));
    }
    let target = Target::Sandbox { namespace: SYSTEM_NAMESPACE.into(), name: name.into(), uid: ready::uid_of(&pod) };
    match node.call(Op::Observe { target, with_ip: false }).await? {
        Outcome::Observed(seen) if seen.kernel.links.iter().any(|l| l.name == INTERFACE && !l.addresses.is_empty()) => {
            Ok(())
        }
        Outcome::Observed(seen) => {
            let names: Vec<_> = seen.kernel.links.iter().map(|l| l.name.as_str()).collect();
            Err(broken(format!("reports {INTERFACE}, and its kernel has {}", names.join(", "))))
        }
        other => Err(broken(format!("can't be looked at: {other:?}"))),
    }
}

/// Removes a pod, where it is, and waits until it is gone from the server and its sandbox from the node.
async fn remove(pods: &Api<Pod>, node: &Node, name: &str) -> Result<(), Broken> {
    let broken = |e: String| Broken::new(STAGE, format!("remove canary {name}: {e}"));
    let pod = pods.get_opt(name).await.map_err(|e| broken(objects::words(&e)))?;
    let Some(pod) = pod else { return Ok(()) };
    let uid = ready::uid_of(&pod);
    match pods.delete(name, &DeleteParams::default().grace_period(1)).await {
        Err(e) if !objects::is_absent(&e) => return Err(broken(objects::words(&e))),
        _ => {}
    }
    let gone = await_condition(pods.clone(), name, conditions::is_deleted(&uid));
    let gone =
        wait::by(STAGE, &format!("pod {name} to be gone"), Deadline::after(DEADLINE), gone, || "still there".into())
            .await?;
    gone.map_err(|e| broken(e.to_string()))?;
    let op = Op::AwaitGone { namespace: SYSTEM_NAMESPACE.into(), name: name.into(), uid, deadline_ms: 20_000 };
    match node.call(op).await? {
        Outcome::Gone { gone: true, .. } => Ok(()),
        // Gone but for what DEL should have forgotten, as with Multus thick 4.3.0 over a default network that is a list:
        // the same comes to every pod there, and is for scenarios to tell (`PL501`).
        Outcome::Gone { last_seen: Some(last), .. } if last.starts_with(CACHED_RESULT) => Ok(()),
        other => Err(broken(format!("its sandbox is not gone: {other:?}"))),
    }
}

/// Waits until a namespace has its default service account: a pod created before is refused.
///
/// # Errors
/// `Broken` at `stage` after 30 s.
pub async fn account(client: &Client, namespace: &str, stage: &str) -> Result<(), Broken> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let there = await_condition(accounts, "default", |account: Option<&ServiceAccount>| account.is_some());
    let what = format!("the default service account of namespace {namespace}");
    let there =
        wait::by(stage, &what, Deadline::after(Duration::from_secs(30)), there, || "it is not there".into()).await?;
    there.map(|_| ()).map_err(|e| Broken::new(stage, format!("{what}: {e}")))
}
