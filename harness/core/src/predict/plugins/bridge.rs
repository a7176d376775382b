//! `bridge` (plugins 1.9.1, `plugins/main/bridge/bridge.go`).

use crate::predict::case::PluginCase;
use crate::predict::expected::Expected;
use crate::predict::ipam::{self, DnsSource, IpamResult};
use crate::predict::kernel::{self, DEFAULT_MTU, NewLink, Route};
use crate::predict::masquerade;
use crate::predict::model::Unpredicted;
use crate::predict::result::PredictedInterface;
use crate::predict::settings::{self, MacSource};
use crate::predict::sysctls;
use crate::predict::world::World;
use crate::state::{FactKind, Subject, peer_name};
use ipnet::IpNet;
use std::net::IpAddr;

/// The name of the bridge where the configuration has none (`defaultBrName`).
const DEFAULT_BRIDGE: &str = "cni0";

/// Keys whose effect is not modelled.
const NOT_MODELLED: [&str; 5] = ["vlan", "vlanTrunk", "macspoofchk", "disableContainerInterface", "promiscMode"];

/// ADD makes the bridge where there is none, a veth whose end on the node is a port of it, and with `isGateway` gives the
/// bridge the gateway's address.
///
/// # Errors
/// What can't be predicted.
pub fn add(case: &PluginCase<'_>, world: &mut World<'_>) -> Result<(), Unpredicted> {
    let is_set =
        |key: &&&str| case.key(&[key]).is_some_and(|value| !matches!(value.as_i64(), Some(0)) && value != false);
    if let Some(key) = NOT_MODELLED.iter().find(is_set) {
        return Err(Unpredicted::key(key));
    }
    let bridge = case.text(&["bridge"]).unwrap_or(DEFAULT_BRIDGE);
    let interface = case.interface();
    let peer = peer_name(interface);
    let mtu = settings::mtu(case)?;
    let mac = settings::mac(case, &[MacSource::Runtime, MacSource::Args, MacSource::Environment])?;
    add_bridge(world, bridge, mtu);
    world.because("", "a veth whose end on the node is a port of the bridge");
    kernel::add_veth(world, interface, mtu.unwrap_or(DEFAULT_MTU), mac.as_ref().map(|(mac, _)| mac.as_str()));
    if let Some((mac, key)) = &mac {
        world.because(*key, "the requested MAC address");
        world.set_attribute(Subject::Pod, interface, "mac", mac);
    }
    settings::set_veth_mtu(world, interface, mtu);
    world.because("", "the plugin accepts no router advertisements on its ends of the node");
    sysctls::set_device_sysctl(world, Subject::Node, "ipv6", &peer, "accept_ra", "0");
    world.because("bridge", "a port of the bridge");
    kernel::add_port(world, bridge, &peer);
    for (key, attribute) in [("hairpinMode", "hairpin"), ("portIsolation", "isolated")] {
        world.because(key, "a setting of the port");
        world.set_attribute(Subject::Node, &peer, attribute, if case.is_on(&[key]) { "on" } else { "off" });
    }
    let links = vec![
        PredictedInterface::on_node(Some(bridge), bridge),
        PredictedInterface::on_node(None, &peer),
        PredictedInterface::in_pod(interface),
    ];
    let Some(mut result) = ipam::add(case, world)? else {
        world.because("", "bridge sets its interface up");
        kernel::set_up(world, Subject::Pod, interface);
        ipam::report(case, world, links, None, DnsSource::ConfigurationFirst);
        return Ok(());
    };
    add_gateways(case, &mut result);
    ipam::report(case, world, links, Some(&result), DnsSource::ConfigurationFirst);
    world.because("ipam", "changes of the address are announced (arp_notify)");
    sysctls::set_device_sysctl(world, Subject::Pod, "ipv4", interface, "arp_notify", "1");
    world.because("enabledad", "duplicate address detection");
    let detects = case.is_on(&["enabledad"]);
    if detects {
        sysctls::set_device_sysctl(world, Subject::Pod, "ipv6", interface, "enhanced_dad", "1");
    }
    let detection = if detects { "1" } else { "0" };
    sysctls::set_device_sysctl(world, Subject::Pod, "ipv6", interface, "accept_dad", detection);
    ipam::configure(world, interface, &result);
    if let Some(key) = gateway_key(case) {
        for (address, gateway, _) in &result.addresses {
            let Some(gateway) = gateway else { continue };
            world.because(key, "the bridge has the gateway's address");
            set_gateway(case, world, bridge, *gateway, address.prefix_len())?;
            world.because(key, "the node forwards");
            sysctls::enable_forwarding(world, gateway.is_ipv6());
        }
    }
    if case.is_on(&["ipMasq"]) {
        let addresses: Vec<IpNet> = result.addresses.iter().map(|(address, ..)| *address).collect();
        masquerade::add(case, world, &addresses)?;
    }
    Ok(())
}

/// `ensureBridge`.
fn add_bridge(world: &mut World<'_>, bridge: &str, mtu: Option<u32>) {
    if !world.has_link(Subject::Node, bridge) {
        world.because("bridge", "the bridge is made if it does not exist");
        let value = |text: &str| Expected::value(text);
        let link = NewLink {
            kind: "bridge",
            mtu: Some(mtu.unwrap_or(DEFAULT_MTU)),
            mac: None,
            queue_length: value("1000"),
            attributes: vec![
                ("forward delay", value("1500")),
                ("ageing time", value("30000")),
                ("stp", value("disabled")),
                ("priority", value("32768")),
                ("vlan filtering", value("off")),
                // Kernels without VLAN filtering report none.
                ("default pvid", Expected::Free),
                ("multicast snooping", Expected::Free),
                ("group forward mask", value("0")),
            ],
        };
        kernel::add_link(world, Subject::Node, bridge, &link);
    }
    world.because("bridge", "the plugin accepts no router advertisements on its bridge");
    sysctls::set_device_sysctl(world, Subject::Node, "ipv6", bridge, "accept_ra", "0");
    world.because("bridge", "the bridge is set up");
    kernel::set_up(world, Subject::Node, bridge);
}

/// The key that makes the bridge the gateway; none where it is not.
fn gateway_key(case: &PluginCase<'_>) -> Option<&'static str> {
    ["isGateway", "isDefaultGateway"].into_iter().find(|key| case.is_on(&[key]))
}

/// `calcGateways`: an address without a gateway gets the first of its network, and `isDefaultGateway` adds a default route
/// for each family that has none with a gateway.
fn add_gateways(case: &PluginCase<'_>, result: &mut IpamResult) {
    let mut defaults = Vec::new();
    for (address, gateway, _) in &mut result.addresses {
        if gateway.is_none() && gateway_key(case).is_some() {
            *gateway = first_of(address);
        }
        let is_v4 = address.addr().is_ipv4();
        let is_default = |route: &Route| route.to.prefix_len() == 0 && route.to.addr().is_ipv4() == is_v4;
        let has_default = result.routes.iter().any(|(route, _)| is_default(route) && route.via.is_some());
        let is_known = defaults.iter().any(|(route, _): &(Route, String)| is_default(route));
        if case.is_on(&["isDefaultGateway"]) && !has_default && !is_known {
            let all: Option<IpNet> = if is_v4 { "0.0.0.0/0".parse().ok() } else { "::/0".parse().ok() };
            defaults.extend(all.map(|to| (Route::new(to, *gateway), "isDefaultGateway".to_owned())));
        }
    }
    result.routes.extend(defaults);
}

fn first_of(address: &IpNet) -> Option<IpAddr> {
    match address.network() {
        IpAddr::V4(v4) => Some(IpAddr::V4(u32::from(v4).checked_add(1)?.into())),
        IpAddr::V6(v6) => Some(IpAddr::V6(u128::from(v6).checked_add(1)?.into())),
    }
}

/// `ensureAddr`.
fn set_gateway(
    case: &PluginCase<'_>,
    world: &mut World<'_>,
    bridge: &str,
    gateway: IpAddr,
    prefix: u8,
) -> Result<(), Unpredicted> {
    let wanted = IpNet::new(gateway, prefix).map_err(|_| Unpredicted::value("ipam"))?;
    let present: Vec<IpNet> = world
        .keys_of_link(Subject::Node, FactKind::Address, bridge)
        .iter()
        .filter_map(|key| key.item.parse().ok())
        .collect();
    let overlaps = |one: &&IpNet| {
        let same_family = one.addr().is_ipv4() == wanted.addr().is_ipv4();
        let joint = wanted.addr().is_ipv4() || one.contains(&wanted.addr()) || wanted.contains(&one.addr());
        same_family && joint && **one != wanted
    };
    if present.contains(&wanted) {
        return Ok(());
    }
    if present.iter().any(|one| overlaps(&one)) {
        let key = if case.is_on(&["forceAddress"]) { "forceAddress" } else { "isGateway" };
        return Err(Unpredicted::key(key));
    }
    kernel::add_address(world, Subject::Node, bridge, wanted);
    Ok(())
}

/// DEL deletes the veth and the rules of masquerading, and gives the addresses back. The bridge and its address stay.
///
/// # Errors
/// What can't be predicted.
pub fn del(case: &PluginCase<'_>, world: &mut World<'_>) -> Result<(), Unpredicted> {
    ipam::del(case, world)?;
    let interface = case.interface();
    let addresses = pod_addresses(world, interface);
    world.because("", "DEL deletes the veth");
    kernel::delete_link(world, Subject::Pod, interface);
    if case.is_on(&["ipMasq"]) {
        masquerade::del(case, world, &addresses);
    }
    Ok(())
}

/// The addresses of an interface of the pod that are not link-local.
pub fn pod_addresses(world: &World<'_>, interface: &str) -> Vec<IpNet> {
    let keys = world.keys_of_link(Subject::Pod, FactKind::Address, interface);
    let addresses = keys.iter().filter_map(|key| key.item.parse::<IpNet>().ok());
    addresses.filter(|address| !crate::observe::is_v6_link_local(address.addr())).collect()
}
