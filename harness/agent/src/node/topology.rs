//! A topology in a private testbed.
//!
//! Uplinks are bridges in a namespace of their own, the switch, which passes tagged frames unchanged. A node's bridge has
//! one port to its uplink; an external host has one port to each of its uplinks.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use plumbline_core::plan::{Bridge, Device, Host, NodePort, STAND_IN_SETTINGS, Topology};
use plumbline_core::protocol::Target;
use plumbline_core::wire::Tap;
use plumbline_netlink::packet::link::InfoBridge;
use plumbline_netlink::{Add, LinkKind, Netlink, NewLink, NewRoute, namespace};

use super::eni::{install_terway, move_pair};
use super::firewall::add_firewall_rules;
use super::hosts::configure_host;
use super::links::{add_addresses, add_vlans_to_port, allow_existing, create_bridges, create_vlan_links, join_bridge};
use super::nodes::NodeSet;
use crate::error::{During, RequestError, fault};
use crate::namespaces::named::{SWITCH, create_namespace, host_path, run_inside};
use crate::namespaces::sysctls::{self, Forwarding};
use crate::namespaces::target::describe_target;
use crate::process::Processes;

/// Creates the topology. The same request again changes nothing.
///
/// # Errors
/// A fault that names the failed part; a fault if the testbed already has a different topology.
pub fn create_topology(
    topology: &Topology,
    nodes: &mut NodeSet,
    processes: &mut Processes,
) -> Result<(), RequestError> {
    if let Some(present) = &nodes.topology {
        return match present == topology {
            true => Ok(()),
            false => Err(fault("make a topology", "this testbed has another topology")),
        };
    }
    (2..=topology.nodes).try_for_each(|node| nodes.create_node(node))?;
    let switch = Switch::create(topology, nodes.outside.as_ref())?;
    for node in 1..=topology.nodes.max(1) {
        nodes.run_on_node(node, || {
            create_bridges(&topology.bridges)?;
            let mut bridges = topology.bridges.iter().enumerate();
            bridges.try_for_each(|(number, bridge)| switch.add_uplink_port(node, number, bridge))?;
            create_vlan_links(&topology.links)?;
            switch.create_node_interfaces(node)
        })?;
    }
    let mut hosts = topology.hosts.iter().enumerate();
    hosts.try_for_each(|(number, host)| switch.create_host(number, host))?;
    write_tuning_allow_list(&topology.tuning_allow_list)?;
    nodes.topology = Some(topology.clone());
    add_firewall_rules(topology, nodes, processes)
}

/// The name of the interface that a tap names, in the namespace of its target.
///
/// # Errors
/// A fault when there is no such uplink, or no topology.
pub fn find_tap_interface(tap: &Tap, target: &Target, topology: Option<&Topology>) -> Result<String, RequestError> {
    let uplink = match tap {
        Tap::Name(name) => return Ok(name.clone()),
        Tap::Uplink(uplink) => uplink,
    };
    let action = format!("find the port to uplink {uplink}");
    let topology = topology.ok_or_else(|| fault(&action, "the testbed has no topology"))?;
    let found = match target {
        Target::Node | Target::NodeAt(_) => {
            let node = if let Target::NodeAt(node) = target { *node } else { 1 };
            let by_bridge = topology.bridges.iter().position(|bridge| bridge.uplink.as_ref() == Some(uplink));
            let own = || topology.ports.iter().find(|port| port.node == node && &port.uplink == uplink);
            by_bridge.map(bridge_port_name).or_else(|| own().map(|port| port.name.clone()))
        }
        Target::Host(name) => {
            let host = topology.hosts.iter().find(|host| &host.name == name);
            host.and_then(|host| host.ports.iter().position(|port| &port.uplink == uplink)).map(host_interface_name)
        }
        _ => None,
    };
    found.ok_or_else(|| fault(action, format!("{} has none", describe_target(target))))
}

/// The name of the port of a node's bridge, by the bridge's position in the topology.
fn bridge_port_name(bridge: usize) -> String {
    format!("uplink{bridge}")
}

/// The name of a host's interface, by the position of its first port in the list of the host's ports.
fn host_interface_name(port: usize) -> String {
    format!("eth{port}")
}

fn uplink_bridge_name(topology: &Topology, uplink: &str) -> Option<String> {
    topology.uplinks.iter().position(|one| one.name == uplink).map(|number| format!("up{number}"))
}

/// The end of a cable in the switch.
struct SwitchEnd {
    name: String,
    /// Differs from every index in a node or host: the kernel's link watch delays a link whose other end has the same index
    /// (`linkwatch_urgent_event`).
    index: u32,
}

/// No node or host has as many ports.
const MAX_PORTS: usize = 64;

impl SwitchEnd {
    fn of_node(node: usize, port: usize) -> Self {
        Self::new("n", 10_000, node, port)
    }

    fn of_host(host: usize, port: usize) -> Self {
        Self::new("h", 1_000_000, host, port)
    }

    fn new(prefix: &str, first_index: usize, owner: usize, port: usize) -> Self {
        let index = u32::try_from(first_index + owner * MAX_PORTS + port).unwrap_or(u32::MAX);
        Self { name: format!("{prefix}{owner}-{port}"), index }
    }
}

/// The switch of the uplinks, which connects nodes and hosts.
struct Switch<'a> {
    topology: &'a Topology,
    /// Its namespace; none if there are no uplinks.
    namespace: Option<OwnedFd>,
    /// The namespace outside the nodes, with the virtual machine's pairs of interfaces.
    outside: Option<&'a OwnedFd>,
}

impl<'a> Switch<'a> {
    /// Creates the switch with a bridge for each uplink.
    fn create(topology: &'a Topology, outside: Option<&'a OwnedFd>) -> Result<Self, RequestError> {
        let action = "make the switch of the uplinks";
        if topology.uplinks.is_empty() {
            return Ok(Self { topology, namespace: None, outside });
        }
        create_namespace(SWITCH.as_ref(), Forwarding::Off)?;
        let switch = namespace::open(SWITCH).during(action)?;
        // A switch has no addresses and sends nothing by itself.
        run_inside(&switch, action, || sysctls::disable_ipv6().during(action))?;
        let mut netlink = Netlink::open_in(&switch).during(action)?;
        for uplink in &topology.uplinks {
            let Some(name) = uplink_bridge_name(topology, &uplink.name) else { continue };
            netlink.add_link(&NewLink::new(&name, LinkKind::Bridge)).during(action)?;
            let index = netlink.link_index(&name).during(action)?;
            netlink.set_bridge(index, vec![InfoBridge::ForwardDelay(0)]).during(action)?;
            netlink.set_up(index, true).during(action)?;
        }
        Ok(Self { topology, namespace: Some(switch), outside })
    }

    /// Its namespace, and the bridge of an uplink there.
    fn find_bridge(&self, uplink: &str, action: &str) -> Result<(&OwnedFd, String), RequestError> {
        let namespace = self.namespace.as_ref().ok_or_else(|| fault(action, "the topology has no uplinks"))?;
        let bridge = uplink_bridge_name(self.topology, uplink).ok_or_else(|| fault(action, "no such uplink"))?;
        Ok((namespace, bridge))
    }

    /// Connects the current namespace to an uplink by a veth pair; returns the index of the near end.
    fn connect(&self, uplink: &str, far: &SwitchEnd, near: &str) -> Result<u32, RequestError> {
        let action = format!("connect {near} to uplink {uplink}");
        let (switch, bridge) = self.find_bridge(uplink, &action)?;
        let own = namespace::current().during(&action)?;
        let mut there = Netlink::open_in(switch).during(&action)?;
        let peer = NewLink::new(near, LinkKind::Dummy).netns(own.as_fd());
        there.add_link(&NewLink::veth_to(&far.name, peer).index(far.index)).during(&action)?;
        join_bridge(&mut there, far.index, &bridge).during(&action)?;
        Netlink::open().and_then(|mut here| here.link_index(near)).during(&action)
    }

    /// As [`Switch::connect`], by a pair of the virtual machine's interfaces.
    fn connect_eni(&self, port: &NodePort, far: &SwitchEnd) -> Result<u32, RequestError> {
        let action = format!("connect {} to uplink {}", port.name, port.uplink);
        let (switch, bridge) = self.find_bridge(&port.uplink, &action)?;
        let [near, other] = move_pair(self.outside, &port.name, (switch, &far.name))?;
        let mut there = Netlink::open_in(switch).during(&action)?;
        join_bridge(&mut there, other, &bridge).during(&action)?;
        Ok(near)
    }

    /// Connects a bridge of the current node to its uplink, if it has one.
    fn add_uplink_port(&self, node: usize, number: usize, bridge: &Bridge) -> Result<(), RequestError> {
        let Some(uplink) = &bridge.uplink else { return Ok(()) };
        let near = bridge_port_name(number);
        let index = self.connect(uplink, &SwitchEnd::of_node(node, number), &near)?;
        let action = format!("make {near} a port of {} on node {node}", bridge.name);
        let mut netlink = Netlink::open().during(&action)?;
        // A port needs no address of its own; with IPv6 the kernel would send packets on it.
        sysctls::disable_ipv6_on(&near).during(&action)?;
        join_bridge(&mut netlink, index, &bridge.name).during(&action)?;
        add_vlans_to_port(&mut netlink, bridge, index)
    }

    /// Creates the interfaces of the current node that are connected to uplinks.
    fn create_node_interfaces(&self, node: usize) -> Result<(), RequestError> {
        for (number, port) in self.topology.ports.iter().enumerate().filter(|(_, port)| port.node == node) {
            let far = SwitchEnd::of_node(node, self.topology.bridges.len() + number);
            match port.eni.as_ref().map(|eni| eni.device) {
                Some(Device::Virtio) => {
                    configure_node_interface(port, self.connect_eni(port, &far)?)?;
                    install_terway(port)?;
                }
                _ => configure_node_interface(port, self.connect(&port.uplink, &far, &port.name)?)?,
            }
        }
        Ok(())
    }

    fn create_host(&self, number: usize, host: &Host) -> Result<(), RequestError> {
        let action = format!("make host {}", host.name);
        let path = host_path(&host.name)?;
        create_namespace(&path, if host.gateway { Forwarding::On } else { Forwarding::Off })?;
        let namespace = namespace::open(&path).during(&action)?;
        run_inside(&namespace, &action, || {
            sysctls::disable_address_detection().during(&action)?;
            let mut by_uplink: BTreeMap<&str, u32> = BTreeMap::new();
            let mut indexes = Vec::new();
            for (position, port) in host.ports.iter().enumerate() {
                let index = match by_uplink.get(port.uplink.as_str()) {
                    Some(index) => *index,
                    None => {
                        let far = SwitchEnd::of_host(number, position);
                        self.connect(&port.uplink, &far, &host_interface_name(position))?
                    }
                };
                by_uplink.insert(&port.uplink, index);
                indexes.push(index);
            }
            configure_host(&mut Netlink::open().during(&action)?, host, &indexes)
        })
    }
}

/// Configures an interface of the current node: addresses, default routes, and the settings of the stand-in for Terway's
/// plugin where the interface is an ENI.
///
/// # Errors
/// A fault that names the interface and the step.
fn configure_node_interface(port: &NodePort, index: u32) -> Result<(), RequestError> {
    let action = format!("make {} of node {}", port.name, port.node);
    let mut netlink = Netlink::open().during(&action)?;
    netlink.set_up(index, true).during(&action)?;
    add_addresses(&mut netlink, &port.addresses, index, &action)?;
    for gateway in &port.defaults {
        let route = NewRoute::default_via(*gateway).link(index);
        allow_existing(netlink.add_route(&route, Add::Exclusive))
            .during(format!("{action}: default route via {gateway}"))?;
    }
    let Some(eni) = &port.eni else { return Ok(()) };
    let action = format!("{action}: write {STAND_IN_SETTINGS}");
    if let Some(folder) = Path::new(STAND_IN_SETTINGS).parent() {
        fs::create_dir_all(folder).during(&action)?;
    }
    fs::write(STAND_IN_SETTINGS, format!("{:#}\n", eni.settings(&port.name))).during(action)
}

/// Writes tuning's allow-list (plugins, `meta/tuning/main.go`); the nodes of a testbed share `/etc`.
///
/// # Errors
/// A fault with the path.
fn write_tuning_allow_list(lines: &[String]) -> Result<(), RequestError> {
    const FOLDER: &str = "/etc/cni/tuning";
    if lines.is_empty() {
        return Ok(());
    }
    let action = format!("write tuning's allow-list into {FOLDER}");
    fs::create_dir_all(FOLDER).during(&action)?;
    fs::write(Path::new(FOLDER).join("allowlist.conf"), format!("{}\n", lines.join("\n"))).during(action)
}
