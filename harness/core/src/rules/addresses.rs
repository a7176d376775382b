//! Rules about addresses, ranges, gateways and routes of one network (`PL605`).

use super::view::{Addressing, PluginView, RouteEntry, finding, host_local_objects, routes};
use crate::chain::go_key;
use crate::finding::{Finding, FindingCode};
use crate::keys::KeyTable;
use crate::plan::Network;
use crate::suggestion::did_you_mean;
use ipnet::IpNet;
use serde_json::{Map, Value};
use std::net::IpAddr;

/// Collects implausible values of one network.
struct Checker<'a> {
    network: &'a Network,
    findings: &'a mut Vec<Finding>,
}

/// What a plugin does with a route of its configuration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RouteEffect {
    Add,
    Delete,
}

/// Checks addresses, ranges and routes of one plugin.
pub(super) fn check_plugin(network: &Network, plugin: &PluginView<'_>, findings: &mut Vec<Finding>) {
    let mut checker = Checker { network, findings };
    if plugin.plugin == "route-override" {
        for (key, effect) in [("addroutes", RouteEffect::Add), ("delroutes", RouteEffect::Delete)] {
            checker.check_routes(plugin.get(key), &plugin.path(key), effect);
        }
    }
    let Some(ipam) = plugin.ipam() else { return };
    // One that is not known may change the values first: `usePodCidr` is a subnet for calico.
    if KeyTable::embedded().plugin(plugin.plugin).is_none() {
        return;
    }
    let path = plugin.path("ipam");
    match plugin.ipam_type() {
        "static" => {
            let addresses = go_key(ipam, "addresses").and_then(Value::as_array).into_iter().flatten();
            let mut seen = Vec::new();
            for (index, address) in addresses.enumerate() {
                let path = format!("{path}/addresses/{index}");
                checker.check_static(address, &path);
                let text = address.as_object().and_then(|entry| go_key(entry, "address")).and_then(Value::as_str);
                let Some(ip) = text.and_then(|text| text.parse::<IpNet>().ok()).map(|net| net.addr()) else { continue };
                if seen.contains(&ip) {
                    let message = format!("static has the address {ip} twice: the kernel refuses the second one");
                    checker.findings.push(finding(network, FindingCode::PL615, &format!("{path}/address"), message));
                }
                seen.push(ip);
            }
        }
        "host-local" => {
            for (path, range) in host_local_objects(ipam, &path) {
                checker.check_host_local(range, &path);
            }
        }
        "whereabouts" => checker.check_whereabouts(ipam, &path),
        _ => {}
    }
    checker.check_routes(go_key(ipam, "routes"), &format!("{path}/routes"), RouteEffect::Add);
}

/// Checks that each gateway of a route is on the interface's own networks: the kernel refuses the route otherwise.
/// Not checked where pods choose addresses, and where a route without a gateway may lead to it.
pub(super) fn check_gateways(network: &Network, addressing: &Addressing, findings: &mut Vec<Finding>) {
    let subnets: Vec<IpNet> = addressing.subnets().collect();
    let Some(routes) = addressing.routes.as_ref().filter(|_| !addressing.is_by_pod) else { return };
    for (path, message) in find_lost_gateways(routes, &subnets) {
        findings.push(finding(network, FindingCode::PL605, &path, message));
    }
}

/// The gateways of routes that are off an interface's networks, each with the path of its key and a message. None of a
/// family without a network: its addresses are not known.
pub(super) fn find_lost_gateways(routes: &[RouteEntry], subnets: &[IpNet]) -> Vec<(String, String)> {
    let leads = |route: &RouteEntry, gateway: &IpAddr| {
        route.gateway.is_none() && route.to.is_some_and(|to| to.prefix_len() > 0 && to.contains(gateway))
    };
    let mut found = Vec::new();
    for route in routes {
        let Some(gateway) = route.gateway.filter(|gateway| !is_special(gateway)) else { continue };
        let same_family: Vec<&IpNet> = subnets.iter().filter(|net| net.addr().is_ipv4() == gateway.is_ipv4()).collect();
        if same_family.is_empty()
            || same_family.iter().any(|net| net.contains(&gateway))
            || is_link_local(&gateway)
            || routes.iter().any(|route| leads(route, &gateway))
        {
            continue;
        }
        let nets: Vec<String> = same_family.iter().map(ToString::to_string).collect();
        let message = format!("gateway {gateway} is not within {}: the kernel refuses the route", nets.join(" or "));
        found.push((format!("{}/gw", route.path), message));
    }
    found
}

impl Checker<'_> {
    fn add(&mut self, path: &str, message: impl Into<String>) -> &mut Finding {
        self.findings.push(finding(self.network, FindingCode::PL605, path, message));
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }

    fn check_routes(&mut self, list: Option<&Value>, path: &str, effect: RouteEffect) {
        let entries = list.and_then(Value::as_array).into_iter().flatten().zip(routes(list, path));
        for (value, route) in entries {
            let text = |key| value.as_object().and_then(|route| go_key(route, key)).and_then(Value::as_str);
            let at = format!("{}/dst", route.path);
            match (text("dst"), route.to) {
                // A misspelt key is reported by itself.
                (None, _)
                    if value
                        .as_object()
                        .is_some_and(|route| is_misspelt(route, "dst", &["gw", "mtu", "table", "scope"])) => {}
                (None, _) => {
                    self.add(&route.path, "a route without `dst`");
                }
                (Some(to), _) if has_leading_zero(to) => self.add_leading_zero(&at, to),
                (Some(to), None) => {
                    self.add(&at, format!("`{to}` is not a network"));
                }
                // The kernel clears them in a route of IPv6 (`ip6_route_info_create`), and refuses one of IPv4
                // (`fib_valid_prefix`).
                (Some(to), Some(net)) if net.addr() != net.network() => {
                    let why = match (effect, net) {
                        (RouteEffect::Add, IpNet::V6(_)) => continue,
                        (RouteEffect::Add, IpNet::V4(_)) => "the kernel refuses the route",
                        (RouteEffect::Delete, _) => "no kernel route equals it",
                    };
                    self.add(&at, format!("`{to}` has host bits: {why}; the network is {}", net.trunc()));
                }
                _ => {}
            }
            let at = format!("{}/gw", route.path);
            match (text("gw"), route.gateway) {
                (Some(gateway), None) if !gateway.is_empty() => {
                    self.add(&at, format!("`{gateway}` is not an address"));
                }
                (Some(_), Some(gateway)) if gateway.is_unspecified() => {
                    let message = format!("{gateway} is no gateway: the route has no next hop, as one without `gw`");
                    self.add(&at, message);
                }
                (Some(_), Some(gateway)) if gateway.is_multicast() || gateway.is_loopback() => {
                    self.add(&at, format!("{gateway} can't be a gateway"));
                }
                _ => {}
            }
        }
    }

    fn add_leading_zero(&mut self, at: &str, text: &str) {
        self.add(at, format!("`{text}` has a number with a leading zero: Go's decoder refuses it"));
    }

    fn check_static(&mut self, entry: &Value, path: &str) {
        let Value::Object(entry) = entry else { return };
        let text = go_key(entry, "address").and_then(Value::as_str).unwrap_or_default();
        let at = format!("{path}/address");
        if has_leading_zero(text) {
            return self.add_leading_zero(&at, text);
        }
        let Ok(net) = text.parse::<IpNet>() else {
            self.add(&at, format!("`{text}` is not an address with a prefix length"));
            return;
        };
        if let Some(why) = unfit_address(&net) {
            self.add(&at, why);
        }
        self.check_gateway(entry, "gateway", &format!("{path}/gateway"), &net, Some(net.addr()));
    }

    /// `plugins/ipam/host-local/backend/allocator/range.go`, `Canonicalize`.
    fn check_host_local(&mut self, range: &Map<String, Value>, path: &str) {
        let text = |key| go_key(range, key).and_then(Value::as_str);
        let at = format!("{path}/subnet");
        // One without it is `PL643`.
        let Some(written) = text("subnet").filter(|written| !written.is_empty()) else { return };
        if has_leading_zero(written) {
            return self.add_leading_zero(&at, written);
        }
        let Ok(net) = written.parse::<IpNet>() else {
            self.add(&at, format!("`{written}` is not a network"));
            return;
        };
        if net.addr() != net.network() {
            self.add(&at, format!("`{written}` has host bits: host-local refuses it; the network is {}", net.trunc()));
        }
        if net.prefix_len() > net.max_prefix_len() - 2 {
            self.add(
                &at,
                format!("`{written}` is too small: host-local refuses a network of fewer than four addresses"),
            );
            return;
        }
        let mut edges = Vec::new();
        for key in ["rangeStart", "rangeEnd"] {
            let at = format!("{path}/{key}");
            match text(key).map(|edge| (edge, edge.parse::<IpAddr>())) {
                Some((edge, Err(_))) => {
                    self.add(&at, format!("`{edge}` is not an address"));
                }
                Some((_, Ok(edge))) if !net.contains(&edge) => {
                    self.add(&at, format!("{edge} is not within {}: host-local refuses it", net.trunc()));
                }
                Some((_, Ok(edge))) => edges.push(edge),
                None => {}
            }
        }
        if let [first, last] = edges[..]
            && first > last
        {
            self.add(&format!("{path}/rangeStart"), format!("{first} is behind the end of the range, {last}"));
        }
        self.check_gateway(range, "gateway", &format!("{path}/gateway"), &net, None);
    }

    fn check_whereabouts(&mut self, ipam: &Map<String, Value>, path: &str) {
        let Some(written) = go_key(ipam, "range").and_then(Value::as_str).filter(|range| !range.is_empty()) else {
            return;
        };
        let (start, rest) = written.split_once('-').map_or((None, written), |(start, rest)| (Some(start), rest));
        let at = format!("{path}/range");
        let Ok(net) = rest.trim().parse::<IpNet>() else {
            self.add(&at, format!("`{written}` is not a range such as 192.0.2.0/24"));
            return;
        };
        if start.is_some_and(|start| start.trim().parse::<IpAddr>().map_or(true, |start| !net.contains(&start))) {
            self.add(&at, format!("the range `{written}` does not begin within {}", net.trunc()));
        }
        for key in ["range_start", "range_end"] {
            match go_key(ipam, key).and_then(Value::as_str).map(|edge| (edge, edge.parse::<IpAddr>())) {
                Some((edge, Err(_))) => {
                    self.add(&format!("{path}/{key}"), format!("`{edge}` is not an address"));
                }
                Some((_, Ok(edge))) if !net.contains(&edge) => {
                    self.add(&format!("{path}/{key}"), format!("{edge} is not within {}", net.trunc()));
                }
                _ => {}
            }
        }
        self.check_gateway(ipam, "gateway", &format!("{path}/gateway"), &net, None);
    }

    /// A gateway must be another address of the network, or a link-local one.
    fn check_gateway(&mut self, entry: &Map<String, Value>, key: &str, at: &str, net: &IpNet, own: Option<IpAddr>) {
        let Some(text) = go_key(entry, key).and_then(Value::as_str).filter(|text| !text.is_empty()) else { return };
        match text.parse::<IpAddr>() {
            Err(_) => {
                self.add(at, format!("`{text}` is not an address"));
            }
            Ok(gateway) if Some(gateway) == own => {
                self.add(at, format!("gateway {gateway} is the pod's own address"));
            }
            Ok(gateway) if gateway.is_unspecified() => {
                self.add(at, format!("{gateway} is no gateway"));
            }
            // Of a single address a gateway is never within; a route without `gw` may lead to it.
            Ok(gateway)
                if !net.contains(&gateway)
                    && !is_link_local(&gateway)
                    && (own.is_none() || net.prefix_len() < net.max_prefix_len()) =>
            {
                self.add(at, format!("gateway {gateway} is not within {}", net.trunc()));
            }
            Ok(_) => {}
        }
    }
}

/// Whether a number of an IPv4 address has a leading zero: `net.ParseCIDR` and `net.ParseIP` refuse it.
fn has_leading_zero(text: &str) -> bool {
    let address = text.split('/').next().unwrap_or_default();
    !address.contains(':') && address.split('.').any(|number| number.len() > 1 && number.starts_with('0'))
}

/// Whether an object has a key that is near to `wanted`, and is none of its other keys.
fn is_misspelt(object: &Map<String, Value>, wanted: &str, others: &[&str]) -> bool {
    object.keys().any(|key| !others.contains(&key.as_str()) && did_you_mean(key, [wanted]).is_some())
}

/// Why no pod can have an address; none if one can.
pub(super) fn unfit_address(net: &IpNet) -> Option<String> {
    let ip = net.addr();
    if is_special(&ip) {
        return Some(format!("`{net}` can't be an interface's address"));
    }
    match net {
        IpNet::V4(v4) if v4.prefix_len() < 31 && v4.addr() == v4.network() => {
            Some(format!("`{net}` is the address of the network itself; no pod can have it"))
        }
        IpNet::V4(v4) if v4.prefix_len() < 31 && v4.addr() == v4.broadcast() => {
            Some(format!("`{net}` is the broadcast address of {}; no pod can have it", v4.trunc()))
        }
        _ => None,
    }
}

fn is_special(ip: &IpAddr) -> bool {
    ip.is_multicast() || ip.is_loopback() || ip.is_unspecified()
}

pub(super) fn is_link_local(ip: &IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local())
}
