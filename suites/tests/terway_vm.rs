//! Compares the stand-in for Terway's CNI plugin with Terway's own, in the vm lane's machine: the same scenario with each, and
//! their results and kernel states compared line by line.

use anyhow::Context as _;
use plumbline::prelude::*;
use plumbline_core::observe::{KernelState, Observation};
use plumbline_core::plan::{Device, Plan};
use serde_json::Value;
use std::collections::BTreeSet;

/// The scenario with Terway's own plugin.
const OWN: &str = "terway/own-plugin";
const PLUGIN: &str = "terway";
/// The number of a table of Terway is this number plus the ENI's index (`GetRouteTableID`).
const FIRST_TABLE: u64 = 1000;
/// Prefix of the name of the pod's other end. Each plugin makes the rest of the name from another hash.
const POD_END: &str = "cali";

/// The same scenario with a veth as ENI, for the stand-in. `table` is the ENI's table. None means Terway's number.
fn with_stand_in(own: &Plan, table: Option<u32>) -> Plan {
    let mut plan = own.clone();
    for eni in plan.topology.ports.iter_mut().filter_map(|port| port.eni.as_mut()) {
        (eni.device, eni.table) = (Device::Veth, table);
    }
    plan
}

async fn read_state(bench: &Bench, plan: &Plan) -> anyhow::Result<BTreeSet<String>> {
    bench.with_plan(plan, async |scene| lines(scene.observe().await?.observation())).await
}

#[tokio::test]
async fn the_stand_in_gives_the_same_results_as_terways_plugin() -> anyhow::Result<()> {
    let bench = Bench::open("vm").await?;
    let plan = bench.plan(OWN)?;
    let own = read_state(&bench, &plan).await?;
    let stand_in = read_state(&bench, &with_stand_in(&plan, None)).await?;
    // With another table the results must differ, otherwise the comparison proves nothing.
    let other = read_state(&bench, &with_stand_in(&plan, Some(77))).await?;
    bench.close().await?;

    for part in ["result", "pod link eth0", "pod route", "node rule", "node route", "node link eth1", "node link cali"]
    {
        assert!(own.iter().any(|line| line.starts_with(part)), "nothing of {part} in {own:#?}");
    }
    let only = |one: &BTreeSet<String>, two: &BTreeSet<String>| one.difference(two).cloned().collect::<Vec<_>>();
    let (terways, ours) = (only(&own, &stand_in), only(&stand_in, &own));
    assert!(terways.is_empty() && ours.is_empty(), "Terway's alone: {terways:#?}\nthe stand-in's alone: {ours:#?}");
    let differs = only(&other, &own);
    assert!(differs.iter().any(|line| line.starts_with("node rule") && line.contains("77")), "{differs:#?}");
    Ok(())
}

/// The plugin's result, the pod's kernel state, and the first node's kernel state, each fact a line.
fn lines(seen: &Observation) -> anyhow::Result<BTreeSet<String>> {
    let pod = seen.pods.first().context("no pod was observed")?;
    let kernel = pod.kernel.as_ref().context("the pod's kernel was not observed")?;
    let node = seen.nodes.first().context("the node was not observed")?;
    let calls = pod.outcomes.iter().flat_map(|(_, outcome)| &outcome.calls).filter(|call| call.plugin == PLUGIN);
    let mut lines = BTreeSet::new();
    for call in calls {
        let mut result: Value = serde_json::from_str(&call.stdout).context(call.stdout.clone())?;
        for interface in result["interfaces"].as_array_mut().into_iter().flatten() {
            // The sandbox's id differs in each run.
            anyhow::ensure!(interface["sandbox"].as_str().is_some_and(|id| !id.contains('/')), "{interface}");
            interface["sandbox"] = "ID".into();
        }
        lines.insert(format!("result {result}"));
    }
    lines.extend(list_kernel_facts("pod", kernel)?);
    lines.extend(list_kernel_facts("node", &node.kernel)?);
    Ok(lines)
}

/// Links with their global addresses, routes and rules. Addresses made from MAC addresses are left out. The ENI's
/// table is a name, not its number.
fn list_kernel_facts(whose: &str, kernel: &KernelState) -> anyhow::Result<Vec<String>> {
    let mut whole = serde_json::to_value(kernel)?;
    let mut lines = Vec::new();
    let eni = whole["links"].as_array().into_iter().flatten().find(|link| link["name"] == "eth1");
    let table = eni.and_then(|link| link["index"].as_u64()).map(|index| FIRST_TABLE + index);
    for link in whole["links"].as_array().into_iter().flatten() {
        let name = link["name"].as_str().unwrap_or_default();
        // The ENI is a device for Terway's plugin and a veth for the stand-in.
        let kind = if name == "eth1" { Value::Null } else { link["kind"].clone() };
        let addresses = link["addresses"].as_array().into_iter().flatten();
        let addresses: Vec<String> =
            addresses.filter(|one| one["scope"] != "link").map(|one| one["address"].to_string()).collect();
        let (mtu, flags) = (&link["mtu"], &link["flags"]);
        lines.push(format!(
            "{whose} link {} {kind} mtu {mtu} {flags} {}",
            replace_peer_name(name),
            addresses.join(" ")
        ));
    }
    for (part, word) in [("routes", "route"), ("rules", "rule")] {
        for one in whole[part].as_array_mut().into_iter().flatten() {
            for key in ["table", "lookup"] {
                if table.is_some() && one[key].as_u64() == table {
                    one[key] = "of the ENI".into();
                }
            }
            let text = one.to_string();
            if !text.contains("fe80::") && !text.contains("ff00::") {
                lines.push(format!("{whose} {word} {}", replace_peer_name(&text)));
            }
        }
    }
    Ok(lines)
}

/// Replaces the name of the pod's other end by a fixed name.
fn replace_peer_name(text: &str) -> String {
    let Some((before, rest)) = text.split_once(POD_END) else { return text.to_owned() };
    format!("{before}{POD_END}{}", rest.trim_start_matches(|c: char| c.is_ascii_hexdigit()))
}
