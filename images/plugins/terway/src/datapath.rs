//! Configures the network of a pod like Terway 1.17.5 in its policy-route mode (`plugin/datapath/policy_router_linux.go`).
//!
//! Pod: a veth end, the address with a host prefix, the default route via 169.254.1.1 (fe80::1) on that link, and a
//! permanent neighbour entry for this next hop. Node: a route to the pod, `to POD lookup main` before
//! `from POD lookup TABLE`, and in that table the default route via the ENI's gateway. The ENI has the node's own address
//! with a host prefix, so that the node can resolve the gateway's hardware address.

mod sysctl;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;

use ipnet::IpNet;
use plumbline_netlink::packet::link::LinkAttribute;
use plumbline_netlink::packet::route::RouteScope;
use plumbline_netlink::route::{self, MAIN_TABLE};
use plumbline_netlink::{Add, Errno, LinkKind, Netlink, NewAddress, NewLink, NewRoute, NewRule, address, rule};
use sha2::{Digest, Sha256};

use crate::request::PodArgs;
use crate::result::Reported;
use crate::settings::Eni;

/// Priority of `to POD lookup main` (`toContainerPriority`).
const TO_POD: u32 = 512;
/// Priority of `from POD lookup TABLE` (`fromContainerPriority`).
const FROM_POD: u32 = 2048;
/// The next hops in every pod (`LinkIP`, `LinkIPv6`).
const NEXT_HOP: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
const NEXT_HOP6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// Names of the veth's two ends.
pub struct Ends {
    /// In the pod.
    pub pod: String,
    /// On the node.
    pub node: String,
}

/// The name of the node's end of a pod's veth: `cali` and eleven hexadecimal digits from namespace, pod and interface, as in
/// Terway (`VethNameForPod`; another hash). If the pod has no name, the container's id replaces it.
pub fn node_end(pod: &PodArgs, container_id: &str, interface: &str) -> String {
    let interface = if interface == "eth0" { "" } else { interface };
    let name = if pod.name.is_empty() { container_id } else { &pod.name };
    let hash = Sha256::digest(format!("{}.{name}{interface}", pod.namespace));
    let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("cali{}", &digits[..11])
}

/// Configures pod and node for a pod's addresses.
///
/// # Errors
/// The message of the first refused change.
pub fn set_up(
    node: &mut Netlink,
    netns: &OwnedFd,
    ends: &Ends,
    mtu: u32,
    eni: &Eni,
    addresses: &[Reported],
) -> Result<(), String> {
    sysctl::set_node(addresses)?;
    let eni_index = node.link_index(&eni.link).map_err(|error| format!("the ENI {}: {error}", eni.link))?;
    if let Ok(index) = node.link_index(&ends.node) {
        node.delete_link(index).map_err(error_text)?;
    }
    let peer = NewLink::new(&ends.pod, LinkKind::Dummy).mtu(mtu).netns(std::os::fd::AsFd::as_fd(netns)).up();
    node.add_link(&NewLink::veth_to(&ends.node, peer).mtu(mtu).up()).map_err(error_text)?;
    let veth = node.link(&ends.node).map_err(error_text)?;
    let mac = veth.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Address(bytes) => Some(bytes.clone()),
        _ => None,
    });
    let mac = mac.ok_or_else(|| format!("link {} has no hardware address", ends.node))?;
    let own: Vec<IpAddr> = addresses.iter().map(|one| one.address.addr()).collect();
    configure_pod(netns, ends, &own, &mac)?;
    sysctl::set_links(&eni.link, &ends.node, &own)?;
    configure_eni(node, eni, eni_index, addresses)?;
    own.iter().try_for_each(|address| add_node_route(node, veth.header.index, table(eni, eni_index), *address))
}

/// Adds addresses, default routes and neighbours of the pod.
fn configure_pod(netns: &OwnedFd, ends: &Ends, addresses: &[IpAddr], mac: &[u8]) -> Result<(), String> {
    sysctl::set_pod(netns, &ends.pod, addresses)?;
    let mut pod = Netlink::open_in(netns).map_err(error_text)?;
    let index = pod.link_index(&ends.pod).map_err(error_text)?;
    for &address in addresses {
        let (next_hop, default_net) = next_hop(address);
        pod.add_address(&NewAddress::new(IpNet::from(address), index).no_dad()).map_err(error_text)?;
        pod.set_neighbour(next_hop, index, mac).map_err(error_text)?;
        let default = NewRoute::to(default_net).via(next_hop).link(index).on_link();
        pod.add_route(&default, Add::Exclusive).map_err(error_text)?;
    }
    Ok(())
}

/// Adds what all pods of an ENI share: the ENI's own address, the gateway, the default route of its table. Every ADD repeats
/// this, as in Terway, so that it restores what was removed.
fn configure_eni(node: &mut Netlink, eni: &Eni, index: u32, addresses: &[Reported]) -> Result<(), String> {
    node.set_up(index, true).map_err(error_text)?;
    for one in addresses {
        if let Some(address) = own_address(node, one.gateway)? {
            let new = NewAddress::new(IpNet::from(address), index).no_dad();
            ignore_errno(node.add_address(&new), Errno::EEXIST)?;
        }
        let (_, default_net) = next_hop(one.gateway);
        if one.gateway.is_ipv6() {
            let to_gateway = NewRoute::to(IpNet::from(one.gateway)).link(index);
            node.add_route(&to_gateway, Add::Replace).map_err(error_text)?;
        }
        let default = NewRoute::to(default_net).via(one.gateway).link(index).table(table(eni, index)).on_link();
        node.add_route(&default, Add::Replace).map_err(error_text)?;
        // In the cloud the VPC maps an address to its interface. Here the node itself answers for the address.
        node.add_proxy(one.address.addr(), index).map_err(error_text)?;
    }
    Ok(())
}

/// Adds route and rules of one pod's address.
fn add_node_route(node: &mut Netlink, veth: u32, table: u32, address: IpAddr) -> Result<(), String> {
    let host = IpNet::from(address);
    let scope = if address.is_ipv4() { RouteScope::Link } else { RouteScope::Universe };
    node.add_route(&NewRoute::to(host).link(veth).scope(scope), Add::Replace).map_err(error_text)?;
    for new in [NewRule::to(host, MAIN_TABLE, TO_POD), NewRule::from(host, table, FROM_POD)] {
        ignore_errno(node.add_rule(&new), Errno::EEXIST)?;
    }
    Ok(())
}

/// Removes what [`set_up`] added for one pod. Parts that are already gone are no error.
///
/// # Errors
/// The message of the first refused change.
pub fn clear(node: &mut Netlink, ends: &Ends, eni: &Eni, addresses: &[IpAddr]) -> Result<(), String> {
    if let Ok(index) = node.link_index(&ends.node) {
        // The kernel deletes the pod's end and the routes through this link with it.
        ignore_errno(node.delete_link(index), Errno::ENODEV)?;
    }
    for listed in node.rules().map_err(error_text)? {
        let is_of_pod = match rule::priority(&listed) {
            TO_POD => rule::destination(&listed),
            FROM_POD => rule::source(&listed),
            _ => None,
        };
        if is_of_pod.is_some_and(|net| addresses.iter().any(|address| IpNet::from(*address) == net)) {
            ignore_errno(node.delete_rule(&listed), Errno::ENOENT)?;
        }
    }
    if let Ok(index) = node.link_index(&eni.link) {
        for &address in addresses {
            ignore_errno(node.delete_proxy(address, index), Errno::ENOENT)?;
        }
    }
    Ok(())
}

/// Checks that pod and node have what [`set_up`] added.
///
/// # Errors
/// A message that names the first missing part.
pub fn check(netns: &OwnedFd, ends: &Ends, eni: &Eni, addresses: &[IpAddr]) -> Result<(), String> {
    let mut pod = Netlink::open_in(netns).map_err(error_text)?;
    let index = pod.link_index(&ends.pod).map_err(|error| format!("in the pod: {error}"))?;
    let listed = pod.addresses().map_err(error_text)?;
    let mut node = Netlink::open().map_err(error_text)?;
    let eni_index = node.link_index(&eni.link).map_err(error_text)?;
    let rules = node.rules().map_err(error_text)?;
    for &address in addresses {
        let has = listed.iter().any(|one| one.header.index == index && address::local(one) == Some(address));
        if !has {
            return Err(format!("{} has no address {address}", ends.pod));
        }
        let host = IpNet::from(address);
        let wanted = [NewRule::to(host, MAIN_TABLE, TO_POD), NewRule::from(host, table(eni, eni_index), FROM_POD)];
        for (new, direction) in wanted.iter().zip(["to", "from"]) {
            if !rules.iter().any(|listed| new.is(listed)) {
                return Err(format!("the node has no rule {direction} {address}"));
            }
        }
    }
    Ok(())
}

/// The node's address on the link of its default route (`GetHostIP`); none without a default route.
fn own_address(node: &mut Netlink, of_family: IpAddr) -> Result<Option<IpAddr>, String> {
    let routes = node.routes_of(address::family(of_family)).map_err(error_text)?;
    let default = routes.iter().find(|one| {
        one.header.destination_prefix_length == 0 && route::table(one) == MAIN_TABLE && route::gateway(one).is_some()
    });
    let Some(link) = default.and_then(route::link) else { return Ok(None) };
    let on_link = node.addresses().map_err(error_text)?.into_iter().filter(|one| one.header.index == link);
    let global = |address: &IpAddr| match address {
        IpAddr::V4(_) => of_family.is_ipv4(),
        IpAddr::V6(six) => of_family.is_ipv6() && !six.is_unicast_link_local(),
    };
    Ok(on_link.filter_map(|one| address::local(&one)).find(global))
}

fn table(eni: &Eni, index: u32) -> u32 {
    eni.table.unwrap_or(1000 + index)
}

/// The pod's next hop in the family of `address`, and the net that contains all addresses.
fn next_hop(address: IpAddr) -> (IpAddr, IpNet) {
    match address {
        IpAddr::V4(_) => (NEXT_HOP.into(), IpNet::V4(ipnet::Ipv4Net::default())),
        IpAddr::V6(_) => (NEXT_HOP6.into(), IpNet::V6(ipnet::Ipv6Net::default())),
    }
}

fn ignore_errno(outcome: plumbline_netlink::Result<()>, fine: Errno) -> Result<(), String> {
    match outcome {
        Err(error) if !error.is(fine) => Err(error_text(error)),
        _ => Ok(()),
    }
}

fn error_text(error: plumbline_netlink::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_nodes_end_depends_on_the_pod_and_fits() {
        let pod = PodArgs { name: "web".into(), namespace: "shop".into(), container_id: "1".into() };
        let name = node_end(&pod, "1", "eth0");
        assert_eq!(name.len(), 15);
        assert_eq!(name, node_end(&pod, "2", "eth0"));
        assert_ne!(name, node_end(&pod, "1", "eth1"));
        let nameless = PodArgs::default();
        assert_ne!(node_end(&nameless, "1", "eth0"), node_end(&nameless, "2", "eth0"));
    }
}
