//! Listeners: each answers a sender with the address that it saw, as text.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::libc::{in_pktinfo, in6_pktinfo};
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt, sockopt,
};
use plumbline_core::plan::Protocol;
use plumbline_core::wire::{Listener, ListenerResult};

/// How many senders are answered before other sockets have their turn.
const ANSWERS_PER_TURN: usize = 64;

/// How many answered connections stay open until their far end closes; above it the oldest is closed.
const MAX_CONNECTIONS: usize = 256;

/// An open listener.
pub struct OpenListener {
    /// The request.
    pub request: Listener,
    socket: ListenerSocket,
    senders: Vec<SocketAddr>,
    /// Answered connections whose far end has not closed yet.
    answered: Vec<TcpStream>,
}

enum ListenerSocket {
    Udp(UdpSocket),
    Tcp(TcpListener),
}

impl OpenListener {
    /// Opens it in the current namespace.
    ///
    /// # Errors
    /// What bind(2) gives; a protocol without listeners.
    pub fn open(request: &Listener) -> io::Result<Self> {
        let at = SocketAddr::new(request.address, request.port);
        let socket = match request.protocol {
            Protocol::Tcp => {
                let socket = TcpListener::bind(at)?;
                socket.set_nonblocking(true)?;
                ListenerSocket::Tcp(socket)
            }
            Protocol::Udp => {
                let socket = UdpSocket::bind(at)?;
                socket.set_nonblocking(true)?;
                // The answer must come from the address that the sender used, also where there are several.
                match at {
                    SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
                    SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?,
                }
                ListenerSocket::Udp(socket)
            }
            Protocol::Icmp | Protocol::Arp => {
                return Err(io::Error::other("protocol: expected UDP or TCP; the kernel itself answers ICMP and ARP"));
            }
        };
        Ok(Self { request: request.clone(), socket, senders: Vec::new(), answered: Vec::new() })
    }

    /// Adds the descriptors to poll: the socket, then its connections.
    pub fn watch<'a>(&'a self, watched: &mut Vec<PollFd<'a>>) {
        let socket = match &self.socket {
            ListenerSocket::Udp(socket) => socket.as_fd(),
            ListenerSocket::Tcp(socket) => socket.as_fd(),
        };
        watched.push(PollFd::new(socket, PollFlags::POLLIN));
        watched.extend(self.answered.iter().map(|one| PollFd::new(one.as_fd(), PollFlags::POLLIN)));
    }

    /// How many descriptors [`watch`](Self::watch) adds.
    pub fn descriptor_count(&self) -> usize {
        1 + self.answered.len()
    }

    /// Answers new senders; `ready` is in the order of [`watch`](Self::watch).
    pub fn serve(&mut self, ready: &[bool]) {
        let mut position = 0;
        self.answered.retain_mut(|one| {
            position += 1;
            !ready.get(position).copied().unwrap_or(true) || !is_at_end(one)
        });
        if ready.first().copied().unwrap_or(true) {
            match &self.socket {
                ListenerSocket::Udp(socket) => answer_datagrams(socket, &mut self.senders),
                ListenerSocket::Tcp(socket) => answer_connections(socket, &mut self.senders, &mut self.answered),
            }
        }
    }

    /// The report of the listener, with its first `count` senders.
    pub fn report(&self, alive: bool, count: usize) -> ListenerResult {
        let from = self.senders.iter().take(count).copied().collect();
        ListenerResult { id: self.request.id.clone(), alive, from }
    }

    /// How many senders there were so far.
    pub fn sender_count(&self) -> usize {
        self.senders.len()
    }
}

/// Reads and drops further data; returns whether the far end closed the connection.
fn is_at_end(stream: &mut TcpStream) -> bool {
    let mut waste = [0; 4096];
    for _ in 0..ANSWERS_PER_TURN {
        match stream.read(&mut waste) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return true,
        }
    }
    false
}

fn answer_connections(socket: &TcpListener, senders: &mut Vec<SocketAddr>, answered: &mut Vec<TcpStream>) {
    for _ in 0..ANSWERS_PER_TURN {
        let Ok((mut stream, peer)) = socket.accept() else { return };
        let peer = without_mapping(peer);
        senders.push(peer);
        // A new connection has room for a line; a far end that has closed by now needs no answer.
        let written = stream.set_nonblocking(true).and_then(|()| stream.write_all(peer.to_string().as_bytes()));
        if written.and_then(|()| stream.shutdown(Shutdown::Write)).is_ok() {
            // Closed only after the far end: unread data would turn the close into a reset, and the answer would be lost.
            if answered.len() >= MAX_CONNECTIONS {
                answered.remove(0);
            }
            answered.push(stream);
        }
    }
}

fn answer_datagrams(socket: &UdpSocket, senders: &mut Vec<SocketAddr>) {
    for _ in 0..ANSWERS_PER_TURN {
        let mut bytes = [0; 2048];
        let mut control = vec![0; 256];
        let mut room = [IoSliceMut::new(&mut bytes)];
        let got = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut room, Some(&mut control), MsgFlags::empty());
        let got = match got {
            Ok(got) => got,
            Err(Errno::EINTR) => continue,
            Err(_) => return,
        };
        let Some(to) = got.address else { continue };
        let Some(peer) = socket_address(&to) else { continue };
        let peer = without_mapping(peer);
        senders.push(peer);
        let text = peer.to_string();
        let answer = [IoSlice::new(text.as_bytes())];
        let mut control_messages = got.cmsgs().into_iter().flatten();
        // Sent from the address that the sender used; the kernel chooses the route.
        let source = control_messages.find_map(answer_source);
        let source = source.as_ref().map(|source| match source {
            AnswerSource::Four(at) => ControlMessage::Ipv4PacketInfo(at),
            AnswerSource::Six(at) => ControlMessage::Ipv6PacketInfo(at),
        });
        let _ = sendmsg(socket.as_raw_fd(), &answer, source.as_slice(), MsgFlags::empty(), Some(&to));
    }
}

enum AnswerSource {
    Four(in_pktinfo),
    Six(in6_pktinfo),
}

fn answer_source(message: ControlMessageOwned) -> Option<AnswerSource> {
    match message {
        ControlMessageOwned::Ipv4PacketInfo(mut at) => {
            (at.ipi_ifindex, at.ipi_spec_dst) = (0, at.ipi_addr);
            Some(AnswerSource::Four(at))
        }
        ControlMessageOwned::Ipv6PacketInfo(mut at) => {
            // A link-local address is valid on its link only.
            let local = std::net::Ipv6Addr::from(at.ipi6_addr.s6_addr).is_unicast_link_local();
            if !local {
                at.ipi6_ifindex = 0;
            }
            Some(AnswerSource::Six(at))
        }
        _ => None,
    }
}

/// The address as a type of the standard library.
pub fn socket_address(from: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(four) = from.as_sockaddr_in() {
        return Some(SocketAddr::from((four.ip(), four.port())));
    }
    let six = from.as_sockaddr_in6()?;
    Some(std::net::SocketAddrV6::new(six.ip(), six.port(), six.flowinfo(), six.scope_id()).into())
}

/// An IPv4-mapped IPv6 address as IPv4, for sockets of both families.
fn without_mapping(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}
