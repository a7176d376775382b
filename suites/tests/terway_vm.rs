//! The stand-in for Terway's CNI plugin against Terway's own, in the vm lane's machine: the same scenario with either, and
//! what they answer and leave behind compared line by line.

use anyhow::Context as _;
use plumbline::prelude::*;
use plumbline_core::observe::{KernelState, Observation};
use plumbline_core::plan::{Device, Plan};
use serde_json::Value;
use std::collections::BTreeSet;

/// With Terway's own plugin.
const OWN: &str = "terway/own-plugin";
const PLUGIN: &str = "terway";
/// Tables of Terway's are counted from here by the ENI's index (`GetRouteTableID`).
const FIRST_TABLE: u64 = 1000;
/// The pod's interface, and what stands for the name of its other end, which either makes of another hash.
const POD_END: &str = "cali";

/// The same scenario with a veth for an ENI, on which the stand-in runs; `table` is the ENI's, none as Terway counts.
fn with_stand_in(own: &Plan, table: Option<u32>) -> Plan {
    let mut plan = own.clone();
    for eni in plan.topology.ports.iter_mut().filter_map(|port| port.eni.as_mut()) {
        (eni.device, eni.table) = (Device::Veth, table);
    }
    plan
}

async fn left_by(bench: &Bench, plan: &Plan) -> anyhow::Result<BTreeSet<String>> {
    bench.with_plan(plan, async |scene| lines(scene.observe().await?.observation())).await
}

#[tokio::test]
async fn the_stand_in_gives_the_same_results_as_terways_plugin() -> anyhow::Result<()> {
    let bench = Bench::open("vm").await?;
    let plan = bench.plan(OWN)?;
    let own = left_by(&bench, &plan).await?;
    let stand_in = left_by(&bench, &with_stand_in(&plan, None)).await?;
    // With another table the results must differ, else the comparison sees nothing.
    let other = left_by(&bench, &with_stand_in(&plan, Some(77))).await?;
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

/// What the plugin answered, what the pod's kernel has, and what the first node's has, each thing a line.
fn lines(seen: &Observation) -> anyhow::Result<BTreeSet<String>> {
    let pod = seen.pods.first().context("no pod was seen")?;
    let kernel = pod.kernel.as_ref().context("the pod's kernel was not seen")?;
    let node = seen.nodes.first().context("the node was not seen")?;
    let calls = pod.outcomes.iter().flat_map(|(_, outcome)| &outcome.calls).filter(|call| call.plugin == PLUGIN);
    let mut lines = BTreeSet::new();
    for call in calls {
        let mut result: Value = serde_json::from_str(&call.stdout).context(call.stdout.clone())?;
        for interface in result["interfaces"].as_array_mut().into_iter().flatten() {
            // The sandbox's id, which is the run's own.
            anyhow::ensure!(interface["sandbox"].as_str().is_some_and(|id| !id.contains('/')), "{interface}");
            interface["sandbox"] = "ID".into();
        }
        lines.insert(format!("result {result}"));
    }
    lines.extend(of_kernel("pod", kernel)?);
    lines.extend(of_kernel("node", &node.kernel)?);
    Ok(lines)
}

/// Links with their global addresses, routes and rules; without what a kernel makes of a MAC address, and with the ENI's
/// table by its meaning.
fn of_kernel(whose: &str, kernel: &KernelState) -> anyhow::Result<Vec<String>> {
    let mut whole = serde_json::to_value(kernel)?;
    let mut lines = Vec::new();
    let eni = whole["links"].as_array().into_iter().flatten().find(|link| link["name"] == "eth1");
    let table = eni.and_then(|link| link["index"].as_u64()).map(|index| FIRST_TABLE + index);
    for link in whole["links"].as_array().into_iter().flatten() {
        let name = link["name"].as_str().unwrap_or_default();
        // An ENI of the one is a device, of the other a veth.
        let kind = if name == "eth1" { Value::Null } else { link["kind"].clone() };
        let addresses = link["addresses"].as_array().into_iter().flatten();
        let addresses: Vec<String> =
            addresses.filter(|one| one["scope"] != "link").map(|one| one["address"].to_string()).collect();
        let (mtu, flags) = (&link["mtu"], &link["flags"]);
        lines.push(format!("{whose} link {} {kind} mtu {mtu} {flags} {}", plain(name), addresses.join(" ")));
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
                lines.push(format!("{whose} {word} {}", plain(&text)));
            }
        }
    }
    Ok(lines)
}

/// A text in which the pod's other end always has the same name.
fn plain(text: &str) -> String {
    let Some((before, rest)) = text.split_once(POD_END) else { return text.to_owned() };
    format!("{before}{POD_END}{}", rest.trim_start_matches(|c: char| c.is_ascii_hexdigit()))
}
