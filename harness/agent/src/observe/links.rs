//! Links and their addresses, from netlink to the model.

use ipnet::IpNet;
use plumbline_core::observe::{Address, Link};
use plumbline_netlink::link::format_mac;
use plumbline_netlink::packet::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use plumbline_netlink::packet::link::{
    InfoData, InfoIpVlan, InfoMacVlan, InfoVlan, IpVlanMode, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
    MacVlanMode, State,
};

const LINK_FLAGS: [(LinkFlags, &str); 18] = [
    (LinkFlags::Up, "UP"),
    (LinkFlags::Broadcast, "BROADCAST"),
    (LinkFlags::Debug, "DEBUG"),
    (LinkFlags::Loopback, "LOOPBACK"),
    (LinkFlags::Pointopoint, "POINTOPOINT"),
    (LinkFlags::Notrailers, "NOTRAILERS"),
    (LinkFlags::Noarp, "NOARP"),
    (LinkFlags::Promisc, "PROMISC"),
    (LinkFlags::Allmulti, "ALLMULTI"),
    (LinkFlags::Controller, "MASTER"),
    (LinkFlags::Port, "SLAVE"),
    (LinkFlags::Multicast, "MULTICAST"),
    (LinkFlags::Portsel, "PORTSEL"),
    (LinkFlags::Automedia, "AUTOMEDIA"),
    (LinkFlags::Dynamic, "DYNAMIC"),
    (LinkFlags::LowerUp, "LOWER_UP"),
    (LinkFlags::Dormant, "DORMANT"),
    (LinkFlags::Echo, "ECHO"),
];

const ADDRESS_FLAGS: [(AddressFlags, &str); 11] = [
    (AddressFlags::Secondary, "secondary"),
    (AddressFlags::Nodad, "nodad"),
    (AddressFlags::Optimistic, "optimistic"),
    (AddressFlags::Dadfailed, "dadfailed"),
    (AddressFlags::Homeaddress, "home"),
    (AddressFlags::Deprecated, "deprecated"),
    (AddressFlags::Tentative, "tentative"),
    (AddressFlags::Managetempaddr, "mngtmpaddr"),
    (AddressFlags::Noprefixroute, "noprefixroute"),
    (AddressFlags::Mcautojoin, "autojoin"),
    (AddressFlags::StablePrivacy, "stable-privacy"),
];

/// One link with its own addresses of this list.
#[must_use]
pub fn convert_link(message: &LinkMessage, addresses: &[AddressMessage]) -> Link {
    let mut link = Link {
        index: message.header.index,
        name: plumbline_netlink::link::name(message).to_owned(),
        flags: link_flag_names(message.header.flags),
        state: "UNKNOWN".to_owned(),
        addresses: addresses
            .iter()
            .filter(|one| one.header.index == message.header.index)
            .filter_map(convert_address)
            .collect(),
        ..Link::default()
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::Mtu(bytes) => link.mtu = *bytes,
            LinkAttribute::Address(bytes) if bytes.len() == 6 => link.mac = format_mac(bytes),
            LinkAttribute::OperState(state) => link.state = state_name(*state),
            LinkAttribute::Link(0) => {}
            LinkAttribute::Link(index) => link.parent = Some(*index),
            LinkAttribute::LinkNetNsId(id) => link.parent_netns = Some(*id),
            LinkAttribute::Controller(index) => link.master = Some(*index).filter(|index| *index != 0),
            LinkAttribute::LinkInfo(parts) => parts.iter().for_each(|part| add_link_info(&mut link, part)),
            _ => {}
        }
    }
    link
}

fn add_link_info(link: &mut Link, part: &LinkInfo) {
    match part {
        LinkInfo::Kind(kind) => link.kind = Some(kind.to_string()),
        LinkInfo::Data(InfoData::MacVlan(parts)) => {
            link.mode = parts.iter().find_map(|part| match part {
                InfoMacVlan::Mode(mode) => macvlan_mode_name(*mode),
                _ => None,
            });
        }
        LinkInfo::Data(InfoData::IpVlan(parts)) => {
            link.mode = parts.iter().find_map(|part| match part {
                InfoIpVlan::Mode(IpVlanMode::L2) => Some("l2".to_owned()),
                InfoIpVlan::Mode(IpVlanMode::L3) => Some("l3".to_owned()),
                InfoIpVlan::Mode(IpVlanMode::L3S) => Some("l3s".to_owned()),
                _ => None,
            });
        }
        LinkInfo::Data(InfoData::Vlan(parts)) => {
            link.vlan_id = parts.iter().find_map(|part| match part {
                InfoVlan::Id(id) => Some(*id),
                _ => None,
            });
        }
        _ => {}
    }
}

fn macvlan_mode_name(mode: MacVlanMode) -> Option<String> {
    let name = match mode {
        MacVlanMode::Private => "private",
        MacVlanMode::Vepa => "vepa",
        MacVlanMode::Bridge => "bridge",
        MacVlanMode::Passthrough => "passthru",
        MacVlanMode::Source => "source",
        _ => return None,
    };
    Some(name.to_owned())
}

/// The names of the flags, sorted. As in `ip`, a link that is up without `RUNNING` has `NO-CARRIER`.
fn link_flag_names(flags: LinkFlags) -> Vec<String> {
    let mut names: Vec<String> =
        LINK_FLAGS.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| (*name).to_owned()).collect();
    if flags.contains(LinkFlags::Up) && !flags.contains(LinkFlags::Running) {
        names.push("NO-CARRIER".to_owned());
    }
    names.sort();
    names
}

fn state_name(state: State) -> String {
    match state {
        State::NotPresent => "NOTPRESENT".to_owned(),
        State::Down => "DOWN".to_owned(),
        State::LowerLayerDown => "LOWERLAYERDOWN".to_owned(),
        State::Testing => "TESTING".to_owned(),
        State::Dormant => "DORMANT".to_owned(),
        State::Up => "UP".to_owned(),
        _ => "UNKNOWN".to_owned(),
    }
}

fn convert_address(message: &AddressMessage) -> Option<Address> {
    let mut found = None;
    let mut flags = AddressFlags::from_bits_retain(u32::from(message.header.flags.bits()));
    for attribute in &message.attributes {
        match attribute {
            // On a point-to-point link this is its own address, and the next one is the peer's; otherwise both are equal.
            AddressAttribute::Local(local) => found = Some(*local),
            AddressAttribute::Address(address) => found = found.or(Some(*address)),
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    let mut names: Vec<String> =
        ADDRESS_FLAGS.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| (*name).to_owned()).collect();
    if !flags.contains(AddressFlags::Permanent) {
        names.push("dynamic".to_owned());
    }
    names.sort();
    Some(Address {
        address: IpNet::new(found?, message.header.prefix_len).ok()?,
        scope: scope_name(message.header.scope),
        flags: names,
    })
}

fn scope_name(scope: AddressScope) -> String {
    match scope {
        AddressScope::Universe => "global".to_owned(),
        AddressScope::Site => "site".to_owned(),
        AddressScope::Link => "link".to_owned(),
        AddressScope::Host => "host".to_owned(),
        AddressScope::Nowhere => "nowhere".to_owned(),
        other => u8::from(other).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_is_up_without_carrier_has_the_flag_no_carrier() {
        assert_eq!(link_flag_names(LinkFlags::Up | LinkFlags::Broadcast), ["BROADCAST", "NO-CARRIER", "UP"]);
        assert_eq!(link_flag_names(LinkFlags::Up | LinkFlags::Running | LinkFlags::LowerUp), ["LOWER_UP", "UP"]);
    }

    #[test]
    fn the_local_address_is_read_not_the_peers() {
        let mut message = AddressMessage::default();
        message.header.prefix_len = 24;
        message.attributes.push(AddressAttribute::Address("10.0.0.1".parse().unwrap()));
        message.attributes.push(AddressAttribute::Local("10.0.0.2".parse().unwrap()));
        message.attributes.push(AddressAttribute::Flags(AddressFlags::Permanent | AddressFlags::Tentative));
        let found = convert_address(&message).unwrap();
        assert_eq!((found.address.to_string().as_str(), found.flags), ("10.0.0.2/24", vec!["tentative".to_owned()]));
    }
}
