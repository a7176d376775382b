//! Hosts outside: gateways and peers.

use plumbline_core::plan::Host;
use plumbline_netlink::packet::route::RouteMessage;
use plumbline_netlink::{Add, Errno, LinkKind, Netlink, NewAddress, NewRoute, link, route};

use super::bridges::kept;
use super::sysctls::{self, Forwards};
use super::{init, links, settle};
use crate::place::Place;
use crate::trouble::{Doing, Trouble, fault};

/// Shapes the namespace this thread is in into a host: `interfaces` are the indexes of its ports, one for each, in
/// order; ports on one uplink share one.
///
/// # Errors
/// A fault that names the host and the step.
pub fn shape(netlink: &mut Netlink, host: &Host, interfaces: &[u32]) -> Result<(), Trouble> {
    let doing = format!("make host {}", host.name);
    if interfaces.len() != host.ports.len() {
        let cause = format!("it has {} ports, and {} interfaces were given", host.ports.len(), interfaces.len());
        return Err(fault(doing, cause));
    }
    for (port, index) in host.ports.iter().zip(interfaces) {
        netlink.set_up(*index, true).doing(&doing)?;
        let index = match port.vlan {
            None => *index,
            Some(id) => {
                let name = format!("{}.{id}", name(netlink, *index).doing(&doing)?);
                links::add(netlink, &name, LinkKind::Vlan { parent: *index, id }, &format!("{doing}: VLAN {id}"))?
            }
        };
        for address in &port.addresses {
            kept(netlink.add_address(&NewAddress::new(*address, index).no_dad())).doing(&doing)?;
        }
    }
    let lo = netlink.link_index("lo").doing(&doing)?;
    for address in &host.behind {
        kept(netlink.add_address(&NewAddress::new(*address, lo).no_dad())).doing(&doing)?;
    }
    for (to, via) in &host.routes {
        let route = NewRoute::to(to.trunc()).via(*via);
        kept(netlink.add_route(&route, Add::Exclusive)).doing(format!("{doing}: route {to} via {via}"))?;
    }
    Ok(())
}

fn name(netlink: &mut Netlink, index: u32) -> plumbline_netlink::Result<String> {
    let listed = netlink.links()?;
    let found = listed.iter().find(|one| one.header.index == index);
    Ok(found.map(|one| link::name(one).to_owned()).unwrap_or_default())
}

/// Makes the namespace that this program is in (a container of ours) a host: the engine's addresses and routes go from its
/// ports.
///
/// # Errors
/// As [`shape`]; where a sysctl is not what it has to be and can't be written.
pub fn be(host: &Host, interfaces: &[String], place: &mut Place) -> Result<(), Trouble> {
    let doing = format!("make this a host, {}", host.name);
    let mut netlink = Netlink::open().doing(&doing)?;
    init::loopback().doing(&doing)?;
    sysctls::forward(if host.gateway { Forwards::Yes } else { Forwards::No }).map_err(|cause| fault(&doing, cause))?;
    let indexes: Vec<u32> =
        interfaces.iter().map(|interface| links::find(&mut netlink, interface)).collect::<Result<_, _>>()?;
    for index in &indexes {
        netlink.flush_addresses(*index).doing(&doing)?;
    }
    let listed = netlink.routes().doing(&doing)?;
    let theirs = |one: &&RouteMessage| {
        route::gateway(one).is_some() && route::link(one).is_some_and(|link| indexes.contains(&link))
    };
    // Those by a gateway stay when the addresses go; the host has only its own.
    for one in listed.iter().filter(theirs) {
        match netlink.delete_route(one) {
            Err(error) if error.is(Errno::ESRCH) => {}
            done => done.doing(&doing)?,
        }
    }
    shape(&mut netlink, host, &indexes)?;
    settle::links(&mut netlink, &indexes, place)
}
