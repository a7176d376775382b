//! The IPAM plugins `static` and `host-local` (plugins 1.9.1, `plugins/ipam`), and what a main plugin does with their
//! answer (`pkg/ipam/ipam_linux.go`, `ConfigureIface`).

use super::case::PluginCase;
use super::kernel::{self, MAIN_TABLE, Route};
use super::model::Unpredicted;
use super::result::{Dns, PredictedInterface, PredictedResult, ReportedAddress, ReportedRoute};
use super::settings;
use super::sysctls;
use super::world::World;
use crate::state::{FactKey, FactKind, Subject};
use ipnet::IpNet;
use serde_json::Value;
use std::net::IpAddr;

/// The source of an address of `CNI_ARGS`.
const FROM_ARGUMENTS: &str = "CNI_ARGS IP";

/// What an IPAM plugin gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IpamResult {
    /// Addresses, each with its gateway and the key that requested it.
    pub addresses: Vec<(IpNet, Option<IpAddr>, String)>,
    /// Routes, each with the key that requested it.
    pub routes: Vec<(Route, String)>,
    /// DNS settings; none where they can't be known.
    pub dns: Option<Dns>,
}

impl IpamResult {
    /// The addresses of an interface, as a main plugin reports them.
    pub fn reported_addresses(&self, interface: &str) -> Vec<(ReportedAddress, String)> {
        let reported = |(address, gateway, key): &(IpNet, Option<IpAddr>, String)| {
            let interface = Some(interface.to_owned());
            (ReportedAddress { address: *address, gateway: *gateway, interface }, key.clone())
        };
        self.addresses.iter().map(reported).collect()
    }

    /// The routes, as a main plugin reports them.
    pub fn reported_routes(&self) -> Vec<(ReportedRoute, String)> {
        self.routes.iter().map(|(route, key)| (reported_route(route), key.clone())).collect()
    }
}

/// A requested route as a result has it: without a gateway that it gets from an address.
pub fn reported_route(route: &Route) -> ReportedRoute {
    ReportedRoute {
        to: route.to,
        via: route.via,
        metric: Some(route.metric).filter(|metric| *metric != 0),
        table: Some(route.table).filter(|table| *table != MAIN_TABLE),
    }
}

/// Predicts the IPAM part of ADD; none for a configuration without IPAM.
///
/// # Errors
/// What can't be predicted.
pub fn add(case: &PluginCase<'_>, world: &mut World<'_>) -> Result<Option<IpamResult>, Unpredicted> {
    let Some(kind) = case.text(&["ipam", "type"]) else { return Ok(None) };
    let addresses = match kind {
        "static" => static_addresses(case)?,
        "host-local" => leased_addresses(case, world)?,
        other => return Err(Unpredicted::plugin(other)),
    };
    // What the node's file of `resolvConf` has can't be known.
    let dns = match case.text(&["ipam", "resolvConf"]) {
        Some(_) if kind == "host-local" => None,
        _ if kind == "static" => Some(case.dns(&["ipam", "dns"])),
        _ => Some(Dns::default()),
    };
    Ok(Some(IpamResult { addresses, routes: requested_routes(case)?, dns }))
}

/// Predicts the IPAM part of DEL.
///
/// # Errors
/// What can't be predicted.
pub fn del(case: &PluginCase<'_>, world: &mut World<'_>) -> Result<(), Unpredicted> {
    match case.text(&["ipam", "type"]) {
        None | Some("static") => Ok(()),
        Some("host-local") => {
            release_leases(case, world);
            Ok(())
        }
        Some(other) => Err(Unpredicted::plugin(other)),
    }
}

/// The addresses of `static`: its own and those of `CNI_ARGS`, or instead of both those of `args.cni`, or of `runtimeConfig`
/// (`LoadIPAMConfig`).
fn static_addresses(case: &PluginCase<'_>) -> Result<Vec<(IpNet, Option<IpAddr>, String)>, Unpredicted> {
    let unreadable = |what: &str| Unpredicted::value(what);
    for (path, key) in [(&["runtimeConfig", "ips"][..], "runtimeConfig/ips"), (&["args", "cni", "ips"], "args/cni/ips")]
    {
        let listed = case.list(path);
        if !listed.is_empty() {
            let address = |value: &Value| value.as_str()?.parse::<IpNet>().ok();
            let address = |value| address(value).map(|address| (address, None, key.to_owned()));
            return listed.iter().map(|value| address(value).ok_or_else(|| unreadable(key))).collect();
        }
    }
    let mut addresses = Vec::new();
    for (index, entry) in case.list(&["ipam", "addresses"]).iter().enumerate() {
        let key = format!("ipam/addresses/{index}");
        let object = entry.as_object().ok_or_else(|| unreadable(&key))?;
        let text = |name: &str| crate::chain::go_key(object, name).and_then(Value::as_str);
        let address: IpNet = text("address").and_then(|text| text.parse().ok()).ok_or_else(|| unreadable(&key))?;
        let gateway = text("gateway").filter(|text| !text.is_empty());
        let gateway = gateway.map(|text| text.parse().map_err(|_| unreadable(&key))).transpose()?;
        addresses.push((address, gateway, key));
    }
    for text in case.argument("IP").into_iter().flat_map(|list| list.split(',')) {
        let address = text.trim().parse().map_err(|_| unreadable(FROM_ARGUMENTS))?;
        addresses.push((address, None, FROM_ARGUMENTS.to_owned()));
    }
    // Addresses of the configuration are not read yet when the plugin looks for that of a gateway.
    for text in case.argument("GATEWAY").into_iter().flat_map(|list| list.split(',')) {
        let gateway: IpAddr = text.trim().parse().map_err(|_| unreadable("CNI_ARGS GATEWAY"))?;
        let of_arguments = addresses.iter_mut().filter(|(.., key)| key == FROM_ARGUMENTS);
        let within = of_arguments.filter(|(address, ..)| address.contains(&gateway));
        within.for_each(|(_, of, _)| *of = Some(gateway));
    }
    Ok(addresses)
}

/// One range of host-local.
struct Range {
    subnet: IpNet,
    first: IpAddr,
    last: IpAddr,
    gateway: IpAddr,
    key: String,
}

impl Range {
    fn has(&self, address: IpAddr) -> bool {
        self.first <= address && address <= self.last && address.is_ipv4() == self.subnet.addr().is_ipv4()
    }
}

/// The sets of ranges: those of the runtime first, then the short form, then `ranges` (`LoadIPAMConfig`,
/// `plugins/ipam/host-local/backend/allocator`).
fn range_sets(case: &PluginCase<'_>) -> Result<Vec<Vec<Range>>, Unpredicted> {
    let mut sets = listed_sets(case, &["runtimeConfig", "ipRanges"])?;
    if let Some(ipam) = case.key(&["ipam"])
        && case.text(&["ipam", "subnet"]).is_some()
    {
        sets.push(vec![read_range(ipam, "ipam/subnet")?]);
    }
    sets.extend(listed_sets(case, &["ipam", "ranges"])?);
    Ok(sets)
}

fn listed_sets(case: &PluginCase<'_>, path: &[&str]) -> Result<Vec<Vec<Range>>, Unpredicted> {
    let key = path.join("/");
    let read_set = |(outer, set): (usize, &Value)| {
        let ranges = set.as_array().map_or(&[][..], Vec::as_slice).iter().enumerate();
        ranges.map(|(inner, range)| read_range(range, &format!("{key}/{outer}/{inner}"))).collect()
    };
    case.list(path).iter().enumerate().map(read_set).collect()
}

/// The addresses that are requested of host-local, by `CNI_ARGS`, `args.cni` or the runtime; with or without a prefix
/// length.
fn requested_addresses(case: &PluginCase<'_>) -> Vec<IpAddr> {
    let listed = [&["args", "cni", "ips"][..], &["runtimeConfig", "ips"]].into_iter().flat_map(|path| case.list(path));
    let texts = case.argument("IP").into_iter().chain(listed.filter_map(Value::as_str));
    texts.filter_map(|text| text.split('/').next()?.trim().parse().ok()).collect()
}

fn read_range(value: &Value, key: &str) -> Result<Range, Unpredicted> {
    let unreadable = || Unpredicted::value(key);
    let object = value.as_object().ok_or_else(unreadable)?;
    let text = |name: &str| crate::chain::go_key(object, name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let subnet: IpNet = text("subnet").and_then(|text| text.parse().ok()).ok_or_else(unreadable)?;
    let subnet = subnet.trunc();
    let address = |name: &str, default: IpAddr| match text(name) {
        Some(text) => text.parse().map_err(|_| unreadable()),
        None => Ok(default),
    };
    let second = next(subnet.network());
    // The last address of an IPv4 network is its broadcast address.
    let last = if subnet.addr().is_ipv4() { before(subnet.broadcast()) } else { subnet.broadcast() };
    Ok(Range {
        first: address("rangeStart", second)?,
        last: address("rangeEnd", last)?,
        gateway: address("gateway", second)?,
        subnet,
        key: key.to_owned(),
    })
}

fn next(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4(u32::from(v4).wrapping_add(1).into()),
        IpAddr::V6(v6) => IpAddr::V6(u128::from(v6).wrapping_add(1).into()),
    }
}

fn before(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4(u32::from(v4).wrapping_sub(1).into()),
        IpAddr::V6(v6) => IpAddr::V6(u128::from(v6).wrapping_sub(1).into()),
    }
}

/// The folder of host-local's leases of a network.
fn lease_folder(case: &PluginCase<'_>) -> String {
    let data = case.text(&["ipam", "dataDir"]).unwrap_or("/var/lib/cni/networks");
    format!("{}/{}", settings::folder(data), case.network())
}

fn lease_file(folder: &str, name: &str) -> FactKey {
    FactKey::new(FactKind::File, "", format!("{folder}/{name}"))
}

/// What a lease's file has: container id and interface.
fn lease_text(case: &PluginCase<'_>) -> String {
    format!("{}\n{}", case.container_id(), case.interface())
}

/// The addresses that host-local leases, one of each set of ranges. Which one of a range can't be known: the result has
/// it, and it must be within the range, no gateway, and not leased already.
fn leased_addresses(
    case: &PluginCase<'_>,
    world: &mut World<'_>,
) -> Result<Vec<(IpNet, Option<IpAddr>, String)>, Unpredicted> {
    let folder = lease_folder(case);
    let mut reported: Vec<IpAddr> =
        case.reported().into_iter().flat_map(|result| &result.addresses).map(|one| one.address.addr()).collect();
    let requested = requested_addresses(case);
    let mut addresses = Vec::new();
    for (number, set) in range_sets(case)?.iter().enumerate() {
        let has_requested = set.iter().any(|range| requested.iter().any(|address| range.has(*address)));
        let mut is_free = |address: &IpAddr| {
            let range = set.iter().find(|range| range.has(*address));
            let range = range.filter(|_| !has_requested || requested.contains(address));
            let taken = world.text(Subject::Node, &lease_file(&folder, &address.to_string())).is_some();
            range.filter(|range| !taken && range.gateway != *address).map(|range| (*address, range))
        };
        let Some((address, range)) = reported.iter().find_map(&mut is_free) else {
            let ranges: Vec<String> = set.iter().map(|range| format!("{} to {}", range.first, range.last)).collect();
            let requested: Vec<String> = requested.iter().map(ToString::to_string).collect();
            let expected = match has_requested {
                true => format!("the requested address of {}", requested.join(", ")),
                false => format!("a free address from {}", ranges.join(", ")),
            };
            return Err(Unpredicted::Violated {
                expected,
                found: reported.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
                key: set.first().map_or_else(|| "ipam/ranges".to_owned(), |range| range.key.clone()),
            });
        };
        reported.retain(|other| *other != address);
        world.because(range.key.clone(), "the lease of the address (host-local, backend/disk)");
        world.set_value(Subject::Node, lease_file(&folder, &address.to_string()), lease_text(case));
        let last = lease_file(&folder, &format!("last_reserved_ip.{number}"));
        world.set_value(Subject::Node, last, address.to_string());
        let prefix = range.subnet.prefix_len();
        let address = IpNet::new(address, prefix).map_err(|_| Unpredicted::value(&range.key))?;
        addresses.push((address, Some(range.gateway), range.key.clone()));
    }
    Ok(addresses)
}

/// DEL takes away every lease of container and interface (`ReleaseByID`, backend/disk).
fn release_leases(case: &PluginCase<'_>, world: &mut World<'_>) {
    world.because("ipam", "the lease is given back (host-local, backend/disk)");
    let (folder, text) = (format!("{}/", lease_folder(case)), lease_text(case));
    for key in world.keys_of_kind(Subject::Node, FactKind::File) {
        if key.item.starts_with(&folder) && world.text(Subject::Node, &key).as_deref() == Some(&text) {
            world.remove(Subject::Node, key);
        }
    }
}

fn requested_routes(case: &PluginCase<'_>) -> Result<Vec<(Route, String)>, Unpredicted> {
    let mut routes = Vec::new();
    for (index, entry) in case.list(&["ipam", "routes"]).iter().enumerate() {
        let key = format!("ipam/routes/{index}");
        routes.push((read_route(entry, &key)?, key));
    }
    Ok(routes)
}

/// A route of a configuration or a result (`types.Route` of containernetworking/cni).
///
/// # Errors
/// What can't be read.
pub fn read_route(value: &Value, key: &str) -> Result<Route, Unpredicted> {
    let unreadable = || Unpredicted::value(key);
    let object = value.as_object().ok_or_else(unreadable)?;
    let field = |name: &str| crate::chain::go_key(object, name).filter(|value| !value.is_null());
    let to: IpNet = field("dst").and_then(Value::as_str).and_then(|text| text.parse().ok()).ok_or_else(unreadable)?;
    let via = match field("gw").and_then(Value::as_str).filter(|text| !text.is_empty()) {
        Some(text) => Some(text.parse().map_err(|_| unreadable())?),
        None => None,
    };
    let number = |name: &str| -> Result<Option<u32>, Unpredicted> {
        let read = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok()).ok_or_else(unreadable);
        field(name).map(read).transpose()
    };
    let scope = match number("scope")? {
        None | Some(0) => "global",
        Some(253) => "link",
        Some(254) => "host",
        Some(_) => return Err(unreadable()),
    };
    if let Some(name) = ["mtu", "advmss"].into_iter().find(|name| field(name).is_some_and(|value| value != 0)) {
        return Err(Unpredicted::key(&format!("{key}/{name}")));
    }
    // Without a table, and with table 0, the kernel takes the main one.
    let table = number("table")?.filter(|table| *table != 0).unwrap_or(MAIN_TABLE);
    Ok(Route { to: to.trunc(), via, src: None, table, metric: number("priority")?.unwrap_or(0), scope })
}

/// What a main plugin does with an IPAM result: addresses, the link up, routes (`ConfigureIface`).
pub fn configure(world: &mut World<'_>, interface: &str, ipam: &IpamResult) {
    if let Some((_, _, key)) = ipam.addresses.iter().find(|(address, ..)| address.addr().is_ipv6()) {
        world.because(key.clone(), "IPv6 is switched on for an IPv6 address (pkg/ipam/ipam_linux.go)");
        for device in ["lo", interface] {
            sysctls::set_device_sysctl(world, Subject::Pod, "ipv6", device, "disable_ipv6", "0");
        }
        sysctls::set_device_sysctl(world, Subject::Pod, "ipv6", interface, "keep_addr_on_down", "1");
    }
    for (address, _, key) in &ipam.addresses {
        world.because(key.clone(), "address");
        kernel::add_address(world, Subject::Pod, interface, *address);
    }
    world.because("", "the plugin sets its interface up");
    kernel::set_up(world, Subject::Pod, interface);
    for (route, key) in &ipam.routes {
        world.because(key.clone(), "route");
        let of_family = |(_, gateway, _): &&(IpNet, Option<IpAddr>, String)| {
            gateway.is_some_and(|gateway| gateway.is_ipv4() == route.to.addr().is_ipv4())
        };
        let gateway = ipam.addresses.iter().find(of_family).and_then(|(_, gateway, _)| *gateway);
        // A gateway of zeros is none.
        let via = route.via.or(gateway).filter(|via| !via.is_unspecified());
        kernel::add_route(world, Subject::Pod, interface, &Route { via, ..route.clone() }, false);
    }
}

/// Which DNS settings a main plugin reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsSource {
    /// Those of its configuration, whatever the IPAM plugin says.
    Configuration,
    /// Those of its configuration, if it has any, else the IPAM plugin's.
    ConfigurationFirst,
}

/// What a main plugin reports: its interfaces, and what the IPAM plugin gave.
pub fn report(
    case: &PluginCase<'_>,
    world: &mut World<'_>,
    interfaces: Vec<PredictedInterface>,
    ipam: Option<&IpamResult>,
    source: DnsSource,
) {
    let own = case.dns(&["dns"]);
    let dns = match (source, ipam) {
        (DnsSource::ConfigurationFirst, Some(ipam)) if own == Dns::default() => {
            ipam.dns.clone().map(|dns| (dns, "ipam/dns"))
        }
        _ => Some((own, "dns")),
    };
    let addresses = ipam.map(|ipam| ipam.reported_addresses(case.interface())).unwrap_or_default();
    let routes = ipam.map(IpamResult::reported_routes).unwrap_or_default();
    world.report(PredictedResult { interfaces, addresses, routes, dns });
}
