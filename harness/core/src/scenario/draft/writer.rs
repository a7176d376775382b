//! The text of a scenario that is written from networks and pods.

use super::facts::{self, InterfaceFacts};
use super::{Objects, PodFacts};
use crate::plan::{Attachment, CAPABILITIES, Network, Pod};
use crate::scenario::file::{API_VERSION, KIND};
use crate::scenario::names;
use crate::scenario::node::Data;
use crate::scenario::scalar;
use crate::source::Source;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// The name of the pod that is written where none is given.
const CLIENT: &str = "client";
/// The last numbers of addresses of documentation (RFC 5737) for networks that have none of their own.
const FREE_HOSTS: RangeInclusive<u8> = 10..=250;
/// Names for the node's own interface, and its addressing from the range for tests (RFC 2544), which no network has.
const NODE_LINKS: [&str; 3] = ["eth0", "eth1", "eth2"];
const NODE_ADDRESSING: &str = "addresses: [198.18.0.2/24], defaults: [198.18.0.1]";
/// The uplink of the node's own interfaces.
const UPLINK: &str = "outside";
/// Plugins that Plumbline builds itself; any other one has to be given to a lane.
const BUILT: [&str; 19] = [
    "bandwidth",
    "bridge",
    "dhcp",
    "dummy",
    "firewall",
    "host-device",
    "host-local",
    "ipvlan",
    "loopback",
    "macvlan",
    "portmap",
    "ptp",
    "route-override",
    "sbr",
    "static",
    "tap",
    "tuning",
    "vlan",
    "vrf",
];

/// Writes it.
pub(super) fn write(name: &str, objects: &Objects) -> String {
    let clients = if objects.pods.is_empty() { clients(&objects.networks) } else { Vec::new() };
    let pods: Vec<&PodFacts> = objects.pods.iter().chain(&clients).collect();
    let mut out = Text::default();
    out.line(0, "# Lines with \"decide\" wait for a person. docs/scenario.md explains every field.");
    out.line(0, &format!("apiVersion: {API_VERSION}"));
    out.line(0, &format!("kind: {KIND}"));
    out.line(0, "metadata:");
    out.line(1, &format!("name: {}", quote(name)));
    out.line(1, "# decide: what must this chain do? One line, for reports.");
    out.line(1, &format!("summary: {}", quote(&summary(objects))));
    write_capabilities(&mut out, objects);
    write_topology(&mut out, objects);
    write_networks(&mut out, objects);
    write_pods(&mut out, objects, &clients);
    out.line(
        0,
        "# Always checked: every attachment, and everything that plugins report. What is written here is checked too.",
    );
    out.line(0, "expect:");
    for pod in pods {
        write_expectations(&mut out, objects, pod);
    }
    out.0
}

/// A pod for each namespace, with its networks as `net1`, `net2` and so on.
fn clients(networks: &[Network]) -> Vec<PodFacts> {
    let mut clients: Vec<PodFacts> = Vec::new();
    let mut free_hosts = FREE_HOSTS;
    for network in networks {
        let needs_ips = network.chain.as_ref().is_some_and(facts::needs_ips);
        let host = if needs_ips { free_hosts.next() } else { None };
        let index = clients.iter().position(|client| client.pod.namespace == network.namespace).unwrap_or_else(|| {
            clients.push(client(clients.len() + 1, network.namespace.clone()));
            clients.len() - 1
        });
        let attachments = &mut clients[index].pod.attachments;
        let interface = format!("net{}", attachments.len() + 1);
        let ips = host.iter().map(|host| format!("192.0.2.{host}/24")).collect();
        attachments.push(Attachment::new(&network.name, interface, ips));
    }
    clients
}

fn client(number: usize, namespace: Option<String>) -> PodFacts {
    let name = if number == 1 { CLIENT.to_owned() } else { format!("{CLIENT}-{number}") };
    let source = Source { file: String::new(), line: 0, column: 0 };
    let pod = Pod { name: name.clone(), namespace, manifest: Value::Null, attachments: Vec::new(), node: None, source };
    PodFacts { name, kind: "Pod".to_owned(), pod }
}

/// The plugins of a network, in order.
fn plugins(network: &Network) -> Vec<&str> {
    network.chain.iter().flat_map(|chain| &chain.links).map(|link| link.plugin.as_str()).collect()
}

fn has_no_config(network: &Network) -> bool {
    network.config.as_deref().is_none_or(|config| config.trim().is_empty())
}

/// The plugins of a network as text.
fn describe_chain(network: &Network) -> String {
    match network.chain {
        Some(_) => plugins(network).join(", "),
        None => "a configuration that is not known here".to_owned(),
    }
}

fn summary(objects: &Objects) -> String {
    let chains: Vec<String> =
        objects.networks.iter().map(|network| format!("{} by {}", network.name, describe_chain(network))).collect();
    if chains.is_empty() { "networks of the cluster".to_owned() } else { chains.join("; ") }
}

fn write_capabilities(out: &mut Text, objects: &Objects) {
    let capability = |plugin: &str| match plugin {
        "ptp" => Some("veth"),
        "tap" => Some("tun"),
        "sbr" => Some("policy-routing"),
        "portmap" => Some("iptables-nat"),
        other => CAPABILITIES.into_iter().find(|known| *known == other),
    };
    let all: BTreeSet<&str> = objects.networks.iter().flat_map(plugins).collect();
    let mut needed: BTreeSet<&str> = all.iter().filter_map(|plugin| capability(plugin)).collect();
    let masters = objects.networks.iter().filter_map(|network| facts::master(network.chain.as_ref()?));
    needed.extend(masters.filter_map(split_vlan).map(|_| "vlan"));
    if !needed.is_empty() {
        out.line(0, "# A lane that lacks one of these skips the scenario.");
        out.line(0, &format!("requires: [{}]", needed.into_iter().collect::<Vec<_>>().join(", ")));
    }
    let on_node: Vec<&str> =
        objects.networks.iter().filter(|network| has_no_config(network)).map(|network| network.name.as_str()).collect();
    if !on_node.is_empty() {
        let names = on_node.join(", ");
        out.comment(
            0,
            &format!("{names}: without `spec.config` Multus reads a file of that name on the cluster's nodes."),
        );
    }
    if !objects.missing.is_empty() || !on_node.is_empty() {
        out.line(0, "lanes: [kind]");
    }
    let ipam = objects.networks.iter().filter_map(|network| facts::ipam_plugin(network.chain.as_ref()?));
    let others: BTreeSet<&str> = all.into_iter().chain(ipam).filter(|plugin| !BUILT.contains(plugin)).collect();
    if !others.is_empty() {
        out.comment(
            0,
            &format!(
                "Run it with --plugin NAME=PATH or --cni-path DIR: Plumbline has no {}.",
                others.into_iter().collect::<Vec<_>>().join(", ")
            ),
        );
    }
}

fn write_topology(out: &mut Text, objects: &Objects) {
    let chains = || objects.networks.iter().filter_map(|network| network.chain.as_ref());
    let masters: BTreeSet<&str> = chains().filter_map(facts::master).collect();
    let devices: BTreeSet<&str> = chains().filter_map(facts::device).collect();
    let on_default_route = chains().any(facts::is_on_default_route);
    if masters.is_empty() && devices.is_empty() && !on_default_route {
        return;
    }
    out.line(0, "# The links of the node that networks name.");
    out.line(0, "topology:");
    let bridges = write_masters(out, &masters);
    let devices: Vec<&str> = devices.into_iter().filter(|device| !bridges.contains(*device)).collect();
    if devices.is_empty() && !on_default_route {
        return;
    }
    out.line(1, &format!("uplinks: [{{ name: {UPLINK} }}]"));
    out.line(1, "ports:");
    if !devices.is_empty() {
        out.line(2, "# Each stands for a device that moves into the pod.");
    }
    for device in &devices {
        out.line(2, &format!("- {{ name: {}, uplink: {UPLINK} }}", quote(device)));
    }
    let is_free = |name: &&str| !bridges.contains(*name) && !devices.contains(name);
    if let Some(name) = NODE_LINKS.iter().copied().find(is_free).filter(|_| on_default_route) {
        out.line(2, "# The interface of the node's default route: a network that names no `master` takes it.");
        out.line(2, &format!("- {{ name: {name}, uplink: {UPLINK}, {NODE_ADDRESSING} }}"));
    }
}

/// Parent and VLAN of a name such as `eth1.100`.
fn split_vlan(name: &str) -> Option<(&str, i64)> {
    let (parent, vlan) = name.rsplit_once('.')?;
    let vlan = vlan.parse::<i64>().ok().filter(|vlan| names::vlan(*vlan).is_ok())?;
    names::interface(parent).ok().map(|()| (parent, vlan))
}

/// Writes the links on which interfaces are made: a bridge for each, or a VLAN subinterface of one for a name such as
/// `eth1.100`. Gives the names of the bridges.
fn write_masters(out: &mut Text, masters: &BTreeSet<&str>) -> BTreeSet<String> {
    let mut bridges: BTreeSet<String> = BTreeSet::new();
    let mut links = Vec::new();
    for master in masters {
        match split_vlan(master) {
            Some((parent, vlan)) => {
                links.push(format!("- {{ name: {}, parent: {}, vlan: {vlan} }}", quote(master), quote(parent)));
                bridges.insert(parent.to_owned());
            }
            None => drop(bridges.insert((*master).to_owned())),
        }
    }
    if bridges.is_empty() {
        return bridges;
    }
    out.line(1, "# A bridge stands for the node's own interface, the `master`.");
    out.line(1, "# decide: is a bridge enough? `uplinks`, `gateways` and `peers` add hosts that pods can reach.");
    out.line(1, "bridges:");
    for bridge in &bridges {
        out.line(2, &format!("- {{ name: {} }}", quote(bridge)));
    }
    if !links.is_empty() {
        out.line(1, "links:");
        links.iter().for_each(|link| out.line(2, link));
    }
    bridges
}

fn write_networks(out: &mut Text, objects: &Objects) {
    if objects.network_files.is_empty() && objects.missing.is_empty() {
        return;
    }
    out.line(0, "networks:");
    for (file, found) in &objects.network_files {
        for network in &objects.networks[found.clone()] {
            out.comment(1, &format!("{}: {}", network.name, describe_chain(network)));
        }
        out.line(1, &format!("- manifest: {}", quote(file)));
    }
    if !objects.missing.is_empty() {
        out.line(
            1,
            "# decide: a pod names these networks, and no file has them, so only a cluster that has them can run this.",
        );
        out.line(1, "# To run it on every lane, name their files instead (`- manifest: FILE`), and remove `lanes`.");
    }
    for (name, namespace) in &objects.missing {
        out.line(1, &format!("- existing: {}", quote(name)));
        if let Some(namespace) = namespace {
            out.line(2, &format!("namespace: {}", quote(namespace)));
        }
    }
}

fn write_pods(out: &mut Text, objects: &Objects, clients: &[PodFacts]) {
    for other in &objects.others {
        out.comment(0, &format!("{}: {} is left out, it is neither a network nor a pod.", other.manifest, other.kind));
    }
    out.line(0, "pods:");
    for file in &objects.pod_files {
        out.line(1, &format!("- manifest: {}", quote(file)));
    }
    if !clients.is_empty() {
        out.line(1, "# decide: use your own pod (`- manifest: FILE`), or this one with every network.");
    }
    for client in clients {
        out.line(1, "- template: pod/plain.yaml");
        out.line(2, "values:");
        out.line(3, &format!("name: {}", client.name));
        if let Some(namespace) = &client.pod.namespace {
            out.line(3, &format!("namespace: {}", quote(namespace)));
        }
        out.line(3, "attachments:");
        for attachment in &client.pod.attachments {
            let (name, interface) = (quote(&attachment.network), quote(&attachment.interface));
            let ips: Vec<String> = attachment.ips.iter().map(|ip| quote(ip)).collect();
            if ips.is_empty() {
                out.line(4, &format!("- {{ name: {name}, interface: {interface} }}"));
            } else {
                out.line(4, "# decide: this network has the addresses that the pod requests. Which ones?");
                out.line(4, &format!("- {{ name: {name}, interface: {interface}, ips: [{}] }}", ips.join(", ")));
            }
        }
    }
}

fn write_expectations(out: &mut Text, objects: &Objects, pod: &PodFacts) {
    let facts: Vec<(&Attachment, Option<InterfaceFacts>)> = pod
        .pod
        .attachments
        .iter()
        .map(|attachment| {
            let network = objects.network_of(&pod.pod, attachment);
            (
                attachment,
                network.and_then(|network| network.chain.as_ref()).map(|chain| facts::facts(chain, attachment)),
            )
        })
        .collect();
    if pod.kind != "Pod" {
        out.comment(1, &format!("Each pod of the {}.", pod.kind));
    }
    out.line(1, &format!("{}:", quote(&pod.name)));
    if !facts.is_empty() {
        out.line(2, "interfaces:");
    }
    for (attachment, facts) in &facts {
        match facts {
            Some(facts) => facts.unknown.iter().for_each(|text| out.comment(3, &format!("decide: {text}."))),
            None => out.comment(
                3,
                &format!("decide: what does {} give? Its configuration is not known here.", attachment.network),
            ),
        }
        let fields = facts.as_ref().map_or_else(String::new, interface_fields);
        let fields = if fields.is_empty() { "{}".to_owned() } else { format!("{{ {fields} }}") };
        out.line(3, &format!("{}: {fields}", quote(&attachment.interface)));
    }
    let with_routes = || facts.iter().filter_map(|(attachment, facts)| Some((attachment, facts.as_ref()?)));
    if with_routes().any(|(_, facts)| !facts.routes.is_empty()) {
        out.line(2, "# decide: may the interface have other routes? If not, write each list without `atLeast`.");
        out.line(2, "routes:");
    }
    for (attachment, facts) in with_routes().filter(|(_, facts)| !facts.routes.is_empty()) {
        out.line(3, &format!("{}:", quote(&attachment.interface)));
        out.line(4, "atLeast:");
        for route in &facts.routes {
            let via = route.via.map(|via| format!(", via: {}", quote(&via.to_string())));
            out.line(5, &format!("- {{ to: {}{} }}", quote(&route.to.to_string()), via.unwrap_or_default()));
        }
    }
    write_default(out, &facts);
    out.line(2, "# decide: what must the pod reach? For example:");
    out.line(2, "# reaches:");
    out.line(
        2,
        "#   - { to: 10.1.2.3, at: HOST, by: icmp, through: eth1 }   # HOST is one of topology.gateways or peers",
    );
}

/// The default route: by eth0, unless the annotation or a chain states another one.
fn write_default(out: &mut Text, facts: &[(&Attachment, Option<InterfaceFacts>)]) {
    let others: Vec<&str> = facts
        .iter()
        .filter(|(_, facts)| facts.as_ref().is_none_or(|facts| facts.has_default))
        .map(|(attachment, _)| attachment.interface.as_str())
        .collect();
    let requested: Vec<(&Attachment, &[IpAddr])> =
        facts.iter().filter_map(|(attachment, _)| Some((*attachment, attachment.default_route.as_deref()?))).collect();
    match (requested.as_slice(), others.is_empty()) {
        ([], true) => {
            out.line(2, "# decide: does the pod's default route stay with eth0?");
            out.line(2, "default: { dev: eth0, count: 1 }");
        }
        ([(attachment, vias @ [_, ..])], true) => {
            for (field, v4) in [("default", true), ("default6", false)] {
                if let Some(via) = vias.iter().find(|via| via.is_ipv4() == v4) {
                    let (dev, via) = (quote(&attachment.interface), quote(&via.to_string()));
                    out.line(2, &format!("{field}: {{ dev: {dev}, via: {via} }}"));
                }
            }
        }
        _ => {
            let all: BTreeSet<&str> =
                requested.iter().map(|(attachment, _)| attachment.interface.as_str()).chain(others).collect();
            let all: Vec<&str> = all.into_iter().collect();
            out.comment(
                2,
                &format!("decide: {} may have a default route beside eth0. Which one is used?", all.join(", ")),
            );
            out.line(2, "# default: { dev: eth0, count: 1 }");
        }
    }
}

fn interface_fields(facts: &InterfaceFacts) -> String {
    let mut fields = Vec::new();
    if let Some(kind) = facts.kind {
        fields.push(format!("kind: {kind}"));
    }
    if let Some(parent) = &facts.parent {
        fields.push(format!("parent: {}", quote(parent)));
    }
    if let Some(mtu) = facts.mtu {
        fields.push(format!("mtu: {mtu}"));
    }
    if let Some(mac) = &facts.mac {
        fields.push(format!("mac: {}", quote(mac)));
    }
    if !facts.addresses.is_empty() {
        let addresses: Vec<String> = facts.addresses.iter().map(|address| quote(&address.to_string())).collect();
        fields.push(format!("addresses: [{}]", addresses.join(", ")));
    }
    fields.join(", ")
}

/// A text as YAML scalar, quoted where a plain one would mean something else.
fn quote(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c))
        && matches!(scalar::resolve(text), Data::Text(_));
    if is_plain { text.to_owned() } else { Value::from(text).to_string() }
}

/// Lines with an indentation of two columns for each level.
#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, level: usize, text: &str) {
        let _ = writeln!(self.0, "{:width$}{text}", "", width = 2 * level);
    }

    /// A comment with a text from a user's file: no line break ends it.
    fn comment(&mut self, level: usize, text: &str) {
        let ends_line = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        let text: String = text.chars().map(|c| if ends_line(c) { ' ' } else { c }).collect();
        self.line(level, &format!("# {}", crate::observe::printable(&text)));
    }
}
