//! Objects of a cluster for the lint, and what it must know of the cluster. Only reads.
//!
//! Read are networks, and pods and workloads that have an annotation of CNI. An object that a controller made of another one
//! of them is left out: it says the same.

use crate::cluster_ranges;
use crate::objects::{self, api_of, error_message};
use futures::future::join_all;
use kube::Client;
use kube::api::{DynamicObject, ListParams};
use plumbline_core::lint::{ClusterFacts, FileOrigin, InputFile};
use plumbline_core::scenario;
use plumbline_testbed::error::TestbedError;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const STAGE: &str = "read the cluster's objects";
/// Objects in one answer of the server.
const PAGE: u32 = 500;
/// Most objects of a kind that are looked at.
const MAX_OBJECTS: usize = 50_000;

/// Kinds that pods come from, pods first.
const WORKLOADS: [(&str, &str); 7] = [
    ("v1", "Pod"),
    ("apps/v1", "ReplicaSet"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
];
const NETWORK: (&str, &str) = ("k8s.cni.cncf.io/v1", "NetworkAttachmentDefinition");
/// Of OpenShift's own API.
const OPENSHIFT: &str = "config.openshift.io";

/// The namespaces to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamespaceScope {
    /// That of the kubeconfig's context.
    OfContext,
    /// This one.
    Named(String),
    /// All of them.
    All,
}

/// What a cluster has.
#[derive(Debug, Default)]
pub struct Inventory {
    /// One text for each object: `CLUSTER/NAMESPACE/KIND/NAME`, as YAML. Networks of other namespaces than those named are
    /// references.
    pub texts: Vec<InputFile>,
    /// What is known of the cluster.
    pub facts: ClusterFacts,
    /// What is not known, and why.
    pub unknown: Vec<String>,
}

/// Reads a cluster; `cluster` is its name in reports. `config_maps` are ConfigMaps to read beside networks, pods and
/// workloads, by namespace and name.
///
/// # Errors
/// `TestbedError` when the objects can't be read. Facts that can't be read are [`Inventory::unknown`].
pub async fn read(
    client: &Client,
    cluster: &str,
    scope: &NamespaceScope,
    config_maps: &[(&str, &str)],
) -> Result<Inventory, TestbedError> {
    let namespace = match scope {
        NamespaceScope::OfContext => Some(client.default_namespace().to_owned()),
        NamespaceScope::Named(namespace) => Some(namespace.clone()),
        NamespaceScope::All => None,
    };
    let mut inventory = read_facts(client).await;
    let networks = read_networks(client, namespace.as_deref(), &mut inventory).await?;
    let lists = WORKLOADS.map(|kind| list(client, kind, namespace.as_deref(), is_relevant));
    let mut found = Vec::new();
    for (objects, kind) in join_all(lists).await.into_iter().zip(WORKLOADS) {
        match objects {
            Err(error) if is_forbidden(&error) => {
                inventory.facts.has_unread_pods = true;
                inventory.unknown.push(format!("objects of kind {}: {}", kind.1, error_message(&error)));
            }
            objects => found.extend(objects.map_err(|error| refuse(kind.1, &error))?),
        }
    }
    for (of, name) in config_maps {
        if namespace.as_deref().is_none_or(|namespace| namespace == *of) {
            found.extend(read_config_map(client, of, name, &mut inventory).await?);
        }
    }
    let objects = networks.into_iter().chain(leave_out_made(found));
    inventory.texts = objects.map(|object| input_file(cluster, object, namespace.as_deref())).collect();
    Ok(inventory)
}

/// Reads only what is known of the cluster.
pub async fn read_facts(client: &Client) -> Inventory {
    let mut inventory = Inventory::default();
    (inventory.facts.ranges, inventory.unknown) = cluster_ranges::read_known(client).await;
    match client.list_api_groups().await {
        Ok(groups) => inventory.facts.is_openshift = groups.groups.iter().any(|group| group.name == OPENSHIFT),
        Err(error) => inventory.unknown.push(format!("whether the cluster is OpenShift: {}", error_message(&error))),
    }
    inventory
}

/// All networks that can be read: those of other namespaces too, because pods can name them.
async fn read_networks(
    client: &Client,
    namespace: Option<&str>,
    inventory: &mut Inventory,
) -> Result<Vec<Value>, TestbedError> {
    let list_networks = |namespace| list(client, NETWORK, namespace, |_| true);
    let all = match (list_networks(None).await, namespace) {
        (Err(error), Some(namespace)) if is_forbidden(&error) => {
            inventory.unknown.push(format!("networks of other namespaces: {}", error_message(&error)));
            return list_networks(Some(namespace)).await.map_err(|error| refuse(NETWORK.1, &error));
        }
        (all, _) => all,
    };
    match all {
        Err(error) if objects::is_absent(&error) => {
            inventory.unknown.push("networks: the cluster has no NetworkAttachmentDefinitions".to_owned());
            Ok(Vec::new())
        }
        all => {
            inventory.facts.has_all_networks = true;
            all.map_err(|error| refuse(NETWORK.1, &error))
        }
    }
}

/// A ConfigMap, if the cluster has it and it can be read.
async fn read_config_map(
    client: &Client,
    namespace: &str,
    name: &str,
    inventory: &mut Inventory,
) -> Result<Option<Value>, TestbedError> {
    let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "namespace": namespace } });
    let api = api_of(client, &object).map_err(|error| TestbedError::new(STAGE, error.to_string()))?;
    match api.get(name).await {
        Ok(found) => Ok(Some(to_value(found, ("v1", "ConfigMap")))),
        Err(error) if objects::is_absent(&error) => Ok(None),
        Err(error) => {
            inventory.unknown.push(format!("ConfigMap {namespace}/{name}: {}", error_message(&error)));
            Ok(None)
        }
    }
}

/// The wanted objects of a kind, in pages: those of a page that are not wanted are dropped before the next one is read.
async fn list(
    client: &Client,
    kind: (&str, &str),
    namespace: Option<&str>,
    is_wanted: impl Fn(&Value) -> bool,
) -> Result<Vec<Value>, kube::Error> {
    let object = json!({ "apiVersion": kind.0, "kind": kind.1, "metadata": { "namespace": namespace } });
    let api = api_of(client, &object).map_err(|error| kube::Error::Service(error.into()))?;
    let (mut objects, mut looked_at) = (Vec::new(), 0);
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = api.list(&params).await?;
        let next = page.metadata.continue_.clone().filter(|token| !token.is_empty());
        looked_at += page.items.len();
        objects.extend(page.items.into_iter().map(|item| to_value(item, kind)).filter(&is_wanted));
        match next {
            Some(_) if looked_at >= MAX_OBJECTS => {
                let message = format!("more than {MAX_OBJECTS} objects of kind {}; fix: name a namespace", kind.1);
                return Err(kube::Error::Service(message.into()));
            }
            Some(token) => params = params.continue_token(&token),
            None => return Ok(objects),
        }
    }
}

/// An item of a list as a user would write it: lists leave the kind out, and the server adds fields of its own. Its UID and
/// its owners stay until [`input_file`].
fn to_value(mut item: DynamicObject, kind: (&str, &str)) -> Value {
    item.metadata.managed_fields = None;
    let mut value = serde_json::to_value(item).unwrap_or_default();
    value["apiVersion"] = json!(kind.0);
    value["kind"] = json!(kind.1);
    if let Some(object) = value.as_object_mut() {
        object.remove("status");
    }
    if let Some(annotations) = value.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    value
}

/// Leaves out the objects that a controller made of another one of them.
fn leave_out_made(objects: Vec<Value>) -> Vec<Value> {
    let uids: BTreeSet<String> = objects.iter().filter_map(|object| uid(&object["metadata"])).collect();
    let is_made = |object: &Value| {
        let owners = object["metadata"]["ownerReferences"].as_array();
        let mut controllers = owners.into_iter().flatten().filter(|owner| owner["controller"] == true);
        controllers.any(|owner| uid(owner).is_some_and(|uid| uids.contains(&uid)))
    };
    objects.into_iter().filter(|object| !is_made(object)).collect()
}

fn uid(value: &Value) -> Option<String> {
    value["uid"].as_str().map(str::to_owned)
}

/// Whether an object or its pod template has an annotation whose key names CNI.
fn is_relevant(object: &Value) -> bool {
    const METADATA: [&str; 3] = ["/metadata", "/spec/template/metadata", "/spec/jobTemplate/spec/template/metadata"];
    let annotations = METADATA.iter().filter_map(|path| object.pointer(path)?.get("annotations")?.as_object());
    let mut keys = annotations.flat_map(|annotations| annotations.keys());
    keys.any(|key| key.contains("cni"))
}

/// The text of an object; a reference unless it is of this namespace, or of any.
fn input_file(cluster: &str, mut object: Value, namespace: Option<&str>) -> InputFile {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (kind, metadata) = (text(&object["kind"]).to_lowercase(), &object["metadata"]);
    let name = format!("{cluster}/{}/{kind}/{}", text(&metadata["namespace"]), text(&metadata["name"]));
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|key, _| ["name", "namespace", "annotations", "labels"].contains(&key.as_str()));
    }
    let is_named = namespace.is_none_or(|namespace| object["metadata"]["namespace"] == namespace);
    let origin = if is_named { FileOrigin::Named } else { FileOrigin::Reference };
    InputFile { name, text: scenario::yaml(&object), origin }
}

fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403)
}

fn refuse(kind: &str, error: &kube::Error) -> TestbedError {
    let refused = TestbedError::new(STAGE, format!("list {kind}: {}", error_message(error)));
    match is_forbidden(error) {
        true => refused.with_hint("name a namespace that you may read with -n"),
        false => refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: &str, name: &str, owner: Option<&str>, annotations: Value) -> Value {
        let owners = owner.map(|uid| json!([{ "controller": true, "uid": uid }]));
        json!({
            "apiVersion": "v1", "kind": kind,
            "metadata": { "name": name, "namespace": "default", "uid": name, "ownerReferences": owners,
                "annotations": annotations },
        })
    }

    #[test]
    fn objects_of_controllers_and_those_without_networks_are_left_out() {
        let networks = || json!({ "k8s.v1.cni.cncf.io/networks": "lan" });
        let mut deployment = object("Deployment", "web", None, Value::Null);
        deployment["spec"] = json!({ "template": { "metadata": { "annotations": networks() } } });
        let mut set = object("ReplicaSet", "web-1", Some("web"), Value::Null);
        set["spec"] = deployment["spec"].clone();
        let objects = [
            object("Pod", "alone", None, networks()),
            object("Pod", "plain", None, json!({ "a": "b" })),
            object("Pod", "web-1-a", Some("web-1"), networks()),
            object("Pod", "vm", Some("a-virtual-machine"), networks()),
            set,
            deployment,
        ];
        let found = leave_out_made(objects.into_iter().filter(is_relevant).collect());
        let names: Vec<&str> = found.iter().map(|object| object["metadata"]["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["alone", "vm", "web"]);
    }

    #[test]
    fn a_text_has_what_users_write() {
        let item: DynamicObject = serde_json::from_value(json!({
            "metadata": { "name": "lan", "namespace": "a", "uid": "u", "generation": 3, "managedFields": [{}],
                "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "{}", "b": "c" } },
            "spec": { "config": "{\n  \"type\": \"macvlan\"\n}" }, "status": {},
        }))
        .unwrap();
        let other = input_file("mine", to_value(item.clone(), NETWORK), Some("b"));
        assert_eq!(other.origin, FileOrigin::Reference);
        let file = input_file("mine", to_value(item, NETWORK), Some("a"));
        assert_eq!(file.origin, FileOrigin::Named);
        assert_eq!(file.name, "mine/a/networkattachmentdefinition/lan");
        let documents: Vec<Value> = crate::manifests::documents("a", &file.text).unwrap();
        assert_eq!(
            documents,
            [json!({
                "apiVersion": NETWORK.0, "kind": NETWORK.1,
                "metadata": { "name": "lan", "namespace": "a", "annotations": { "b": "c" } },
                "spec": { "config": "{\n  \"type\": \"macvlan\"\n}" },
            })]
        );
    }
}
