//! Links and their addresses, from netlink to the model.

use ipnet::IpNet;
use plumbline_core::observe::{Address, Link};
use plumbline_netlink::link::format_mac;
use plumbline_netlink::packet::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use plumbline_netlink::packet::link::{
    InfoData, InfoIpVlan, InfoMacVlan, InfoVlan, IpVlanMode, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
    MacVlanMode, State,
};
use plumbline_netlink::pick;

/// One link with its own addresses of this list.
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
            LinkAttribute::OperState(state) if !matches!(state, State::Other(_)) => link.state = state.to_string(),
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
            let mode = parts.iter().find_map(pick!(InfoMacVlan::Mode(mode) => mode));
            link.mode = mode.filter(|mode| !matches!(mode, MacVlanMode::Other(_))).map(ToString::to_string);
        }
        LinkInfo::Data(InfoData::IpVlan(parts)) => {
            let mode = parts.iter().find_map(pick!(InfoIpVlan::Mode(mode) => mode));
            link.mode = mode.filter(|mode| !matches!(mode, IpVlanMode::Other(_))).map(ToString::to_string);
        }
        LinkInfo::Data(InfoData::Vlan(parts)) => {
            link.vlan_id = parts.iter().find_map(pick!(InfoVlan::Id(id) => *id));
        }
        _ => {}
    }
}

/// The names of the flags, sorted. As in `ip`, a link that is up without `RUNNING` has `NO-CARRIER`.
fn link_flag_names(flags: LinkFlags) -> Vec<String> {
    let known = (flags - LinkFlags::Running).iter_names().map(|(name, _)| match name {
        "Controller" => "MASTER".to_owned(),
        "Port" => "SLAVE".to_owned(),
        "LowerUp" => "LOWER_UP".to_owned(),
        other => other.to_ascii_uppercase(),
    });
    let mut names: Vec<String> = known.collect();
    if flags.contains(LinkFlags::Up) && !flags.contains(LinkFlags::Running) {
        names.push("NO-CARRIER".to_owned());
    }
    names.sort();
    names
}

/// One address; none for one that is no IP address.
pub fn convert_address(message: &AddressMessage) -> Option<Address> {
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
    let known = (flags - AddressFlags::Permanent).iter_names().map(|(name, _)| match name {
        "Homeaddress" => "home".to_owned(),
        "Managetempaddr" => "mngtmpaddr".to_owned(),
        "Mcautojoin" => "autojoin".to_owned(),
        "StablePrivacy" => "stable-privacy".to_owned(),
        other => other.to_ascii_lowercase(),
    });
    let mut names: Vec<String> = known.collect();
    if !flags.contains(AddressFlags::Permanent) {
        names.push("dynamic".to_owned());
    }
    names.sort();
    Some(Address {
        address: IpNet::new(found?, message.header.prefix_len).ok()?,
        scope: match message.header.scope {
            AddressScope::Universe => "global".to_owned(),
            other => other.to_string(),
        },
        flags: names,
    })
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
