//! `portmap` with the iptables backend (plugins 1.9.1, `plugins/meta/portmap/portmap_iptables.go`).

use crate::predict::case::PluginCase;
use crate::predict::kernel;
use crate::predict::masquerade::chain_name;
use crate::predict::model::Unpredicted;
use crate::predict::world::World;
use crate::state::{FactKey, FactKind, Subject, peer_name};

/// Keys whose effect is not modelled.
const NOT_MODELLED: [&str; 4] = ["externalSetMarkChain", "conditionsV4", "conditionsV6", "markMasqBit"];

/// The chains of one network and container, and those for all pods.
const TOP: &str = "CNI-HOSTPORT-DNAT";
const SET_MARK: &str = "CNI-HOSTPORT-SETMARK";
const MASQUERADE: &str = "CNI-HOSTPORT-MASQ";
/// Bit 13 (`DefaultMarkBit`).
const MARK: &str = "0x2000/0x2000";

/// ADD maps ports of the node to the pod's first address of each family.
///
/// # Errors
/// What can't be predicted.
pub fn add(case: &PluginCase<'_>, world: &mut World<'_>) -> Result<(), Unpredicted> {
    let mappings = case.list(&["runtimeConfig", "portMappings"]);
    if mappings.is_empty() {
        return Ok(());
    }
    if let Some(key) = NOT_MODELLED.iter().find(|key| case.key(&[key]).is_some()) {
        return Err(Unpredicted::key(key));
    }
    if case.text(&["backend"]).is_some_and(|backend| backend != "iptables") {
        return Err(Unpredicted::key("backend"));
    }
    if mappings.len() > 1 || mappings.iter().any(|one| one["hostIP"].as_str().is_some_and(|ip| !ip.is_empty())) {
        return Err(Unpredicted::key("runtimeConfig/portMappings"));
    }
    let addresses = case.earlier_addresses();
    let of_interface =
        |one: &&crate::predict::case::ReportedAddress| one.interface.as_deref() == Some(case.interface());
    for v6 in [false, true] {
        let Some(address) = addresses.iter().filter(of_interface).find(|one| one.address.addr().is_ipv6() == v6) else {
            continue;
        };
        world.because("runtimeConfig/portMappings", "ports of the node lead to the pod");
        for item in items(case, &address.address, mappings)? {
            world.set_value(Subject::Node, FactKey::new(FactKind::Firewall, "", item), "");
        }
        if !v6 && snat(case) {
            world.because("snat", "connections from the node's own loopback are let through (route_localnet)");
            kernel::set_device_sysctl(
                world,
                Subject::Node,
                "ipv4",
                &peer_name(case.interface()),
                "route_localnet",
                "1",
            );
        }
    }
    Ok(())
}

fn snat(case: &PluginCase<'_>) -> bool {
    case.key(&["snat"]).is_none_or(|value| value != false)
}

/// The rules as `iptables-save` prints them: the chains for all pods, then those of this one.
fn items(
    case: &PluginCase<'_>,
    address: &ipnet::IpNet,
    mappings: &[serde_json::Value],
) -> Result<Vec<String>, Unpredicted> {
    let is_v6 = address.addr().is_ipv6();
    let of = if is_v6 { "of ip6 nat" } else { "of ip nat" };
    let (network, container) = (case.network(), case.container_id());
    let chain = chain_name("DN-", network, container);
    let mut items = Vec::new();
    for name in if snat(case) { &[SET_MARK, MASQUERADE, TOP][..] } else { &[TOP] } {
        items.push(format!("chain {name} {of}"));
    }
    if snat(case) {
        items.push(format!(
            r#"-A {SET_MARK} -m comment --comment "CNI portfwd masquerade mark" -j MARK --set-xmark {MARK} {of}"#
        ));
        items.push(format!("-A {MASQUERADE} -m mark --mark {MARK} -j MASQUERADE {of}"));
        let comment = r#"-m comment --comment "CNI portfwd requiring masquerade""#;
        items.push(format!("-A POSTROUTING {comment} -j {MASQUERADE} {of}"));
    }
    for hook in ["PREROUTING", "OUTPUT"] {
        items.push(format!("-A {hook} -m addrtype --dst-type LOCAL -j {TOP} {of}"));
    }
    items.push(format!("chain {chain} {of}"));
    for mapping in mappings {
        let unreadable = || Unpredicted::value("runtimeConfig/portMappings");
        let host = mapping["hostPort"].as_u64().ok_or_else(unreadable)?;
        let port = mapping["containerPort"].as_u64().ok_or_else(unreadable)?;
        let protocol = mapping["protocol"].as_str().unwrap_or("tcp").to_ascii_lowercase();
        let comment = format!(r#"-m comment --comment "dnat name: \"{network}\" id: \"{container}\"""#);
        items.push(format!("-A {TOP} -p {protocol} {comment} -m multiport --dports {host} -j {chain} {of}"));
        let to = format!("-p {protocol} -m {protocol} --dport {host}");
        if snat(case) {
            let all = case.is_on(&["masqAll"]);
            // `iptables-save` leaves out a source of all addresses.
            let from = if all { String::new() } else { format!("-s {} ", address.trunc()) };
            items.push(format!("-A {chain} {from}{to} -j {SET_MARK} {of}"));
            if !is_v6 && !all {
                items.push(format!("-A {chain} -s 127.0.0.1/32 {to} -j {SET_MARK} {of}"));
            }
        }
        let target = if is_v6 { format!("[{}]:{port}", address.addr()) } else { format!("{}:{port}", address.addr()) };
        items.push(format!("-A {chain} {to} -j DNAT --to-destination {target} {of}"));
    }
    Ok(items)
}

/// DEL removes the pod's chain and what leads to it; the chains for all pods stay.
///
/// # Errors
/// What can't be predicted.
pub fn del(case: &PluginCase<'_>, world: &mut World<'_>) -> Result<(), Unpredicted> {
    if case.list(&["runtimeConfig", "portMappings"]).is_empty() {
        return Ok(());
    }
    let chain = chain_name("DN-", case.network(), case.container_id());
    world.because("runtimeConfig/portMappings", "DEL removes the pod's rules");
    for key in world.keys_of_kind(Subject::Node, FactKind::Firewall) {
        if key.item.split(' ').any(|word| word == chain) {
            world.remove(Subject::Node, key);
        }
    }
    Ok(())
}
