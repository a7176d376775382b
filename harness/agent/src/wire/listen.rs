//! Listeners: whoever asks is answered with the address that it was seen with, as text.

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
use plumbline_core::wire::{Listener, ListenerSeen};

/// How many are answered before others get their turn.
const AT_ONCE: usize = 64;

/// How many connections are kept to read their end; beyond it the oldest is let go.
const KEPT_CONNECTIONS: usize = 256;

/// An open listener.
pub struct Listening {
    /// What was asked for.
    pub wanted: Listener,
    socket: Open,
    from: Vec<SocketAddr>,
    /// Answered connections whose far end has not closed yet.
    answered: Vec<TcpStream>,
}

enum Open {
    Udp(UdpSocket),
    Tcp(TcpListener),
}

impl Listening {
    /// Opens it in the namespace this thread is in.
    ///
    /// # Errors
    /// What bind(2) gives; a protocol that nobody listens to.
    pub fn open(wanted: &Listener) -> io::Result<Self> {
        let at = SocketAddr::new(wanted.address, wanted.port);
        let socket = match wanted.protocol {
            Protocol::Tcp => {
                let socket = TcpListener::bind(at)?;
                socket.set_nonblocking(true)?;
                Open::Tcp(socket)
            }
            Protocol::Udp => {
                let socket = UdpSocket::bind(at)?;
                socket.set_nonblocking(true)?;
                // An answer has to come from the address that was asked, also where there are many.
                match at {
                    SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
                    SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?,
                }
                Open::Udp(socket)
            }
            Protocol::Icmp | Protocol::Arp => {
                return Err(io::Error::other("only UDP and TCP have listeners; the kernel answers the others"));
            }
        };
        Ok(Self { wanted: wanted.clone(), socket, from: Vec::new(), answered: Vec::new() })
    }

    /// What is to be polled: the socket, then its connections.
    pub fn watch<'a>(&'a self, watched: &mut Vec<PollFd<'a>>) {
        let socket = match &self.socket {
            Open::Udp(socket) => socket.as_fd(),
            Open::Tcp(socket) => socket.as_fd(),
        };
        watched.push(PollFd::new(socket, PollFlags::POLLIN));
        watched.extend(self.answered.iter().map(|one| PollFd::new(one.as_fd(), PollFlags::POLLIN)));
    }

    /// How many descriptors [`watch`](Self::watch) gives.
    #[must_use]
    pub fn watched(&self) -> usize {
        1 + self.answered.len()
    }

    /// Answers whoever asks; `ready` as [`watch`](Self::watch) gave them.
    pub fn serve(&mut self, ready: &[bool]) {
        let mut place = 0;
        self.answered.retain_mut(|one| {
            place += 1;
            !ready.get(place).copied().unwrap_or(true) || !ended(one)
        });
        if ready.first().copied().unwrap_or(true) {
            match &self.socket {
                Open::Udp(socket) => datagrams(socket, &mut self.from),
                Open::Tcp(socket) => connections(socket, &mut self.from, &mut self.answered),
            }
        }
    }

    /// What it heard.
    #[must_use]
    pub fn seen(&self, alive: bool, until: usize) -> ListenerSeen {
        let from = self.from.iter().take(until).copied().collect();
        ListenerSeen { id: self.wanted.id.clone(), alive, from }
    }

    /// How many it heard so far.
    #[must_use]
    pub fn heard(&self) -> usize {
        self.from.len()
    }
}

/// Reads what the far end still says; whether that was its end.
fn ended(stream: &mut TcpStream) -> bool {
    let mut waste = [0; 4096];
    for _ in 0..AT_ONCE {
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

fn connections(socket: &TcpListener, from: &mut Vec<SocketAddr>, answered: &mut Vec<TcpStream>) {
    for _ in 0..AT_ONCE {
        let Ok((mut stream, peer)) = socket.accept() else { return };
        let peer = plain(peer);
        from.push(peer);
        // A fresh connection has room for a line; a far end that is gone by now wants no answer.
        let told = stream.set_nonblocking(true).and_then(|()| stream.write_all(peer.to_string().as_bytes()));
        if told.and_then(|()| stream.shutdown(Shutdown::Write)).is_ok() {
            // Closed only after its far end: unread words would turn the close into a reset, which eats the answer.
            if answered.len() >= KEPT_CONNECTIONS {
                answered.remove(0);
            }
            answered.push(stream);
        }
    }
}

fn datagrams(socket: &UdpSocket, from: &mut Vec<SocketAddr>) {
    for _ in 0..AT_ONCE {
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
        let Some(peer) = address(&to) else { continue };
        let peer = plain(peer);
        from.push(peer);
        let text = peer.to_string();
        let answer = [IoSlice::new(text.as_bytes())];
        let mut asked = got.cmsgs().into_iter().flatten();
        // From the address that was asked; the way there is the kernel's choice.
        let _ = match asked.find_map(asked_at) {
            Some(Asked::Four(at)) => {
                let at = [ControlMessage::Ipv4PacketInfo(&at)];
                sendmsg(socket.as_raw_fd(), &answer, &at, MsgFlags::empty(), Some(&to))
            }
            Some(Asked::Six(at)) => {
                let at = [ControlMessage::Ipv6PacketInfo(&at)];
                sendmsg(socket.as_raw_fd(), &answer, &at, MsgFlags::empty(), Some(&to))
            }
            None => sendmsg(socket.as_raw_fd(), &answer, &[], MsgFlags::empty(), Some(&to)),
        };
    }
}

enum Asked {
    Four(in_pktinfo),
    Six(in6_pktinfo),
}

fn asked_at(message: ControlMessageOwned) -> Option<Asked> {
    match message {
        ControlMessageOwned::Ipv4PacketInfo(mut at) => {
            (at.ipi_ifindex, at.ipi_spec_dst) = (0, at.ipi_addr);
            Some(Asked::Four(at))
        }
        ControlMessageOwned::Ipv6PacketInfo(mut at) => {
            // A link-local address means something on its link alone.
            let local = std::net::Ipv6Addr::from(at.ipi6_addr.s6_addr).is_unicast_link_local();
            if !local {
                at.ipi6_ifindex = 0;
            }
            Some(Asked::Six(at))
        }
        _ => None,
    }
}

/// The address of a socket as the standard library has it.
#[must_use]
pub fn address(from: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(four) = from.as_sockaddr_in() {
        return Some(SocketAddr::from((four.ip(), four.port())));
    }
    let six = from.as_sockaddr_in6()?;
    Some(std::net::SocketAddrV6::new(six.ip(), six.port(), six.flowinfo(), six.scope_id()).into())
}

/// IPv4 also where it came to a socket of both families.
fn plain(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}
