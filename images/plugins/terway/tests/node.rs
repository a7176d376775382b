//! Tests the stand-in with the running kernel, in a private node: a namespace with `eth0`, an ENI whose far end is its
//! gateway, and a pod's namespace.
//!
//! A process with several threads can't create a user namespace, so each case runs in another process of this program, which
//! util-linux's `unshare` starts. If the host refuses private namespaces, the cases fail with the message of `unshare`.

mod testbed;

use std::process::ExitCode;

use anyhow::{Result, ensure};
use libtest_mimic::{Arguments, Trial};
use serde_json::json;
use testbed::{Case, TestNode, rules};

const CASES: &[Case] = &[
    ("add_reports_and_configures_the_same_as_terway", add),
    ("both_families_have_routes_and_rules", dual_stack),
    ("the_enis_gateway_reaches_the_pod", reached),
    ("del_removes_the_pods_state_and_keeps_the_enis", delete),
    ("del_succeeds_twice_and_without_the_namespaces_path", delete_twice),
    ("del_without_a_namespace_reads_nothing", delete_blind),
    ("add_without_the_settings_file_names_the_file", no_file),
    ("a_used_up_pool_returns_try_again_later", used_up),
    ("add_with_a_missing_eni_leaves_no_partial_state", no_eni),
    ("check_names_the_missing_rule", check),
    ("the_plugins_own_namespace_is_refused", own_namespace),
    ("the_version_text_names_the_stand_in", about),
];

fn main() -> ExitCode {
    if let Some(code) = testbed::serve_inner(CASES) {
        return code;
    }
    let arguments = Arguments::from_args();
    let trials = CASES.iter().map(|(name, _)| Trial::test(*name, move || testbed::run_case(name))).collect::<Vec<_>>();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn add() -> Result<()> {
    let node = TestNode::make()?;
    let answer = node.call("ADD", "0.4.0")?.answer()?;
    let expected = json!({
        "cniVersion": "0.4.0",
        "interfaces": [{ "name": "eth0", "sandbox": "sandbox-1" }],
        "ips": [{ "version": "4", "interface": 0, "address": "10.77.0.17/24", "gateway": "10.77.0.1" }],
        "dns": {},
    });
    ensure!(answer == expected, "{answer:#}");
    ensure!(node.pod("ip -4 -o addr show dev eth0")?.contains("inet 10.77.0.17/32"), "address");
    ensure!(node.pod("ip route")?.trim() == "default via 169.254.1.1 dev eth0 onlink", "{}", node.pod("ip route")?);
    ensure!(node.pod("ip neigh")?.contains("169.254.1.1 dev eth0 lladdr"), "{}", node.pod("ip neigh")?);
    let rules = rules(4)?;
    ensure!(rules.contains("512:\tfrom all to 10.77.0.17 lookup main"), "{rules}");
    ensure!(rules.contains("2048:\tfrom 10.77.0.17 lookup 1001"), "{rules}");
    let table = testbed::node("ip route show table 1001")?;
    ensure!(table.trim() == "default via 10.77.0.1 dev eth1 onlink", "{table}");
    // The ENI has the node's own address, so that the node can resolve the gateway.
    ensure!(testbed::node("ip -o addr show dev eth1")?.contains("inet 10.66.0.10/32"), "address of the ENI");
    for key in ["all", "default", "eth0", "eth1"] {
        let file = |name: &str| std::fs::read_to_string(format!("/proc/sys/net/ipv4/conf/{key}/{name}"));
        ensure!(file("forwarding")?.trim() == "1" && file("rp_filter")?.trim() == "0", "sysctls of {key}");
    }
    // A second ADD of the same pod returns the same address, as the daemon would.
    ensure!(node.call("ADD", "1.0.0")?.answer()?["ips"][0]["address"] == "10.77.0.17/24", "another address");
    Ok(())
}

fn dual_stack() -> Result<()> {
    let node = TestNode::with(testbed::DUAL)?;
    let answer = node.call("ADD", "1.0.0")?.answer()?;
    let expected = json!([
        { "interface": 0, "address": "10.77.0.17/24", "gateway": "10.77.0.1" },
        { "interface": 0, "address": "fd77::11/64", "gateway": "fd77::1" },
    ]);
    ensure!(answer["ips"] == expected, "{answer:#}");
    ensure!(node.pod("ip -6 -o addr show dev eth0")?.contains("inet6 fd77::11/128"), "address");
    ensure!(node.pod("ip -6 route show default")?.contains("via fe80::1 dev eth0"), "default");
    ensure!(rules(6)?.contains("2048:\tfrom fd77::11 lookup 1001"), "{}", rules(6)?);
    ensure!(testbed::node("ip -6 route show table 1001")?.contains("default via fd77::1 dev eth1"), "table");
    node.connect_from_gateway("fd77::11")?;
    node.call("DEL", "1.0.0")?.answer()?;
    ensure!(!rules(6)?.contains("fd77::11") && !rules(4)?.contains("10.77.0.17"), "rules stay");
    ensure!(!testbed::node("ip -6 neigh show proxy")?.contains("fd77::11"), "the node still answers for it");
    Ok(())
}

fn reached() -> Result<()> {
    let node = TestNode::make()?;
    node.call("ADD", "0.4.0")?.answer()?;
    node.connect_from_gateway("10.77.0.17")
}

fn delete() -> Result<()> {
    let node = TestNode::make()?;
    node.call("ADD", "0.4.0")?.answer()?;
    ensure!(testbed::leases()? == ["10.77.0.17"], "{:?}", testbed::leases()?);
    let answer = node.call("DEL", "0.4.0")?.answer()?;
    ensure!(answer == json!({ "cniVersion": "0.4.0", "dns": {} }), "{answer}");
    let (rules, links) = (rules(4)?, testbed::node("ip -o link")?);
    ensure!(!rules.contains("10.77.0.17") && !links.contains("cali"), "{rules}{links}");
    ensure!(testbed::leases()?.is_empty(), "{:?}", testbed::leases()?);
    ensure!(!testbed::node("ip route show table all")?.contains("10.77.0.17"), "a route stays");
    ensure!(
        testbed::node("ip route show table 1001")?.contains("default via 10.77.0.1"),
        "the ENI's own table is gone"
    );
    Ok(())
}

fn delete_twice() -> Result<()> {
    let node = TestNode::make()?;
    node.call("ADD", "0.4.0")?.answer()?;
    node.remove_namespace_path();
    node.call("DEL", "0.4.0")?.answer()?;
    node.call("DEL", "0.4.0")?.answer()?;
    ensure!(testbed::leases()?.is_empty() && !rules(4)?.contains("10.77.0.17"), "the pod's state remains");
    Ok(())
}

fn delete_blind() -> Result<()> {
    let node = TestNode::make()?;
    std::fs::remove_file(testbed::SETTINGS)?;
    let called = node.call_with("DEL", "0.4.0", &[("CNI_NETNS", "")])?;
    ensure!(called.code == Some(0) && called.stdout.is_empty(), "{called:?}");
    Ok(())
}

fn no_file() -> Result<()> {
    let node = TestNode::make()?;
    std::fs::remove_file(testbed::SETTINGS)?;
    let failure = node.call("ADD", "0.4.0")?.failure()?;
    ensure!(failure["code"] == 11 && failure["msg"] == "failed to do add", "{failure}");
    let details = failure["details"].as_str().unwrap_or_default();
    ensure!(details.contains(testbed::SETTINGS) && details.contains("stand-in"), "{details}");
    Ok(())
}

fn used_up() -> Result<()> {
    let node = TestNode::with(&testbed::PLAIN.replace("10.77.0.16/28", "10.77.0.17/32"))?;
    node.call("ADD", "0.4.0")?.answer()?;
    let failure = node.call_with("ADD", "0.4.0", &[("CNI_CONTAINERID", "two")])?.failure()?;
    ensure!(failure["code"] == 11, "{failure}");
    ensure!(failure["details"].as_str().unwrap_or_default().contains("no address is left"), "{failure}");
    ensure!(testbed::leases()? == ["10.77.0.17"], "{:?}", testbed::leases()?);
    node.connect_from_gateway("10.77.0.17")
}

fn no_eni() -> Result<()> {
    let node = TestNode::with(&testbed::PLAIN.replace("\"eth1\"", "\"eth9\""))?;
    let failure = node.call("ADD", "0.4.0")?.failure()?;
    ensure!(failure["details"].as_str().unwrap_or_default().contains("the ENI eth9"), "{failure}");
    ensure!(testbed::leases()?.is_empty() && !testbed::node("ip -o link")?.contains("cali"), "partial state remains");
    Ok(())
}

fn check() -> Result<()> {
    let node = TestNode::make()?;
    node.call("ADD", "0.4.0")?.answer()?;
    let called = node.call("CHECK", "0.4.0")?;
    ensure!(called.code == Some(0), "{called:?}");
    testbed::node("ip rule del from 10.77.0.17")?;
    let failure = node.call("CHECK", "0.4.0")?.failure()?;
    ensure!(failure["msg"] == "the node has no rule from 10.77.0.17", "{failure}");
    Ok(())
}

fn own_namespace() -> Result<()> {
    let node = TestNode::make()?;
    let failure = node.call_with("ADD", "0.4.0", &[("CNI_NETNS", "/proc/self/ns/net")])?.failure()?;
    ensure!(failure["code"] == 8, "{failure}");
    let failure = node.call("ADD", "1.1.0")?.failure()?;
    ensure!(failure["code"] == 1, "{failure}");
    Ok(())
}

fn about() -> Result<()> {
    let node = TestNode::make()?;
    let called = node.call_with("", "0.4.0", &[])?;
    ensure!(called.stderr.contains("stand-in for terway, not upstream's"), "{called:?}");
    let answer = node.call("VERSION", "0.4.0")?.answer()?;
    ensure!(answer["supportedVersions"] == json!(["0.3.0", "0.3.1", "0.4.0", "1.0.0"]), "{answer}");
    Ok(())
}
