//! `ptp` (plugins 1.9.1, `plugins/main/ptp/ptp.go`).

use super::bridge::pod_addresses;
use crate::predict::case::PluginCase;
use crate::predict::ipam::DnsSource;
use crate::predict::kernel::{self, DEFAULT_MTU, Route};
use crate::predict::model::Unpredicted;
use crate::predict::result::PredictedInterface;
use crate::predict::sysctls;
use crate::predict::world::World;
use crate::predict::{ipam, masquerade, settings};
use crate::state::{Subject, peer_name};
use ipnet::IpNet;

/// ADD makes a veth. In the pod all traffic goes through the gateway, whose address the other end has; on the node a route
/// of each address leads to the pod.
///
/// # Errors
/// What can't be predicted.
pub fn add(case: &PluginCase<'_>, world: &mut World<'_>) -> Result<(), Unpredicted> {
    let interface = case.interface();
    let peer = peer_name(interface);
    let result = ipam::add(case, world)?.ok_or_else(|| Unpredicted::value("ipam"))?;
    for (address, ..) in &result.addresses {
        world.because("ipam", "the node forwards");
        sysctls::enable_forwarding(world, address.addr().is_ipv6());
    }
    world.because("", "a veth between pod and node");
    let mtu = settings::mtu(case)?;
    kernel::add_veth(world, interface, mtu.unwrap_or(DEFAULT_MTU), None);
    settings::set_veth_mtu(world, interface, mtu);
    world.because("", "the plugin accepts no router advertisements on its end of the node");
    sysctls::set_device_sysctl(world, Subject::Node, "ipv6", &peer, "accept_ra", "0");
    ipam::configure(world, interface, &result);
    let links = vec![PredictedInterface::on_node(None, &peer), PredictedInterface::in_pod(interface)];
    ipam::report(case, world, links, Some(&result), DnsSource::ConfigurationFirst);
    for (address, gateway, key) in &result.addresses {
        let gateway = gateway.ok_or_else(|| Unpredicted::value(key))?;
        let src = Some(address.addr());
        world.because(key.clone(), "traffic to the network goes through the gateway");
        let metric = if address.addr().is_ipv6() { 256 } else { 0 };
        let connected = Route { metric, ..Route::new(address.trunc(), None) };
        kernel::delete_route(world, Subject::Pod, interface, &connected);
        let to_gateway = Route { src, scope: "link", ..Route::new(IpNet::from(gateway), None) };
        kernel::add_route(world, Subject::Pod, interface, &to_gateway, true);
        let through = Route { src, ..Route::new(address.trunc(), Some(gateway)) };
        kernel::add_route(world, Subject::Pod, interface, &through, true);
        world.because(key.clone(), "the other end has the gateway's address");
        kernel::add_address(world, Subject::Node, &peer, IpNet::from(gateway));
        world.because(key.clone(), "the node's route to the pod");
        let to_pod = Route { scope: "host", ..Route::new(IpNet::from(address.addr()), None) };
        kernel::add_route(world, Subject::Node, &peer, &to_pod, true);
    }
    if case.is_on(&["ipMasq"]) {
        let addresses: Vec<IpNet> = result.addresses.iter().map(|(address, ..)| *address).collect();
        masquerade::add(case, world, &addresses)?;
    }
    Ok(())
}

/// DEL deletes the veth and the rules of masquerading, and gives the addresses back.
///
/// # Errors
/// What can't be predicted.
pub fn del(case: &PluginCase<'_>, world: &mut World<'_>) -> Result<(), Unpredicted> {
    ipam::del(case, world)?;
    let interface = case.interface();
    let had_link = world.has_link(Subject::Pod, interface);
    let addresses = pod_addresses(world, interface);
    world.because("", "DEL deletes the veth");
    kernel::delete_link(world, Subject::Pod, interface);
    if case.is_on(&["ipMasq"]) && had_link {
        masquerade::del(case, world, &addresses);
    }
    Ok(())
}
