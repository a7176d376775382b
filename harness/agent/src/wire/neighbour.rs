//! Who has this address on the link: ARP requests and neighbour solicitations, by hand, so that neither the sender's
//! neighbour table nor its state is part of the answer.

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
use plumbline_netlink::raw::{Frame, Instruction, KEPT_BYTES, PacketSocket, ports};
use plumbline_netlink::{Netlink, address, link, route};

use super::act::Asking;
use super::frame::{ARP, IPV6, half, inner, mac, target, v4};
use super::packets::{Mac, solicitation, who_has};
use super::refusal::no_way;

/// Lets through ARP and neighbour advertisements: `ldh [12]; jeq ARP; jne IPv6; ldb [20]; jne ICMPv6; ldb [54]; jne 136`
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

/// What a namespace sends frames by, and hears the answers with.
pub struct Port {
    /// The socket.
    pub socket: PacketSocket,
    links: BTreeMap<String, LinkAddr>,
    heard: RefCell<Vec<Frame>>,
}

impl Port {
    /// Opens one in the namespace this thread is in.
    ///
    /// # Errors
    /// What the socket gives.
    pub fn open() -> plumbline_netlink::Result<Self> {
        let socket = PacketSocket::open()?;
        socket.filter(&ANSWERS)?;
        Ok(Self { socket, links: ports()?, heard: RefCell::default() })
    }

    /// The interface of this name.
    ///
    /// # Errors
    /// [`ProbeEnd::Unable`] when it is not there.
    pub fn link(&self, name: &str) -> Result<LinkAddr, ProbeEnd> {
        self.links.get(name).copied().ok_or_else(|| ProbeEnd::Unable {
            why: format!(
                "there is no interface {name}; there are {}",
                self.links.keys().cloned().collect::<Vec<_>>().join(", ")
            ),
        })
    }

    /// The socket alone.
    #[must_use]
    pub fn into_socket(self) -> PacketSocket {
        self.socket
    }

    fn listen(&self) {
        while let Ok(Some(frame)) = self.socket.receive() {
            self.heard.borrow_mut().push(frame);
        }
    }
}

/// The hardware address of an interface.
///
/// # Errors
/// [`ProbeEnd::Unable`] for one that has none of Ethernet's.
pub fn mac_of(link: &LinkAddr) -> Result<Mac, ProbeEnd> {
    link.addr().ok_or_else(|| ProbeEnd::Unable { why: "the interface has no MAC address".to_owned() })
}

/// A question on the link.
pub struct Neighbour {
    port: Rc<Port>,
    link: LinkAddr,
    to: IpAddr,
    question: Vec<u8>,
    /// How much of what the port heard was looked at.
    read: usize,
}

impl Neighbour {
    /// Prepares it in the namespace this thread is in. Without an interface it goes where the routes lead; that has to
    /// be a link, not a gateway.
    ///
    /// # Errors
    /// No route; no such interface.
    pub fn open(port: Rc<Port>, to: IpAddr, from: Option<IpAddr>, dev: Option<&str>) -> Result<Self, ProbeEnd> {
        let unable = |error: plumbline_netlink::Error| ProbeEnd::Unable { why: error.to_string() };
        let mut netlink = Netlink::open().map_err(unable)?;
        let name = match dev {
            Some(dev) => dev.to_owned(),
            None => way(&mut netlink, to)?,
        };
        let link = port.link(&name)?;
        let own = match from {
            Some(from) => Some(from),
            None => own(&mut netlink, u32::try_from(link.ifindex()).unwrap_or_default(), to).map_err(unable)?,
        };
        let mac = mac_of(&link)?;
        let question = match (to, own) {
            (IpAddr::V4(to), Some(IpAddr::V4(own))) => who_has(mac, own, to),
            (IpAddr::V4(to), _) => who_has(mac, Ipv4Addr::UNSPECIFIED, to),
            (IpAddr::V6(to), Some(IpAddr::V6(own))) => solicitation(mac, own, to),
            (IpAddr::V6(to), _) => solicitation(mac, Ipv6Addr::UNSPECIFIED, to),
        };
        let read = port.heard.borrow().len();
        Ok(Self { port, link, to, question, read })
    }

    /// The MAC address that a frame tells for the one that was asked for.
    fn answer(&self, frame: &Frame) -> Option<String> {
        const REPLY: u16 = 2;
        if frame.outgoing || usize::try_from(frame.index).ok()? != self.link.ifindex() {
            return None;
        }
        let (kind, rest) = inner(&frame.bytes)?;
        match kind {
            ARP if half(rest, 6)? == REPLY && v4(rest, 14)? == self.to => Some(mac(rest.get(8..14)?)),
            IPV6 if rest.get(40) == Some(&136) && target(rest)? == self.to => Some(mac(frame.bytes.get(6..12)?)),
            _ => None,
        }
    }
}

impl Asking for Neighbour {
    fn watch<'a>(&'a self, watched: &mut Vec<PollFd<'a>>) {
        watched.push(PollFd::new(self.port.socket.as_fd(), PollFlags::POLLIN));
    }

    fn send(&mut self) -> Result<(), ProbeEnd> {
        self.port.socket.send(&self.link, &self.question).map_err(|error| ProbeEnd::Unable { why: error.to_string() })
    }

    fn take(&mut self) -> Option<(ProbeEnd, Option<Instant>)> {
        self.port.listen();
        let heard = self.port.heard.borrow();
        let found = heard[self.read..].iter().find_map(|frame| self.answer(frame));
        self.read = heard.len();
        found.map(|mac| (ProbeEnd::Answered { by: self.to, mac: Some(mac), saw: None }, None))
    }
}

/// The interface that the routes lead to.
fn way(netlink: &mut Netlink, to: IpAddr) -> Result<String, ProbeEnd> {
    let unable = |why: String| ProbeEnd::Unable { why };
    let route = netlink.route_to(to).map_err(|error| match error.errno() {
        Some(errno) => no_way(errno),
        None => unable(error.to_string()),
    })?;
    if let Some(gateway) = route::gateway(&route) {
        return Err(unable(format!("{to} is not on a link but behind {gateway}; name the interface")));
    }
    let listed = netlink.links().map_err(|error| unable(error.to_string()))?;
    let found = listed.iter().find(|one| Some(one.header.index) == route::link(&route));
    found
        .map(|one| link::name(one).to_owned())
        .ok_or_else(|| unable(format!("the route to {to} leads to no interface")))
}

/// The interface's own address to ask from: one of the subnet before any other of the family.
fn own(netlink: &mut Netlink, index: u32, to: IpAddr) -> plumbline_netlink::Result<Option<IpAddr>> {
    let listed = netlink.addresses()?;
    let own = listed.iter().filter(|one| one.header.index == index);
    let own: Vec<IpNet> = own.filter_map(|one| IpNet::new(address::local(one)?, one.header.prefix_len).ok()).collect();
    let of_subnet = own.iter().find(|one| one.contains(&to));
    Ok(of_subnet.or_else(|| own.iter().find(|one| one.addr().is_ipv4() == to.is_ipv4())).map(IpNet::addr))
}
