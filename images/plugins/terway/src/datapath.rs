//! What is laid for a pod, as Terway 1.17.5 lays it in its policy-route mode (`plugin/datapath/policy_router_linux.go`).
//!
//! Pod: a veth end with the address as a host, the default route by 169.254.1.1 (fe80::1) on that link, whose hardware
//! address is told. Node: a route to the pod, `to POD lookup main` before `from POD lookup TABLE`, and in that table the
//! default by the ENI's gateway. The ENI has the node's own address as a host, so that it can ask for its gateway.

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

/// The node's end of a pod's veth: `cali` and eleven hexadecimal digits, from namespace, pod and interface, as Terway
/// makes it (`VethNameForPod`; another hash). A pod without a name is told by its container.
pub fn node_end(pod: &PodArgs, container_id: &str, interface: &str) -> String {
    let interface = if interface == "eth0" { "" } else { interface };
    let name = if pod.name.is_empty() { container_id } else { &pod.name };
    let hash = Sha256::digest(format!("{}.{name}{interface}", pod.namespace));
    let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("cali{}", &digits[..11])
}

/// Lays everything for a pod's addresses.
///
/// # Errors
/// In words, the first thing that was refused.
pub fn lay(
    node: &mut Netlink,
    netns: &OwnedFd,
    ends: &Ends,
    mtu: u32,
    eni: &Eni,
    addresses: &[Reported],
) -> Result<(), String> {
    sysctl::node(addresses)?;
    let eni_index = node.link_index(&eni.link).map_err(|error| format!("the ENI {}: {error}", eni.link))?;
    if let Ok(index) = node.link_index(&ends.node) {
        node.delete_link(index).map_err(words)?;
    }
    let peer = NewLink::new(&ends.pod, LinkKind::Dummy).mtu(mtu).netns(std::os::fd::AsFd::as_fd(netns)).up();
    node.add_link(&NewLink::veth_to(&ends.node, peer).mtu(mtu).up()).map_err(words)?;
    let veth = node.link(&ends.node).map_err(words)?;
    let mac = veth.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Address(bytes) => Some(bytes.clone()),
        _ => None,
    });
    let mac = mac.ok_or_else(|| format!("link {} has no hardware address", ends.node))?;
    let own: Vec<IpAddr> = addresses.iter().map(|one| one.address.addr()).collect();
    in_pod(netns, ends, &own, &mac)?;
    sysctl::links(&eni.link, &ends.node, &own)?;
    on_eni(node, eni, eni_index, addresses)?;
    own.iter().try_for_each(|address| on_node(node, veth.header.index, table(eni, eni_index), *address))
}

/// Addresses, default routes and neighbours of the pod.
fn in_pod(netns: &OwnedFd, ends: &Ends, addresses: &[IpAddr], mac: &[u8]) -> Result<(), String> {
    sysctl::pod(netns, &ends.pod, addresses)?;
    let mut pod = Netlink::open_in(netns).map_err(words)?;
    let index = pod.link_index(&ends.pod).map_err(words)?;
    for &address in addresses {
        let (next_hop, everything) = next_hop(address);
        pod.add_address(&NewAddress::new(IpNet::from(address), index).no_dad()).map_err(words)?;
        pod.set_neighbour(next_hop, index, mac).map_err(words)?;
        let default = NewRoute::to(everything).via(next_hop).link(index).on_link();
        pod.add_route(&default, Add::Exclusive).map_err(words)?;
    }
    Ok(())
}

/// What all pods of an ENI share: its own address, its gateway, the default of its table. Laid anew at every ADD, as
/// Terway does, so that what somebody took away is back.
fn on_eni(node: &mut Netlink, eni: &Eni, index: u32, addresses: &[Reported]) -> Result<(), String> {
    node.set_up(index, true).map_err(words)?;
    for one in addresses {
        if let Some(address) = own_address(node, one.gateway)? {
            let new = NewAddress::new(IpNet::from(address), index).no_dad();
            there_already(node.add_address(&new), Errno::EEXIST)?;
        }
        let (_, everything) = next_hop(one.gateway);
        if one.gateway.is_ipv6() {
            let to_gateway = NewRoute::to(IpNet::from(one.gateway)).link(index);
            node.add_route(&to_gateway, Add::Replace).map_err(words)?;
        }
        let default = NewRoute::to(everything).via(one.gateway).link(index).table(table(eni, index)).on_link();
        node.add_route(&default, Add::Replace).map_err(words)?;
        // In the cloud the VPC knows which interface has an address; here the node has to say it itself.
        node.add_proxy(one.address.addr(), index).map_err(words)?;
    }
    Ok(())
}

/// Route and rules of one pod's address.
fn on_node(node: &mut Netlink, veth: u32, table: u32, address: IpAddr) -> Result<(), String> {
    let host = IpNet::from(address);
    let scope = if address.is_ipv4() { RouteScope::Link } else { RouteScope::Universe };
    node.add_route(&NewRoute::to(host).link(veth).scope(scope), Add::Replace).map_err(words)?;
    for new in [NewRule::to(host, MAIN_TABLE, TO_POD), NewRule::from(host, table, FROM_POD)] {
        there_already(node.add_rule(&new), Errno::EEXIST)?;
    }
    Ok(())
}

/// Takes away what [`lay`] laid for one pod; what is gone already is fine.
///
/// # Errors
/// In words, the first thing that was refused.
pub fn clear(node: &mut Netlink, ends: &Ends, eni: &Eni, addresses: &[IpAddr]) -> Result<(), String> {
    if let Ok(index) = node.link_index(&ends.node) {
        // The pod's end and the routes by this one go with it.
        there_already(node.delete_link(index), Errno::ENODEV)?;
    }
    for listed in node.rules().map_err(words)? {
        let is_of_pod = match rule::priority(&listed) {
            TO_POD => rule::destination(&listed),
            FROM_POD => rule::source(&listed),
            _ => None,
        };
        if is_of_pod.is_some_and(|net| addresses.iter().any(|address| IpNet::from(*address) == net)) {
            there_already(node.delete_rule(&listed), Errno::ENOENT)?;
        }
    }
    if let Ok(index) = node.link_index(&eni.link) {
        for &address in addresses {
            there_already(node.delete_proxy(address, index), Errno::ENOENT)?;
        }
    }
    Ok(())
}

/// Whether pod and node have what [`lay`] laid.
///
/// # Errors
/// In words, the first thing that is missing.
pub fn check(netns: &OwnedFd, ends: &Ends, eni: &Eni, addresses: &[IpAddr]) -> Result<(), String> {
    let mut pod = Netlink::open_in(netns).map_err(words)?;
    let index = pod.link_index(&ends.pod).map_err(|error| format!("in the pod: {error}"))?;
    let listed = pod.addresses().map_err(words)?;
    let mut node = Netlink::open().map_err(words)?;
    let eni_index = node.link_index(&eni.link).map_err(words)?;
    let rules = node.rules().map_err(words)?;
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

/// The node's address on the link of its default route (`GetHostIP`); none where there is no such route.
fn own_address(node: &mut Netlink, of_family: IpAddr) -> Result<Option<IpAddr>, String> {
    let routes = node.routes_of(address::family(of_family)).map_err(words)?;
    let default = routes.iter().find(|one| {
        one.header.destination_prefix_length == 0 && route::table(one) == MAIN_TABLE && route::gateway(one).is_some()
    });
    let Some(link) = default.and_then(route::link) else { return Ok(None) };
    let on_link = node.addresses().map_err(words)?.into_iter().filter(|one| one.header.index == link);
    let global = |address: &IpAddr| match address {
        IpAddr::V4(_) => of_family.is_ipv4(),
        IpAddr::V6(six) => of_family.is_ipv6() && !six.is_unicast_link_local(),
    };
    Ok(on_link.filter_map(|one| address::local(&one)).find(global))
}

fn table(eni: &Eni, index: u32) -> u32 {
    eni.table.unwrap_or(1000 + index)
}

/// The pod's next hop in the family of `address`, and the net of everything.
fn next_hop(address: IpAddr) -> (IpAddr, IpNet) {
    match address {
        IpAddr::V4(_) => (NEXT_HOP.into(), IpNet::V4(ipnet::Ipv4Net::default())),
        IpAddr::V6(_) => (NEXT_HOP6.into(), IpNet::V6(ipnet::Ipv6Net::default())),
    }
}

fn there_already(outcome: plumbline_netlink::Result<()>, fine: Errno) -> Result<(), String> {
    match outcome {
        Err(error) if !error.is(fine) => Err(words(error)),
        _ => Ok(()),
    }
}

fn words(error: plumbline_netlink::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nodes_end_is_told_by_the_pod_and_fits() {
        let pod = PodArgs { name: "web".into(), namespace: "shop".into(), container_id: "1".into() };
        let name = node_end(&pod, "1", "eth0");
        assert_eq!(name.len(), 15);
        assert_eq!(name, node_end(&pod, "2", "eth0"));
        assert_ne!(name, node_end(&pod, "1", "eth1"));
        let nameless = PodArgs::default();
        assert_ne!(node_end(&nameless, "1", "eth0"), node_end(&nameless, "2", "eth0"));
    }
}
