//! The result, in the form of Terway's (`plugin/terway/cni.go`, `cmdAdd`, version 1.17.5): one interface, with the pod's
//! container id as sandbox and without a hardware address; addresses with their gateways; no routes.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value, json};

/// The protocol's versions, as Terway's plugin lists them.
pub const VERSIONS: [&str; 4] = ["0.3.0", "0.3.1", "0.4.0", "1.0.0"];

/// One reported address.
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

/// The output of DEL: an empty result, as in upstream's plugin.
pub fn deleted(version: &str) -> Value {
    json!({ "cniVersion": version, "dns": {} })
}

fn entry(version: &str, one: &Reported) -> Value {
    let mut entry = json!({
        "interface": 0, "address": one.address.to_string(), "gateway": one.gateway.to_string(),
    });
    // Versions below 1.0.0 also have the address family.
    if version.starts_with("0.") {
        entry["version"] = Value::from(if one.address.addr().is_ipv4() { "4" } else { "6" });
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example_address() -> Reported {
        Reported { address: "10.77.0.17/24".parse().unwrap(), gateway: "10.77.0.1".parse().unwrap() }
    }

    #[test]
    fn the_result_has_a_sandbox_id_and_neither_routes_nor_a_mac() {
        let expected = json!({
            "cniVersion": "0.4.0",
            "interfaces": [{ "name": "eth0", "sandbox": "c0ffee" }],
            "ips": [{ "version": "4", "interface": 0, "address": "10.77.0.17/24", "gateway": "10.77.0.1" }],
            "dns": {},
        });
        assert_eq!(added("0.4.0", "eth0", "c0ffee", &[example_address()]), expected);
    }

    #[test]
    fn results_from_1_0_0_on_have_no_family_and_an_unknown_sandbox_is_left_out() {
        let result = added("1.0.0", "eth0", "", &[example_address()]);
        assert_eq!(result["ips"][0].get("version"), None);
        assert_eq!(result["interfaces"][0], json!({ "name": "eth0" }));
    }
}
