//! A whole topology in a private bed.
//!
//! Uplinks are bridges in a namespace of their own, the switch, which knows no VLANs and passes tagged frames as they
//! are. A node's bridge has one port to it, a host one for each uplink it is on.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

use plumbline_core::plan::{Bridge, Device, Host, NodePort, Topology};
use plumbline_core::protocol::Target;
use plumbline_core::wire::Tap;
use plumbline_netlink::packet::link::InfoBridge;
use plumbline_netlink::{LinkKind, Netlink, NewLink, namespace};

use super::nodes::Bed;
use super::spaces::{self, Forwards, SWITCH};
use super::{borrowed, bridges, firewall, hosts, links, ports, sysctls, terway};
use crate::place::{Place, inside};
use crate::trouble::{Doing, Trouble, fault};

/// Makes it. The same once more is fine.
///
/// # Errors
/// A fault that names what could not be made; another topology than the one that is there.
pub fn make(topology: &Topology, place: &mut Place) -> Result<(), Trouble> {
    let bed = &mut place.bed;
    if let Some(there) = &bed.topology {
        return match there == topology {
            true => Ok(()),
            false => Err(fault("make a topology", "this bed has another one already")),
        };
    }
    (2..=topology.nodes).try_for_each(|node| bed.make(node))?;
    let switch = switch(topology)?;
    for node in 1..=topology.nodes.max(1) {
        bed.on(node, || {
            bridges::make(&topology.bridges)?;
            if let Some(switch) = &switch {
                let wanted = topology.bridges.iter().enumerate();
                wanted
                    .filter(|(_, bridge)| bridge.uplink.is_some())
                    .try_for_each(|(number, bridge)| uplink_port(topology, node, number, bridge, switch))?;
            }
            links::make(&topology.links)?;
            node_ports(bed, topology, node, switch.as_ref())
        })?;
    }
    topology.hosts.iter().enumerate().try_for_each(|(number, one)| host(topology, number, one, switch.as_ref()))?;
    ports::allow_list(&topology.tuning_allow_list)?;
    bed.topology = Some(topology.clone());
    firewall::lay(topology, place)
}

/// The interface that a tap means, in its namespace.
///
/// # Errors
/// A fault when there is no such uplink, or none is known here.
pub fn tap(tap: &Tap, target: &Target, bed: &Bed) -> Result<String, Trouble> {
    let uplink = match tap {
        Tap::Name(name) => return Ok(name.clone()),
        Tap::Uplink(uplink) => uplink,
    };
    let doing = format!("find the port to uplink {uplink}");
    let topology = bed.topology.as_ref().ok_or_else(|| fault(&doing, "this agent made no topology"))?;
    let found = match target {
        Target::Node | Target::NodeAt(_) => {
            let node = if let Target::NodeAt(node) = target { *node } else { 1 };
            let by_bridge = topology.bridges.iter().position(|bridge| bridge.uplink.as_ref() == Some(uplink));
            let own = || topology.ports.iter().find(|port| port.node == node && &port.uplink == uplink);
            by_bridge.map(node_port).or_else(|| own().map(|port| port.name.clone()))
        }
        Target::Host(name) => {
            let host = topology.hosts.iter().find(|host| &host.name == name);
            host.and_then(|host| host.ports.iter().position(|port| &port.uplink == uplink)).map(host_port)
        }
        _ => None,
    };
    found.ok_or_else(|| fault(doing, format!("{} has none", crate::place::told(target))))
}

/// The name of the port of a node's bridge, by the bridge's place in the topology.
fn node_port(bridge: usize) -> String {
    format!("uplink{bridge}")
}

/// The name of a host's interface, by the place of its first port.
fn host_port(port: usize) -> String {
    format!("eth{port}")
}

fn bridge_of(topology: &Topology, uplink: &str) -> Option<String> {
    topology.uplinks.iter().position(|one| one.name == uplink).map(|number| format!("up{number}"))
}

/// Makes the switch with a bridge for each uplink; none where there are no uplinks.
fn switch(topology: &Topology) -> Result<Option<OwnedFd>, Trouble> {
    let doing = "make the switch of the uplinks";
    if topology.uplinks.is_empty() {
        return Ok(None);
    }
    spaces::make(SWITCH.as_ref(), Forwards::No)?;
    let switch = namespace::open(SWITCH).doing(doing)?;
    // A switch has no addresses and says nothing by itself.
    inside(&switch, doing, || sysctls::no_ipv6().map_err(|cause| fault(doing, cause)))?;
    let mut netlink = Netlink::open_in(&switch).doing(doing)?;
    for uplink in &topology.uplinks {
        let Some(name) = bridge_of(topology, &uplink.name) else { continue };
        netlink.add_link(&NewLink::new(&name, LinkKind::Bridge)).doing(doing)?;
        let index = netlink.link_index(&name).doing(doing)?;
        let wishes = vec![InfoBridge::ForwardDelay(0)];
        netlink.set_bridge(index, wishes).doing(doing)?;
        netlink.set_up(index, true).doing(doing)?;
    }
    Ok(Some(switch))
}

/// The end of a cable that is in the switch.
struct Far {
    name: String,
    /// Unlike any index that an end in a node or host gets: the kernel's link watch takes its time with a link whose
    /// other end has the same number (`linkwatch_urgent_event`), as if it had none.
    index: u32,
}

/// More ports than a node or host has.
const PORTS: usize = 64;

impl Far {
    fn new(kind: char, owner: usize, port: usize) -> Self {
        let first = if kind == 'n' { 10_000 } else { 1_000_000 };
        let index = u32::try_from(first + owner * PORTS + port).unwrap_or(u32::MAX);
        Self { name: format!("{kind}{owner}-{port}"), index }
    }
}

/// Joins an uplink and the namespace this thread is in; gives the index of this end.
fn cable(topology: &Topology, uplink: &str, far: &Far, near: &str, switch: &OwnedFd) -> Result<u32, Trouble> {
    let doing = format!("plug {near} into uplink {uplink}");
    let bridge = bridge_of(topology, uplink).ok_or_else(|| fault(&doing, "there is no such uplink"))?;
    let own = namespace::current().doing(&doing)?;
    let mut there = Netlink::open_in(switch).doing(&doing)?;
    let peer = NewLink::new(near, LinkKind::Dummy).netns(own.as_fd());
    there.add_link(&NewLink::veth_to(&far.name, peer).index(far.index)).doing(&doing)?;
    let master = there.link_index(&bridge).doing(&doing)?;
    there.set_master(far.index, Some(master)).doing(&doing)?;
    there.set_up(far.index, true).doing(&doing)?;
    Netlink::open().and_then(|mut here| here.link_index(near)).doing(&doing)
}

/// As [`cable`], with a pair of the machine's own interfaces.
fn borrowed_cable(
    bed: &Bed,
    topology: &Topology,
    port: &NodePort,
    far: &Far,
    switch: &OwnedFd,
) -> Result<u32, Trouble> {
    let doing = format!("plug {} into uplink {}", port.name, port.uplink);
    let bridge = bridge_of(topology, &port.uplink).ok_or_else(|| fault(&doing, "there is no such uplink"))?;
    let [near, other] = borrowed::take(bed, &port.name, (switch, &far.name))?;
    let mut there = Netlink::open_in(switch).doing(&doing)?;
    let master = there.link_index(&bridge).doing(&doing)?;
    there.set_master(other, Some(master)).doing(&doing)?;
    there.set_up(other, true).doing(&doing)?;
    Ok(near)
}

fn uplink_port(
    topology: &Topology,
    node: usize,
    number: usize,
    bridge: &Bridge,
    switch: &OwnedFd,
) -> Result<(), Trouble> {
    let Some(uplink) = &bridge.uplink else { return Ok(()) };
    let near = node_port(number);
    let index = cable(topology, uplink, &Far::new('n', node, number), &near, switch)?;
    let doing = format!("make {near} a port of {} on node {node}", bridge.name);
    let mut netlink = Netlink::open().doing(&doing)?;
    // A port needs no address of its own, and its kernel's first words would only be noise on the wire.
    sysctls::no_ipv6_on(&near).map_err(|cause| fault(&doing, cause))?;
    let master = netlink.link_index(&bridge.name).doing(&doing)?;
    netlink.set_master(index, Some(master)).doing(&doing)?;
    netlink.set_up(index, true).doing(&doing)?;
    bridges::carry(&mut netlink, bridge, index)
}

/// The node's own interfaces, on the node that this thread is on.
fn node_ports(bed: &Bed, topology: &Topology, node: usize, switch: Option<&OwnedFd>) -> Result<(), Trouble> {
    for (number, port) in topology.ports.iter().enumerate().filter(|(_, port)| port.node == node) {
        let doing = format!("make {} of node {node}", port.name);
        let switch = switch.ok_or_else(|| fault(&doing, "there are no uplinks"))?;
        let far = Far::new('n', node, topology.bridges.len() + number);
        match port.eni.as_ref().map(|eni| eni.device) {
            Some(Device::Virtio) => {
                let index = borrowed_cable(bed, topology, port, &far, switch)?;
                ports::shape(port, index)?;
                terway::make(port)?;
            }
            _ => ports::shape(port, cable(topology, &port.uplink, &far, &port.name, switch)?)?,
        }
    }
    Ok(())
}

fn host(topology: &Topology, number: usize, host: &Host, switch: Option<&OwnedFd>) -> Result<(), Trouble> {
    let doing = format!("make host {}", host.name);
    let path = spaces::host_path(&host.name)?;
    spaces::make(&path, if host.gateway { Forwards::Yes } else { Forwards::No })?;
    let space = namespace::open(&path).doing(&doing)?;
    inside(&space, &doing, || {
        sysctls::no_dad().map_err(|cause| fault(&doing, cause))?;
        let mut by_uplink: BTreeMap<&str, u32> = BTreeMap::new();
        let mut indexes = Vec::new();
        for (place, port) in host.ports.iter().enumerate() {
            let index = match by_uplink.get(port.uplink.as_str()) {
                Some(index) => *index,
                None => {
                    let switch = switch.ok_or_else(|| fault(&doing, "there are no uplinks"))?;
                    cable(topology, &port.uplink, &Far::new('h', number, place), &host_port(place), switch)?
                }
            };
            by_uplink.insert(&port.uplink, index);
            indexes.push(index);
        }
        hosts::shape(&mut Netlink::open().doing(&doing)?, host, &indexes)
    })
}
