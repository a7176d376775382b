//! `portmap` with the iptables backend (plugins 1.9.1, `plugins/meta/portmap/portmap_iptables.go`).

use crate::chain::go_key;
use crate::predict::case::PluginCase;
use crate::predict::firewall::{self, Place};
use crate::predict::masquerade::chain_name;
use crate::predict::model::Unpredicted;
use crate::predict::result::{PredictedResult, ReportedAddress};
use crate::predict::sysctls;
use crate::predict::world::World;
use crate::state::{FactKey, FactKind, Subject};
use ipnet::IpNet;
use serde_json::Value;
use std::net::IpAddr;

/// Keys whose effect is not modelled.
const NOT_MODELLED: [&str; 2] = ["conditionsV4", "conditionsV6"];

/// The chains of one network and container, and those for all pods.
const TOP: &str = "CNI-HOSTPORT-DNAT";
const SET_MARK: &str = "CNI-HOSTPORT-SETMARK";
const MASQUERADE: &str = "CNI-HOSTPORT-MASQ";
/// The bit of the mark (`DefaultMarkBit`).
const MARK_BIT: i64 = 13;
/// The most ports of one rule with `multiport` (`splitPortList`).
const PORTS_OF_RULE: usize = 15;
/// The longest comment of a rule (`trimComment`).
const COMMENT_LENGTH: usize = 255;

/// A port of the node that leads to the pod.
struct Mapping {
    host: u64,
    port: u64,
    protocol: String,
    /// The node's address that it is for; none for all.
    host_address: Option<IpAddr>,
}

/// ADD maps ports of the node to the pod's first address of each family.
///
/// # Errors
/// What can't be predicted.
pub fn add(case: &PluginCase<'_>, world: &mut World<'_>) -> Result<(), Unpredicted> {
    world.report(PredictedResult::passed_on(case.earlier()));
    let listed = case.list(&["runtimeConfig", "portMappings"]);
    if listed.is_empty() {
        return Ok(());
    }
    if let Some(key) = NOT_MODELLED.iter().find(|key| case.key(&[key]).is_some()) {
        return Err(Unpredicted::key(key));
    }
    check_backend(case)?;
    let unreadable = || Unpredicted::value("runtimeConfig/portMappings");
    let mappings = listed.iter().map(|one| read_mapping(one).ok_or_else(unreadable)).collect::<Result<Vec<_>, _>>()?;
    let addresses = &case.earlier().addresses;
    // One without an interface counts too.
    let of_interface = |one: &&ReportedAddress| one.interface.as_deref().is_none_or(|name| name == case.interface());
    for v6 in [false, true] {
        let Some(address) = addresses.iter().filter(of_interface).find(|one| one.address.addr().is_ipv6() == v6) else {
            continue;
        };
        world.because("runtimeConfig/portMappings", "ports of the node lead to the pod");
        for line in lines(case, &address.address, &mappings)? {
            let family = if v6 { "ip6" } else { "ip" };
            match line {
                Line::Chain(chain) => firewall::add_chain(world, family, &chain),
                Line::Rule(chain, rule, place) => firewall::add_rule(world, family, &chain, &rule, place),
            }
        }
        if !v6 && snat(case) {
            world.because("snat", "connections from the node's own loopback are let through (route_localnet)");
            if let Some(link) = link_towards(world, address.address.addr())? {
                sysctls::set_device_sysctl(world, Subject::Node, "ipv4", &link, "route_localnet", "1");
            }
        }
    }
    Ok(())
}

/// Only iptables is modelled.
fn check_backend(case: &PluginCase<'_>) -> Result<(), Unpredicted> {
    match case.text(&["backend"]) {
        None | Some("iptables") => Ok(()),
        Some(_) => Err(Unpredicted::key("backend")),
    }
}

fn read_mapping(value: &Value) -> Option<Mapping> {
    let object = value.as_object()?;
    let text = |name: &str| go_key(object, name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let number = |name: &str| go_key(object, name)?.as_u64().filter(|port| (1..=u64::from(u16::MAX)).contains(port));
    let host_address = match text("hostIP") {
        Some(text) => Some(text.parse().ok()?),
        None => None,
    };
    let protocol = text("protocol")?.to_ascii_lowercase();
    Some(Mapping { host: number("hostPort")?, port: number("containerPort")?, protocol, host_address })
}

fn snat(case: &PluginCase<'_>) -> bool {
    case.key(&["snat"]).is_none_or(|value| value != false)
}

/// The link through which the node sends to an address (`getRoutableHostIF`): that of the most specific route of the main
/// table; none without a route.
///
/// # Errors
/// Two links with equal routes, or a policy rule that leads to another table.
fn link_towards(world: &World<'_>, address: IpAddr) -> Result<Option<String>, Unpredicted> {
    let rules = world.keys_of_kind(Subject::Node, FactKind::Rule);
    if rules.iter().any(|rule| leads_elsewhere(rule, world.text(Subject::Node, rule).as_deref(), address)) {
        return Err(Unpredicted::key("snat"));
    }
    let rank = |key: &FactKey| {
        let mut words = key.item.split(' ');
        let to: IpNet = words.next()?.parse().ok()?;
        let metric = match (words.next(), words.next()) {
            (None, _) => 0,
            (Some("metric"), Some(metric)) => metric.parse::<u32>().ok()?,
            _ => return None,
        };
        to.contains(&address).then_some((u8::MAX - to.prefix_len(), metric))
    };
    let routes = world.keys_of_kind(Subject::Node, FactKind::Route);
    let ranked: Vec<_> = routes.iter().filter_map(|key| Some((rank(key)?, key.link.as_str()))).collect();
    let Some(best) = ranked.iter().map(|(rank, _)| *rank).min() else { return Ok(None) };
    let mut links: Vec<&str> = ranked.iter().filter(|(rank, _)| *rank == best).map(|(_, link)| *link).collect();
    links.dedup();
    match links[..] {
        [link] if !link.contains(' ') => Ok(Some(link.to_owned())),
        _ => Err(Unpredicted::key("snat")),
    }
}

/// Whether a rule such as `512: inet from all to 10.1.0.0/16` looks a packet of the node itself, without mark and source, up
/// in a table other than the three that there always are.
fn leads_elsewhere(rule: &FactKey, action: Option<&str>, address: IpAddr) -> bool {
    let words: Vec<&str> = rule.item.split(' ').collect();
    let family = if address.is_ipv4() { "inet" } else { "inet6" };
    let [_, of, "from", "all", conditions @ ..] = &words[..] else { return false };
    let is_other_table = !action.is_some_and(|action| matches!(action, "lookup 253" | "lookup 254" | "lookup 255"));
    let applies = match conditions {
        [] => true,
        ["to", to] => to.parse::<IpNet>().is_ok_and(|to| to.contains(&address)),
        _ => false,
    };
    *of == family && is_other_table && applies
}

/// A chain, or a rule with its chain and place.
enum Line {
    Chain(String),
    Rule(String, String, Place),
}

/// The rules as `iptables-save` prints them: the chains for all pods, then those of this one.
fn lines(case: &PluginCase<'_>, address: &IpNet, mappings: &[Mapping]) -> Result<Vec<Line>, Unpredicted> {
    let is_v6 = address.addr().is_ipv6();
    let (network, container) = (case.network(), case.container_id());
    let chain = chain_name("DN-", network, container);
    let bit = case.key(&["markMasqBit"]).map_or(Some(MARK_BIT), Value::as_i64).filter(|bit| (0..32).contains(bit));
    let mark = 1u32 << bit.ok_or_else(|| Unpredicted::value("markMasqBit"))?;
    // A chain of another program that sets a mark, such as kube-proxy's, is there already, and so is its masquerading.
    let external = case.text(&["externalSetMarkChain"]);
    let set_mark = external.unwrap_or(SET_MARK);
    let has_own_mark = snat(case) && external.is_none();
    let mut lines = Vec::new();
    let rule = |chain: &str, rule: String| Line::Rule(chain.to_owned(), rule, Place::Last);
    for name in if has_own_mark { &[SET_MARK, MASQUERADE, TOP][..] } else { &[TOP] } {
        lines.push(Line::Chain((*name).to_owned()));
    }
    if has_own_mark {
        let comment = r#"-m comment --comment "CNI portfwd masquerade mark""#;
        lines.push(rule(SET_MARK, format!("{comment} -j MARK --set-xmark {mark:#x}/{mark:#x}")));
        lines.push(rule(MASQUERADE, format!("-m mark --mark {mark:#x}/{mark:#x} -j MASQUERADE")));
        let comment = r#"-m comment --comment "CNI portfwd requiring masquerade""#;
        // Before the rules of ptp and bridge, whose masquerading would end the chain (`genMarkMasqChain`).
        lines.push(Line::Rule("POSTROUTING".to_owned(), format!("{comment} -j {MASQUERADE}"), Place::First));
    }
    for hook in ["PREROUTING", "OUTPUT"] {
        lines.push(rule(hook, format!("-m addrtype --dst-type LOCAL -j {TOP}")));
    }
    lines.push(Line::Chain(chain.clone()));
    if format!(r#"dnat name: "{network}" id: "{container}""#).len() > COMMENT_LENGTH {
        return Err(Unpredicted::value("name"));
    }
    let comment = format!(r#"-m comment --comment "dnat name: \"{network}\" id: \"{container}\"""#);
    // The way into the chain has the ports of all mappings, whatever address of the node they are for.
    let mut protocols: Vec<&str> = mappings.iter().map(|mapping| mapping.protocol.as_str()).collect();
    protocols.sort_unstable();
    protocols.dedup();
    for protocol in protocols {
        let of_protocol = mappings.iter().filter(|mapping| mapping.protocol == protocol);
        let ports: Vec<String> = of_protocol.map(|mapping| mapping.host.to_string()).collect();
        for ports in ports.chunks(PORTS_OF_RULE) {
            let ports = ports.join(",");
            lines.push(rule(TOP, format!("-p {protocol} {comment} -m multiport --dports {ports} -j {chain}")));
        }
    }
    for Mapping { host, port, protocol, host_address } in mappings {
        if host_address.is_some_and(|host_address| host_address.is_ipv6() != is_v6) {
            continue;
        }
        let specified = host_address.filter(|host_address| !host_address.is_unspecified());
        let destination = specified.map(|address| format!("-d {} ", IpNet::from(address))).unwrap_or_default();
        let to = format!("{destination}-p {protocol} -m {protocol} --dport {host}");
        if snat(case) {
            let all = case.is_on(&["masqAll"]);
            // `iptables-save` leaves out a source of all addresses.
            let from = if all { String::new() } else { format!("-s {} ", address.trunc()) };
            lines.push(rule(&chain, format!("{from}{to} -j {set_mark}")));
            if !is_v6 && !all {
                lines.push(rule(&chain, format!("-s 127.0.0.1/32 {to} -j {set_mark}")));
            }
        }
        let target = if is_v6 { format!("[{}]:{port}", address.addr()) } else { format!("{}:{port}", address.addr()) };
        lines.push(rule(&chain, format!("{to} -j DNAT --to-destination {target}")));
    }
    Ok(lines)
}

/// DEL removes the pod's chain and what leads to it; the chains for all pods stay.
///
/// # Errors
/// What can't be predicted.
pub fn del(case: &PluginCase<'_>, world: &mut World<'_>) -> Result<(), Unpredicted> {
    if case.list(&["runtimeConfig", "portMappings"]).is_empty() {
        return Ok(());
    }
    check_backend(case)?;
    let chain = chain_name("DN-", case.network(), case.container_id());
    world.because("runtimeConfig/portMappings", "DEL removes the pod's rules");
    firewall::remove(world, |item| item.split(' ').any(|word| word == chain));
    Ok(())
}
