//! Adaptations: the changes that a written pod needs to run on this cluster, and no others.

use crate::objects::{object_name, pod_template};
use plumbline_core::plan::Plan;
use plumbline_core::verdict::Adaptation;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The user id for a pod that forbids root and has no user. (OpenShift assigns one by namespace.)
const USER: i64 = 1000;

/// The state of an image on this cluster.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ImageState {
    /// The nodes can pull it.
    Pullable,
    /// It is on the nodes, but can't be pulled: the reason.
    OnNodesOnly(String),
    /// It is not on the nodes and can't be pulled: the reason.
    #[serde(alias = "notToBeHad")]
    Unavailable(String),
}

/// The images of all pods of a plan, sorted, each once.
pub fn list_images(plan: &Plan) -> Vec<String> {
    let all: BTreeSet<String> = plan.pods.iter().flat_map(|pod| pod_images(&pod.manifest)).collect();
    all.into_iter().collect()
}

fn pod_images(pod: &Value) -> impl Iterator<Item = String> {
    let containers = ["containers", "initContainers"].into_iter().filter_map(|list| pod["spec"][list].as_array());
    containers.flatten().filter_map(|container| container["image"].as_str().map(str::to_owned))
}

/// Makes the necessary changes in a Pod or in the pod template of a workload, and returns each change. `toolbox` is the
/// image that replaces an unavailable one. An image without an entry in `known` stays unchanged.
pub fn adapt(object: &mut Value, known: &BTreeMap<String, ImageState>, toolbox: &str) -> Vec<Adaptation> {
    let name = object_name(object);
    let mut made = Vec::new();
    let Some((pod, path)) = pod_template(object) else { return made };
    for list in ["initContainers", "containers"] {
        let spec = pod.get_mut("spec").and_then(|spec| spec.get_mut(list));
        let Some(containers) = spec.and_then(Value::as_array_mut) else { continue };
        for (i, container) in containers.iter_mut().enumerate() {
            let field = format!("{path}spec.{list}[{i}]");
            made.extend(adapt_image(container, &name, &field, known, toolbox));
        }
    }
    made.extend(set_user(pod, &name, path));
    made
}

/// Suspends a CronJob, so that its schedule creates no pods beside those of the one tested Job.
pub fn suspend(object: &mut Value) -> Option<Adaptation> {
    if object["kind"] != "CronJob" || object["spec"]["suspend"] == true {
        return None;
    }
    let from = object.get_mut("spec")?.as_object_mut()?.insert("suspend".to_owned(), json!(true));
    Some(Adaptation {
        object: object_name(object),
        field: "spec.suspend".to_owned(),
        from: from.map(|from| from.to_string()),
        to: "true".to_owned(),
        reason: "one Job is created from its template at once; its schedule would create others".to_owned(),
    })
}

fn adapt_image(
    container: &mut Value,
    object: &str,
    field: &str,
    known: &BTreeMap<String, ImageState>,
    toolbox: &str,
) -> Vec<Adaptation> {
    let Some(written) = container["image"].as_str().map(str::to_owned) else { return Vec::new() };
    let (replaced, reason) = match known.get(&written) {
        Some(ImageState::Unavailable(reason)) => (true, reason),
        Some(ImageState::OnNodesOnly(reason)) => (false, reason),
        _ => return Vec::new(),
    };
    let change = |key: &str, from: Option<String>, to: &str| Adaptation {
        object: object.to_owned(),
        field: format!("{field}.{key}"),
        from,
        to: to.to_owned(),
        reason: reason.clone(),
    };
    let mut made = Vec::new();
    if replaced {
        container["image"] = json!(toolbox);
        made.push(change("image", Some(written.clone()), toolbox));
    }
    let policy = container["imagePullPolicy"].as_str().map(str::to_owned);
    // `Always` is Kubernetes' default for a moving tag. The toolbox's tag is exact, so it needs no policy.
    let always = policy.as_deref() == Some("Always") || (policy.is_none() && !replaced && has_moving_tag(&written));
    if always {
        container["imagePullPolicy"] = json!("IfNotPresent");
        made.push(change("imagePullPolicy", policy, "IfNotPresent"));
    }
    made
}

/// Whether a reference has no tag or `latest`, and no digest.
fn has_moving_tag(reference: &str) -> bool {
    let last = reference.rsplit('/').next().unwrap_or_default();
    !last.contains('@') && (!last.contains(':') || last.ends_with(":latest"))
}

fn set_user(pod: &mut Value, object: &str, path: &str) -> Option<Adaptation> {
    let spec = pod.get_mut("spec")?;
    let of_pod = |key: &str| spec["securityContext"].get(key).cloned();
    let (nonroot, user) = (of_pod("runAsNonRoot"), of_pod("runAsUser"));
    let needs_user =
        ["initContainers", "containers"].iter().filter_map(|list| spec[list].as_array()).flatten().any(|c| {
            let own = |key: &str| c["securityContext"].get(key).cloned();
            let forbids_root = own("runAsNonRoot").or_else(|| nonroot.clone()) == Some(Value::Bool(true));
            forbids_root && own("runAsUser").or_else(|| user.clone()).is_none()
        });
    if !needs_user {
        return None;
    }
    if !spec["securityContext"].is_object() {
        spec["securityContext"] = json!({});
    }
    spec["securityContext"]["runAsUser"] = json!(USER);
    Some(Adaptation {
        object: object.to_owned(),
        field: format!("{path}spec.securityContext.runAsUser"),
        from: None,
        to: USER.to_string(),
        reason: "runAsNonRoot is set, and nothing on this cluster assigns a user".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example_pod() -> Value {
        json!({ "kind": "Pod", "metadata": { "name": "p" }, "spec": {
            "securityContext": { "runAsNonRoot": true },
            "containers": [{ "name": "c", "image": "registry.example/ubi9/ubi:latest" }] } })
    }

    #[test]
    fn a_pod_without_obstacles_stays_unchanged() {
        let mut pod = json!({ "metadata": { "name": "p" }, "spec": { "containers": [{ "image": "a:1" }] } });
        let before = pod.clone();
        let known = BTreeMap::from([("a:1".to_owned(), ImageState::Pullable)]);
        assert_eq!(adapt(&mut pod, &known, "toolbox:x"), []);
        assert_eq!(pod, before);
    }

    #[test]
    fn an_unavailable_image_is_replaced_and_a_user_is_set() {
        let mut pod = example_pod();
        let known = BTreeMap::from([(pod_images(&pod).next().unwrap(), ImageState::Unavailable("refused".into()))]);
        let fields: Vec<_> = adapt(&mut pod, &known, "toolbox:x").into_iter().map(|a| a.field).collect();
        assert_eq!(fields, ["spec.containers[0].image", "spec.securityContext.runAsUser"]);
        assert_eq!(pod["spec"]["containers"][0]["image"], "toolbox:x");
    }

    #[test]
    fn the_pod_template_of_a_workload_is_adapted() {
        let template = json!({ "spec": { "containers": [{ "image": "a:1" }] } });
        let known = BTreeMap::from([("a:1".to_owned(), ImageState::Unavailable("refused".into()))]);
        let mut object = json!({ "kind": "CronJob", "metadata": { "name": "c" },
            "spec": { "jobTemplate": { "spec": { "template": template } } } });
        let made = adapt(&mut object, &known, "toolbox:x");
        let path = "spec.jobTemplate.spec.template.spec.containers[0].image";
        assert_eq!((made[0].object.as_str(), made[0].field.as_str()), ("cronjob/c", path));
        assert_eq!(suspend(&mut object).map(|made| made.field).as_deref(), Some("spec.suspend"));
        assert_eq!(suspend(&mut object), None, "it is already suspended");
    }

    #[test]
    fn a_moving_tag_that_is_only_on_the_nodes_gets_a_pull_policy() {
        let mut pod = example_pod();
        let known = BTreeMap::from([(pod_images(&pod).next().unwrap(), ImageState::OnNodesOnly("refused".into()))]);
        let made = adapt(&mut pod, &known, "toolbox:x");
        assert_eq!((made[0].field.as_str(), made[0].from.clone()), ("spec.containers[0].imagePullPolicy", None));
    }
}
