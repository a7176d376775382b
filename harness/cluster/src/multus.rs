//! Multus: installed by the profile's manifests, and proven to be in force on every node before any pod.
//!
//! A pod created while Multus is not in force turns Ready with eth0 alone, and nothing says so. So its rollout is not
//! believed: its configuration has to be the one that the runtime takes, and a canary has to come up attached.

use crate::naming::full_hash;
use crate::node::Node;
use crate::profile::{Flavour, Loaded, MultusSpec};
use crate::step::{Notes, Step};
use crate::{canary, network};
use futures::future::try_join_all;
use k8s_openapi::api::apps::v1::DaemonSet;
use kube::Client;
use kube::api::Api;
use plumbline_kube::manifests::render;
use plumbline_kube::{manifests, objects, rollout};
use plumbline_testbed::error::{AtStage as _, TestbedError};
use plumbline_testbed::wait::{Deadline, Look};
use serde_json::{Value, json};

/// Name of Multus' daemon set.
pub const DAEMON_SET: &str = "kube-multus-ds";
/// The runtime's configuration folder on the nodes.
pub const CONF: &str = "/etc/cni/net.d";
/// Stage of everything here.
pub const STAGE: &str = "install-multus";

/// The objects of the profile's Multus manifests, rendered with `image`.
///
/// # Errors
/// `TestbedError` when a manifest can't be rendered or read.
pub fn objects(loaded: &Loaded, image: &str, pull_policy: &str) -> Result<Vec<Value>, TestbedError> {
    let mut all = Vec::new();
    for path in &spec(loaded)?.manifests {
        let name = path.display().to_string();
        let mut text = loaded.text(path)?;
        if path.extension().is_some_and(|e| e == "j2") {
            let values = json!({ "image": image, "pullPolicy": pull_policy });
            text = render(&name, &text, &values).at_stage(STAGE)?;
        }
        all.extend(manifests::documents(&name, &text).at_stage(STAGE)?);
    }
    Ok(all)
}

fn spec(loaded: &Loaded) -> Result<&MultusSpec, TestbedError> {
    loaded.profile.multus.as_ref().ok_or_else(|| TestbedError::new(STAGE, "the profile has no Multus"))
}

/// Applies the manifests and waits until they are rolled out. What a pod of Multus says is in the error.
///
/// # Errors
/// `TestbedError` when the server refuses an object, or when the rollout is not done at the deadline.
pub async fn install(client: &Client, objects: &[Value], notes: &Notes) -> Result<(), TestbedError> {
    let deadline = Deadline::after(Step::Multus.deadline());
    for object in objects {
        objects::apply(client, object).await.at_stage(STAGE)?;
    }
    notes.note(format!("waiting for daemon set {DAEMON_SET}"));
    let set = rollout::read_daemon_set(client, "kube-system", DAEMON_SET, STAGE).await?;
    let deadline = deadline.child(std::time::Duration::from_secs(150));
    rollout::wait_for_daemon_set(client, &set, STAGE, deadline, |_| None).await?;
    canary::namespace(client, STAGE).await
}

/// The generation of Multus' daemon set, for the proof; or what it lacks: to be there, to run `image`,
/// to be rolled out.
///
/// # Errors
/// `TestbedError` when the server does not answer.
pub async fn daemon_set(client: &Client, image: &str) -> Result<Look<i64>, TestbedError> {
    let api: Api<DaemonSet> = Api::namespaced(client.clone(), "kube-system");
    let set = api.get_opt(DAEMON_SET).await;
    let set =
        set.map_err(|e| TestbedError::new(STAGE, format!("get daemon set {DAEMON_SET}: {}", objects::words(&e))))?;
    let Some(set) = set else { return Ok(Look::NotYet(format!("there is no daemon set {DAEMON_SET}"))) };
    let template = set.spec.template.spec.as_ref();
    let other = template.and_then(|t| t.containers.iter().find(|c| c.image.as_deref() != Some(image)));
    if let Some(other) = other {
        let found = other.image.as_deref().unwrap_or("no image");
        return Ok(Look::NotYet(format!("daemon set {DAEMON_SET} runs {found}, not {image}")));
    }
    Ok(match rollout::daemon_set_lacks(&set) {
        Some(lack) => Look::NotYet(format!("daemon set {DAEMON_SET}: {lack}")),
        None => Look::There(set.metadata.generation.unwrap_or_default()),
    })
}

/// Whether Multus' configuration is the one that the runtime takes on `node`: the first configuration file in
/// lexical order (containerd's `go-cni` takes `.conf`, `.conflist` and `.json`), and what it rests on is there. Gives
/// its text, with what tells when it and its folder were last changed.
///
/// # Errors
/// `TestbedError` when the node can't be asked.
pub async fn configuration(node: &Node, loaded: &Loaded) -> Result<Look<String>, TestbedError> {
    let Some(names) = node.list(CONF).await? else { return Ok(Look::NotYet(format!("there is no folder {CONF}"))) };
    let Some(first) = first(&names) else { return Ok(Look::NotYet(format!("there is no configuration in {CONF}"))) };
    let path = format!("{CONF}/{first}");
    let Some(text) = node.read(&path).await? else { return Ok(Look::NotYet(format!("{path} is gone"))) };
    let rests = match rests_on(&text, spec(loaded)?.flavour, &network::path(loaded)) {
        Ok(rests) => rests,
        Err(what) => return Ok(Look::NotYet(format!("{path}, which the runtime takes, {what}"))),
    };
    let (folder, name) = rests.rsplit_once('/').unwrap_or(("/", rests.as_str()));
    if !node.list(folder).await?.unwrap_or_default().iter().any(|found| found == name) {
        return Ok(Look::NotYet(format!("{path} rests on {rests}, which is not there")));
    }
    // A file that went and came back is the same by content, and may not be what the runtime has loaded.
    let stat = node.must(STAGE, &["stat", "--format=%n %i %z", CONF, &path]).await?.stdout;
    Ok(Look::There(format!("{stat} {text}")))
}

/// The first configuration file in lexical order.
pub fn first(names: &[String]) -> Option<&String> {
    let is_conf = |name: &&String| [".conf", ".conflist", ".json"].iter().any(|end| name.ends_with(end));
    names.iter().filter(is_conf).min()
}

/// The file on the node that a configuration of Multus rests on: of the thin one its kubeconfig, of the thick one its
/// daemon's socket. An error when it is not Multus' of that flavour, or names no default network.
fn rests_on(text: &str, flavour: Flavour, default: &str) -> Result<String, String> {
    let value: Value = serde_json::from_str(text).map_err(|e| format!("is no JSON: {e}"))?;
    let plugin = value["plugins"].get(0).unwrap_or(&value);
    let wanted = match flavour {
        Flavour::Thin => "multus",
        Flavour::Thick => "multus-shim",
    };
    match plugin["type"].as_str() {
        Some(found) if found == wanted => {}
        other => return Err(format!("is not Multus' of type {wanted} (type {})", other.unwrap_or("none"))),
    }
    match flavour {
        Flavour::Thin => {
            if plugin["delegates"].as_array().is_none_or(Vec::is_empty) {
                return Err("names no default network".to_owned());
            }
            plugin["kubeconfig"].as_str().map(str::to_owned).ok_or_else(|| "names no kubeconfig".to_owned())
        }
        Flavour::Thick => {
            // The daemon's own path of the file: the node's folder is mounted under /host.
            let wanted = format!("/host{default}");
            match plugin["clusterNetwork"].as_str() {
                Some(found) if found == wanted => {}
                other => return Err(format!("has the default network {}, not {wanted}", other.unwrap_or("none"))),
            }
            // Where none is named, the shim takes its built-in folder (pkg/server/api/shim.go).
            let folder = plugin["daemonSocketDir"].as_str().unwrap_or("/run/multus").trim_end_matches('/');
            Ok(format!("{folder}/multus.sock"))
        }
    }
}

/// What a proof rests on, a line each with its hash: the plugins, the daemon set, and of each node its container as it
/// runs and its CNI configuration. A proof whose lines are the same still stands.
///
/// # Errors
/// `TestbedError` when a node can't be asked.
pub async fn grounds(
    client: &Client,
    nodes: &[Node],
    loaded: &Loaded,
    plugins: &str,
    image: &str,
) -> Result<Look<String>, TestbedError> {
    let configurations = try_join_all(nodes.iter().map(|node| configuration(node, loaded)));
    let (generation, configurations) = tokio::try_join!(daemon_set(client, image), configurations)?;
    let mut lines = vec![format!("the plugins {plugins}")];
    match generation {
        Look::There(generation) => lines.push(format!("daemon set {DAEMON_SET} {generation}")),
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

/// Proves Multus by a canary on every node.
///
/// # Errors
/// `TestbedError` naming the node on which the canary did not come up attached.
pub async fn prove(
    loaded: &Loaded,
    client: &Client,
    nodes: &[Node],
    toolbox: &str,
    book: canary::CanaryJournal<'_>,
    notes: &Notes,
) -> Result<(), TestbedError> {
    notes.note("canary on every node");
    try_join_all(nodes.iter().map(|node| canary::run_canary(loaded, client, node, toolbox, book))).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_file_is_what_the_runtime_takes() {
        let names = ["10-plumbline.conflist", "00-multus.conf", "multus.d", "00-a.txt"].map(str::to_owned);
        assert_eq!(first(&names).unwrap(), "00-multus.conf");
    }

    const DEFAULT: &str = "/etc/cni/net.d/10-d.conf";

    #[test]
    fn only_a_configuration_of_multus_is_one() {
        let conf = json!({ "type": "multus", "kubeconfig": "/k", "delegates": [{}] });
        assert_eq!(rests_on(&conf.to_string(), Flavour::Thin, DEFAULT).unwrap(), "/k");
        assert_eq!(rests_on(&json!({ "plugins": [conf] }).to_string(), Flavour::Thin, DEFAULT).unwrap(), "/k");
        let other = json!({ "plugins": [{ "type": "ptp" }] }).to_string();
        assert_eq!(rests_on(&other, Flavour::Thin, DEFAULT).unwrap_err(), "is not Multus' of type multus (type ptp)");
        assert!(rests_on(&conf.to_string(), Flavour::Thick, DEFAULT).unwrap_err().contains("multus-shim"));
    }

    #[test]
    fn a_thick_one_rests_on_its_daemons_socket_and_names_our_default_network() {
        let with = |network: &str| json!({ "type": "multus-shim", "clusterNetwork": network }).to_string();
        let ours = with("/host/etc/cni/net.d/10-d.conf");
        assert_eq!(rests_on(&ours, Flavour::Thick, DEFAULT).unwrap(), "/run/multus/multus.sock");
        assert!(
            rests_on(&with("/host/etc/cni/net.d/05-other.conf"), Flavour::Thick, DEFAULT)
                .unwrap_err()
                .contains("05-other")
        );
    }
}
