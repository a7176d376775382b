//! Every scenario file behind Terway, on the profile with Terway's network, and tests of the profile itself. Each of
//! the latter holds the cluster exclusively, because it reads or changes all of it.

use anyhow::{Context as _, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use plumbline::{registry, session};
use plumbline_cluster::node::NETWORK;
use plumbline_cluster::{self as cluster, Cluster};
use plumbline_core::observe::LeakKind;
use plumbline_core::observe::traces::RemovedPod;
use plumbline_lanes::context::Context;
use plumbline_lanes::traces::NodeTraces;
use plumbline_suites::chain::{CHAIN_LEASE, read_first_plugin, set_chain};
use plumbline_suites::command::plumbline;
use plumbline_suites::context;
use plumbline_suites::host::wait_for;
use plumbline_suites::trials::{self, TestTarget};
use plumbline_terway::scenario::is_behind;
use plumbline_terway::symmetric_routing::{self, Symmetric};
use plumbline_terway::{STAND_INS, eni};
use plumbline_testbed::engine::{Engine, Sweeper};
use plumbline_testbed::exec::Cmd;
use plumbline_testbed::folders;
use plumbline_testbed::journal::{self, Effect, Line, Undo};
use plumbline_testbed::lease::{Kind, Lease};
use plumbline_testbed::wait::Deadline;
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

const PROFILE: &str = "terway";
/// A scenario with a network behind the router, and a part of that network's address.
const SCENARIO: &str = "terway/host-port[public-access]";
const BEHIND: &str = "203.0.113";
/// The address of a pod that does not exist.
const GONE: &str = "10.77.99.99";
const LAID: &str = "iptables -t nat -N CNI-DN-of-a-test
iptables -t nat -A CNI-DN-of-a-test -p tcp --dport 8080 -j DNAT --to-destination ADDRESS:80
ip rule add from ADDRESS lookup 100 priority 7777
ip route add ADDRESS/32 dev lo
bash -c 'echo x > /dev/udp/ADDRESS/5005'";
const TAKEN: &str = "ip route del ADDRESS/32 dev lo
ip rule del from ADDRESS lookup 100 priority 7777
iptables -t nat -F CNI-DN-of-a-test
iptables -t nat -X CNI-DN-of-a-test";

fn main() -> anyhow::Result<std::process::ExitCode> {
    let arguments = Arguments::from_args();
    let target = TestTarget {
        binary: "terway_kind",
        profile: Some(PROFILE),
        selects: is_behind,
        lease: Some(CHAIN_LEASE),
        ..TestTarget::lane("kind")
    };
    let mut trials = trials::trials(target, &arguments)?;
    trials.extend([
        Trial::test("profile/every_node_has_the_chain_of_eni_config", || with(check_chain_on_nodes)),
        Trial::test("profile/stand_ins_are_listed", || with(check_stand_ins)),
        Trial::test("profile/pods_reach_the_api_server_and_pods_on_other_nodes", || with(check_reachability)),
        Trial::test("profile/changes_of_a_killed_run_are_undone", check_killed_run),
        Trial::test("profile/leaks_on_nodes_are_found", || with(check_leaks)),
        Trial::test("profile/symmetric_routing_stays_until_it_is_removed", || with(check_symmetric_routing)),
        Trial::test("profile/symmetric_routing_of_unknown_interfaces_is_found", || with(check_unknown_interfaces)),
        Trial::test("profile/a_node_with_the_wrong_address_is_restarted", || with(check_wrong_address)),
    ]);
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}

/// Runs a test to its end.
fn run(test: impl Future<Output = anyhow::Result<()>>) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    // Without optimisation the future is larger than the stack of a test's thread.
    let test = Box::pin(test);
    let alone = Box::pin(async {
        let _others = Lease::take(CHAIN_LEASE, Kind::Exclusive, Deadline::after(Duration::from_secs(900))).await?;
        test.await
    });
    runtime.block_on(alone).map_err(|error| plumbline_testbed::error::causes(error.as_ref()).into())
}

/// Runs a test on the profile's cluster, with an exclusive lease.
fn with(test: impl AsyncFn(&Context, &Cluster) -> anyhow::Result<()>) -> Result<(), Failed> {
    run(async {
        let cx = context::open(PROFILE, "terway test")?;
        let cluster = cluster::lock_exclusively(cluster::up(&cx, registry::PROVIDERS).await?).await?;
        let tested = test(&cx, &cluster).await;
        let left = session::close(&cx).await;
        tested?;
        ensure!(left.is_empty(), "left behind: {left:?}");
        Ok(())
    })
}

/// The plugin's entry as terway-cli writes it (cmd/terway-cli/cni.go, `mergeConfigList`): a veth needs no eBPF.
fn write_expected_entry(mut plugin: Value) -> Value {
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

fn expected_chain(plugins: &[Value]) -> Value {
    let plugins: Vec<Value> = plugins.iter().cloned().map(write_expected_entry).collect();
    json!({ "cniVersion": "0.4.0", "name": "terway-chainer", "plugins": plugins })
}

async fn check_chain_on_nodes(cx: &Context, cluster: &Cluster) -> anyhow::Result<()> {
    let found = set_chain(cx, cluster, None).await?;
    let wanted = expected_chain(&[read_first_plugin(cluster).await?]);
    ensure!(found.len() == 3, "three nodes, and {} chains", found.len());
    for (node, found) in cluster.nodes.iter().zip(found) {
        ensure!(found == wanted, "node {}: {found:#} is there, {wanted:#} was requested", node.name);
    }
    let kept = run_kubectl(cluster, &["get", "configmaps", "-o", "name"]).await?;
    let kept = kept.lines().filter(|name| name.contains(&format!("-kept-{}", cx.run.id()))).count();
    ensure!(kept == 0, "an unneeded backup is kept");
    Ok(())
}

async fn check_stand_ins(_: &Context, cluster: &Cluster) -> anyhow::Result<()> {
    for line in STAND_INS {
        ensure!(cluster.parts.iter().any(|part| part == line), "not named: {line}");
    }
    let output = cluster.nodes[0].run_ok("test", &["/opt/cni/bin/terway", "--version"]).await?.stdout;
    ensure!(output.contains("stand-in for terway, not upstream's"), "version text of the plugin on the node: {output}");
    let output = run_kubectl(cluster, &["logs", "daemonset/terway-eniip", "-c", "terway"]).await?;
    ensure!(output.contains("stand-in for terwayd, not upstream's"), "log of the daemon: {output}");
    Ok(())
}

/// Runs kubectl on the control plane.
async fn run_kubectl(cluster: &Cluster, words: &[&str]) -> anyhow::Result<String> {
    let control = cluster.nodes.iter().find(|node| node.name.ends_with("control-plane")).context("a control plane")?;
    let argv = [&["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "-n", "kube-system"], words].concat();
    Ok(control.run_ok("test", &argv).await?.stdout)
}

/// The journal of a killed run undoes all its changes of nodes and the router. Only this journal is undone: `gc`
/// itself is for the whole host.
fn check_killed_run() -> Result<(), Failed> {
    run(async {
        let (run, routes) = kill_run().await?;
        let sweeper = Sweeper::default();
        let undoers: Vec<&dyn Undo> = registry::UNDOERS.iter().copied().chain([&sweeper as &dyn Undo]).collect();
        let collected = journal::gc_of(&run, &undoers).await?;
        ensure!(collected.failures.is_empty(), "left: {:?}", collected.failures);
        let undone = collected.undone.iter().filter(|line| line.starts_with("route to ")).count();
        ensure!(undone == routes.len(), "{} routes were laid: {collected:?}", routes.len());
        let cx = context::open(PROFILE, "terway test")?;
        let cluster = cluster::lock_exclusively(cluster::up(&cx, registry::PROVIDERS).await?).await?;
        let tested = check_routes_removed(&cluster, &routes).await;
        let left = session::close(&cx).await;
        tested?;
        ensure!(left.is_empty(), "left behind: {left:?}");
        let again = journal::gc_of(&run, &undoers).await?;
        ensure!(again.undone.is_empty() && again.failures.is_empty(), "undone twice: {again:?}");
        Ok(())
    })
}

/// Kills a run after it has changed the router. Gives its id, and each container with the selector of its added route.
async fn kill_run() -> anyhow::Result<(String, Vec<(String, String)>)> {
    let (pid, begun) = (Arc::new(OnceLock::new()), SystemTime::now());
    let known = Arc::clone(&pid);
    let cmd = plumbline(&["run", SCENARIO, "--lane", "kind", "--profile", PROFILE])?
        .deadline(Duration::from_secs(900))
        .on_start(move |pid| _ = known.set(pid));
    let run = tokio::spawn(cmd.run());
    let routes = |journal: &str| -> Vec<(String, String)> {
        let lines = journal.lines().filter_map(|line| serde_json::from_str(line).ok());
        let inside = lines.filter_map(|line| match line {
            Line::Intent { effect: Effect::Inside { container, undo, .. }, .. } => {
                Some((container, undo.strip_prefix("ip route flush ")?.to_owned()))
            }
            _ => None,
        });
        inside.collect()
    };
    let journal = || pid.get().map_or(Ok(None), |pid| find_journal(*pid, begun));
    wait_for("a route of the scenario on the router", async || {
        ensure!(!run.is_finished(), "the run ended by itself");
        let laid = journal()?.map(|(_, text)| routes(&text)).unwrap_or_default();
        Ok(laid.iter().any(|(_, route)| route.contains(BEHIND)))
    })
    .await?;
    let pid = pid.get().context("a pid")?;
    Cmd::new("kill").args(["-KILL".to_owned(), pid.to_string()]).run_ok().await?;
    run.await??;
    let (run, text) = journal()?.context("a journal")?;
    Ok((run, routes(&text)))
}

/// The run of a process, and the text of its journal. Reading the journals of many runs takes seconds, so runs
/// before `since` are skipped.
fn find_journal(pid: u32, since: SystemTime) -> anyhow::Result<Option<(String, String)>> {
    for entry in std::fs::read_dir(folders::state()?.join("runs"))? {
        let entry = entry?;
        if entry.metadata()?.modified()? < since {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(entry.path().join("journal.jsonl")) else { continue };
        if let Some(Ok(Line::Begin { run, pid: of, .. })) = text.lines().next().map(serde_json::from_str)
            && of == pid
        {
            return Ok(Some((run, text)));
        }
    }
    Ok(None)
}

async fn check_routes_removed(cluster: &Cluster, routes: &[(String, String)]) -> anyhow::Result<()> {
    for (container, route) in routes {
        let argv = [&["ip", "route", "show"][..], &route.split(' ').collect::<Vec<_>>()].concat();
        let still = cluster.engine().exec_ok("test", container, &argv, None, Duration::from_secs(20)).await?.stdout;
        ensure!(still.trim().is_empty(), "{container} still has {still}");
    }
    Ok(())
}

/// Leaks of a DEL that does nothing, made by hand beside a foreign rule.
async fn check_leaks(_: &Context, cluster: &Cluster) -> anyhow::Result<()> {
    let node = cluster.nodes.iter().find(|node| node.name.ends_with("-worker")).context("a worker")?;
    let mut nodes = std::slice::from_ref(node);
    let before = NodeTraces::read_traces(1, &mut nodes).await?;
    let gone = RemovedPod { pod: "web".into(), marks: vec![GONE.into()], addresses: vec![GONE.parse()?] };
    let (none, unseen) = before.find_leaks(std::slice::from_ref(&gone), &mut nodes).await;
    ensure!(none.is_empty() && unseen.is_empty(), "nothing has changed: {none:?} {unseen:?}");
    let laid = node.run_ok("test", &["sh", "-ec", &LAID.replace("ADDRESS", GONE)]).await;
    let (found, unseen) = before.find_leaks(&[gone], &mut nodes).await;
    node.run_ok("test", &["sh", "-c", &TAKEN.replace("ADDRESS", GONE)]).await?;
    laid?;
    ensure!(unseen.is_empty(), "not looked at: {unseen:?}");
    for (kind, what) in [
        (LeakKind::Firewall, "chain CNI-DN-of-a-test of table nat"),
        (LeakKind::Firewall, "--to-destination 10.77.99.99:80 of table nat"),
        (LeakKind::Routing, "routing rule 7777 of 10.77.99.99 to table 100"),
        (LeakKind::Routing, "route to 10.77.99.99/32"),
        (LeakKind::Connection, "UDP src="),
    ] {
        ensure!(found.iter().any(|one| one.kind == kind && one.what.contains(what)), "no {what} in {found:#?}");
    }
    Ok(())
}

/// CoreDNS is Ready only if its pods reach the API server's service: through their node's second interface and the router.
async fn check_reachability(_: &Context, cluster: &Cluster) -> anyhow::Result<()> {
    run_kubectl(cluster, &["wait", "pods", "-l", "k8s-app=kube-dns", "--for=condition=Ready", "--timeout=25s"]).await?;
    let pods = run_kubectl(cluster, &["get", "pods", "-l", "k8s-app=kube-dns", "-o", "json"]).await?;
    let pods: Value = serde_json::from_str(&pods)?;
    let addresses: Vec<&str> =
        pods["items"].as_array().into_iter().flatten().filter_map(|pod| pod["status"]["podIP"].as_str()).collect();
    ensure!(!addresses.is_empty(), "there is no DNS");
    for address in addresses {
        for node in &cluster.nodes {
            // From every node, also from nodes that reach it only through the router.
            node.run_ok("test", &["ping", "-c", "1", "-W", "5", address]).await?;
        }
    }
    Ok(())
}

/// A node that was started on both networks and took the address of the second one. The test does by hand what kind's node
/// image does then, because the engine writes `/etc/hosts` in random order.
async fn check_wrong_address(cx: &Context, cluster: &Cluster) -> anyhow::Result<()> {
    let node = cluster.nodes.last().context("a node")?;
    let engine = cluster.engine();
    let of = async || engine.container(&node.name).await?.context("its container");
    let before = of().await?;
    let own = before.addresses.get(NETWORK).context("its own address")?;
    let second = "10.77.0.77";
    let script = "for f in /kind/old-ipv4 /var/lib/kubelet/kubeadm-flags.env; do sed -i \"s/$1/$2/g\" \"$f\"; done";
    node.run_ok("read the node's address", &["sh", "-ec", script, "sh", own, second]).await?;
    cluster::repair(cx, cluster).await?;
    let after = of().await?;
    ensure!(after.pid != before.pid, "it was not started again");
    ensure!(after.id == before.id, "it was made again, and not started");
    ensure!(after.networks == before.networks, "it is on {:?}", after.networks);
    let own = after.addresses.get(NETWORK).context("its own address")?;
    let read = "cat /kind/old-ipv4; echo; cat /var/lib/kubelet/kubeadm-flags.env";
    let output = engine
        .exec_ok("read the node's address", &node.name, &["sh", "-c", read], None, Duration::from_secs(30))
        .await?;
    ensure!(output.stdout.starts_with(&format!("{own}\n")), "{}", output.stdout);
    ensure!(
        output.stdout.contains(&format!("--node-ip={own}")) && !output.stdout.contains(second),
        "{}",
        output.stdout
    );
    Ok(())
}

/// The document's chain for public access, with upstream's terway-cli, and its leaks.
async fn check_symmetric_routing(cx: &Context, cluster: &Cluster) -> anyhow::Result<()> {
    let of = Symmetric::default();
    symmetric_routing::remove(&cluster.nodes, &of).await?;
    let requested = read_requested_chain(cluster).await?;
    let tested = check_changed_chain(cx, cluster, &of, &requested).await;
    // In any case the profile's own chain is restored for other tests.
    let back = set_chain(cx, cluster, None).await;
    let still = symmetric_routing::list(&cluster.nodes[0], &of).await;
    let scrubbed = symmetric_routing::remove(&cluster.nodes, &of).await;
    tested?;
    let plain = expected_chain(&[read_first_plugin(cluster).await?]);
    ensure!(back?.iter().all(|found| *found == plain), "the profile's own chain is not back");
    ensure!(
        !still?.is_empty(),
        "terway-cli took its symmetric routing away by itself; then the scrubber proves nothing"
    );
    scrubbed?;
    for node in &cluster.nodes {
        let left = symmetric_routing::list(node, &of).await?;
        ensure!(left.is_empty(), "node {}: {left:?}", node.name);
    }
    Ok(())
}

/// A chain with own names for symmetric routing, removed from the ConfigMap: its rules stay, and Plumbline reports them.
async fn check_unknown_interfaces(cx: &Context, cluster: &Cluster) -> anyhow::Result<()> {
    let of = Symmetric { comment: "of-a-test".to_owned(), priority: 610, table: 110 };
    symmetric_routing::remove(&cluster.nodes, &Symmetric::default()).await?;
    let mut requested = read_requested_chain(cluster).await?;
    requested["plugins"][0]["symmetric_routing_config"] =
        json!({ "comment": of.comment, "rule_priority": of.priority, "table_id": of.table });
    let laid = set_chain(cx, cluster, Some(&requested.to_string())).await;
    let back = set_chain(cx, cluster, None).await;
    let seen = async {
        let node = &cluster.nodes[0];
        anyhow::Ok((
            symmetric_routing::list(node, &Symmetric::default()).await?,
            symmetric_routing::list_any(node).await?.join("\n"),
        ))
    };
    let seen = seen.await;
    let scrubbed = symmetric_routing::remove(&cluster.nodes, &of).await;
    laid.and(back)?;
    scrubbed?;
    let (by_usual_names, there) = seen?;
    ensure!(by_usual_names.is_empty(), "terway-cli took the usual names: {by_usual_names:?}");
    for wanted in ["iptables: -A PREROUTING", "of-a-test", "rule: 610:", "lookup 110"] {
        ensure!(there.contains(wanted), "no {wanted} in\n{there}");
    }
    for node in &cluster.nodes {
        let left = symmetric_routing::list_any(node).await?;
        ensure!(left.is_empty(), "node {}: {left:?}", node.name);
    }
    Ok(())
}

async fn read_requested_chain(cluster: &Cluster) -> anyhow::Result<Value> {
    let mut first = read_first_plugin(cluster).await?;
    first["symmetric_routing"] = json!(true);
    let portmap = json!({ "type": "portmap", "capabilities": { "portMappings": true },
        "externalSetMarkChain": "KUBE-MARK-MASQ", "masqAll": false });
    Ok(json!({ "plugins": [first, portmap] }))
}

async fn check_changed_chain(cx: &Context, cluster: &Cluster, of: &Symmetric, requested: &Value) -> anyhow::Result<()> {
    let found = set_chain(cx, cluster, Some(&requested.to_string())).await?;
    let plugins = requested["plugins"].as_array().cloned().unwrap_or_default();
    let wanted = expected_chain(&plugins);
    for (node, found) in cluster.nodes.iter().zip(found) {
        ensure!(found == wanted, "node {}: {found:#} is there, {wanted:#} was requested", node.name);
        let there = symmetric_routing::list(node, of).await?.join("\n");
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
