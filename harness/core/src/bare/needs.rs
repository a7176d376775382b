//! What a lane must have for the chains of networks: plugins, and features of the kernel.

use super::Nodes;
use crate::chain::{Chain, ChainLink, go_key};
use crate::plan::{DEFAULT_NETWORK, Network, PluginNeed, Pod};
use crate::scenario::draft::facts::{device, ipam_plugin};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Plugins with the capability that each needs, whatever its keys are.
const KINDS: [(&str, &str); 9] = [
    ("bridge", "bridge"),
    ("dummy", "dummy"),
    ("ipvlan", "ipvlan"),
    ("macvlan", "macvlan"),
    ("ptp", "veth"),
    ("sbr", "policy-routing"),
    ("tap", "tun"),
    ("vlan", "vlan"),
    ("vrf", "vrf"),
];

/// The plugins that the chains name, each once: those of the chain, and their IPAM plugins.
pub(super) fn plugins(networks: &[Network]) -> Vec<PluginNeed> {
    let mut needs: Vec<PluginNeed> = Vec::new();
    for network in networks {
        let Some(chain) = &network.chain else { continue };
        let of_chain = chain.links.iter().map(|link| link.plugin.as_str());
        for plugin in of_chain.chain(ipam_plugin(chain)) {
            if needs.iter().all(|need| need.plugin != plugin) {
                needs.push(PluginNeed { plugin: plugin.to_owned(), network: network.name.clone() });
            }
        }
    }
    needs
}

/// The features of the kernel, and the programs on the node, that the chains need.
pub(super) fn capabilities(networks: &[Network], pods: &[Pod]) -> BTreeSet<&'static str> {
    let mut needs = BTreeSet::new();
    let links = networks.iter().filter_map(|network| network.chain.as_ref()).flat_map(|chain| &chain.links);
    for link in links {
        needs.extend(KINDS.iter().find(|(plugin, _)| *plugin == link.plugin).map(|(_, capability)| *capability));
        if let Some(conf) = link.conf.as_object() {
            add_of_keys(link, conf, pods, &mut needs);
        }
    }
    needs
}

fn add_of_keys(link: &ChainLink, conf: &Map<String, Value>, pods: &[Pod], needs: &mut BTreeSet<&'static str>) {
    let is_set = |key: &str| go_key(conf, key).and_then(Value::as_bool).unwrap_or(false);
    let number = |key: &str| go_key(conf, key).and_then(Value::as_u64).unwrap_or(0);
    let has_items = |key: &str| go_key(conf, key).and_then(Value::as_array).is_some_and(|items| !items.is_empty());
    let text = |key: &str| go_key(conf, key).and_then(Value::as_str).unwrap_or_default();
    let masquerades = || if text("ipMasqBackend") == "nftables" { "nftables" } else { "iptables-nat" };
    match link.plugin.as_str() {
        "bridge" => {
            needs.insert("veth");
            if number("vlan") > 0 || has_items("vlanTrunk") {
                needs.insert("bridge-vlan-filtering");
            }
            if is_set("macspoofchk") {
                needs.insert("nftables");
            }
            if is_set("ipMasq") {
                needs.insert(masquerades());
            }
        }
        "ptp" if is_set("ipMasq") => {
            needs.insert(masquerades());
        }
        "portmap" if maps_ports(pods) => {
            needs.insert(if text("backend") == "nftables" { "nftables" } else { "iptables-nat" });
        }
        "firewall" if text("backend") != "firewalld" => {
            needs.insert("iptables-nat");
        }
        "bandwidth" if number("ingressRate") + number("egressRate") > 0 => {
            needs.insert("ifb");
        }
        _ => {}
    }
}

/// Whether a pod requests ports of its node.
fn maps_ports(pods: &[Pod]) -> bool {
    pods.iter().any(|pod| {
        !pod.port_mappings().is_empty() || pod.attachments.iter().any(|attachment| attachment.port_mappings.is_some())
    })
}

/// Why the lanes cannot stage these objects, whatever kernel and plugins there are.
pub(super) fn unmet(networks: &[Network], pods: &[Pod], nodes: Nodes) -> Option<String> {
    if let Some(network) = networks.iter().find(|network| lacks_config(network) && nodes == Nodes::Own) {
        return Some(format!(
            "network {} has no spec.config: Multus reads a file of that name on the node, which this lane does not have",
            network.name
        ));
    }
    let requests = |pod: &&Pod| !pod.manifest["metadata"]["annotations"][DEFAULT_NETWORK].is_null();
    if let Some(pod) = pods.iter().find(requests).filter(|_| nodes == Nodes::Own) {
        return Some(format!(
            "pod {} requests another default network ({DEFAULT_NETWORK}), which only Multus attaches; fix: run with --lane kind",
            pod.name
        ));
    }
    networks.iter().find_map(|network| of_chain(&network.name, network.chain.as_ref()?, nodes))
}

/// Whether the configuration is left to a file on the node.
fn lacks_config(network: &Network) -> bool {
    network.config.as_deref().is_none_or(|config| config.trim().is_empty())
}

fn of_chain(name: &str, chain: &Chain, nodes: Nodes) -> Option<String> {
    if ipam_plugin(chain) == Some("dhcp") {
        return Some(format!("network {name}: IPAM plugin dhcp needs its daemon and a DHCP server, which no lane has"));
    }
    let main = chain.links.first().filter(|main| main.plugin == "host-device")?;
    match (device(chain), nodes) {
        (Some(_), Nodes::Own) => None,
        (Some(device), Nodes::Cluster) => Some(format!(
            "network {name}: device {device} is not made on a cluster's nodes; fix: run with --lane netns"
        )),
        (None, _) => {
            let conf = main.conf.as_object()?;
            let by = ["hwaddr", "kernelpath", "pciBusID"].into_iter().find(|key| go_key(conf, key).is_some())?;
            Some(format!("network {name}: the lane has no device with this `{by}`"))
        }
    }
}
