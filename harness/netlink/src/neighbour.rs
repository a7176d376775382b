//! Neighbours: who has which hardware address on a link, by decree; and for whom a node answers (proxy).

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState};

use crate::address::family;
use crate::error::Result;
use crate::socket::Netlink;

impl Netlink {
    /// Says for good which hardware address `address` has on the link of this index; one that was known is replaced.
    pub fn set_neighbour(&mut self, address: IpAddr, index: u32, mac: &[u8]) -> Result<()> {
        let mut message = entry(address, index);
        message.header.state = NeighbourState::Permanent;
        message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.to_vec()));
        let what = format!("set neighbour {address} on link {index}");
        self.request(&what, RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_REPLACE)
    }

    /// Lets the node answer for `address` on the link of this index; for IPv6 the sysctl `proxy_ndp` must be set too.
    pub fn add_proxy(&mut self, address: IpAddr, index: u32) -> Result<()> {
        let what = format!("answer for {address} on link {index}");
        let message = RouteNetlinkMessage::NewNeighbour(proxy(address, index));
        self.request(&what, message, NLM_F_CREATE | NLM_F_REPLACE)
    }

    /// Ends what [`add_proxy`](Self::add_proxy) began; `ENOENT` if nobody answered for it.
    pub fn delete_proxy(&mut self, address: IpAddr, index: u32) -> Result<()> {
        let what = format!("answer no more for {address} on link {index}");
        self.request(&what, RouteNetlinkMessage::DelNeighbour(proxy(address, index)), 0)
    }
}

fn entry(address: IpAddr, index: u32) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family(address);
    message.header.ifindex = index;
    message.attributes.push(NeighbourAttribute::Destination(address.into()));
    message
}

fn proxy(address: IpAddr, index: u32) -> NeighbourMessage {
    let mut message = entry(address, index);
    message.header.flags = NeighbourFlags::Proxy;
    message
}
