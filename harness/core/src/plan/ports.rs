//! A node's own interfaces on uplinks, as a machine in a cloud has them: one with its default route, further ones (ENI)
//! whose addresses are for pods; and what is on such a node before any pod.

use crate::source::Source;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where the stand-in for Terway's CNI plugin reads what a node has (`images/plugins/terway`).
pub const STAND_IN_SETTINGS: &str = "/var/run/eni/plumbline-standin.json";
/// Where that plugin keeps its leases.
pub const STAND_IN_LEASES: &str = "/var/run/eni/plumbline-leases";

/// An interface of one node on an uplink.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodePort {
    /// The node, from 1.
    pub node: usize,
    /// Interface name on the node, at most 15 characters.
    pub name: String,
    /// The uplink it is on.
    pub uplink: String,
    /// Its addresses, with prefix length.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpNet>,
    /// Gateways of the node's default routes by it, at most one of each family.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub defaults: Vec<IpAddr>,
    /// What it has for pods, where it is an ENI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eni: Option<Eni>,
    /// Where it was written.
    pub source: Source,
}

/// What an ENI is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// A veth, which Terway's own plugin does not take for an ENI: the stand-in for it runs.
    #[default]
    Veth,
    /// A virtio interface of the vm lane's machine: Terway's own plugin runs, with a stand-in for its daemon.
    Virtio,
}

/// What a scenario can require of a lane: what the agent tries on its kernel (`harness/agent/src/probe`), and
/// [`VIRTIO_ENI`].
pub const CAPABILITIES: [&str; 19] = [
    "bridge",
    "bridge-vlan-filtering",
    "connmark",
    "dummy",
    "ifb",
    "ip6tables-nat",
    "iptables-nat",
    "ipv6",
    "ipvlan",
    "ipvs",
    "macvlan",
    "nftables",
    "nftables-fib",
    "policy-routing",
    "tun",
    "veth",
    VIRTIO_ENI,
    "vlan",
    "vrf",
];

/// The capability that [`Device::Virtio`] needs.
pub const VIRTIO_ENI: &str = "virtio-eni";

/// What an ENI has for pods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Eni {
    /// The next hop of pods' IPv4.
    pub gateway: Option<Ipv4Addr>,
    /// The next hop of pods' IPv6.
    pub gateway6: Option<Ipv6Addr>,
    /// The routing table of what pods send; none is 1000 and the link's index, as Terway counts.
    pub table: Option<u32>,
    /// IPv4 addresses for pods.
    pub pool: Option<Ipv4Net>,
    /// IPv6 addresses for pods.
    pub pool6: Option<Ipv6Net>,
    /// The ENI's IPv4 subnet, whose prefix length is reported; none is the pool's own.
    pub subnet: Option<Ipv4Net>,
    /// The same for IPv6.
    pub subnet6: Option<Ipv6Net>,
    /// What it is made of, and so whose plugin runs.
    #[serde(default)]
    pub device: Device,
}

impl Eni {
    /// The file [`STAND_IN_SETTINGS`] of a node whose ENI is the link of this name.
    pub fn settings(&self, link: &str) -> Value {
        json!({
            "eni": { "link": link, "gateway": self.gateway, "gateway6": self.gateway6, "table": self.table },
            "pool": self.pool, "pool6": self.pool6, "subnet": self.subnet, "subnet6": self.subnet6,
            "leases": STAND_IN_LEASES,
        })
    }
}

/// The program that rules are laid with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// `iptables`, `ip6tables`.
    #[default]
    Iptables,
    /// `nft`.
    Nftables,
}

/// Symmetric routing as terway-cli 1.17.5 lays it (`cmd/terway-cli/symmetric.go`): what came in by an interface is
/// answered by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Symmetric {
    /// The interface.
    pub interface: String,
    /// The mark.
    pub mark: u32,
    /// The mask under which it is set and compared.
    pub mask: u32,
    /// The table with the default route by the interface.
    pub table: u32,
    /// Priority of the rule that sends marked packets to the table.
    pub priority: u32,
    /// The comment of its rules.
    pub comment: String,
    /// What its rules are laid with.
    pub backend: Backend,
}

impl Symmetric {
    /// What a chain requests of terway-cli: `symmetric_routing` and `symmetric_routing_config` of its first plugin of type
    /// `terway`, with terway-cli's defaults; none if it is not configured (`cmd/terway-cli/node.go`).
    ///
    /// # Errors
    /// What is wrong with `symmetric_routing_config`, in words.
    pub fn of_chain(config: &str) -> Result<Option<Self>, String> {
        let whole: Value = serde_json::from_str(config).map_err(|error| error.to_string())?;
        let terway = whole["plugins"].as_array().into_iter().flatten().find(|plugin| plugin["type"] == "terway");
        let Some(terway) = terway.filter(|terway| terway["symmetric_routing"] == true) else { return Ok(None) };
        let given: Given = match &terway["symmetric_routing_config"] {
            Value::Null => Given::default(),
            config => {
                serde_json::from_value(config.clone()).map_err(|error| format!("symmetric_routing_config: {error}"))?
            }
        };
        let number = |given: u32, usual: u32| if given > 0 { given } else { usual };
        let text = |given: String, usual: &str| if given.is_empty() { usual.to_owned() } else { given };
        Ok(Some(Self {
            interface: text(given.interface, "eth0"),
            mark: number(given.mark, 0x10),
            mask: number(given.mask, 0x10),
            table: number(given.table_id, 100),
            priority: number(given.rule_priority, 600),
            comment: text(given.comment, "terway-symmetric"),
            backend: match given.backend.as_str() {
                "" | "iptables" => Backend::Iptables,
                "nftables" => Backend::Nftables,
                other => {
                    return Err(format!(
                        "symmetric_routing_config: backend {other:?} is neither iptables nor nftables"
                    ));
                }
            },
        }))
    }
}

/// `symmetric_routing_config` as it is written; other keys are Terway's own.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Given {
    interface: String,
    mark: u32,
    mask: u32,
    table_id: u32,
    rule_priority: u32,
    comment: String,
    backend: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(keys: &str) -> Result<Option<Symmetric>, String> {
        Symmetric::of_chain(&format!(r#"{{"name":"n","plugins":[{{"type":"terway"{keys}}},{{"type":"portmap"}}]}}"#))
    }

    #[test]
    fn a_chain_requests_symmetric_routing_with_terways_defaults() {
        assert_eq!(of(""), Ok(None));
        assert_eq!(of(r#","symmetric_routing":false"#), Ok(None));
        // Terway requires a boolean. A string does not mean true.
        assert_eq!(of(r#","symmetric_routing":"true""#), Ok(None));
        let usual = of(r#","symmetric_routing":true"#).unwrap().unwrap();
        assert_eq!((usual.mark, usual.mask, usual.table, usual.priority), (0x10, 0x10, 100, 600));
        assert_eq!((usual.interface.as_str(), usual.comment.as_str()), ("eth0", "terway-symmetric"));
        let own =
            r#","symmetric_routing":true,"symmetric_routing_config":{"mark":32,"table_id":7,"backend":"nftables"}"#;
        let own = of(own).unwrap().unwrap();
        assert_eq!((own.mark, own.mask, own.table, own.backend), (32, 0x10, 7, Backend::Nftables));
        let odd = of(r#","symmetric_routing":true,"symmetric_routing_config":{"backend":"ebpf"}"#);
        assert!(odd.unwrap_err().contains("ebpf"));
    }

    #[test]
    fn only_the_terway_entry_decides() {
        let chain = r#"{"plugins":[{"type":"ptp","symmetric_routing":true}]}"#;
        assert_eq!(Symmetric::of_chain(chain), Ok(None));
    }
}
