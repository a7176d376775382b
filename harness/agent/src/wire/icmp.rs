//! Echo requests, ICMP and ICMPv6, by a raw socket. The agent may open one, also where the pod may not.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{MsgFlags, SockProtocol, SockType, recv, send};
use plumbline_core::wire::ProbeEnd;

use super::probe_socket::{PendingProbe, connect_socket, open_socket, source_address};
use super::refusal::{end_for_errno, read_refusals};
use crate::sockets::frames::internet_checksum;

/// Types of echo request and reply: ICMP (RFC 792) and ICMPv6 (RFC 4443).
const ICMP_TYPES: (u8, u8) = (8, 0);
const ICMPV6_TYPES: (u8, u8) = (128, 129);

/// The identifier separates probes: a raw socket gets the replies of all probes of its namespace.
static NEXT_ID: AtomicU16 = AtomicU16::new(0);

/// An echo request.
pub struct Icmp {
    socket: OwnedFd,
    to: IpAddr,
    source: Option<IpAddr>,
    id: u16,
    sent: Vec<Instant>,
}

impl Icmp {
    /// Opens the socket in the current namespace.
    ///
    /// # Errors
    /// As [`open_socket`] and [`connect_socket`].
    pub fn open(to: IpAddr, from: Option<IpAddr>, dev: Option<&str>) -> Result<Self, ProbeEnd> {
        let protocol = if to.is_ipv4() { SockProtocol::Icmp } else { SockProtocol::IcmpV6 };
        let socket = open_socket(SockType::Raw, protocol, to, from, dev)?;
        connect_socket(&socket, SocketAddr::new(to, 0))?;
        // Another agent may send from the same namespace, so the identifier also depends on the clock.
        let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let spread = u16::try_from(seed.subsec_micros() & 0xffff).unwrap_or_default();
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed).wrapping_add(spread);
        Ok(Self { source: source_address(&socket), socket, to, id, sent: Vec::new() })
    }

    fn types(&self) -> (u8, u8) {
        if self.to.is_ipv4() { ICMP_TYPES } else { ICMPV6_TYPES }
    }

    /// The sequence number of our request in a message of this type.
    fn sequence_number(&self, message: &[u8], kind: u8) -> Option<usize> {
        match *message {
            [found, _, _, _, i0, i1, s0, s1, ..] if found == kind && [i0, i1] == self.id.to_be_bytes() => {
                Some(usize::from(u16::from_be_bytes([s0, s1]))).filter(|number| *number < self.sent.len())
            }
            _ => None,
        }
    }
}

impl PendingProbe for Icmp {
    fn watch<'a>(&'a self, watched: &mut Vec<PollFd<'a>>) {
        watched.push(PollFd::new(self.socket.as_fd(), PollFlags::POLLIN));
    }

    fn send(&mut self) -> Result<(), ProbeEnd> {
        let number = u16::try_from(self.sent.len()).unwrap_or(u16::MAX).to_be_bytes();
        let id = self.id.to_be_bytes();
        let mut message = vec![self.types().0, 0, 0, 0, id[0], id[1], number[0], number[1]];
        message.extend(b"plumbline echo request");
        if self.to.is_ipv4() {
            // The kernel adds the checksum of ICMPv6 (RFC 3542, section 3.1).
            let sum = internet_checksum(&message).to_be_bytes();
            message[2..4].copy_from_slice(&sum);
        }
        self.sent.push(Instant::now());
        match send(self.socket.as_raw_fd(), &message, MsgFlags::empty()) {
            Ok(_) => Ok(()),
            Err(errno) => end_for_errno(errno).map_or(Ok(()), Err),
        }
    }

    fn read_answer(&mut self) -> Option<(ProbeEnd, Option<Instant>)> {
        let request_type = self.types().0;
        for refusal in read_refusals(&self.socket) {
            if let (Some(_), Some(end)) =
                (self.sequence_number(&refusal.packet, request_type), refusal.probe_end(self.source))
            {
                return Some((end, None));
            }
        }
        let mut bytes = [0; 2048];
        loop {
            let length = match recv(self.socket.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
                Ok(length) => length,
                Err(Errno::EAGAIN) => return None,
                // The socket reports each error once, also when the error queue had it.
                Err(Errno::EINTR | Errno::EHOSTUNREACH | Errno::ECONNREFUSED | Errno::ENETUNREACH) => continue,
                Err(errno) => return end_for_errno(errno).map(|end| (end, None)),
            };
            let message = &bytes[..length];
            // A raw socket of IPv4 includes the IP header.
            let begin = if self.to.is_ipv4() { usize::from(message.first()? & 15) * 4 } else { 0 };
            if let Some(number) = self.sequence_number(message.get(begin..).unwrap_or_default(), self.types().1) {
                let answered = ProbeEnd::Answered { by: self.to, mac: None, saw: None };
                return Some((answered, self.sent.get(number).copied()));
            }
        }
    }
}
