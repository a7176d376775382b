//! The nodes' own interfaces on uplinks.

use super::Reader;
use super::file::{EniFile, NodePortFile};
use crate::plan::{Device, Eni, NodePort, Topology};
use crate::scenario::names;
use crate::scenario::strict::Located;
use ipnet::IpNet;
use std::net::IpAddr;

/// Tables that the kernel has names for, and 0, which is none (`rt_tables`).
const NO_TABLES: [i64; 4] = [0, 253, 254, 255];

impl Reader<'_, '_> {
    pub(super) fn port(&mut self, file: &NodePortFile, topology: &Topology) -> Option<NodePort> {
        let name = file.name.value.clone();
        let named = self.mistakes.read(&file.name, names::interface);
        self.uplink(&file.uplink, topology);
        let node = match &file.node {
            None => Some(1),
            Some(node) => {
                let found = usize::try_from(node.value).ok().filter(|node| (1..=topology.nodes).contains(node));
                let message = format!("node {}; this topology has nodes 1 to {}", node.value, topology.nodes);
                self.mistakes.check(node, found.ok_or(message))
            }
        }?;
        let bridges = topology.bridges.iter().map(|bridge| bridge.name.as_str());
        let links = topology.links.iter().map(|link| link.name.as_str());
        let ports = || topology.ports.iter().filter(|port| port.node == node);
        if bridges.chain(links).chain(ports().map(|port| port.name.as_str())).any(|other| other == name) {
            self.mistakes.fail(&file.name, format!("node {node} has a link `{name}` already"));
        }
        let addresses = self.addresses(&file.addresses);
        let mut defaults: Vec<IpAddr> = Vec::new();
        for item in &file.defaults {
            let Some(gateway) = self.mistakes.read(item, names::host_ip) else { continue };
            let twice = |other: &IpAddr| other.is_ipv4() == gateway.is_ipv4();
            if defaults.iter().chain(ports().flat_map(|port| &port.defaults)).any(twice) {
                self.mistakes.fail(item, format!("node {node} has a default route of that family already"));
            }
            if !addresses.iter().any(|net| net.contains(&gateway)) {
                self.mistakes.fail(item, format!("`{gateway}` is on none of the networks of `{name}`"));
            }
            defaults.push(gateway);
        }
        if let Some(eni) = &file.eni
            && ports().any(|port| port.eni.is_some())
        {
            self.mistakes.fail(eni, format!("node {node} has an ENI already"));
        }
        let eni = file.eni.as_ref().map(|eni| self.eni(eni));
        named?;
        let (uplink, source) = (file.uplink.value.clone(), self.mistakes.source(&file.name));
        Some(NodePort { node, name, uplink, addresses, defaults, eni, source })
    }

    fn eni(&mut self, file: &Located<EniFile>) -> Eni {
        let EniFile { gateway, gateway6, table, pool, pool6, subnet, subnet6, device } = &file.value;
        let eni = Eni {
            gateway: self.read_if(gateway, |text| v4(names::host_ip(text)?)),
            gateway6: self.read_if(gateway6, |text| v6(names::host_ip(text)?)),
            table: table.as_ref().and_then(|table| self.mistakes.read_number(table, table_number)),
            pool: self.read_if(pool, |text| net4(names::network(text)?)),
            pool6: self.read_if(pool6, |text| net6(names::network(text)?)),
            subnet: self.read_if(subnet, |text| net4(names::network(text)?)),
            subnet6: self.read_if(subnet6, |text| net6(names::network(text)?)),
            device: self.read_if(device, device_kind).unwrap_or_default(),
        };
        if pool.is_none() && pool6.is_none() {
            self.mistakes.fail(file, "`pool` is missing: the addresses that pods get");
        }
        for (word, pool, hop) in [("gateway", pool, gateway), ("gateway6", pool6, gateway6)] {
            if let (Some(pool), None) = (pool, hop) {
                self.mistakes.fail_beside(pool, "", format!("`{word}` is missing: the next hop of the pods"));
            }
        }
        let outside = match (eni.pool, eni.subnet) {
            (Some(pool), Some(subnet)) => !subnet.contains(&pool),
            _ => false,
        };
        if let Some(pool) = pool.as_ref().filter(|_| outside) {
            self.mistakes.fail(pool, format!("`{}` is not within the subnet", pool.value));
        }
        eni
    }

    fn read_if<T>(&mut self, text: &Option<Located<String>>, read: fn(&str) -> Result<T, String>) -> Option<T> {
        text.as_ref().and_then(|text| self.mistakes.read(text, read))
    }
}

fn table_number(number: i64) -> Result<u32, String> {
    let found = u32::try_from(number).ok().filter(|_| !NO_TABLES.contains(&number));
    found.ok_or_else(|| format!("`{number}` is no table of its own"))
}

fn device_kind(text: &str) -> Result<Device, String> {
    match text {
        "veth" => Ok(Device::Veth),
        "virtio" => Ok(Device::Virtio),
        other => Err(format!("`{other}` is neither veth nor virtio")),
    }
}

/// Takes one family of an address or a network.
macro_rules! family {
    ($name:ident, $both:ident :: $this:ident, $family:ty, $message:literal) => {
        fn $name(both: $both) -> Result<$family, String> {
            match both {
                $both::$this(found) => Ok(found),
                other => Err(format!($message, other)),
            }
        }
    };
}

family!(v4, IpAddr::V4, std::net::Ipv4Addr, "`{}` is IPv6; expected IPv4");
family!(v6, IpAddr::V6, std::net::Ipv6Addr, "`{}` is IPv4; expected IPv6");
family!(net4, IpNet::V4, ipnet::Ipv4Net, "`{}` is IPv6; expected IPv4");
family!(net6, IpNet::V6, ipnet::Ipv6Net, "`{}` is IPv4; expected IPv6");
