//! Addresses and neighbours: listing, adding, deleting.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::error::Result;
use crate::socket::Netlink;

/// An address to be added: the address with its prefix length, and the index of its link.
#[derive(Debug, Clone)]
pub struct NewAddress {
    address: IpNet,
    index: u32,
    flags: AddressFlags,
    scope: AddressScope,
    label: Option<String>,
    broadcast: bool,
}

impl NewAddress {
    /// `address` keeps its host bits: 192.168.100.10/24 is the address .10 in that subnet.
    pub fn new(address: IpNet, index: u32) -> Self {
        let scope = AddressScope::Universe;
        Self { address, index, flags: AddressFlags::empty(), scope, label: None, broadcast: true }
    }

    /// Disables duplicate address detection, so that an IPv6 address is usable at once.
    pub fn no_dad(mut self) -> Self {
        self.flags |= AddressFlags::Nodad;
        self
    }

    /// Sets the scope (of IPv4 addresses only).
    pub fn scope(mut self, scope: AddressScope) -> Self {
        self.scope = scope;
        self
    }

    /// Sets the label, an alias of the link's name such as `eth0:1` (of IPv4 addresses only).
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Leaves the broadcast address out, which an IPv4 address has otherwise.
    pub fn no_broadcast(mut self) -> Self {
        self.broadcast = false;
        self
    }

    fn message(&self) -> AddressMessage {
        let mut message = AddressMessage::default();
        message.header.scope = self.scope;
        message.header.family = family(self.address.addr());
        message.header.prefix_len = self.address.prefix_len();
        message.header.index = self.index;
        message.attributes.push(AddressAttribute::Address(self.address.addr()));
        message.attributes.push(AddressAttribute::Local(self.address.addr()));
        if let IpNet::V4(net) = self.address
            && net.prefix_len() < 31
            && self.broadcast
        {
            message.attributes.push(AddressAttribute::Broadcast(net.broadcast()));
        }
        message.attributes.extend(self.label.clone().map(AddressAttribute::Label));
        if !self.flags.is_empty() {
            message.attributes.push(AddressAttribute::Flags(self.flags));
        }
        message
    }
}

/// The netlink family of an address.
pub fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

impl Netlink {
    /// All IPv4 and IPv6 addresses of the namespace, in the kernel's order.
    pub fn addresses(&mut self) -> Result<Vec<AddressMessage>> {
        let question = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let answer = self.dump("list addresses", question)?;
        let listed = answer.into_iter().filter_map(pick!(RouteNetlinkMessage::NewAddress(address) => address));
        Ok(listed
            .filter(|message| matches!(message.header.family, AddressFamily::Inet | AddressFamily::Inet6))
            .collect())
    }

    /// Adds an address; `EEXIST` if the link has it already.
    pub fn add_address(&mut self, new: &NewAddress) -> Result<()> {
        let what = format!("add address {} to link {}", new.address, new.index);
        let message = RouteNetlinkMessage::NewAddress(new.message());
        self.request(&what, message, NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Deletes an address with its prefix length from a link; `EADDRNOTAVAIL` if the link does not have it.
    pub fn delete_address(&mut self, address: IpNet, index: u32) -> Result<()> {
        let what = format!("delete address {address} from link {index}");
        let message = NewAddress::new(address, index).message();
        self.request(&what, RouteNetlinkMessage::DelAddress(message), 0)
    }

    /// Deletes every IPv4 address of a link, and every IPv6 address that is not link-local.
    ///
    /// # Errors
    /// As [`delete_address`](Self::delete_address), but not for an address that was removed meanwhile.
    pub fn flush_addresses(&mut self, index: u32) -> Result<()> {
        for message in self.addresses()?.iter().filter(|message| message.header.index == index) {
            let Some(address) = local(message) else { continue };
            if matches!(address, IpAddr::V6(address) if address.is_unicast_link_local()) {
                continue;
            }
            let Ok(address) = IpNet::new(address, message.header.prefix_len) else { continue };
            match self.delete_address(address, index) {
                // The kernel removes secondary addresses with their primary one.
                Err(error) if error.is(nix::errno::Errno::EADDRNOTAVAIL) => {}
                result => result?,
            }
        }
        Ok(())
    }
}

/// The link's own address of a listed entry; on a point-to-point link the other attribute is the peer's.
pub fn local(message: &AddressMessage) -> Option<IpAddr> {
    let own = message.attributes.iter().find_map(pick!(AddressAttribute::Local(address) => *address));
    own.or_else(|| message.attributes.iter().find_map(pick!(AddressAttribute::Address(address) => *address)))
}

impl Netlink {
    /// All neighbours of both families, and all proxy entries.
    pub fn neighbours(&mut self) -> Result<Vec<NeighbourMessage>> {
        let mut listed = Vec::new();
        for flags in [NeighbourFlags::empty(), NeighbourFlags::Proxy] {
            let mut question = NeighbourMessage::default();
            question.header.flags = flags;
            let answer = self.dump("list neighbours", RouteNetlinkMessage::GetNeighbour(question))?;
            listed.extend(answer.into_iter().filter_map(pick!(RouteNetlinkMessage::NewNeighbour(found) => found)));
        }
        Ok(listed)
    }

    /// Sets a permanent neighbour entry: the hardware address of `address` on the link of this index. An existing entry is
    /// replaced.
    pub fn set_neighbour(&mut self, address: IpAddr, index: u32, mac: &[u8]) -> Result<()> {
        let mut message = neighbour_entry(address, index);
        message.header.state = NeighbourState::Permanent;
        message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.to_vec()));
        let what = format!("set neighbour {address} on link {index}");
        self.request(&what, RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_REPLACE)
    }

    /// Adds a proxy entry: the node answers for `address` on the link of this index. IPv6 also needs the sysctl `proxy_ndp`.
    pub fn add_proxy(&mut self, address: IpAddr, index: u32) -> Result<()> {
        let what = format!("add proxy for {address} on link {index}");
        let message = RouteNetlinkMessage::NewNeighbour(proxy_entry(address, index));
        self.request(&what, message, NLM_F_CREATE | NLM_F_REPLACE)
    }

    /// Deletes a proxy entry; `ENOENT` if there is none.
    pub fn delete_proxy(&mut self, address: IpAddr, index: u32) -> Result<()> {
        let what = format!("delete proxy for {address} on link {index}");
        self.request(&what, RouteNetlinkMessage::DelNeighbour(proxy_entry(address, index)), 0)
    }
}

fn neighbour_entry(address: IpAddr, index: u32) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family(address);
    message.header.ifindex = index;
    message.attributes.push(NeighbourAttribute::Destination(address.into()));
    message
}

fn proxy_entry(address: IpAddr, index: u32) -> NeighbourMessage {
    let mut message = neighbour_entry(address, index);
    message.header.flags = NeighbourFlags::Proxy;
    message
}
