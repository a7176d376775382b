//! The result, in the shape of Terway's: one interface, named by its pod's container id and without a hardware address;
//! addresses with their gateways; no routes (`plugin/terway/cni.go`, `cmdAdd`, version 1.17.5).

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value, json};

/// The protocol's versions, as Terway's plugin lists them.
pub const VERSIONS: [&str; 4] = ["0.3.0", "0.3.1", "0.4.0", "1.0.0"];

/// One address as it is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported {
    /// The pod's address with the prefix length of the ENI's subnet; the interface itself has a host prefix.
    pub address: IpNet,
    /// The ENI's gateway, which is not the next hop in the pod.
    pub gateway: IpAddr,
}

/// The result of ADD.
pub fn added(version: &str, interface: &str, sandbox: &str, addresses: &[Reported]) -> Value {
    let mut named = Map::from_iter([("name".to_owned(), Value::from(interface))]);
    if !sandbox.is_empty() {
        named.insert("sandbox".to_owned(), Value::from(sandbox));
    }
    let ips = addresses.iter().map(|one| entry(version, one)).collect::<Vec<_>>();
    json!({ "cniVersion": version, "interfaces": [named], "ips": ips, "dns": {} })
}

/// What DEL prints: a result with nothing in it, as upstream's does.
pub fn deleted(version: &str) -> Value {
    json!({ "cniVersion": version, "dns": {} })
}

fn entry(version: &str, one: &Reported) -> Value {
    let mut entry = json!({
        "interface": 0, "address": one.address.to_string(), "gateway": one.gateway.to_string(),
    });
    // Versions below 1.0.0 say the family too.
    if version.starts_with("0.") {
        entry["version"] = Value::from(if one.address.addr().is_ipv4() { "4" } else { "6" });
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> Reported {
        Reported { address: "10.77.0.17/24".parse().unwrap(), gateway: "10.77.0.1".parse().unwrap() }
    }

    #[test]
    fn the_sandbox_is_an_id_and_there_are_neither_routes_nor_a_mac() {
        let expected = json!({
            "cniVersion": "0.4.0",
            "interfaces": [{ "name": "eth0", "sandbox": "c0ffee" }],
            "ips": [{ "version": "4", "interface": 0, "address": "10.77.0.17/24", "gateway": "10.77.0.1" }],
            "dns": {},
        });
        assert_eq!(added("0.4.0", "eth0", "c0ffee", &[one()]), expected);
    }

    #[test]
    fn from_1_0_0_no_family_is_said_and_an_unknown_sandbox_is_left_out() {
        let result = added("1.0.0", "eth0", "", &[one()]);
        assert_eq!(result["ips"][0].get("version"), None);
        assert_eq!(result["interfaces"][0], json!({ "name": "eth0" }));
    }
}
