//! Settings of bridges (VLAN filtering, forward delay) and of their ports (hairpin mode, VLANs), and the priority bits of VLAN
//! links.

use netlink_packet_route::link::{
    AfSpecBridge, BridgeFlag, BridgeVlanInfo, BridgeVlanInfoFlags, InfoBridge, InfoBridgePort, InfoData, InfoKind,
    InfoPortData, InfoPortKind, InfoVlan, LinkAttribute, LinkInfo, LinkMessage, VlanQosMapping,
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
        self.change_data(&format!("change bridge {index}"), index, InfoKind::Bridge, InfoData::Bridge(settings))
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
        let what = format!("set priority {bits} of VLAN link {index}");
        self.change_data(&what, index, InfoKind::Vlan, InfoData::Vlan(vec![InfoVlan::EgressQos(map)]))
    }

    /// Changes settings of a link as the port of a bridge, such as hairpin mode; `EINVAL` if it is none.
    pub fn set_bridge_port(&mut self, index: u32, settings: Vec<InfoBridgePort>) -> Result<()> {
        let data = InfoPortData::BridgePort(settings);
        let info = vec![LinkInfo::PortKind(InfoPortKind::Bridge), LinkInfo::PortData(data)];
        self.change_info(&format!("change bridge port {index}"), index, info)
    }
}

/// Whether a listed bridge filters VLANs.
pub fn filters_vlans(link: &LinkMessage) -> bool {
    let mut parts = link.attributes.iter().filter_map(pick!(LinkAttribute::LinkInfo(parts) => parts)).flatten();
    parts.any(|part| {
        matches!(part, LinkInfo::Data(InfoData::Bridge(data)) if data.contains(&InfoBridge::VlanFiltering(true)))
    })
}
