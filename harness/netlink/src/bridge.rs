//! Settings of bridges (VLAN filtering, forward delay, the VLANs of ports), and the priority bits of VLAN links.

use netlink_packet_route::link::{
    AfSpecBridge, BridgeFlag, BridgeVlanInfo, BridgeVlanInfoFlags, InfoBridge, InfoData, InfoKind, InfoVlan,
    LinkAttribute, LinkInfo, LinkMessage, VlanQosMapping,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::error::Result;
use crate::socket::Netlink;

/// The highest priority of a packet in the kernel (`TC_PRIO_MAX`, `linux/pkt_sched.h`).
const MAX_PRIORITY: u32 = 15;

impl Netlink {
    /// Changes settings of a bridge. A kernel without VLAN filtering refuses that setting (`EOPNOTSUPP`) or ignores it
    /// (`br_changelink`): check [`filters_vlans`] afterwards.
    pub fn set_bridge(&mut self, index: u32, settings: Vec<InfoBridge>) -> Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        let info = vec![LinkInfo::Kind(InfoKind::Bridge), LinkInfo::Data(InfoData::Bridge(settings))];
        message.attributes.push(LinkAttribute::LinkInfo(info));
        // Data of a link kind is changed by "new", as `ip link set type` does.
        self.request(&format!("change bridge {index}"), RouteNetlinkMessage::NewLink(message), 0)
    }

    /// Adds a VLAN, tagged, to a port of a VLAN filtering bridge; with `itself`, to the bridge's own device.
    pub fn add_bridge_vlan(&mut self, index: u32, id: u16, itself: bool) -> Result<()> {
        let mut message = LinkMessage::default();
        message.header.interface_family = AddressFamily::Bridge;
        message.header.index = index;
        let flag = if itself { BridgeFlag::LowerDev } else { BridgeFlag::Controller };
        let vlan = BridgeVlanInfo { flags: BridgeVlanInfoFlags::empty(), vid: id };
        message
            .attributes
            .push(LinkAttribute::AfSpecBridge(vec![AfSpecBridge::Flags(flag), AfSpecBridge::VlanInfo(vlan)]));
        self.request(&format!("add VLAN {id} to bridge port {index}"), RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Sets the priority bits (PCP, 0 to 7) of all packets that leave by a VLAN subinterface (its `egress-qos-map`).
    pub fn set_vlan_priority(&mut self, index: u32, bits: u8) -> Result<()> {
        let map = (0..=MAX_PRIORITY).map(|from| VlanQosMapping::Mapping(from, u32::from(bits))).collect();
        let mut message = LinkMessage::default();
        message.header.index = index;
        let data = InfoData::Vlan(vec![InfoVlan::EgressQos(map)]);
        message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Vlan), LinkInfo::Data(data)]));
        // Data of a link kind is changed by "new", as `ip link set type` does.
        self.request(&format!("set priority {bits} of VLAN link {index}"), RouteNetlinkMessage::NewLink(message), 0)
    }
}

/// Whether a listed bridge filters VLANs.
pub fn filters_vlans(link: &LinkMessage) -> bool {
    let data = |part: &LinkInfo| match part {
        LinkInfo::Data(InfoData::Bridge(data)) => data.contains(&InfoBridge::VlanFiltering(true)),
        _ => false,
    };
    link.attributes.iter().any(|attribute| match attribute {
        LinkAttribute::LinkInfo(parts) => parts.iter().any(data),
        _ => false,
    })
}
