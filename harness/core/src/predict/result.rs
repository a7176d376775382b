//! CNI results: as a plugin reported one, and as a model predicts it (CNI specification, section 5, "Success").

use crate::chain::go_key;
use crate::state::Subject;
use ipnet::IpNet;
use serde_json::{Map, Value};
use std::fmt::{self, Display};
use std::net::IpAddr;

/// A result of version 0.3.0 or newer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CniResult {
    /// Its version; empty where it names none.
    pub version: String,
    /// Interfaces.
    pub interfaces: Vec<ReportedInterface>,
    /// Addresses.
    pub addresses: Vec<ReportedAddress>,
    /// Routes.
    pub routes: Vec<ReportedRoute>,
    /// DNS settings.
    pub dns: Dns,
    /// The message of an error instead of a result.
    pub error: Option<String>,
    /// Entries of its lists that can't be read, as JSON. A runtime refuses the result.
    pub unreadable: Vec<String>,
}

/// An interface of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedInterface {
    /// Its name.
    pub name: String,
    /// Its MAC address, as the kernel prints it if it is one.
    pub mac: String,
    /// The namespace of the pod; empty for one of the node.
    pub sandbox: String,
}

/// An address of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedAddress {
    /// The address with its prefix length.
    pub address: IpNet,
    /// Its gateway.
    pub gateway: Option<IpAddr>,
    /// The name of its interface, where the result names one.
    pub interface: Option<String>,
}

/// A route of a result. Releases that do not know a number leave it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedRoute {
    /// Destination.
    pub to: IpNet,
    /// Gateway.
    pub via: Option<IpAddr>,
    /// Metric (`priority`).
    pub metric: Option<u32>,
    /// Table.
    pub table: Option<u32>,
}

/// DNS settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dns {
    /// Name servers.
    pub nameservers: Vec<String>,
    /// The local domain.
    pub domain: String,
    /// Domains to search in.
    pub search: Vec<String>,
    /// Options of the resolver.
    pub options: Vec<String>,
}

impl CniResult {
    /// Reads a result; what can't be read is left out.
    pub fn read(value: &Value) -> Self {
        let list = |key: &str| value[key].as_array().map_or(&[][..], Vec::as_slice).iter();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let interface = |entry: &Value| {
            let mac = text(&entry["mac"]);
            ReportedInterface {
                name: text(&entry["name"]),
                mac: read_mac(&mac).unwrap_or(mac),
                sandbox: text(&entry["sandbox"]),
            }
        };
        let error = value["code"].as_u64().map(|code| format!("code {code}: {}", text(&value["msg"])));
        Self {
            version: text(&value["cniVersion"]),
            interfaces: list("interfaces").map(interface).collect(),
            addresses: list("ips").filter_map(|entry| read_address(entry, value)).chain(old_addresses(value)).collect(),
            routes: list("routes").filter_map(read_route).collect(),
            dns: value["dns"].as_object().map(Dns::read).unwrap_or_default(),
            error,
            unreadable: unreadable_entries(value),
        }
    }
}

/// The entries of `ips` and `routes` that can't be read, and gateways that are no address.
fn unreadable_entries(result: &Value) -> Vec<String> {
    let is_gateway = |entry: &Value, key: &str| match &entry[key] {
        Value::Null => true,
        Value::String(text) => text.is_empty() || text.parse::<IpAddr>().is_ok(),
        _ => false,
    };
    let is_address = |entry: &&Value| read_address(entry, result).is_some() && is_gateway(entry, "gateway");
    let is_route = |entry: &&Value| read_route(entry).is_some() && is_gateway(entry, "gw");
    let entries = |key: &str| result[key].as_array().map_or(&[][..], Vec::as_slice).iter();
    let lists = ["interfaces", "ips", "routes"].into_iter().map(|key| &result[key]);
    let wrong_lists = lists.filter(|list| !list.is_null() && !list.is_array());
    let wrong = entries("ips").filter(|entry| !is_address(entry));
    wrong_lists.chain(wrong).chain(entries("routes").filter(|entry| !is_route(entry))).map(Value::to_string).collect()
}

fn read_address(entry: &Value, result: &Value) -> Option<ReportedAddress> {
    let index = entry["interface"].as_u64().and_then(|index| usize::try_from(index).ok());
    let interface = index.and_then(|index| result["interfaces"][index]["name"].as_str());
    Some(ReportedAddress {
        address: entry["address"].as_str()?.parse().ok()?,
        gateway: entry["gateway"].as_str().and_then(|gateway| gateway.parse().ok()),
        interface: interface.map(str::to_owned),
    })
}

/// The addresses of a result of version 0.1.0 or 0.2.0: one of each family, without an interface.
fn old_addresses(result: &Value) -> impl Iterator<Item = ReportedAddress> {
    ["ip4", "ip6"].into_iter().filter_map(|family| {
        let entry = &result[family];
        Some(ReportedAddress {
            address: entry["ip"].as_str()?.parse().ok()?,
            gateway: entry["gateway"].as_str().and_then(|gateway| gateway.parse().ok()),
            interface: None,
        })
    })
}

fn read_route(entry: &Value) -> Option<ReportedRoute> {
    let number = |key: &str| entry[key].as_u64().and_then(|number| u32::try_from(number).ok());
    let to: IpNet = entry["dst"].as_str()?.parse().ok()?;
    Some(ReportedRoute {
        to: to.trunc(),
        via: entry["gw"].as_str().and_then(|gateway| gateway.parse().ok()),
        metric: number("priority"),
        table: number("table"),
    })
}

/// A MAC address as the kernel prints it, of each form of six bytes that Go reads (`net.ParseMAC`): `0A:00:00:00:00:01`,
/// `0a-00-00-00-00-01`, `0a00.0000.0001`.
pub fn read_mac(text: &str) -> Option<String> {
    let is_dotted = text.as_bytes().get(4) == Some(&b'.');
    let (separator, digits) = match text.as_bytes().get(2)? {
        _ if is_dotted => ('.', 4),
        b':' => (':', 2),
        b'-' => ('-', 2),
        _ => return None,
    };
    let groups: Vec<&str> = text.split(separator).collect();
    let is_group = |group: &&str| group.len() == digits && group.bytes().all(|byte| byte.is_ascii_hexdigit());
    if groups.len() * digits != 12 || !groups.iter().all(is_group) {
        return None;
    }
    let hex = groups.concat().to_ascii_lowercase();
    let bytes: Vec<&str> = (0..12).step_by(2).filter_map(|at| hex.get(at..at + 2)).collect();
    Some(bytes.join(":"))
}

impl Dns {
    /// Reads the settings of a configuration or a result.
    pub fn read(object: &Map<String, Value>) -> Self {
        let list = |key: &str| {
            let listed = go_key(object, key).and_then(Value::as_array).into_iter().flatten();
            listed.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Self {
            nameservers: list("nameservers"),
            domain: go_key(object, "domain").and_then(Value::as_str).unwrap_or_default().to_owned(),
            search: list("search"),
            options: list("options"),
        }
    }
}

impl Display for ReportedInterface {
    /// As in `eth1 mac 0a:00:00:00:00:01 sandbox /run/netns/p`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (word, value) in [("mac", &self.mac), ("sandbox", &self.sandbox)] {
            if !value.is_empty() {
                write!(f, " {word} {value}")?;
            }
        }
        Ok(())
    }
}

impl Display for ReportedAddress {
    /// As in `10.0.0.2/24 gateway 10.0.0.1 dev eth1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if let Some(gateway) = self.gateway {
            write!(f, " gateway {gateway}")?;
        }
        self.interface.iter().try_for_each(|interface| write!(f, " dev {interface}"))
    }
}

impl Display for ReportedRoute {
    /// As in `10.0.0.0/8 gw 10.1.1.1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to)?;
        if let Some(via) = self.via {
            write!(f, " gw {via}")?;
        }
        for (word, number) in [("priority", self.metric), ("table", self.table)] {
            if let Some(number) = number {
                write!(f, " {word} {number}")?;
            }
        }
        Ok(())
    }
}

impl Display for Dns {
    /// As in `nameservers 10.0.0.1; search a.example b.example`; empty without settings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = [
            ("nameservers", self.nameservers.join(" ")),
            ("domain", self.domain.clone()),
            ("search", self.search.join(" ")),
            ("options", self.options.join(" ")),
        ];
        let words = settings.iter().filter(|(_, value)| !value.is_empty());
        let words: Vec<String> = words.map(|(name, value)| format!("{name} {value}")).collect();
        f.write_str(&words.join("; "))
    }
}

/// A result as a model predicts it. Beside each part is the key of the configuration that requests it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PredictedResult {
    /// Interfaces.
    pub interfaces: Vec<PredictedInterface>,
    /// Addresses.
    pub addresses: Vec<(ReportedAddress, String)>,
    /// Routes.
    pub routes: Vec<(ReportedRoute, String)>,
    /// DNS settings; none where they can't be known.
    pub dns: Option<(Dns, &'static str)>,
}

/// An interface of a predicted result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PredictedInterface {
    /// Its name; none for one that the plugin chooses.
    pub name: Option<String>,
    /// Where it is.
    pub sandbox: PredictedSandbox,
    /// Its MAC address.
    pub mac: PredictedMac,
    /// The key that requests it.
    pub key: String,
}

/// Where an interface of a predicted result is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PredictedSandbox {
    /// On the node: it has no sandbox.
    Node,
    /// In the pod: the path of its namespace.
    Pod,
    /// The same as in the result before. Terway's is no path.
    Text(String),
}

/// A MAC address of a predicted result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PredictedMac {
    /// That of a link, after the call.
    OfLink(Subject, String),
    /// This one.
    Text(String),
}

impl PredictedInterface {
    /// The interface of the pod that a main plugin made or moved.
    pub fn in_pod(name: &str) -> Self {
        let mac = PredictedMac::OfLink(Subject::Pod, name.to_owned());
        Self { name: Some(name.to_owned()), sandbox: PredictedSandbox::Pod, mac, key: String::new() }
    }

    /// A link of the node; without a name the other end of a veth.
    pub fn on_node(name: Option<&str>, link: &str) -> Self {
        let mac = PredictedMac::OfLink(Subject::Node, link.to_owned());
        Self { name: name.map(str::to_owned), sandbox: PredictedSandbox::Node, mac, key: String::new() }
    }
}

impl PredictedResult {
    /// The result before, as a meta plugin passes it on.
    pub fn passed_on(before: &CniResult) -> Self {
        let interface = |one: &ReportedInterface| PredictedInterface {
            name: Some(one.name.clone()),
            sandbox: PredictedSandbox::Text(one.sandbox.clone()),
            mac: PredictedMac::Text(one.mac.clone()),
            key: String::new(),
        };
        Self {
            interfaces: before.interfaces.iter().map(interface).collect(),
            addresses: before.addresses.iter().map(|one| (one.clone(), String::new())).collect(),
            routes: before.routes.iter().map(|one| (one.clone(), String::new())).collect(),
            dns: Some((before.dns.clone(), "")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_result_is_read_with_the_names_of_its_interfaces() {
        let result = CniResult::read(&json!({
            "cniVersion": "1.1.0",
            "interfaces": [{ "name": "br0" }, { "name": "eth1", "mac": "0A:00:00:00:00:01", "sandbox": "/run/netns/p" }],
            "ips": [{ "address": "10.0.0.2/24", "gateway": "10.0.0.1", "interface": 1 }, { "address": "nothing" }],
            "routes": [{ "dst": "10.1.2.3/8", "gw": "10.0.0.9", "priority": 5, "table": 100 }, { "dst": 1 }],
            "dns": { "nameservers": ["10.0.0.53"], "search": ["a.example", "b.example"] },
        }));
        let shown: Vec<String> = result.interfaces.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["br0", "eth1 mac 0a:00:00:00:00:01 sandbox /run/netns/p"]);
        assert_eq!(result.addresses[0].to_string(), "10.0.0.2/24 gateway 10.0.0.1 dev eth1");
        assert_eq!(result.routes[0].to_string(), "10.0.0.0/8 gw 10.0.0.9 priority 5 table 100");
        assert_eq!(result.dns.to_string(), "nameservers 10.0.0.53; search a.example b.example");
        assert_eq!((result.addresses.len(), result.routes.len(), result.error), (1, 1, None));
    }

    #[test]
    fn an_error_is_no_result() {
        let result = CniResult::read(&json!({ "cniVersion": "1.0.0", "code": 11, "msg": "try again later" }));
        assert_eq!(result.error.as_deref(), Some("code 11: try again later"));
    }

    #[test]
    fn every_form_of_go_gives_the_kernels() {
        for text in ["0A:00:00:00:00:01", "0a-00-00-00-00-01", "0a00.0000.0001"] {
            assert_eq!(read_mac(text).as_deref(), Some("0a:00:00:00:00:01"), "{text}");
        }
        for text in
            ["", "0a", "0a:00:00:00:00", "0a:00-00:00:00:01", "0a:00:00:00:00:0g", "0a:00:00:00:00:00:00:01", "é:0"]
        {
            assert_eq!(read_mac(text), None, "{text}");
        }
    }
}
