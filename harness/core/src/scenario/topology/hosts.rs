//! The machines outside: gateways and peers.

use super::Reader;
use crate::plan::{Host, HostPort, Topology};
use crate::scenario::file::HostFile;
use crate::scenario::{names, strict};

impl Reader<'_> {
    pub(super) fn host(&mut self, host: &HostFile, gateway: bool, field: &str, topology: &Topology) -> Host {
        let name = host.name.value.clone();
        self.check(&host.name, &format!("{field}.name"), names::label(&name));
        if topology.hosts.iter().any(|other| other.name == name) {
            self.fail(&host.name, &format!("{field}.name"), format!("host `{name}` is defined twice"));
        }
        if host.ports.is_empty() {
            self.fail(&host.name, &format!("{field}.ports"), "a host needs at least one port");
        }
        let mut ports: Vec<HostPort> = Vec::new();
        for (index, port) in host.ports.iter().enumerate() {
            let field = format!("{field}.ports[{index}]");
            self.uplink(&port.uplink, &format!("{field}.uplink"), topology);
            let vlan =
                port.vlan.as_ref().and_then(|vlan| self.check(vlan, &format!("{field}.vlan"), names::vlan(vlan.value)));
            if ports.iter().any(|other| other.uplink == port.uplink.value && other.vlan == vlan) {
                let which = vlan.map_or("untagged".to_owned(), |vlan| format!("on VLAN {vlan}"));
                self.fail(
                    &port.uplink,
                    &format!("{field}.uplink"),
                    format!("host `{name}` has a port {which} of uplink `{}` already", port.uplink.value),
                );
            }
            if port.addresses.is_empty() {
                self.fail(&port.uplink, &format!("{field}.addresses"), "a port without an address says nothing");
            }
            let addresses = self.addresses(&port.addresses, &format!("{field}.addresses"));
            ports.push(HostPort { uplink: port.uplink.value.clone(), vlan, addresses });
        }
        let behind = self.addresses(&host.behind, &format!("{field}.behind"));
        let mut routes = Vec::new();
        for (index, route) in host.routes.iter().enumerate() {
            let field = format!("{field}.routes[{index}]");
            let to = self.check(&route.to, &format!("{field}.to"), names::network(&route.to.value));
            let field = format!("{field}.via");
            let via = self.check(&route.via, &field, names::ip(&route.via.value));
            let (Some(to), Some(via)) = (to, via) else {
                continue;
            };
            if to.addr().is_ipv4() != via.is_ipv4() {
                self.fail(&route.via, &field, format!("`{via}` is of another family than `{to}`"));
            } else if !ports.iter().flat_map(|port| &port.addresses).any(|net| net.contains(&via)) {
                self.fail(&route.via, &field, format!("`{via}` is on none of the networks of `{name}`'s ports"));
            }
            routes.push((to, via));
        }
        Host { name, gateway, ports, behind, routes, source: strict::source(self.path, &host.name) }
    }
}
