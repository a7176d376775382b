//! The nodes' own interfaces on uplinks.

use super::Reader;
use crate::plan::{Device, Eni, NodePort, Topology};
use crate::scenario::file::{EniFile, NodePortFile};
use crate::scenario::names;
use crate::scenario::strict::{self, Located};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Tables that the kernel has names for, and 0, which is none (`rt_tables`).
const NO_TABLES: [i64; 4] = [0, 253, 254, 255];

impl Reader<'_> {
    pub(super) fn port(&mut self, file: &NodePortFile, field: &str, topology: &Topology) -> Option<NodePort> {
        let name = file.name.value.clone();
        let named = self.check(&file.name, &format!("{field}.name"), names::interface(&name));
        self.uplink(&file.uplink, &format!("{field}.uplink"), topology);
        let node = match &file.node {
            None => Some(1),
            Some(node) => {
                let found = usize::try_from(node.value).ok().filter(|node| (1..=topology.nodes).contains(node));
                if found.is_none() {
                    let message = format!("node {}; this topology has nodes 1 to {}", node.value, topology.nodes);
                    self.fail(node, &format!("{field}.node"), message);
                }
                found
            }
        }?;
        let bridges = topology.bridges.iter().map(|bridge| bridge.name.as_str());
        let links = topology.links.iter().map(|link| link.name.as_str());
        let ports = topology.ports.iter().filter(|port| port.node == node).map(|port| port.name.as_str());
        if bridges.chain(links).chain(ports).any(|other| other == name) {
            self.fail(&file.name, &format!("{field}.name"), format!("node {node} has a link `{name}` already"));
        }
        let addresses = self.addresses(&file.addresses, &format!("{field}.addresses"));
        let mut defaults: Vec<IpAddr> = Vec::new();
        for (index, item) in file.defaults.iter().enumerate() {
            let field = format!("{field}.defaults[{index}]");
            let Some(gateway) = self.check(item, &field, names::host_ip(&item.value)) else { continue };
            let twice = |other: &IpAddr| other.is_ipv4() == gateway.is_ipv4();
            let elsewhere = topology.ports.iter().filter(|port| port.node == node).flat_map(|port| &port.defaults);
            if defaults.iter().chain(elsewhere).any(twice) {
                self.fail(item, &field, format!("node {node} has a default route of that family already"));
            }
            if !addresses.iter().any(|net| net.contains(&gateway)) {
                self.fail(item, &field, format!("`{gateway}` is on none of the networks of `{name}`"));
            }
            defaults.push(gateway);
        }
        let eni = match &file.eni {
            None => None,
            Some(eni) => {
                if topology.ports.iter().any(|port| port.node == node && port.eni.is_some()) {
                    self.fail(eni, &format!("{field}.eni"), format!("node {node} has an ENI already"));
                }
                Some(self.eni(eni, &format!("{field}.eni")))
            }
        };
        named?;
        let (uplink, source) = (file.uplink.value.clone(), strict::source(self.path, &file.name));
        Some(NodePort { node, name, uplink, addresses, defaults, eni, source })
    }

    fn eni(&mut self, file: &Located<EniFile>, field: &str) -> Eni {
        let EniFile { gateway, gateway6, table, pool, pool6, subnet, subnet6, device } = &file.value;
        let eni = Eni {
            gateway: self.address4(gateway.as_ref(), &format!("{field}.gateway")),
            gateway6: self.address6(gateway6.as_ref(), &format!("{field}.gateway6")),
            table: table.as_ref().and_then(|table| {
                let known = !NO_TABLES.contains(&table.value);
                let number = u32::try_from(table.value).ok().filter(|_| known);
                let text = format!("`{}` is no table of its own", table.value);
                self.check(table, &format!("{field}.table"), number.ok_or(text))
            }),
            pool: self.net4(pool.as_ref(), &format!("{field}.pool")),
            pool6: self.net6(pool6.as_ref(), &format!("{field}.pool6")),
            subnet: self.net4(subnet.as_ref(), &format!("{field}.subnet")),
            subnet6: self.net6(subnet6.as_ref(), &format!("{field}.subnet6")),
            device: self.device(device.as_ref(), &format!("{field}.device")),
        };
        if pool.is_none() && pool6.is_none() {
            self.fail(file, field, "`pool` is missing: the addresses that pods get");
        }
        for (word, pool, hop) in [("gateway", pool, gateway), ("gateway6", pool6, gateway6)] {
            if let (Some(pool), None) = (pool, hop) {
                self.fail(pool, field, format!("`{word}` is missing: the next hop of the pods"));
            }
        }
        let outside = match (eni.pool, eni.subnet) {
            (Some(pool), Some(subnet)) => !subnet.contains(&pool),
            _ => false,
        };
        if let Some(pool) = pool.as_ref().filter(|_| outside) {
            self.fail(pool, &format!("{field}.pool"), format!("`{}` is not within the subnet", pool.value));
        }
        eni
    }

    fn device(&mut self, text: Option<&Located<String>>, field: &str) -> Device {
        let Some(text) = text else { return Device::default() };
        let parsed = match text.value.as_str() {
            "veth" => Ok(Device::Veth),
            "virtio" => Ok(Device::Virtio),
            other => Err(format!("`{other}` is neither veth nor virtio")),
        };
        self.check(text, field, parsed).unwrap_or_default()
    }

    fn net4(&mut self, text: Option<&Located<String>>, field: &str) -> Option<Ipv4Net> {
        let text = text?;
        let parsed = names::network(&text.value).and_then(|net| match net {
            IpNet::V4(net) => Ok(net),
            IpNet::V6(net) => Err(format!("`{net}` is IPv6; expected IPv4")),
        });
        self.check(text, field, parsed)
    }

    fn net6(&mut self, text: Option<&Located<String>>, field: &str) -> Option<Ipv6Net> {
        let text = text?;
        let parsed = names::network(&text.value).and_then(|net| match net {
            IpNet::V6(net) => Ok(net),
            IpNet::V4(net) => Err(format!("`{net}` is IPv4; expected IPv6")),
        });
        self.check(text, field, parsed)
    }

    fn address4(&mut self, text: Option<&Located<String>>, field: &str) -> Option<Ipv4Addr> {
        let text = text?;
        let parsed = names::host_ip(&text.value).and_then(|ip| match ip {
            IpAddr::V4(ip) => Ok(ip),
            IpAddr::V6(ip) => Err(format!("`{ip}` is IPv6; expected IPv4")),
        });
        self.check(text, field, parsed)
    }

    fn address6(&mut self, text: Option<&Located<String>>, field: &str) -> Option<Ipv6Addr> {
        let text = text?;
        let parsed = names::host_ip(&text.value).and_then(|ip| match ip {
            IpAddr::V6(ip) => Ok(ip),
            IpAddr::V4(ip) => Err(format!("`{ip}` is IPv4; expected IPv6")),
        });
        self.check(text, field, parsed)
    }
}
