//! Rules about single values that a plugin refuses, or that cannot work (`PL605`).

use super::context::Context;
use super::view::{Addressing, PluginView, finding};
use crate::chain::go_key;
use crate::finding::{Finding, FindingCode};
use crate::plan::Network;
use serde_json::Value;

/// Modes of plugins; an empty text is the first one.
const MODES: [(&str, &[&str]); 2] =
    [("macvlan", &["bridge", "private", "vepa", "passthru"]), ("ipvlan", &["l2", "l3", "l3s"])];

/// Keys with the id of a VLAN.
const VLAN_IDS: [(&str, &str); 2] = [("vlan", "vlanId"), ("bridge", "vlan")];

/// Longest interface name, in bytes (Linux `IFNAMSIZ` less the final zero).
const MAX_INTERFACE_NAME: usize = 15;

/// Keys with the name of an interface.
const INTERFACES: [(&str, &str); 6] = [
    ("macvlan", "master"),
    ("ipvlan", "master"),
    ("vlan", "master"),
    ("bridge", "bridge"),
    ("host-device", "device"),
    ("vrf", "vrfname"),
];

/// Main plugins that set an MTU, on interfaces for which the kernel takes 68 to 65535.
const WITH_MTU: [&str; 5] = ["macvlan", "ipvlan", "vlan", "bridge", "ptp"];

/// Main plugins whose interface has no end on the node, which bandwidth needs.
const WITHOUT_PEER: [&str; 6] = ["macvlan", "ipvlan", "vlan", "host-device", "dummy", "tap"];

/// Checks the values of one plugin.
pub(super) fn check(
    network: &Network,
    plugins: &[PluginView<'_>],
    plugin: &PluginView<'_>,
    context: &Context<'_>,
    findings: &mut Vec<Finding>,
) {
    let name = plugin.plugin;
    let mut add = |key: &str, message: String, notes: Vec<String>| {
        findings.push(finding(network, FindingCode::PL605, &plugin.path(key), message).notes(notes));
    };
    if let Some((_, modes)) = MODES.iter().find(|(known, _)| *known == name)
        && let Some(mode) = plugin.text("mode").filter(|mode| !mode.is_empty() && !modes.contains(mode))
    {
        add("mode", format!("{name} has no mode `{mode}`"), vec![format!("it has: {}", modes.join(", "))]);
    }
    for (_, key) in VLAN_IDS.iter().filter(|(known, _)| *known == name) {
        if let Some(id) = plugin.get(key).and_then(Value::as_i64).filter(|id| !(0..=4094).contains(id)) {
            add(key, format!("{id} is not a VLAN id"), vec![]);
        }
    }
    if let Some(mac) = plugin.text("mac").filter(|mac| !mac.is_empty())
        && let Err(why) = check_mac(mac)
    {
        add("mac", why, vec![]);
    }
    for (_, key) in INTERFACES.iter().filter(|(known, _)| *known == name) {
        if let Some(length) = plugin.text(key).map(str::len).filter(|length| *length > MAX_INTERFACE_NAME) {
            let message =
                format!("`{key}` has {length} characters; an interface's name has at most {MAX_INTERFACE_NAME}");
            add(key, message, vec![]);
        }
    }
    let mtu = plugin.get("mtu").and_then(Value::as_i64);
    let limit = plugin.text("master").and_then(|master| context.cluster.mtus.get(master).map(|limit| (master, *limit)));
    match (mtu, limit) {
        (Some(mtu), _) if mtu < 0 => add("mtu", format!("{mtu} is not an MTU"), vec![]),
        (Some(mtu), _) if mtu != 0 && WITH_MTU.contains(&name) && !(68..=65535).contains(&mtu) => {
            add("mtu", format!("MTU {mtu} is not within 68 to 65535: the kernel refuses it"), vec![]);
        }
        (Some(mtu), _)
            if (1..1280).contains(&mtu)
                && WITH_MTU.contains(&name)
                && Addressing::read(plugins).subnets().any(|net| net.addr().is_ipv6()) =>
        {
            let note = "below 1280 an interface has no IPv6, and the kernel refuses the address".to_owned();
            add("mtu", format!("MTU {mtu} is too small for the IPv6 addresses of this network"), vec![note]);
        }
        (Some(mtu), Some((master, limit)))
            if mtu > i64::from(limit) && matches!(name, "macvlan" | "ipvlan" | "vlan") =>
        {
            add("mtu", format!("MTU {mtu} is above that of {master}, which has {limit}"), vec![]);
        }
        _ => {}
    }
    match name {
        "bridge" if plugin.is_true("hairpinMode") && plugin.is_true("promiscMode") => {
            add("hairpinMode", "bridge refuses `hairpinMode` together with `promiscMode`".to_owned(), vec![]);
        }
        "bridge" if plugin.is_true("disableContainerInterface") && !plugin.ipam_type().is_empty() => {
            let message = "bridge refuses an IPAM plugin together with `disableContainerInterface`";
            add("disableContainerInterface", message.to_owned(), vec![]);
        }
        "bandwidth" => {
            let main =
                plugins[..plugin.position.min(plugins.len())].iter().find(|main| WITHOUT_PEER.contains(&main.plugin));
            if let Some(main) = main {
                let message = format!("bandwidth can't work behind {}, whose interface has no veth peer", main.plugin);
                add("type", message, vec![]);
            }
            for (rate, burst) in [("ingressRate", "ingressBurst"), ("egressRate", "egressBurst")] {
                let is_set = |key: &str| plugin.get(key).and_then(Value::as_i64).is_some_and(|number| number > 0);
                if is_set(rate) != is_set(burst) {
                    let (has, lacks) = if is_set(rate) { (rate, burst) } else { (burst, rate) };
                    add(has, format!("`{has}` stands without `{lacks}`: bandwidth needs both or neither"), vec![]);
                }
            }
        }
        _ => {}
    }
    if name == "bridge" {
        check_trunks(network, plugin, findings);
    }
}

/// The VLANs of a trunk (`plugins/main/bridge/bridge.go:150`, `collectVlanTrunk`).
fn check_trunks(network: &Network, plugin: &PluginView<'_>, findings: &mut Vec<Finding>) {
    let trunks = plugin.get("vlanTrunk").and_then(Value::as_array).into_iter().flatten().enumerate();
    for (index, trunk) in trunks.filter_map(|(index, trunk)| Some((index, trunk.as_object()?))) {
        let number = |key: &str| go_key(trunk, key).and_then(Value::as_i64);
        let mut add = |key: &str, message: String| {
            let path = plugin.path(&format!("vlanTrunk/{index}/{key}"));
            let entry = finding(network, FindingCode::PL605, path.trim_end_matches('/'), message);
            findings.push(entry.notes(["bridge ends with an error for every pod"]));
        };
        for key in ["id", "minID", "maxID"] {
            if let Some(id) = number(key).filter(|id| !(1..=4094).contains(id)) {
                add(key, format!("{id} is not the id of a VLAN in a trunk"));
            }
        }
        match (number("minID"), number("maxID")) {
            (Some(first), Some(last)) if first > last => {
                add("minID", format!("`minID` {first} is above `maxID` {last}"))
            }
            (Some(_), None) => add("minID", "`minID` stands without `maxID`".to_owned()),
            (None, Some(_)) => add("maxID", "`maxID` stands without `minID`".to_owned()),
            _ => {}
        }
    }
}

/// Checks a MAC address for an interface.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check_mac(text: &str) -> Result<(), String> {
    let byte = |part: &str| (part.len() == 2).then(|| u8::from_str_radix(part, 16).ok()).flatten();
    match text.split([':', '-']).map(byte).collect::<Option<Vec<u8>>>().filter(|bytes| bytes.len() == 6) {
        None => Err(format!("`{text}` is not a MAC address of six bytes")),
        Some(bytes) if bytes[0] & 1 == 1 => {
            Err(format!("`{text}` is a multicast MAC address; no interface can have it"))
        }
        Some(bytes) if bytes.iter().all(|byte| *byte == 0) => Err(format!("`{text}` is all zero")),
        Some(_) => Ok(()),
    }
}
