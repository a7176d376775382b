//! What a VLAN subinterface does: the priority bits of the tags it makes.

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoData, InfoKind, InfoVlan, LinkAttribute, LinkInfo, LinkMessage, VlanQosMapping};

use crate::error::Result;
use crate::socket::Netlink;

/// The kernel's priorities of packets (`TC_PRIO_MAX`, `linux/pkt_sched.h`): 0 to this.
const HIGHEST: u32 = 15;

impl Netlink {
    /// Gives all that leaves by a VLAN subinterface these priority bits (PCP, 0 to 7), whatever priority the kernel has
    /// for a packet (its `egress-qos-map`).
    pub fn set_vlan_priority(&mut self, index: u32, bits: u8) -> Result<()> {
        let map = (0..=HIGHEST).map(|from| VlanQosMapping::Mapping(from, u32::from(bits))).collect();
        let mut message = LinkMessage::default();
        message.header.index = index;
        let data = InfoData::Vlan(vec![InfoVlan::EgressQos(map)]);
        message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Vlan), LinkInfo::Data(data)]));
        // A change of a link's own data goes by "new", as `ip link set type` has it.
        self.request(&format!("set priority {bits} of VLAN link {index}"), RouteNetlinkMessage::NewLink(message), 0)
    }
}
