//! Links: listing, finding, adding, changing, deleting; hardware addresses as text.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use netlink_packet_route::nsid::{NsidAttribute, NsidMessage};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoIpVlan, InfoKind, InfoMacVlan, InfoVeth, InfoVlan, InfoVrf, IpVlanMode, LinkAttribute, LinkFlags,
    LinkInfo, LinkMessage, MacVlanMode, VlanProtocol,
};

use crate::error::{Error, Result};
use crate::socket::Netlink;

/// The kind of a new link. Parents are interface indexes in the namespace of the socket.
#[derive(Debug, Clone)]
pub enum LinkKind<'a> {
    /// A software bridge.
    Bridge,
    /// A veth; the peer describes the other end, and the peer's own kind is ignored.
    Veth(Box<NewLink<'a>>),
    /// A macvlan on a parent.
    Macvlan {
        /// Index of the parent link.
        parent: u32,
        /// Bridge, private, vepa, passthru or source.
        mode: MacVlanMode,
    },
    /// An 802.1Q subinterface.
    Vlan {
        /// Index of the parent link.
        parent: u32,
        /// The tag, 0 to 4094.
        id: u16,
    },
    /// An 802.1ad subinterface: the outer tag of QinQ.
    ServiceVlan {
        /// Index of the parent link.
        parent: u32,
        /// The tag, 0 to 4094.
        id: u16,
    },
    /// An ipvlan on a parent.
    Ipvlan {
        /// Index of the parent link.
        parent: u32,
        /// L2, L3 or L3S.
        mode: IpVlanMode,
    },
    /// A dummy, which drops what is sent.
    Dummy,
    /// A virtual routing and forwarding device.
    Vrf {
        /// The routing table it owns.
        table: u32,
    },
    /// Any other kind without data of its own, by the kernel's name (`ifb`, `vcan`).
    Plain(String),
}

/// A new link: name, kind and settings.
#[derive(Debug, Clone)]
pub struct NewLink<'a> {
    name: String,
    kind: LinkKind<'a>,
    index: u32,
    up: bool,
    mtu: Option<u32>,
    netns: Option<BorrowedFd<'a>>,
}

impl<'a> NewLink<'a> {
    /// A link of this name (at most 15 bytes) and kind, down.
    pub fn new(name: impl Into<String>, kind: LinkKind<'a>) -> Self {
        Self { name: name.into(), kind, index: 0, up: false, mtu: None, netns: None }
    }

    /// A veth pair of these two names in this namespace.
    pub fn veth(name: impl Into<String>, peer: impl Into<String>) -> Self {
        Self::veth_to(name, NewLink::new(peer, LinkKind::Dummy))
    }

    /// A veth pair whose far end is as described (name, MTU, namespace, up); the peer's kind is ignored.
    pub fn veth_to(name: impl Into<String>, peer: NewLink<'a>) -> Self {
        Self::new(name, LinkKind::Veth(Box::new(peer)))
    }

    /// Sets the interface index; `EEXIST` if another link has it. Otherwise the kernel takes the next one.
    pub fn index(mut self, index: u32) -> Self {
        self.index = index;
        self
    }

    /// Sets the link up at once.
    pub fn up(mut self) -> Self {
        self.up = true;
        self
    }

    /// Sets the MTU, in bytes.
    pub fn mtu(mut self, bytes: u32) -> Self {
        self.mtu = Some(bytes);
        self
    }

    /// Makes the link in another network namespace; its parent is still looked up in the socket's.
    pub fn netns(mut self, namespace: BorrowedFd<'a>) -> Self {
        self.netns = Some(namespace);
        self
    }

    /// The attributes that a veth's peer has too.
    fn common(&self) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(self.name.clone()));
        message.attributes.extend(self.mtu.map(LinkAttribute::Mtu));
        message.attributes.extend(self.netns.map(|fd| LinkAttribute::NetNsFd(fd.as_raw_fd())));
        message
    }

    fn message(&self) -> LinkMessage {
        let mut message = self.common();
        message.header.index = self.index;
        if self.up {
            message.header.flags = LinkFlags::Up;
            message.header.change_mask = LinkFlags::Up;
        }
        let (kind, parent, data) = match &self.kind {
            LinkKind::Bridge => (InfoKind::Bridge, None, None),
            LinkKind::Dummy => (InfoKind::Dummy, None, None),
            LinkKind::Plain(kind) => (InfoKind::Other(kind.clone()), None, None),
            LinkKind::Veth(peer) => (InfoKind::Veth, None, Some(InfoData::Veth(InfoVeth::Peer(peer.common())))),
            LinkKind::Macvlan { parent, mode } => {
                (InfoKind::MacVlan, Some(*parent), Some(InfoData::MacVlan(vec![InfoMacVlan::Mode(*mode)])))
            }
            LinkKind::Vlan { parent, id } => {
                (InfoKind::Vlan, Some(*parent), Some(InfoData::Vlan(vec![InfoVlan::Id(*id)])))
            }
            LinkKind::ServiceVlan { parent, id } => {
                let data = vec![InfoVlan::Id(*id), InfoVlan::Protocol(VlanProtocol::Ieee8021Ad)];
                (InfoKind::Vlan, Some(*parent), Some(InfoData::Vlan(data)))
            }
            LinkKind::Ipvlan { parent, mode } => {
                (InfoKind::IpVlan, Some(*parent), Some(InfoData::IpVlan(vec![InfoIpVlan::Mode(*mode)])))
            }
            LinkKind::Vrf { table } => (InfoKind::Vrf, None, Some(InfoData::Vrf(vec![InfoVrf::TableId(*table)]))),
        };
        message.attributes.extend(parent.map(LinkAttribute::Link));
        let mut info = vec![LinkInfo::Kind(kind)];
        info.extend(data.map(LinkInfo::Data));
        message.attributes.push(LinkAttribute::LinkInfo(info));
        message
    }
}

/// The name of a listed link; empty if the kernel gave none.
pub fn name(message: &LinkMessage) -> &str {
    message.attributes.iter().find_map(pick!(LinkAttribute::IfName(name) => name.as_str())).unwrap_or_default()
}

/// The hardware address of a listed link, where it has one of 6 bytes.
pub fn mac(message: &LinkMessage) -> Option<[u8; 6]> {
    message.attributes.iter().find_map(pick!(LinkAttribute::Address(bytes) => bytes))?.as_slice().try_into().ok()
}

/// Whether a listed link has this hardware address.
pub fn has_mac(message: &LinkMessage, wanted: [u8; 6]) -> bool {
    mac(message) == Some(wanted)
}

/// A hardware address as text, such as `02:42:ac:11:00:02`.
pub fn format_mac(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// Parses a hardware address of 6 bytes.
pub fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let bytes: Option<Vec<u8>> = text.split(':').map(|part| u8::from_str_radix(part, 16).ok()).collect();
    bytes?.try_into().ok()
}

impl Netlink {
    /// All links of the namespace, in the kernel's order.
    pub fn links(&mut self) -> Result<Vec<LinkMessage>> {
        let answer = self.dump("list links", RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
        Ok(answer.into_iter().filter_map(pick!(RouteNetlinkMessage::NewLink(link) => link)).collect())
    }

    /// The link of this name.
    ///
    /// # Errors
    /// [`Error::Kernel`] with `ENODEV` if there is none.
    pub fn link(&mut self, name: &str) -> Result<LinkMessage> {
        let what = format!("look up link {name}");
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.to_owned()));
        let answer = self.query(&what, RouteNetlinkMessage::GetLink(message))?;
        match answer {
            RouteNetlinkMessage::NewLink(link) => Ok(link),
            _ => Err(Error::Answer { what, problem: "expected a link".to_owned() }),
        }
    }

    /// The interface index of the link of this name; errors as [`link`](Self::link).
    pub fn link_index(&mut self, name: &str) -> Result<u32> {
        self.link(name).map(|message| message.header.index)
    }

    /// The name of the link of this index; none if there is none.
    pub fn link_name(&mut self, index: u32) -> Result<Option<String>> {
        let listed = self.links()?;
        Ok(listed.iter().find(|one| one.header.index == index).map(|one| name(one).to_owned()))
    }

    /// The number under which this namespace knows another one (`IFLA_LINK_NETNSID` of its links); none if it has none.
    pub fn namespace_id(&mut self, other: impl AsFd) -> Result<Option<i32>> {
        let mut question = NsidMessage::default();
        let fd = u32::try_from(other.as_fd().as_raw_fd()).unwrap_or_default();
        question.attributes.push(NsidAttribute::Fd(fd));
        let what = "look up the number of a network namespace";
        let RouteNetlinkMessage::NewNsId(answer) = self.query(what, RouteNetlinkMessage::GetNsId(question))? else {
            return Ok(None);
        };
        let id = answer.attributes.iter().find_map(pick!(NsidAttribute::Id(id) => *id));
        Ok(id.filter(|id| *id >= 0))
    }

    /// Adds a link. `EEXIST` if there is a link of that name; `EOPNOTSUPP` for a kind that the kernel lacks.
    pub fn add_link(&mut self, new: &NewLink) -> Result<()> {
        let what = format!("make link {}", new.name);
        let message = RouteNetlinkMessage::NewLink(new.message());
        self.request(&what, message, NLM_F_CREATE | NLM_F_EXCL)?;
        match &new.kind {
            LinkKind::Veth(peer) if peer.up => self.set_peer_up(peer),
            _ => Ok(()),
        }
    }

    /// The kernel configures a veth's peer before it joins both ends, and a single end cannot go up (`ENOTCONN`).
    fn set_peer_up(&mut self, peer: &NewLink) -> Result<()> {
        let mut elsewhere = peer.netns.map(Netlink::open_in).transpose()?;
        let socket = elsewhere.as_mut().unwrap_or(self);
        let index = socket.link_index(&peer.name)?;
        socket.set_up(index, true)
    }

    /// Deletes the link of this index.
    pub fn delete_link(&mut self, index: u32) -> Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        let what = format!("delete link {index}");
        self.request(&what, RouteNetlinkMessage::DelLink(message), 0)
    }

    /// Sets a link up or down.
    pub fn set_up(&mut self, index: u32, up: bool) -> Result<()> {
        let what = format!("set link {index} {}", if up { "up" } else { "down" });
        self.change_flags(&what, index, LinkFlags::Up, up)
    }

    /// Sets flags of a link on or off, such as `Promisc`, `Noarp` or `Multicast`; its other flags stay.
    pub fn set_flags(&mut self, index: u32, flags: LinkFlags, on: bool) -> Result<()> {
        let what = format!("set {flags:?} of link {index} {}", if on { "on" } else { "off" });
        self.change_flags(&what, index, flags, on)
    }

    fn change_flags(&mut self, what: &str, index: u32, flags: LinkFlags, on: bool) -> Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.change_mask = flags;
        if on {
            message.header.flags = flags;
        }
        self.request(what, RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Sets the MTU, in bytes; `EINVAL` outside the device's limits.
    pub fn set_mtu(&mut self, index: u32, bytes: u32) -> Result<()> {
        self.set(index, "MTU", LinkAttribute::Mtu(bytes))
    }

    /// Sets the hardware address. `EADDRINUSE` if another macvlan on the same parent has it.
    pub fn set_mac(&mut self, index: u32, mac: [u8; 6]) -> Result<()> {
        self.set(index, "hardware address", LinkAttribute::Address(mac.to_vec()))
    }

    /// Sets the length of the transmit queue, in packets.
    pub fn set_queue_length(&mut self, index: u32, packets: u32) -> Result<()> {
        self.set(index, "queue length", LinkAttribute::TxQueueLen(packets))
    }

    /// Sets the alias, a text for people.
    pub fn set_alias(&mut self, index: u32, alias: &str) -> Result<()> {
        self.set(index, "alias", LinkAttribute::IfAlias(alias.to_owned()))
    }

    /// Sets the mode of a macvlan. The kernel refuses to change to or from passthru (`EINVAL`).
    pub fn set_macvlan_mode(&mut self, index: u32, mode: MacVlanMode) -> Result<()> {
        let data = InfoData::MacVlan(vec![InfoMacVlan::Mode(mode)]);
        self.change_data(&format!("set mode of macvlan {index}"), index, InfoKind::MacVlan, data)
    }

    /// Changes data of a link's kind.
    pub(crate) fn change_data(&mut self, what: &str, index: u32, kind: InfoKind, data: InfoData) -> Result<()> {
        self.change_info(what, index, vec![LinkInfo::Kind(kind), LinkInfo::Data(data)])
    }

    /// Changes data of a link's kind, or of the port that it is.
    pub(crate) fn change_info(&mut self, what: &str, index: u32, info: Vec<LinkInfo>) -> Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.attributes.push(LinkAttribute::LinkInfo(info));
        // Such data is changed by "new", as `ip link set type` does.
        self.request(what, RouteNetlinkMessage::NewLink(message), 0)
    }

    /// Makes a link a port of the bridge or VRF of index `master`, or frees it.
    pub fn set_master(&mut self, index: u32, master: Option<u32>) -> Result<()> {
        self.set(index, "master", LinkAttribute::Controller(master.unwrap_or(0)))
    }

    /// Renames a link; on older kernels the link must be down.
    pub fn rename(&mut self, index: u32, name: &str) -> Result<()> {
        self.set(index, "name", LinkAttribute::IfName(name.to_owned()))
    }

    /// Moves a link into another network namespace; it arrives there down and without addresses.
    pub fn move_link(&mut self, index: u32, namespace: impl AsFd) -> Result<()> {
        let fd = namespace.as_fd().as_raw_fd();
        self.set(index, "namespace", LinkAttribute::NetNsFd(fd))
    }

    fn set(&mut self, index: u32, property: &str, attribute: LinkAttribute) -> Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.attributes.push(attribute);
        let what = format!("set {property} of link {index}");
        self.request(&what, RouteNetlinkMessage::SetLink(message), 0)
    }
}
