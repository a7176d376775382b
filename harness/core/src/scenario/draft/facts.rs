//! What a chain's configuration states of the interface that it makes: kind, parent, addresses, routes.

use crate::chain::{Chain, ChainLink, go_key};
use crate::plan::Attachment;
use crate::scenario::names;
use ipnet::IpNet;
use serde_json::{Map, Value};
use std::net::IpAddr;

/// Plugins that change no address, route or parent that an earlier plugin of the chain made.
const NO_ROUTES: [&str; 4] = ["tuning", "bandwidth", "portmap", "firewall"];
/// Plugins that move the routes of the interface into another table.
const OTHER_TABLE: [&str; 2] = ["sbr", "vrf"];
/// Main plugins that are made on a link of the node, their `master`.
const WITH_MASTER: [&str; 3] = ["macvlan", "ipvlan", "vlan"];

/// Those of them that take the interface of the node's default route without one.
const DEFAULT_MASTER: [&str; 2] = ["macvlan", "ipvlan"];

/// What is stated of one interface.
#[derive(Debug, Default, PartialEq)]
pub(super) struct InterfaceFacts {
    /// Link kind, as rtnetlink names it.
    pub kind: Option<&'static str>,
    /// The link of the node.
    pub parent: Option<String>,
    pub mtu: Option<u64>,
    pub mac: Option<String>,
    /// Addresses with prefix length.
    pub addresses: Vec<IpNet>,
    /// Routes, default routes left out.
    pub routes: Vec<RouteFacts>,
    /// Whether a default route by this interface is stated.
    pub has_default: bool,
    /// What is not stated, and where it comes from: sentences for comments.
    pub unknown: Vec<String>,
}

/// One route.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RouteFacts {
    pub to: IpNet,
    /// The gateway, where it is stated.
    pub via: Option<IpAddr>,
}

/// The link of the node that a chain's main plugin is made on.
pub(crate) fn master(chain: &Chain) -> Option<&str> {
    let main = chain.links.first()?;
    let conf = main.conf.as_object()?;
    let in_pod = go_key(conf, "linkInContainer").and_then(Value::as_bool).unwrap_or(false);
    let master = go_key(conf, "master").and_then(Value::as_str)?;
    (WITH_MASTER.contains(&main.plugin.as_str()) && !in_pod && names::interface(master).is_ok()).then_some(master)
}

/// Whether a chain's main plugin takes the interface of the node's default route, because it names no `master`.
pub(crate) fn is_on_default_route(chain: &Chain) -> bool {
    let Some(main) = chain.links.first().filter(|main| DEFAULT_MASTER.contains(&main.plugin.as_str())) else {
        return false;
    };
    let Some(conf) = main.conf.as_object() else { return false };
    let in_pod = go_key(conf, "linkInContainer").and_then(Value::as_bool).unwrap_or(false);
    !in_pod && text(conf, "master").is_none_or(str::is_empty)
}

/// The IPAM plugin of a chain.
pub(crate) fn ipam_plugin(chain: &Chain) -> Option<&str> {
    let conf = chain.links.first()?.conf.as_object()?;
    text(go_key(conf, "ipam")?.as_object()?, "type").filter(|plugin| !plugin.is_empty())
}

/// The device of the node that a chain moves into the pod.
pub(crate) fn device(chain: &Chain) -> Option<&str> {
    let main = chain.links.first().filter(|main| main.plugin == "host-device")?;
    let device = go_key(main.conf.as_object()?, "device").and_then(Value::as_str)?;
    names::interface(device).is_ok().then_some(device)
}

/// Whether a chain has addresses only if the pod requests them.
pub(crate) fn needs_ips(chain: &Chain) -> bool {
    let Some(main) = chain.links.first().filter(|main| has_capability(main, "ips")) else { return false };
    let ipam = main.conf.as_object().and_then(|conf| go_key(conf, "ipam")).and_then(Value::as_object);
    ipam.is_some_and(|ipam| text(ipam, "type") == Some("static") && objects(ipam, "addresses").is_empty())
}

/// The kind of link that a main plugin makes.
pub(super) fn link_kind(plugin: &str) -> Option<&'static str> {
    match plugin {
        "macvlan" => Some("macvlan"),
        "ipvlan" => Some("ipvlan"),
        "vlan" => Some("vlan"),
        "bridge" | "ptp" => Some("veth"),
        "dummy" => Some("dummy"),
        "tap" => Some("tun"),
        _ => None,
    }
}

/// What a chain states of the interface of one attachment.
pub(super) fn facts(chain: &Chain, attachment: &Attachment) -> InterfaceFacts {
    let mut facts = InterfaceFacts::default();
    let Some((main, metas)) = chain.links.split_first() else { return facts };
    facts.kind = link_kind(&main.plugin);
    facts.parent = master(chain).map(str::to_owned);
    if attachment.mac.is_some() && chain.links.iter().any(|link| has_capability(link, "mac")) {
        facts.mac.clone_from(&attachment.mac);
    }
    facts.mtu = mtu(main);
    // The bridge is the gateway, and the pod's default route leads to it.
    let is_gateway = main.conf.as_object().and_then(|conf| go_key(conf, "isDefaultGateway")).and_then(Value::as_bool);
    facts.has_default = main.plugin == "bridge" && is_gateway.unwrap_or(false);
    facts.read_ipam(main, attachment);
    for meta in metas {
        facts.mtu = if meta.plugin == "tuning" { mtu(meta).or(facts.mtu) } else { facts.mtu };
        match meta.plugin.as_str() {
            "route-override" => facts.override_routes(meta, attachment),
            plugin if OTHER_TABLE.contains(&plugin) => {
                let moved = !facts.routes.is_empty() || facts.has_default;
                (facts.routes, facts.has_default) = (Vec::new(), false);
                let which = if moved { "its routes" } else { "its connected routes" };
                facts.unknown.push(format!("{plugin} moves {which} into another table: list them with `table`"));
            }
            plugin if NO_ROUTES.contains(&plugin) => {}
            plugin => facts.unknown.push(format!("what {plugin} changes is not known here")),
        }
    }
    let default = facts.routes.len();
    facts.routes.retain(|route| route.to.prefix_len() > 0);
    facts.has_default |= facts.routes.len() < default;
    facts
}

impl InterfaceFacts {
    fn read_ipam(&mut self, main: &ChainLink, attachment: &Attachment) {
        let conf = main.conf.as_object();
        let Some(ipam) = conf.and_then(|conf| go_key(conf, "ipam")).and_then(Value::as_object) else { return };
        let plugin = go_key(ipam, "type").and_then(Value::as_str).unwrap_or_default();
        let mut gateways: Vec<IpAddr> = Vec::new();
        match plugin {
            "" => return,
            "static" => {
                let listed = objects(ipam, "addresses");
                let written = requested(main, attachment);
                let from_ipam = || listed.iter().filter_map(|item| text(item, "address")).map(str::to_owned).collect();
                let texts: Vec<String> = written.unwrap_or_else(from_ipam);
                self.addresses = texts.iter().filter_map(|text| names::pod_address(text).ok()).collect();
                if self.addresses.len() < texts.len() || texts.is_empty() {
                    self.addresses.clear();
                    self.unknown.push("static IPAM states no address that can be read".to_owned());
                }
                gateways = listed.iter().filter_map(|item| text(item, "gateway")?.parse().ok()).collect();
            }
            other => self.unknown.push(format!("{other} gives the addresses: list them if they are always the same")),
        }
        if !matches!(plugin, "static" | "host-local") {
            return;
        }
        for (to, via) in routes(ipam, "routes") {
            // An IPAM route without a gateway gets that of its family; ptp uses the host's end.
            let of_family = gateways.iter().find(|gateway| gateway.is_ipv4() == to.addr().is_ipv4()).copied();
            let via = via.or(of_family.filter(|_| main.plugin != "ptp"));
            self.routes.push(RouteFacts { to, via });
        }
    }

    /// route-override: `flushroutes` and `flushgateway`, then `delroutes`, then `addroutes`; each by `cni-args` of the
    /// annotation where it is there (route-override-cni, `parseConf`).
    fn override_routes(&mut self, link: &ChainLink, attachment: &Attachment) {
        let Some(conf) = link.conf.as_object() else { return };
        let args = attachment.cni_args.as_ref().and_then(Value::as_object);
        let of = |key: &str| args.filter(|args| go_key(args, key).is_some()).unwrap_or(conf);
        let is_set = |key: &str| go_key(of(key), key).and_then(Value::as_bool).unwrap_or(false);
        if is_set("flushroutes") {
            self.routes.clear();
        }
        if is_set("flushgateway") {
            self.routes.retain(|route| route.to.prefix_len() > 0);
        }
        let deleted = routes(of("delroutes"), "delroutes");
        self.routes.retain(|route| !deleted.iter().any(|(to, _)| *to == route.to));
        for (to, via) in routes(of("addroutes"), "addroutes") {
            self.routes.push(RouteFacts { to, via });
        }
    }
}

/// Addresses that the annotation requests, if the IPAM plugin gets them: `ips` needs the capability, `cni-args` none.
fn requested(main: &ChainLink, attachment: &Attachment) -> Option<Vec<String>> {
    if !attachment.ips.is_empty() && has_capability(main, "ips") {
        return Some(attachment.ips.clone());
    }
    let args = attachment.cni_args.as_ref()?.as_object()?;
    let ips = go_key(args, "ips")?.as_array()?;
    Some(ips.iter().filter_map(|ip| ip.as_str().map(str::to_owned)).collect())
}

fn has_capability(link: &ChainLink, name: &str) -> bool {
    let conf = link.conf.as_object();
    let capabilities = conf.and_then(|conf| go_key(conf, "capabilities")).and_then(Value::as_object);
    capabilities.and_then(|all| all.get(name)).and_then(Value::as_bool).unwrap_or(false)
}

fn mtu(link: &ChainLink) -> Option<u64> {
    let conf = link.conf.as_object()?;
    go_key(conf, "mtu")?.as_u64().filter(|mtu| (1..=u64::from(u32::MAX)).contains(mtu))
}

fn objects<'a>(object: &'a Map<String, Value>, key: &str) -> Vec<&'a Map<String, Value>> {
    let items = go_key(object, key).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_object).collect()
}

fn text<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    go_key(object, key).and_then(Value::as_str)
}

/// Routes whose destination can be read, without host bits.
fn routes(object: &Map<String, Value>, key: &str) -> Vec<(IpNet, Option<IpAddr>)> {
    let route = |route: &&Map<String, Value>| {
        let to = text(route, "dst")?.parse::<IpNet>().ok()?.trunc();
        let via = text(route, "gw").and_then(|gateway| names::host_ip(gateway).ok());
        Some((to, via.filter(|via| via.is_ipv4() == to.addr().is_ipv4())))
    };
    objects(object, key).iter().filter_map(route).collect()
}
