//! Every scenario file behind Terway on the profile whose network is Terway's; and the profile itself: what bring-up made, a chain changed by Terway's own means, and symmetric routing
//! taken away again. Each of the latter holds the cluster alone, as each looks at all of it or changes it for everybody.

use anyhow::{Context as _, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use plumbline::{root, session};
use plumbline_bed::engine::Engine;
use plumbline_lanes::cluster::terway::scrub::{Symmetric, look, scrub};
use plumbline_lanes::cluster::terway::{STAND_INS, eni, roll};
use plumbline_lanes::cluster::{self, Cluster};
use plumbline_lanes::context::{Context, Options};
use plumbline_lanes::kind::terway::is_behind;
use plumbline_suites::trials::{self, Bed};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

const PROFILE: &str = "terway";

fn main() -> anyhow::Result<std::process::ExitCode> {
    let arguments = Arguments::from_args();
    let bed = Bed { lane: "kind", name: "terway_kind", profile: Some(PROFILE), takes: is_behind };
    let mut trials = trials::on(bed, &arguments)?;
    trials.extend([
        Trial::test("profile/the_chain_on_every_node_is_what_eni_config_asks_for", || with(as_asked)),
        Trial::test("profile/what_is_not_what_users_run_is_named", || with(named)),
        Trial::test("profile/pods_reach_the_api_server_and_each_other_over_nodes", || with(served)),
        Trial::test("profile/symmetric_routing_stays_until_it_is_scrubbed", || with(symmetric)),
    ]);
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}

/// Runs a test on the profile's cluster, held alone.
fn with(test: impl AsyncFn(&Cluster) -> anyhow::Result<()>) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let tested: anyhow::Result<()> = runtime.block_on(async {
        let cx = context()?;
        let cluster = cluster::alone(cluster::up(&cx).await?).await?;
        let tested = test(&cluster).await;
        let left = session::close(&cx).await;
        tested?;
        ensure!(left.is_empty(), "left behind: {left:?}");
        Ok(())
    });
    tested.map_err(|error| format!("{error:#}").into())
}

fn context() -> anyhow::Result<Context> {
    let root = root::find()?;
    let options = Options {
        profile: Some(PROFILE.to_owned()),
        may_install: std::env::var("PLUMBLINE_YES").is_ok() || std::env::var("CI").is_ok_and(|v| v == "true"),
        ..Options::default()
    };
    Ok(session::context(&root, options, Arc::new(|_| {}), CancellationToken::new(), "terway test")?)
}

/// What terway-cli makes of one plugin (cmd/terway-cli/cni.go, `mergeConfigList`): a veth needs no eBPF.
fn made(mut plugin: Value) -> Value {
    if let Some(map) = plugin.as_object_mut() {
        map.remove("cniVersion");
        map.remove("name");
        if map.get("type").is_some_and(|kind| kind == "terway") {
            map.insert("eniip_virtual_type".to_owned(), json!("veth"));
            map.insert("bandwidth_mode".to_owned(), json!("tc"));
        }
    }
    plugin
}

fn chain(plugins: &[Value]) -> Value {
    let plugins: Vec<Value> = plugins.iter().cloned().map(made).collect();
    json!({ "cniVersion": "0.4.0", "name": "terway-chainer", "plugins": plugins })
}

/// The plugin that `10-terway.conf` says has to be the first.
fn first(config: &BTreeMap<String, String>) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(config.get("10-terway.conf").context("there is no 10-terway.conf")?)?)
}

async fn as_asked(cluster: &Cluster) -> anyhow::Result<()> {
    let config = roll::config(&cluster.client).await?;
    if config.contains_key(roll::KEY) {
        // A scenario's chain stays until the next one's.
        roll::put(&cluster.client, &cluster.nodes, None).await?;
    }
    let wanted = chain(&[first(&config)?]);
    let found = roll::on_nodes(&cluster.nodes).await?;
    ensure!(found.len() == 3, "three nodes, and {} chains", found.len());
    for (node, found) in cluster.nodes.iter().zip(found) {
        ensure!(found == wanted, "node {}: {found:#} is there, {wanted:#} was asked for", node.name);
    }
    Ok(())
}

async fn named(cluster: &Cluster) -> anyhow::Result<()> {
    for line in STAND_INS {
        ensure!(cluster.parts.iter().any(|part| part == line), "not named: {line}");
    }
    let said = cluster.nodes[0].must("test", &["/opt/cni/bin/terway", "--version"]).await?.stdout;
    ensure!(said.contains("stand-in for terway, not upstream's"), "the plugin on the node says: {said}");
    let said = kubectl(cluster, &["logs", "daemonset/terway-eniip", "-c", "terway"]).await?;
    ensure!(said.contains("stand-in for terwayd, not upstream's"), "the daemon says: {said}");
    Ok(())
}

/// Runs kubectl on the control plane.
async fn kubectl(cluster: &Cluster, words: &[&str]) -> anyhow::Result<String> {
    let control = cluster.nodes.iter().find(|node| node.name.ends_with("control-plane")).context("a control plane")?;
    let argv = [&["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "-n", "kube-system"], words].concat();
    Ok(control.must("test", &argv).await?.stdout)
}

/// CoreDNS is Ready only when its pods reach the API server's service: out of their node's second interface, by the router.
async fn served(cluster: &Cluster) -> anyhow::Result<()> {
    kubectl(cluster, &["wait", "pods", "-l", "k8s-app=kube-dns", "--for=condition=Ready", "--timeout=25s"]).await?;
    let pods = kubectl(cluster, &["get", "pods", "-l", "k8s-app=kube-dns", "-o", "json"]).await?;
    let pods: Value = serde_json::from_str(&pods)?;
    let addresses: Vec<&str> =
        pods["items"].as_array().into_iter().flatten().filter_map(|pod| pod["status"]["podIP"].as_str()).collect();
    ensure!(!addresses.is_empty(), "there is no DNS");
    for address in addresses {
        for node in &cluster.nodes {
            // From every node, also such as have no route to it but by the router.
            node.must("test", &["ping", "-c", "1", "-W", "5", address]).await?;
        }
    }
    Ok(())
}

/// The chain of the document's public access, by the real terway-cli; and what it leaves.
async fn symmetric(cluster: &Cluster) -> anyhow::Result<()> {
    let of = Symmetric::default();
    scrub(&cluster.nodes, &of).await?;
    let asked = asked(cluster).await?;
    let tested = changed(cluster, &of, &asked).await;
    // Whatever came of it, others find the profile's own chain again.
    let back = roll::put(&cluster.client, &cluster.nodes, None).await;
    let still = look(&cluster.nodes[0], &of).await;
    let scrubbed = scrub(&cluster.nodes, &of).await;
    tested?;
    let plain = chain(&[first(&roll::config(&cluster.client).await?)?]);
    ensure!(back?.iter().all(|found| *found == plain), "the profile's own chain is not back");
    ensure!(
        !still?.is_empty(),
        "terway-cli took its symmetric routing away by itself; then the scrubber proves nothing"
    );
    scrubbed?;
    for node in &cluster.nodes {
        let left = look(node, &of).await?;
        ensure!(left.is_empty(), "node {}: {left:?}", node.name);
    }
    Ok(())
}

async fn asked(cluster: &Cluster) -> anyhow::Result<Value> {
    let mut first = first(&roll::config(&cluster.client).await?)?;
    first["symmetric_routing"] = json!(true);
    let portmap = json!({ "type": "portmap", "capabilities": { "portMappings": true },
        "externalSetMarkChain": "KUBE-MARK-MASQ", "masqAll": false });
    Ok(json!({ "plugins": [first, portmap] }))
}

async fn changed(cluster: &Cluster, of: &Symmetric, asked: &Value) -> anyhow::Result<()> {
    let found = roll::put(&cluster.client, &cluster.nodes, Some(&asked.to_string())).await?;
    let plugins = asked["plugins"].as_array().cloned().unwrap_or_default();
    let wanted = chain(&plugins);
    for (node, found) in cluster.nodes.iter().zip(found) {
        ensure!(found == wanted, "node {}: {found:#} is there, {wanted:#} was asked for", node.name);
        let there = look(node, of).await?.join("\n");
        let engine = Engine::connect().await?;
        let router = engine.container(&eni::router_name(&cluster.name)).await?.context("there is no router")?;
        let hop = router.addresses.values().find(|address| !address.is_empty()).context("it has no address")?;
        for wanted in
            ["-i eth0", "--set-xmark 0x10/0x10", "--restore-mark", "fwmark 0x10/0x10 lookup 100", hop.as_str()]
        {
            ensure!(there.contains(wanted), "node {}: no {wanted} in\n{there}", node.name);
        }
    }
    Ok(())
}
