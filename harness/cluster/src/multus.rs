//! Installs Multus with the profile's manifests, and proves that it is in force on every node before any other pod is created.
//!
//! A pod that is created while Multus is not in force becomes Ready with only eth0, and without any error. So a finished
//! rollout is no proof. Multus' configuration must be the one that the runtime uses, and a canary pod must be attached.

use crate::naming::full_hash;
use crate::node::Node;
use crate::profile::{Flavour, Loaded, MultusSpec};
use crate::step::{Notes, Step};
use crate::{canary, network};
use futures::future::try_join_all;
use k8s_openapi::api::apps::v1::DaemonSet;
use kube::Client;
use kube::api::Api;
use plumbline_core::state::NamespaceState;
use plumbline_kube::manifests::render;
use plumbline_kube::objects::AtRequest as _;
use plumbline_kube::{manifests, objects, rollout};
use plumbline_testbed::error::{AtStage as _, TestbedError};
use plumbline_testbed::wait::{Deadline, Look};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The name of Multus' DaemonSet.
pub const DAEMON_SET: &str = "kube-multus-ds";
/// The runtime's configuration folder on the nodes.
pub const CONF: &str = "/etc/cni/net.d";
/// The stage of all errors of this module.
pub const STAGE: &str = "install-multus";

/// The objects of the profile's Multus manifests, rendered with `image`.
///
/// # Errors
/// `TestbedError` when a manifest can't be rendered or read.
pub fn render_objects(loaded: &Loaded, image: &str) -> Result<Vec<Value>, TestbedError> {
    let mut all = Vec::new();
    for path in &spec(loaded)?.manifests {
        let name = path.display().to_string();
        let mut text = loaded.text(path)?;
        if path.extension().is_some_and(|e| e == "j2") {
            // An image that was built here exists only on the nodes.
            let values = json!({ "image": image, "pullPolicy": "IfNotPresent" });
            text = render(&name, &text, &values).at_stage(STAGE)?;
        }
        all.extend(manifests::documents(&name, &text).at_stage(STAGE)?);
    }
    Ok(all)
}

fn spec(loaded: &Loaded) -> Result<&MultusSpec, TestbedError> {
    loaded.profile.multus.as_ref().ok_or_else(|| TestbedError::new(STAGE, "the profile has no Multus"))
}

/// Applies the manifests and waits until the DaemonSet is rolled out. An error contains the problems of Multus' pods.
///
/// # Errors
/// `TestbedError` when the server refuses an object, or when the rollout is not finished at the deadline.
pub async fn install(client: &Client, objects: &[Value], notes: &Notes) -> Result<(), TestbedError> {
    let deadline = Deadline::after(Step::Multus.deadline());
    for object in objects {
        objects::apply(client, object).await.at_stage(STAGE)?;
    }
    notes.note(format!("waiting for DaemonSet {DAEMON_SET}"));
    let set = rollout::read_daemon_set(client, "kube-system", DAEMON_SET, STAGE).await?;
    let deadline = deadline.child(std::time::Duration::from_secs(150));
    rollout::wait_for_daemon_set(client, &set, STAGE, deadline, |_| None).await?;
    canary::create_namespace(client, STAGE).await
}

/// The generation of Multus' DaemonSet, for the proof; or why it is not rolled out with `image`.
///
/// # Errors
/// `TestbedError` when the server does not answer.
pub async fn check_daemon_set(client: &Client, image: &str) -> Result<Look<i64>, TestbedError> {
    let api: Api<DaemonSet> = Api::namespaced(client.clone(), "kube-system");
    let set = api.get_opt(DAEMON_SET).await.at_request(STAGE, format_args!("get DaemonSet {DAEMON_SET}"))?;
    let Some(set) = set else { return Ok(Look::NotYet(format!("DaemonSet {DAEMON_SET} does not exist"))) };
    let template = set.spec.template.spec.as_ref();
    let other = template.and_then(|t| t.containers.iter().find(|c| c.image.as_deref() != Some(image)));
    if let Some(other) = other {
        let found = other.image.as_deref().unwrap_or("no image");
        return Ok(Look::NotYet(format!("DaemonSet {DAEMON_SET}: expected image {image}, found {found}")));
    }
    Ok(match rollout::daemon_set_lacks(&set) {
        Some(lack) => Look::NotYet(format!("DaemonSet {DAEMON_SET}: {lack}")),
        None => Look::There(set.metadata.generation.unwrap_or_default()),
    })
}

/// Checks that the runtime on `node` uses Multus' configuration: it must be the first configuration file in lexical order
/// (containerd's `go-cni` reads `.conf`, `.conflist` and `.json`), and the file that it requires must exist. Returns its
/// text, with inodes and times of change of the file and its folder.
///
/// # Errors
/// `TestbedError` when the node does not answer.
pub async fn check_configuration(node: &Node, loaded: &Loaded) -> Result<Look<String>, TestbedError> {
    let Some(names) = node.list(CONF).await? else { return Ok(Look::NotYet(format!("there is no folder {CONF}"))) };
    let Some(first) = first_configuration(&names) else {
        return Ok(Look::NotYet(format!("there is no configuration in {CONF}")));
    };
    let path = format!("{CONF}/{first}");
    let Some(text) = node.read(&path).await? else { return Ok(Look::NotYet(format!("{path} is gone"))) };
    let required = match find_required_file(&text, spec(loaded)?.flavour, &network::path(loaded)) {
        Ok(required) => required,
        Err(what) => return Ok(Look::NotYet(format!("{path}, which the runtime uses, {what}"))),
    };
    let (folder, name) = required.rsplit_once('/').unwrap_or(("/", required.as_str()));
    if !node.list(folder).await?.unwrap_or_default().iter().any(|found| found == name) {
        return Ok(Look::NotYet(format!("{path} requires {required}, which does not exist")));
    }
    // A file that was deleted and restored has the same content, but the runtime may have loaded another file.
    let stat = node.run_ok(STAGE, &["stat", "--format=%n %i %z", CONF, &path]).await?.stdout;
    Ok(Look::There(format!("{stat} {text}")))
}

/// The first configuration file in lexical order.
pub fn first_configuration(names: &[String]) -> Option<&String> {
    let is_conf = |name: &&String| [".conf", ".conflist", ".json"].iter().any(|end| name.ends_with(end));
    names.iter().filter(is_conf).min()
}

/// The file on the node that a configuration of Multus requires: for the thin plugin its kubeconfig, for the thick one the
/// daemon's socket. An error if it is not Multus' configuration of that flavour, or names no default network.
fn find_required_file(text: &str, flavour: Flavour, default: &str) -> Result<String, String> {
    let value: Value = serde_json::from_str(text).map_err(|e| format!("is no JSON: {e}"))?;
    let plugin = value["plugins"].get(0).unwrap_or(&value);
    let expected = match flavour {
        Flavour::Thin => "multus",
        Flavour::Thick => "multus-shim",
    };
    match plugin["type"].as_str() {
        Some(found) if found == expected => {}
        other => return Err(format!("has type {}, not {expected}", other.unwrap_or("none"))),
    }
    match flavour {
        Flavour::Thin => {
            if plugin["delegates"].as_array().is_none_or(Vec::is_empty) {
                return Err("names no default network".to_owned());
            }
            plugin["kubeconfig"].as_str().map(str::to_owned).ok_or_else(|| "names no kubeconfig".to_owned())
        }
        Flavour::Thick => {
            // The path of the file in the daemon's pod, which mounts the node's folder under /host.
            let wanted = format!("/host{default}");
            match plugin["clusterNetwork"].as_str() {
                Some(found) if found == wanted => {}
                other => return Err(format!("has the default network {}, not {wanted}", other.unwrap_or("none"))),
            }
            // Without this key the shim uses its built-in folder (pkg/server/api/shim.go).
            let folder = plugin["daemonSocketDir"].as_str().unwrap_or("/run/multus").trim_end_matches('/');
            Ok(format!("{folder}/multus.sock"))
        }
    }
}

/// The basis of a proof, one line with a hash for each part: the plugins, the DaemonSet, and for each node its running
/// container and its CNI configuration. A proof with the same lines is still valid.
///
/// # Errors
/// `TestbedError` when a node does not answer.
pub async fn read_proof_basis(
    client: &Client,
    nodes: &[Node],
    loaded: &Loaded,
    plugins: &str,
    image: &str,
) -> Result<Look<String>, TestbedError> {
    let configurations = try_join_all(nodes.iter().map(|node| check_configuration(node, loaded)));
    let (generation, configurations) = tokio::try_join!(check_daemon_set(client, image), configurations)?;
    let mut lines = vec![format!("the plugins {plugins}")];
    // What it reads of the canary is kept.
    lines.extend(nodes.first().map(|node| format!("the agent {}", node.agent())));
    match generation {
        Look::There(generation) => lines.push(format!("DaemonSet {DAEMON_SET} {generation}")),
        Look::NotYet(what) => return Ok(Look::NotYet(what)),
    }
    for (node, configuration) in nodes.iter().zip(configurations) {
        match configuration {
            Look::There(text) => {
                lines.push(format!("the container of node {} {}", node.name, full_hash(node.incarnation.as_bytes())));
                lines.push(format!("{CONF} of node {} {}", node.name, full_hash(text.as_bytes())));
            }
            Look::NotYet(what) => {
                return Ok(Look::NotYet(format!("node {}: Multus is not in force: {what}", node.name)));
            }
        }
    }
    Ok(Look::There(lines.join("\n")))
}

/// Proves Multus with a canary on every node. Returns the state of a pod without attachments on each node, by its name.
///
/// # Errors
/// `TestbedError` with the name of the node on which the canary was not attached.
pub async fn run_canaries(
    loaded: &Loaded,
    client: &Client,
    nodes: &[Node],
    toolbox: &str,
    journal: canary::CanaryJournal<'_>,
    notes: &Notes,
) -> Result<BTreeMap<String, NamespaceState>, TestbedError> {
    notes.note("running a canary on every node");
    let states =
        try_join_all(nodes.iter().map(|node| canary::run_canary(loaded, client, node, toolbox, journal))).await?;
    Ok(nodes.iter().map(|node| node.name.clone()).zip(states).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtime_uses_the_first_file_in_lexical_order() {
        let names = ["10-plumbline.conflist", "00-multus.conf", "multus.d", "00-a.txt"].map(str::to_owned);
        assert_eq!(first_configuration(&names).unwrap(), "00-multus.conf");
    }

    const DEFAULT: &str = "/etc/cni/net.d/10-d.conf";

    #[test]
    fn a_configuration_of_another_plugin_is_refused() {
        let conf = json!({ "type": "multus", "kubeconfig": "/k", "delegates": [{}] });
        assert_eq!(find_required_file(&conf.to_string(), Flavour::Thin, DEFAULT).unwrap(), "/k");
        assert_eq!(
            find_required_file(&json!({ "plugins": [conf] }).to_string(), Flavour::Thin, DEFAULT).unwrap(),
            "/k"
        );
        let other = json!({ "plugins": [{ "type": "ptp" }] }).to_string();
        assert_eq!(find_required_file(&other, Flavour::Thin, DEFAULT).unwrap_err(), "has type ptp, not multus");
        assert!(find_required_file(&conf.to_string(), Flavour::Thick, DEFAULT).unwrap_err().contains("multus-shim"));
    }

    #[test]
    fn a_thick_configuration_requires_the_daemons_socket_and_our_default_network() {
        let with = |network: &str| json!({ "type": "multus-shim", "clusterNetwork": network }).to_string();
        let ours = with("/host/etc/cni/net.d/10-d.conf");
        assert_eq!(find_required_file(&ours, Flavour::Thick, DEFAULT).unwrap(), "/run/multus/multus.sock");
        assert!(
            find_required_file(&with("/host/etc/cni/net.d/05-other.conf"), Flavour::Thick, DEFAULT)
                .unwrap_err()
                .contains("05-other")
        );
    }
}
