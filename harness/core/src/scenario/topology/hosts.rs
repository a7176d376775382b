//! The machines outside: gateways and peers.

use super::Reader;
use super::file::HostFile;
use crate::plan::{Host, HostPort, Topology};
use crate::scenario::names;

impl Reader<'_, '_> {
    pub(super) fn host(&mut self, host: &HostFile, gateway: bool, topology: &Topology) -> Host {
        let name = self.name(&host.name, names::label);
        if topology.hosts.iter().any(|other| other.name == name) {
            self.mistakes.fail(&host.name, format!("host `{name}` is defined twice"));
        }
        if host.ports.is_empty() {
            self.mistakes.fail_beside(&host.name, "ports", "a host needs at least one port");
        }
        let mut ports: Vec<HostPort> = Vec::new();
        for port in &host.ports {
            self.uplink(&port.uplink, topology);
            let vlan = port.vlan.as_ref().and_then(|vlan| self.mistakes.read_number(vlan, names::vlan));
            let uplink = port.uplink.value.clone();
            if ports.iter().any(|other| other.uplink == uplink && other.vlan == vlan) {
                let which = vlan.map_or("untagged".to_owned(), |vlan| format!("on VLAN {vlan}"));
                let message = format!("host `{name}` has a port {which} of uplink `{uplink}` already");
                self.mistakes.fail(&port.uplink, message);
            }
            if port.addresses.is_empty() {
                self.mistakes.fail_beside(&port.uplink, "addresses", "a port without an address says nothing");
            }
            ports.push(HostPort { uplink, vlan, addresses: self.addresses(&port.addresses) });
        }
        let behind = self.addresses(&host.behind);
        let mut routes = Vec::new();
        for route in &host.routes {
            let to = self.mistakes.read(&route.to, names::network);
            let via = self.mistakes.read(&route.via, names::ip);
            let (Some(to), Some(via)) = (to, via) else { continue };
            if to.addr().is_ipv4() != via.is_ipv4() {
                self.mistakes.fail(&route.via, format!("`{via}` is of another family than `{to}`"));
            } else if !ports.iter().flat_map(|port| &port.addresses).any(|net| net.contains(&via)) {
                let message = format!("`{via}` is on none of the networks of `{name}`'s ports");
                self.mistakes.fail(&route.via, message);
            }
            routes.push((to, via));
        }
        Host { name, gateway, ports, behind, routes, source: self.mistakes.source(&host.name) }
    }
}
