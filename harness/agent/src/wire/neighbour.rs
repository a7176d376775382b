//! Probes by frames: ARP requests and neighbour solicitations, and control frames, which have no answer.
//!
//! The agent builds the frames itself, so that the sender's neighbour table does not influence the answer.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Instant;

use ipnet::IpNet;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::LinkAddr;
use plumbline_core::wire::ProbeEnd;
use plumbline_netlink::link::format_mac;
use plumbline_netlink::raw::{Frame, Instruction, KEPT_BYTES, PacketSocket, ports};
use plumbline_netlink::{Netlink, address, route};

use super::probe_socket::PendingProbe;
use super::refusal::end_for_route_errno;
use crate::sockets::frames::{
    ARP, IPV6, Mac, build_arp_request, build_control_frame, build_solicitation, discovery_target, read_ipv4, read_u16,
    split_tags,
};

/// Passes ARP and neighbour advertisements: `ldh [12]; jeq ARP; jne IPv6; ldb [20]; jne ICMPv6; ldb [54]; jne 136`
/// (`linux/filter.h`).
const ANSWERS: [Instruction; 9] = [
    Instruction(0x28, 0, 0, 12),
    Instruction(0x15, 5, 0, ARP as u32),
    Instruction(0x15, 0, 5, IPV6 as u32),
    Instruction(0x30, 0, 0, 20),
    Instruction(0x15, 0, 3, 58),
    Instruction(0x30, 0, 0, 54),
    Instruction(0x15, 0, 1, 136),
    Instruction(0x06, 0, 0, KEPT_BYTES),
    Instruction(0x06, 0, 0, 0),
];

/// The packet socket of a namespace: sends frames and receives the answers.
pub struct FrameSocket {
    socket: PacketSocket,
    links: BTreeMap<String, LinkAddr>,
    received: RefCell<Vec<Frame>>,
}

impl FrameSocket {
    /// Opens one in the current namespace.
    ///
    /// # Errors
    /// What the socket gives.
    pub fn open() -> plumbline_netlink::Result<Self> {
        let socket = PacketSocket::open()?;
        socket.set_filter(&ANSWERS)?;
        Ok(Self { socket, links: ports()?, received: RefCell::default() })
    }

    /// The interface of this name.
    ///
    /// # Errors
    /// [`ProbeEnd::Unable`] when it does not exist.
    pub fn link(&self, name: &str) -> Result<LinkAddr, ProbeEnd> {
        self.links.get(name).copied().ok_or_else(|| ProbeEnd::Unable {
            why: format!("no interface {name}; found {}", self.links.keys().cloned().collect::<Vec<_>>().join(", ")),
        })
    }

    /// Sends a control frame by an interface, with these tags, outermost first, and priority bits in the outermost.
    ///
    /// # Errors
    /// [`ProbeEnd::Unable`].
    pub fn send_control_frame(&self, interface: &str, tags: &[u16], priority: u8, id: &str) -> Result<(), ProbeEnd> {
        let unable = |why: String| ProbeEnd::Unable { why };
        if let Some(tag) = tags.iter().find(|tag| **tag > 4095) {
            return Err(unable(format!("VLAN id: expected 0 to 4095, found {tag}")));
        }
        if priority > 7 {
            return Err(unable(format!("priority: expected 0 to 7, found {priority}")));
        }
        let link = self.link(interface)?;
        let frame = build_control_frame(mac_of(&link)?, tags, priority, id);
        self.socket.send(&link, &frame).map_err(|error| unable(error.to_string()))
    }

    /// The packet socket alone.
    pub fn into_packet_socket(self) -> PacketSocket {
        self.socket
    }

    fn receive_available(&self) {
        while let Ok(Some(frame)) = self.socket.receive() {
            self.received.borrow_mut().push(frame);
        }
    }
}

/// The hardware address of an interface.
///
/// # Errors
/// [`ProbeEnd::Unable`] for an interface without a MAC address.
fn mac_of(link: &LinkAddr) -> Result<Mac, ProbeEnd> {
    link.addr().ok_or_else(|| ProbeEnd::Unable { why: "the interface has no MAC address".to_owned() })
}

/// An ARP request or neighbour solicitation that waits for its answer.
pub struct Neighbour {
    socket: Rc<FrameSocket>,
    link: LinkAddr,
    to: IpAddr,
    request: Vec<u8>,
    /// How many received frames were checked.
    checked: usize,
}

impl Neighbour {
    /// Prepares it in the current namespace. Without an interface the route decides; it must lead to a link, not to a
    /// gateway.
    ///
    /// # Errors
    /// No route; no such interface.
    pub fn open(
        socket: Rc<FrameSocket>,
        to: IpAddr,
        from: Option<IpAddr>,
        dev: Option<&str>,
    ) -> Result<Self, ProbeEnd> {
        let unable = |error: plumbline_netlink::Error| ProbeEnd::Unable { why: error.to_string() };
        let mut netlink = Netlink::open().map_err(unable)?;
        let name = match dev {
            Some(dev) => dev.to_owned(),
            None => find_outgoing_interface(&mut netlink, to)?,
        };
        let link = socket.link(&name)?;
        let source = match from {
            Some(from) => Some(from),
            None => {
                choose_source(&mut netlink, u32::try_from(link.ifindex()).unwrap_or_default(), to).map_err(unable)?
            }
        };
        let mac = mac_of(&link)?;
        let request = match (to, source) {
            (IpAddr::V4(to), Some(IpAddr::V4(source))) => build_arp_request(mac, source, to),
            (IpAddr::V4(to), _) => build_arp_request(mac, Ipv4Addr::UNSPECIFIED, to),
            (IpAddr::V6(to), Some(IpAddr::V6(source))) => build_solicitation(mac, source, to),
            (IpAddr::V6(to), _) => build_solicitation(mac, Ipv6Addr::UNSPECIFIED, to),
        };
        let checked = socket.received.borrow().len();
        Ok(Self { socket, link, to, request, checked })
    }

    /// The MAC address in a frame that answers the request.
    fn answered_mac(&self, frame: &Frame) -> Option<String> {
        const REPLY: u16 = 2;
        if frame.outgoing || usize::try_from(frame.index).ok()? != self.link.ifindex() {
            return None;
        }
        let (kind, rest) = split_tags(&frame.bytes)?;
        match kind {
            ARP if read_u16(rest, 6)? == REPLY && read_ipv4(rest, 14)? == self.to => Some(format_mac(rest.get(8..14)?)),
            IPV6 if rest.get(40) == Some(&136) && discovery_target(rest)? == self.to => {
                Some(format_mac(frame.bytes.get(6..12)?))
            }
            _ => None,
        }
    }
}

impl PendingProbe for Neighbour {
    fn watch<'a>(&'a self, watched: &mut Vec<PollFd<'a>>) {
        watched.push(PollFd::new(self.socket.socket.as_fd(), PollFlags::POLLIN));
    }

    fn send(&mut self) -> Result<(), ProbeEnd> {
        self.socket.socket.send(&self.link, &self.request).map_err(|error| ProbeEnd::Unable { why: error.to_string() })
    }

    fn read_answer(&mut self) -> Option<(ProbeEnd, Option<Instant>)> {
        self.socket.receive_available();
        let received = self.socket.received.borrow();
        let found = received[self.checked..].iter().find_map(|frame| self.answered_mac(frame));
        self.checked = received.len();
        found.map(|mac| (ProbeEnd::Answered { by: self.to, mac: Some(mac), saw: None }, None))
    }
}

/// The interface of the route to an address.
fn find_outgoing_interface(netlink: &mut Netlink, to: IpAddr) -> Result<String, ProbeEnd> {
    let unable = |why: String| ProbeEnd::Unable { why };
    let route = netlink.route_to(to).map_err(|error| match error.errno() {
        Some(errno) => end_for_route_errno(errno),
        None => unable(error.to_string()),
    })?;
    if let Some(gateway) = route::gateway(&route) {
        return Err(unable(format!("{to} is not on a link but behind gateway {gateway}; fix: name the interface")));
    }
    let name = route::link(&route).map(|index| netlink.link_name(index)).transpose();
    let name = name.map_err(|error| unable(error.to_string()))?.flatten();
    name.ok_or_else(|| unable(format!("the route to {to} has no interface")))
}

/// The source address on an interface: one of the same subnet, otherwise any of the family.
fn choose_source(netlink: &mut Netlink, index: u32, to: IpAddr) -> plumbline_netlink::Result<Option<IpAddr>> {
    let listed = netlink.addresses()?;
    let own = listed.iter().filter(|one| one.header.index == index);
    let own: Vec<IpNet> = own.filter_map(|one| IpNet::new(address::local(one)?, one.header.prefix_len).ok()).collect();
    let same_subnet = own.iter().find(|one| one.contains(&to));
    Ok(same_subnet.or_else(|| own.iter().find(|one| one.addr().is_ipv4() == to.is_ipv4())).map(IpNet::addr))
}
