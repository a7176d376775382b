//! From a plan and its observation to a picture.

use super::model::{Attachment, Bar, FindingLabel, Graph, Host, Node, Pod};
use super::{observed, paths, requested};
use plumbline_core::chain::Chain;
use plumbline_core::finding::Finding;
use plumbline_core::judge;
use plumbline_core::observe::{Observation, PodObservation, PodState};
use plumbline_core::plan::{self, Plan, Topology, VlanProtocol};

/// The name of the default network in pictures. The scenario has no name for it.
const DEFAULT_NETWORK: &str = "default network";

/// The picture of a plan, with the observed state of a run if there is one. The findings come from the judge.
pub fn build_graph(plan: &Plan, observation: Option<&Observation>) -> Graph {
    let nothing = Observation::default();
    let findings = judge::judge(plan, observation.unwrap_or(&nothing)).findings;
    let topology = &plan.topology;
    let mut graph = Graph {
        name: plan.name.clone(),
        summary: plan.summary.clone(),
        verdict: None,
        observed: observation.is_some(),
        uplinks: topology.uplinks.iter().map(|uplink| uplink.name.clone()).collect(),
        hosts: topology.hosts.iter().map(|host| self::host(topology, host)).collect(),
        nodes: (1..=topology.nodes.max(1)).map(|number| node(topology, number)).collect(),
        paths: Vec::new(),
    };
    for (place, pod) in plan.pods.iter().enumerate() {
        let number = topology.node_of(pod.node, place);
        let seen = observation.and_then(|all| all.pods.iter().find(|seen| seen.pod == pod.name));
        // A node out of range is refused when the scenario is read.
        if let Some(node) = graph.nodes.get_mut(number - 1) {
            if let Some(seen) = seen.filter(|seen| node.pods.is_empty() && !seen.node.is_empty()) {
                node.title = format!("{}: {}", node.title, seen.node);
            }
            let drawn = self::pod(plan, pod, seen, observation.is_some(), &findings, &mut node.bars);
            node.pods.push(drawn);
        }
    }
    graph.paths = paths::of(plan, observation, &findings, &graph);
    graph
}

fn find_uplink(topology: &Topology, uplink: &str) -> Option<usize> {
    topology.uplinks.iter().position(|known| known.name == uplink)
}

fn host(topology: &Topology, host: &plan::Host) -> Host {
    let mut lines = Vec::new();
    for port in &host.ports {
        let vlan = port.vlan.map(|vlan| format!(", VLAN {vlan} tagged")).unwrap_or_default();
        lines.push(format!("on {}{vlan}", port.uplink));
        lines.extend(port.addresses.iter().map(|address| format!("  {address}")));
    }
    lines.extend(host.behind.iter().map(|behind| format!("behind it {behind}")));
    lines.extend(host.routes.iter().map(|(to, via)| format!("route {to} via {via}")));
    Host {
        name: host.name.clone(),
        role: if host.gateway { "gateway" } else { "peer" },
        uplinks: host.ports.iter().filter_map(|port| find_uplink(topology, &port.uplink)).collect(),
        lines,
    }
}

fn node(topology: &Topology, number: usize) -> Node {
    let mut bars: Vec<Bar> = Vec::new();
    for bridge in &topology.bridges {
        let mut words = vec!["bridge".to_owned()];
        words.extend(bridge.addresses.iter().map(ToString::to_string));
        if bridge.vlan_filtering {
            words.push("VLAN filtering".to_owned());
        }
        if !bridge.vlans.is_empty() {
            let vlans: Vec<String> = bridge.vlans.iter().map(ToString::to_string).collect();
            words.push(format!("carries VLAN {} tagged", vlans.join(" and ")));
        }
        let uplink = bridge.uplink.as_deref().and_then(|uplink| find_uplink(topology, uplink));
        bars.push(Bar { name: bridge.name.clone(), words: words.join(", "), of_topology: true, on: None, uplink });
    }
    for port in topology.ports.iter().filter(|port| port.node == number) {
        let mut words: Vec<String> = port.addresses.iter().map(ToString::to_string).collect();
        if let Some(eni) = &port.eni {
            words.push("ENI".to_owned());
            let pools = [eni.pool.map(|pool| pool.to_string()), eni.pool6.map(|pool| pool.to_string())];
            words.extend(pools.into_iter().flatten().map(|pool| format!("pods get {pool}")));
        }
        let uplink = find_uplink(topology, &port.uplink);
        bars.push(Bar { name: port.name.clone(), words: words.join(", "), of_topology: true, on: None, uplink });
    }
    for link in &topology.links {
        let protocol = match link.protocol {
            VlanProtocol::Customer => "802.1Q",
            VlanProtocol::Service => "802.1ad",
        };
        let on = bars.iter().position(|bar| bar.name == link.parent);
        let words = format!("VLAN {} of {}, {protocol}", link.vlan, link.parent);
        bars.push(Bar { name: link.name.clone(), words, of_topology: true, on, uplink: None });
    }
    Node { number, title: format!("node {number}"), bars, pods: Vec::new() }
}

fn pod(
    plan: &Plan,
    pod: &plan::Pod,
    seen: Option<&PodObservation>,
    observed: bool,
    findings: &[Finding],
    bars: &mut Vec<Bar>,
) -> Pod {
    let mut drawn = Pod { name: pod.name.clone(), ..Pod::default() };
    drawn.trouble = match seen.map(|seen| &seen.state) {
        Some(PodState::NotReady { reason }) => Some(format!("NOT READY: {reason}")),
        Some(PodState::Running) => None,
        None if observed => Some("NOT OBSERVED".to_owned()),
        None => None,
    };
    let known: Vec<&str> = pod.attachments.iter().map(|attachment| attachment.interface.as_str()).collect();
    let mut interfaces: Vec<(&str, Option<&plan::Attachment>)> = Vec::new();
    if !known.contains(&"eth0") {
        interfaces.push(("eth0", None));
    }
    interfaces.extend(pod.attachments.iter().map(|attachment| (attachment.interface.as_str(), Some(attachment))));
    let expected = plan.expect.iter().filter(|expectation| expectation.pod == pod.name);
    for wanted in expected.flat_map(|expectation| &expectation.interfaces) {
        if wanted.name != "eth0" && !known.contains(&wanted.name.as_str()) {
            interfaces.push((&wanted.name, None));
        }
    }
    for (interface, attachment) in interfaces {
        let requested = requested::of(plan, pod, interface, attachment);
        let lines = match seen.and_then(|seen| Some((seen, seen.kernel.as_ref()?))) {
            Some((seen, kernel)) => observed::lines(&requested, interface, seen, kernel),
            None => requested::lines(&requested),
        };
        let network = attachment.and_then(|attachment| requested::network(plan, attachment));
        let chain = network.and_then(|network| network.chain.as_ref());
        drawn.attachments.push(Attachment {
            interface: interface.to_owned(),
            network: title(interface, attachment, chain),
            bar: bar(&plan.topology, interface, attachment, chain, bars),
            lines,
            findings: labels(findings, |finding| {
                let own = finding.pod.as_deref().is_none_or(|named| named == pod.name);
                let here = match (&finding.interface, &finding.network) {
                    (Some(named), _) => named == interface && finding.pod.is_some(),
                    (None, Some(network)) => attachment.is_some_and(|attachment| attachment.network == *network),
                    (None, None) => false,
                };
                own && here
            }),
            config: network.and_then(|network| network.config.clone()),
        });
    }
    let shown: Vec<&str> = drawn.attachments.iter().map(|attachment| attachment.interface.as_str()).collect();
    drawn.findings = labels(findings, |finding| {
        let here =
            finding.interface.as_deref().is_none_or(|named| !shown.contains(&named)) && finding.network.is_none();
        finding.pod.as_deref() == Some(&pod.name) && here
    });
    drawn
}

fn labels(findings: &[Finding], here: impl Fn(&Finding) -> bool) -> Vec<FindingLabel> {
    let here = findings.iter().filter(|finding| here(finding));
    here.map(|finding| FindingLabel {
        is_failure: finding.is_failure(),
        text: format!("{}: {}", finding.code, finding.message),
    })
    .collect()
}

fn title(interface: &str, attachment: Option<&plan::Attachment>, chain: Option<&Chain>) -> String {
    match (attachment, chain) {
        (Some(attachment), Some(chain)) => {
            let plugins: Vec<&str> = chain.links.iter().map(|link| link.plugin.as_str()).collect();
            format!("{}: {}", attachment.network, plugins.join(", then "))
        }
        (Some(attachment), None) => attachment.network.clone(),
        (None, _) if interface == "eth0" => DEFAULT_NETWORK.to_owned(),
        (None, _) => "no network".to_owned(),
    }
}

/// The link of the node under an attachment, by its chain's first plugin. Adds a bar for it if there is none.
fn bar(
    topology: &Topology,
    interface: &str,
    attachment: Option<&plan::Attachment>,
    chain: Option<&Chain>,
    bars: &mut Vec<Bar>,
) -> Option<usize> {
    let mut known = |name: &str, words: &str| {
        let place = bars.iter().position(|bar| bar.name == name);
        place.unwrap_or_else(|| {
            let (name, words) = (name.to_owned(), words.to_owned());
            bars.push(Bar { name, words, of_topology: false, on: None, uplink: None });
            bars.len() - 1
        })
    };
    if attachment.is_none() {
        let own = topology.default_network.as_ref().map(|own| format!("{}, defined by the scenario", own.name));
        let words = own.unwrap_or_else(|| "the node's own CNI configuration".to_owned());
        return (interface == "eth0").then(|| known(DEFAULT_NETWORK, &words));
    }
    let first = chain?.links.first()?;
    let text = |key: &str| first.conf[key].as_str().filter(|text| !text.is_empty());
    match first.plugin.as_str() {
        // The plugin's own default (plugins v1.9.1, plugins/main/bridge).
        "bridge" => Some(known(text("bridge").unwrap_or("cni0"), "bridge, made by the bridge plugin")),
        "macvlan" | "ipvlan" | "vlan" => match text("master") {
            Some(master) => Some(known(master, "link of the node, not in the topology")),
            None => Some(known("link of the default route", "the configuration names no master")),
        },
        "ptp" => Some(known("routed by the node", "veth pairs of the ptp plugin")),
        "host-device" => {
            let name = text("device").or_else(|| text("hwaddr")).or_else(|| text("pciBusID"));
            name.map(|name| known(name, "device of the node, moved into the pod"))
        }
        _ => None,
    }
}
