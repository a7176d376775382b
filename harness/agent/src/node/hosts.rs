//! External hosts: gateways and peers.

use plumbline_core::plan::Host;
use plumbline_netlink::packet::route::RouteMessage;
use plumbline_netlink::{Add, Errno, LinkKind, Netlink, NewRoute, route};

use super::links::{add_addresses, add_vlan_link, allow_existing, find_interface};
use super::readiness::wait_for_links;
use crate::error::{During, RequestError, fault};
use crate::input::Input;
use crate::namespaces::named::bring_up_loopback;
use crate::namespaces::sysctls::{self, Forwarding};

/// Configures the current namespace as a host. `interfaces` has the index of each port, in order; ports on one uplink share
/// an interface.
///
/// # Errors
/// A fault that names the host and the step.
pub fn configure_host(netlink: &mut Netlink, host: &Host, interfaces: &[u32]) -> Result<(), RequestError> {
    let action = format!("make host {}", host.name);
    if interfaces.len() != host.ports.len() {
        let cause = format!("interfaces: expected {}, one for each port, found {}", host.ports.len(), interfaces.len());
        return Err(fault(action, cause));
    }
    for (port, index) in host.ports.iter().zip(interfaces) {
        netlink.set_up(*index, true).during(&action)?;
        let index = match port.vlan {
            None => *index,
            Some(id) => {
                let name = format!("{}.{id}", netlink.link_name(*index).during(&action)?.unwrap_or_default());
                add_vlan_link(netlink, &name, LinkKind::Vlan { parent: *index, id }, &format!("{action}: VLAN {id}"))?
            }
        };
        add_addresses(netlink, &port.addresses, index, &action)?;
    }
    let lo = netlink.link_index("lo").during(&action)?;
    add_addresses(netlink, &host.behind, lo, &action)?;
    for (to, via) in &host.routes {
        let route = NewRoute::to(to.trunc()).via(*via);
        allow_existing(netlink.add_route(&route, Add::Exclusive)).during(format!("{action}: route {to} via {via}"))?;
    }
    Ok(())
}

/// Makes the container of this process a host: removes the engine's addresses and routes from its ports, and configures
/// it.
///
/// # Errors
/// As [`configure_host`]; a sysctl that differs and cannot be written.
pub fn become_host(host: &Host, interfaces: &[String], input: &mut Input) -> Result<(), RequestError> {
    let action = format!("make this container host {}", host.name);
    let mut netlink = Netlink::open().during(&action)?;
    bring_up_loopback().during(&action)?;
    sysctls::set_forwarding(if host.gateway { Forwarding::On } else { Forwarding::Off }).during(&action)?;
    let indexes: Vec<u32> =
        interfaces.iter().map(|interface| find_interface(&mut netlink, interface)).collect::<Result<_, _>>()?;
    for index in &indexes {
        netlink.flush_addresses(*index).during(&action)?;
    }
    let listed = netlink.routes().during(&action)?;
    let is_engine_route = |one: &&RouteMessage| {
        route::gateway(one).is_some() && route::link(one).is_some_and(|link| indexes.contains(&link))
    };
    // Routes by a gateway remain when the addresses are removed.
    for one in listed.iter().filter(is_engine_route) {
        match netlink.delete_route(one) {
            Err(error) if error.is(Errno::ESRCH) => {}
            result => result.during(&action)?,
        }
    }
    configure_host(&mut netlink, host, &indexes)?;
    wait_for_links(&mut netlink, &indexes, input)
}
