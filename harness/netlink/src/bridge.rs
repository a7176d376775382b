//! What a bridge does: VLAN filtering, forward delay, and the VLANs of its ports.

use netlink_packet_route::link::{
    AfSpecBridge, BridgeFlag, BridgeVlanInfo, BridgeVlanInfoFlags, InfoBridge, InfoData, InfoKind, LinkAttribute,
    LinkInfo, LinkMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::error::Result;
use crate::socket::Netlink;

impl Netlink {
    /// Changes what a bridge does. A kernel without VLAN filtering refuses it (`EOPNOTSUPP`) or takes the wish and
    /// forgets it (`br_changelink`): ask [`filters_vlans`] afterwards.
    pub fn set_bridge(&mut self, index: u32, wishes: Vec<InfoBridge>) -> Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        let info = vec![LinkInfo::Kind(InfoKind::Bridge), LinkInfo::Data(InfoData::Bridge(wishes))];
        message.attributes.push(LinkAttribute::LinkInfo(info));
        // A change of a link's own data goes by "new", as `ip link set type` has it.
        self.request(&format!("change bridge {index}"), RouteNetlinkMessage::NewLink(message), 0)
    }

    /// Lets a port of a VLAN filtering bridge carry a VLAN tagged; with `itself`, the bridge's own device.
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
}

/// Whether a listed bridge keeps VLANs apart.
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
