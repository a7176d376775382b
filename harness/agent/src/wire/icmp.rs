//! Echo requests, ICMP and ICMPv6, by a raw socket: the agent may, whatever the pod may.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{MsgFlags, SockProtocol, SockType, recv, send};
use plumbline_core::wire::ProbeEnd;

use super::act::Asking;
use super::packets::checksum;
use super::refusal::{queue, unreachable};
use super::socket::{fix, open, own};

/// Types of echo request and reply: ICMP (RFC 792) and ICMPv6 (RFC 4443).
const FOUR: (u8, u8) = (8, 0);
const SIX: (u8, u8) = (128, 129);

/// Told apart by the identifier: other probes of this namespace see each other's replies.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// An echo request.
pub struct Icmp {
    socket: OwnedFd,
    to: IpAddr,
    own: Option<IpAddr>,
    id: u16,
    sent: Vec<Instant>,
}

impl Icmp {
    /// Opens the socket in the namespace this thread is in.
    ///
    /// # Errors
    /// As [`open`] and [`fix`].
    pub fn open(to: IpAddr, from: Option<IpAddr>, dev: Option<&str>) -> Result<Self, ProbeEnd> {
        let protocol = if to.is_ipv4() { SockProtocol::Icmp } else { SockProtocol::IcmpV6 };
        let socket = open(SockType::Raw, protocol, to, from, dev)?;
        fix(&socket, SocketAddr::new(to, 0))?;
        // Other agents may ask from the same namespace; the process and the clock keep apart what a counter can't.
        let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let spread = u16::try_from(seed.subsec_micros() & 0xffff).unwrap_or_default();
        let id = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(spread);
        Ok(Self { own: own(&socket), socket, to, id, sent: Vec::new() })
    }

    fn types(&self) -> (u8, u8) {
        if self.to.is_ipv4() { FOUR } else { SIX }
    }

    /// The number of ours that a message of this type is about.
    fn number(&self, message: &[u8], kind: u8) -> Option<usize> {
        match *message {
            [told, _, _, _, i0, i1, s0, s1, ..] if told == kind && [i0, i1] == self.id.to_be_bytes() => {
                Some(usize::from(u16::from_be_bytes([s0, s1]))).filter(|number| *number < self.sent.len())
            }
            _ => None,
        }
    }
}

impl Asking for Icmp {
    fn watch<'a>(&'a self, watched: &mut Vec<PollFd<'a>>) {
        watched.push(PollFd::new(self.socket.as_fd(), PollFlags::POLLIN));
    }

    fn send(&mut self) -> Result<(), ProbeEnd> {
        let number = u16::try_from(self.sent.len()).unwrap_or(u16::MAX).to_be_bytes();
        let id = self.id.to_be_bytes();
        let mut message = vec![self.types().0, 0, 0, 0, id[0], id[1], number[0], number[1]];
        message.extend(b"plumbline asks whether you are there");
        if self.to.is_ipv4() {
            // ICMPv6's is the kernel's part (RFC 3542, section 3.1).
            let sum = checksum(&message).to_be_bytes();
            message[2..4].copy_from_slice(&sum);
        }
        self.sent.push(Instant::now());
        match send(self.socket.as_raw_fd(), &message, MsgFlags::empty()) {
            Ok(_) => Ok(()),
            Err(errno) => unreachable(errno).map_or(Ok(()), Err),
        }
    }

    fn take(&mut self) -> Option<(ProbeEnd, Option<Instant>)> {
        let asked = self.types().0;
        for refusal in queue(&self.socket) {
            if let (Some(_), Some(end)) = (self.number(&refusal.packet, asked), refusal.end(self.own)) {
                return Some((end, None));
            }
        }
        let mut bytes = [0; 2048];
        loop {
            let length = match recv(self.socket.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
                Ok(length) => length,
                Err(Errno::EAGAIN) => return None,
                // An error of the socket is told once, also where the queue had its story.
                Err(Errno::EINTR | Errno::EHOSTUNREACH | Errno::ECONNREFUSED | Errno::ENETUNREACH) => continue,
                Err(errno) => return unreachable(errno).map(|end| (end, None)),
            };
            let message = &bytes[..length];
            // A raw socket of IPv4 hands over the IP header as well.
            let begin = if self.to.is_ipv4() { usize::from(message.first()? & 15) * 4 } else { 0 };
            if let Some(number) = self.number(message.get(begin..).unwrap_or_default(), self.types().1) {
                let answered = ProbeEnd::Answered { by: self.to, mac: None, saw: None };
                return Some((answered, self.sent.get(number).copied()));
            }
        }
    }
}
