//! How facts are written, for readings and predictions alike: keys and values of routes, addresses, sysctls of devices,
//! firewall rules, and names of links in another namespace.

use super::{FactKey, FactKind, Subject};
use ipnet::IpNet;
use std::fmt::{self, Display};
use std::net::IpAddr;

/// The main routing table, which needs no mention.
pub const MAIN_TABLE: u32 = 254;

/// What identifies a route beside its links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteItem {
    /// Destination.
    pub to: IpNet,
    /// Table.
    pub table: u32,
    /// Metric; 0 where it has none.
    pub metric: u32,
    /// Type of service; 0 for all.
    pub tos: u8,
}

impl Display for RouteItem {
    /// As in `10.0.0.0/8 table 100 metric 5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to)?;
        if self.table != MAIN_TABLE {
            write!(f, " table {}", self.table)?;
        }
        if self.metric != 0 {
            write!(f, " metric {}", self.metric)?;
        }
        if self.tos != 0 {
            write!(f, " tos {}", self.tos)?;
        }
        Ok(())
    }
}

/// A next hop of a route.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteHop {
    /// Device; empty for a route without one.
    pub device: String,
    /// Gateway; none on the link.
    pub via: Option<IpAddr>,
    /// Weight; it is written only where there are several next hops.
    pub weight: u32,
    /// Flags such as `onlink`.
    pub flags: Vec<String>,
}

/// What a route does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteValue<'a> {
    /// `unicast`, `local`, `broadcast`, `blackhole` and the like.
    pub kind: &'a str,
    /// Next hops; their devices are in the key.
    pub hops: Vec<RouteHop>,
    /// `kernel`, `boot`, `static` and the like.
    pub protocol: &'a str,
    /// `global`, `link`, `host`; routes of IPv6 are global.
    pub scope: &'a str,
    /// Source address.
    pub src: Option<IpAddr>,
    /// Further words, such as `mtu 1400`.
    pub more: Vec<String>,
}

impl RouteValue<'_> {
    /// The key of the route: the links of its next hops, and the item.
    pub fn key(&self, item: &RouteItem) -> FactKey {
        let devices: Vec<&str> = self.hops.iter().map(|hop| hop.device.as_str()).collect();
        FactKey::new(FactKind::Route, devices.join(" "), item.to_string())
    }
}

impl Display for RouteValue<'_> {
    /// As in `unicast via 10.0.0.1 proto boot`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind)?;
        for hop in &self.hops {
            if self.hops.len() > 1 {
                write!(f, " nexthop dev {} weight {}", hop.device, hop.weight)?;
            }
            if let Some(via) = hop.via {
                write!(f, " via {via}")?;
            }
            hop.flags.iter().try_for_each(|flag| write!(f, " {flag}"))?;
        }
        write!(f, " proto {}", self.protocol)?;
        if self.scope != "global" {
            write!(f, " scope {}", self.scope)?;
        }
        if let Some(src) = self.src {
            write!(f, " src {src}")?;
        }
        self.more.iter().try_for_each(|word| write!(f, " {word}"))
    }
}

/// What an address is beside its prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressValue<'a> {
    /// `global`, `link`, `host`.
    pub scope: &'a str,
    /// Broadcast address, label, peer and flags, in the order in which they are reported.
    pub words: Vec<String>,
}

impl AddressValue<'_> {
    /// Adds a broadcast address.
    pub fn broadcast(&mut self, address: impl Display) {
        self.words.push(format!("broadcast {address}"));
    }
}

impl Display for AddressValue<'_> {
    /// As in `scope global broadcast 10.0.0.255`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "scope {}", self.scope)?;
        self.words.iter().try_for_each(|word| write!(f, " {word}"))
    }
}

/// The key of a sysctl of a device, such as `ipv4`, `eth1`, `arp_notify`.
pub fn device_sysctl(family: &str, device: &str, name: &str) -> FactKey {
    FactKey::new(FactKind::Sysctl, device, format!("net/{family}/conf/{device}/{name}"))
}

/// A link of another namespace, as the parent or other end of a link: `br-ex of the node`.
pub fn link_of(name: &str, subject: Subject) -> String {
    format!("{name} of the {}", subject.as_str())
}

/// The name of a link of this subject's namespace in such a text; none for a link of another one.
pub fn name_of_link(text: &str, subject: Subject) -> Option<&str> {
    text.strip_suffix(subject.as_str())?.strip_suffix(" of the ")
}

/// The key of a line of `iptables-save` with its table, such as `-A OUTPUT -j X of ip nat`. A chain is `chain X`.
pub fn firewall_line(line: &str, family: &str, table: &str) -> FactKey {
    FactKey::new(FactKind::Firewall, "", format!("{line} of {family} {table}"))
}

/// The key of the order of a chain's rules. Its value has one rule a line, without the chain. A chain with fewer than two
/// rules has no order.
pub fn firewall_order(chain: &str, family: &str, table: &str) -> FactKey {
    firewall_line(&format!("order of {chain}"), family, table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_has_its_links_in_the_key_and_its_gateways_in_the_value() {
        let item = RouteItem { to: "10.0.0.0/8".parse().unwrap(), table: 100, metric: 5, tos: 4 };
        let hop = |device: &str, via: &str| RouteHop {
            device: device.to_owned(),
            via: via.parse().ok(),
            weight: 1,
            ..RouteHop::default()
        };
        let one = RouteValue {
            kind: "unicast",
            hops: vec![hop("eth1", "10.1.1.1")],
            protocol: "boot",
            scope: "global",
            ..RouteValue::default()
        };
        assert_eq!(one.key(&item).to_string(), "route 10.0.0.0/8 table 100 metric 5 tos 4 of eth1");
        assert_eq!(one.to_string(), "unicast via 10.1.1.1 proto boot");
        let two = RouteValue {
            hops: vec![hop("eth1", "10.1.1.1"), hop("eth2", "")],
            scope: "link",
            src: "10.1.1.2".parse().ok(),
            more: vec!["mtu 1400".to_owned()],
            ..one
        };
        assert_eq!(two.key(&item).link, "eth1 eth2");
        assert_eq!(
            two.to_string(),
            "unicast nexthop dev eth1 weight 1 via 10.1.1.1 nexthop dev eth2 weight 1 proto boot scope link \
             src 10.1.1.2 mtu 1400"
        );
    }

    #[test]
    fn the_name_of_a_link_elsewhere_is_read_as_it_is_written() {
        let text = link_of("br-ex", Subject::Node);
        assert_eq!(name_of_link(&text, Subject::Node), Some("br-ex"));
        assert_eq!(name_of_link(&text, Subject::Pod), None);
        assert_eq!(name_of_link("br-ex", Subject::Node), None);
    }
}
