//! Many pods on one network: two with one address (`PL308`), two with one MAC address (`PL317`).
//!
//! Judged always, whatever a scenario expects. A segment is one link layer: the interfaces of one network, and
//! with them those of other networks on the same parent. It is on all nodes where its parent leads to an uplink or is not
//! known, on one node where its bridge is that node's alone.

use super::judgement::JudgementBuilder;
use super::predicted::WRONG_LEASE;
use crate::chain::go_key;
use crate::finding::{Finding, FindingCode};
use crate::observe::{Link, Observation, is_v6_link_local};
use crate::plan::{Attachment, Network, Plan, Pod};
use crate::script::target::{bridge_under, kernel_of_pod};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Link kinds whose interfaces have their parent's MAC address, all the same one.
const SHARED_MAC: &str = "ipvlan";

/// What makes a segment one: the link that its networks name as `master`, else the network, by its place in the plan.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Common<'a> {
    Network(usize),
    Parent(&'a str),
}

/// An interface on a segment.
struct Member<'a> {
    pod: &'a Pod,
    attachment: &'a Attachment,
    link: &'a Link,
}

/// Judges every segment that two pods or more are on.
pub(super) fn judge(plan: &Plan, observation: &Observation, judgement: &mut JudgementBuilder) {
    let mut segments: BTreeMap<(Common<'_>, Option<&str>), Vec<Member<'_>>> = BTreeMap::new();
    for pod in &plan.pods {
        let Ok(kernel) = kernel_of_pod(observation, &pod.name) else { continue };
        let node = observation.pod(&pod.name).map(|seen| seen.node.as_str());
        for attachment in &pod.attachments {
            let place = plan.networks.iter().position(|network| attachment.names(pod, network));
            if let (Some(place), Some(link)) = (place, kernel.link(&attachment.interface)) {
                let node = node.filter(|_| is_of_one_node(plan, &plan.networks[place]));
                let common = parent(&plan.networks[place]).map_or(Common::Network(place), Common::Parent);
                segments.entry((common, node)).or_default().push(Member { pod, attachment, link });
            }
        }
    }
    for members in segments.values() {
        let first = members.first().map(|member| &member.pod.name);
        if members.iter().any(|member| Some(&member.pod.name) != first) {
            addresses(members, judgement);
            macs(members, judgement);
        }
    }
}

/// The link that a network's interfaces are on beside those of every other network that names it: what plugins lay on a
/// parent without a tag of its own.
fn parent(network: &Network) -> Option<&str> {
    let link = network.chain.as_ref()?.links.first()?;
    let shared = ["macvlan", "ipvlan"].contains(&link.plugin.as_str());
    go_key(link.conf.as_object().filter(|_| shared)?, "master")?.as_str()
}

/// Whether this network does not connect pods on different nodes.
fn is_of_one_node(plan: &Plan, network: &Network) -> bool {
    let conf = network.chain.as_ref().and_then(|chain| chain.links.first());
    let Some((plugin, conf)) = conf.and_then(|link| Some((link.plugin.as_str(), link.conf.as_object()?))) else {
        return false;
    };
    let named = |key: &str| go_key(conf, key).and_then(serde_json::Value::as_str);
    let bridge = |key: &str| named(key).and_then(|name| bridge_under(&plan.topology, name));
    match plugin {
        "ptp" => true,
        // Its own default is `cni0`; a bridge that the topology does not have is the plugin's own.
        "bridge" => bridge("bridge").is_none_or(|bridge| bridge.uplink.is_none()),
        _ => bridge("master").is_some_and(|bridge| bridge.uplink.is_none()),
    }
}

fn addresses(members: &[Member<'_>], judgement: &mut JudgementBuilder) {
    judgement.count_fact();
    let mut holders: BTreeMap<IpAddr, Vec<&Member<'_>>> = BTreeMap::new();
    for member in members {
        for address in member.link.ips().filter(|address| !is_v6_link_local(*address)) {
            holders.entry(address).or_default().push(member);
        }
    }
    for (address, holders) in holders {
        add(FindingCode::PL308, "two pods have the same address", &address.to_string(), &holders, judgement);
    }
}

fn macs(members: &[Member<'_>], judgement: &mut JudgementBuilder) {
    let own = |member: &&Member<'_>| member.link.kind.as_deref() != Some(SHARED_MAC) && !member.link.mac.is_empty();
    let mut holders: BTreeMap<&str, Vec<&Member<'_>>> = BTreeMap::new();
    for member in members.iter().filter(own) {
        holders.entry(&member.link.mac).or_default().push(member);
    }
    if holders.is_empty() {
        return;
    }
    judgement.count_fact();
    for (mac, holders) in holders {
        add(FindingCode::PL317, "two pods have the same MAC address", mac, &holders, judgement);
    }
}

/// One finding for all that hold the same; a pod's own interfaces are not compared with each other.
fn add(code: FindingCode, message: &str, what: &str, holders: &[&Member<'_>], judgement: &mut JudgementBuilder) {
    let first = holders.first().map(|member| &member.pod.name);
    let Some(other) = holders.iter().find(|other| Some(&other.pod.name) != first) else { return };
    let name = |member: &Member<'_>| format!("{} of pod {}", member.attachment.interface, member.pod.name);
    let all: Vec<String> = holders.iter().map(|member| name(member)).collect();
    let mut networks: Vec<&str> = holders.iter().map(|member| member.attachment.network.as_str()).collect();
    networks.dedup();
    let on = if networks.len() > 1 { "networks" } else { "network" };
    let message = format!("{message} on {on} {}", networks.join(", "));
    // An address that the IPAM plugin was not to give is reported already.
    let is_cause = |finding: &&mut Finding| {
        finding.code == FindingCode::PL350
            && finding.message.starts_with(WRONG_LEASE)
            && holders.iter().any(|holder| finding.pod.as_ref() == Some(&holder.pod.name))
            && finding.found.as_ref().is_some_and(|found| found.split(", ").any(|address| address == what))
    };
    if let Some(finding) = judgement.findings_mut().iter_mut().find(is_cause) {
        finding.notes.push(format!("with it: {message}: {what} at {}", all.join(", ")));
        return;
    }
    let entry = Finding::new(code, message).pod(&other.pod.name);
    let entry = entry.interface(&other.attachment.interface).network(&other.attachment.network);
    judgement.add_finding(entry.source(&other.pod.source).found(format!("{what} at {}", all.join(", "))));
}
