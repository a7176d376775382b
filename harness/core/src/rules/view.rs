//! One network's chain as the rules read it: plugins with their places, routes, addresses and ranges.

use crate::chain::{Chain, go_key};
use crate::finding::{Finding, FindingCode};
use crate::plan::Network;
use ipnet::IpNet;
use serde_json::{Map, Value};
use std::net::IpAddr;

/// A finding that points at a key of the configuration where its place is known, else at the network.
pub(super) fn finding(network: &Network, code: FindingCode, path: &str, message: impl Into<String>) -> Finding {
    Finding::new(code, message).network(&network.name).source(network.place(path))
}

/// One plugin of a chain.
pub(super) struct PluginView<'a> {
    /// Its type.
    pub plugin: &'a str,
    /// Its position, from 0.
    pub position: usize,
    /// Its configuration.
    pub conf: &'a Map<String, Value>,
    /// The way to its keys: `plugins/0/`, or nothing for a bare plugin.
    prefix: String,
}

impl<'a> PluginView<'a> {
    /// A key as Go's decoder finds it.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        go_key(self.conf, key)
    }

    /// A key that is a text.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.get(key).and_then(Value::as_str)
    }

    /// Whether a key is `true`.
    pub fn is_true(&self, key: &str) -> bool {
        self.get(key) == Some(&Value::Bool(true))
    }

    /// Its object `ipam`.
    pub fn ipam(&self) -> Option<&'a Map<String, Value>> {
        self.get("ipam").and_then(Value::as_object)
    }

    /// The IPAM plugin that it calls; empty for none.
    pub fn ipam_type(&self) -> &'a str {
        self.ipam().and_then(|ipam| go_key(ipam, "type")).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether it declares a capability.
    pub fn declares(&self, capability: &str) -> bool {
        let capabilities = self.get("capabilities").and_then(Value::as_object);
        capabilities.and_then(|declared| declared.get(capability)) == Some(&Value::Bool(true))
    }

    /// The path of a key from the top of the configuration.
    pub fn path(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }
}

/// The plugins of a chain. One whose configuration is no object is left out.
pub(super) fn plugins(chain: &Chain) -> Vec<PluginView<'_>> {
    chain
        .links
        .iter()
        .enumerate()
        .filter_map(|(position, link)| {
            let prefix = if chain.is_list { format!("plugins/{position}/") } else { String::new() };
            Some(PluginView { plugin: &link.plugin, position, conf: link.conf.as_object()?, prefix })
        })
        .collect()
}

/// A route as a plugin's configuration states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RouteEntry {
    /// The destination, host bits included; none where it cannot be read.
    pub to: Option<IpNet>,
    /// The gateway, where it can be read.
    pub gateway: Option<IpAddr>,
    /// Whether it has a metric or a table of its own, so that it does not compete with other routes.
    pub has_own_metric_or_table: bool,
    /// The path of the entry.
    pub path: String,
}

/// The routes of a list.
pub(super) fn routes(list: Option<&Value>, path: &str) -> Vec<RouteEntry> {
    let entries = list.and_then(Value::as_array).into_iter().flatten().enumerate();
    let text = |entry: &Value, key: &str| {
        entry.as_object().and_then(|entry| go_key(entry, key)).and_then(Value::as_str).map(str::to_owned)
    };
    let number = |entry: &Value, key: &str| {
        entry.as_object().and_then(|entry| go_key(entry, key)).and_then(Value::as_i64).is_some_and(|number| number != 0)
    };
    entries
        .map(|(index, entry)| RouteEntry {
            to: text(entry, "dst").and_then(|to| to.parse().ok()),
            gateway: text(entry, "gw").and_then(|gateway| gateway.parse().ok()),
            has_own_metric_or_table: number(entry, "priority") || number(entry, "table"),
            path: format!("{path}/{index}"),
        })
        .collect()
}

/// An address that the static plugin gives to each pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FixedAddress {
    /// The address with its prefix length.
    pub address: IpNet,
    /// Its gateway, where it can be read.
    pub gateway: Option<IpAddr>,
    /// The path of the entry.
    pub path: String,
}

/// A range of which an IPAM plugin takes addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pool {
    /// First address.
    pub first: IpAddr,
    /// Last address.
    pub last: IpAddr,
    /// The network that pods get the prefix length of, host bits cleared.
    pub subnet: IpNet,
    /// The gateway, which no pod gets as its own address; none where it is not known.
    pub gateway: Option<IpAddr>,
    /// Networks within it of which no pod gets an address (`exclude` of whereabouts).
    pub excluded: Vec<IpNet>,
    /// The path of the key that states it.
    pub path: String,
}

impl Pool {
    /// The parts of it of which pods get addresses: what is excluded is left out.
    pub fn free_ranges(&self) -> Vec<(IpAddr, IpAddr)> {
        let mut excluded: Vec<&IpNet> =
            self.excluded.iter().filter(|net| net.addr().is_ipv4() == self.first.is_ipv4()).collect();
        excluded.sort_by_key(|net| net.network());
        let mut found = Vec::new();
        let mut next = Some(self.first);
        for net in excluded {
            let Some(first) = next.filter(|first| *first <= self.last) else { break };
            if net.broadcast() < first {
                continue;
            }
            if net.network() > self.last {
                break;
            }
            if let Some(last) = previous_address(net.network()).filter(|last| *last >= first) {
                found.push((first, last));
            }
            next = next_address(net.broadcast());
        }
        found.extend(next.filter(|first| *first <= self.last).map(|first| (first, self.last)));
        found
    }
}

fn next_address(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(v4) => u32::from(v4).checked_add(1).map(|number| IpAddr::V4(number.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_add(1).map(|number| IpAddr::V6(number.into())),
    }
}

fn previous_address(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(v4) => u32::from(v4).checked_sub(1).map(|number| IpAddr::V4(number.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_sub(1).map(|number| IpAddr::V6(number.into())),
    }
}

/// Addresses and routes of a network.
#[derive(Debug, Clone, Default)]
pub(super) struct Addressing {
    /// The IPAM plugin of the main plugin; empty for none.
    pub ipam: String,
    /// Addresses of the static plugin.
    pub fixed: Vec<FixedAddress>,
    /// Ranges of host-local and whereabouts.
    pub pools: Vec<Pool>,
    /// Whether pods choose addresses by the capability `ips`, which replaces those of the configuration.
    pub is_by_pod: bool,
    /// Routes that are in the pod when the chain has ended; none where they are in a table of their own (sbr, vrf).
    pub routes: Option<Vec<RouteEntry>>,
}

impl Addressing {
    /// Reads the addresses and routes of a chain.
    pub fn read(plugins: &[PluginView<'_>]) -> Self {
        Self::read_with(plugins, None)
    }

    /// As [`Self::read`], for a pod with these `cni-args`.
    pub fn read_with(plugins: &[PluginView<'_>], args: Option<&Value>) -> Self {
        let mut found = Self { routes: Some(Vec::new()), ..Self::default() };
        found.is_by_pod = plugins.iter().any(|plugin| plugin.declares("ips"));
        for plugin in plugins {
            found.plugin(plugin, args);
        }
        found
    }

    fn plugin(&mut self, plugin: &PluginView<'_>, args: Option<&Value>) {
        if let Some(ipam) = plugin.ipam() {
            self.ipam = plugin.ipam_type().to_owned();
            let path = plugin.path("ipam");
            match self.ipam.as_str() {
                "static" => self.fixed.extend(fixed_addresses(ipam, &path)),
                "host-local" => self.pools.extend(host_local(ipam, &path)),
                "whereabouts" => self.pools.extend(whereabouts(ipam, &path)),
                _ => {}
            }
            let added = routes(go_key(ipam, "routes"), &format!("{path}/routes"));
            self.routes.iter_mut().for_each(|routes| routes.extend(added.iter().cloned()));
        }
        match plugin.plugin {
            // Its own default route, through the bridge's address.
            "bridge" if plugin.is_true("isDefaultGateway") => {
                let is_v6 = |net: &IpNet| net.addr().is_ipv6();
                let subnets: Vec<IpNet> = self.subnets().collect();
                let families = [(false, "0.0.0.0/0"), (true, "::/0")];
                for (_, to) in families.iter().filter(|(v6, _)| subnets.iter().any(|net| is_v6(net) == *v6)) {
                    let path = plugin.path("isDefaultGateway");
                    let route = RouteEntry { to: to.parse().ok(), gateway: None, has_own_metric_or_table: false, path };
                    self.routes.iter_mut().for_each(|routes| routes.push(route.clone()));
                }
            }
            "sbr" | "vrf" => self.routes = None,
            "route-override" => self.override_routes(plugin, args),
            _ => {}
        }
    }

    /// What route-override makes of the kernel's routes (`cmd/route-override/route-override.go`, `processRoutes`). Its keys in
    /// `cni-args` replace those of the configuration. A default route is not deleted by `delroutes`.
    fn override_routes(&mut self, plugin: &PluginView<'_>, args: Option<&Value>) {
        let Some(found) = &mut self.routes else { return };
        let args = args.and_then(Value::as_object);
        let value = |key: &str| args.and_then(|args| go_key(args, key)).or_else(|| plugin.get(key));
        let is_true = |key: &str| value(key) == Some(&Value::Bool(true));
        let deleted: Vec<IpNet> =
            routes(value("delroutes"), "").iter().filter_map(|route| route.to.map(|to| to.trunc())).collect();
        if is_true("flushroutes") {
            found.clear();
        }
        let goes = |to: IpNet| match to.prefix_len() {
            0 => is_true("flushgateway"),
            _ => deleted.contains(&to.trunc()),
        };
        found.retain(|route| !route.to.is_some_and(goes));
        found.extend(routes(value("addroutes"), &plugin.path("addroutes")));
    }

    /// The networks of which pods have addresses, as far as the configuration states them.
    pub fn subnets(&self) -> impl Iterator<Item = IpNet> {
        let fixed = self.fixed.iter().map(|fixed| fixed.address.trunc());
        fixed.chain(self.pools.iter().map(|pool| pool.subnet))
    }
}

fn fixed_addresses(ipam: &Map<String, Value>, path: &str) -> Vec<FixedAddress> {
    let entries = go_key(ipam, "addresses").and_then(Value::as_array).into_iter().flatten().enumerate();
    entries
        .filter_map(|(index, entry)| {
            let text = |key| entry.as_object().and_then(|entry| go_key(entry, key)).and_then(Value::as_str);
            Some(FixedAddress {
                address: text("address")?.parse().ok()?,
                gateway: text("gateway").and_then(|gateway| gateway.parse().ok()),
                path: format!("{path}/addresses/{index}"),
            })
        })
        .collect()
}

/// The ranges of host-local (`plugins/ipam/host-local/backend/allocator/config.go`): those of `ranges`, and the old form
/// with `subnet` beside `type`.
pub(super) fn host_local_objects<'a>(
    ipam: &'a Map<String, Value>,
    path: &str,
) -> Vec<(String, &'a Map<String, Value>)> {
    let mut found = Vec::new();
    if go_key(ipam, "subnet").is_some() {
        found.push((path.to_owned(), ipam));
    }
    for (set, ranges) in go_key(ipam, "ranges").and_then(Value::as_array).into_iter().flatten().enumerate() {
        for (index, range) in ranges.as_array().into_iter().flatten().enumerate() {
            found.extend(range.as_object().map(|range| (format!("{path}/ranges/{set}/{index}"), range)));
        }
    }
    found
}

fn host_local(ipam: &Map<String, Value>, path: &str) -> Vec<Pool> {
    let pool = |(path, range): (String, &Map<String, Value>)| {
        let text = |key| go_key(range, key).and_then(Value::as_str);
        let subnet = text("subnet")?.parse::<IpNet>().ok()?.trunc();
        let (first, last) = usable(subnet);
        let edge = |key, other| text(key).and_then(|edge| edge.parse().ok()).unwrap_or(other);
        // Without a key the first address is the gateway (`backend/allocator/range.go`, `Canonicalize`).
        let gateway = edge("gateway", first);
        let (first, last) = (edge("rangeStart", first), edge("rangeEnd", last));
        Some(Pool { first, last, subnet, gateway: Some(gateway), excluded: Vec::new(), path: format!("{path}/subnet") })
    };
    host_local_objects(ipam, path).into_iter().filter_map(pool).collect()
}

/// The ranges of whereabouts (`pkg/types/types.go`, `RangeConfiguration`): `range` is a network, or `FIRST-LAST/LENGTH`.
fn whereabouts(ipam: &Map<String, Value>, path: &str) -> Vec<Pool> {
    let pool = |path: String, range: &Map<String, Value>| {
        let text = |key| go_key(range, key).and_then(Value::as_str);
        let whole = text("range")?;
        let (first, last, subnet) = match whole.split_once('-') {
            Some((first, rest)) => {
                let (last, length) = rest.split_once('/')?;
                let subnet: IpNet = format!("{}/{length}", first.trim()).parse().ok()?;
                (first.trim().parse().ok()?, last.trim().parse().ok()?, subnet.trunc())
            }
            None => {
                let subnet: IpNet = whole.parse::<IpNet>().ok()?.trunc();
                let (first, last) = usable(subnet);
                (first, last, subnet)
            }
        };
        let edge = |key, other| text(key).and_then(|edge| edge.parse().ok()).unwrap_or(other);
        let (first, last) = (edge("range_start", first), edge("range_end", last));
        let excluded = go_key(range, "exclude").and_then(Value::as_array).into_iter().flatten();
        let excluded = excluded.filter_map(Value::as_str).filter_map(read_network).collect();
        Some(Pool { first, last, subnet, gateway: None, excluded, path: format!("{path}/range") })
    };
    let more = go_key(ipam, "ipRanges").and_then(Value::as_array).into_iter().flatten().enumerate();
    let more = more.filter_map(|(index, range)| pool(format!("{path}/ipRanges/{index}"), range.as_object()?));
    pool(path.to_owned(), ipam).into_iter().chain(more).collect()
}

/// A network, or a single address.
fn read_network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// The first and the last address that a pod can have.
fn usable(subnet: IpNet) -> (IpAddr, IpAddr) {
    match subnet {
        IpNet::V4(net) if net.prefix_len() < 31 => {
            let (first, last) = (u32::from(net.network()) + 1, u32::from(net.broadcast()) - 1);
            (IpAddr::V4(first.into()), IpAddr::V4(last.into()))
        }
        net => (net.network(), net.broadcast()),
    }
}
