//! Links with their addresses, from netlink to the model.

use ipnet::IpNet;
use plumbline_core::observe::{Address, Link};
use plumbline_netlink::packet::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use plumbline_netlink::packet::link::{
    InfoData, InfoIpVlan, InfoMacVlan, InfoVlan, IpVlanMode, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
    MacVlanMode, State,
};

const MAC_BYTES: usize = 6;

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

/// One link with those of the addresses that are its own.
#[must_use]
pub fn link(message: &LinkMessage, addresses: &[AddressMessage]) -> Link {
    let mut link = Link {
        index: message.header.index,
        name: plumbline_netlink::link::name(message).to_owned(),
        flags: link_flags(message.header.flags),
        state: "UNKNOWN".to_owned(),
        addresses: addresses
            .iter()
            .filter(|one| one.header.index == message.header.index)
            .filter_map(address)
            .collect(),
        ..Link::default()
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::Mtu(bytes) => link.mtu = *bytes,
            LinkAttribute::Address(bytes) if bytes.len() == MAC_BYTES => link.mac = mac(bytes),
            LinkAttribute::OperState(state) => link.state = state_word(*state),
            LinkAttribute::Link(0) => {}
            LinkAttribute::Link(index) => link.parent = Some(*index),
            LinkAttribute::LinkNetNsId(id) => link.parent_netns = Some(*id),
            LinkAttribute::Controller(index) => link.master = Some(*index).filter(|index| *index != 0),
            LinkAttribute::LinkInfo(parts) => parts.iter().for_each(|part| info(&mut link, part)),
            _ => {}
        }
    }
    link
}

fn info(link: &mut Link, part: &LinkInfo) {
    match part {
        LinkInfo::Kind(kind) => link.kind = Some(kind.to_string()),
        LinkInfo::Data(InfoData::MacVlan(parts)) => {
            link.mode = parts.iter().find_map(|part| match part {
                InfoMacVlan::Mode(mode) => macvlan_mode(*mode),
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

fn macvlan_mode(mode: MacVlanMode) -> Option<String> {
    let word = match mode {
        MacVlanMode::Private => "private",
        MacVlanMode::Vepa => "vepa",
        MacVlanMode::Bridge => "bridge",
        MacVlanMode::Passthrough => "passthru",
        MacVlanMode::Source => "source",
        _ => return None,
    };
    Some(word.to_owned())
}

/// Sorted; `RUNNING` is not told but its lack on a link that is up is `NO-CARRIER`, as `ip` has it.
fn link_flags(flags: LinkFlags) -> Vec<String> {
    let mut words: Vec<String> =
        LINK_FLAGS.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, word)| (*word).to_owned()).collect();
    if flags.contains(LinkFlags::Up) && !flags.contains(LinkFlags::Running) {
        words.push("NO-CARRIER".to_owned());
    }
    words.sort();
    words
}

fn state_word(state: State) -> String {
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

fn mac(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

fn address(message: &AddressMessage) -> Option<Address> {
    let mut found = None;
    let mut flags = AddressFlags::from_bits_retain(u32::from(message.header.flags.bits()));
    for attribute in &message.attributes {
        match attribute {
            // A point-to-point link has its own address here and the peer's in the other; else both are the same.
            AddressAttribute::Local(local) => found = Some(*local),
            AddressAttribute::Address(address) => found = found.or(Some(*address)),
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    let mut words: Vec<String> =
        ADDRESS_FLAGS.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, word)| (*word).to_owned()).collect();
    if !flags.contains(AddressFlags::Permanent) {
        words.push("dynamic".to_owned());
    }
    words.sort();
    Some(Address {
        address: IpNet::new(found?, message.header.prefix_len).ok()?,
        scope: scope(message.header.scope),
        flags: words,
    })
}

fn scope(scope: AddressScope) -> String {
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
    fn a_link_that_is_up_without_carrier_says_so() {
        assert_eq!(link_flags(LinkFlags::Up | LinkFlags::Broadcast), ["BROADCAST", "NO-CARRIER", "UP"]);
        assert_eq!(link_flags(LinkFlags::Up | LinkFlags::Running | LinkFlags::LowerUp), ["LOWER_UP", "UP"]);
    }

    #[test]
    fn a_local_address_wins_over_the_peers() {
        let mut message = AddressMessage::default();
        message.header.prefix_len = 24;
        message.attributes.push(AddressAttribute::Address("10.0.0.1".parse().unwrap()));
        message.attributes.push(AddressAttribute::Local("10.0.0.2".parse().unwrap()));
        message.attributes.push(AddressAttribute::Flags(AddressFlags::Permanent | AddressFlags::Tentative));
        let found = address(&message).unwrap();
        assert_eq!((found.address.to_string().as_str(), found.flags), ("10.0.0.2/24", vec!["tentative".to_owned()]));
    }
}
